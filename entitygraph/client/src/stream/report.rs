//! What a tick changed, as a game server gathers it; written as Report frames (protocol.md, "Report").

use std::collections::BTreeMap;

use entitygraph_schema::{
    Epoch, Value,
    space::SpaceError,
    wire::{
        Handle,
        control::message,
        event::{self, Event},
        exact::ExactRow,
        report::{self, Head, Outcome, ReportWriter, Used},
        variable::{put_cleared, put_value},
    },
};
use glam::{DVec3, Quat, Vec3};

use super::once::Receipt;

/// Something that no hub takes. The rest of the report stays as it is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Bad {
    /// A place, rotation or velocity that nothing can have.
    #[error("entity with handle {0}: {1}")]
    Motion(Handle, SpaceError),
    /// Too long an answer or content.
    #[error("{what} has {bytes} bytes, the limit is {max}")]
    Long {
        /// Of what.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// An action without a target: no hub sends one.
    #[error("the action has no target")]
    NoTarget,
}

#[derive(Debug, Clone, Default)]
struct Row {
    position_m: Option<DVec3>,
    rotation: Option<Quat>,
    velocity_m_s: Option<Vec3>,
    /// By number: entries are written in ascending order.
    variables: BTreeMap<u32, Option<Value>>,
}

/// What one tick changed. What is said twice of an entity counts as it was said last.
#[derive(Debug, Clone)]
pub struct Report {
    tick: u64,
    rows: BTreeMap<Handle, Row>,
    receipts: Vec<Receipt>,
    used: BTreeMap<Handle, u64>,
    events: Vec<(Handle, u32, Vec<u8>)>,
}

impl Report {
    pub(super) fn new(tick: u64) -> Self {
        let (rows, receipts, used, events) = Default::default();
        Self { tick, rows, receipts, used, events }
    }

    /// The tick that it is of.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.receipts.is_empty() && self.used.is_empty() && self.events.is_empty()
    }

    /// Where it is, in metres in its zone, how it stands, a unit quaternion, and how fast it moves, in m/s in its zone. What is
    /// none did not change.
    ///
    /// # Errors
    /// What nothing can have: NaN, a coordinate beyond 1e21, a rotation that is not of length 1.
    pub fn motion(
        &mut self,
        handle: Handle,
        position_m: Option<DVec3>,
        rotation: Option<Quat>,
        velocity_m_s: Option<Vec3>,
    ) -> Result<(), Bad> {
        let row = ExactRow { position_m, rotation, velocity_m_s, variables: None };
        row.check().map_err(|error| Bad::Motion(handle, error))?;
        let row = self.rows.entry(handle).or_default();
        row.position_m = position_m.or(row.position_m);
        row.rotation = rotation.or(row.rotation);
        row.velocity_m_s = velocity_m_s.or(row.velocity_m_s);
        Ok(())
    }

    /// A variable has this value now, or states none of its own any more. The number is that of the catalog.
    pub fn variable(&mut self, handle: Handle, number: u32, value: Option<Value>) {
        self.rows.entry(handle).or_default().variables.insert(number, value);
    }

    /// An action was judged. Its effects stand in this report too: the hub takes both or neither.
    ///
    /// # Errors
    /// The answer is over 1 KiB.
    pub fn judged(&mut self, action: &message::Action, outcome: Outcome, answer: &[u8]) -> Result<(), Bad> {
        let max = report::ANSWER_BYTES_MAX;
        if answer.len() > max {
            return Err(Bad::Long { what: "the answer", bytes: answer.len(), max });
        }
        let target = Handle::new(action.target).ok_or(Bad::NoTarget)?;
        let (session, action) = (action.session, action.number);
        self.receipts.push(Receipt { session, action, target, outcome, answer: answer.to_vec() });
        Ok(())
    }

    pub(super) fn receipts(&self) -> &[Receipt] {
        &self.receipts
    }

    /// This input of the character is in what the report says, and all before it.
    pub fn used(&mut self, character: Handle, input: u64) {
        self.used.insert(character, input);
    }

    /// Something happened that is nobody's state. The kind is one of the catalog's.
    ///
    /// # Errors
    /// The content is over 256 bytes.
    pub fn happened(&mut self, source: Handle, kind: u32, content: &[u8]) -> Result<(), Bad> {
        let max = event::CONTENT_BYTES_MAX;
        if content.len() > max {
            return Err(Bad::Long { what: "the content", bytes: content.len(), max });
        }
        self.events.push((source, kind, content.to_vec()));
        Ok(())
    }

    /// The frames of it with receipts that are said again, each of at most `bytes_max` bytes where a row allows that; and the handles of what has no group: what
    /// `group` does not give an epoch and a zone for is left out.
    pub(super) fn write(
        &self,
        mut batch: u64,
        bytes_max: usize,
        again: &[Receipt],
        mut group: impl FnMut(Handle) -> Option<Group>,
    ) -> Written {
        let mut written = Written::default();
        let mut items: Vec<(Group, Handle, Item<'_>)> = Vec::new();
        let rows = self.rows.iter().map(|(handle, row)| (*handle, Item::Row(row)));
        let receipts =
            self.receipts.iter().chain(again).map(|receipt| (receipt.target, Item::Receipt(receipt)));
        let used = self.used.iter().map(|(handle, input)| (*handle, Item::Used(*input)));
        let events = self.events.iter().map(|(source, kind, content)| (*source, Item::Event(*kind, content)));
        for (handle, item) in rows.chain(receipts).chain(used).chain(events) {
            match group(handle) {
                Some(group) => items.push((group, handle, item)),
                None => written.left_out.push(handle),
            }
        }
        // Rows by handle; the sort is stable, so all else stays in its order.
        items.sort_by_key(|(group, handle, item)| (*group, !item.is_row(), item.is_row().then_some(*handle)));
        let mut rest = &items[..];
        loop {
            let (now, later) = rest.split_at(fitting(rest, bytes_max));
            batch += 1;
            let head = Head { batch, tick: self.tick, last_of_tick: later.is_empty() };
            written.frames.push(put(&head, now));
            rest = later;
            if rest.is_empty() {
                written.left_out.sort_unstable();
                written.left_out.dedup();
                return written;
            }
        }
    }
}

