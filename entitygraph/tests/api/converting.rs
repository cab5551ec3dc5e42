//! A variable gets another kind while the world runs (AC 2.1.4).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use entitygraph::{Config, Graph, Metrics};
use entitygraph_schema::{
    ComponentDraft, ComponentPatch, Components, Conversion, ConversionDraft, EntityId, NewEntity, Operation,
    Patch, Rounding, Rule, Transaction, Value, VariableDraft, VariableId, VariableName,
    testing::{entity_id, item, name, world},
};
use entitygraph_store::{MemoryConfig, MemoryStore, Store};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{followers::Follower, support::GatedStore, world::World};

/// Longest wait for what is done in the background.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is yes.
async fn until(what: &str, mut yes: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !yes().await {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

const CONVERT: &str = r#"mutation ($rest: Value) { publishComponent(input: { name: "hull", variables: [
    { name: "hp", kind: FLOAT, default: 100 },
    { name: "plates", kind: TEXT, default: "few", convert: { from: "plates", otherwise: $rest,
      table: [{ from: 3, to: "few" }, { from: "5", to: "many" }] } }] }) {
    ... on ComponentPublished { componentType { version } } ... on Refusal { code message } } }"#;

const HULL: &str = r#"{ componentType(name: "hull") { version
    variables { name kind convertsFrom { name kind holders(first: 9) { nodes { entity { name } value becomes } } } }
    retired { name } } }"#;

#[tokio::test]
async fn values_become_what_the_table_says_and_who_holds_another_one_is_listed_until_it_is_mended() {
    let world = World::small().await;
    let id = async |name: &str| world.id(name).await;
    let set = async |entity: &str, value: serde_json::Value| {
        let query = "mutation ($input: SetVariablesInput!) { setVariables(input: $input) { __typename ... on Refusal { message } } }";
        let values = json!([{ "component": "hull", "variable": "plates", "value": value }]);
        let done =
            world.ask(query, json!({ "input": { "entity": id(entity).await, "values": values } })).await;
        assert_eq!(done["setVariables"]["__typename"], "Committed", "{done}");
    };
    set("Hermes", json!(3)).await;
    set("Earth", json!(5)).await;
    set("Moon", json!(7)).await;
    let changed =
        "subscription ($id: EntityId!) { changes(scope: { entity: $id }) { ... on Transaction { changes {
        ... on EntityChanged { components { name variables { name value } } } } } } }";
    let mut follower = Follower::asking(&world, changed, json!({ "id": id("Earth").await })).await;
    follower.next().await;

    let answer = world.ask(CONVERT, json!({ "rest": null })).await;
    assert_eq!(answer["publishComponent"]["componentType"]["version"], 2, "{answer}");
    let value = "query ($id: EntityId!) { entity(id: $id) { value(component: \"hull\", variable: \"plates\")
        components(names: [\"hull\"]) { variables { name value own } } } }";
    for (entity, expected, own) in [("Hermes", "few", true), ("Earth", "many", true), ("Moon", "few", false)]
    {
        // At once, whether it is converted yet or not.
        let found = world.ask(value, json!({ "id": id(entity).await })).await["entity"].take();
        assert_eq!(
            found["components"][0]["variables"][1],
            json!({ "name": "plates", "value": expected, "own": own })
        );
    }
    let told = loop {
        let told = follower.next().await;
        if told["changes"][0]["components"].is_array() {
            break told;
        }
    };
    let variables = json!([{ "name": "plates", "value": "many" }]);
    assert_eq!(told["changes"][0]["components"], json!([{ "name": "hull", "variables": variables }]));

    let left = json!({ "name": "plates.2", "kind": "INT",
        "holders": { "nodes": [{ "entity": { "name": "Moon" }, "value": "7", "becomes": null }] } });
    until("two of three are converted", async || {
        world.data(HULL).await["componentType"]["variables"][1]["convertsFrom"] == left
    })
    .await;
    // Publishing it again, also with something to say about the rest, is an answer and no silent change.
    let answer = world.ask(CONVERT, json!({ "rest": null })).await;
    assert_eq!(answer["publishComponent"]["componentType"]["version"], 2, "{answer}");
    let answer = world.ask(CONVERT, json!({ "rest": "some" })).await;
    assert_eq!(answer["publishComponent"]["code"], "INVALID", "{answer}");

    set("Moon", json!("dusty")).await;
    assert_eq!(
        world.data(HULL).await["componentType"]["variables"][1]["convertsFrom"]["holders"]["nodes"],
        json!([])
    );
    // The next start finds nothing left.
    let world = world.cold();
    until("it is settled", async || world.data(HULL).await["componentType"]["version"] == 3).await;
    let hull = world.data(HULL).await["componentType"].take();
    assert_eq!(hull["variables"][1], json!({ "name": "plates", "kind": "TEXT", "convertsFrom": null }));
    assert_eq!(hull["retired"], json!([{ "name": "plates.2" }]));
}

#[tokio::test]
async fn a_containers_values_are_published_converted() {
    let world = World::small().await;
    let hp = r#"mutation { publishComponent(input: { name: "hull", variables: [
        { name: "hp", kind: INT, default: 100, convert: { from: "hp", factor: 10, rounding: NEAREST } },
        { name: "plates", kind: INT, default: 4 }] }) { __typename ... on Refusal { message } } }"#;
    assert_eq!(world.data(hp).await["publishComponent"], json!({ "__typename": "ComponentPublished" }));
    let hermes = world.id("Hermes").await;
    let value = "query ($id: EntityId!) { entity(id: $id) { value(component: \"hull\", variable: \"hp\") } }";
    let read = async || world.ask(value, json!({ "id": hermes })).await["entity"]["value"].take();
    assert_eq!(read().await, json!("8000"));
    until("it is settled", async || world.data(HULL).await["componentType"]["version"] == 3).await;
    assert_eq!(read().await, json!("8000"));
    let container = world.data(r#"{ container(name: "ship/hauler") { version } }"#).await;
    assert_eq!(container["container"]["version"], 2);
}

