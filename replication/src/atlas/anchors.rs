//! What atlas keeps a state for: anchors, and aggregates that are handed over. Everything else follows from the anchor around it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_schema::{EntityId, Epoch, Transaction};

use super::{
    map::PostId,
    message::Chain,
    state::{Context, State},
};

/// One of them.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its state.
    pub state: State,
    /// The post of its own that makes it an anchor, as it is durable.
    pub post: Option<PostId>,
    /// A map gave it.
    pub mapped: bool,
    /// The territory that it is in: the anchor around it, for what is none itself.
    pub inside: Option<EntityId>,
    /// What fences it, as the replicant said last; itself first.
    pub chain: Option<Chain>,
    /// When it was handed over last.
    pub flipped_us: Option<u64>,
    /// It may not go before this: the least stay in a tunnel.
    pub stays_until_us: u64,
    /// Its owner reported since.
    pub told: bool,
    /// The post that an order gives it.
    pub wish: Option<PostId>,
    /// The transaction of its state, under its fresh epoch: asked again it is the same.
    pub sent: Option<Sent>,
    /// No order is tried before this.
    pub not_before_us: u64,
}

/// A transaction that a unit waits for.
#[derive(Debug, Clone)]
pub struct Sent {
    /// What it raises to.
    pub fresh: Epoch,
    /// As it was made.
    pub transaction: Arc<Transaction>,
    /// What it says of the unit's own post: another one, and whether a map gave it, or none any more.
    pub post: Option<Option<(PostId, bool)>>,
}

impl Unit {
    /// An anchor as it is read, without an owner.
    pub fn anchor(state: State, post: PostId, mapped: bool) -> Self {
        Self { post: Some(post), mapped, ..Self::inside(state, None, None) }
    }

    /// An aggregate in a territory.
    pub fn inside(state: State, inside: Option<EntityId>, chain: Option<Chain>) -> Self {
        Self {
            state,
            post: None,
            mapped: false,
            inside,
            chain,
            flipped_us: None,
            stays_until_us: 0,
            told: true,
            wish: None,
            sent: None,
            not_before_us: 0,
        }
    }
}

/// All of them, by root.
#[derive(Debug, Default)]
pub struct Anchors {
    units: BTreeMap<EntityId, Unit>,
    /// Those between two owners.
    between: BTreeSet<EntityId>,
    /// When time alone does something, earliest first.
    due: BTreeSet<(u64, EntityId)>,
    due_of: BTreeMap<EntityId, u64>,
}

impl Anchors {
    /// One of them.
    pub fn get(&self, root: EntityId) -> Option<&Unit> {
        self.units.get(&root)
    }

    /// One of them, to be changed in anything but its state.
    pub fn get_mut(&mut self, root: EntityId) -> Option<&mut Unit> {
        self.units.get_mut(&root)
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &Unit)> {
        self.units.iter().map(|(id, unit)| (*id, unit))
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.units.len()
    }

    /// Adds one.
    pub fn insert(&mut self, root: EntityId, unit: Unit) {
        let state = unit.state.clone();
        self.units.insert(root, unit);
        self.set(root, state);
    }

    /// Forgets one.
    pub fn remove(&mut self, root: EntityId) -> Option<Unit> {
        self.wake_at(root, None);
        self.between.remove(&root);
        self.units.remove(&root)
    }

    /// Gives one its next state; whether it was between two owners and is not any more.
    pub fn set(&mut self, root: EntityId, state: State) -> bool {
        let is_between = state.is_between();
        if let Some(unit) = self.units.get_mut(&root) {
            unit.state = state;
        }
        if is_between {
            self.between.insert(root);
            return false;
        }
        self.between.remove(&root)
    }

    /// When one is to be looked at again.
    pub fn wake_at(&mut self, root: EntityId, us: Option<u64>) {
        if let Some(old) = self.due_of.remove(&root) {
            self.due.remove(&(old, root));
        }
        if let Some(us) = us {
            self.due_of.insert(root, us);
            self.due.insert((us, root));
        }
    }

    /// The earliest of these times.
    pub fn wake_us(&self) -> Option<u64> {
        self.due.first().map(|(us, _)| *us)
    }

    /// One that is due, each once.
    pub fn take_due(&mut self, now_us: u64) -> Option<EntityId> {
        let (us, root) = *self.due.first()?;
        if us > now_us {
            return None;
        }
        self.wake_at(root, None);
        Some(root)
    }

    /// The territory rule: of the entities from one up to the world root, the nearest that has a post of its own.
    pub fn resolve(&self, path: impl IntoIterator<Item = EntityId>) -> Option<EntityId> {
        path.into_iter().find(|id| self.units.get(id).is_some_and(|unit| unit.post.is_some()))
    }

    /// The post that answers for one: its own, or that of the territory that it is in.
    pub fn home(&self, root: EntityId) -> Option<PostId> {
        let unit = self.units.get(&root)?;
        unit.post.or_else(|| self.units.get(&unit.inside?)?.post)
    }

