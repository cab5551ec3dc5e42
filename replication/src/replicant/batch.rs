//! Spawn batches: first snapshot, Ready, second snapshot, and the end of what is bound.

use bytes::Bytes;
use entitygraph_schema::{
    codec,
    wire::{
        Handle, Kind,
        control::{
            self, Message,
            message::{self, Code, member, unbind::Why},
        },
        number::put_handles,
    },
};

use super::{
    Replicant,
    hot::{Hot, Index, ROOT},
    observer::{Batch, Bound, Observer, Own},
    out::Out,
    table::Table,
};
use crate::catalog::Sight;

/// Bytes of entities after which a batch is cut.
const BATCH_BYTES: usize = 48 << 10;

/// Bytes after which a unit is cut that is larger.
const UNIT_BYTES: usize = 192 << 10;

/// Entities in one part of what is told again.
const CATCH_UP_ENTITIES: usize = 1_000;

/// Load order of the zone, and of all that is in it: it comes from containers once there are some.
const GROUND: u32 = 0;
const OTHERS: u32 = 3;

/// The frame of a message.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let mut bytes = Vec::new();
    control::put(message, &mut bytes);
    bytes.into()
}

/// Handles in their form, ascending.
fn packed(handles: &mut Vec<Handle>) -> Vec<u8> {
    handles.sort_unstable();
    handles.dedup();
    let mut bytes = Vec::new();
    put_handles(handles.iter().copied(), &mut bytes);
    bytes
}

impl Replicant {
    /// Puts the load frames into the observer's message: ends first, then what becomes active, then what is bound.
    pub(super) fn load(&mut self, observer: u32, moment: u64, now_us: u64, out: &mut Out) {
        self.unbind(observer, Why::Far, out);
        self.activate(observer, moment, out);
        while self.bind(observer, moment, now_us, out) && out.length() < BATCH_BYTES {}
    }

    fn unbind(&mut self, observer: u32, why: Why, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        if who.unwanted.is_empty() {
            return;
        }
        let mut handles = std::mem::take(&mut who.unwanted);
        let bytes = packed(&mut handles);
        let seq = who.seq();
        let unbind = message::Unbind { seq, count: handles.len() as u32, handles: bytes, why: why.into() };
        who.put(seq, frame(&unbind), out);
    }

