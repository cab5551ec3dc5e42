//! One grid of cells: who is in each, who follows it, and what changed in it over the last 64 ticks. A cell without members is
//! not there: empty space costs nothing.

use std::collections::VecDeque;

use entitygraph_schema::wire::{
    cell::{Cell, Grid},
    state::{Lane, Span},
};
use glam::DVec3;
use hashbrown::HashMap;

use super::hot::{Hot, Index};
use crate::catalog::Sight;

/// Moments over which changes are known: the longest span.
pub const MOMENTS_MAX: u64 = 1 << Span::EXPONENT_MAX;

/// Something that changed. It is the newest of the entity only if the entity still says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub moment: u64,
    pub index: u32,
}

/// A slice that was made at a moment: its place among the frames, by the exponent of its span.
#[derive(Debug, Clone, Copy)]
struct Made {
    moment: u64,
    frames: [Option<u32>; Span::EXPONENT_MAX as usize + 1],
}

/// All lanes.
pub const LANES: [Lane; 3] = [Lane::Motion, Lane::Prompt, Lane::Slow];

/// For whom cells are told: slices are made once for all of an audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// Players and viewers.
    Public,
    /// Game servers, of what others simulate.
    Servers,
}

impl Audience {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Public, Self::Servers];

    /// What it is told of.
    pub const fn sight(self) -> Sight {
        match self {
            Self::Public => Sight::Public,
            Self::Servers => Sight::Server,
        }
    }
}

/// One cell.
#[derive(Debug)]
pub struct Slot {
    pub grid: Grid,
    /// Indices of entities, in no order.
    pub members: Vec<u32>,
    /// Observers of each audience, in no order.
    pub followers: [Vec<u32>; 2],
    /// What changed for each audience on each lane; most cells have the first only.
    first: Log,
    others: [Option<Box<Log>>; 5],
    /// Of the newest change for each audience.
    dirty: [u64; 2],
}

/// What changed in a cell for an audience on a lane.
#[derive(Debug)]
pub struct Log {
    /// Oldest first.
    changes: VecDeque<Change>,
    /// Moment of the newest change that is not known any more.
    forgotten: u64,
    /// Moment of the newest change; 0 is never.
    newest: u64,
    /// Moment of the newest change before that.
    before: u64,
    made: Made,
}

/// What an observer lacks of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// Nothing.
    Nothing,
    /// What a slice of this span tells.
    Span(u8),
    /// More than slices tell.
    TooMuch,
}

impl Slot {
    fn new(grid: Grid) -> Self {
        let (members, followers, others, dirty) = Default::default();
        Self { grid, members, followers, first: Log::default(), others, dirty }
    }

    /// What changed for an audience on a lane, if anything ever did.
    pub fn log(&self, audience: Audience, lane: Lane) -> Option<&Log> {
        match place(audience, lane) {
            0 => Some(&self.first),
            other => self.others.get(other - 1)?.as_deref(),
        }
    }

    /// The same, to be changed.
    pub fn log_mut(&mut self, audience: Audience, lane: Lane) -> &mut Log {
        match place(audience, lane) {
            0 => &mut self.first,
            other => self.others[other - 1].get_or_insert_default(),
        }
    }

    /// What an observer of an audience lacks at the end of `moment` who was told everything on a lane up to `told`.
    pub fn lacks(&self, audience: Audience, lane: Lane, told: u64, moment: u64) -> Lacks {
        self.log(audience, lane).map_or(Lacks::Nothing, |log| log.lacks(told, moment))
    }
}

const fn place(audience: Audience, lane: Lane) -> usize {
    audience as usize * LANES.len() + lane as usize
}

impl Default for Log {
    fn default() -> Self {
        Self { changes: VecDeque::new(), forgotten: 0, newest: 0, before: 0, made: NOT_MADE }
    }
}