fn draft(default: Value) -> ComponentDraft {
    ComponentDraft::new(name("hull"), vec![VariableDraft::new(name("hp"), default)])
}

/// A world of so many entities below one root, each with its own id as the value of `hull.hp`.
async fn many(store: &dyn Store, count: u64) {
    store.commit(Transaction::of([Operation::PublishComponent(draft(Value::Int(0)))])).await.unwrap();
    let hull = store.catalog().registry.by_name("hull").unwrap().clone();
    let own =
        |id: u64| Components([(hull.id, [(hull.variables[0].id, Value::Int(id as i64))].into())].into());
    let made = (2..2 + count).map(|id| Operation::Create(NewEntity { components: own(id), ..item(id, 1) }));
    let made: Vec<_> = std::iter::once(Operation::Create(world(1, 1e6))).chain(made).collect();
    store.commit(Transaction::of(made)).await.unwrap();
}

/// Half of what it was; what is odd does not convert.
fn halved() -> ComponentDraft {
    let rule = Rule::Number { factor: 0.5, offset: 0.0, rounding: Rounding::Exact };
    let conversion = ConversionDraft { from: name("hp"), conversion: Conversion { rule, otherwise: None } };
    let mut halved = draft(Value::Int(0));
    halved.variables[0].name = name("half");
    halved.converts = [(name("half"), conversion)].into();
    halved
}

fn service(store: Arc<dyn Store>, stop: &CancellationToken) -> Graph {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    Graph::start(store, Config::default(), metrics, stop.clone()).0
}

async fn held(store: &dyn Store, id: u64, variable: u16) -> Option<Value> {
    let hull = store.catalog().registry.by_name("hull").unwrap().id;
    let entity = store.entities(&[entity_id(id)]).await.unwrap().value.pop().flatten().unwrap();
    entity.components.get(hull, VariableId::new(variable).unwrap()).cloned()
}

async fn how_many_hold(store: &dyn Store, count: u64, variable: u16) -> u64 {
    let mut holders = 0;
    for id in 2..2 + count {
        holders += u64::from(held(store, id, variable).await.is_some());
    }
    holders
}

#[tokio::test]
async fn a_write_between_the_reading_of_a_value_and_its_conversion_wins() {
    let store = GatedStore::closed();
    many(&*store, 9).await;
    let mut halved = halved();
    if let Some(conversion) = halved.converts.get_mut(&name::<VariableName>("half")) {
        conversion.conversion.otherwise = Some(Value::Int(0));
    }
    store.commit(Transaction::of([Operation::PublishComponent(halved)])).await.unwrap();
    let hull = store.catalog().registry.by_name("hull").unwrap().clone();
    let stop = CancellationToken::new();
    let _graph = service(store.clone(), &stop);
    // It has read all nine then, and is not let on.
    until("it has read", async || store.entity_reads() > 0).await;
    let own = ComponentPatch::set([(hull.variable("half").unwrap().id, Value::Int(-9))]);
    let patch = Patch { components: [(hull.id, own)].into(), ..Patch::default() };
    let bury = Operation::Bury { entity: entity_id(5), subtree: false };
    store.commit(Transaction::of([Operation::Change(entity_id(4), patch), bury])).await.unwrap();
    store.open();
    until("it is settled", async || store.catalog().registry.converting().next().is_none()).await;
    for (id, expected) in [(2, 1), (3, 0), (4, -9), (6, 3), (10, 5)] {
        assert_eq!(held(&*store, id, 2).await, Some(Value::Int(expected)), "entity {id}");
    }
    stop.cancel();
}

