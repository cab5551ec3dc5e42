use std::sync::Arc;

use entitygraph_schema::{
    ComponentDraft, Cursor, Entity, EntityId, Link, NewEntity, NewPose, Operation, Patch, Transaction, Value,
    VariableDraft,
    query::PageRequest,
    testing::{at, container_draft, entity_id, item, name, text, world, zone},
};
use entitygraph_store::{MemoryStore, Store};

use super::*;

struct Source {
    components: Vec<ComponentDraft>,
    entities: Vec<NewEntity>,
    links: Vec<Link>,
}

/// A world of two zones with `items` things each and a link between them.
fn source(items: u64) -> Source {
    let mut entities = vec![world(1, 1e12), zone(2, 1, 1e6), zone(3, 1, 1e6)];
    entities.extend((0..items).flat_map(|n| [item(100 + n * 2, 2), item(101 + n * 2, 3)]));
    let hull = VariableDraft::new(name("hull"), Value::Float(1.0));
    Source {
        components: vec![ComponentDraft::new(name("ship"), vec![hull])],
        entities,
        links: vec![Link::new(name("jump"), entity_id(2), entity_id(3), 1.0)],
    }
}

fn origin(what: impl std::fmt::Display) -> Origin {
    Origin::file("source.yaml").part(what.to_string())
}

fn small_batches() -> LoadOptions {
    LoadOptions { batch_items: 7, in_flight: 3, ..LoadOptions::default() }
}

async fn load_with(store: &Arc<MemoryStore>, source: Source, options: LoadOptions) -> Report {
    let mut loader = Loader::open(store.clone(), options, Arc::new(Silent)).await.unwrap();
    let components =
        source.components.into_iter().map(|draft| Sourced::new(origin(&draft.name), draft)).collect();
    loader.components(components).await.unwrap();
    for entity in source.entities {
        loader.entity(Sourced::new(origin(entity.id), entity)).await.unwrap();
    }
    for link in source.links {
        loader.link(Sourced::new(origin("link"), link)).await.unwrap();
    }
    loader.finish().await.unwrap()
}

async fn load(store: &Arc<MemoryStore>, source: Source) -> Report {
    load_with(store, source, small_batches()).await
}

async fn stored(store: &MemoryStore, id: u64) -> Option<Arc<Entity>> {
    store.entities(&[entity_id(id)]).await.unwrap().value.remove(0)
}

fn newest(store: &MemoryStore) -> Cursor {
    *store.newest().borrow()
}

#[tokio::test]
async fn everything_of_a_source_goes_in() {
    let store = Arc::new(MemoryStore::new());
    let report = load(&store, source(50)).await;
    assert_eq!((report.total().created, report.problem_count), (1 + 103 + 1, 0), "{report}");
    assert_eq!(report.entities["item"].created, 100);
    assert_eq!(store.links(entity_id(3), PageRequest::first(9)).await.unwrap().value.rows.len(), 1);
}

#[tokio::test]
async fn a_second_run_writes_nothing_and_says_so() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(50)).await;
    let before = newest(&store);
    let report = load(&store, source(50)).await;
    assert!(report.changed_nothing() && report.total().unchanged == 105, "{report}");
    assert!(report.to_string().contains("nothing changed"), "{report}");
    assert_eq!(newest(&store), before);
}

