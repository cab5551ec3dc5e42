//! Leasing ids.

use entitygraph_schema::{EntityId, IdRange, Refusal};

use super::{draft::Draft, graph::Base};
use crate::{error::Result, keyed::keys};

/// Most ids of one lease.
const MAX: u64 = 1 << 32;

/// Takes `count` consecutive ids from `next` on; returns them and the id after them, 0 after the last of all. Steps over
/// ids that callers brought themselves, so that no leased id is taken already.
pub fn lease(base: &Base<'_>, batch: &Draft, next: u64, count: u64) -> Result<(IdRange, u64)> {
    if count == 0 {
        return Err(
            Refusal::Invalid { what: "the id lease", reason: "ask for at least one id".to_owned() }.into()
        );
    }
    if count > MAX {
        return Err(Refusal::TooMany { what: "ids in one lease", count, max: MAX }.into());
    }
    let mut first = next;
    loop {
        let start = EntityId::new(first).ok_or(Refusal::IdsExhausted)?;
        let end = start.checked_add(count - 1).ok_or(Refusal::IdsExhausted)?;
        match last_used(base, batch, start, end)? {
            Some(used) => first = used.get().checked_add(1).ok_or(Refusal::IdsExhausted)?,
            None => return Ok((IdRange { first: start, count }, end.get().wrapping_add(1))),
        }
    }
}

/// The highest id of the range that is or was an entity's.
fn last_used(base: &Base<'_>, batch: &Draft, start: EntityId, end: EntityId) -> Result<Option<EntityId>> {
    let touched = batch.entities.keys().chain(&batch.entombed).copied();
    let mut last = touched.filter(|id| (start..=end).contains(id)).max();
    if start.get() <= base.highest {
        for key in [keys::entity, keys::buried] {
            if let Some(key) = base.snapshot.last_key(&key(start), &keys::after(&key(end)))? {
                last = last.max(Some(base.snapshot.last_id(&key)?));
            }
        }
    }
    Ok(last)
}
