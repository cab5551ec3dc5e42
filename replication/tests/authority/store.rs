//! The graph as a small store: the contract of transactions that atlas relies on, no more. Every commit is durable at once;
//! that answers are late or lost is for [`crate::sim`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_replication::atlas::{
    message::Chain,
    record::{AnchorRow, RootRow, ShardRow, Types},
};
use entitygraph_schema::{
    Entity, EntityId, Epoch, NewEntity, NewPose, Operation, OperationId, Precondition, Refusal, Registry,
    Transaction,
};

#[derive(Default)]
pub struct Store {
    pub entities: BTreeMap<EntityId, Entity>,
    pub registry: Registry,
    done: BTreeMap<OperationId, Transaction>,
    /// Each epoch that an entity was raised to.
    pub raised: BTreeMap<EntityId, Vec<Epoch>>,
    /// Preconditions about epochs are passed over: to see that the checker sees it.
    pub no_fence: bool,
}

impl Store {
    pub fn add(&mut self, new: NewEntity) {
        self.entities.insert(new.id, Entity::created(new, Epoch::ZERO));
    }

    pub fn epoch(&self, id: EntityId) -> Epoch {
        self.entities[&id].epoch
    }

    pub fn parent(&self, id: EntityId) -> Option<EntityId> {
        self.entities[&id].placement.parent
    }

    /// From an entity up to the world root.
    pub fn path(&self, id: EntityId) -> Vec<EntityId> {
        std::iter::successors(Some(id), |id| self.parent(*id)).collect()
    }

    pub fn post(&self, id: EntityId) -> Option<(Arc<str>, bool)> {
        Types::of(&self.registry)?.post_of(&self.entities[&id].components)
    }

    /// Whether it was done now: not if it was done before.
    pub fn commit(&mut self, transaction: &Transaction) -> Result<bool, Refusal> {
        if let Some(before) = transaction.operation_id.as_ref().and_then(|id| self.done.get(id)) {
            assert_eq!(before, transaction, "one operation id for two transactions");
            return Ok(false);
        }
        let mut held: BTreeMap<EntityId, Epoch> = BTreeMap::new();
        for precondition in &transaction.preconditions {
            match precondition {
                Precondition::Epoch(entity, given) => {
                    let found = self.known(*entity)?.epoch;
                    if *given < found && !self.no_fence {
                        return Err(Refusal::StaleEpoch { entity: *entity, given: *given, found });
                    }
                    let held = held.entry(*entity).or_default();
                    *held = (*held).max(*given);
                }
                Precondition::Revision(entity, expected) => {
                    let found = self.known(*entity)?.revision;
                    if found != *expected {
                        return Err(Refusal::StaleRevision { entity: *entity, expected: *expected, found });
                    }
                }
                other => panic!("atlas does not ask for {other:?}"),
            }
        }
        for operation in &transaction.operations {
            match operation {
                Operation::Change(entity, _) | Operation::Reparent { entity, .. } => {
                    self.known(*entity).map(drop)?
                }
                Operation::Create(new) if self.entities.contains_key(&new.id) => {
                    return Err(Refusal::EntityExists { entity: new.id });
                }
                _ => {}
            }
        }
        let mut touched = BTreeSet::new();
        for operation in &transaction.operations {
            match operation {
                Operation::PublishComponent(draft) => {
                    let published = self.registry.publish(draft)?;
                    self.registry.insert(published);
                }
                Operation::Create(new) => self.add(new.clone()),
                Operation::Change(entity, patch) => {
                    touched.insert(*entity);
                    patch.apply(self.entities.get_mut(entity).unwrap());
                }
                Operation::Reparent { entity, parent, pose, .. } => {
                    touched.insert(*entity);
                    assert!(!self.path(*parent).contains(entity), "a circle");
                    let placement = &mut self.entities.get_mut(entity).unwrap().placement;
                    placement.parent = Some(*parent);
                    if let NewPose::At(pose) = pose {
                        placement.pose = Some(*pose);
                    }
                }
                other => panic!("atlas does not ask for {other:?}"),
            }
        }
        for id in touched {
            let entity = self.entities.get_mut(&id).unwrap();
            entity.revision = entity.revision.next();
            if let Some(to) = held.get(&id).filter(|to| **to > entity.epoch) {
                entity.epoch = *to;
                self.raised.entry(id).or_default().push(*to);
            }
        }
        if let Some(id) = &transaction.operation_id {
            self.done.insert(id.clone(), transaction.clone());
        }
        Ok(true)
    }

    fn known(&self, entity: EntityId) -> Result<&Entity, Refusal> {
        self.entities.get(&entity).ok_or(Refusal::UnknownEntity { entity })
    }

    pub fn shard(&self, id: EntityId) -> Option<ShardRow> {
        let entity = self.entities.get(&id)?;
        let types = Types::of(&self.registry)?;
        Some(types.shard_row(entity.revision, entity.epoch, &entity.components))
    }

    pub fn anchors(&self, named: &[EntityId]) -> Vec<AnchorRow> {
        let rows = self.entities.keys().map(|id| (*id, self.post(*id)));
        let rows = rows.filter(|(id, post)| post.is_some() || named.contains(id));
        let row = |(id, post): (EntityId, Option<(Arc<str>, bool)>)| AnchorRow {
            id,
            epoch: self.epoch(id),
            mapped: post.as_ref().is_some_and(|(_, mapped)| *mapped),
            post: post.map(|(post, _)| post.to_string()),
        };
        rows.map(row).collect()
    }

    pub fn root(&self, id: EntityId) -> Option<RootRow> {
        let entity = self.entities.get(&id)?;
        let mut chain = Vec::new();
        for above in self.path(id) {
            chain.push((above, self.epoch(above)));
            if self.post(above).is_some() {
                break;
            }
        }
        let post = self.post(id).map(|(post, _)| post.to_string());
        Some(RootRow { epoch: entity.epoch, post, chain: Chain(chain.into()) })
    }
}
