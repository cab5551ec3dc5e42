//! Each row of the table in docs/authority.md, as it is written there.

use entitygraph_schema::EntityId;

use super::*;

fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

/// universe 1 { stanton 2 { hurston 3 { mug 4 }, crusader 5, gate 6, tunnel 7 }, pyro 8 { gate 9, ruin 10 }, nyx 11, odin 12 }, and
/// elsewhere 20 { far 21 }.
fn world() -> World {
    let zone = |number, key: &str, parent: u64, host| Zone {
        id: id(number),
        key: key.to_owned(),
        parent: EntityId::new(parent),
        host,
    };
    World::new(
        [
            zone(1, "universe", 0, true),
            zone(2, "stanton", 1, true),
            zone(3, "stanton/hurston", 2, true),
            zone(4, "stanton/hurston/mug", 3, false),
            zone(5, "stanton/crusader", 2, true),
            zone(6, "stanton/gate", 2, false),
            zone(7, "stanton/tunnel", 2, true),
            zone(8, "pyro", 1, true),
            zone(9, "pyro/gate", 8, false),
            zone(10, "pyro/ruin", 8, true),
            zone(11, "nyx", 1, true),
            zone(12, "odin", 1, true),
            zone(20, "elsewhere", 0, true),
            zone(21, "elsewhere/far", 20, true),
        ],
        [[id(9), id(6)]],
    )
}

const GOOD: &str = r#"world = "universe"

[[post]]
name = "stanton-1"
zones = ["stanton"]
players = 100

[[post]]
name = "stanton-2"
zones = ["stanton/hurston", "stanton/crusader"]
fallback = "stanton-1"

[[post]]
name = "pyro-1"
zones = ["universe", "pyro"]

[[jump]]
gates = ["stanton/gate", "pyro/gate"]
tunnel = "stanton/tunnel"
stay_ms = 20_000
slots = 8
eject_ms = 60_000
"#;

fn check(text: &str) -> Result<Map, Mistakes> {
    MapFile::parse("map.toml", text).check(&world())
}