#[tokio::test]
async fn a_run_over_the_first_half_of_itself_adds_the_other() {
    let store = Arc::new(MemoryStore::new());
    load(&store, Source { links: vec![], ..source(20) }).await;
    let report = load(&store, source(50)).await;
    assert_eq!((report.total().created, report.total().unchanged), (61, 44), "{report}");
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_counts_what_it_would_do() {
    let store = Arc::new(MemoryStore::new());
    let dry = || LoadOptions { dry_run: true, ..small_batches() };
    let report = load_with(&store, source(50), dry()).await;
    assert_eq!((report.total().created, report.problem_count), (105, 0), "{report}");
    assert_eq!(newest(&store), Cursor::ZERO);

    load(&store, source(20)).await;
    let before = newest(&store);
    let mut changed = source(21);
    changed.entities[4].name = name("renamed");
    changed.entities.push(item(9_000, 8_000));
    let report = load_with(&store, changed, dry()).await;
    let total = report.total();
    assert_eq!((total.created, total.updated, total.unchanged, total.refused), (2, 1, 44, 1), "{report}");
    assert!(report.problems[0].to_string().contains("entity 8000 does not exist"), "{report}");
    assert_eq!(newest(&store), before);
}

#[tokio::test]
async fn what_differs_is_changed_and_what_others_added_stays() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(3)).await;
    let patch = Patch {
        labels: [(name("found"), true)].into(),
        owner: Some(Some(name("player:ada"))),
        radius: Some(99.0),
        ..Patch::default()
    };
    store.commit(Transaction::of(vec![Operation::Change(entity_id(100), patch)])).await.unwrap();
    store
        .commit(Transaction::of(vec![Operation::Reparent {
            entity: entity_id(101),
            parent: entity_id(2),
            port: None,
            pose: NewPose::At(at(5.0, 5.0, 5.0)),
        }]))
        .await
        .unwrap();

    let report = load(&store, source(3)).await;
    assert_eq!((report.total().updated, report.problem_count), (2, 0), "{report}");
    let entity = stored(&store, 100).await.unwrap();
    assert_eq!(entity.radius, item(100, 2).radius);
    assert!(entity.labels.contains("found") && entity.owner.is_some());
    let moved = stored(&store, 101).await.unwrap();
    assert_eq!(moved.placement, item(101, 3).placement);
    assert!(load(&store, source(3)).await.changed_nothing());
}

#[tokio::test]
async fn what_is_there_can_be_kept() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(3)).await;
    let patch = Patch { radius: Some(99.0), ..Patch::default() };
    store.commit(Transaction::of(vec![Operation::Change(entity_id(100), patch)])).await.unwrap();
    let report =
        load_with(&store, source(4), LoadOptions { existing: Existing::Keep, ..small_batches() }).await;
    assert_eq!((report.total().created, report.total().updated), (2, 0), "{report}");
    assert_eq!(stored(&store, 100).await.unwrap().radius, 99.0);
}

#[tokio::test]
async fn own_values_of_a_component_are_set_and_the_others_kept() {
    let store = Arc::new(MemoryStore::new());
    let with = |values: Vec<(&'static str, Value)>| {
        let store = store.clone();
        async move {
            let variables =
                [("a", Value::Int(0)), ("b", text("x"))].map(|(n, v)| VariableDraft::new(name(n), v));
            let draft = ComponentDraft::new(name("c"), variables.into());
            let mut loader = Loader::open(store, small_batches(), Arc::new(Silent)).await.unwrap();
            let catalog = loader.components(vec![Sourced::new(origin("c"), draft)]).await.unwrap();
            let component = catalog.registry.by_name("c").unwrap();
            let mut entity = world(1, 1.0);
            let own = entity.components.0.entry(component.id).or_default();
            own.extend(values.iter().map(|(n, v)| (component.variable(n).unwrap().id, v.clone())));
            loader.entity(Sourced::new(origin("1"), entity)).await.unwrap();
            loader.finish().await.unwrap()
        }
    };
    assert_eq!(with(vec![("a", Value::Int(1))]).await.entities["world"].created, 1);
    assert_eq!(with(vec![("b", text("y"))]).await.entities["world"].updated, 1);
    assert!(with(vec![("a", Value::Int(1)), ("b", text("y"))]).await.changed_nothing());
}

