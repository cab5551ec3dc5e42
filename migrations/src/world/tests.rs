use std::sync::Arc;

use entitygraph_schema::{
    Cursor, Entity, EntityId, Operation, Patch, Transaction, Value, query::PageRequest,
};
use entitygraph_store::{MemoryStore, Store};

use super::*;
use crate::load::{LoadOptions, Report, Silent};

const TEMPLATES: &str = r#"
world: w
components:
  - name: ship
    variables:
      - {name: hull, type: float, default: 100}
      - {name: crew, type: int, default: 0, group: people, send: every_tick, visibility: owner_only}
      - {name: home, type: entity, default: root}
      - {name: way, type: vector, default: [0, 0, 0], precision: 0.5}
      - {name: tags, type: text_list, default: []}
      - {name: seal, type: bytes, default: ""}
      - {name: sleeps, type: bool, default: false, persisted: false}
      - {name: note, type: text, default: ""}
      - {name: counts, type: int_list, default: [1, 2]}
      - {name: loads, type: float_list, default: [1, 2.5]}
containers:
  # In the order of the alphabet, not of use.
  - name: ship/hauler
    kind: ship
    zone: {min: [-20, -50, -10], max: [20, 50, 10]}
    root: true
    labels: [big]
    ports: [{name: nose, accepts: [weapon]}]
    values: {ship: {hull: 2500}}
    children:
      - {name: bridge, container: room/plain, pose: {at: [0, 40, 2]}}
      - {name: hold, container: room/hold, pose: {at: [0, -10, 0]}, labels: [cargo]}
  - name: room/hold
    kind: room
    radius: 12
    children: [{name: locker, container: room/plain}]
  - {name: room/plain, kind: room, radius: 4}
  - {name: gun, kind: weapon}
"#;

const SKY: &str = r#"
world: w
entities:
  - key: root
    name: Everything
    kind: universe
    zone: {cube: 1.0e12}
    children:
      - {key: /rock, kind: rock, radius: 3, pose: {at: [1, 2, 3]}}
      - key: freighter
        name: Kind Heart
        container: ship/hauler
        pose: {at: [100, 0, 0], rotation: [0, 0, 0.6, 0.8]}
        owner: player:ada
        labels: [mission/rescue]
        values: {ship: {crew: 2, home: root/rock, seal: "aGk="}}
        parts:
          hold:
            name: Main hold
            values: {ship: {}}
            parts: {locker: {owner: "player:grace", labels: [mine]}}
            children: [{key: /mug, kind: item}]
        children:
          - {key: /gun, container: gun, port: nose}
links:
  - {kind: jump, between: [freighter/bridge, root/rock], cost: 2.5}
"#;

async fn load(store: &Arc<MemoryStore>, files: &[(&str, &str)]) -> Report {
    load_with(store, files, LoadOptions::default()).await
}

async fn load_with(store: &Arc<MemoryStore>, files: &[(&str, &str)], options: LoadOptions) -> Report {
    let files = WorldFiles::in_memory(files.iter().map(|(name, text)| (*name, *text)));
    ingest(store.clone(), files, options, Arc::new(Silent)).await.unwrap()
}

async fn entity(store: &MemoryStore, key: &str) -> Arc<Entity> {
    let found = store.entities(&[entity_id("w", key)]).await.unwrap().value.remove(0);
    found.unwrap_or_else(|| panic!("no {key}"))
}

