//! Mistakes in what items say.

use super::*;

/// Problems of a sky with one entity more, as texts.
async fn problems_of(entity: &str) -> Vec<String> {
    let text = format!("world: w\nentities:\n  - {entity}\n");
    let report =
        load(&Arc::new(MemoryStore::new()), &[("t.yaml", TEMPLATES), ("s.yaml", SKY), ("x.yaml", &text)])
            .await;
    assert!(report.total().created >= 14, "the rest went in: {report}");
    report.problems.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn each_mistake_is_named_with_file_line_column_and_field() {
    let cases = [
        (
            "{key: x, kind: y, parent: root, radus: 1}",
            "x.yaml:3:",
            "entities[0].radus: unknown field `radus`: did you mean `radius`?",
        ),
        ("{key: x, kind: y, parent: root, radius: big}", "x.yaml:3:45", "entities[0].radius: "),
        (
            "{key: x, kind: y, parent: root, radius: .nan}",
            "x.yaml:3:45",
            "entities[0].radius: the radius is not finite: NaN",
        ),
        (
            "{key: x, kind: y, parent: root, radius: 1e22}",
            "x.yaml:3:45",
            "entities[0].radius: the radius is out of range: 1e22 m, at most 4e21 m are possible",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [0, -1e300, 0]}}",
            "x.yaml:3:48",
            "entities[0].pose: the position is out of range: -1e300 m, at most 1e21 m are possible",
        ),
        (
            "{key: x, kind: y, zone: {cube: 1e300}}",
            "x.yaml:3:",
            "entities[0].zone: the half edge is out of range: 1e300 m",
        ),
        ("{key: x, kind: y, parent: root, radius: -1}", "x.yaml:3:45", "it cannot be negative"),
        (
            "{key: x, kind: y, parent: root, radius: 1e999}",
            "x.yaml:3:45",
            "entities[0].radius: it takes a number, and one that is not infinite",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [0, 1e999, 0]}}",
            "x.yaml:3:52",
            "entities[0].pose.at[1]: it takes a number",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [1, 2]}}",
            "x.yaml:3:",
            "entities[0].pose.at: a list of 3 was expected here, not 2",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [1, .inf, 2]}}",
            "x.yaml:3:48",
            "entities[0].pose: the position is not finite: inf",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [1, 2, 3], rotation: [1, 1, 0, 0]}}",
            "x.yaml:3:",
            "length 1.41",
        ),
        (
            "{key: x, kind: y, parent: root, zone: {cube: 1, min: [0, 0, 0]}}",
            "x.yaml:3:11",
            "entities[0].zone: give either `cube`",
        ),
        (
            "{key: x, kind: y, parent: root, zone: {min: [1, 0, 0], max: [0, 1, 1]}}",
            "x.yaml:3:",
            "inside out",
        ),
        ("{key: x, kind: a b, parent: root}", "x.yaml:3:20", "entities[0].kind: a kind `a b` has ' '"),
        ("{key: x, parent: root}", "x.yaml:3:11", "entities[0].kind: say its `kind`"),
        ("{kind: y, parent: root}", "x.yaml:3:", "entities[0]: give it a `key`"),
        ("{key: 12, kind: y, parent: root}", "x.yaml:3:11", "entities[0].key: the key `12` looks like an id"),
        ("{key: /x, kind: y, parent: root}", "x.yaml:3:11", "which has none"),
        ("{id: 0, kind: y, parent: root}", "x.yaml:3:6", "entities[0].id: "),
        ("{id: 99999999999999999999999, kind: y, parent: root}", "x.yaml:3:6", "entities[0].id: "),
        ("{id: -5, kind: y, parent: root}", "x.yaml:3:6", "entities[0].id: "),
        ("{id: 1.5, kind: y, parent: root}", "x.yaml:3:6", "entities[0].id: "),
        (
            "{key: freighter, kind: y, parent: root}",
            "x.yaml:3:11",
            "`freighter` is there twice, first at s.yaml:10:14",
        ),
        (
            "{key: x, container: shp/hauler, parent: root}",
            "x.yaml:3:25",
            "there is no container `shp/hauler`: did you mean `ship/hauler`?",
        ),
        (
            "{key: x, container: gun, kind: knife, parent: root}",
            "x.yaml:3:36",
            "an entity of container `gun` is a `weapon`, not a `knife`",
        ),
        (
            "{key: x, container: ship/hauler, parent: root, parts: {brigde: {}}}",
            "x.yaml:3:",
            "parts.brigde: container `ship/hauler` brings no `brigde`: did you mean `bridge`?",
        ),
        (
            "{key: x, container: gun, parent: root, slot: {container: ship/hauler, child: bridge}}",
            "x.yaml:3:11",
            "only with `expand: false`",
        ),
        (
            "{key: x, kind: y, parent: root, parts: {}, expand: true}",
            "x.yaml:3:11",
            "entities[0].expand: only an entity with a `container`",
        ),
        (
            "{key: x, kind: y, parent: freigter}",
            "x.yaml:3:31",
            "entities[0].parent: there is no entity `freigter`, neither in the files that could be read nor in the store: did you mean `freighter`?",
        ),
        ("{key: x, kind: y, parent: freighter/brig}", "x.yaml:3:31", "there is no entity `freighter/brig`"),
        (
            "{key: x, kind: y, parent: x}",
            "x.yaml:3:11",
            "it cannot be put under `x`, which is itself or below it",
        ),
        (
            "{key: x, kind: y, parent: root, children: [{key: z, kind: y, parent: root}]}",
            "x.yaml:3:",
            "entities[0].children[0].parent: it is written below its parent already",
        ),
        (
            "{key: x, kind: y, parent: root, values: {shop: {hull: 1}}}",
            "x.yaml:3:",
            "values.shop: there is no component `shop`: did you mean `ship`?",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {hul: 1}}}",
            "x.yaml:3:58",
            "values.ship.hul: component `ship` has no variable `hul`: did you mean `hull`?",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {hull: much}}}",
            "x.yaml:3:59",
            "entities[0].values.ship.hull: it takes a number",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {hull: .inf}}}",
            "x.yaml:3:59",
            "the value is not finite: inf",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {crew: 1.5}}}",
            "x.yaml:3:59",
            "it takes a whole number",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {crew: 9223372036854775808}}}",
            "x.yaml:3:59",
            "not the number 9223372036854775808",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {way: [1, 2]}}}",
            "x.yaml:3:",
            "it takes a list of three numbers, not a list of 2",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {note: 5}}}",
            "x.yaml:3:59",
            "it takes a text (put it into quotes), not the number 5",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {sleeps: yes}}}",
            "x.yaml:3:61",
            "it takes true or false, not the text `yes`",
        ),
        ("{key: x, kind: y, parent: root, values: {ship: {seal: '?'}}}", "x.yaml:3:59", "base64"),
        (
            "{key: x, kind: y, parent: root, values: {ship: {home: nowhere}}}",
            "x.yaml:3:59",
            "there is no entity `nowhere`",
        ),
        (
            "{key: x, kind: y, parent: root, values: {ship: {counts: [1, a]}}}",
            "x.yaml:3:61",
            "the text `a` is in it",
        ),
        ("{key: x, kind: y}", "x.yaml:3:11: entities[0]", "has no parent, so it must be a zone"),
        (
            "{key: x, kind: y, parent: freighter, port: tail}",
            "x.yaml:3:11: entities[0]",
            "has no port `tail`",
        ),
        ("{key: x, kind: y, kind: z, parent: root}", "x.yaml:3:", "the field `kind` is given twice"),
        ("{key: x, kind: y, parent: root", "x.yaml:3:", "unclosed"),
        ("{}", "x.yaml:3:5", "entities[0]: give it a `key`"),
        (
            "{key: x, kind: y, parent: root, layer: -1}",
            "x.yaml:3:44",
            "entities[0].layer: a whole number from 0 to 4294967295 was expected here",
        ),
        (
            "{key: x, kind: y, parent: root, ordinal: one}",
            "x.yaml:3:46",
            "entities[0].ordinal: a whole number from -9223372036854775808 to",
        ),
        (
            "{key: x, kind: y, parent: root, labels: big}",
            "x.yaml:3:45",
            "entities[0].labels: a list was expected here",
        ),
        (
            "{key: x, kind: y, parent: root, children: {}}",
            "x.yaml:3:47",
            "entities[0].children: a list was expected here",
        ),
        (
            "{key: x, kind: y, parent: root, pose: here}",
            "x.yaml:3:43",
            "entities[0].pose: a map (`field: value`) was expected here",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {}}",
            "x.yaml:3:43",
            "entities[0].pose: the field `at` is missing",
        ),
        ("{key: x, kind: [y], parent: root}", "x.yaml:3:20", "entities[0].kind: a text was expected here"),
        (
            "{key: x, kind: y, parent: root, root: yes}",
            "x.yaml:3:43",
            "entities[0].root: `true` or `false` was expected here",
        ),
        (
            "{key: x, kind: y, parent: [root]}",
            "x.yaml:3:23",
            "entities[0].parent: the key of an entity, or an id from 1 to 18446744073709551615 was expected here, not a list",
        ),
        ("words", "x.yaml:3:5", "entities[0]: a map (`field: value`) was expected here"),
    ];
    let mut wrong = String::new();
    for (entity, place, message) in cases {
        let problems = problems_of(entity).await;
        if problems.len() != 1 || !problems[0].starts_with(place) || !problems[0].contains(message) {
            wrong += &format!("{entity}\n  said {problems:#?}\n  expected {place} {message}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn mistakes_in_templates_are_named_too() {
    let cases = [
        (
            "components: [{name: a, variables: [{name: v, type: flaot, default: 0}]}]",
            "x.yaml:2:",
            "`flaot` is none of bool, int, float, text, entity, vector, bytes, int_list, float_list, text_list: did you mean `float`?",
        ),
        (
            "components: [{name: a, variables: [{name: v, type: int, default: 1.5}]}]",
            "x.yaml:2:",
            "components[0].variables[0].default: it takes a whole number",
        ),
        (
            "components: [{name: a, variables: [{name: v, type: int, default: 1}, {name: v, type: int, default: 1}]}]",
            "x.yaml:2:",
            "names variable `v` twice",
        ),
        (
            "components: [{name: a, variables: [{name: v, type: float, default: 1, precision: 0}]}]",
            "x.yaml:2:",
            "precision: the precision is 0",
        ),
        ("components: [{name: ship}]", "x.yaml:2:", "component `ship` is there twice, first at t.yaml:4:11"),
        ("containers: [{name: gun, kind: y}]", "x.yaml:2:", "container `gun` is there twice"),
        (
            "containers: [{name: n, kind: y, children: [{name: c, container: gnu}]}]",
            "x.yaml:2:",
            "containers[0].children[0].container: there is no container `gnu`: did you mean `gun`?",
        ),
        (
            "containers: [{name: n, kind: y, children: [{name: c, container: m}]}, {name: m, kind: y, children: [{name: c, container: n}]}]",
            "x.yaml:2:",
            "a container cannot hold itself: `n` holds `m` holds `n`",
        ),
        (
            "containers: [{name: n, kind: y, values: {ship: {hull: .nan}}}]",
            "x.yaml:2:",
            "containers[0].values.ship.hull: the value is not finite",
        ),
        (
            "containers: [{name: n, kind: y, children: [{name: c, container: gun, port: p}]}]",
            "x.yaml:2:",
            "attached to port `p`, which it does not have",
        ),
        (
            "links: [{kind: jump, between: [root, nowhere]}]",
            "x.yaml:2:",
            "links[0].between[1]: there is no entity `nowhere`",
        ),
        ("links: [{kind: jump, between: [root, root]}]", "x.yaml:2:", "both ends are entity"),
        ("links: [{kind: jump, between: [root, freighter], cost: .nan}]", "x.yaml:2:", "cost is NaN"),
        (
            "links: [{kind: jump, between: [root]}]",
            "x.yaml:2:",
            "links[0].between: a list of 2 was expected here, not 1",
        ),
        ("format: 2", "x.yaml:2:9", "format 2 is unknown"),
        ("planets: []", "x.yaml:2:1", "unknown field `planets`"),
        ("entities:", "x.yaml:2:", "entities: a list was expected here"),
    ];
    let mut wrong = String::new();
    for (text, place, message) in cases {
        let text = format!("world: w\n{text}\n");
        let store = Arc::new(MemoryStore::new());
        let report = load(&store, &[("t.yaml", TEMPLATES), ("s.yaml", SKY), ("x.yaml", &text)]).await;
        let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
        assert!(report.total().created >= 14, "the rest went in: {report}");
        if !problems.iter().any(|problem| problem.starts_with(place) && problem.contains(message)) {
            wrong += &format!("{text}  said {problems:#?}\n  expected {place} {message}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn keys_need_a_world() {
    let store = Arc::new(MemoryStore::new());
    let report = load(&store, &[("a.yaml", "entities:\n  - {key: x, kind: y, zone: {cube: 1}}\n")]).await;
    assert!(
        report.problems[0].to_string().starts_with("a.yaml:2:11: entities[0].key: say `world: NAME`"),
        "{report}"
    );
    let report =
        load(&store, &[("a.yaml", "world: a b\nentities:\n  - {key: x, kind: y, zone: {cube: 1}}\n")]).await;
    assert!(report.problems[0].to_string().contains("the name of the world `a b` has ' '"), "{report}");
}

#[tokio::test]
async fn a_cycle_over_files_is_named_and_does_not_hang() {
    let store = Arc::new(MemoryStore::new());
    let a = "world: w\nentities: [{key: a, kind: x, parent: b}, {key: d, kind: x, parent: c}]";
    let b = "world: w\nentities: [{key: b, kind: x, parent: c}, {key: c, kind: x, parent: a}]";
    let report = load(&store, &[("a.yaml", a), ("b.yaml", b), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!((report.total().created, report.problem_count), (14, 1), "{report}");
    assert_eq!(
        report.problems[0].to_string(),
        "a.yaml:2:18: entities[0]: it cannot be put under `b`, which is itself or below it; 3 more items are left out because of it"
    );
    assert_eq!(report.not_used["entities with a problem, or below one"], 4);
}

#[tokio::test]
async fn what_is_below_a_mistake_is_counted() {
    let store = Arc::new(MemoryStore::new());
    let sky = SKY.replace("crew: 2", "crew: two");
    let report = load(&store, &[("s.yaml", &sky), ("t.yaml", TEMPLATES)]).await;
    assert_eq!(report.not_used["entities with a problem, or below one"], 3, "{report}");
    assert!(
        report.problems.iter().any(|problem| problem.to_string().contains("values.ship.crew")),
        "{report}"
    );
}

#[tokio::test]
async fn what_is_shown_of_a_file_cannot_steer_the_terminal() {
    let text = r#"world: w
entities:
  - {key: "a\e[2J", kind: x, parent: root}
  - {key: b, kind: x, parent: "ro\u202eot"}
  - {key: c, kind: x, parent: root, "si\e[31mze": 1}
  - {key: d, kind: x, parent: root, values: {ship: {"hu\ell": 1}}}
  - {key: e, kind: x, parent: root, values: {ship: {hull: "\e]0;x\a"}}}
"#;
    let store = Arc::new(MemoryStore::new());
    let files = [("x\u{1b}[1m\u{202e}.yaml", text), ("t.yaml", TEMPLATES), ("s.yaml", SKY)];
    let report = load(&store, &files).await;
    assert_eq!(report.problem_count, 5, "{report}");
    for problem in report.problems.iter().map(ToString::to_string) {
        assert!(problem.starts_with(r"x\u{1b}[1m\u{202e}.yaml:"), "{problem:?}");
        assert!(!problem.contains(|c: char| c.is_control() || c == '\u{202e}'), "{problem:?}");
    }
}