#[tokio::test]
async fn a_type_that_gained_variables_keeps_them() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(0)).await;
    let more = ["hull", "fuel"].map(|n| VariableDraft::new(name(n), Value::Float(1.0))).into();
    let draft = ComponentDraft::new(name("ship"), more);
    store.commit(Transaction::of(vec![Operation::PublishComponent(draft)])).await.unwrap();
    assert!(load(&store, source(0)).await.changed_nothing());
    assert!(store.catalog().registry.by_name("ship").unwrap().variable("fuel").is_some());
}

#[tokio::test]
async fn a_file_that_lists_a_retired_variable_does_not_bring_it_back() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(0)).await;
    let retiring =
        ComponentDraft { retire: [name("hull")].into(), ..ComponentDraft::new(name("ship"), vec![]) };
    store.commit(Transaction::of(vec![Operation::PublishComponent(retiring)])).await.unwrap();
    let report = load(&store, source(0)).await;
    assert!(report.to_string().contains("`ship.hull` was retired: take it out of the file"), "{report}");
    let ship = store.catalog().registry.by_name("ship").unwrap().clone();
    assert!(ship.variables.is_empty() && ship.retired_by_name("hull").is_some());
}

#[tokio::test]
async fn one_bad_entity_does_not_lose_the_rest_and_what_needs_it_is_counted_with_it() {
    let store = Arc::new(MemoryStore::new());
    let mut source = source(50);
    let bad = NewEntity { radius: f64::NAN, ..zone(10, 1, 10.0) };
    source.entities.insert(20, bad);
    source.entities.insert(21, item(11, 10));
    source.entities.push(item(12, 11));
    source.links.push(Link::new(name("jump"), entity_id(2), entity_id(12), 1.0));
    let report = load(&store, source).await;
    assert_eq!((report.total().created, report.total().refused), (105, 4), "{report}");
    let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
    assert!(
        problems[0].starts_with("source.yaml: 10: ") && problems[0].contains("not finite"),
        "{problems:?}"
    );
    assert!(problems[0].ends_with("; 3 more items are left out because of it"), "{problems:?}");
    assert_eq!((problems.len(), report.problem_count), (1, 1), "{problems:?}");
}

#[tokio::test]
async fn buried_ids_are_reported_and_stay_buried() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(10)).await;
    store
        .commit(Transaction::of(vec![Operation::Bury { entity: entity_id(3), subtree: true }]))
        .await
        .unwrap();
    let report = load(&store, source(10)).await;
    assert_eq!((report.total().created, report.total().refused), (0, 12), "{report}");
    assert!(report.problems[0].to_string().contains("entity 3 was buried"), "{report}");
    assert!(stored(&store, 3).await.is_none());
}

#[tokio::test]
async fn an_id_that_is_something_else_or_given_twice_is_reported() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(3)).await;
    let mut source = source(3);
    source.entities[3].kind = name("whale");
    source.entities.push(item(101, 2));
    let report = load(&store, source).await;
    assert_eq!((report.total().refused, report.problem_count), (2, 2), "{report}");
    assert!(report.problems.iter().any(|p| p.message.contains("is in the source twice")), "{report}");
    assert!(
        report.problems.iter().any(|p| p.message.contains("is a `item` in the store, not a `whale`")),
        "{report}"
    );
}

#[tokio::test]
async fn the_list_of_problems_is_bounded_and_the_count_is_not() {
    let store = Arc::new(MemoryStore::new());
    let mut source = source(0);
    source.entities.extend((0..50).map(|n| item(100 + n, 200 + n)));
    let report = load_with(&store, source, LoadOptions { problems_max: 3, ..small_batches() }).await;
    assert_eq!((report.problems.len(), report.problem_count), (3, 50));
    assert!(report.to_string().contains("and 47 more problems"), "{report}");
}

