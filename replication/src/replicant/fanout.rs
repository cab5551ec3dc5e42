//! Slices, each made once for all who need the same.

use bytes::Bytes;
use entitygraph_schema::{
    Visibility,
    wire::{
        Handle,
        cell::Grid,
        moment::PER_TICK,
        pose::{heading, pack_rotation, velocity_steps},
        row::{Mask, Row},
        state::{Head, Lane, SliceWriter, Span},
    },
};

use super::{
    cells::{Audience, Cells},
    hot::{
        Hot, Index, ROOT,
        motion::Motion,
        values::{Column, newest, put_rounded},
    },
};

/// Makes slices; keeps the memory that it makes them in.
#[derive(Debug, Default)]
pub struct Slices {
    rows: Vec<Told>,
    variables: Vec<u8>,
    bytes: Vec<u8>,
}

/// What is told of an entity: these parts, and this part of the bytes of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    mask: Mask,
    handle: Handle,
    index: u32,
    from: u32,
    to: u32,
}

/// What a slice is of.
#[derive(Debug, Clone, Copy)]
struct Of {
    lane: Lane,
    class: Visibility,
    exponent: u8,
    moment: u64,
    grid: Grid,
}

impl Slices {
    /// Where the slice of a cell stands among the frames that covers 2^exponent moments up to the end of `moment`. It is made if
    /// it is not there yet.
    #[allow(clippy::too_many_arguments)] // what identifies a slice, and where it goes
    pub fn get(
        &mut self,
        cells: &mut Cells,
        hot: &Hot,
        slot: u32,
        audience: Audience,
        lane: Lane,
        exponent: u8,
        moment: u64,
        frames: &mut Vec<Bytes>,
    ) -> Option<u32> {
        let cell = cells.slot_mut(slot);
        let grid = cell.grid;
        let log = cell.log_mut(audience, lane);
        if let Some(frame) = log.made(exponent, moment) {
            return Some(frame);
        }
        let class = match audience {
            Audience::Public => Visibility::Public,
            Audience::Servers => Visibility::ServerOnly,
        };
        let of = Of { lane, class, exponent, moment, grid };
        // Whatever is public is made from the public column, and nothing else is there.
        let columns = hot.values.seen(audience.sight());
        self.rows.clear();
        self.variables.clear();
        for change in log.changes(exponent, moment) {
            let index = change.index as usize;
            // Only the newest change of an entity that is still here.
            let last = hot.motion.newest(index, lane).max(newest(columns, index, lane));
            if hot.motion.cell[index] == slot && last == change.moment {
                self.tell(&hot.motion, columns, &of, index);
            }
        }
        let bytes = self.make(&hot.motion, &of)?;
        let frame = frames.len() as u32;
        frames.push(bytes);
        log.note(exponent, moment, frame);
        Some(frame)
    }

    /// The slice for an entity's owner of what only the owner is told, on a lane, for whoever was told up to `told`.
    pub fn own(
        &mut self,
        cells: &Cells,
        hot: &Hot,
        index: Index,
        lane: Lane,
        told: u64,
        moment: u64,
    ) -> Option<Bytes> {
        let exponent =
            (0..=Span::EXPONENT_MAX).find(|exponent| moment.saturating_sub(told) <= 1 << exponent)?;
        let grid = cells.slot(hot.motion.cell[index]).grid;
        let of = Of { lane, class: Visibility::OwnerOnly, exponent, moment, grid };
        self.rows.clear();
        self.variables.clear();
        let after = moment.saturating_sub(1 << exponent);
        put_rounded(hot.values.owners(), index, lane, after, &mut self.variables);
        let (index, to) = (index as u32, self.variables.len() as u32);
        let handle = Hot::handle(index as usize)?;
        if to > 0 {
            self.rows.push(Told { mask: Mask::VARIABLES, handle, index, from: 0, to });
        }
        self.make(&hot.motion, &of)
    }

    /// Notes what is to be told of an entity.
    fn tell(&mut self, motion: &Motion, columns: &[Column], of: &Of, index: Index) {
        let after = of.moment.saturating_sub(1 << of.exponent);
        let from = self.variables.len() as u32;
        put_rounded(columns, index, of.lane, after, &mut self.variables);
        let to = self.variables.len() as u32;
        let mut bits = if of.lane == Lane::Motion { moved(motion, index, after) } else { 0 };
        if to > from {
            bits |= Mask::VARIABLES.bits();
        }
        if let (Some(mask), Some(handle)) = (Mask::of_bits(bits), Hot::handle(index)) {
            self.rows.push(Told { mask, handle, index: index as u32, from, to });
        }
    }

    /// The bytes of what was noted.
    fn make(&mut self, motion: &Motion, of: &Of) -> Option<Bytes> {
        if self.rows.is_empty() {
            return None;
        }
        // An entity that came, left and came again within a moment stands here more than once.
        self.rows.sort_unstable();
        self.rows.dedup_by_key(|told| (told.mask, told.handle));
        let tick = self.rows.iter().map(|told| motion.tick[told.index as usize]).max().unwrap_or(0);
        let head = Head {
            moment: of.moment as u16,
            age: of.moment.saturating_sub((tick + 1).saturating_mul(PER_TICK)),
            lane: of.lane,
            class: of.class,
            span: Span::of_exponent(of.exponent)?,
            zone: Hot::handle(ROOT)?,
            grid: of.grid,
        };
        self.bytes.clear();
        let mut slice = SliceWriter::begin(&head, &mut self.bytes);
        for section in self.rows.chunk_by(|one, next| one.mask == next.mask) {
            let Some(Told { mask, .. }) = section.first() else { continue };
            slice.section(*mask, section.iter().map(|told| told.handle));
            for told in section {
                let variables = self.variables.get(told.from as usize..told.to as usize);
                slice.row(&row(motion, told, variables, &head));
            }
        }
        slice.end();
        Some(Bytes::copy_from_slice(&self.bytes))
    }
}

/// Which parts of an entity's motion changed after a moment.
fn moved(motion: &Motion, index: usize, after: u64) -> u8 {
    let changed = motion.changed[index];
    let mut bits = 0;
    if changed.position > after {
        bits |= Mask::POSITION.bits();
    }
    if changed.rotation > after {
        let upright = heading(motion.rotation[index].as_dquat()).is_some();
        bits |= if upright { Mask::HEADING } else { Mask::ROTATION }.bits();
    }
    if changed.velocity > after {
        bits |= Mask::VELOCITY.bits();
    }
    bits
}

fn row<'v>(motion: &Motion, told: &Told, variables: Option<&'v [u8]>, head: &Head) -> Row<'v> {
    let (index, mask) = (told.index as usize, told.mask);
    let rotation = motion.rotation[index].as_dquat();
    Row {
        position: mask.has(Mask::POSITION).then(|| head.grid.steps(motion.position_m[index])),
        heading: if mask.has(Mask::HEADING) { heading(rotation) } else { None },
        rotation: mask.has(Mask::ROTATION).then(|| pack_rotation(rotation)),
        velocity: mask.has(Mask::VELOCITY).then(|| velocity_steps(motion.velocity_m_s[index].as_dvec3())),
        variables: if mask.has(Mask::VARIABLES) { variables } else { None },
    }
}
