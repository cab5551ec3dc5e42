//! Short ways to write worlds, writes and questions down.

use std::{fmt::Debug, str::FromStr, sync::Arc};

use entitygraph_schema::{
    Aabb, Catalog, ComponentDraft, ComponentType, Components, Container, ContainerDraft, Cursor, Entity,
    EntityId, Layer, Link, NewEntity, NewPose, Operation, Patch, Placement, Pose, Receipt, Refusal, Slot,
    Source, Transaction, Value, VariableDraft,
    query::{At, Page, PageCursor, PageRequest},
};
use glam::{DQuat, DVec3};

use super::snapshot::Snapshot;
use crate::{Error, Feed, Result, Store};

/// The store under test.
pub type Shared = Arc<dyn Store>;

/// A name of any type.
pub fn text<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// An entity's id.
pub fn id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

/// Unrotated at a point.
pub fn at(x: f64, y: f64, z: f64) -> Pose {
    Pose::at(DVec3::new(x, y, z)).unwrap()
}

/// At a point, turned about z by an angle in radians.
pub fn turned(x: f64, y: f64, z: f64, angle: f64) -> Pose {
    Pose::new(DVec3::new(x, y, z), DQuat::from_rotation_z(angle)).unwrap()
}

/// A cube around the origin.
pub fn cube(half_edge: f64) -> Aabb {
    Aabb::cube(half_edge).unwrap()
}

/// A world root of 1e13 m.
pub fn world_root(id: EntityId) -> NewEntity {
    NewEntity { placement: Placement::default(), zone: Some(cube(1e13)), ..thing(id, id) }.of_kind("world")
}

/// A `thing` of 1 m that rides with its parent.
pub fn thing(id: EntityId, parent: EntityId) -> NewEntity {
    NewEntity {
        id,
        name: text(""),
        kind: text("thing"),
        source: None,
        placement: Placement { parent: Some(parent), port: None, pose: None },
        radius: 1.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Components::default(),
    }
}

/// A zone host at a pose.
pub fn zone(id: EntityId, parent: EntityId, half_edge: f64, pose: Pose) -> NewEntity {
    thing(id, parent).of_kind("zone").with_zone(half_edge).at(pose)
}

/// Parts of a [`NewEntity`], one after the other.
#[allow(missing_docs)] // each sets the part that it is named after
pub trait Make: Sized {
    fn of_kind(self, kind: &str) -> Self;
    fn called(self, name: &str) -> Self;
    fn at(self, pose: Pose) -> Self;
    fn on_port(self, port: &str) -> Self;
    fn with_zone(self, half_edge: f64) -> Self;
    fn with_radius(self, metres: f64) -> Self;
    fn labelled(self, labels: &[&str]) -> Self;
    fn owned_by(self, owner: &str) -> Self;
    fn in_layer(self, layer: u32) -> Self;
    fn with_ordinal(self, ordinal: i64) -> Self;
    fn rooted(self) -> Self;
    fn with(self, component: &ComponentType, values: &[(&str, Value)]) -> Self;
    fn instance_of(self, container: &Container) -> Self;
    fn in_slot(self, outer: &Container, child: &str) -> Self;
}

