//! The fence: by which a writer that is not the owner any more is refused (docs/authority.md, "The fence").

use entitygraph_schema::{EntityId, Epoch, Precondition};
use hashbrown::HashMap;

/// Most aggregates around one another: an entity has no more ancestors.
const DEPTH_MAX: usize = entitygraph_schema::Entity::MAX_ANCESTORS;

/// What is known of one entity that fences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The next one outwards: the root around it, or the host of the territory; none for that itself.
    pub around: Option<EntityId>,
    /// Its own epoch.
    pub epoch: Epoch,
}

/// The epochs as this hub knows them.
#[derive(Debug)]
pub struct Fence {
    shard: EntityId,
    term: Epoch,
    rows: HashMap<EntityId, Row>,
}

/// The row that is missing of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing(pub EntityId);

impl Fence {
    /// With the shard entity and the term that this hub has written there.
    pub fn new(shard: EntityId, term: Epoch) -> Self {
        Self { shard, term, rows: HashMap::new() }
    }

    /// The entity whose epoch fences the hub.
    pub fn shard(&self) -> EntityId {
        self.shard
    }

    /// The hub's term.
    pub fn term(&self) -> Epoch {
        self.term
    }

    /// The epoch of an entity, if it is known.
    pub fn epoch(&self, entity: EntityId) -> Option<Epoch> {
        self.rows.get(&entity).map(|row| row.epoch)
    }

    /// Takes note of an entity's place and epoch.
    pub fn put(&mut self, entity: EntityId, row: Row) {
        self.rows.insert(entity, row);
    }

    /// Forgets what is hot no more.
    pub fn forget(&mut self, entity: EntityId) {
        self.rows.remove(&entity);
    }

    /// Whether an entity is in the chain of an aggregate.
    pub fn in_chain(&self, root: EntityId, entity: EntityId) -> bool {
        entity == self.shard || self.outwards(root).any(|(of, _)| of == entity)
    }

    /// What must hold for a write of these aggregates: the shard entity first, so that it is named when all are stale, then
    /// each of their chains once.
    ///
    /// # Errors
    /// A row is not known.
    pub fn chains(&self, roots: impl IntoIterator<Item = EntityId>) -> Result<Vec<Precondition>, Missing> {
        let mut fence = vec![Precondition::Epoch(self.shard, self.term)];
        let mut given = hashbrown::HashSet::new();
        for root in roots {
            for (entity, row) in self.outwards(root) {
                let row = row.ok_or(Missing(entity))?;
                // What is around one that was given was given with it.
                if !given.insert(entity) {
                    break;
                }
                fence.push(Precondition::Epoch(entity, row.epoch));
            }
        }
        Ok(fence)
    }

    fn outwards(&self, root: EntityId) -> impl Iterator<Item = (EntityId, Option<&Row>)> {
        let mut next = Some(root);
        std::iter::from_fn(move || {
            let entity = next.take()?;
            let row = self.rows.get(&entity);
            next = row.and_then(|row| row.around);
            Some((entity, row))
        })
        .take(DEPTH_MAX)
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::testing::entity_id;

    use super::*;

    fn row(around: u64, epoch: u64) -> Row {
        Row { around: EntityId::new(around), epoch: Epoch::from_number(epoch) }
    }

    fn epoch(entity: u64, epoch: u64) -> Precondition {
        Precondition::Epoch(entity_id(entity), Epoch::from_number(epoch))
    }

    #[test]
    fn a_chain_names_the_shard_first_and_each_with_its_own_epoch_once() {
        let mut fence = Fence::new(entity_id(1), Epoch::from_number(7));
        fence.put(entity_id(10), row(0, 12));
        fence.put(entity_id(20), row(10, 40));
        fence.put(entity_id(30), row(20, 9));
        fence.put(entity_id(31), row(20, 8));
        let chains = fence.chains([30, 31].map(entity_id)).unwrap();
        assert_eq!(chains, [epoch(1, 7), epoch(30, 9), epoch(20, 40), epoch(10, 12), epoch(31, 8)]);
        assert!(fence.in_chain(entity_id(31), entity_id(10)) && fence.in_chain(entity_id(31), entity_id(1)));
        assert!(!fence.in_chain(entity_id(31), entity_id(30)));
        fence.forget(entity_id(10));
        assert_eq!(fence.chains([entity_id(30)]), Err(Missing(entity_id(10))));
        assert_eq!(fence.chains([]), Ok(vec![epoch(1, 7)]));
    }

    #[test]
    fn a_circle_ends() {
        let mut fence = Fence::new(entity_id(1), Epoch::from_number(7));
        fence.put(entity_id(10), row(20, 1));
        fence.put(entity_id(20), row(10, 1));
        assert_eq!(fence.chains([entity_id(10)]).unwrap().len(), 3);
        assert!(!fence.in_chain(entity_id(10), entity_id(5)));
    }
}