/// What is said of the good map with one text in the place of another.
#[track_caller]
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    check(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_good_map_is_what_it_says() {
    let map = check(GOOD).unwrap();
    assert_eq!(map.world, id(1));
    let zones: Vec<_> = map.territories().map(|(zone, post)| (zone.get(), post.0)).collect();
    assert_eq!(zones, [(2, 0), (3, 1), (5, 1), (1, 2), (8, 2)]);
    let fallbacks: Vec<_> = map.posts.iter().map(|post| post.fallback).collect();
    assert_eq!(fallbacks, [None, Some(PostId(0)), None]);
    assert_eq!(map.posts[0].players, 100);
    let gates = [Gate { id: id(6), zone: id(2) }, Gate { id: id(9), zone: id(8) }];
    let jump = Jump { gates, tunnel: id(7), stay_ms: 20_000, slots: 8, eject_ms: 60_000 };
    assert_eq!(map.jumps, [jump]);
    assert_eq!(map.by_name("pyro-1"), Some(PostId(2)));
}

#[test]
fn ids_do_as_well_as_keys() {
    let by_key = check(GOOD).unwrap();
    let by_id = check(&GOOD.replacen("\"stanton\"", "\"2\"", 1)).unwrap();
    assert_eq!((&by_key.posts, &by_key.jumps), (&by_id.posts, &by_id.jumps));
    assert_ne!(by_key.hash, by_id.hash);
}

#[test]
fn the_world_is_there_and_is_a_root() {
    assert_eq!(
        with("world = \"universe\"", "world = \"univers\""),
        "map.toml:1: no entity has the key \"univers\"; did you mean \"universe\"?"
    );
    assert_eq!(
        with("world = \"universe\"", "world = \"stanton\""),
        "map.toml:1: \"stanton\" is no root: it is in \"universe\""
    );
    assert_eq!(with("world = \"universe\"", ""), "map.toml:1: the map has no `world`");
}

#[test]
fn every_zone_has_a_post() {
    assert_eq!(
        with("zones = [\"universe\", \"pyro\"]", "zones = [\"pyro/ruin\"]"),
        "map.toml: zone \"pyro\" (8) and 2 others belong to no post: assign them or the root \"universe\""
    );
    let all = "zones = [\"pyro\", \"nyx\", \"odin\"]";
    let map = check(&GOOD.replacen("zones = [\"universe\", \"pyro\"]", all, 1)).unwrap();
    assert!(map.posts[0].zones.contains(&id(1)), "what is right in the root is the first post's");
}

#[test]
fn a_zone_is_named_once() {
    assert_eq!(
        with("[\"universe\", \"pyro\"]", "[\"universe\", \"stanton\", \"pyro\"]"),
        "map.toml:15: \"stanton\" belongs to \"stanton-1\" already (line 5)"
    );
}

#[test]
fn what_is_named_is_a_zone_host_of_the_world() {
    assert_eq!(
        with("\"stanton/crusader\"", "\"stanton/hurston/mug\""),
        "map.toml:10: \"stanton/hurston/mug\" is no zone host"
    );
    assert_eq!(
        with("\"stanton/crusader\"", "\"stanton/crusadr\""),
        "map.toml:10: no entity has the key \"stanton/crusadr\"; did you mean \"stanton/crusader\"?"
    );
    assert_eq!(with("\"stanton/crusader\"", "\"4711\""), "map.toml:10: no entity has the id \"4711\"");
    assert_eq!(
        with("\"stanton/crusader\"", "\"elsewhere/far\""),
        "map.toml:10: \"elsewhere/far\" is not in the world \"universe\""
    );
}

#[test]
fn names_of_posts_are_good_and_each_once() {
    assert_eq!(
        with("name = \"pyro-1\"", "name = \"stanton-1\""),
        "map.toml:14: two posts are called \"stanton-1\""
    );
    for bad in ["", "Pyro", "pyro 1", &"p".repeat(65)] {
        let said = with("name = \"pyro-1\"", &format!("name = \"{bad}\""));
        let expected =
            format!("map.toml:14: a post cannot be called \"{bad}\": 1 to 64 of a-z 0-9 - are possible");
        assert_eq!(said, expected);
    }
}

#[test]
fn a_post_has_a_zone() {
    let spare = "[[post]]\nname = \"spare\"\n\n[[jump]]";
    assert_eq!(
        with("[[jump]]", spare),
        "map.toml:18: post \"spare\" has no zones: leave it out, standbys need none"
    );
}

#[test]
fn a_fallback_is_another_post_and_leads_nowhere_back() {
    assert_eq!(
        with("fallback = \"stanton-1\"", "fallback = \"stanton-2\""),
        "map.toml:11: fallback of \"stanton-2\" leads back to \"stanton-2\""
    );
    assert_eq!(
        with("players = 100", "fallback = \"stanton-2\""),
        "map.toml:6: fallback of \"stanton-1\" leads back to \"stanton-1\"\n\
         map.toml:11: fallback of \"stanton-2\" leads back to \"stanton-2\""
    );
    assert_eq!(
        with("fallback = \"stanton-1\"", "fallback = \"stanton-3\""),
        "map.toml:11: no post is called \"stanton-3\"; did you mean \"stanton-1\"?"
    );
}

#[test]
fn gates_are_there_and_linked() {
    assert_eq!(
        with("\"pyro/gate\"", "\"pyro/ruin\""),
        "map.toml:18: no link of kind \"jump\" between \"stanton/gate\" and \"pyro/ruin\""
    );
    assert_eq!(
        with("\"pyro/gate\"", "\"pyro/gat\""),
        "map.toml:18: no entity has the key \"pyro/gat\"; did you mean \"pyro/gate\"?"
    );
    assert_eq!(with(", \"pyro/gate\"", ""), "map.toml:17: a jump has two gates, this one has 1");
}

#[test]
fn a_tunnel_is_a_zone_host_of_one_of_its_gates_posts() {
    assert_eq!(
        with("tunnel = \"stanton/tunnel\"", "tunnel = \"stanton/hurston\""),
        "map.toml:19: the tunnel \"stanton/hurston\" belongs to \"stanton-2\", none of its gates does"
    );
    assert_eq!(
        with("tunnel = \"stanton/tunnel\"", "tunnel = \"stanton/hurston/mug\""),
        "map.toml:19: \"stanton/hurston/mug\" is no zone host"
    );
    let twice = GOOD.split_once("[[jump]]").unwrap().1;
    let said = check(&format!("{GOOD}[[jump]]{twice}")).unwrap_err().to_string();
    assert_eq!(said, "map.toml:25: the tunnel \"stanton/tunnel\" is that of another jump already (line 19)");
}

#[test]
fn numbers_are_in_range() {
    for (field, bad, range) in [
        ("stay_ms = 20_000", "20", "1000 to 600000"),
        ("players = 100", "0", "1 to 10000"),
        ("slots = 8", "1_001", "1 to 1000"),
        ("eject_ms = 60_000", "-1", "1000 to 600000"),
        ("slots = 8", "8.5", "1 to 1000"),
    ] {
        let name = field.split(' ').next().unwrap();
        let said = with(field, &format!("{name} = {bad}"));
        let written = if bad == "8.5" { "a float".to_owned() } else { bad.replace('_', "") };
        assert!(said.contains(&format!(": {name} is {written}, {range} are possible")), "{said}");
    }
    assert_eq!(
        with("eject_ms = 60_000", "eject_ms = 20_000"),
        "map.toml:22: eject_ms is 20000, it must be above stay_ms, 20000"
    );
}

#[test]
fn fields_that_mean_nothing_and_wrong_types_are_named() {
    assert_eq!(
        with("players = 100", "palyers = 100"),
        "map.toml:6: a post has no field `palyers`; did you mean \"players\"?"
    );
    assert_eq!(
        with("zones = [\"stanton\"]", "zones = \"stanton\""),
        "map.toml:4: post \"stanton-1\" has no zones: leave it out, standbys need none\n\
         map.toml:5: `zones` is a string, a list of texts is expected"
    );
    let said = check("world = \"universe\"\n[[post]\n").unwrap_err();
    assert!(said.count() == 1 && said.to_string().starts_with("map.toml:2: "), "{said}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = GOOD
        .replace("world = \"universe\"", "world = \"univers\"")
        .replace("name = \"pyro-1\"", "name = \"stanton-1\"")
        .replace("stay_ms = 20_000", "stay_ms = 20")
        .replace("\"stanton/crusader\"", "\"stanton/hurston/mug\"");
    let said = check(&text).unwrap_err();
    assert_eq!(
        said.to_string(),
        "map.toml:1: no entity has the key \"univers\"; did you mean \"universe\"?\n\
         map.toml:10: \"stanton/hurston/mug\" is no zone host\n\
         map.toml:14: two posts are called \"stanton-1\"\n\
         map.toml:20: stay_ms is 20, 1000 to 600000 are possible"
    );
}

#[test]
fn no_text_makes_it_panic() {
    for cut in 0..GOOD.len() {
        let _ = check(&GOOD[..cut]);
        let _ = check(&format!("{}{}", &GOOD[..cut], &GOOD[(cut + 7).min(GOOD.len())..]));
    }
}
