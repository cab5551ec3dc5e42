//! What atlas keeps in the graph, which is all that it starts from: the shard entity with its term, and the component
//! `authority` of anchors.

use std::sync::Arc;

use entitygraph_schema::{
    ComponentDraft, ComponentId, ComponentName, ComponentType, Components, EntityId, EntityName, Epoch, Kind,
    Layer, NewEntity, Operation, Patch, Placement, Precondition, Registry, Revision, Transaction, Value,
    VariableDraft, VariableId, VariableName, Visibility, delta::ComponentPatch,
};
use sha2::{Digest, Sha256};

use super::message::Chain;

/// The shard entity as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardRow {
    /// For the raise of the term: of two who read the same, one is refused.
    pub revision: Revision,
    /// The term of the last hub, `term x 2^32`; 0 before the first.
    pub epoch: Epoch,
    /// SHA-256 of the map that was taken last.
    pub map: Option<[u8; 32]>,
    /// The shard clock that was stored last, in microseconds.
    pub clock_us: u64,
}

/// An entity with a `post`, or one that the map names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorRow {
    /// Which.
    pub id: EntityId,
    /// As it is stored.
    pub epoch: Epoch,
    /// Name of its post, if it has one.
    pub post: Option<String>,
    /// Whether a map says so; else it was moved singly.
    pub mapped: bool,
}

/// An entity as it is stored, read again because somebody else wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRow {
    /// Its own.
    pub epoch: Epoch,
    /// Its own post, if it has one.
    pub post: Option<String>,
    /// From itself to the host of its territory.
    pub chain: Chain,
}

/// Id of a world's shard entity: made from the root's id, so that two hubs that make it at once make the same one.
pub fn shard_entity(world: EntityId) -> EntityId {
    let mut hash = Sha256::new();
    hash.update(world.to_string());
    hash.update([0]);
    hash.update("shard");
    let bytes = hash.finalize();
    let number = bytes.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    EntityId::new(EntityId::FIRST_NAMED.get() | number).unwrap_or(EntityId::FIRST_NAMED)
}

/// Numbers of the component types and variables that atlas writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types {
    shard: ComponentId,
    hub: VariableId,
    map: VariableId,
    address: VariableId,
    started_us: VariableId,
    clock_us: VariableId,
    authority: ComponentId,
    post: VariableId,
    mapped: VariableId,
}

impl Types {
    /// As they are published; none if one of them is not.
    pub fn of(registry: &Registry) -> Option<Self> {
        let shard = registry.by_name("shard")?;
        let authority = registry.by_name("authority")?;
        let of = |component: &ComponentType, name| component.variable(name).map(|variable| variable.id);
        Some(Self {
            shard: shard.id,
            hub: of(shard, "hub")?,
            map: of(shard, "map")?,
            address: of(shard, "address")?,
            started_us: of(shard, "started_us")?,
            clock_us: of(shard, "clock_us")?,
            authority: authority.id,
            post: of(authority, "post")?,
            mapped: of(authority, "mapped")?,
        })
    }

    /// The change of an anchor: its post, or that it has none any more.
    pub fn anchor(&self, post: Option<(&str, bool)>) -> Patch {
        let values = match post {
            Some((name, mapped)) => ComponentPatch::set([
                (self.post, Value::Text(name.into())),
                (self.mapped, Value::Bool(mapped)),
            ]),
            None => ComponentPatch::removed(),
        };
        Patch { components: [(self.authority, values)].into(), ..Patch::default() }
    }

    /// The change of the shard entity by which a hub says that it started.
    pub fn started(&self, hub: u128, address: &str, wall_us: u64) -> Patch {
        self.shard([
            (self.hub, Value::Bytes(hub.to_be_bytes().as_slice().into())),
            (self.address, Value::Text(address.into())),
            (self.started_us, Value::Int(wall_us.cast_signed())),
        ])
    }

    /// That a map was taken.
    pub fn took(&self, map: [u8; 32]) -> Patch {
        self.shard([(self.map, Value::Bytes(map.as_slice().into()))])
    }

    /// What the shard clock says.
    pub fn clock(&self, us: u64) -> Patch {
        self.shard([(self.clock_us, Value::Int(us.cast_signed()))])
    }

    fn shard<const N: usize>(&self, values: [(VariableId, Value); N]) -> Patch {
        Patch { components: [(self.shard, ComponentPatch::set(values))].into(), ..Patch::default() }
    }

    /// What an entity's own values say of its post, and whether a map said so: for whoever reads rows.
    pub fn post_of(&self, components: &Components) -> Option<(Arc<str>, bool)> {
        let Value::Text(post) = components.get(self.authority, self.post)? else { return None };
        let mapped = components.get(self.authority, self.mapped) == Some(&Value::Bool(true));
        Some((post.clone(), mapped))
    }

    /// The row of the shard entity: for whoever reads it.
    pub fn shard_row(&self, revision: Revision, epoch: Epoch, components: &Components) -> ShardRow {
        let map = match components.get(self.shard, self.map) {
            Some(Value::Bytes(bytes)) => bytes.as_ref().try_into().ok(),
            _ => None,
        };
        let clock_us = match components.get(self.shard, self.clock_us) {
            Some(Value::Int(us)) => us.cast_unsigned(),
            _ => 0,
        };
        ShardRow { revision, epoch, map, clock_us }
    }
}

/// Publishes the component types, and makes the shard entity below the root of the world unless it is there.
///
/// # Errors
///
/// What a name cannot be; the names are fixed, so it never is.
pub fn make(world: EntityId, there: bool) -> Result<Transaction, entitygraph_schema::text::TextError> {
    let mut operations = Vec::new();
    for (component, variables) in [
        (
            "shard",
            vec![
                ("hub", Value::Bytes([].into())),
                ("map", Value::Bytes([].into())),
                ("address", Value::Text("".into())),
                ("started_us", Value::Int(0)),
                ("clock_us", Value::Int(0)),
            ],
        ),
        ("authority", vec![("post", Value::Text("".into())), ("mapped", Value::Bool(false))]),
    ] {
        let mut drafts = Vec::new();
        for (name, default) in variables {
            let mut draft = VariableDraft::new(VariableName::new(name)?, default);
            draft.visibility = Visibility::ServerOnly;
            drafts.push(draft);
        }
        operations
            .push(Operation::PublishComponent(ComponentDraft::new(ComponentName::new(component)?, drafts)));
    }
    if !there {
        operations.push(Operation::Create(NewEntity {
            id: shard_entity(world),
            name: EntityName::new("shard")?,
            kind: Kind::new("shard")?,
            source: None,
            placement: Placement { parent: Some(world), port: None, pose: None },
            radius: 0.0,
            zone: None,
            root: true,
            labels: [].into(),
            owner: None,
            layer: Layer::ZERO,
            ordinal: 0,
            components: Components::default(),
        }));
    }
    Ok(Transaction::of(operations))
}

/// A raise of an entity: refused if its epoch is above what is known of it, whatever it is raised to.
pub fn raising(root: EntityId, known: Epoch, to: Epoch) -> [Precondition; 2] {
    [Precondition::Epoch(root, known), Precondition::Epoch(root, to)]
}
