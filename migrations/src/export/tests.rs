use std::sync::{Arc, Mutex};

use entitygraph_schema::{
    ComponentDraft, Components, ContainerDraft, Entity, EntityId, Link, NewEntity, Operation, Placement,
    Port, Slot, Source, Transaction, Value, VariableDraft,
    query::{Extent, PageRequest},
    testing::{
        component_drafts, container_draft, container_drafts, entity_id, item, name, new_entities, values,
        world, zone,
    },
};
use entitygraph_store::{MemoryStore, Store};
use futures_util::FutureExt;
use proptest::{collection, prelude::*};

use super::*;
use crate::{
    load::{LoadOptions, Report, Silent},
    world::{WorldFiles, ingest},
};

async fn exported(store: &Arc<MemoryStore>, below: Option<EntityId>) -> (String, Exported) {
    let mut text = Vec::new();
    let exported = export(store.clone(), &mut text, ExportOptions { below }, Arc::new(Silent)).await.unwrap();
    (String::from_utf8(text).unwrap(), exported)
}

async fn ingested(store: &Arc<MemoryStore>, text: &str) -> Report {
    let files = WorldFiles::in_memory([("export.yaml", text)]);
    ingest(store.clone(), files, LoadOptions::default(), Arc::new(Silent)).await.unwrap()
}

async fn commit(store: &MemoryStore, operation: Operation) -> bool {
    store.commit(Transaction::of(vec![operation])).await.is_ok()
}

async fn all(store: &MemoryStore, root: EntityId) -> Vec<Arc<Entity>> {
    let page = store.subtree(root, Extent::All, PageRequest::first(10_000)).await.unwrap().value;
    page.rows.into_iter().map(|(entity, _)| entity).collect()
}

/// What a random world is made of; what does not fit is left out by the store.
#[derive(Debug)]
struct Parts {
    components: Vec<ComponentDraft>,
    containers: Vec<ContainerDraft>,
    entities: Vec<(NewEntity, [usize; 6])>,
    values: Vec<Value>,
    links: Vec<(usize, usize, f64)>,
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        collection::vec(component_drafts(), 1..6),
        collection::vec(container_drafts(), 0..8),
        collection::vec((new_entities(), any::<[usize; 6]>()), 0..40),
        collection::vec(values(), 20..40),
        collection::vec((0..40usize, 0..40usize, 0.1..1e9), 0..10),
    )
        .prop_map(|(components, containers, entities, values, links)| Parts {
            components,
            containers,
            entities,
            values,
            links,
        })
}

/// Own values that fit the component types.
fn fitting(store: &MemoryStore, values: &[Value], pick: usize) -> Components {
    let catalog = store.catalog();
    let mut components = Components::default();
    for (at, component) in catalog.registry.iter().enumerate().filter(|(at, _)| pick >> at & 1 == 1) {
        let own = components.0.entry(component.id).or_default();
        for variable in
            component.variables.iter().filter(|variable| pick >> (at + variable.id.get() as usize) & 1 == 1)
        {
            let fits = values.iter().cycle().skip(pick % values.len()).take(values.len());
            own.extend(
                fits.clone()
                    .find(|value| value.kind() == variable.kind())
                    .map(|value| (variable.id, value.clone())),
            );
        }
    }
    components
}

async fn build(parts: Parts) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    for component in parts.components {
        commit(&store, Operation::PublishComponent(component)).await;
    }
    let mut published: Vec<ContainerDraft> = Vec::new();
    for (pick, mut draft) in parts.containers.into_iter().enumerate() {
        draft.components = fitting(&store, &parts.values, pick * 7 + 5);
        draft.children.truncate(published.len());
        for (child, inner) in draft.children.iter_mut().zip(&published) {
            child.container = inner.name.clone();
            child.port = None;
            child.overrides = fitting(&store, &parts.values, pick * 3 + 1);
        }
        if commit(&store, Operation::PublishContainer(draft.clone())).await {
            published.push(draft);
        }
    }
    let mut made = vec![world(1_000, 1e13)];
    commit(&store, Operation::Create(made[0].clone())).await;
    for (mut new, [parent, container, slot, port, components, root]) in parts.entities {
        let above = &made[parent % made.len()];
        new.placement.parent = Some(above.id);
        new.placement.port = None;
        new.source = None;
        new.components = fitting(&store, &parts.values, components);
        let catalog = store.catalog();
        if let Some(above) = above.source.as_ref().and_then(|source| catalog.container(source.container)) {
            new.placement.port = above.draft.ports.get(port % 4).map(|port| port.name.clone());
        }
        if root % 9 == 0 {
            new.zone = new.zone.or(Some(entitygraph_schema::Aabb::cube(5.0).unwrap()));
            new.placement = Placement::default();
        }
        if let Some(draft) = published.get(container % 8) {
            let known = catalog.container_by_name(draft.name.as_str()).unwrap();
            new.kind = draft.kind.clone();
            let slot = (slot % 2 == 0).then(|| Slot { container: known.id, child: name("c") });
            new.source = Some(Source { container: known.id, slot });
        }
        if commit(&store, Operation::Create(new.clone())).await {
            made.push(new);
        }
    }
    for (a, b, cost) in parts.links {
        let link = Link::new(name("jump"), made[a % made.len()].id, made[b % made.len()].id, cost);
        commit(&store, Operation::Link(link)).await;
    }
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_world_goes_out_and_in_again_and_is_the_same(parts in parts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let first = build(parts).await;
            let (text, counts) = exported(&first, None).await;
            let second = Arc::new(MemoryStore::new());
            let report = ingested(&second, &text).await;
            assert_eq!(report.problem_count, 0, "{report}\n{text}");
            assert_eq!(report.entities.values().map(|tally| tally.created).sum::<u64>(), counts.entities);
            assert_eq!(exported(&second, None).await, (text.clone(), Exported { began: exported(&second, None).await.1.began, ended: exported(&second, None).await.1.ended, ..counts }));
            for root in first.children(None, ChildOrder::Ordinal, PageRequest::first(100)).await.unwrap().value.rows {
                let (one, other) = (all(&first, root.0).await, all(&second, root.0).await);
                assert_eq!(one.len(), other.len());
                for (one, other) in one.iter().zip(other) {
                    let like_other = Entity {
                        source: other.source.clone(),
                        components: other.components.clone(),
                        revision: other.revision,
                        ..Entity::clone(one)
                    };
                    assert_eq!(like_other, *other);
                    assert_eq!(one.components.0.len(), other.components.0.len());
                }
            }
            assert!(ingested(&first, &text).await.changed_nothing());
        });
    }
}

