//! What waits for the graph: one entry per entity, the newest of each part (AC 2.29.2). Entries of an aggregate wait, and go,
//! together. Bounded by what is hot: a slow graph makes entries newer, not more.

use std::collections::BTreeSet;

use entitygraph_schema::{EntityId, Epoch};
use hashbrown::{HashMap, hash_map};

use super::values::Values;

/// What waits of one entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Root of its aggregate.
    pub root: EntityId,
    /// That its pose is in.
    pub zone: EntityId,
    /// Of the newest report.
    pub tick: u64,
    /// What.
    pub values: Values,
}

impl Entry {
    /// Takes over a newer one.
    fn merge(&mut self, newer: Self) {
        let mut values = std::mem::take(&mut self.values);
        values.merge(newer.values);
        *self = Self { values, ..newer };
    }
}

/// Which part of the log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logged {
    /// Position of its oldest record that is still needed.
    pub from: u64,
    /// Position behind its newest record.
    pub to: u64,
    /// Whether the log took nothing when some of it came: it is not in there as it is now.
    pub missing: bool,
}

/// Why an aggregate is not to be written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The entity whose row of the fence is waited for.
    pub on: EntityId,
    /// Its epoch must be this at least.
    pub epoch: Epoch,
    /// Given up then, in microseconds of the shard clock; never for a row that is only unknown.
    pub until_us: Option<u64>,
}

/// What waits of an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Entities with an entry; some may be another aggregate's by now.
    members: Vec<EntityId>,
    /// Number of the oldest report with something of it that is not written.
    pub first: u64,
    /// Since when, in microseconds of the shard clock.
    pub since_us: u64,
    /// Where the log has it.
    pub logged: Logged,
    /// Whether somebody waits for it.
    pub urgent: bool,
    /// Whether it has to wait for its fence.
    pub held: Option<Held>,
}

impl Waiting {
    /// How many entities, or a few more.
    pub fn count(&self) -> usize {
        self.members.len()
    }
}

/// What was taken of an aggregate, to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Its root.
    pub root: EntityId,
    /// See [`Waiting::first`].
    pub first: u64,
    /// See [`Waiting::since_us`].
    pub since_us: u64,
    /// See [`Waiting::logged`].
    pub logged: Logged,
    /// By entity.
    pub entries: Vec<(EntityId, Entry)>,
}

/// When something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Number of the report.
    pub number: u64,
    /// In microseconds of the shard clock.
    pub now_us: u64,
    /// Where the log has it.
    pub logged: Logged,
}

/// All that waits.
#[derive(Debug, Default)]
pub struct Backlog {
    entries: HashMap<EntityId, Entry>,
    aggregates: HashMap<EntityId, Waiting>,
    /// All of them, by [`Waiting::first`]: the watermark is the lowest.
    by_first: BTreeSet<(u64, EntityId)>,
    /// Those that are not held; what is urgent first.
    ready: BTreeSet<(bool, u64, EntityId)>,
    /// All that are in the log, by where it begins.
    by_log: BTreeSet<(u64, EntityId)>,
}

