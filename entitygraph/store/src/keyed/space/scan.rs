//! Reading the rows around a point, largest things first.

use std::ops::ControlFlow;

use entitygraph_schema::EntityId;
use glam::DVec3;

use super::{
    Rows,
    cell::{Cell, CellBox, Level},
    morton, row,
};
use crate::error::Result;

/// How many rows outside the box are passed over before the reader jumps. A jump is a new scan and costs about as much
/// as this many rows (measured with `benches/space.rs`).
const PATIENCE: usize = 24;

/// Calls `visit(id, value)` for each row under the prefix whose thing may be at most `distance(size)` from the center,
/// and for some farther away; `distance` must not decrease with the size. Ends at the first error.
///
/// Costs a seek for each size level that the prefix has rows of, and the rows near the box; empty space costs nothing.
pub(super) fn scan_around(
    rows: &dyn Rows,
    prefix: &[u8],
    center: DVec3,
    distance: impl Fn(f64) -> f64,
    mut visit: impl FnMut(EntityId, &[u8]) -> Result<()>,
) -> Result<()> {
    let block = |level: Level| CellBox::around(level, center, distance(level.max_size()));
    let start_of = |level: Level| row::key(prefix, level, block(level).low, 0);
    let end = [prefix, &[u8::MAX]].concat();

    let mut inside = (Level::FIRST, block(Level::FIRST));
    let mut next = Some(start_of(Level::FIRST));
    while let Some(start) = next.take() {
        let mut failed = None;
        let mut misses = 0;
        rows.scan(&start, &end, &mut |key, value| {
            let Some((level, cell, entity)) = row::read_key(prefix.len(), key) else {
                failed = Some(rows.corrupt(format!("a key of the space index is {key:02x?}")));
                return ControlFlow::Break(());
            };
            if level != inside.0 {
                inside = (level, block(level));
            }
            if inside.1.contains(cell) {
                misses = 0;
                failed = visit(entity, value).err();
                return if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            misses += 1;
            if misses < PATIENCE {
                return ControlFlow::Continue(());
            }
            next = jump(prefix, level, &inside.1, cell).or_else(|| level.smaller().map(start_of));
            ControlFlow::Break(())
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}

/// Where the box goes on after a cell outside it; none when the cell is behind it.
fn jump(prefix: &[u8], level: Level, inside: &CellBox, cell: Cell) -> Option<Vec<u8>> {
    morton::next_inside(inside, cell).map(|next| row::key(prefix, level, next, 0))
}