/// Buries an entity when the export gets to a stage, and with `begun` when it has counted something there.
struct Burial {
    store: Arc<MemoryStore>,
    entity: EntityId,
    stage: &'static str,
    begun: bool,
    at: Mutex<String>,
}

impl Burial {
    fn bury(&self) {
        let burial = Operation::Bury { entity: self.entity, subtree: true };
        // The memory store never waits. A second burial is refused.
        assert!(commit(&self.store, burial).now_or_never().is_some());
    }
}

impl Progress for Burial {
    fn stage(&self, name: &str) {
        name.clone_into(&mut self.at.lock().unwrap());
        if name == self.stage && !self.begun {
            self.bury();
        }
    }
    fn items(&self, more: u64) {
        if *self.at.lock().unwrap() == self.stage && self.begun && more > 0 {
            self.bury();
        }
    }
    fn counts(&self, _: &str, _: Option<u64>) {}
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn finish(&self) {}
}

#[tokio::test]
async fn what_is_buried_while_the_world_is_written_ends_no_export() {
    let cases = [
        // The end of a link, when the link is known.
        (Some(1), 6, "links", true, (8, 3)),
        // What is exported, when it is written.
        (Some(4), 4, "links", false, (2, 0)),
        // A second root, when the first is written.
        (None, 20, "entities", true, (8, 4)),
    ];
    for (below, entity, stage, begun, expected) in cases {
        let store = small_world().await;
        assert!(commit(&store, Operation::Create(world(20, 1e9))).await);
        let burial =
            Burial { store: store.clone(), entity: entity_id(entity), stage, begun, at: Mutex::default() };
        let options = ExportOptions { below: below.map(entity_id) };
        let exported = export(store, Vec::new(), options, Arc::new(burial)).await;
        let exported = exported.unwrap_or_else(|error| panic!("{entity} {stage}: {error:?}"));
        assert_eq!((exported.entities, exported.links), expected, "{entity} {stage}");
        assert!(!exported.at_rest());
    }
}

async fn small_world() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let entities = [
        world(1, 1e9),
        zone(2, 1, 1e3),
        zone(3, 1, 1e3),
        item(4, 2),
        item(5, 4),
        item(6, 3),
        zone(7, 2, 10.0),
        item(8, 7),
    ];
    for entity in entities {
        assert!(commit(&store, Operation::Create(entity)).await);
    }
    for (a, b) in [(5, 6), (5, 8), (2, 3), (4, 5)] {
        assert!(
            commit(&store, Operation::Link(Link::new(name("jump"), entity_id(a), entity_id(b), 1.0))).await
        );
    }
    store
}