impl Log {
    /// What an observer lacks at the end of `moment` who was told everything up to `told`.
    pub fn lacks(&self, told: u64, moment: u64) -> Lacks {
        if told >= self.newest {
            return Lacks::Nothing;
        }
        if told < self.forgotten {
            return Lacks::TooMuch;
        }
        let oldest = if told >= self.before {
            // Almost everybody: only what is newest.
            self.newest
        } else {
            let from = self.changes.partition_point(|change| change.moment <= told);
            self.changes.get(from).map_or(self.newest, |change| change.moment)
        };
        let reach = (moment + 1).saturating_sub(oldest);
        match (0..=Span::EXPONENT_MAX).find(|exponent| reach <= 1 << exponent) {
            Some(exponent) => Lacks::Span(exponent),
            None => Lacks::TooMuch,
        }
    }

    /// Changes of the span of 2^exponent moments that ends with `moment`, newest first.
    pub fn changes(&self, exponent: u8, moment: u64) -> impl Iterator<Item = Change> {
        let after = moment.saturating_sub(1 << exponent);
        self.changes.iter().rev().take_while(move |change| change.moment > after).copied()
    }

    /// The slice of this span, if it was made at this moment already.
    pub fn made(&self, exponent: u8, moment: u64) -> Option<u32> {
        if self.made.moment == moment { self.made.frames[usize::from(exponent)] } else { None }
    }

    /// Notes where the slice of this span stands.
    pub fn note(&mut self, exponent: u8, moment: u64, frame: u32) {
        if self.made.moment != moment {
            self.made = Made { moment, ..NOT_MADE };
        }
        self.made.frames[usize::from(exponent)] = Some(frame);
    }

    fn change(&mut self, change: Change) {
        while let Some(first) = self.changes.front()
            && first.moment + MOMENTS_MAX <= change.moment
        {
            self.forgotten = first.moment;
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        if self.newest != change.moment {
            self.before = self.newest;
        }
        self.newest = change.moment;
    }
}

const NOT_MADE: Made = Made { moment: 0, frames: [None; Span::EXPONENT_MAX as usize + 1] };

/// All cells that have members.
#[derive(Debug)]
pub struct Cells {
    level: i8,
    step: i8,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_place: HashMap<[i64; 3], u32>,
    /// Slots in which something changed for each audience at the moment that is open.
    dirty: [Vec<u32>; 2],
}

impl Cells {
    /// None yet; edges of 2^level metres, told in steps of 2^step metres. `None` when there is no such grid.
    pub fn new(level: i8, step: i8) -> Option<Self> {
        Grid::new(Cell::new(level, [0; 3])?, step)?;
        Some(Self {
            level,
            step,
            slots: Vec::new(),
            free: Vec::new(),
            by_place: HashMap::new(),
            dirty: Default::default(),
        })
    }

    /// The cell of a slot.
    pub fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    /// The same, to be changed.
    pub fn slot_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.slots[slot as usize]
    }

    /// The cell that holds a point, if the grid reaches that far.
    pub fn holding(&self, point_m: DVec3) -> Option<Cell> {
        Cell::holding(self.level, point_m)
    }

    /// Puts an entity into a cell; says the slot, and whether the cell is new.
    pub fn enter(&mut self, hot: &mut Hot, index: Index, cell: Cell) -> Option<(u32, bool)> {
        let grid = Grid::new(cell, self.step)?;
        let place = cell.at();
        let (slot, new) = match self.by_place.get(&place) {
            Some(&slot) => (slot, false),
            None => {
                let empty = Slot::new(grid);
                let slot = match self.free.pop() {
                    Some(slot) => {
                        self.slots[slot as usize] = empty;
                        slot
                    }
                    None => {
                        self.slots.push(empty);
                        self.slots.len() as u32 - 1
                    }
                };
                self.by_place.insert(place, slot);
                (slot, true)
            }
        };
        let members = &mut self.slots[slot as usize].members;
        hot.motion.cell[index] = slot;
        hot.place[index] = members.len() as u32;
        members.push(index as u32);
        Some((slot, new))
    }

    /// Takes an entity out of its cell; says the slot, and whether the cell has no members any more.
    pub fn leave(&mut self, hot: &mut Hot, index: Index) -> (u32, bool) {
        let slot = hot.motion.cell[index];
        let members = &mut self.slots[slot as usize].members;
        let place = hot.place[index] as usize;
        members.swap_remove(place);
        if let Some(&moved) = members.get(place) {
            hot.place[moved as usize] = place as u32;
        }
        (slot, members.is_empty())
    }

