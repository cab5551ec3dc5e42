//! Who follows which cell, and with that who has which entity bound. One radius for all entities; levels, tiers and two radii
//! come with the next slice of work.
//!
//! A player follows the cells within the radius of its *own cell*, so that nothing has to be looked at while it stays in
//! there: whatever is within the radius of itself is followed, and up to two cells more. Servers and viewers follow the cells of
//! their areas. A cell is followed without what is in it, where only one thing in it is watched.

use entitygraph_schema::wire::{Handle, Role, cell::Cell};

use super::{
    Replicant,
    cells::{MOMENTS_MAX, distance_m},
    hot::{Hot, Index, ROOT},
    observer::{Follow, Observer},
};

/// How much farther than it is entered a cell is left.
const LEAVING: f64 = 1.1;

impl Replicant {
    /// Follows what an observer is to be told of, and lets go what is too far: when it enters, when its character comes into
    /// another cell, when its areas change or what it owns.
    pub(super) fn look_around(&mut self, observer: u32, moment: u64) {
        let all = self.owns_all(observer);
        let Self { observers, cells, hot, config, scratch, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        let own = who.character.map(|character| cells.slot(hot.motion.cell[character]).grid.cell());
        let watched: Vec<u32> = who.watched().map(|index| hot.motion.cell[index]).collect();
        let binds = |who: &Observer, cell: &Cell, farther: f64| {
            let near = own.is_some_and(|own| distance_m(cell, &own) <= config.radius_m * farther);
            !all && (near || who.has_area(cell, farther))
        };
        let audience = who.audience();
        let mut follows = std::mem::take(&mut who.follows);
        let mut left = Vec::new();
        follows.retain_mut(|follow| {
            let cell = cells.slot_mut(follow.slot);
            if binds(who, &cell.grid.cell(), LEAVING) {
                return true;
            }
            follow.binds = false;
            left.extend(cell.members.iter().filter_map(|member| Hot::handle(*member as usize)));
            let stays = !all && watched.contains(&follow.slot);
            if !stays {
                cell.followers[audience as usize].retain(|follower| *follower != observer);
                who.lets_go(cell, follow, moment);
            }
            stays
        });
        who.follows = follows;
        scratch.clear();
        if let Some(own) = own {
            cells.within(&own, config.radius_m, scratch);
        }
        if !who.areas.is_empty() {
            let near = cells.iter().filter(|(_, cell)| binds(who, cell, 1.0));
            scratch.extend(near.map(|(slot, _)| slot));
        }
        let found = scratch.iter().map(|slot| (*slot, true)).chain(watched.iter().map(|slot| (*slot, false)));
        for (slot, binds) in found.filter(|_| !all) {
            // What is bound now has everything up to now.
            let follow = Follow { slot, binds, told: [moment.saturating_sub(1); 3] };
            let cell = cells.slot_mut(slot);
            match who.follows.iter_mut().find(|follow| follow.slot == slot) {
                Some(follow) if follow.binds || !binds => continue,
                Some(follow) => follow.binds = true,
                None => {
                    who.follows.push(follow);
                    cell.followers[audience as usize].push(observer);
                }
            }
            let tops =
                cell.members.iter().map(|member| *member as usize).filter(|index| !hot.motion.hangs[*index]);
            for unit in tops.filter(|_| binds).map(|top| hot.unit(top)) {
                unit.filter_map(Hot::handle).for_each(|handle| who.want(handle));
            }
        }
        let watched = who.watched().flat_map(|index| hot.unit(index));
        let wanted: Vec<Handle> = watched.filter_map(Hot::handle).collect();
        wanted.into_iter().for_each(|handle| who.want(handle));
        left.into_iter().for_each(|handle| self.unwant(observer, handle));
        self.due(observer);
    }

    /// Puts a unit whose top left its cell into the one that it is in now, and tells whoever must have it or must not.
    pub(super) fn cross(&mut self, index: Index, moment: u64) {
        let Some(cell) = self.cells.holding(self.hot.motion.position_m[index]) else { return };
        let unit = self.hot.unit(index);
        let old = self.hot.motion.cell[index];
        for index in unit.clone() {
            self.cells.leave(&mut self.hot, index);
            let Some((new, first)) = self.cells.enter(&mut self.hot, index, cell) else { return };
            if first {
                self.appeared(new, moment);
            }
        }
        let empty = self.cells.slot(old).members.is_empty();
        let before = std::mem::take(&mut self.cells.slot_mut(old).followers);
        for &observer in before.iter().flatten() {
            unit.clone().filter_map(Hot::handle).for_each(|handle| self.unwant(observer, handle));
            if let Some(Some(who)) = self.observers.get_mut(observer as usize)
                && empty
                && let Some(place) = who.follows.iter().position(|follow| follow.slot == old)
            {
                let follow = who.follows.swap_remove(place);
                who.lets_go(self.cells.slot(old), &follow, moment);
            }
            self.due(observer);
        }
        if empty {
            self.cells.forget(old);
        } else {
            self.cells.slot_mut(old).followers = before;
        }
        let new = self.hot.motion.cell[index];
        let after = std::mem::take(&mut self.cells.slot_mut(new).followers);
        for &observer in after.iter().flatten() {
            if let Some(Some(who)) = self.observers.get_mut(observer as usize)
                && who.binds(new)
            {
                unit.clone().filter_map(Hot::handle).for_each(|handle| who.want(handle));
            }
        }
        self.cells.slot_mut(new).followers = after;
        for index in unit {
            self.hot.entered(index, moment.saturating_sub(MOMENTS_MAX), moment);
            if let Some(observer) = self.hot.observer[index] {
                self.look_around(observer, moment);
            }
            for at in 0..self.watchers.get(&index).map_or(0, Vec::len) {
                let watcher = self.watchers.get(&index).and_then(|watchers| watchers.get(at)).copied();
                watcher.into_iter().for_each(|observer| self.look_around(observer, moment));
            }
        }
    }

    /// A cell has its first member: whoever is near enough follows it.
    fn appeared(&mut self, slot: u32, moment: u64) {
        let with_areas: Vec<(u32, bool)> =
            self.areas.iter().map(|observer| (*observer, self.owns_all(*observer))).collect();
        let Self { observers, cells, hot, config, scratch, .. } = self;
        let cell = cells.slot(slot).grid.cell();
        scratch.clear();
        cells.within(&cell, config.radius_m, scratch);
        let near = scratch.iter().flat_map(|near| &cells.slot(*near).members);
        let mut followers: Vec<u32> = near.filter_map(|member| hot.observer[*member as usize]).collect();
        let has_area = |observer: u32| {
            observers
                .get(observer as usize)
                .is_some_and(|who| who.as_ref().is_some_and(|who| who.has_area(&cell, 1.0)))
        };
        followers.extend(
            with_areas.into_iter().filter(|(who, all)| !all && has_area(*who)).map(|(observer, _)| observer),
        );
        for observer in followers {
            let Some(Some(who)) = observers.get_mut(observer as usize) else { continue };
            if !who.follows.iter().any(|follow| follow.slot == slot) {
                who.follows.push(Follow { slot, binds: true, told: [moment.saturating_sub(1); 3] });
                cells.slot_mut(slot).followers[who.audience() as usize].push(observer);
            }
        }
    }

    /// Whether an observer is to have an entity: it follows the cell with what is in it, watches the entity, or owns it.
    pub(super) fn wants(&self, observer: u32, handle: Handle) -> bool {
        let (Some(Some(who)), Some(index)) = (self.observers.get(observer as usize), self.hot.index(handle))
        else {
            return false;
        };
        // The zone is what everything else is in.
        let any = || who.character.is_some() || !who.areas.is_empty() || self.table.has_some(observer);
        (index == ROOT && any())
            || who.binds(self.hot.motion.cell[index])
            || (!who.areas.is_empty() && who.watches(&self.hot.unit(index)))
            || (who.role == Role::Server && self.owns(observer, index))
    }

    /// Has an entity unbound that the observer is not to have any more.
    fn unwant(&mut self, observer: u32, handle: Handle) {
        if !self.wants(observer, handle)
            && let Some(Some(who)) = self.observers.get_mut(observer as usize)
        {
            who.unwant(handle);
        }
    }

    /// Looks at everything that an observer has for whether it is still to have it: when what it owns has changed.
    pub(super) fn sift(&mut self, observer: u32, moment: u64) {
        self.look_around(observer, moment);
        let Some(Some(who)) = self.observers.get(observer as usize) else { return };
        let handles: Vec<Handle> = who.bound.keys().copied().collect();
        handles.into_iter().for_each(|handle| self.unwant(observer, handle));
    }
}
