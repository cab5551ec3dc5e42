//! Slices (protocol.md, "State", kind 40): what is now so in one cell, for all who follow it.

use super::{
    Handle, Kind,
    cell::{Cell, Grid},
    frame::Open,
    number::{Handles, put_handles},
    row::{Mask, Row},
};
use crate::{
    codec::{CodecError, Fault, Input, put_number},
    component::Visibility,
};

/// What is sent how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Pose, velocity, variables sent every tick.
    Motion,
    /// Variables sent on change.
    Prompt,
    /// The same, of components that the configuration names.
    Slow,
}

impl Lane {
    const ALL: [Self; 3] = [Self::Motion, Self::Prompt, Self::Slow];
}

const CLASSES: [Visibility; 3] = [Visibility::Public, Visibility::OwnerOnly, Visibility::ServerOnly];

/// What time a slice covers: the last 2^0 to 2^10 moments, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u8);

impl Span {
    /// The pose of each entity of the cell that ever moved.
    pub const FULL: Self = Self(15);
    /// Exponent of the longest span that is not full: 1024 moments, 64 ticks.
    pub const EXPONENT_MAX: u8 = 10;

    /// The span of 2^exponent moments, if there is one.
    pub const fn of_exponent(exponent: u8) -> Option<Self> {
        if exponent <= Self::EXPONENT_MAX { Some(Self(exponent)) } else { None }
    }

    /// The shortest span that reaches back at least this many moments, if there is one.
    pub fn reaching(moments: u64) -> Option<Self> {
        (0..=Self::EXPONENT_MAX).find(|exponent| moments <= 1 << exponent).map(Self)
    }

    /// Moments that it covers; none for [`Self::FULL`].
    pub const fn moments(self) -> Option<u64> {
        if self.0 <= Self::EXPONENT_MAX { Some(1 << self.0) } else { None }
    }
}

/// What a slice says before its sections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// Lower 16 bits of the moment it was made at; see [`super::moment::nearest`].
    pub moment: u16,
    /// Moments since the end of the simulation tick of the newest change in it.
    pub age: u64,
    /// What is sent how often.
    pub lane: Lane,
    /// For whom it is.
    pub class: Visibility,
    /// What time it covers.
    pub span: Span,
    /// The zone host that the cell is in.
    pub zone: Handle,
    /// The cell, and the steps of positions in it.
    pub grid: Grid,
}

impl Head {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { moment, age, lane, class, span, zone, grid } = self;
        let lane = match lane {
            Lane::Motion => 0,
            Lane::Prompt => 1,
            Lane::Slow => 2,
        };
        let class = match class {
            Visibility::Public => 0,
            Visibility::OwnerOnly => 1,
            Visibility::ServerOnly => 2,
        };
        out.extend_from_slice(&moment.to_le_bytes());
        put_number(*age, out);
        out.push(lane | class << 2 | span.0 << 4);
        put_number(zone.get().into(), out);
        let [level, step] = [grid.cell().level(), grid.step()].map(|exponent| exponent.to_le_bytes()[0]);
        out.extend_from_slice(&[level, step]);
        grid.cell().put_place(out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let moment = input.u16()?;
        let age = input.number()?;
        let start = input.offset();
        let shape = input.byte()?;
        let lane = Lane::ALL.get(usize::from(shape & 3));
        let class = CLASSES.get(usize::from(shape >> 2 & 3));
        let span = Some(Span(shape >> 4)).filter(|span| *span == Span::FULL || span.moments().is_some());
        let (Some(&lane), Some(&class), Some(span)) = (lane, class, span) else {
            return Err(input.error(start, Fault::Range { what: "shape of a slice", number: shape.into() }));
        };
        let zone = input.handle()?;
        let start = input.offset();
        let (level, step) = (input.i8()?, input.i8()?);
        let cell = Cell::take_place(level, start, input)?;
        let grid = Grid::new(cell, step).ok_or_else(|| {
            let number = u64::from(step.to_le_bytes()[0]);
            input.error(
                start + 1,
                Fault::Range { what: "step 1 to 42 below the level (its two's complement)", number },
            )
        })?;
        Ok(Self { moment, age, lane, class, span, zone, grid })
    }
}

/// Writes a slice as a whole frame. Sections come in ascending order of their masks, and each handle once.
#[derive(Debug)]
#[must_use = "a slice that is not ended has no length"]
pub struct SliceWriter<'o> {
    out: &'o mut Vec<u8>,
    open: Open,
    grid: Grid,
    mask: Mask,
    rows_left: usize,
}

impl<'o> SliceWriter<'o> {
    /// Appends the head.
    pub fn begin(head: &Head, out: &'o mut Vec<u8>) -> Self {
        let open = Open::begin(Kind::State, out);
        head.put(out);
        Self { out, open, grid: head.grid, mask: Mask::NONE, rows_left: 0 }
    }

    /// Begins a section of these entities, at least one, in ascending order; the row of each follows, in the same order.
    pub fn section(&mut self, mask: Mask, handles: impl ExactSizeIterator<Item = Handle>) {
        debug_assert!(self.rows_left == 0, "{} rows are missing", self.rows_left);
        debug_assert!(
            mask > self.mask && handles.len() > 0,
            "{mask:?} stands after {:?}, or is empty",
            self.mask
        );
        self.mask = mask;
        self.rows_left = handles.len();
        self.out.push(mask.bits());
        put_number(handles.len() as u64, self.out);
        put_handles(handles, self.out);
    }

