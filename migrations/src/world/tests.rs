use std::sync::Arc;

use entitygraph_schema::{
    Cursor, Entity, EntityId, Operation, Patch, Transaction, Value, query::PageRequest,
};
use entitygraph_store::{MemoryStore, Store};

use super::*;
use crate::load::{LoadOptions, Report, Silent};

mod causes;
mod files;
mod mistakes;
mod rehearsal;

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