    /// Binds the next batch; says whether there may be another one.
    fn bind(&mut self, observer: u32, moment: u64, now_us: u64, out: &mut Out) -> bool {
        let mut members = Vec::new();
        let mut handles = Vec::new();
        let mut bytes = 0;
        loop {
            let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return false };
            if who.batches.len() >= self.config.batches_max(who.role) || !who.kept.has_room() {
                break;
            }
            let Some(&next) = who.wanted.front() else { break };
            let unit = self.hot.index(next).map_or(0..0, |index| self.hot.unit(index));
            let goes_on = handles.last().and_then(|last| self.hot.index(*last));
            let goes_on = goes_on.is_some_and(|last| unit.contains(&last));
            // A unit is cut only where it is larger than a batch.
            let full = bytes >= BATCH_BYTES || handles.len() + unit.len() > self.config.batch_entities_max;
            let over = bytes >= UNIT_BYTES || handles.len() >= self.config.batch_entities_max;
            if over || (full && !goes_on && !handles.is_empty()) {
                break;
            }
            let Some(handle) = who.wanted.pop_front() else { break };
            let batch = who.last_batch + 1;
            let single = if self.wants(observer, handle) { self.single(observer, handle) } else { None };
            let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return false };
            let Some(single) = single else {
                who.bound.remove(&handle);
                continue;
            };
            who.bound.insert(handle, Bound::Loading(batch));
            bytes += single.entity.len() + 16;
            handles.push(handle);
            members.push(message::Member { member: Some(member::Member::Single(single)) });
        }
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return false };
        if members.is_empty() {
            return false;
        }
        who.last_batch += 1;
        let (seq, batch) = (who.seq(), who.last_batch);
        let ready_by_us = now_us + u64::from(super::LOAD_MS) * 1_000;
        let left = handles.len();
        who.batches.insert(batch, Batch { moment, ready_by_us, ready: false, handles, left });
        who.put(seq, frame(&message::Bind { seq, batch, moment, members, rest: false }), out);
        true
    }

    /// Makes active what is Ready: what changed after the first snapshot, exact, up to the end of this moment.
    fn activate(&mut self, observer: u32, moment: u64, out: &mut Out) {
        let Self { observers, hot, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        let mut ready: Vec<u64> =
            who.batches.iter().filter(|(_, batch)| batch.ready).map(|(number, _)| *number).collect();
        ready.sort_unstable();
        for number in ready {
            if !who.kept.has_room() {
                break;
            }
            let Some(batch) = who.batches.remove(&number) else { continue };
            let mut active: Vec<Handle> = batch.handles;
            active.retain(|handle| who.bound.get(handle) == Some(&Bound::Loading(number)));
            who.bound.extend(active.iter().map(|handle| (*handle, Bound::Active)));
            let owned = active.iter().filter_map(|handle| hot.index(*handle));
            let owned = owned.filter(|index| who.sight(hot.owner(*index)) == Sight::Owner);
            let owned: Vec<Own> = owned.map(|index| Own { index, told: [moment; 3] }).collect();
            who.own.extend(owned);
            let changed = rows(hot, who, active.iter().copied(), batch.moment, true);
            let seq = who.seq();
            let activate = message::Activate { seq, batch: number, moment, changed, ..Default::default() };
            let mut bytes = Vec::new();
            control::put(&activate, &mut bytes);
            let character = who.character.and_then(Hot::handle);
            if let Some(handle) = character.filter(|handle| !who.entered && active.contains(handle)) {
                who.entered = true;
                // It is sent again together with what it waited for.
                control::put(&message::Entered { handle: handle.get() }, &mut bytes);
            }
            who.put(seq, bytes.into(), out);
        }
        if !who.grants.is_empty() && who.is_whole() {
            self.grant(observer, moment, out);
        }
        let Some(Some(who)) = self.observers.get(observer as usize) else { return };
        if who.areas.iter().any(|area| !area.told) && who.is_whole() && who.kept.has_room() {
            self.followed(observer, out);
        }
    }

    /// Tells everything active that changed after `told`, exact: for whoever owes more than slices tell. Waits while the peer has
    /// not seen enough load frames.
    pub(super) fn catch_up(&mut self, observer: u32, told: u64, moment: u64, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        if !who.kept.has_room() {
            return who.owes(told);
        }
        self.tell_again(observer, told, moment, out, |_, _, _| true);
    }

    /// Tells what changed after `told` of what is active and meant, exact.
    pub(super) fn tell_again(
        &mut self,
        observer: u32,
        told: u64,
        moment: u64,
        out: &mut Out,
        meant: impl Fn(&Hot, &Table, Index) -> bool,
    ) {
        let Self { observers, hot, table, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        let active =
            who.bound.iter().filter(|(_, bound)| **bound == Bound::Active).map(|(handle, _)| *handle);
        let mut handles: Vec<Handle> = active
            .filter(|handle| {
                hot.index(*handle).is_some_and(|index| {
                    hot.newest(index, who.sight(hot.owner(index))) > told && meant(hot, table, index)
                })
            })
            .collect();
        handles.sort_unstable();
        // A row of a walker is at most 53 bytes and its handle five.
        for part in handles.chunks(CATCH_UP_ENTITIES) {
            let mut part = part.to_vec();
            let changed = rows(hot, who, part.iter().copied(), told, false);
            let (bytes, count) = (packed(&mut part), part.len() as u32);
            let seq = who.seq();
            let activate = message::Activate { seq, batch: 0, moment, changed, handles: bytes, count };
            out.put_own(frame(&activate));
            // A resume tells what changed anyway: what stands for it then is its number alone.
            let stand_in = message::Activate { seq, moment, ..Default::default() };
            who.kept.keep(seq, frame(&stand_in));
        }
    }

    /// What a peer says of a batch.
    pub(super) fn ready(&mut self, observer: u32, ready: &message::Ready) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let Some(batch) = who.batches.get_mut(&ready.batch) else {
            // Whoever resumes says Ready again, and one may come when the batch is given up.
            if ready.batch == 0 || ready.batch > who.last_batch {
                let reason = "this batch was not bound";
                self.tell(observer, &notice(Code::NotSeen, reason, message::Ready::KIND, ready.batch));
            }
            return;
        };
        batch.ready = true;
        if !ready.failed.is_empty() {
            // The policy is "whole": all of it or nothing.
            who.gives_up(ready.batch);
        }
        self.due(observer);
    }

    /// Gives up batches that are not Ready in time.
    pub(super) fn time_out(&mut self, observer: u32, now_us: u64) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let late: Vec<u64> = who
            .batches
            .iter()
            .filter(|(_, batch)| !batch.ready && batch.ready_by_us <= now_us)
            .map(|(number, _)| *number)
            .collect();
        for number in &late {
            who.gives_up(*number);
            who.notice(&notice(Code::BatchTimeout, "not Ready in time", message::Bind::KIND, *number));
        }
        if !late.is_empty() {
            self.due(observer);
        }
    }
}

