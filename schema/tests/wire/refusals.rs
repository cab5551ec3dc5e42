//! What readers refuse, and that they say what, where and why.

use entitygraph_schema::wire::Kind;

use crate::{
    forms::{rewritten, unhex},
    golden::three_walkers,
};

/// The body of the example on the page with one byte replaced.
fn walkers(at: usize, byte: u8) -> Vec<u8> {
    let mut body = three_walkers()[2..].to_vec();
    body[at] = byte;
    body
}

#[track_caller]
fn refused(kind: Kind, body: &[u8], why: &str) {
    assert_eq!(rewritten(kind, body).unwrap_err().to_string(), why);
}

#[test]
fn bad_slices_are_refused_by_byte_and_reason() {
    let state = |at, byte, why| refused(Kind::State, &walkers(at, byte), why);
    // 0 moment, 2 age, 3 shape, 4 zone, 6 level, 7 step, 8 cell, 11 mask, 12 count, 13 handles, 17 rows
    state(3, 0x43, "byte 3 of the State: 67 is no shape of a slice");
    state(3, 0x4c, "byte 3 of the State: 76 is no shape of a slice");
    state(3, 0xb0, "byte 3 of the State: 176 is no shape of a slice");
    state(5, 0x00, "byte 4 of the State: a number is not in its shortest form or is above 64 bits");
    state(6, 70, "byte 6 of the State: 70 is no level of a cell (its two's complement)");
    state(6, 0xfc, "byte 6 of the State: 252 is no level of a cell (its two's complement)");
    state(7, 5, "byte 7 of the State: 5 is no step 1 to 42 below the level (its two's complement)");
    state(7, 0xda, "byte 7 of the State: 218 is no step 1 to 42 below the level (its two's complement)");
    state(11, 0, "byte 11 of the State: 0 is no mask of a section");
    state(11, 7, "byte 11 of the State: 7 is no mask of a section");
    state(11, 0x23, "byte 11 of the State: 35 is no mask of a section");
    state(12, 0, "byte 12 of the State: 0 is no count of a section");
    state(12, 100, "byte 12 of the State: 100 items are announced, but only 22 bytes are left");
    state(21, 0x02, "byte 17 of the State: 2 is no last byte of a position");
    state(12, 2, "byte 16 of the State: 16 is no last byte of a position");
    refused(Kind::State, &walkers(0, 0)[..34], "byte 34 of the State: 1 bytes are needed, 0 are left");
    refused(Kind::State, &[], "byte 0 of the State: 2 bytes are needed, 0 are left");
}

#[test]
fn an_entity_stands_in_one_section_and_a_section_once() {
    // Velocities of entity 5, in two sections.
    let slice = |sections: &str| unhex(&format!("0000 00 00 01 00 ff 00 00 00 {sections}"));
    let velocity = "08 01 05 000000";
    assert!(rewritten(Kind::State, &slice(velocity)).is_ok());
    let order = "byte 16 of the State: a section stands after an equal or greater one";
    refused(Kind::State, &slice(&format!("{velocity} {velocity}")), order);
    refused(Kind::State, &slice(&format!("{velocity} 02 01 06 00")), order);
    let twice =
        "byte 14 of the State: a handle that stood in another section stands after an equal or greater one";
    refused(Kind::State, &slice(&format!("02 01 05 00 {velocity}")), twice);
    let none = "byte 12 of the State: 0 is no step to a higher handle";
    refused(Kind::State, &slice("08 01 00 000000"), none);
}

#[test]
fn places_and_speeds_beyond_the_limits_are_refused() {
    let far = "byte 4 of the Events: 3 is no place of a cell with coordinates up to 1e21 m";
    refused(Kind::Events, &unhex("0000 2c 45 00 06 00 00"), far);
    // 2^50 + 1, zig-zag.
    let fast = "byte 13 of the State: 1125899906842625 is no velocity in 1/16 m/s";
    refused(Kind::State, &unhex("0000 00 00 01 00 ff 00 00 00 08 01 05 8280808080808004 00 00"), fast);
}

#[test]
fn bad_reports_are_refused_by_byte_and_reason() {
    let report = |hex: &str, why: &str| refused(Kind::Report, &unhex(hex), why);
    report("01 01 02 00", "byte 2 of the Report: 2 is no set of flags");
    report("01 01 01 01", "byte 3 of the Report: 1 items are announced, but only 0 bytes are left");
    report("01 01 01 01 07 00 00 00 00 00", "byte 5 of the Report: 0 is no handle");
    report("01 01 01 01 07 01 01 05 10 00 00 00", "byte 8 of the Report: 16 is no mask of an exact row");
    report(
        "01 01 01 01 07 01 00 01 4d 05 09 02 00 00 00",
        "byte 11 of the Report: 2 is no tag of a receipt's outcome",
    );
    report("01 01 01 00 00", "byte 4 of the Report: 1 bytes follow the end of the record");
    let long = format!("01 01 01 01 07 01 00 01 4d 05 09 00 8108 {} 00 00", "00".repeat(1025));
    report(&long, "byte 12 of the Report: 1025 is no length of an answer");
}

#[test]
fn small_frames_are_refused_by_byte_and_reason() {
    refused(Kind::Horizon, &[1, 1], "byte 1 of the Horizon: 1 bytes follow the end of the record");
    refused(
        Kind::Horizon,
        &[0x81, 0],
        "byte 0 of the Horizon: a number is not in its shortest form or is above 64 bits",
    );
    refused(Kind::Applied, &[1], "byte 0 of the Applied: 2 bytes are needed, 1 are left");
    refused(Kind::Input, &[0, 1], "byte 0 of the Input: 0 is no handle");
    let long = [&[1, 1][..], &[0; 257]].concat();
    refused(Kind::Input, &long, "byte 2 of the Input: 257 is no length of an input's content");
    refused(Kind::Inputs, &[5], "byte 0 of the Inputs: 5 items are announced, but only 0 bytes are left");
    let event = unhex(&format!("0000 2c 05 00 00 00 01 05 03 8102 {}", "00".repeat(257)));
    refused(Kind::Events, &event, "byte 10 of the Events: 257 is no length of an event's content");
}