/// The value of a variable that the entity itself holds.
async fn own(store: &MemoryStore, key: &str, variable: &str) -> Option<Value> {
    let catalog = store.catalog();
    let component = catalog.registry.by_name("ship").unwrap();
    entity(store, key).await.components.get(component.id, component.variable(variable).unwrap().id).cloned()
}

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
async fn everything_that_is_written_goes_in() {
    let store = Arc::new(MemoryStore::new());
    let report = load(&store, &[("sky.yaml", SKY), ("templates.yaml", TEMPLATES)]).await;
    assert_eq!((report.total().created, report.problem_count), (1 + 4 + 8 + 1, 0), "{report}");

    let root = entity(&store, "root").await;
    assert_eq!((root.placement.parent, root.radius), (None, root.zone.unwrap().reach()));
    let ship = entity(&store, "freighter").await;
    assert_eq!((ship.name.as_str(), ship.kind.as_str(), ship.root), ("Kind Heart", "ship", true));
    assert_eq!(ship.placement.parent, Some(root.id));
    assert_eq!(ship.placement.pose.unwrap().rotation().to_array(), [0.0, 0.0, 0.6, 0.8]);
    assert_eq!(ship.labels.iter().map(|label| label.as_str()).collect::<Vec<_>>(), ["big", "mission/rescue"]);
    assert_eq!(ship.owner.as_ref().unwrap().as_str(), "player:ada");
    assert_eq!((ship.ordinal, entity(&store, "freighter/gun").await.ordinal), (1, 2));
    assert_eq!(own(&store, "freighter", "crew").await, Some(Value::Int(2)));
    assert_eq!(own(&store, "freighter", "home").await, Some(Value::Entity(entity_id("w", "root/rock"))));
    assert_eq!(own(&store, "freighter", "seal").await, Some(Value::Bytes((*b"hi").into())));
    assert_eq!(own(&store, "freighter", "hull").await, None, "the container's value is not copied");

    let hold = entity(&store, "freighter/hold").await;
    assert_eq!((hold.name.as_str(), hold.labels.len(), hold.components.0.len()), ("Main hold", 1, 1));
    let locker = entity(&store, "freighter/hold/locker").await;
    assert_eq!((locker.name.as_str(), locker.placement.parent), ("locker", Some(hold.id)));
    assert!(locker.owner.is_some() && locker.labels.contains("mine"));
    let mug = entity(&store, "freighter/hold/mug").await;
    assert_eq!((mug.placement.parent, mug.ordinal), (Some(hold.id), 1));
    let links =
        store.links(entity_id("w", "freighter/bridge"), PageRequest::first(9)).await.unwrap().value.rows;
    assert_eq!((links.len(), links[0].0.cost), (1, 2.5));
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let store = Arc::new(MemoryStore::new());
    let files = [("sky.yaml", SKY), ("templates.yaml", TEMPLATES)];
    load(&store, &files).await;
    let before = *store.newest().borrow();
    let report = load(&store, &files).await;
    assert!(report.changed_nothing() && report.problem_count == 0, "{report}");
    assert_eq!(*store.newest().borrow(), before);
}

#[tokio::test]
async fn an_edited_file_changes_what_was_edited() {
    let store = Arc::new(MemoryStore::new());
    load(&store, &[("sky.yaml", SKY), ("templates.yaml", TEMPLATES)]).await;
    let sky = SKY.replace("Kind Heart", "Kinder Heart").replace("cost: 2.5", "cost: 3");
    let templates = TEMPLATES.replace("hull: 2500", "hull: 2600");
    let report = load(&store, &[("sky.yaml", &sky), ("templates.yaml", &templates)]).await;
    assert_eq!((report.total().updated, report.total().created), (3, 0), "{report}");
    assert_eq!(entity(&store, "freighter").await.name.as_str(), "Kinder Heart");
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let store = Arc::new(MemoryStore::new());
    let dry = LoadOptions { dry_run: true, ..LoadOptions::default() };
    let report = load_with(&store, &[("sky.yaml", SKY), ("templates.yaml", TEMPLATES)], dry).await;
    assert_eq!((report.total().created, report.problem_count), (14, 0), "{report}");
    assert_eq!(*store.newest().borrow(), Cursor::ZERO);
    assert!(store.catalog().registry.by_name("ship").is_none());
}

#[tokio::test]
async fn json_means_the_same_as_yaml() {
    let store = Arc::new(MemoryStore::new());
    let json = "{\n\t\"world\": \"w\",\n\t\"entities\": [\n\t\t{\"key\": \"root\", \"kind\": \"universe\", \
        \"name\": \"\\u00e9\\ud83d\\ude00\\/x\", \"zone\": {\"cube\": 1e12}}\n\t]\n}";
    let report = load(&store, &[("a.json", json)]).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(entity(&store, "root").await.name.as_str(), "é😀/x");
}

#[tokio::test]
async fn files_come_in_any_order_and_documents_in_one_file() {
    let store = Arc::new(MemoryStore::new());
    let inner = "world: w\nentities:\n  - {key: c, kind: x, parent: b}\n--- # the parent comes later\n\
        world: w\nentities:\n  - {key: b, kind: x, parent: freighter/hold/locker}\n";
    let files = [("1.yaml", inner), ("2.yaml", SKY), ("3.yaml", TEMPLATES)];
    let report = load(&store, &files).await;
    assert_eq!((report.total().created, report.problem_count), (16, 0), "{report}");
    let locker = entity(&store, "freighter/hold/locker").await.id;
    assert_eq!(entity(&store, "b").await.placement.parent, Some(locker));
}