/// Says that the frame of this kind and number was refused or came to nothing.
pub(super) fn notice(code: Code, reason: impl Into<String>, kind: Kind, number: u64) -> message::Notice {
    let mut reason = reason.into();
    reason.truncate(reason.floor_char_boundary(control::TEXT_BYTES_MAX));
    message::Notice { code: code.into(), reason, kind: kind.number().into(), number, ..Default::default() }
}

impl Observer {
    /// Tells it that something was refused or left out; at most 64 wait, more are left out.
    pub(super) fn notice(&mut self, notice: &message::Notice) {
        if self.control.len() < 64 {
            self.control.push(frame(notice));
        }
    }
}

impl Replicant {
    fn single(&self, observer: u32, handle: Handle) -> Option<message::Single> {
        let (hot, index) = (&self.hot, self.hot.index(handle)?);
        let who = self.observers.get(observer as usize)?.as_ref()?;
        let entity = hot.seen(index, who.sight(hot.owner(index)), &self.catalog)?;
        let parent = hot.parent(index).and_then(Hot::handle).map_or(0, Handle::get);
        let (root, priority) = (hot.root(index), if index == ROOT { GROUND } else { OTHERS });
        Some(message::Single {
            handle: handle.get(),
            entity: codec::encoded(&entity),
            parent,
            root: Hot::handle(root)?.get(),
            priority,
        })
    }
}

/// What an observer sees of the changes of entities after a moment, in exact rows. `with_velocity`: of whoever ever had one.
fn rows(
    hot: &Hot,
    who: &Observer,
    handles: impl Iterator<Item = Handle>,
    moment: u64,
    with_velocity: bool,
) -> Vec<message::ExactRows> {
    let mut handles: Vec<Handle> = handles.collect();
    handles.sort_unstable();
    handles.dedup();
    let (mut told, mut rows, mut variables) = (Vec::new(), Vec::new(), Vec::new());
    handles.retain(|handle| {
        hot.index(*handle).is_some_and(|index| {
            let sight = who.sight(hot.owner(index));
            hot.put_after(index, sight, moment, with_velocity, &mut variables, &mut rows)
        })
    });
    let (Some(zone), false) = (Hot::handle(ROOT), handles.is_empty()) else { return Vec::new() };
    put_handles(handles.iter().copied(), &mut told);
    vec![message::ExactRows { zone: zone.get(), count: handles.len() as u32, handles: told, rows }]
}

impl Observer {
    /// Puts a load frame into the message that is open, and keeps it until the peer says that it saw it.
    pub(super) fn put(&mut self, seq: u64, frame: Bytes, out: &mut Out) {
        self.kept.keep(seq, frame.clone());
        out.put_own(frame);
    }
}
