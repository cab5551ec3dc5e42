//! What one entity's variables of one class are: values as wire bytes, one allocation for all, none for a change.

use entitygraph_schema::wire::state::Lane;

use crate::catalog::StreamCatalog;

/// A variable that was reported.
#[derive(Debug, Clone, Copy)]
struct Held {
    number: u16,
    lane: Lane,
    group: u16,
    /// Of the newest change of its group.
    moment: u64,
    /// Where its bytes begin: the exact entry, then the rounded one if it is another one.
    start: u32,
    exact: u32,
    rounded: u32,
}

/// The variables of an entity that were reported.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// By number.
    held: Vec<Held>,
    bytes: Vec<u8>,
    /// Bytes of former values among them.
    waste: usize,
    /// Moment of the newest change on each lane.
    newest: [u64; 3],
}

impl Block {
    /// Moment of the newest change on a lane.
    pub fn newest(&self, lane: Lane) -> u64 {
        self.newest[lane as usize]
    }

    /// Takes the entry of a variable, with its key, exact and as it is told in slices. Says whether that is a change: one of less
    /// than the precision is kept, and none.
    pub fn set(&mut self, number: u16, exact: &[u8], rounded: &[u8], catalog: &StreamCatalog) -> bool {
        let Some(telling) = catalog.telling(number.into()) else { return false };
        let same = exact == rounded;
        let rounded_len = if same { 0 } else { rounded.len() };
        let place = self.held.binary_search_by_key(&number, |held| held.number);
        if let Ok(at) = place {
            let held = self.held[at];
            let changed = self.rounded(&held) != rounded;
            if (held.exact as usize, held.rounded as usize) == (exact.len(), rounded_len) {
                self.write(held.start as usize, exact, if same { &[] } else { rounded });
                return changed;
            }
            self.waste += (held.exact + held.rounded) as usize;
            self.append(at, exact, if same { &[] } else { rounded });
            return changed;
        }
        let at = place.unwrap_or_else(|at| at);
        let (lane, group) = (telling.lane, telling.group);
        self.held.insert(at, Held { number, lane, group, moment: 0, start: 0, exact: 0, rounded: 0 });
        self.append(at, exact, if same { &[] } else { rounded });
        true
    }

    /// All of a group changed at a moment.
    pub fn changed(&mut self, group: u16, moment: u64) {
        for held in self.held.iter_mut().filter(|held| held.group == group) {
            held.moment = moment;
            self.newest[held.lane as usize] = moment;
        }
    }

    /// What changed later than `moment_min` counts as changed at `moment`.
    pub fn again(&mut self, moment_min: u64, moment: u64) {
        for held in self.held.iter_mut().filter(|held| held.moment > moment_min) {
            held.moment = moment;
            self.newest[held.lane as usize] = moment;
        }
    }

    /// Numbers and rounded entries of what changed on a lane after a moment, ascending.
    pub fn rounded_after(&self, lane: Lane, after: u64) -> impl Iterator<Item = (u16, &[u8])> {
        let found = self.held.iter().filter(move |held| held.lane == lane && held.moment > after);
        found.map(|held| (held.number, self.rounded(held)))
    }

    /// Numbers and exact entries of what changed after a moment, ascending.
    pub fn exact_after(&self, after: u64) -> impl Iterator<Item = (u16, &[u8])> {
        let found = self.held.iter().filter(move |held| held.moment > after);
        found.map(|held| (held.number, self.part(held.start, held.exact)))
    }

    fn rounded(&self, held: &Held) -> &[u8] {
        match held.rounded {
            0 => self.part(held.start, held.exact),
            bytes => self.part(held.start + held.exact, bytes),
        }
    }

    fn part(&self, start: u32, bytes: u32) -> &[u8] {
        self.bytes.get(start as usize..(start + bytes) as usize).unwrap_or(&[])
    }

    fn write(&mut self, start: usize, exact: &[u8], rounded: &[u8]) {
        let middle = start + exact.len();
        if let Some(part) = self.bytes.get_mut(start..middle) {
            part.copy_from_slice(exact);
        }
        if let Some(part) = self.bytes.get_mut(middle..middle + rounded.len()) {
            part.copy_from_slice(rounded);
        }
    }

    fn append(&mut self, at: usize, exact: &[u8], rounded: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(exact);
        self.bytes.extend_from_slice(rounded);
        let held = &mut self.held[at];
        (held.start, held.exact, held.rounded) = (start, exact.len() as u32, rounded.len() as u32);
        if self.waste > 64 && 2 * self.waste > self.bytes.len() {
            self.compact();
        }
    }

    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.waste);
        for held in &mut self.held {
            let (start, end) = (held.start as usize, (held.start + held.exact + held.rounded) as usize);
            held.start = bytes.len() as u32;
            bytes.extend_from_slice(self.bytes.get(start..end).unwrap_or(&[]));
        }
        (self.bytes, self.waste) = (bytes, 0);
    }
}
