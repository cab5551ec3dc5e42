//! The change sequence: what each transaction did, whole and in order.

use std::{collections::HashMap, sync::Arc};

use crate::{
    component::ComponentType,
    container::Container,
    delta::Delta,
    entity::Entity,
    id::EntityId,
    link::Link,
    order::Cursor,
    text::{LinkKind, OperationId},
};

/// One thing a transaction did.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A component type was published.
    Component(Arc<ComponentType>),
    /// A container version was published.
    Container(Arc<Container>),
    /// An entity was created; this is how it was at the end of its transaction.
    Created(Arc<Entity>),
    /// An entity was changed; a new parent edge is part of the patch. The patch holds what differs
    /// ([`crate::Patch::between`]), with the other stored variables of each group ([`crate::Patch::expand_groups`]), and
    /// nothing else; the revision is the one after the last, however many operations had a part in it (an adopted entity
    /// may skip some).
    Changed {
        /// Which.
        entity: EntityId,
        /// Its parent before the change, when the parent edge changed: the parent or the port.
        left: Option<EntityId>,
        /// What changed.
        delta: Arc<Delta>,
    },
    /// An entity was retired; this is how it was before the transaction that did it, the last that readers knew. One
    /// that was made in the same transaction is told as it was then. Children are told before their parents.
    Buried(Arc<Entity>),
    /// A link was made or its cost changed.
    Linked(Link),
    /// A link was taken away.
    Unlinked {
        /// Its kind.
        kind: LinkKind,
        /// The end with the lower id.
        a: EntityId,
        /// The end with the higher id.
        b: EntityId,
    },
    /// An id was marked as used and gone that no entity ever had here: a world that is being moved brought it along.
    Entombed(EntityId),
}

/// A committed transaction as readers of the change feed get it.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Its number; the next commit has the next one.
    pub cursor: Cursor,
    /// The name its writer gave it.
    pub operation_id: Option<OperationId>,
    /// What it did on the whole, with at most one entry for each entity and link, never empty: what was published; what
    /// was created, parents first; what was changed; links; what was buried, children first. Each entry speaks only of
    /// what is there by then. Ids that were entombed come last.
    pub changes: Vec<Change>,
}

/// Puts buried entities, each as readers knew it last, in the order in which they are told: children first, and otherwise
/// as they come. One that left its parent in the transaction that buried both is below it for readers all the same.
pub fn children_first(buried: Vec<Arc<Entity>>) -> Vec<Arc<Entity>> {
    let mut below: HashMap<EntityId, Vec<usize>> = HashMap::new();
    for (at, entity) in buried.iter().enumerate().rev() {
        below.entry(entity.placement.parent.unwrap_or(entity.id)).or_default().push(at);
    }
    let mut told = vec![false; buried.len()];
    let mut order = Vec::with_capacity(buried.len());
    for start in 0..buried.len() {
        let mut open = vec![start];
        while let Some(at) = open.last().copied() {
            match below.get_mut(&buried[at].id).and_then(Vec::pop) {
                _ if told[at] => drop(open.pop()),
                Some(child) if told[child] || child == at => {}
                Some(child) => open.push(child),
                None => {
                    told[at] = true;
                    order.push(buried[at].clone());
                }
            }
        }
    }
    order
}
