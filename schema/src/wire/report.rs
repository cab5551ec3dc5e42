//! Reports (protocol.md, "Report", kind 41): what a server's tick changed, exact.

use super::{
    Handle, Kind,
    event::Event,
    exact::{ExactRow, ExactRows},
    frame::Open,
    list::{Item, List, put_list},
    number::put_handles,
};
use crate::{
    codec::{CodecError, Fault, Input, put_bytes, put_number},
    order::Epoch,
};

/// Most bytes of the answer in a receipt.
pub const ANSWER_BYTES_MAX: usize = 1 << 10;

/// Bit 0 of the flags.
const LAST_OF_TICK: u8 = 1;

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It had its effect.
    Done,
    /// The owner did not do it.
    Refused,
}

/// The owner's word on an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// The session that it came from.
    pub session: u64,
    /// Its number in that session.
    pub action: u64,
    /// What it was done to.
    pub target: Handle,
    /// What became of it.
    pub outcome: Outcome,
    /// The game's, at most [`ANSWER_BYTES_MAX`].
    pub answer: &'a [u8],
}

impl<'a> Item<'a> for Receipt<'a> {
    const BYTES_MIN: usize = 5;

    fn put(&self, out: &mut Vec<u8>) {
        let Self { session, action, target, outcome, answer } = self;
        debug_assert!(answer.len() <= ANSWER_BYTES_MAX, "an answer of {} bytes", answer.len());
        put_number(*session, out);
        put_number(*action, out);
        put_number(target.get().into(), out);
        out.push(match outcome {
            Outcome::Done => 0,
            Outcome::Refused => 1,
        });
        put_bytes(answer, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, CodecError> {
        let (session, action, target) = (input.number()?, input.number()?, input.handle()?);
        let start = input.offset();
        let outcome = match input.byte()? {
            0 => Outcome::Done,
            1 => Outcome::Refused,
            tag => return Err(input.error(start, Fault::Tag { what: "receipt's outcome", tag })),
        };
        let answer = input.bytes_up_to("length of an answer", ANSWER_BYTES_MAX)?;
        Ok(Self { session, action, target, outcome, answer })
    }
}

/// The newest input of a character that the tick used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The character.
    pub character: Handle,
    /// Number of the input.
    pub number: u64,
}

impl Item<'_> for Used {
    const BYTES_MIN: usize = 2;

    fn put(&self, out: &mut Vec<u8>) {
        put_number(self.character.get().into(), out);
        put_number(self.number, out);
    }

    fn take(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { character: input.handle()?, number: input.number()? })
    }
}

/// What a report says before its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// One more than the last report of the session; the first is 1.
    pub batch: u64,
    /// The whole tick.
    pub tick: u64,
    /// Whether it is the last report of the tick.
    pub last_of_tick: bool,
}

/// Writes a report as a whole frame.
#[derive(Debug)]
#[must_use = "a report that is not ended has no length"]
pub struct ReportWriter<'o> {
    out: &'o mut Vec<u8>,
    open: Open,
    groups_left: usize,
}

impl<'o> ReportWriter<'o> {
    /// Appends the head; this many groups follow.
    pub fn begin(head: &Head, groups: usize, out: &'o mut Vec<u8>) -> Self {
        let open = Open::begin(Kind::Report, out);
        put_number(head.batch, out);
        put_number(head.tick, out);
        out.push(if head.last_of_tick { LAST_OF_TICK } else { 0 });
        put_number(groups as u64, out);
        Self { out, open, groups_left: groups }
    }

    /// Begins a group of entities in ascending order, written under one epoch in one zone; the row of each follows, in the
    /// same order.
    pub fn group(
        &mut self,
        epoch: Epoch,
        zone: Handle,
        handles: impl ExactSizeIterator<Item = Handle>,
    ) -> GroupWriter<'_> {
        debug_assert!(self.groups_left > 0, "a group more than announced");
        self.groups_left = self.groups_left.saturating_sub(1);
        put_number(epoch.number(), self.out);
        put_number(zone.get().into(), self.out);
        let rows_left = handles.len();
        put_number(rows_left as u64, self.out);
        put_handles(handles, self.out);
        GroupWriter { out: self.out, rows_left }
    }

    /// Ends the frame.
    pub fn end(self) {
        debug_assert!(self.groups_left == 0, "{} groups are missing", self.groups_left);
        self.open.end(self.out);
    }
}

/// Writes a group of a report.
#[derive(Debug)]
#[must_use = "a group that is not ended is not whole"]
pub struct GroupWriter<'o> {
    out: &'o mut Vec<u8>,
    rows_left: usize,
}

impl GroupWriter<'_> {
    /// Appends the next row.
    pub fn row(&mut self, row: &ExactRow<'_>) {
        debug_assert!(self.rows_left > 0, "a row more than there are handles");
        self.rows_left = self.rows_left.saturating_sub(1);
        row.put(self.out);
    }

    /// Appends what else was done under the epoch.
    pub fn end(self, receipts: &[Receipt<'_>], inputs: &[Used], events: &[Event<'_>]) {
        debug_assert!(self.rows_left == 0, "{} rows are missing", self.rows_left);
        put_list(receipts, self.out);
        put_list(inputs, self.out);
        put_list(events, self.out);
    }
}

/// What was written under one epoch in one zone, borrowed and judged.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Of the grant under which it is written.
    pub epoch: Epoch,
    /// The zone host that poses are in.
    pub zone: Handle,
    /// What changed of which entity.
    pub rows: ExactRows<'a>,
    /// Actions that were judged.
    pub receipts: List<'a, Receipt<'a>>,
    /// Inputs that were used.
    pub inputs: List<'a, Used>,
    /// What happened.
    pub events: List<'a, Event<'a>>,
}

impl<'a> Group<'a> {
    /// Epoch, zone, count, and the counts of receipts, inputs and events.
    const BYTES_MIN: usize = 6;

    fn take(input: &mut Input<'a>) -> Result<Self, CodecError> {
        let epoch = Epoch::from_number(input.number()?);
        let zone = input.handle()?;
        // A handle and a mask for each.
        let count = input.count(2)?;
        let rows = ExactRows::take(count, input)?;
        let receipts = List::take(input)?;
        let inputs = List::take(input)?;
        Ok(Self { epoch, zone, rows, receipts, inputs, events: List::take(input)? })
    }
}

/// A report, borrowed and judged.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// What it says before its groups.
    pub head: Head,
    groups: Input<'a>,
    count: usize,
}

impl<'a> Report<'a> {
    /// Reads the body of a Report frame, all of it but the entries of variables: bad values are judged row by row, see
    /// [`ExactRow::check`].
    ///
    /// # Errors
    /// Where and why the bytes are not a report.
    pub fn read(body: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Input::new("Report", body);
        let (batch, tick) = (input.number()?, input.number()?);
        let start = input.offset();
        let flags = input.byte()?;
        if flags & !LAST_OF_TICK != 0 {
            return Err(input.error(start, Fault::Range { what: "set of flags", number: flags.into() }));
        }
        let count = input.count(Group::BYTES_MIN)?;
        let head = Head { batch, tick, last_of_tick: flags == LAST_OF_TICK };
        let report = Self { head, groups: input.clone(), count };
        for _ in 0..count {
            Group::take(&mut input)?;
        }
        input.end()?;
        Ok(report)
    }

    /// The groups, in order.
    pub fn groups(&self) -> impl Iterator<Item = Group<'a>> + use<'a> {
        let mut input = self.groups.clone();
        // The groups were judged when the report was read, so nothing of this fails.
        (0..self.count).map_while(move |_| Group::take(&mut input).ok())
    }
}