impl Make for NewEntity {
    fn of_kind(self, kind: &str) -> Self {
        Self { kind: text(kind), ..self }
    }
    fn called(self, name: &str) -> Self {
        Self { name: text(name), ..self }
    }
    fn at(mut self, pose: Pose) -> Self {
        self.placement.pose = Some(pose);
        self
    }
    fn on_port(mut self, port: &str) -> Self {
        self.placement.port = Some(text(port));
        self
    }
    fn with_zone(self, half_edge: f64) -> Self {
        Self { zone: Some(cube(half_edge)), ..self }
    }
    fn with_radius(self, radius: f64) -> Self {
        Self { radius, ..self }
    }
    fn labelled(self, labels: &[&str]) -> Self {
        Self { labels: labels.iter().map(|label| text(label)).collect(), ..self }
    }
    fn owned_by(self, owner: &str) -> Self {
        Self { owner: Some(text(owner)), ..self }
    }
    fn in_layer(self, layer: u32) -> Self {
        Self { layer: Layer::from_number(layer), ..self }
    }
    fn with_ordinal(self, ordinal: i64) -> Self {
        Self { ordinal, ..self }
    }
    fn rooted(self) -> Self {
        Self { root: true, ..self }
    }
    fn with(mut self, component: &ComponentType, values: &[(&str, Value)]) -> Self {
        self.components.overlay(&values_of(component, values));
        self
    }
    fn instance_of(self, container: &Container) -> Self {
        let source = Some(Source { container: container.id, slot: None });
        Self { source, kind: container.draft.kind.clone(), ..self }
    }
    fn in_slot(mut self, outer: &Container, child: &str) -> Self {
        if let Some(source) = &mut self.source {
            source.slot = Some(Slot { container: outer.id, child: text(child) });
        }
        self
    }
}

/// Values of one component by name.
pub fn values_of(component: &ComponentType, values: &[(&str, Value)]) -> Components {
    let values = values.iter().map(|(name, value)| (component.variable(name).unwrap().id, value.clone()));
    Components([(component.id, values.collect())].into())
}

/// A component type of public variables.
pub fn component(name: &str, variables: &[(&str, Value)]) -> ComponentDraft {
    let variables =
        variables.iter().map(|(name, default)| VariableDraft::new(text(name), default.clone())).collect();
    ComponentDraft::new(text(name), variables)
}

/// A container of nothing but a kind.
pub fn container(name: &str, kind: &str) -> ContainerDraft {
    ContainerDraft {
        name: text(name),
        kind: text(kind),
        radius: 1.0,
        zone: None,
        root: false,
        transient: false,
        labels: Default::default(),
        ports: Vec::new(),
        components: Components::default(),
        children: Vec::new(),
    }
}

/// Publishes a component type and returns it.
pub async fn publish_component(store: &Shared, draft: ComponentDraft) -> Arc<ComponentType> {
    let name = draft.name.clone();
    apply(store, [Operation::PublishComponent(draft)]).await;
    store.catalog().registry.by_name(name.as_str()).unwrap().clone()
}

/// Publishes a container and returns the version that came of it.
pub async fn publish_container(store: &Shared, draft: ContainerDraft) -> Arc<Container> {
    let name = draft.name.clone();
    apply(store, [Operation::PublishContainer(draft)]).await;
    newest_container(&store.catalog(), name.as_str())
}

/// The newest version of a container that must be there.
pub fn newest_container(catalog: &Catalog, name: &str) -> Arc<Container> {
    catalog.container_by_name(name).unwrap().clone()
}

/// Commits operations that must be accepted.
pub async fn apply(store: &Shared, operations: impl Into<Vec<Operation>>) -> Receipt {
    store.commit(Transaction::of(operations)).await.unwrap().0
}

/// Commits new entities that must be accepted.
pub async fn create(store: &Shared, entities: impl IntoIterator<Item = NewEntity>) -> Receipt {
    apply(store, entities.into_iter().map(Operation::Create).collect::<Vec<_>>()).await
}

/// The refusal of operations that must be refused and leave no trace.
pub async fn refused(store: &Shared, operations: impl Into<Vec<Operation>>) -> Refusal {
    refused_whole(store, Transaction::of(operations)).await
}

/// The refusal of a transaction that must be refused and leave no trace.
pub async fn refused_whole(store: &Shared, transaction: Transaction) -> Refusal {
    let before = Snapshot::take(store).await;
    let refusal = denied(store.commit(transaction.clone()).await);
    assert_eq!(
        denied(store.accept(transaction).await).code(),
        refusal.code(),
        "commit and accept refuse alike"
    );
    assert_eq!(Snapshot::take(store).await, before, "a refused transaction left a trace");
    assert_eq!(*store.newest().borrow(), before.cursor);
    refusal
}

