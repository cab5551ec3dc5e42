//! Data for tests: builders for plain things, proptest strategies for arbitrary ones.
//!
//! The strategies draw names, ids and variables from small sets, so that what they make meets: labels are taken away
//! that were set, components patched that are there. All they make is valid by itself (it has a record form that
//! decodes); whether it fits a world is up to the test.

#![allow(clippy::unwrap_used)] // of constants that keep the rules

use std::{collections::BTreeMap, sync::Arc};

use glam::{DQuat, DVec3};
use proptest::{collection, option, prelude::*};

use crate::{
    Aabb, Change, Child, Commit, ComponentDraft, ComponentId, ComponentPatch, ComponentType, Components,
    Container, ContainerDraft, ContainerId, ContainerVersion, Cursor, Delta, Entity, EntityId, EntityName,
    Epoch, Kind, Label, Layer, Link, NewEntity, NewPose, Operation, Patch, Placement, Port, Pose,
    Precondition, Revision, SendPolicy, Slot, Source, Transaction, Value, ValueKind, Variable, VariableDraft,
    VariableId, Visibility,
};

/// The entity id `number`.
pub fn entity_id(number: u64) -> EntityId {
    EntityId::new(number).unwrap()
}

/// The component id `number`.
pub fn component_id(number: u32) -> ComponentId {
    ComponentId::new(number).unwrap()
}

/// The container id `number`.
pub fn container_id(number: u32) -> ContainerId {
    ContainerId::new(number).unwrap()
}

/// The variable id `number`.
pub fn variable_id(number: u16) -> VariableId {
    VariableId::new(number).unwrap()
}

/// Any name type from a text that keeps its rules.
pub fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// An unrotated pose.
pub fn at(x: f64, y: f64, z: f64) -> Pose {
    Pose::at(DVec3::new(x, y, z)).unwrap()
}

/// A text value.
pub fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Components of one component with these values.
pub fn components(component: u32, values: impl IntoIterator<Item = (u16, Value)>) -> Components {
    let values = values.into_iter().map(|(id, value)| (variable_id(id), value)).collect();
    Components(BTreeMap::from([(component_id(component), values)]))
}

/// A thing of kind `item` that rides with its parent.
pub fn item(id: u64, parent: u64) -> NewEntity {
    NewEntity {
        id: entity_id(id),
        name: EntityName::default(),
        kind: name("item"),
        source: None,
        placement: Placement { parent: Some(entity_id(parent)), port: None, pose: None },
        radius: 0.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Components::default(),
    }
}

/// A zone of kind `zone` in the middle of its parent zone.
pub fn zone(id: u64, parent: u64, half_edge: f64) -> NewEntity {
    NewEntity {
        kind: name("zone"),
        placement: Placement { parent: Some(entity_id(parent)), port: None, pose: Some(Pose::IDENTITY) },
        zone: Some(Aabb::cube(half_edge).unwrap()),
        radius: half_edge * 3f64.sqrt(),
        ..item(id, parent)
    }
}

/// A world root of kind `world`.
pub fn world(id: u64, half_edge: f64) -> NewEntity {
    NewEntity { kind: name("world"), placement: Placement::default(), ..zone(id, id, half_edge) }
}

/// A draft with neither children nor components.
pub fn container_draft(container: &str, kind: &str) -> ContainerDraft {
    ContainerDraft {
        name: name(container),
        kind: name(kind),
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

/// A child in the middle of what is around it.
pub fn child(slot: &str, container: &str) -> Child {
    Child {
        name: name(slot),
        container: name(container),
        pose: Some(Pose::IDENTITY),
        port: None,
        overrides: Components::default(),
        labels: Default::default(),
    }
}

/// Finite floats of any size, both zeros among them.
pub fn floats() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |value| value.is_finite())
}

/// Entity ids: mostly small ones, some beyond 2^53.
pub fn entity_ids() -> impl Strategy<Value = EntityId> {
    prop_oneof![4 => 1..20u64, 1 => (1 << 53)..=u64::MAX].prop_map(entity_id)
}

fn names<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug + 'static>() -> impl Strategy<Value = T>
{
    prop_oneof![4 => "[a-d]", 1 => "[a-zA-Z0-9_./:-]{1,64}"].prop_map(|text| name(&text))
}

/// Entity names, also empty and in any script.
pub fn entity_names() -> impl Strategy<Value = EntityName> {
    prop_oneof!["[a-c]{0,3}", "[\\PC--[\u{2028}-\u{202e}\u{2066}-\u{2069}]]{0,40}"]
        .prop_map(|text| name(&text))
}

