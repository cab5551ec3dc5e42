//! What is published changes values of entities that are not written: who holds them is told.

use entitygraph_schema::{
    ComponentPatch, Components, ContainerDraft, Label, NewEntity, Slot, Source, Value,
    component::{ComponentDraft, VariableDraft},
    testing::{child, component_id, components, container_draft, container_id, variable_id},
};

use super::{support::GatedStore, *};

const LAMP: u32 = 1;
const MUG: u32 = 1;
const TRAY: u32 = 2;
const BOX: u32 = 3;

fn bright(value: i64) -> Components {
    components(LAMP, [(1, Value::Int(value))])
}

/// The type of the component `lamp`: how bright it is, and how warm, which nothing states.
pub fn lamp(warm: i64) -> Transaction {
    let variables = [("bright", 0), ("warm", warm)];
    let variables = variables.map(|(text, value)| VariableDraft::new(name(text), Value::Int(value)));
    Transaction::of([Operation::PublishComponent(ComponentDraft::new(name("lamp"), variables.into()))])
}

fn container(draft: ContainerDraft) -> Transaction {
    Transaction::of([Operation::PublishContainer(draft)])
}

pub fn mug(value: i64) -> Transaction {
    container(ContainerDraft { components: bright(value), ..container_draft("mug", "item") })
}

/// A tray with a mug.
pub fn tray(value: i64) -> Transaction {
    let mut left = child("left", "mug");
    left.overrides = bright(value);
    container(ContainerDraft { children: vec![left], ..container_draft("tray", "item") })
}

fn box_(radius: f64) -> Transaction {
    container(ContainerDraft { radius, ..container_draft("box", "item") })
}

pub fn instance(id: u64, parent: u64, container: u32, around: Option<u32>) -> NewEntity {
    let slot = around.map(|around| Slot { container: container_id(around), child: name("left") });
    NewEntity { source: Some(Source { container: container_id(container), slot }), ..item(id, parent) }
}

/// The harbour with mugs in the ship: 10 in the crate, marked `hot`, and 12 on the tray 11, which stands in the ship.
async fn laid(graph: &Graph) {
    for published in [lamp(0), mug(1), tray(5), box_(1.0)] {
        graph.commit(published).await.unwrap();
    }
    let mut hot = instance(10, 3, MUG, None);
    hot.labels.insert(name::<Label>("hot"));
    let mut tray = instance(11, 2, TRAY, None);
    tray.placement.pose = Some(at(0.0, 0.0, 0.0));
    let mut on_it = instance(12, 11, MUG, Some(TRAY));
    on_it.placement.pose = Some(at(0.0, 0.0, 1.0));
    graph.commit(Transaction::of([hot, tray, on_it].map(Operation::Create))).await.unwrap();
}

async fn laid_harbour() -> Graph {
    let graph = harbour(MemoryConfig::default()).await;
    laid(&graph).await;
    graph
}

fn around(x: f64) -> Scope {
    let near = Near {
        zone: entity_id(1),
        point: glam::DVec3::new(x, 0.0, 0.0),
        radius: Some(500.0),
        min_angular_size: None,
        layer: Default::default(),
    };
    Scope::Sphere((&near).into())
}

/// Publishes and says what each scope was told of, having compared its copy with the store.
async fn told(graph: &Graph, scopes: &[Scope], published: Transaction) -> Vec<Vec<String>> {
    let mut followers = Vec::new();
    for scope in scopes {
        let mut subscription = graph.subscribe(scope.clone(), SubscriptionOptions::default());
        let mut copy = Copy::default();
        copy.hear(&next(&mut subscription).await, graph).await;
        followers.push((subscription, copy));
    }
    graph.commit(published).await.unwrap();
    let mut all = Vec::new();
    for (mut subscription, mut copy) in followers {
        let commit = transaction(&mut subscription).await;
        copy.hear(&Message::Transaction(commit.clone()), graph).await;
        let ids: Vec<_> = copy.entities.keys().copied().collect();
        let now = graph.store().entities(&ids).await.unwrap().value;
        copy.assert_equals(graph, now.into_iter().flatten()).await;
        all.push(seen(&commit));
    }
    all
}

fn all_with_a_mug() -> Vec<Scope> {
    vec![
        Scope::Entity(entity_id(12)),
        Scope::Subtree(entity_id(1)),
        Scope::Aggregate(entity_id(2)),
        Scope::Zone(entity_id(2)),
        around(1_000.0),
        Scope::Container(container_id(MUG)),
    ]
}

