//! What a transaction, or a batch of them, would change: nothing of it is in the store yet.

use std::{collections::BTreeMap, sync::Arc};

use entitygraph_schema::{Catalog, ComponentType, Container, Cursor, Entity, EntityId, OperationId};
use hashbrown::{HashMap, HashSet, hash_map::Entry};

/// An entity before and after.
#[derive(Debug, Clone)]
pub struct Touched {
    /// Before the draft; none when it did not exist.
    pub before: Option<Arc<Entity>>,
    /// After it; none when it is buried.
    pub now: Option<Arc<Entity>>,
}

/// Rows that planning itself reads (children, ports, links), as the draft leaves them; none is a deleted row.
pub type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Pending changes.
#[derive(Debug, Default)]
pub struct Draft {
    /// Entities that were changed, created or buried, or whose surroundings changed.
    pub entities: HashMap<EntityId, Touched>,
    /// Ids marked as used that no entity had here.
    pub entombed: HashSet<EntityId>,
    /// See [`Rows`].
    pub rows: Rows,
    /// The catalog, when something was published.
    pub catalog: Option<Arc<Catalog>>,
    /// Published component types.
    pub components: Vec<Arc<ComponentType>>,
    /// Published containers.
    pub containers: Vec<Arc<Container>>,
    /// Outcomes of operation ids.
    pub operations: HashMap<OperationId, Outcome>,
}

/// What an operation id did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Of the transaction.
    pub fingerprint: [u8; 32],
    /// Its receipt.
    pub cursor: Cursor,
    /// Whether it changed nothing, so that it has no commit of its own.
    pub idle: bool,
}

impl Draft {
    /// Adds a later draft.
    pub fn absorb(&mut self, later: Self) {
        for (id, touched) in later.entities {
            match self.entities.entry(id) {
                Entry::Occupied(mut entry) => entry.get_mut().now = touched.now,
                Entry::Vacant(entry) => drop(entry.insert(touched)),
            }
        }
        self.entombed.extend(later.entombed);
        if self.rows.is_empty() {
            self.rows = later.rows;
        } else {
            self.rows.extend(later.rows);
        }
        self.catalog = later.catalog.or(self.catalog.take());
        self.components.extend(later.components);
        self.containers.extend(later.containers);
        self.operations.extend(later.operations);
    }

    /// The entity as the draft leaves it; the outer option is none when the draft does not touch it.
    pub fn entity(&self, id: EntityId) -> Option<&Option<Arc<Entity>>> {
        self.entities.get(&id).map(|touched| &touched.now)
    }
}