/// Up to four labels.
pub fn labels() -> impl Strategy<Value = std::collections::BTreeSet<Label>> {
    collection::btree_set(names(), 0..4)
}

/// Values of one kind.
pub fn values_of(kind: ValueKind) -> BoxedStrategy<Value> {
    match kind {
        ValueKind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        ValueKind::Int => any::<i64>().prop_map(Value::Int).boxed(),
        ValueKind::Float => floats().prop_map(Value::Float).boxed(),
        ValueKind::Text => ".{0,20}".prop_map(|t| text(&t)).boxed(),
        ValueKind::Entity => entity_ids().prop_map(Value::Entity).boxed(),
        ValueKind::Vector => [floats(), floats(), floats()].prop_map(Value::Vector).boxed(),
        ValueKind::Bytes => collection::vec(any::<u8>(), 0..20).prop_map(|b| Value::Bytes(b.into())).boxed(),
        ValueKind::IntList => {
            collection::vec(any::<i64>(), 0..5).prop_map(|l| Value::IntList(l.into())).boxed()
        }
        ValueKind::FloatList => {
            collection::vec(floats(), 0..5).prop_map(|l| Value::FloatList(l.into())).boxed()
        }
        ValueKind::TextList => collection::vec(".{0,8}", 0..5)
            .prop_map(|l| Value::TextList(l.into_iter().map(Arc::from).collect()))
            .boxed(),
    }
}

/// Values of every kind.
pub fn values() -> impl Strategy<Value = Value> {
    (0..ValueKind::ALL.len()).prop_flat_map(|kind| values_of(ValueKind::ALL[kind]))
}

/// Up to three of the components 1 to 4 with up to four of the variables 1 to 5.
pub fn any_components() -> impl Strategy<Value = Components> {
    let own = collection::btree_map((1..6u16).prop_map(variable_id), values(), 0..4);
    collection::btree_map((1..5u32).prop_map(component_id), own, 0..3).prop_map(Components)
}

/// Rotations: the identity and others.
pub fn rotations() -> impl Strategy<Value = DQuat> {
    let any_rotation = (-1.0..1.0, -1.0..1.0, -1.0..1.0, -1.0..1.0f64)
        .prop_filter("far enough from zero", |(x, y, z, w)| x * x + y * y + z * z + w * w > 0.01)
        .prop_map(|(x, y, z, w)| DQuat::from_xyzw(x, y, z, w).normalize());
    prop_oneof![Just(DQuat::IDENTITY), any_rotation]
}

/// Points up to `reach` metres from the origin on each axis.
pub fn points(reach: f64) -> impl Strategy<Value = DVec3> {
    [-reach..=reach, -reach..=reach, -reach..=reach].prop_map(DVec3::from_array)
}

/// Poses up to `reach` metres from the origin on each axis.
pub fn poses(reach: f64) -> impl Strategy<Value = Pose> {
    (points(reach), rotations()).prop_map(|(point, rotation)| Pose::new(point, rotation).unwrap())
}

/// Boxes up to `reach` metres from the origin on each axis.
pub fn boxes(reach: f64) -> impl Strategy<Value = Aabb> {
    (points(reach), points(reach)).prop_map(|(one, other)| Aabb::new(one.min(other), one.max(other)).unwrap())
}

fn radii() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 0.0..1e12]
}

fn layers() -> impl Strategy<Value = Layer> {
    prop_oneof![4 => Just(0), 1 => 0..=i32::MAX as u32].prop_map(Layer::from_number)
}

fn epochs() -> impl Strategy<Value = Epoch> {
    prop_oneof![4 => Just(0), 1 => any::<u64>()].prop_map(Epoch::from_number)
}

fn container_ids() -> impl Strategy<Value = ContainerId> {
    (1..9u32).prop_map(container_id)
}

fn sources() -> impl Strategy<Value = Source> {
    let slot = (container_ids(), names()).prop_map(|(container, child)| Slot { container, child });
    (container_ids(), option::of(slot)).prop_map(|(container, slot)| Source { container, slot })
}

/// Entities to be created.
pub fn new_entities() -> impl Strategy<Value = NewEntity> {
    let parts = (entity_ids(), entity_names(), names::<Kind>(), option::of(sources()));
    let place = (option::of(entity_ids()), option::of(names()), option::of(poses(1e13)), radii());
    let rest = (option::of(boxes(1e13)), any::<bool>(), labels(), option::of(names()), layers(), -3..3i64);
    (parts, place, rest, any_components()).prop_map(
        |((id, name, kind, source), (parent, port, pose, radius), rest, components)| {
            let (zone, root, labels, owner, layer, ordinal) = rest;
            let placement = Placement { parent, port, pose };
            NewEntity {
                id,
                name,
                kind,
                source,
                placement,
                radius,
                zone,
                root,
                labels,
                owner,
                layer,
                ordinal,
                components,
            }
        },
    )
}

