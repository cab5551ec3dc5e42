//! What is committed for a hand-over and for a recovery (docs/authority.md, "The fence").
//!
//! Every one names the shard entity under this hub's term, so that none of a hub that is not the hub any more is done.
//! [`Precondition::Epoch`] passes when the store has *at most* the number that is given, and a change raises to the highest that is
//! given: so each entity of a chain is given with its own epoch, and what is raised with two, the one that is known and the new one.

use std::collections::BTreeMap;

use entitygraph_schema::{
    EntityId, Epoch, NewPose, Operation, OperationId, Patch, Precondition, Transaction, text::TextError,
};

use super::{
    message::{Chain, Frozen},
    record::{Types, raising},
    state::Going,
};

/// What fences every write of this hub.
#[derive(Debug, Clone, Copy)]
pub struct Fence {
    /// The shard entity.
    pub shard: EntityId,
    /// Its epoch: the term.
    pub term: Epoch,
}

/// The post that an anchor is given by a transaction: its name and whether a map says so; `Some(None)` takes it away.
pub type NewPost<'a> = Option<Option<(&'a str, bool)>>;

impl Fence {
    /// Operations that only the hub may do.
    pub fn transaction(&self, operations: Vec<Operation>) -> Transaction {
        Transaction::of(operations).expecting(Precondition::Epoch(self.shard, self.term))
    }

    /// The flip: place and authority in one commit.
    ///
    /// # Errors
    ///
    /// An operation id that cannot be; those made here always can.
    pub fn flip(
        &self,
        types: &Types,
        root: EntityId,
        [known, fresh]: [Epoch; 2],
        going: &Going,
        frozen: &Frozen,
        post: NewPost<'_>,
    ) -> Result<Transaction, TextError> {
        let mut chain: BTreeMap<EntityId, Epoch> = frozen.chain.0.iter().copied().collect();
        let into = frozen.into.as_ref().or(going.into.as_ref().map(|(_, chain)| chain));
        if let Some((_, into)) = going.into.as_ref().zip(into) {
            chain.extend(epochs(into));
        }
        chain.remove(&root);
        let mut operations = Vec::new();
        if let Some((parent, _)) = going.into {
            let pose = going.exit.or(frozen.pose).map_or(NewPose::KeepWorld, NewPose::At);
            operations.push(Operation::Reparent { entity: root, parent, port: None, pose });
        }
        operations.push(Operation::Change(root, patch(types, post)));
        let mut transaction = self.transaction(operations);
        transaction.preconditions.extend(chain.into_iter().map(|(id, epoch)| Precondition::Epoch(id, epoch)));
        transaction.preconditions.extend(raising(root, known, fresh));
        Ok(transaction.named(OperationId::new(format!("handover/{root}/{fresh}"))?))
    }

    /// A raise without a move: whoever had it is refused from then on.
    ///
    /// # Errors
    ///
    /// An operation id that cannot be; those made here always can.
    pub fn raise(
        &self,
        types: &Types,
        root: EntityId,
        [known, fresh]: [Epoch; 2],
        post: NewPost<'_>,
    ) -> Result<Transaction, TextError> {
        let mut transaction = self.transaction(vec![Operation::Change(root, patch(types, post))]);
        transaction.preconditions.extend(raising(root, known, fresh));
        Ok(transaction.named(OperationId::new(format!("recover/{root}/{fresh}"))?))
    }
}

/// A change that raises the epoch even where it says nothing else.
fn patch(types: &Types, post: NewPost<'_>) -> Patch {
    post.map_or_else(Patch::default, |post| types.anchor(post))
}

fn epochs(chain: &Chain) -> impl Iterator<Item = (EntityId, Epoch)> {
    chain.0.iter().copied()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use entitygraph_schema::{Pose, Registry};

    use super::*;
    use crate::atlas::{
        map::PostId,
        message::{Move, Session},
        record::make,
        state::{Target, Why},
    };

    fn id(number: u64) -> EntityId {
        EntityId::new(number).unwrap()
    }

    fn chain(of: &[(u64, u64)]) -> Chain {
        Chain(of.iter().map(|(entity, epoch)| (id(*entity), Epoch::from_number(*epoch))).collect())
    }

    fn types() -> Types {
        let mut registry = Registry::default();
        for operation in make(id(1), true).unwrap().operations {
            if let Operation::PublishComponent(draft) = operation {
                let published = registry.publish(&draft).unwrap();
                registry.insert(published);
            }
        }
        Types::of(&registry).unwrap()
    }

    #[test]
    fn a_flip_names_each_of_both_chains_with_its_own_epoch_and_raises_one() {
        let fence = Fence { shard: id(99), term: Epoch::from_number(7 << 32) };
        let to = Target { session: Session(2), post: PostId(1) };
        // Crew 5 in ship 4 in planet 2; to planet 3. Both are in the universe, which is no anchor of either.
        let going = Going {
            number: Move(20),
            to,
            from: PostId(0),
            why: Why::Border,
            into: Some((id(3), chain(&[(3, 12)]))),
            since_us: 0,
            prepared: true,
            crossed: true,
            exit: None,
        };
        let pose = Pose::at([1.0, 2.0, 3.0].into()).unwrap();
        let (owner, carry) = (Session(1), Bytes::new());
        let own = chain(&[(4, 40), (2, 11)]);
        let frozen =
            Frozen { number: Move(20), owner, tick: 7, pose: Some(pose), carry, chain: own, into: None };
        let epochs = [40, 50].map(Epoch::from_number);
        let flip = fence.flip(&types(), id(4), epochs, &going, &frozen, None).unwrap();
        let epoch = |entity, number| Precondition::Epoch(id(entity), Epoch::from_number(number));
        assert_eq!(
            flip.preconditions,
            [epoch(99, 7 << 32), epoch(2, 11), epoch(3, 12), epoch(4, 40), epoch(4, 50)]
        );
        let moves = Operation::Reparent { entity: id(4), parent: id(3), port: None, pose: NewPose::At(pose) };
        assert_eq!(flip.operations, [moves, Operation::Change(id(4), Patch::default())]);
        assert_eq!(flip.operation_id.unwrap().as_str(), "handover/4/50");
        // The longest names fit.
        let longest =
            fence.flip(&types(), id(u64::MAX), [u64::MAX; 2].map(Epoch::from_number), &going, &frozen, None);
        assert!(longest.is_ok());
    }

    #[test]
    fn a_recovery_raises_one_row_and_says_whose_it_is_now() {
        let fence = Fence { shard: id(99), term: Epoch::from_number(7 << 32) };
        let epochs = [40, 50].map(Epoch::from_number);
        let types = types();
        let raise = fence.raise(&types, id(4), epochs, Some(Some(("pyro-1", false)))).unwrap();
        assert_eq!(raise.preconditions.len(), 3);
        let [Operation::Change(_, patch)] = &raise.operations[..] else { panic!("{raise:?}") };
        let mut components = entitygraph_schema::Components::default();
        for (component, values) in &patch.components {
            let set = values.variables.iter().filter_map(|(id, value)| Some((*id, value.clone()?)));
            components.0.insert(*component, set.collect());
        }
        let (post, mapped) = types.post_of(&components).unwrap();
        assert_eq!((&*post, mapped), ("pyro-1", false));
    }
}
