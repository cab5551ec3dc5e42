//! What a game server may write: its grants (authority.md). `has_authority` is answered from here, without a message.

use std::collections::BTreeMap;

use entitygraph_schema::{
    Epoch,
    wire::{Handle, control::message},
};
use hashbrown::HashSet;

/// Where an entity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// None is bound.
    pub parent: Option<Handle>,
    /// Of its aggregate.
    pub root: Option<Handle>,
}

/// Who knows where entities stand.
pub trait Places {
    /// None if it is not bound.
    fn place(&self, handle: Handle) -> Option<Place>;
}

#[derive(Debug, Clone)]
struct Held {
    epoch: Epoch,
    subtree: bool,
    except: HashSet<Handle>,
    from_tick: u64,
}

/// The grants that are live.
#[derive(Debug, Default)]
pub struct Authority {
    grants: BTreeMap<Handle, Held>,
    /// Roots that stopped at the end of a tick, by the number of the hand-over: nothing of them is written any more.
    frozen: BTreeMap<u64, Handle>,
}

impl Authority {
    /// Handles of the grants, and under which epoch each is.
    pub fn grants(&self) -> impl Iterator<Item = (Handle, Epoch)> {
        self.grants.iter().map(|(handle, held)| (*handle, held.epoch))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    /// Whether some grant is in force in this tick.
    pub fn is_in_force(&self, tick: u64) -> bool {
        self.grants.values().any(|held| held.from_tick <= tick)
    }

    /// Takes a grant; says its handle and epoch, or none where it names no handle.
    pub fn grant(&mut self, grant: &message::Grant) -> Option<(Handle, Epoch)> {
        let (handle, epoch) = (Handle::new(grant.handle)?, Epoch::from_number(grant.epoch));
        let except = grant.except.iter().copied().filter_map(Handle::new).collect();
        let held = Held { epoch, subtree: grant.subtree, except, from_tick: grant.from_tick };
        self.grants.insert(handle, held);
        self.frozen.retain(|_, frozen| *frozen != handle);
        Some((handle, epoch))
    }

    /// Takes it back. What is inside another grant is taken out of that one. A Revoke of an older grant does nothing.
    pub fn revoke(&mut self, revoke: &message::Revoke, places: &impl Places) -> Option<(Handle, Epoch)> {
        let (handle, epoch) = (Handle::new(revoke.handle)?, Epoch::from_number(revoke.epoch));
        if self.grants.get(&handle).is_some_and(|held| held.epoch > epoch) {
            return None;
        }
        self.grants.remove(&handle);
        if let Some(around) = self.covering(handle, places)
            && let Some(held) = self.grants.get_mut(&around)
        {
            held.except.insert(handle);
        }
        self.frozen.retain(|_, frozen| *frozen != handle);
        Some((handle, epoch))
    }

    /// It stopped: nothing of it and all inside it is written until `thaw`, or another grant of it.
    pub fn freeze(&mut self, number: u64, handle: Handle) {
        self.frozen.insert(number, handle);
    }

    /// The hand-over of this number is off.
    pub fn thaw(&mut self, number: u64) -> Option<Handle> {
        self.frozen.remove(&number)
    }

    /// All is lost: the lease ended, or the hub is another one.
    pub fn clear(&mut self) -> Vec<(Handle, Epoch)> {
        self.frozen.clear();
        std::mem::take(&mut self.grants).into_iter().map(|(handle, held)| (handle, held.epoch)).collect()
    }

    /// The epoch under which the entity may be written in this tick, if it may.
    pub fn epoch(&self, handle: Handle, tick: u64, places: &impl Places) -> Option<Epoch> {
        let root = places.place(handle)?.root.unwrap_or(handle);
        if self.is_frozen(root, places) {
            return None;
        }
        let held = self.grants.get(&self.covering(root, places)?)?;
        (held.from_tick <= tick).then_some(held.epoch)
    }

    /// The grant of a root, or of the innermost territory around it that does not leave it out.
    fn covering(&self, root: Handle, places: &impl Places) -> Option<Handle> {
        let mut passed: Vec<Handle> = Vec::new();
        for at in above(root, places) {
            passed.push(at);
            let Some(held) = self.grants.get(&at) else { continue };
            if held.subtree || at == root {
                return (!passed.iter().any(|one| held.except.contains(one))).then_some(at);
            }
        }
        None
    }

    fn is_frozen(&self, root: Handle, places: &impl Places) -> bool {
        !self.frozen.is_empty()
            && above(root, places).any(|at| self.frozen.values().any(|frozen| *frozen == at))
    }
}

/// Deeper than this no tree is: a circle ends.
const DEPTH_MAX: usize = 1_000;

/// It and what is above it, as far as that is bound.
fn above(handle: Handle, places: &impl Places) -> impl Iterator<Item = Handle> {
    std::iter::successors(Some(handle), |at| places.place(*at)?.parent).take(DEPTH_MAX)
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;

    use super::*;

    struct World(HashMap<Handle, Place>);

    impl Places for World {
        fn place(&self, handle: Handle) -> Option<Place> {
            self.0.get(&handle).copied()
        }
    }

    fn handle(number: u32) -> Handle {
        Handle::new(number).unwrap()
    }

    /// Zone 1 with ship 2, crew 3 and mug 4 in it (the mug belongs to the crew's aggregate), and ship 5.
    fn world() -> World {
        let place = |parent, root| Place { parent: Handle::new(parent), root: Handle::new(root) };
        let places =
            [(1, place(0, 1)), (2, place(1, 2)), (3, place(2, 3)), (4, place(3, 3)), (5, place(1, 5))];
        World(places.into_iter().map(|(number, place)| (handle(number), place)).collect())
    }

    fn grant(number: u32, epoch: u64, except: &[u32]) -> message::Grant {
        message::Grant {
            handle: number,
            epoch,
            subtree: true,
            except: except.to_vec(),
            from_tick: 10,
            ..Default::default()
        }
    }

    fn epochs(authority: &Authority, tick: u64) -> Vec<u64> {
        let world = world();
        let epoch = |number| authority.epoch(handle(number), tick, &world).map_or(0, Epoch::number);
        (1..=5).map(epoch).collect()
    }

    #[test]
    fn a_territory_covers_what_is_in_it_from_its_first_tick_but_what_it_leaves_out() {
        let mut authority = Authority::default();
        assert_eq!(epochs(&authority, 10), [0; 5]);
        authority.grant(&grant(1, 7, &[]));
        assert_eq!(epochs(&authority, 9), [0; 5]);
        assert_eq!(epochs(&authority, 10), [7; 5]);
        authority.grant(&grant(1, 8, &[2]));
        assert_eq!(epochs(&authority, 10), [8, 0, 0, 0, 8]);
        authority.grant(&grant(2, 9, &[]));
        assert_eq!(epochs(&authority, 10), [8, 9, 9, 9, 8]);
    }

    #[test]
    fn what_is_revoked_is_taken_out_of_the_territory_around_it() {
        let mut authority = Authority::default();
        authority.grant(&grant(1, 7, &[]));
        let revoke = message::Revoke { handle: 2, epoch: 9, ..Default::default() };
        authority.revoke(&revoke, &world());
        assert_eq!(epochs(&authority, 10), [7, 0, 0, 0, 7]);
        authority.grant(&grant(2, 12, &[]));
        assert_eq!(epochs(&authority, 10), [7, 12, 12, 12, 7]);
        // An old Revoke does not take the newer grant.
        authority.revoke(&revoke, &world());
        assert_eq!(epochs(&authority, 10), [7, 12, 12, 12, 7]);
        assert_eq!(authority.clear().len(), 2);
        assert_eq!(epochs(&authority, 10), [0; 5]);
    }

    #[test]
    fn what_is_frozen_stands_still_with_all_inside_it_until_it_is_off_or_granted_again() {
        let mut authority = Authority::default();
        authority.grant(&grant(1, 7, &[]));
        authority.freeze(3, handle(2));
        assert_eq!(epochs(&authority, 10), [7, 0, 0, 0, 7]);
        assert_eq!(authority.thaw(3), Some(handle(2)));
        assert_eq!(epochs(&authority, 10), [7; 5]);
        authority.freeze(4, handle(2));
        authority.grant(&grant(2, 9, &[]));
        assert_eq!(epochs(&authority, 10), [7, 9, 9, 9, 7]);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let place = |parent| Place { parent: Some(handle(parent)), root: None };
        let world = World([(handle(1), place(2)), (handle(2), place(1))].into_iter().collect());
        assert_eq!(Authority::default().epoch(handle(1), 0, &world), None);
    }
}