/// Stored entities of any revision.
pub fn entities() -> impl Strategy<Value = Entity> {
    (new_entities(), 1..1000u64, epochs()).prop_map(|(new, revision, epoch)| Entity {
        revision: Revision::from_number(revision),
        ..Entity::created(new, epoch)
    })
}

/// Patches of one component.
pub fn component_patches() -> impl Strategy<Value = ComponentPatch> {
    let variables = || collection::btree_map((1..6u16).prop_map(variable_id), option::of(values()), 0..4);
    prop_oneof![
        4 => variables().prop_map(|variables| ComponentPatch { variables, ..ComponentPatch::default() }),
        1 => variables().prop_map(|variables| ComponentPatch { reset: true, remove: false, variables }),
        1 => Just(ComponentPatch::removed()),
    ]
}

/// Patches that change any of the fields, or none.
pub fn patches() -> impl Strategy<Value = Patch> {
    let place = (
        option::of((entity_ids(), option::of(names()))),
        option::of(option::of(poses(1e13))),
        option::of(radii()),
        option::of(option::of(boxes(1e13))),
    );
    let rest = (
        option::of(any::<bool>()),
        option::of(option::of(names())),
        option::of(layers()),
        option::of(-3..3i64),
    );
    let labels = collection::btree_map(names(), any::<bool>(), 0..4);
    let components = collection::btree_map((1..5u32).prop_map(component_id), component_patches(), 0..3);
    (option::of(entity_names()), place, rest, labels, components).prop_map(
        |(name, place, rest, labels, components)| {
            let (parent, pose, radius, zone) = place;
            let (root, owner, layer, ordinal) = rest;
            Patch { name, parent, pose, radius, zone, root, owner, layer, ordinal, labels, components }
        },
    )
}

/// Deltas of any revision.
pub fn deltas() -> impl Strategy<Value = Delta> {
    (1..1000u64, epochs(), patches()).prop_map(|(revision, epoch, patch)| Delta {
        revision: Revision::from_number(revision),
        epoch,
        patch,
    })
}

/// Variables of every kind and policy.
pub fn variable_drafts() -> impl Strategy<Value = VariableDraft> {
    let send = prop_oneof![Just(SendPolicy::OnChange), Just(SendPolicy::EveryTick)];
    let visibility =
        prop_oneof![Just(Visibility::Public), Just(Visibility::OwnerOnly), Just(Visibility::ServerOnly)];
    (names(), values(), option::of(names()), send, any::<bool>(), visibility, option::of(0.001..10.0))
        .prop_map(|(name, default, group, send, persisted, visibility, precision)| VariableDraft {
            name,
            default,
            group,
            send,
            persisted,
            visibility,
            precision,
        })
}

/// Drafts of component types; names of variables may repeat, which publishing refuses.
pub fn component_drafts() -> impl Strategy<Value = ComponentDraft> {
    (names(), collection::vec(variable_drafts(), 0..4))
        .prop_map(|(name, variables)| ComponentDraft::new(name, variables))
}

/// Published component types.
pub fn component_types() -> impl Strategy<Value = ComponentType> {
    let retired = collection::vec(variable_drafts(), 0..3);
    (1..9u32, any::<u32>(), component_drafts(), retired).prop_map(|(id, version, draft, retired)| {
        ComponentType {
            id: component_id(id),
            name: draft.name,
            version,
            variables: (1..)
                .zip(draft.variables)
                .map(|(id, draft)| Variable { id: variable_id(id), draft, converts: None })
                .collect(),
            retired: (100..)
                .zip(retired)
                .map(|(id, draft)| Variable { id: variable_id(id), draft, converts: None })
                .collect(),
        }
    })
}

fn children() -> impl Strategy<Value = Child> {
    (names(), names(), option::of(poses(1e6)), option::of(names()), any_components(), labels()).prop_map(
        |(name, container, pose, port, overrides, labels)| Child {
            name,
            container,
            pose,
            port,
            overrides,
            labels,
        },
    )
}