    /// Appends the next row of the section; it has the parts of the section's mask.
    pub fn row(&mut self, row: &Row<'_>) {
        debug_assert!(self.rows_left > 0 && row.mask() == self.mask, "{row:?} is not of {:?}", self.mask);
        self.rows_left = self.rows_left.saturating_sub(1);
        row.put(&self.grid, self.out);
    }

    /// Bytes of the frame so far: a slice can be ended before it is over a limit.
    pub fn bytes(&self) -> usize {
        self.open.bytes(self.out)
    }

    /// Ends the frame.
    pub fn end(self) {
        debug_assert!(self.rows_left == 0, "{} rows are missing", self.rows_left);
        self.open.end(self.out);
    }
}

/// A slice, borrowed and judged.
#[derive(Debug, Clone)]
pub struct Slice<'a> {
    /// What it says before its sections.
    pub head: Head,
    sections: Input<'a>,
}

impl<'a> Slice<'a> {
    /// Reads the body of a State frame, all of it but the entries of variables.
    ///
    /// # Errors
    /// Where and why the bytes are not a slice.
    pub fn read(body: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Input::new("State", body);
        let head = Head::take(&mut input)?;
        let slice = Self { head, sections: input.clone() };
        let mut before: [Option<Handles<'a>>; Mask::COUNT] = [const { None }; Mask::COUNT];
        let (mut last, mut sections) = (Mask::NONE, 0);
        while input.left() > 0 {
            let start = input.offset();
            let (mask, handles) = take_section(&mut input)?;
            if mask <= last {
                return Err(input.error(start, Fault::Order { what: "section" }));
            }
            if before.iter().map_while(Option::as_ref).any(|others| share(others.clone(), handles.clone())) {
                return Err(input.error(start, Fault::Order { what: "handle that stood in another section" }));
            }
            for _ in 0..handles.len() {
                Row::judge(mask, &head.grid, &mut input)?;
            }
            // Masks ascend, so there are not more sections than masks.
            before[sections] = Some(handles);
            (last, sections) = (mask, sections + 1);
        }
        Ok(slice)
    }

    /// Each entity with what is said of it, in the order of the bytes.
    pub fn rows(&self) -> Rows<'a> {
        Rows { grid: self.head.grid, input: self.sections.clone(), section: None }
    }
}

fn take_section<'a>(input: &mut Input<'a>) -> Result<(Mask, Handles<'a>), CodecError> {
    let start = input.offset();
    let bits = input.byte()?;
    let mask = Mask::of_bits(bits)
        .ok_or_else(|| input.error(start, Fault::Range { what: "mask of a section", number: bits.into() }))?;
    let start = input.offset();
    // A handle and a row take two bytes at least.
    let count = input.count(2)?;
    if count == 0 {
        return Err(input.error(start, Fault::Range { what: "count of a section", number: 0 }));
    }
    Ok((mask, input.handles(count)?))
}

/// Whether an entity stands in both.
fn share(mut a: Handles<'_>, mut b: Handles<'_>) -> bool {
    let (mut one, mut other) = (a.next(), b.next());
    while let (Some(left), Some(right)) = (one, other) {
        match left.cmp(&right) {
            std::cmp::Ordering::Less => one = a.next(),
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => other = b.next(),
        }
    }
    false
}

/// The rows of a slice.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    grid: Grid,
    input: Input<'a>,
    section: Option<(Mask, Handles<'a>)>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = (Handle, Row<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        // The sections were judged when the slice was read, so nothing of this fails.
        loop {
            if let Some((mask, handles)) = &mut self.section
                && let Some(handle) = handles.next()
            {
                return Some((handle, Row::take(*mask, &self.grid, &mut self.input).ok()?));
            }
            if self.input.left() == 0 {
                return None;
            }
            self.section = Some(take_section(&mut self.input).ok()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_reach_back_far_enough_and_not_farther_than_needed() {
        assert_eq!(Span::reaching(0), Span::of_exponent(0));
        assert_eq!(Span::reaching(3).and_then(Span::moments), Some(4));
        assert_eq!(Span::reaching(1024).and_then(Span::moments), Some(1024));
        assert_eq!((Span::reaching(1025), Span::of_exponent(11), Span::FULL.moments()), (None, None, None));
    }

    #[test]
    fn the_bytes_so_far_are_those_of_the_frame_if_it_ended_now() {
        let head = Head {
            moment: 1,
            age: 0,
            lane: Lane::Motion,
            class: Visibility::Public,
            span: Span::FULL,
            zone: Handle::new(1).unwrap(),
            grid: Grid::new(Cell::new(0, [0; 3]).unwrap(), -1).unwrap(),
        };
        for rows in [0_u32, 1, 40, 4_000, 9_000] {
            let mut out = vec![7];
            let mut slice = SliceWriter::begin(&head, &mut out);
            if rows > 0 {
                slice.section(
                    Mask::HEADING,
                    (1..=rows).map(|number| Handle::new(number).unwrap()).collect::<Vec<_>>().into_iter(),
                );
            }
            (0..rows).for_each(|_| slice.row(&Row { heading: Some(9), ..Row::default() }));
            let bytes = slice.bytes();
            slice.end();
            assert_eq!(out.len(), 1 + bytes, "{rows} rows");
        }
    }
}
