//! Slices, each made once for all who need the same.

use bytes::Bytes;
use entitygraph_schema::{
    Visibility,
    wire::{
        Handle,
        moment::PER_TICK,
        pose::{heading, pack_rotation, velocity_steps},
        row::{Mask, Row},
        state::{Head, Lane, SliceWriter, Span},
    },
};

use super::{cells::Cells, hot::Hot};

/// Makes slices; keeps the memory that it makes them in.
#[derive(Debug, Default)]
pub struct Slices {
    rows: Vec<(Mask, Handle, u32)>,
    bytes: Vec<u8>,
}

impl Slices {
    /// Where the slice of the cell stands among the frames that covers 2^exponent moments up to the end of `moment`. It is made
    /// if it is not there yet.
    pub fn get(
        &mut self,
        cells: &mut Cells,
        hot: &Hot,
        slot: u32,
        exponent: u8,
        moment: u64,
        frames: &mut Vec<Bytes>,
    ) -> Option<u32> {
        if let Some(frame) = cells.slot(slot).made(exponent, moment) {
            return Some(frame);
        }
        let bytes = self.make(cells, hot, slot, exponent, moment)?;
        let frame = frames.len() as u32;
        frames.push(bytes);
        cells.slot_mut(slot).note(exponent, moment, frame);
        Some(frame)
    }

    fn make(&mut self, cells: &Cells, hot: &Hot, slot: u32, exponent: u8, moment: u64) -> Option<Bytes> {
        let (cell, span) = (cells.slot(slot), Span::of_exponent(exponent)?);
        let after = moment.saturating_sub(span.moments()?);
        self.rows.clear();
        let mut tick = 0;
        for change in cell.changes(exponent, moment) {
            let index = change.index as usize;
            // Only the newest change of an entity that is still here.
            if hot.cell[index] == slot && hot.changed[index].newest() == change.moment {
                tick = tick.max(hot.tick[index]);
                self.rows.push((mask(hot, index, after), Hot::handle(index)?, change.index));
            }
        }
        if self.rows.is_empty() {
            return None;
        }
        // An entity that came, left and came again within a moment stands here more than once.
        self.rows.sort_unstable();
        self.rows.dedup();
        let head = Head {
            moment: moment as u16,
            age: moment.saturating_sub((tick + 1).saturating_mul(PER_TICK)),
            lane: Lane::Motion,
            class: Visibility::Public,
            span,
            zone: Hot::zone()?,
            grid: cell.grid,
        };
        self.bytes.clear();
        let mut slice = SliceWriter::begin(&head, &mut self.bytes);
        for section in self.rows.chunk_by(|one, next| one.0 == next.0) {
            let Some(&(mask, ..)) = section.first() else { continue };
            slice.section(mask, section.iter().map(|(_, handle, _)| *handle));
            for &(mask, _, index) in section {
                slice.row(&row(hot, index as usize, mask, &head));
            }
        }
        slice.end();
        Some(Bytes::copy_from_slice(&self.bytes))
    }
}

/// Which parts of an entity changed after a moment.
fn mask(hot: &Hot, index: usize, after: u64) -> Mask {
    let changed = hot.changed[index];
    let mut bits = 0;
    if changed.position > after {
        bits |= Mask::POSITION.bits();
    }
    if changed.rotation > after {
        let upright = heading(hot.rotation[index].as_dquat()).is_some();
        bits |= if upright { Mask::HEADING } else { Mask::ROTATION }.bits();
    }
    if changed.velocity > after {
        bits |= Mask::VELOCITY.bits();
    }
    // Something changed, or the entity would not be asked for.
    Mask::of_bits(bits).unwrap_or(Mask::POSITION)
}

fn row(hot: &Hot, index: usize, mask: Mask, head: &Head) -> Row<'static> {
    let rotation = hot.rotation[index].as_dquat();
    Row {
        position: mask.has(Mask::POSITION).then(|| head.grid.steps(hot.position_m[index])),
        heading: if mask.has(Mask::HEADING) { heading(rotation) } else { None },
        rotation: mask.has(Mask::ROTATION).then(|| pack_rotation(rotation)),
        velocity: mask.has(Mask::VELOCITY).then(|| velocity_steps(hot.velocity_m_s[index].as_dvec3())),
        variables: None,
    }
}
