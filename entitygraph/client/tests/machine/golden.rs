//! The golden frames, through the door that players, viewers and servers use.

use std::{fs, path::Path};

use entitygraph_client::stream::{
    event::Event, peer::Machine, player::Player, refusal::Why, server::Server, viewer::Viewer,
};
use entitygraph_schema::wire::{Kind, Role, control::message::Code};
use serde_json::Value;

use crate::hub::{Hub, handle_of};

struct Golden {
    name: String,
    kind: Kind,
    bytes: Vec<u8>,
    meaning: Value,
}

fn all() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/proto/golden");
    let mut golden = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let hex = file["hex"].as_str().unwrap();
        let bytes: Vec<u8> =
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
        let kind = Kind::from_number(bytes[0]).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        golden.push(Golden { name, kind, bytes, meaning: file["meaning"].clone() });
    }
    assert!(golden.len() >= 18);
    golden.sort_by(|one, other| one.name.cmp(&other.name));
    golden
}

fn taken(role: Role, golden: &Golden) -> Vec<Event> {
    fn through<M: Machine>(machine: M, golden: &Golden) -> Vec<Event> {
        let mut hub = Hub::open_as(machine);
        hub.bind(1, 300, &[4_097, 4_099, 4_102, 7]);
        hub.send(golden.bytes.clone());
        hub.events()
    }
    match role {
        Role::Server => through(Server::new("ws://hub.test/stream"), golden),
        Role::Player => through(Player::new("ws://hub.test/stream"), golden),
        Role::Viewer => through(Viewer::new("ws://hub.test/stream"), golden),
    }
}

#[test]
fn each_is_taken_by_the_roles_it_is_sent_to_and_ends_the_session_of_others() {
    for golden in all() {
        for role in [Role::Server, Role::Player, Role::Viewer] {
            let events = taken(role, &golden);
            let refused = matches!(
                events.last(),
                Some(Event::Ended(Some(error))) if error.why == Why::Code(Code::BadFrame)
            );
            let for_role = golden.kind.down().has(role);
            assert_eq!(refused, !for_role, "{} to a {role:?}: {events:?}", golden.name);
        }
    }
}

#[test]
fn the_walkers_of_the_page_stand_where_it_says() {
    let golden = all().into_iter().find(|golden| golden.name == "40-state").unwrap();
    let mut hub = Hub::open_as(Viewer::new("ws://hub.test/stream"));
    hub.bind(1, 300, &[4_097, 4_099, 4_102, 5_000]);
    hub.send(golden.bytes.clone());
    let moved: Vec<_> = hub.events();
    let walkers = [4_097, 4_099, 4_102].map(handle_of);
    assert_eq!(moved, walkers.map(Event::Moved));
    let rows = golden.meaning["rows"].as_array().or_else(|| golden.meaning["sections"][0]["rows"].as_array());
    let rows = rows.unwrap_or_else(|| panic!("{}", golden.meaning));
    assert_eq!(rows.len(), 3);
    for (row, handle) in rows.iter().zip(walkers) {
        assert_eq!(row["handle"].as_u64(), Some(handle.get().into()));
        let seen = hub.machine.view().entity(handle).unwrap();
        let position: Vec<f64> =
            row["position_m"].as_array().unwrap().iter().map(|axis| axis.as_f64().unwrap()).collect();
        assert_eq!(seen.position_m.unwrap().to_array()[..], position);
    }
    // The same slice again is passed over.
    hub.send(golden.bytes);
    assert_eq!(hub.events(), []);
}

#[test]
fn inputs_events_and_what_was_applied_are_told() {
    let of = |name: &str| all().into_iter().find(|golden| golden.name == name).unwrap();
    let inputs = of("45-inputs");
    let told = taken(Role::Server, &inputs);
    assert_eq!(told.len(), inputs.meaning["inputs"].as_array().unwrap().len());
    assert!(told.iter().all(|event| matches!(event, Event::Input { .. })), "{told:?}");
    let applied = of("46-applied");
    let number = applied.meaning["number"].as_u64().unwrap();
    assert_eq!(taken(Role::Player, &applied), [Event::Applied { input: number }]);
    let horizon = of("43-horizon");
    assert_eq!(taken(Role::Viewer, &horizon), [Event::Horizon(horizon.meaning["moment"].as_u64().unwrap())]);
    // A shot is heard of who is shown, and of nobody else.
    let events = of("42-events");
    let source = events.meaning["events"][0]["source"].as_u64().unwrap() as u32;
    let mut hub = Hub::open_as(Viewer::new("ws://hub.test/stream"));
    hub.send(events.bytes.clone());
    assert_eq!(hub.events(), []);
    hub.bind(1, 300, &[source]);
    hub.send(events.bytes);
    let told = hub.events();
    assert!(
        matches!(&told[..], [Event::Happened { source: told, .. }, ..] if told.get() == source),
        "{told:?}"
    );
}