/// The refusal of a call that must be refused.
pub fn denied<T: Debug>(result: Result<T>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// The commit that changed something.
pub async fn commit_at(store: &Shared, cursor: Cursor) -> Arc<entitygraph_schema::Commit> {
    let before = Cursor::from_number(cursor.number() - 1);
    match store.changes(before, 1).await.unwrap() {
        Feed::Commits(commits) if commits.len() == 1 => commits[0].clone(),
        other => panic!("expected the commit at {cursor:?}, found {other:?}"),
    }
}

/// An entity that must be there.
pub async fn get(store: &Shared, id: EntityId) -> Arc<Entity> {
    find_entity(store, id).await.unwrap_or_else(|| panic!("entity {id} is not there"))
}

/// An entity that may be there.
pub async fn find_entity(store: &Shared, id: EntityId) -> Option<Arc<Entity>> {
    store.entities(&[id]).await.unwrap().value.pop().unwrap()
}

/// One page with everything.
pub fn everything() -> PageRequest {
    PageRequest::first(PageRequest::MAX_FIRST)
}

/// `first` rows after a cursor.
pub fn after(first: usize, cursor: &PageCursor) -> PageRequest {
    PageRequest { first, after: Some(cursor.clone()) }
}

/// The rows of a page that is the whole list.
pub fn rows<T: Debug>(answer: Result<At<Page<T>>>) -> Vec<T> {
    let page = answer.unwrap().value;
    assert!(!page.more, "the list has more than one page");
    page.rows.into_iter().map(|(row, _)| row).collect()
}

/// All rows of a list with their cursors, `first` at a time. Pages are full but for the last, and come to an end.
pub async fn walk<T: Debug, Asking: Future<Output = Result<At<Page<T>>>>>(
    first: usize,
    ask: impl Fn(PageRequest) -> Asking,
) -> Vec<(T, PageCursor)> {
    let mut found: Vec<(T, PageCursor)> = Vec::new();
    loop {
        let last = found.last().map(|(_, cursor)| cursor.clone());
        let page = ask(PageRequest { first, after: last.clone() }).await.unwrap().value;
        assert!(page.rows.len() <= first, "{} rows in a page of {first}", page.rows.len());
        assert!(page.rows.len() == first || !page.more, "a short page that is not the last");
        assert!(last.is_none() || !page.rows.is_empty(), "an empty page after one that promised more");
        assert!(
            page.rows.last().is_none_or(|(_, cursor)| Some(cursor) != last.as_ref()),
            "no way on: {page:?}"
        );
        found.extend(page.rows);
        if !page.more {
            return found;
        }
    }
}

/// Ids of entities.
pub fn ids(entities: &[Arc<Entity>]) -> Vec<EntityId> {
    entities.iter().map(|entity| entity.id).collect()
}

/// Moves an entity without a port.
pub fn reparent(entity: EntityId, parent: EntityId, pose: NewPose) -> Operation {
    Operation::Reparent { entity, parent, port: None, pose }
}

/// Attaches an entity at a port, riding.
pub fn attach(entity: EntityId, parent: EntityId, port: &str) -> Operation {
    Operation::Reparent { entity, parent, port: Some(text(port)), pose: NewPose::Ride }
}

/// Changes an entity's name.
pub fn rename(entity: EntityId, name: &str) -> Operation {
    Operation::Change(entity, Patch { name: Some(text(name)), ..Patch::default() })
}

/// Changes an entity's pose.
pub fn moved(entity: EntityId, pose: Pose) -> Operation {
    Operation::Change(entity, Patch { pose: Some(Some(pose)), ..Patch::default() })
}

/// Retires an entity without children.
pub fn bury(entity: EntityId) -> Operation {
    Operation::Bury { entity, subtree: false }
}

/// Retires an entity with all below it.
pub fn bury_all(entity: EntityId) -> Operation {
    Operation::Bury { entity, subtree: true }
}

/// A `jump` link.
pub fn jump(a: EntityId, b: EntityId, cost: f64) -> Operation {
    Operation::Link(Link { kind: text("jump"), a, b, cost })
}