#[tokio::test]
async fn a_later_file_can_hang_its_entities_under_what_is_in_the_store() {
    let store = Arc::new(MemoryStore::new());
    load(&store, &[("sky.yaml", SKY), ("templates.yaml", TEMPLATES)]).await;
    let id = entity_id("w", "freighter");
    let more = format!(
        "world: w\nentities:\n  - {{key: a, kind: x, parent: freighter/bridge}}\n  - {{id: 77, kind: x, parent: \"{id}\"}}\n\
        \x20 - {{id: \"18446744073709551615\", kind: x, parent: {id}}}\n"
    );
    let report = load(&store, &[("more.yaml", &more)]).await;
    assert_eq!((report.total().created, report.problem_count), (3, 0), "{report}");
    assert!(store.entities(&[EntityId::new(u64::MAX).unwrap()]).await.unwrap().value[0].is_some());
}

#[tokio::test]
async fn values_that_others_changed_come_back_and_their_labels_stay() {
    let store = Arc::new(MemoryStore::new());
    let files = [("sky.yaml", SKY), ("templates.yaml", TEMPLATES)];
    load(&store, &files).await;
    let id = entity_id("w", "root/rock");
    let patch =
        Patch { radius: Some(9.0), labels: [("found".parse().unwrap(), true)].into(), ..Patch::default() };
    store.commit(Transaction::of(vec![Operation::Change(id, patch)])).await.unwrap();
    let report = load(&store, &files).await;
    assert_eq!(report.total().updated, 1, "{report}");
    let rock = entity(&store, "root/rock").await;
    assert_eq!((rock.radius, rock.labels.len()), (3.0, 1));
}