/// Under which epoch, and in which zone, something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) epoch: Epoch,
    pub(super) zone: Handle,
}

/// A report as it goes out.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) left_out: Vec<Handle>,
}

enum Item<'r> {
    Row(&'r Row),
    Used(u64),
    Receipt(&'r Receipt),
    Event(u32, &'r [u8]),
}

impl Item<'_> {
    fn is_row(&self) -> bool {
        matches!(self, Self::Row(_))
    }

    /// Bytes of it at most, head of a group of its own included.
    fn bytes_max(&self) -> usize {
        const GROUP: usize = 32;
        GROUP
            + match self {
                Self::Row(row) => 64 + variables(&row.variables).map_or(0, |bytes| bytes.len() + 10),
                Self::Used(_) => 16,
                Self::Receipt(receipt) => 48 + receipt.answer.len(),
                Self::Event(_, content) => 24 + content.len(),
            }
    }
}

/// How many of these are within the bytes: at least one, so that it goes on.
fn fitting(items: &[(Group, Handle, Item<'_>)], bytes_max: usize) -> usize {
    let mut bytes = 64;
    let within = items.iter().take_while(|(_, _, item)| {
        bytes += item.bytes_max();
        bytes <= bytes_max
    });
    within.count().max(1).min(items.len())
}

/// The frame of a report of these, which are sorted by group, rows first and by handle.
fn put(head: &Head, items: &[(Group, Handle, Item<'_>)]) -> Vec<u8> {
    let mut frame = Vec::new();
    let groups = || items.chunk_by(|(one, ..), (other, ..)| one == other);
    let mut report = ReportWriter::begin(head, groups().count(), &mut frame);
    for items in groups() {
        let Some((Group { epoch, zone }, ..)) = items.first() else { continue };
        let rows = || {
            items.iter().filter_map(
                |(_, handle, item)| if let Item::Row(row) = item { Some((*handle, *row)) } else { None },
            )
        };
        let handles: Vec<Handle> = rows().map(|(handle, _)| handle).collect();
        let mut group = report.group(*epoch, *zone, handles.into_iter());
        for (_, row) in rows() {
            let Row { position_m, rotation, velocity_m_s, .. } = *row;
            let variables = variables(&row.variables);
            group.row(&ExactRow { position_m, rotation, velocity_m_s, variables: variables.as_deref() });
        }
        let (mut receipts, mut used, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for (_, handle, item) in items {
            match item {
                Item::Row(_) => {}
                Item::Used(number) => used.push(Used { character: *handle, number: *number }),
                Item::Receipt(receipt) => receipts.push(receipt.wire()),
                Item::Event(kind, content) => events.push(Event { source: *handle, kind: *kind, content }),
            }
        }
        group.end(&receipts, &used, &events);
    }
    report.end();
    frame
}

/// Entries, exact.
fn variables(values: &BTreeMap<u32, Option<Value>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for (number, value) in values {
        match value {
            Some(value) => put_value(*number, value, None, &mut bytes),
            None => put_cleared(*number, &mut bytes),
        }
    }
    (!values.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests;
