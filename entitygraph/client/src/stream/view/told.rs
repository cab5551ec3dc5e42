//! What a frame changed of the local copy, and what else the SDK needs of it.

use entitygraph_schema::{
    EntityId,
    wire::{Handle, variable::Variables},
};

use super::View;

/// What a frame changed, in the order in which it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is shown now.
    Activated(Handle),
    /// Its motion is new.
    Moved(Handle),
    /// The variable of this number has another value, or states none of its own any more.
    Set(Handle, u32),
    /// Nothing more is told of it, but it stays.
    Paused(Handle),
    /// It is not bound any more.
    Unbound(Handle, EntityId),
}

/// What the rest of the SDK needs of it.
impl View {
    /// What the frame that was taken last changed, or the reset.
    pub fn told(&mut self) -> std::vec::Drain<'_, Told> {
        self.told.drain(..)
    }

    /// Members of a batch that is not active yet.
    pub fn batch(&self, number: u64) -> &[Handle] {
        self.batches.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The zone that the pose of an entity is in: the innermost host above it that is bound.
    pub fn zone(&self, handle: Handle) -> Option<Handle> {
        let mut at = self.entities.get(&handle)?.parent?;
        // No tree is deeper, so a circle ends.
        for _ in 0..1_000 {
            let seen = self.entities.get(&at)?;
            if seen.entity.zone.is_some() {
                return Some(at);
            }
            at = seen.parent?;
        }
        None
    }

    /// Another session or incarnation: all handles are void. What the numbers of variables stand for stays until another catalog
    /// comes.
    pub fn reset(&mut self) {
        let (rows_applied, variables) = (self.rows_applied, std::mem::take(&mut self.variables));
        let told =
            self.entities.iter().map(|(handle, seen)| Told::Unbound(*handle, seen.entity.id)).collect();
        *self = Self { rows_applied, variables, told, ..Self::default() };
    }

    /// The hub has another catalog: its numbers come.
    pub fn forget_catalog(&mut self) {
        self.variables = Variables::default();
    }

    /// The present moment by the shard clock: slices say the lower bits of theirs.
    pub fn clock(&mut self, moment: u64) {
        self.newest = self.newest.max(moment);
    }

    pub(super) fn pause(&mut self, handle: Handle) {
        if let Some(seen) = self.entities.get_mut(&handle)
            && seen.active
        {
            seen.active = false;
            self.told.push(Told::Paused(handle));
        }
    }

    pub(super) fn unbind(&mut self, handle: Handle) {
        let Some(seen) = self.entities.remove(&handle) else { return };
        self.told.push(Told::Unbound(handle, seen.entity.id));
        // A batch of which nothing is left is not loading any more.
        if let Some(batch) = self.batches.get_mut(&seen.batch) {
            batch.retain(|other| *other != handle);
            if batch.is_empty() {
                self.batches.remove(&seen.batch);
            }
        }
    }
}