#[tokio::test]
async fn each_mistake_is_named_with_file_line_column_and_field() {
    let cases = [
        (
            "{key: x, kind: y, parent: root, radus: 1}",
            "x.yaml:3:",
            "entities[0].radus: unknown field `radus`",
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
            "entities[0].radius: it takes a number, at most 1.8e308 either way",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [0, 1e999, 0]}}",
            "x.yaml:3:52",
            "entities[0].pose.at[1]: it takes a number",
        ),
        (
            "{key: x, kind: y, parent: root, pose: {at: [1, 2]}}",
            "x.yaml:3:",
            "entities[0].pose.at: invalid length 2",
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
        ("{key: x, kind: y, kind: z, parent: root}", "x.yaml:3:", "duplicate mapping key"),
        ("{key: x, kind: y, parent: root", "x.yaml:3:", "unclosed"),
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
            "unknown variant",
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
        ("links: [{kind: jump, between: [root]}]", "x.yaml:2:", "links[0].between: invalid length 1"),
        ("format: 2", "x.yaml:2:9", "format 2 is unknown"),
        ("planets: []", "x.yaml:2:1", "unknown field `planets`"),
        ("entities:", "x.yaml:2:", "entities: "),
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
    assert_eq!((report.total().created, report.problem_count), (14, 4), "{report}");
    let below =
        report.problems.iter().filter(|problem| problem.message.contains("itself or below it")).count();
    assert_eq!(below, 3, "{report}");
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
async fn one_truncated_document_does_not_lose_the_others() {
    let store = Arc::new(MemoryStore::new());
    let text = format!(
        "{TEMPLATES}---\n{SKY}---\nworld: w\nentities:\n  - {{key: y, kind: z, parent: root, children: ["
    );
    let report = load(&store, &[("all.yaml", &text)]).await;
    assert_eq!((report.total().created, report.problem_count), (14, 1), "{report}");
    let lines = text.lines().count();
    assert!(report.problems[0].to_string().starts_with(&format!("all.yaml:{lines}:")), "{report}");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_costs_itself_only() {
    let store = Arc::new(MemoryStore::new());
    let text = r#"world: w
components:
  - {name: bad, variables: [{name: v, type: flaot, default: 0}]}
  - {name: good, variables: [{name: v, type: float, default: 0}]}
containers:
  - {name: bad, kind: x, radius: wide}
  - {name: good, kind: x}
entities:
  - key: bad
    kind: x
    parent: root
    children:
      - {key: /also-bad, kind: x, radius: big}
    radius: big
  - {key: a, kind: x, parent: root}
  - key: b
    kind: x
    parent: root
    children:
      - {key: /bad, kind: x, colour: red}
      - {key: /c, kind: x}
links:
  - {kind: jump, between: [a]}
  - {kind: jump, between: [a, b]}
"#;
    let report = load(&store, &[("x.yaml", text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "x.yaml:3:45: components[0].variables[0].type: ",
        "x.yaml:6:34: containers[0].radius: ",
        "x.yaml:13:43: entities[0].children[0].radius: ",
        "x.yaml:14:13: entities[0].radius: ",
        "x.yaml:20:30: entities[2].children[0].colour: ",
        "x.yaml:23:18: links[0].between: ",
    ];
    let right = |(problem, expected): (&String, &str)| problem.starts_with(expected);
    assert!(problems.len() == expected.len() && problems.iter().zip(expected).all(right), "{problems:#?}");
    assert_eq!(report.total().created, 14 + 6, "{report}");
    assert_eq!(entity(&store, "b/c").await.ordinal, 1, "it keeps its place");
}

#[tokio::test]
async fn a_document_full_of_mistakes_ends() {
    let store = Arc::new(MemoryStore::new());
    let text = format!("world: w\nentities:\n{}", "  - {key: a, kind: x, radius: big}\n".repeat(1_000));
    let report = load(&store, &[("x.yaml", &text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!((report.total().created, report.problem_count), (14, 101), "{report}");
    let last = report.problems.iter().find(|problem| problem.message.contains("whole document")).unwrap();
    assert!(last.to_string().starts_with("x.yaml:103:31: entities[100].radius: "), "{last}");
    assert!(last.message.contains("the last of over 100 mistakes"), "{last}");
}

#[tokio::test]
async fn deep_and_odd_files_are_refused_and_not_crashed_on() {
    let store = Arc::new(MemoryStore::new());
    let deep = format!("world: w\nentities: {}", "[{key: a, kind: b, children: ".repeat(5_000));
    let lists = format!("entities: {}", "[".repeat(100_000));
    let values = format!("world: w\nentities: [{{key: a, kind: b, values: {{c: {{v: {}", "[".repeat(100_000));
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
        c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nentities: [*c, *c]";
    for (name, text) in [
        ("deep", &*deep),
        ("lists", &lists),
        ("values", &values),
        ("bomb", bomb),
        ("text", "just words"),
        ("tab", "\tx: y"),
        ("nul", "a\0b"),
    ] {
        let report = load(&store, &[(name, text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
        assert_eq!(report.problem_count, 1, "{name}: {report}");
        assert_eq!(&*report.problems[0].origin.file, name);
    }
    let report = load(
        &store,
        &[("empty", ""), ("comment", "# nothing\n---\n"), ("s.yaml", SKY), ("t.yaml", TEMPLATES)],
    )
    .await;
    assert_eq!(report.problem_count, 0, "{report}");
}

#[tokio::test]
async fn thirty_entities_one_below_the_other_are_fine() {
    let store = Arc::new(MemoryStore::new());
    let levels = 30;
    let open: String = (0..levels)
        .map(|n| {
            format!("{{key: k{n}, kind: x, parent: root, children: [")
                .replace("parent: root, ", if n == 0 { "parent: root, " } else { "" })
        })
        .collect();
    let text = format!("world: w\nentities: [{open}{}]", "]}".repeat(levels));
    let report = load(&store, &[("a.yaml", &text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!((report.problem_count, report.total().created), (0, 14 + levels as u64), "{report}");
}

#[tokio::test]
async fn anchors_and_merges_save_writing() {
    let store = Arc::new(MemoryStore::new());
    let text = "world: w\nentities:\n  - &rock {key: r1, kind: rock, parent: root, radius: 7}\n  - {<<: *rock, key: r2}\n";
    let report = load(&store, &[("a.yaml", text), ("s.yaml", SKY), ("t.yaml", TEMPLATES)]).await;
    assert_eq!(report.problem_count, 0, "{report}");
    assert_eq!(entity(&store, "r2").await.radius, 7.0);
}

#[test]
fn a_folder_is_read_with_the_folders_below_it_and_other_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    for (name, text) in [("b/sky.yml", SKY), ("templates.yaml", TEMPLATES), ("read.me", "hello")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    std::fs::write(folder.path().join("broken.yaml"), b"world: \xff\xfe").unwrap();
    let files = WorldFiles::open(folder.path()).unwrap();
    assert_eq!(files.others, ["read.me"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(MemoryStore::new());
    let report = runtime.block_on(ingest(store, files, LoadOptions::default(), Arc::new(Silent))).unwrap();
    assert_eq!((report.total().created, report.problem_count), (14, 1), "{report}");
    assert!(
        report.problems[0].to_string().starts_with("broken.yaml: the file cannot be read on: "),
        "{report}"
    );
}

#[test]
fn a_link_that_leads_back_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    std::fs::write(folder.path().join("a.yaml"), SKY).unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("b/up")).unwrap();
    let error = WorldFiles::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("b/up leads back to a folder that it is in: remove that link"), "{error}");
    std::fs::remove_file(folder.path().join("b/up")).unwrap();
    std::os::unix::fs::symlink("round", folder.path().join("b/round")).unwrap();
    let error = WorldFiles::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("b/round cannot be read"), "{error}");
}

#[test]
fn a_path_without_a_world_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = WorldFiles::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds no .yaml, .yml or .json file"), "{error}");
    let error = WorldFiles::open(&folder.path().join("nothing")).unwrap_err().to_string();
    assert!(error.contains("nothing cannot be read"), "{error}");
}
