//! Reading the rows around a point, largest things first.

use std::ops::ControlFlow;

use entitygraph_schema::EntityId;
use glam::DVec3;

use super::{
    Rows,
    ball::Ball,
    cell::{Cell, Level},
    row,
};
use crate::error::Result;

/// How many rows outside the ball are passed over before the reader jumps. A jump is a new scan and costs about as much
/// as this many rows (measured with `benches/space.rs`).
const PATIENCE: usize = 24;

/// Calls `visit(id, value)` for each row under the prefix whose thing may be at most `distance(size)` from the center,
/// and for some farther away; `distance` must not decrease with the size. Ends at the first error.
///
/// Costs a seek for each size level that the prefix has rows of, and the rows near the ball; empty space costs nothing.
pub(super) fn scan_around(
    rows: &dyn Rows,
    prefix: &[u8],
    center: DVec3,
    distance: impl Fn(f64) -> f64,
    mut visit: impl FnMut(EntityId, &[u8]) -> Result<()>,
) -> Result<()> {
    let ball = |level: Level| Ball::around(level, center, distance(level.max_size()));
    // Where the balls go on from a cell.
    let go_on = |level: Level, from: Cell| {
        let mut place = Some((level, from));
        while let Some((level, from)) = place {
            if let Some(cell) = ball(level).next(from) {
                return Some(row::key(prefix, level, cell, 0));
            }
            place = level.smaller().map(|level| (level, Cell::LOWEST));
        }
        None
    };
    let end = [prefix, &[u8::MAX]].concat();

    let mut around = (Level::FIRST, ball(Level::FIRST));
    let mut next = go_on(Level::FIRST, Cell::LOWEST);
    while let Some(start) = next.take() {
        let mut failed = None;
        let mut misses = 0;
        rows.scan(&start, &end, &mut |key, value| {
            let Some((level, cell, entity)) = row::read_key(prefix.len(), key) else {
                failed = Some(rows.corrupt(format!("a key of the space index is {key:02x?}")));
                return ControlFlow::Break(());
            };
            if level != around.0 {
                around = (level, ball(level));
            }
            if around.1.touches(cell) {
                misses = 0;
                failed = visit(entity, value).err();
                return if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            misses += 1;
            if misses < PATIENCE {
                return ControlFlow::Continue(());
            }
            next = go_on(level, cell);
            ControlFlow::Break(())
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
}