/// Drafts of containers that need not fit each other.
pub fn container_drafts() -> impl Strategy<Value = ContainerDraft> {
    let port =
        (names(), collection::btree_set(names(), 0..3)).prop_map(|(name, accepts)| Port { name, accepts });
    let shape = (radii(), option::of(boxes(1e9)), any::<bool>(), any::<bool>());
    let parts = (labels(), collection::vec(port, 0..3), any_components(), collection::vec(children(), 0..3));
    (names(), names(), shape, parts).prop_map(|(name, kind, shape, parts)| {
        let (radius, zone, root, transient) = shape;
        let (labels, ports, components, children) = parts;
        ContainerDraft { name, kind, radius, zone, root, transient, labels, ports, components, children }
    })
}

/// Published containers.
pub fn containers() -> impl Strategy<Value = Container> {
    (container_ids(), any::<u32>(), container_drafts()).prop_map(|(id, version, draft)| Container {
        id,
        version: ContainerVersion::from_number(version),
        draft,
    })
}

/// Links between two different entities.
pub fn links() -> impl Strategy<Value = Link> {
    (names(), entity_ids(), entity_ids(), 0.001..1e9)
        .prop_filter("two ends", |(_, one, other, _)| one != other)
        .prop_map(|(kind, one, other, cost)| Link::new(kind, one, other, cost))
}

/// Changes of every sort.
pub fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        component_types().prop_map(|component| Change::Component(component.into())),
        containers().prop_map(|container| Change::Container(container.into())),
        entities().prop_map(|entity| Change::Created(entity.into())),
        (entity_ids(), option::of(entity_ids()), deltas())
            .prop_map(|(entity, left, delta)| Change::Changed { entity, left, delta: delta.into() }),
        entities().prop_map(|entity| Change::Buried(entity.into())),
        links().prop_map(Change::Linked),
        links().prop_map(|Link { kind, a, b, .. }| Change::Unlinked { kind, a, b }),
        entity_ids().prop_map(Change::Entombed),
    ]
}

/// Commits of up to four changes.
pub fn commits() -> impl Strategy<Value = Commit> {
    (any::<u64>(), option::of(names()), collection::vec(changes(), 0..4)).prop_map(
        |(cursor, operation_id, changes)| Commit {
            cursor: Cursor::from_number(cursor),
            operation_id,
            changes,
        },
    )
}

fn preconditions() -> impl Strategy<Value = Precondition> {
    prop_oneof![
        entity_ids().prop_map(Precondition::Exists),
        entity_ids().prop_map(Precondition::Absent),
        (entity_ids(), any::<u64>()).prop_map(|(id, n)| Precondition::Revision(id, Revision::from_number(n))),
        (entity_ids(), epochs()).prop_map(|(id, epoch)| Precondition::Epoch(id, epoch)),
        (entity_ids(), names()).prop_map(|(id, port)| Precondition::PortFree(id, port)),
        (container_ids(), any::<u32>())
            .prop_map(|(id, n)| Precondition::ContainerVersion(id, ContainerVersion::from_number(n))),
    ]
}

/// Operations of every sort; whether they can be done is up to the world.
pub fn operations() -> impl Strategy<Value = Operation> {
    let new_pose =
        prop_oneof![Just(NewPose::KeepWorld), poses(1e13).prop_map(NewPose::At), Just(NewPose::Ride)];
    prop_oneof![
        component_drafts().prop_map(Operation::PublishComponent),
        container_drafts().prop_map(Operation::PublishContainer),
        new_entities().prop_map(Operation::Create),
        (entity_ids(), patches()).prop_map(|(id, patch)| Operation::Change(id, patch)),
        (entity_ids(), entity_ids(), option::of(names()), new_pose)
            .prop_map(|(entity, parent, port, pose)| Operation::Reparent { entity, parent, port, pose }),
        links().prop_map(Operation::Link),
        (names(), entity_ids(), entity_ids()).prop_map(|(kind, a, b)| Operation::Unlink { kind, a, b }),
        (entity_ids(), any::<bool>()).prop_map(|(entity, subtree)| Operation::Bury { entity, subtree }),
        component_types().prop_map(|component| Operation::AdoptComponent(component.into())),
        containers().prop_map(|container| Operation::AdoptContainer(container.into())),
        collection::vec(entities().prop_map(Into::into), 0..3).prop_map(Operation::Adopt),
        entity_ids().prop_map(Operation::Entomb),
    ]
}

/// Transactions of up to three preconditions and operations.
pub fn transactions() -> impl Strategy<Value = Transaction> {
    (option::of(names()), collection::vec(preconditions(), 0..4), collection::vec(operations(), 0..4))
        .prop_map(|(operation_id, preconditions, operations)| Transaction {
            operation_id,
            request: None,
            preconditions,
            operations,
        })
}