#[tokio::test]
async fn a_container_that_is_refused_is_a_problem_and_others_are_published() {
    let store = Arc::new(MemoryStore::new());
    let mut loader = Loader::open(store.clone(), small_batches(), Arc::new(Silent)).await.unwrap();
    let good = container_draft("ship/hauler", "ship");
    let bad = entitygraph_schema::ContainerDraft { radius: -1.0, ..container_draft("ship/odd", "ship") };
    let drafts = [good, bad].map(|draft| Sourced::new(origin(&draft.name), draft)).into();
    let catalog = loader.containers(drafts).await.unwrap();
    assert!(
        catalog.container_by_name("ship/hauler").is_some() && catalog.container_by_name("ship/odd").is_none()
    );
    let report = loader.finish().await.unwrap();
    assert_eq!((report.containers.created, report.containers.refused), (1, 1), "{report}");
}

#[tokio::test]
async fn a_refused_update_is_counted_as_refused_and_not_taken_off_what_was_created() {
    let store = Arc::new(MemoryStore::new());
    load(&store, source(0)).await;
    let mut loader = Loader::open(store.clone(), small_batches(), Arc::new(Silent)).await.unwrap();
    let ship = |fuel: Value| {
        ComponentDraft::new(
            name("ship"),
            [("hull", Value::Float(1.0)), ("fuel", fuel)]
                .map(|(n, value)| VariableDraft::new(name(n), value))
                .into(),
        )
    };
    // Somebody else was first: the loader's own check does not know of it.
    let theirs = Operation::PublishComponent(ship(Value::Float(1.0)));
    store.commit(Transaction::of(vec![theirs])).await.unwrap();
    let dock = ComponentDraft::new(name("dock"), vec![]);
    let drafts = [dock, ship(Value::Int(1))].map(|draft| Sourced::new(origin(&draft.name), draft)).into();
    loader.components(drafts).await.unwrap();
    let report = loader.finish().await.unwrap();
    let expected = Tally { created: 1, refused: 1, ..Tally::default() };
    assert_eq!((report.components, report.problem_count), (expected, 1), "{report}");
}

#[tokio::test]
async fn a_refused_publication_is_taken_off_what_it_was_counted_as() {
    let store = Arc::new(MemoryStore::new());
    let mut loader = Loader::open(store.clone(), small_batches(), Arc::new(Silent)).await.unwrap();
    let dock = |size: Value| ComponentDraft::new(name("dock"), vec![VariableDraft::new(name("size"), size)]);
    let theirs = Operation::PublishComponent(dock(Value::Float(1.0)));
    store.commit(Transaction::of(vec![theirs])).await.unwrap();
    loader.components(vec![Sourced::new(origin("dock"), dock(Value::Int(1)))]).await.unwrap();
    let report = loader.finish().await.unwrap();
    assert_eq!(report.components, Tally { refused: 1, ..Tally::default() }, "{report}");
}

#[tokio::test]
async fn producers_on_other_threads_are_drained() {
    let store = Arc::new(MemoryStore::new());
    let mut loader = Loader::open(store.clone(), small_batches(), Arc::new(Silent)).await.unwrap();
    let (send, items) = tokio::sync::mpsc::channel(2);
    let producer = std::thread::spawn(move || {
        for entity in source(40).entities {
            let item = Item::Entity(Box::new(Sourced::new(origin(entity.id), entity)));
            send.blocking_send(vec![item, Item::NotUsed("colour".into(), 2)]).unwrap();
        }
        send.blocking_send(vec![Item::Problem(Problem::new(origin("end"), "no more"))]).unwrap();
    });
    loader.drain(items).await.unwrap();
    producer.join().unwrap();
    let report = loader.finish().await.unwrap();
    assert_eq!(
        (report.total().created, report.not_used["colour"], report.problem_count),
        (83, 166, 1),
        "{report}"
    );
}

#[tokio::test]
async fn ids_at_the_end_of_the_range_go_in() {
    let store = Arc::new(MemoryStore::new());
    let mut source = source(0);
    let last = EntityId::new(u64::MAX).unwrap();
    source.entities.push(NewEntity { id: last, ..item(7, 1) });
    assert_eq!(load(&store, source).await.problem_count, 0);
}