#[tokio::test]
async fn part_of_a_world_is_exported_with_the_links_inside_it() {
    let store = small_world().await;
    let (whole, counts) = exported(&store, None).await;
    assert_eq!((counts.entities, counts.links, counts.at_rest()), (8, 4, true));
    for (below, entities, links) in [(1, 8, 4), (2, 5, 2), (4, 2, 1), (7, 2, 0), (6, 1, 0)] {
        let (text, counts) = exported(&store, Some(entity_id(below))).await;
        assert_eq!((counts.entities, counts.links), (entities, links), "below {below}");
        assert!(ingested(&store, &text).await.changed_nothing());
    }
    let error = export(store, Vec::new(), ExportOptions { below: Some(entity_id(99)) }, Arc::new(Silent))
        .await
        .unwrap_err();
    assert!(matches!(&error, ExportError::Store(Error::Refused(Refusal::UnknownEntity { .. }))), "{error}");
    assert!(
        whole.lines().any(|line| line == r#"- {"id": "5", "kind": "item", "parent": "4", "radius": 0.0}"#),
        "{whole}"
    );
}

#[tokio::test]
async fn a_file_that_was_cut_off_says_so() {
    let (text, _) = exported(&small_world().await, None).await;
    let ends: Vec<_> = text.match_indices("---\n").map(|(at, _)| at).collect();
    let cut_off = |at: usize| {
        let text = text[..at].to_owned();
        async move { ingested(&Arc::new(MemoryStore::new()), &text).await }
    };
    let report = cut_off(*ends.last().unwrap()).await;
    assert_eq!((report.problem_count, report.total().created), (1, 12), "{report}");
    assert!(report.problems[0].message.contains("the end of the export is missing"), "{report}");
    let report = cut_off(ends[2] - 20).await;
    assert_eq!(report.total().created, 0, "{report}");
    assert!(
        report.problems.iter().any(|problem| problem.message.contains("the end of the export is missing")),
        "{report}"
    );
    let missing =
        text.replace("- {\"id\": \"8\", \"kind\": \"item\", \"parent\": \"7\", \"radius\": 0.0}\n", "");
    let report = ingested(&Arc::new(MemoryStore::new()), &missing).await;
    assert!(
        report.problems.iter().any(|problem| problem.message.contains("it has 7 of 8 entities")),
        "{report}"
    );
}

#[tokio::test]
async fn large_worlds_span_documents() {
    let store = Arc::new(MemoryStore::new());
    let mut operations = vec![Operation::Create(world(1, 1e9))];
    operations.extend((2..3_000).map(|id| Operation::Create(item(id, id / 3 + 1))));
    store.commit(Transaction::of(operations)).await.unwrap();
    let (text, counts) = exported(&store, None).await;
    assert_eq!((counts.entities, text.matches("entities:\n").count()), (2_999, 6));
    let copy = Arc::new(MemoryStore::new());
    assert_eq!(ingested(&copy, &text).await.problem_count, 0);
    assert_eq!(exported(&copy, None).await.0, text);
}

#[tokio::test]
async fn values_of_retired_variables_are_left_out_and_counted() {
    let store = Arc::new(MemoryStore::new());
    let variable = |text: &str| VariableDraft::new(name(text), Value::Int(0));
    let hull = ComponentDraft::new(name("hull"), vec![variable("kept"), variable("gone")]);
    assert!(commit(&store, Operation::PublishComponent(hull.clone())).await);
    let component = store.catalog().registry.by_name("hull").unwrap().clone();
    let own = component.variables.iter().map(|variable| (variable.id, Value::Int(7))).collect();
    let root = NewEntity { components: Components([(component.id, own)].into()), ..world(1, 1.0) };
    assert!(commit(&store, Operation::Create(root)).await);
    let retiring = ComponentDraft {
        retire: [name("gone")].into(),
        ..ComponentDraft::new(name("hull"), vec![variable("kept")])
    };
    assert!(commit(&store, Operation::PublishComponent(retiring)).await);
    let (text, counts) = exported(&store, None).await;
    assert_eq!((counts.entities, counts.left_out), (1, 1));
    assert!(text.contains("kept") && !text.contains("gone"), "{text}");
    let report = ingested(&Arc::new(MemoryStore::new()), &text).await;
    assert_eq!(report.problem_count, 0, "{report}");
}

#[tokio::test]
async fn what_is_attached_to_a_port_that_is_gone_or_narrowed_goes_out_without_it() {
    let port =
        |accepts: &[&str]| Port { name: name("p"), accepts: accepts.iter().map(|kind| name(kind)).collect() };
    let rig = |ports: Vec<Port>| {
        Operation::PublishContainer(ContainerDraft { ports, ..container_draft("rig", "rig") })
    };
    for (later, left_out) in [(vec![], 1), (vec![port(&["crane"])], 1), (vec![port(&[])], 0)] {
        let store = Arc::new(MemoryStore::new());
        assert!(commit(&store, rig(vec![port(&[])])).await);
        assert!(commit(&store, Operation::Create(world(1, 1.0))).await);
        let known = store.catalog().container_by_name("rig").unwrap().clone();
        let source = Some(Source { container: known.id, slot: None });
        assert!(
            commit(&store, Operation::Create(NewEntity { source, kind: name("rig"), ..item(2, 1) })).await
        );
        let mut gun = item(3, 2);
        gun.placement.port = Some(name("p"));
        assert!(commit(&store, Operation::Create(gun)).await);
        assert!(commit(&store, rig(later)).await);
        let (text, counts) = exported(&store, None).await;
        assert_eq!((counts.entities, counts.left_out), (3, left_out));
        let report = ingested(&Arc::new(MemoryStore::new()), &text).await;
        assert_eq!(report.problem_count, 0, "{report}");
    }
}