/// Its own commits are more than are kept, so the first look cannot know who moved meanwhile.
#[tokio::test]
async fn a_conversion_is_settled_where_the_change_sequence_is_short() {
    let store: Arc<dyn Store> =
        Arc::new(MemoryStore::with(MemoryConfig { retained_commits: 3, ..MemoryConfig::default() }));
    many(&*store, 4_000).await;
    let stop = CancellationToken::new();
    let graph = service(store.clone(), &stop);
    let mut all = halved();
    if let Some(conversion) = all.converts.get_mut(&name::<VariableName>("half")) {
        conversion.conversion.otherwise = Some(Value::Int(0));
    }
    graph.commit(Transaction::of([Operation::PublishComponent(all)])).await.unwrap();
    until("it is settled", async || store.catalog().registry.converting().next().is_none()).await;
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_somebody_writes_meanwhile_is_never_overwritten() {
    const COUNT: u64 = 3_000;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    many(&*store, COUNT).await;
    let stop = CancellationToken::new();
    let graph = service(store.clone(), &stop);
    graph.commit(Transaction::of([Operation::PublishComponent(halved())])).await.unwrap();
    let hull = store.catalog().registry.by_name("hull").unwrap().clone();
    let half = hull.variable("half").unwrap().id;
    // Writers take every third entity, in another order than the conversion, and write twice.
    let writers = (0..4_u64).map(|writer| {
        let (graph, hull) = (graph.clone(), hull.id);
        tokio::spawn(async move {
            for id in (2..2 + COUNT).filter(|id| id % 3 == 0 && id / 3 % 4 == writer) {
                for value in [-1, -(id as i64)] {
                    let own = ComponentPatch::set([(half, Value::Int(value))]);
                    let patch = Patch { components: [(hull, own)].into(), ..Patch::default() };
                    let change = Operation::Change(EntityId::new(id).unwrap(), patch);
                    graph.commit(Transaction::of([change])).await.unwrap();
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let odd = (2..2 + COUNT).filter(|id| id % 2 == 1 && id % 3 != 0).count() as u64;
    until("only what is odd is left", async || how_many_hold(&*store, COUNT, 1).await == odd).await;
    for id in 2..2 + COUNT {
        let (old, new) = (held(&*store, id, 1).await, held(&*store, id, 2).await);
        let expected = match (id % 3, id % 2) {
            (0, _) => (None, Some(Value::Int(-(id as i64)))),
            (_, 0) => (None, Some(Value::Int(id as i64 / 2))),
            _ => (Some(Value::Int(id as i64)), None),
        };
        assert_eq!((old, new), expected, "entity {id}");
    }
    assert!(store.catalog().registry.converting().next().is_some(), "who is left keeps it open");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_goes_on_where_one_ended_and_two_at_once_do_no_harm() {
    const COUNT: u64 = 4_000;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    many(&*store, COUNT).await;
    let mut even = halved();
    if let Some(conversion) = even.converts.get_mut(&name::<VariableName>("half")) {
        conversion.conversion.otherwise = Some(Value::Int(-1));
    }
    store.commit(Transaction::of([Operation::PublishComponent(even)])).await.unwrap();
    let stop = CancellationToken::new();
    let first = service(store.clone(), &stop);
    until("some are converted", async || how_many_hold(&*store, COUNT, 1).await < COUNT).await;
    stop.cancel();
    drop(first);
    let stop = CancellationToken::new();
    let _both = [service(store.clone(), &stop), service(store.clone(), &stop)];
    until("it is settled", async || store.catalog().registry.converting().next().is_none()).await;
    assert_eq!(how_many_hold(&*store, COUNT, 1).await, 0);
    for id in 2..2 + COUNT {
        let expected = if id % 2 == 0 { id as i64 / 2 } else { -1 };
        assert_eq!(held(&*store, id, 2).await, Some(Value::Int(expected)), "entity {id}");
    }
    stop.cancel();
}
