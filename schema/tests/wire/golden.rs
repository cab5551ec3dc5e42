//! The frames in `proto/golden/`, which the client in TypeScript reads too. `UPDATE=1 cargo test -p entitygraph-schema --test
//! wire golden` writes them anew.

mod frames;
mod meaning;

use std::{collections::BTreeSet, fs, path::PathBuf};

use entitygraph_schema::wire::{Body, Kind, Role, control::Control, frame::Frames, limits::Limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forms::{hex, rewritten, unhex};

pub use frames::{example_head, three_walkers};

/// One file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// Of the frame's kind.
    name: String,
    /// Two hex digits.
    kind: String,
    /// What is to be seen in it.
    about: String,
    /// The whole frame.
    hex: String,
    /// What a reader makes of it.
    meaning: Value,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("proto/golden")
}

/// What the file should be, from what is written in [`frames`].
fn expected(about: &str, frame: &[u8], meaning: Value) -> Golden {
    let kind = Kind::from_number(frame[0]).unwrap();
    Golden {
        name: kind.name().to_owned(),
        kind: format!("{:02X}", kind.number()),
        about: about.to_owned(),
        hex: hex(frame),
        meaning,
    }
}

#[test]
fn frames_are_written_and_read_as_in_the_files() {
    let mut seen = BTreeSet::new();
    for frames::Case { file, about, frame, meaning } in frames::all() {
        let golden = expected(about, &frame, meaning);
        let path = folder().join(format!("{file}.json"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, serde_json::to_string_pretty(&golden).unwrap() + "\n").unwrap();
        }
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stored: Golden = serde_json::from_str(&text).unwrap();
        assert_eq!(stored, golden, "{file}");
        assert!(seen.insert(format!("{file}.json")), "{file} twice");

        let message = unhex(&stored.hex);
        let frames = Frames::new(&message, Limits::up(Role::Server)).unwrap();
        let [frame] = frames.collect::<Result<Vec<_>, _>>().unwrap()[..] else { panic!("{file}: one frame") };
        match frame.kind.body() {
            Body::Packed => {
                assert_eq!(rewritten(frame.kind, frame.body), Ok(message.clone()), "{file}");
                assert_eq!(meaning::of(frame.kind, frame.body), stored.meaning, "{file}");
            }
            Body::Proto => {
                let mut again = vec![];
                Control::read(frame.kind, frame.body).unwrap().put(&mut again);
                assert_eq!(again, message, "{file}");
            }
        }
    }
    let stored =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stored: BTreeSet<_> = stored.filter(|name| name.ends_with(".json")).collect();
    assert_eq!(stored, seen, "files that no test writes");
}

#[test]
fn every_packed_kind_has_a_golden_frame() {
    let kinds: BTreeSet<_> = frames::all().map(|case| case.frame[0]).collect();
    for kind in Kind::ALL.iter().filter(|kind| kind.body() == Body::Packed) {
        assert!(kinds.contains(&kind.number()), "{kind}");
    }
}

/// Every golden frame.
pub fn all_frames() -> Vec<Vec<u8>> {
    frames::all().map(|case| case.frame).collect()
}