    /// A chain with the epochs that are known here, where they are.
    pub fn known(&self, chain: &Chain) -> Chain {
        let known = |(id, epoch): &(EntityId, Epoch)| {
            (*id, self.units.get(id).map_or(*epoch, |unit| unit.state.epoch()))
        };
        Chain(chain.0.iter().map(known).collect())
    }

    /// Whether something around one, inside it, or in the place that it goes to is between two owners.
    pub fn is_busy(&self, root: EntityId) -> bool {
        if self.between.is_empty() {
            return false;
        }
        let Some(unit) = self.units.get(&root) else { return false };
        let into = unit.state.going().and_then(|going| going.into.as_ref()).map(|(_, chain)| chain);
        let around = |chain: &Chain| chain.0.iter().any(|(id, _)| *id != root && self.between.contains(id));
        let own = unit.chain.as_ref().is_some_and(around);
        let territory = unit.inside.is_some_and(|inside| self.between.contains(&inside));
        own || territory
            || into.is_some_and(around)
            || self.between.iter().any(|other| *other != root && self.comes_to(*other, root))
    }

    /// Whether one is inside another, or on its way there.
    fn comes_to(&self, root: EntityId, other: EntityId) -> bool {
        let going = self.units.get(&root).and_then(|unit| unit.state.going());
        let into = going.and_then(|going| going.into.as_ref());
        self.is_inside(root, other) || into.is_some_and(|(_, chain)| chain.has(other))
    }

    /// Whether one is inside another, and not below an anchor of its own.
    pub fn is_inside(&self, root: EntityId, other: EntityId) -> bool {
        let Some(unit) = self.units.get(&root) else { return false };
        let chain = unit.chain.as_ref().is_some_and(|chain| chain.has(other));
        root != other && unit.post.is_none() && (chain || unit.inside == Some(other))
    }

    /// When something is to be looked at by time alone.
    pub fn reckon(&mut self, root: EntityId, context: &Context<'_>, settles_us: Option<u64>) {
        let due = self.units.get(&root).and_then(|unit| unit.state.due_us(context)).or(settles_us);
        self.wake_at(root, due);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::atlas::state::Left;

    fn id(number: u64) -> EntityId {
        EntityId::new(number).unwrap()
    }

    proptest! {
        /// AC 2.34.1: after any overrides in any order, the owner is that of the nearest ancestor that has a post.
        #[test]
        fn the_nearest_assigned_ancestor_answers(
            parents in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
            changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(0_u16..5)), 0..80),
        ) {
            // Each is below one that was there before it; 1 is the root, and has a post.
            let parent: BTreeMap<u64, u64> =
                (2..).zip(&parents).map(|(child, index)| (child, 1 + index.index(child as usize - 1) as u64)).collect();
            let count = parents.len() + 1;
            let state = || State::Unassigned { epoch: Epoch::ZERO, left: Left::default() };
            let mut anchors = Anchors::default();
            let mut posts = BTreeMap::from([(1, 9)]);
            anchors.insert(id(1), Unit::anchor(state(), PostId(9), true));
            for (index, post) in changes {
                let at = 1 + index.index(count) as u64;
                match post {
                    Some(post) => {
                        posts.insert(at, post);
                        anchors.insert(id(at), Unit::anchor(state(), PostId(post), true));
                    }
                    None if at != 1 => {
                        posts.remove(&at);
                        anchors.remove(id(at));
                    }
                    None => {}
                }
                for entity in 1..=count as u64 {
                    let path: Vec<u64> = std::iter::successors(Some(entity), |at| parent.get(at).copied()).collect();
                    let expected = path.iter().find_map(|at| posts.get(at)).copied();
                    let found = anchors.resolve(path.iter().map(|at| id(*at)));
                    prop_assert_eq!(found.and_then(|id| anchors.home(id)).map(|post| post.0), expected);
                }
            }
        }
    }

    #[test]
    fn what_is_between_two_owners_holds_up_what_is_around_inside_and_coming() {
        let mut anchors = Anchors::default();
        let owned = || State::Owned { epoch: Epoch::ZERO, owner: crate::atlas::message::Session(1) };
        let lost =
            State::Orphaned { epoch: Epoch::ZERO, since_us: 0, was: None, first: None, left: Left::LOST };
        anchors.insert(id(1), Unit::anchor(owned(), PostId(0), true));
        anchors.insert(
            id(2),
            Unit::inside(
                owned(),
                Some(id(1)),
                Some(Chain([(id(2), Epoch::ZERO), (id(1), Epoch::ZERO)].into())),
            ),
        );
        anchors.insert(id(3), Unit::anchor(owned(), PostId(1), true));
        let busy =
            |anchors: &Anchors| -> BTreeSet<u64> { (1..=3).filter(|at| anchors.is_busy(id(*at))).collect() };
        assert!(busy(&anchors).is_empty());
        assert!(!anchors.set(id(2), lost.clone()));
        assert_eq!(busy(&anchors), [1].into());
        assert!(anchors.set(id(2), owned()), "it is not any more");
        anchors.set(id(1), lost);
        assert_eq!(busy(&anchors), [2].into());
    }
}
