//! Who follows which cell, and with that who has which entity bound. One radius for all entities; levels, tiers and two radii
//! come with the next slice of work.
//!
//! An observer follows the cells within the radius of its *own cell*, so that nothing has to be looked at while it stays in
//! there: whatever is within the radius of itself is followed, and up to two cells more.

use entitygraph_schema::wire::Handle;

use super::{
    Replicant,
    cells::distance_m,
    hot::{Hot, Index, ROOT},
    observer::Follow,
};

/// How much farther than it is entered a cell is left.
const LEAVING: f64 = 1.1;

impl Replicant {
    /// Follows what is around the character of an observer, and lets go what is too far: when it enters, and when the
    /// character comes into another cell.
    pub(super) fn look_around(&mut self, observer: u32, moment: u64) {
        let Self { observers, cells, hot, config, scratch, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        let Some(character) = who.character else { return };
        let own = cells.slot(hot.motion.cell[character]).grid.cell();
        let audience = who.audience();
        let mut left = Vec::new();
        who.follows.retain(|follow| {
            let stays = distance_m(&cells.slot(follow.slot).grid.cell(), &own) <= config.radius_m * LEAVING;
            if !stays {
                left.push(*follow);
            }
            stays
        });
        for follow in left {
            let cell = cells.slot_mut(follow.slot);
            cell.followers[audience as usize].retain(|follower| *follower != observer);
            who.lets_go(cell, &follow, moment);
            for &member in &cell.members {
                if let Some(handle) = Hot::handle(member as usize) {
                    who.unwant(handle);
                }
            }
        }
        scratch.clear();
        cells.within(&own, config.radius_m, scratch);
        for &slot in scratch.iter() {
            if who.follows(slot) {
                continue;
            }
            // What is bound now has everything up to now.
            who.follows.push(Follow { slot, told: [moment.saturating_sub(1); 3] });
            let cell = cells.slot_mut(slot);
            cell.followers[audience as usize].push(observer);
            cell.members.iter().filter_map(|member| Hot::handle(*member as usize)).for_each(|h| who.want(h));
        }
        self.due(observer);
    }

    /// Puts an entity that left its cell into the one that it is in now, and tells whoever must have it or must not.
    pub(super) fn cross(&mut self, index: Index, moment: u64) {
        let Some(cell) = self.cells.holding(self.hot.motion.position_m[index]) else { return };
        let Some(handle) = Hot::handle(index) else { return };
        let (old, empty) = self.cells.leave(&mut self.hot, index);
        let Some((new, first)) = self.cells.enter(&mut self.hot, index, cell) else { return };
        if first {
            self.appeared(new, moment);
        }
        let before = std::mem::take(&mut self.cells.slot_mut(old).followers);
        for &observer in before.iter().flatten() {
            if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
                if !who.follows(new) {
                    who.unwant(handle);
                }
                if empty && let Some(place) = who.follows.iter().position(|follow| follow.slot == old) {
                    let follow = who.follows.swap_remove(place);
                    who.lets_go(self.cells.slot(old), &follow, moment);
                }
            }
            self.due(observer);
        }
        if empty {
            self.cells.forget(old);
        } else {
            self.cells.slot_mut(old).followers = before;
        }
        let after = std::mem::take(&mut self.cells.slot_mut(new).followers);
        for &observer in after.iter().flatten() {
            if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
                who.want(handle);
            }
        }
        self.cells.slot_mut(new).followers = after;
        self.hot.entered(index, moment.saturating_sub(super::cells::MOMENTS_MAX), moment);
        if let Some(observer) = self.hot.observer[index] {
            self.look_around(observer, moment);
        }
    }

    /// A cell has its first member: whoever is near enough follows it.
    fn appeared(&mut self, slot: u32, moment: u64) {
        let Self { observers, cells, hot, config, scratch, .. } = self;
        scratch.clear();
        cells.within(&cells.slot(slot).grid.cell(), config.radius_m, scratch);
        let mut followers = Vec::new();
        for &near in scratch.iter() {
            for &member in &cells.slot(near).members {
                let Some(observer) = hot.observer[member as usize] else { continue };
                let Some(Some(who)) = observers.get_mut(observer as usize) else { continue };
                if !who.follows(slot) {
                    who.follows.push(Follow { slot, told: [moment.saturating_sub(1); 3] });
                    followers.push((who.audience(), observer));
                }
            }
        }
        for (audience, observer) in followers {
            cells.slot_mut(slot).followers[audience as usize].push(observer);
        }
    }

    /// Whether an observer is to have an entity: it follows the cell, or owns it, or something in it that it is to have.
    pub(super) fn wants(&self, observer: u32, handle: Handle) -> bool {
        let (Some(Some(who)), Some(index)) = (self.observers.get(observer as usize), self.hot.index(handle))
        else {
            return false;
        };
        index == ROOT || who.follows(self.hot.motion.cell[index]) || self.owns(observer, index)
    }
}
