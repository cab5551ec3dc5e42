//! Keys, the ids made from them, and what an author may have meant by an unknown name.

use entitygraph_schema::EntityId;
use sha2::{Digest, Sha256};

/// Longest key, and longest name of a world, in bytes.
pub const KEY_MAX_BYTES: usize = 200;

/// The id of the entity with this key in the world of this name: the first 63 bits of a SHA-256 over both, above
/// [`EntityId::FIRST_NAMED`].
///
/// The same key has the same id in every store, on every run, with nothing to look up; leased ids and ids of other
/// sources are below. Among a million keys the chance that any two have one id is 1 in 18 million; the loader would report
/// the second as given twice, and another key helps.
pub fn id_of(world: &str, key: &str) -> EntityId {
    let mut hash = Sha256::new();
    hash.update(world.as_bytes());
    hash.update([0]); // no name has it
    hash.update(key.as_bytes());
    let first = hash.finalize().first_chunk().copied().map_or(0, u64::from_be_bytes);
    EntityId::new(first | EntityId::FIRST_NAMED.get()).unwrap_or(EntityId::FIRST_NAMED)
}

/// Why a text cannot be a key.
pub fn check_key(key: &str) -> Result<(), String> {
    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("the key `{key}` looks like an id: use `id`, or put a letter into it"));
    }
    check_name("the key", key)
}

/// Why a text cannot be a key or the name of a world.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let accepts = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if name.is_empty() {
        Err(format!("{what} is empty"))
    } else if name.len() > KEY_MAX_BYTES {
        Err(format!("{what} is {} bytes long, the limit is {KEY_MAX_BYTES}", name.len()))
    } else if let Some(c) = name.chars().find(|c| !accepts(*c)) {
        Err(format!("{what} `{name}` has {c:?}: allowed are letters, digits and _ - . : /"))
    } else {
        Ok(())
    }
}

/// `: did you mean `x`?` for the known name nearest to `name`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let scored = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    match scored.min() {
        Some((distance, known)) if distance <= 1 + name.chars().count() / 4 => format!(": did you mean `{known}`?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_names_never_change() {
        let ids = [("solar-system", "universe"), ("solar-system", "sol/earth"), ("other", "sol/earth")]
            .map(|(world, key)| id_of(world, key).get());
        assert_eq!(ids, [0, 0, 0]);
        assert!(ids.iter().all(|id| *id >= EntityId::FIRST_NAMED.get()));
    }

    #[test]
    fn keys_that_look_like_ids_or_have_odd_characters_are_refused() {
        assert!(check_key("sol/earth").is_ok());
        for (key, why) in [("", "empty"), ("42", "looks like an id"), ("a b", "' '"), ("é", "'é'"), (&"x".repeat(201), "201")] {
            assert!(check_key(key).unwrap_err().contains(why), "{key}");
        }
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["ship/hauler", "ship/scout", "crate/large"];
        assert_eq!(did_you_mean("shp/hauler", known), ": did you mean `ship/hauler`?");
        assert_eq!(did_you_mean("planet", known), "");
    }
}