#[tokio::test]
async fn a_container_that_is_published_is_told_once_to_each_scope_with_instances() {
    let graph = laid_harbour().await;
    let mut scopes = all_with_a_mug();
    scopes.extend([Scope::Label(name("hot")), Scope::Entity(entity_id(10))]);
    for (scope, told) in scopes.iter().zip(told(&graph, &scopes, mug(2)).await) {
        assert_eq!(told, ["container 1.2"], "{scope:?}");
    }
}

#[tokio::test]
async fn a_container_is_told_to_those_who_follow_what_is_in_its_slots() {
    let graph = laid_harbour().await;
    let scopes = all_with_a_mug();
    for (scope, told) in scopes.iter().zip(told(&graph, &scopes, tray(6)).await) {
        assert_eq!(told, ["container 2.2"], "{scope:?}");
    }
}

#[tokio::test]
async fn a_component_type_is_told_to_those_who_follow_what_has_it() {
    let graph = laid_harbour().await;
    let mut scopes = all_with_a_mug();
    scopes.push(Scope::Entity(entity_id(4)));
    let (mut mug, _) = opened(&graph, Scope::Entity(entity_id(4))).await;
    graph.commit(lit(4, 9)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut mug).await), ["~4"]);
    for (scope, told) in scopes.iter().zip(told(&graph, &scopes, lamp(7)).await) {
        assert_eq!(told, ["component 1.2"], "{scope:?}");
    }
    assert_eq!(seen(&*transaction(&mut mug).await), ["component 1.2"], "it got the component while followed");
}

/// Gives an entity a value of its own.
fn lit(id: u64, value: i64) -> Transaction {
    let variables = BTreeMap::from([(variable_id(1), Some(Value::Int(value)))]);
    let components =
        BTreeMap::from([(component_id(LAMP), ComponentPatch { variables, ..Default::default() })]);
    Transaction::of([Operation::Change(entity_id(id), Patch { components, ..Patch::default() })])
}

#[tokio::test]
async fn the_message_has_the_version_that_was_published_then() {
    let graph = laid_harbour().await;
    let after = *graph.applied().borrow();
    for value in [2, 3] {
        graph.commit(mug(value)).await.unwrap();
    }
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    for value in [2, 3] {
        match &transaction(&mut ship).await.changes[..] {
            [ScopeChange::ContainerPublished(mug)] => assert_eq!(mug.draft.components, bright(value)),
            other => panic!("unexpected {other:?}"),
        }
    }
}

#[tokio::test]
async fn scopes_without_instances_are_told_of_nothing_published() {
    let graph = laid_harbour().await;
    let (mut station, _) = opened(&graph, Scope::Subtree(entity_id(5))).await;
    let (mut space, _) = opened(&graph, Scope::Zone(entity_id(1))).await;
    let (mut cup, _) = opened(&graph, Scope::Entity(entity_id(4))).await;
    let (mut boxes, _) = opened(&graph, Scope::Container(container_id(BOX))).await;
    let (mut marked, _) = opened(&graph, Scope::Label(name("cold"))).await;
    let (mut elsewhere, _) = opened(&graph, around(9_000.0)).await;
    for published in [mug(2), tray(6), lamp(7)] {
        graph.commit(published).await.unwrap();
    }
    graph.commit(renamed(5, "station")).await.unwrap();
    graph.commit(labelled(4, "cold", true)).await.unwrap();
    graph.commit(box_(2.0)).await.unwrap();
    let mut far = item(20, 1);
    far.placement.pose = Some(at(9_000.0, 0.0, 0.0));
    graph.commit(Transaction::of([Operation::Create(far)])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["~5"]);
    assert_eq!(seen(&*transaction(&mut space).await), ["~5"]);
    assert_eq!(seen(&*transaction(&mut cup).await), ["~4"]);
    assert_eq!(seen(&*transaction(&mut boxes).await), ["container 3.2"], "of itself, without instances");
    assert_eq!(seen(&*transaction(&mut marked).await), ["+4"]);
    assert_eq!(seen(&*transaction(&mut elsewhere).await), ["+20"]);
}

#[tokio::test]
async fn what_entered_with_or_below_another_brings_where_its_values_come_from() {
    let graph = laid_harbour().await;
    let (mut station, _) = opened(&graph, Scope::Subtree(entity_id(5))).await;
    let (mut sphere, _) = opened(&graph, around_the_origin()).await;
    graph.commit(moved(3, 5)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["+3", "+4", "+10"]);
    graph.commit(mug(2)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["container 1.2"]);
    graph.commit(Transaction::of([Operation::Create(instance(21, 5, BOX, None))])).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["+21"]);
    graph.commit(box_(2.0)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut station).await), ["container 3.2"]);
    graph.commit(placed(2, 100.0)).await.unwrap();
    assert!(seen(&*transaction(&mut sphere).await).contains(&"+12".to_owned()));
    graph.commit(tray(6)).await.unwrap();
    assert_eq!(seen(&*transaction(&mut sphere).await), ["container 2.2"]);
}

