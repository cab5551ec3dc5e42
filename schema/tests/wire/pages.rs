//! docs/protocol.md and `stream.proto` say what the code says.

use std::{collections::BTreeMap, fs, path::PathBuf};

use entitygraph_schema::wire::{
    Body, Class, Kind, Role, Roles,
    control::{TEXT_BYTES_MAX, message::Code},
    limits::Limits,
};

use crate::{forms, golden::three_walkers};

pub fn protocol() -> String {
    file("../docs/protocol.md")
}

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of the table with this first line.
pub fn table(page: &str, first: &str) -> Vec<Vec<String>> {
    let lines =
        page.lines().skip_while(|line| *line != first).skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<_> = lines.map(cells).collect();
    assert!(!rows.is_empty(), "the page has no table `{first}`");
    rows
}

pub fn number(text: &str) -> f64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn called(roles: Roles) -> &'static str {
    let has = [Role::Server, Role::Player, Role::Viewer].map(|role| roles.has(role));
    match has {
        [true, true, true] => "P",
        [true, false, false] => "S",
        [false, true, false] => "player",
        [false, false, true] => "viewer",
        [true, true, false] => "S, player",
        [true, false, true] => "S, viewer",
        _ => panic!("{roles:?} has no name on the page"),
    }
}

#[test]
fn the_table_of_frames_is_the_code_s() {
    let rows = table(&protocol(), "| kind | name | from, to | body | what |").into_iter();
    let page: Vec<_> = rows.map(|row| row[..4].join(" | ")).collect();
    let code = Kind::ALL.iter().map(|kind| {
        let (up, down) = (kind.up(), kind.down());
        let ends = match (up == Roles::NONE, down == Roles::NONE) {
            // It goes through the hub to somebody else.
            _ if *kind == Kind::Action => format!("{}→H→{}", called(up), called(down)),
            (false, true) => format!("{}→H", called(up)),
            (true, false) => format!("H→{}", called(down)),
            _ => format!("{}→H, H→{}", called(up), called(down)),
        };
        let body = match kind.body() {
            Body::Proto => "proto",
            Body::Packed => "packed",
        };
        format!("{:02X} | {} | {ends} | {body}", kind.number(), kind.name())
    });
    assert_eq!(page, code.collect::<Vec<_>>());
    assert!(Kind::ALL.is_sorted_by_key(|kind| kind.number()));
}

#[test]
fn the_classes_are_the_code_s() {
    let rows =
        table(&protocol(), "| class | kinds | bound in each direction of a connection | when it is full |");
    let page: Vec<_> = rows.into_iter().map(|row| row[..2].join(" ")).collect();
    let code = Class::ALL.map(|class| {
        let kinds: Vec<_> = Kind::ALL.iter().filter(|kind| kind.class() == class).collect();
        let (first, last) = (kinds[0].number(), kinds[kinds.len() - 1].number());
        format!("{} {first:02X}-{last:02X}", format!("{class:?}").to_lowercase())
    });
    assert_eq!(page, code);
}

#[test]
fn the_proto_names_every_message_with_its_kind() {
    let proto = file("proto/stream.proto");
    let mut named = BTreeMap::new();
    let mut last = None;
    for line in proto.lines() {
        if let Some(comment) = line.strip_prefix("// ") {
            let kind = comment.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            last = kind.filter(|_| comment.as_bytes().get(2) == Some(&b' ')).or(last);
        } else if let (Some(kind), Some(rest)) = (last, line.strip_prefix("message ")) {
            named.insert(kind, rest.trim_end_matches(['{', ' ']).to_owned());
            last = None;
        } else {
            last = None;
        }
    }
    let code = Kind::ALL.iter().filter(|kind| kind.body() == Body::Proto);
    assert_eq!(named, code.map(|kind| (kind.number(), kind.name().to_owned())).collect());
}

#[test]
fn the_close_codes_are_the_code_s() {
    let rows = table(&protocol(), "| close | code | what it means | what to do next |").into_iter();
    let page: BTreeMap<_, _> = rows
        .filter(|row| !row[1].is_empty())
        .map(|row| (row[1].trim_matches('`').to_owned(), number(&row[0]) as u16))
        .collect();
    let codes = (0..64).filter_map(|number| Code::try_from(number).ok());
    assert_eq!(
        page,
        codes.clone().filter_map(|code| Some((code.name().to_owned(), code.close()?))).collect()
    );
    let protocol = protocol();
    for code in codes.filter(|code| *code != Code::Unspecified) {
        assert!(protocol.contains(&format!("`{}`", code.name())), "{}", code.name());
    }
}

#[test]
fn the_limits_are_the_code_s() {
    let rows = table(&protocol(), "| limit | player, viewer | server | when it is exceeded |");
    let said =
        |name: &str| rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no limit {name}"));
    let size = |bytes: usize| match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    };
    for (name, limits) in [("message up", Limits::up as fn(_) -> _), ("message down", Limits::down)] {
        for (cell, role) in [(1, Role::Player), (1, Role::Viewer), (2, Role::Server)] {
            assert_eq!(said(name)[cell], size(limits(role).message_bytes), "{name} of {role:?}");
        }
    }
    let bodies = said("body of a control or action frame");
    let (others, server) = (Limits::down(Role::Player), Limits::up(Role::Server));
    assert_eq!(bodies[1], size(others.body(Kind::Action)));
    let (body, carry) = (size(server.body(Kind::Command)), size(server.body(Kind::Grant)));
    assert_eq!(bodies[2], format!("{body}, `Frozen` and `Grant` {carry}"));
    assert_eq!(said("text of a name, reason")[1], format!("{TEXT_BYTES_MAX} bytes"));
}

#[test]
fn the_example_is_what_the_writer_writes() {
    let page = protocol();
    let block = page.split("```").find(|block| block.trim_start().starts_with("40 23")).unwrap();
    // In each line the bytes end where the words begin: behind two blanks there is one that is no byte.
    let is_byte = |word: &&str| word.len() == 2 && word.chars().all(|c| c.is_ascii_hexdigit());
    let bytes: String = block.lines().flat_map(|line| line.split_whitespace().take_while(is_byte)).collect();
    assert_eq!(forms::unhex(&bytes), three_walkers());
}