    /// Gives a slot back that has neither members nor followers.
    pub fn forget(&mut self, slot: u32) {
        let cell = &mut self.slots[slot as usize];
        let followed = cell.followers.iter().any(|followers| !followers.is_empty());
        debug_assert!(cell.members.is_empty() && !followed, "{cell:?} is in use");
        self.by_place.remove(&cell.grid.cell().at());
        *cell = Slot::new(cell.grid);
        self.free.push(slot);
    }

    /// Notes that an entity of the cell changed for an audience on a lane at the moment that is open.
    pub fn changed(&mut self, slot: u32, audience: Audience, lane: Lane, index: Index, moment: u64) {
        let cell = &mut self.slots[slot as usize];
        let dirty = &mut cell.dirty[audience as usize];
        if *dirty != moment {
            *dirty = moment;
            self.dirty[audience as usize].push(slot);
        }
        cell.log_mut(audience, lane).change(Change { moment, index: index as u32 });
    }

    /// The cells in which something changed for an audience, which are forgotten by that; the list goes back with
    /// [`Self::give_back`].
    pub fn take_dirty(&mut self, audience: Audience) -> Vec<u32> {
        std::mem::take(&mut self.dirty[audience as usize])
    }

    /// Gives the memory of a list back.
    pub fn give_back(&mut self, audience: Audience, mut list: Vec<u32>) {
        list.clear();
        let dirty = &mut self.dirty[audience as usize];
        if dirty.is_empty() {
            *dirty = list;
        }
    }

    /// Slots of cells within a distance of a cell, from border to border, in no order.
    pub fn within(&self, middle: &Cell, reach_m: f64, found: &mut Vec<u32>) {
        let reach = (reach_m / middle.edge_m()).ceil() as i64 + 1;
        let near = |slot: &u32| distance_m(&self.slot(*slot).grid.cell(), middle) <= reach_m;
        let [x, y, z] = middle.at();
        if (2 * reach + 1).saturating_pow(3) < self.by_place.len() as i64 {
            let around = |place: i64| place - reach..=place + reach;
            for x in around(x) {
                for y in around(y) {
                    let column = around(z).filter_map(|z| self.by_place.get(&[x, y, z]));
                    found.extend(column.filter(|slot| near(slot)));
                }
            }
        } else {
            found.extend(self.by_place.values().filter(|slot| near(slot)));
        }
    }
}

/// Between two cells of a level, from border to border, in metres.
pub fn distance_m(one: &Cell, other: &Cell) -> f64 {
    let [one_at, other_at] = [one.at(), other.at()];
    let apart = [0, 1, 2].map(|axis| (one_at[axis] - other_at[axis]).abs().saturating_sub(1).max(0) as f64);
    DVec3::from_array(apart).length() * one.edge_m()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reaches_back_to_the_oldest_change_that_was_not_told_and_no_farther_than_needed() {
        let mut slot = Log::default();
        for moment in [100, 116, 132] {
            slot.change(Change { moment, index: 0 });
        }
        assert_eq!(slot.lacks(132, 140), Lacks::Nothing);
        assert_eq!(
            slot.lacks(116, 132),
            Lacks::Span(0),
            "whoever lacks only what is new, however long ago told"
        );
        assert_eq!(slot.lacks(131, 133), Lacks::Span(1));
        assert_eq!(slot.lacks(100, 132), Lacks::Span(5));
        assert_eq!(slot.lacks(0, 132), Lacks::Span(6));
        assert_eq!(slot.changes(5, 132).map(|change| change.moment).collect::<Vec<_>>(), [132, 116]);
        assert_eq!(slot.lacks(116, 5_000), Lacks::TooMuch);
    }

    #[test]
    fn what_is_forgotten_was_told_or_is_too_much() {
        let mut slot = Log::default();
        slot.change(Change { moment: 100, index: 0 });
        slot.change(Change { moment: 100 + MOMENTS_MAX, index: 0 });
        assert_eq!(slot.lacks(99, 100 + MOMENTS_MAX), Lacks::TooMuch);
        assert_eq!(slot.lacks(100, 100 + MOMENTS_MAX), Lacks::Span(0));
    }
}