#[tokio::test]
async fn with_an_interval_the_latest_version_of_each_is_told() {
    let graph = laid_harbour().await;
    let options = SubscriptionOptions { after: None, interval: Some(Duration::from_millis(300)) };
    for scope in [Scope::Subtree(entity_id(2)), around(1_000.0)] {
        let mut ship = graph.subscribe(scope, options);
        let mut copy = Copy::default();
        copy.hear(&next(&mut ship).await, &graph).await;
        let version = graph.catalog().container(container_id(MUG)).unwrap().version.number();
        let first = graph.commit(mug(20 + i64::from(version))).await.unwrap().cursor;
        graph.commit(renamed(3, &format!("crate {version}"))).await.unwrap();
        let warm = graph.catalog().registry.get(component_id(LAMP)).unwrap().version;
        graph.commit(lamp(i64::from(warm))).await.unwrap();
        let last = graph.commit(mug(2)).await.unwrap().cursor;
        let commit = transaction(&mut ship).await;
        assert_eq!((commit.from, commit.to), (first, last));
        let (lamp, mug) = (format!("component 1.{}", warm + 1), format!("container 1.{}", version + 2));
        let mut told = seen(&commit);
        told.sort();
        assert_eq!(told, [lamp, mug, "~3".to_owned()]);
        copy.hear(&Message::Transaction(commit), &graph).await;
        let ids: Vec<_> = copy.entities.keys().copied().collect();
        let now = graph.store().entities(&ids).await.unwrap().value;
        copy.assert_equals(&graph, now.into_iter().flatten()).await;
    }
}

#[tokio::test]
async fn who_resumes_is_told_of_what_was_published_meanwhile_and_then_of_what_concerns_it() {
    let graph = laid_harbour().await;
    let after = *graph.applied().borrow();
    graph.commit(mug(2)).await.unwrap();
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    let mut station = graph.subscribe(Scope::Subtree(entity_id(5)), options);
    for resumed in [&mut ship, &mut station] {
        assert_eq!(seen(&*transaction(resumed).await), ["container 1.2"]);
    }
    // It is told of nothing now, but reads who is there when it has caught up.
    assert!(tokio::time::timeout(Duration::from_millis(50), station.next()).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(50), ship.next()).await.is_err());
    graph.commit(mug(3)).await.unwrap();
    graph.commit(renamed(5, "station")).await.unwrap();
    assert_eq!(seen(&*transaction(&mut ship).await), ["container 1.3"]);
    assert_eq!(seen(&*transaction(&mut station).await), ["~5"]);
}

#[tokio::test]
async fn who_resumes_in_a_scope_that_others_follow_is_told_of_what_left_it_since() {
    let graph = laid_harbour().await;
    let after = *graph.applied().borrow();
    graph.commit(mug(2)).await.unwrap();
    graph.commit(moved(3, 5)).await.unwrap();
    graph.commit(moved(11, 5)).await.unwrap();
    let (_others, _) = opened(&graph, Scope::Subtree(entity_id(2))).await;
    let options = SubscriptionOptions { after: Some(after), interval: None };
    let mut ship = graph.subscribe(Scope::Subtree(entity_id(2)), options);
    assert_eq!(seen(&*transaction(&mut ship).await), ["container 1.2"]);
    assert_eq!(seen(&*transaction(&mut ship).await), ["-3"]);
}

#[tokio::test]
async fn what_is_published_while_the_snapshot_is_read_is_told() {
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let store = GatedStore::closed();
    let (graph, _follower) =
        Graph::start(store.clone(), Config::default(), metrics, CancellationToken::new());
    graph.commit(Transaction::of([Operation::Create(world(1, 1e9))])).await.unwrap();
    graph.commit(lamp(0)).await.unwrap();
    graph.commit(mug(1)).await.unwrap();
    graph.commit(Transaction::of([Operation::Create(instance(2, 1, MUG, None))])).await.unwrap();
    let mut subscription = graph.subscribe(Scope::Subtree(entity_id(1)), SubscriptionOptions::default());
    let waiting = tokio::time::timeout(Duration::from_millis(50), subscription.next()).await;
    assert!(waiting.is_err(), "the gate is closed");
    let mut reading = Box::pin(subscription.next());
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut reading).await.is_err());
    graph.commit(mug(2)).await.unwrap();
    store.open();
    assert!(matches!(reading.await, Some(Ok(Message::Snapshot { .. }))));
    assert_eq!(seen(&*transaction(&mut subscription).await), ["container 1.2"]);
}