impl Backlog {
    /// How many entities wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.aggregates.is_empty()
    }

    /// What waits of an entity.
    pub fn entry(&self, entity: EntityId) -> Option<&Entry> {
        self.entries.get(&entity)
    }

    /// What waits of an aggregate.
    pub fn aggregate(&self, root: EntityId) -> Option<&Waiting> {
        self.aggregates.get(&root)
    }

    /// The aggregate that waits longest.
    pub fn oldest(&self) -> Option<&Waiting> {
        self.aggregates.get(&self.by_first.first()?.1)
    }

    /// Where the log begins that is needed, and of which aggregate that is.
    pub fn log_from(&self) -> Option<(u64, EntityId)> {
        self.by_log.first().copied()
    }

    /// Those that may be written: what is urgent first, then what waits longest.
    pub fn ready(&self) -> impl Iterator<Item = (EntityId, &Waiting)> {
        self.ready.iter().filter_map(|(_, _, root)| self.aggregates.get(root).map(|waiting| (*root, waiting)))
    }

    /// Takes in what was accepted of an entity. What is older than what waits is not taken: `false`.
    pub fn accept(&mut self, entity: EntityId, entry: Entry, arrival: Arrival) -> bool {
        let root = entry.root;
        let Arrival { mut number, now_us, mut logged } = arrival;
        let new = match self.entries.entry(entity) {
            hash_map::Entry::Occupied(known) if entry.tick < known.get().tick => return false,
            hash_map::Entry::Occupied(mut known) => {
                let before = known.get().root;
                known.get_mut().merge(entry);
                if let Some(old) = self.aggregates.get(&before).filter(|_| before != root) {
                    number = number.min(old.first);
                    logged.from = logged.from.min(old.logged.from);
                    logged.missing |= old.logged.missing;
                }
                before != root
            }
            hash_map::Entry::Vacant(none) => {
                none.insert(entry);
                true
            }
        };
        self.join(root, new.then_some(entity), number, now_us, logged);
        true
    }

    fn join(&mut self, root: EntityId, new: Option<EntityId>, first: u64, since_us: u64, logged: Logged) {
        match self.aggregates.get_mut(&root) {
            Some(waiting) => {
                waiting.members.extend(new);
                let before = waiting.logged;
                waiting.logged = Logged {
                    from: before.from.min(logged.from),
                    to: before.to.max(logged.to),
                    missing: before.missing || logged.missing,
                };
                if first < waiting.first || logged.from < before.from {
                    self.change(root, |waiting| {
                        waiting.first = waiting.first.min(first);
                        waiting.since_us = waiting.since_us.min(since_us);
                    });
                    self.by_log.remove(&(before.from, root));
                    self.by_log.insert((logged.from.min(before.from), root));
                }
            }
            None => {
                let members = new.into_iter().collect();
                let waiting = Waiting { members, first, since_us, logged, urgent: false, held: None };
                self.by_first.insert((first, root));
                self.ready.insert((true, first, root));
                self.by_log.insert((logged.from, root));
                self.aggregates.insert(root, waiting);
            }
        }
    }

    /// Changes what orders an aggregate.
    fn change(&mut self, root: EntityId, change: impl FnOnce(&mut Waiting)) {
        let Some(waiting) = self.aggregates.get_mut(&root) else { return };
        self.by_first.remove(&(waiting.first, root));
        self.ready.remove(&(!waiting.urgent, waiting.first, root));
        change(waiting);
        self.by_first.insert((waiting.first, root));
        if waiting.held.is_none() {
            self.ready.insert((!waiting.urgent, waiting.first, root));
        }
    }

    /// Puts an aggregate before those that nobody waits for.
    pub fn hurry(&mut self, root: EntityId) {
        self.change(root, |waiting| waiting.urgent = true);
    }

    /// Holds an aggregate back, or lets it go on.
    pub fn hold(&mut self, root: EntityId, held: Option<Held>) {
        self.change(root, |waiting| waiting.held = held);
    }

    /// All of it was written into the log again.
    pub fn logged_anew(&mut self, root: EntityId, logged: Logged) {
        let Some(waiting) = self.aggregates.get_mut(&root) else { return };
        self.by_log.remove(&(waiting.logged.from, root));
        self.by_log.insert((logged.from, root));
        waiting.logged = logged;
    }

    /// The entities of an aggregate that wait.
    pub fn members(&self, root: EntityId) -> impl Iterator<Item = (EntityId, &Entry)> {
        let members = self.aggregates.get(&root).map_or(&[][..], |waiting| &waiting.members);
        members.iter().filter_map(move |entity| {
            let entry = self.entries.get(entity).filter(|entry| entry.root == root)?;
            Some((*entity, entry))
        })
    }

    /// Takes all that waits of an aggregate.
    pub fn take(&mut self, root: EntityId) -> Option<Taken> {
        let Waiting { members, first, since_us, logged, urgent, .. } = self.aggregates.remove(&root)?;
        self.by_first.remove(&(first, root));
        self.ready.remove(&(!urgent, first, root));
        self.by_log.remove(&(logged.from, root));
        let mut entries = Vec::with_capacity(members.len());
        for entity in members {
            // It went to another aggregate, or came back and stands twice.
            if let hash_map::Entry::Occupied(entry) = self.entries.entry(entity)
                && entry.get().root == root
            {
                entries.push((entity, entry.remove()));
            }
        }
        Some(Taken { root, first, since_us, logged, entries })
    }

    /// Takes back what was not written: what came meanwhile is newer.
    pub fn give_back(&mut self, taken: Taken) {
        let Taken { root, first, since_us, logged, entries } = taken;
        for (entity, mut entry) in entries {
            let (of, new) = match self.entries.entry(entity) {
                hash_map::Entry::Occupied(mut newer) => {
                    entry.merge(newer.get().clone());
                    let of = entry.root;
                    newer.insert(entry);
                    (of, false)
                }
                hash_map::Entry::Vacant(none) => {
                    none.insert(entry);
                    (root, true)
                }
            };
            self.join(of, new.then_some(entity), first, since_us, logged);
        }
    }

    /// The poses of an aggregate in a zone that it left mean nothing.
    pub fn void(&mut self, root: EntityId, left: EntityId) {
        let Some(waiting) = self.aggregates.get_mut(&root) else { return };
        let entries = &mut self.entries;
        waiting.members.retain(|entity| {
            let Some(entry) = entries.get_mut(entity).filter(|entry| entry.root == root) else {
                return false;
            };
            if entry.zone == left {
                entry.values.pose = None;
            }
            let keep = !entry.values.is_empty();
            if !keep {
                entries.remove(entity);
            }
            keep
        });
        if waiting.members.is_empty() {
            drop(self.take(root));
        }
    }

    /// The entity is gone.
    pub fn forget(&mut self, entity: EntityId) {
        let Some(Entry { root, .. }) = self.entries.remove(&entity) else { return };
        if self.members(root).next().is_none() {
            drop(self.take(root));
        }
    }
}

#[cfg(test)]
mod tests;
