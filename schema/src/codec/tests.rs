//! Golden bytes, round trips, and bytes that are no record.

use std::fmt::Debug;

use proptest::{collection, prelude::*};

use super::*;
use crate::{testing::*, *};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes and what they decode to are fixed: stores on disk depend on it.
#[track_caller]
fn golden<T: Form + PartialEq + Debug>(value: T, bytes: &str) {
    let bytes = bytes.replace(char::is_whitespace, "");
    assert_eq!(hex(&encoded(&value)), bytes);
    assert_eq!(decode::<T>(&encoded(&value)).unwrap(), value);
}

fn round_trip<T: Form + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let bytes = encoded(value);
    let back = decode::<T>(&bytes);
    prop_assert_eq!(back.as_ref(), Ok(value));
    // Floats compare equal over the sign of zero, bytes do not.
    prop_assert_eq!(back.map(|back| encoded(&back)), Ok(bytes));
    Ok(())
}

/// What decodes has no other spelling: so equal bytes are equal values, and the other way round.
fn canonical<T: Form>(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(value) = decode::<T>(bytes) {
        prop_assert_eq!(encoded(&value), bytes);
    }
    Ok(())
}

fn canonical_as_anything(bytes: &[u8]) -> Result<(), TestCaseError> {
    canonical::<Value>(bytes)?;
    canonical::<Components>(bytes)?;
    canonical::<Pose>(bytes)?;
    canonical::<Link>(bytes)?;
    canonical::<Entity>(bytes)?;
    canonical::<Patch>(bytes)?;
    canonical::<Delta>(bytes)?;
    canonical::<ComponentType>(bytes)?;
    canonical::<Container>(bytes)?;
    canonical::<Change>(bytes)?;
    canonical::<Commit>(bytes)?;
    canonical::<Transaction>(bytes)
}

proptest! {
    #[test]
    fn values_survive(value in values()) { round_trip(&value)?; }

    #[test]
    fn entities_survive(entity in entities()) { round_trip(&entity)?; }

    #[test]
    fn new_entities_survive(entity in new_entities()) { round_trip(&entity)?; }

    #[test]
    fn deltas_survive(delta in deltas()) { round_trip(&delta)?; }

    #[test]
    fn component_types_survive(component in component_types()) { round_trip(&component)?; }

    #[test]
    fn containers_survive(container in containers()) { round_trip(&container)?; }

    #[test]
    fn commits_survive(commit in commits()) { round_trip(&commit)?; }

    #[test]
    fn transactions_survive(transaction in transactions()) { round_trip(&transaction)?; }

    #[test]
    fn random_bytes_are_refused_or_are_the_one_form_of_a_value(bytes in collection::vec(any::<u8>(), 0..200)) {
        canonical_as_anything(&bytes)?;
    }

    #[test]
    fn small_numbers_as_bytes_are_refused_or_are_the_one_form_of_a_value(bytes in collection::vec(0..8u8, 0..60)) {
        canonical_as_anything(&bytes)?;
    }

    #[test]
    fn a_record_with_some_bytes_changed_is_refused_or_is_the_one_form_of_another(
        commit in commits(),
        changes in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encoded(&commit);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        canonical::<Commit>(&bytes)?;
    }

    #[test]
    fn a_record_cut_short_is_refused(transaction in transactions(), at in any::<prop::sample::Index>()) {
        let bytes = encoded(&transaction);
        let error = decode::<Transaction>(&bytes[..at.index(bytes.len())]).unwrap_err();
        prop_assert!(matches!(error.fault, Fault::Short { .. } | Fault::Count { .. }), "{error}");
    }

    #[test]
    fn bytes_after_a_record_are_refused(transaction in transactions(), more in 1..5usize) {
        let mut bytes = encoded(&transaction);
        let offset = bytes.len();
        bytes.resize(offset + more, 0);
        let error = CodecError { record: "transaction", offset, fault: Fault::Trailing { left: more } };
        prop_assert_eq!(decode::<Transaction>(&bytes), Err(error));
    }

    #[test]
    fn fingerprints_are_equal_for_equal_transactions_only(one in transactions(), other in transactions()) {
        prop_assert_eq!(fingerprint(&one), fingerprint(&one.clone()));
        prop_assert_eq!(one == other, fingerprint(&one) == fingerprint(&other));
    }
}

#[test]
fn a_fingerprint_is_the_same_everywhere_and_for_ever() {
    assert_eq!(
        hex(&fingerprint(&Transaction::of([Operation::Bury { entity: entity_id(7), subtree: true }]))),
        "12faa4af8543917185f3c345c3446f49c1c3505367d8d79c0512e7da8bbc9fa4"
    );
}

#[test]
fn numbers_have_their_shortest_form() {
    for (number, bytes) in [
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (300, "ac02"),
        (1 << 53, "8080808080808010"),
        (u64::MAX, "ffffffffffffffffff01"),
    ] {
        golden(entity_id(number), bytes);
    }
    for (number, bytes) in [(0, "00"), (-1, "01"), (1, "02"), (i64::MIN, "ffffffffffffffffff01")] {
        golden(number, bytes);
    }
    let refused = |bytes: &[u8]| decode::<Revision>(bytes).unwrap_err().fault;
    assert_eq!(refused(&[0x80, 0x00]), Fault::Number);
    assert_eq!(refused(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]), Fault::Number);
    assert_eq!(refused(&[0x80; 11]), Fault::Number);
    assert_eq!(refused(&[0x80; 3]), Fault::Short { needed: 1, left: 0 });
}
