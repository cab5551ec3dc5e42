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
        exact::ExactRow,
        number::put_handles,
    },
};

use super::{
    Replicant,
    hot::Hot,
    observer::{Batch, Bound, Observer},
    out::Out,
};

/// Bytes of entities after which a batch is cut.
const BATCH_BYTES: usize = 48 << 10;

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
        out.put_own(frame(&unbind));
    }

    /// Binds the next batch; says whether there may be another one.
    fn bind(&mut self, observer: u32, moment: u64, now_us: u64, out: &mut Out) -> bool {
        let mut members = Vec::new();
        let mut handles = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES && handles.len() < self.config.batch_entities_max {
            let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return false };
            if who.batches.len() >= self.config.batches_max(who.role) {
                break;
            }
            let Some(handle) = who.wanted.pop_front() else { break };
            let batch = who.last_batch + 1;
            let single = if self.wants(observer, handle) { single(&self.hot, handle) } else { None };
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
        who.batches.insert(batch, Batch { moment, ready_by_us, ready: false, handles });
        out.put_own(frame(&message::Bind { seq, batch, moment, members, rest: false }));
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
            let Some(batch) = who.batches.remove(&number) else { continue };
            let mut active: Vec<Handle> = batch.handles;
            active.retain(|handle| who.bound.get(handle) == Some(&Bound::Loading(number)));
            who.bound.extend(active.iter().map(|handle| (*handle, Bound::Active)));
            let changed = rows(active.iter().filter_map(|handle| {
                Some((*handle, hot.changed_after_bind(hot.index(*handle)?, batch.moment)?))
            }));
            let seq = who.seq();
            let activate = message::Activate { seq, batch: number, moment, changed, ..Default::default() };
            out.put_own(frame(&activate));
            let character = who.character.and_then(Hot::handle);
            if let Some(handle) = character.filter(|handle| !who.entered && active.contains(handle)) {
                who.entered = true;
                out.put_own(frame(&message::Entered { handle: handle.get() }));
            }
        }
        if who.grant_waits && who.is_whole() {
            self.grant(observer, moment, out);
        }
    }

    /// Tells everything active that changed after `told`, exact: for whoever owes more than slices tell.
    pub(super) fn catch_up(&mut self, observer: u32, told: u64, moment: u64, out: &mut Out) {
        let Self { observers, hot, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        let active =
            who.bound.iter().filter(|(_, bound)| **bound == Bound::Active).map(|(handle, _)| *handle);
        let mut handles: Vec<Handle> = active
            .filter(|handle| hot.index(*handle).is_some_and(|index| hot.changed[index].newest() > told))
            .collect();
        handles.sort_unstable();
        // A row is at most 53 bytes and its handle five: a part stays below a message.
        for part in handles.chunks(1_000) {
            let mut part = part.to_vec();
            let changed = rows(
                part.iter()
                    .filter_map(|handle| Some((*handle, hot.changed_after(hot.index(*handle)?, told)?))),
            );
            let (bytes, count) = (packed(&mut part), part.len() as u32);
            let seq = who.seq();
            let activate = message::Activate { seq, batch: 0, moment, changed, handles: bytes, count };
            out.put_own(frame(&activate));
        }
    }

    /// What a peer says of a batch.
    pub(super) fn ready(&mut self, observer: u32, ready: &message::Ready) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let Some(batch) = who.batches.get_mut(&ready.batch) else {
            let reason = "this batch was not bound, or is active already";
            who.notice(&notice(Code::NotSeen, reason, message::Ready::KIND, ready.batch));
            return self.due(observer);
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

fn single(hot: &Hot, handle: Handle) -> Option<message::Single> {
    let entity = hot.now(handle)?;
    let zone = Hot::zone()?;
    let root = if entity.root { handle } else { zone };
    let (parent, priority) = if handle == zone { (0, GROUND) } else { (zone.get(), OTHERS) };
    Some(message::Single {
        handle: handle.get(),
        entity: codec::encoded(&entity),
        parent,
        root: root.get(),
        priority,
    })
}

/// Exact rows, in the order of handles.
fn rows(changed: impl Iterator<Item = (Handle, ExactRow<'static>)>) -> Vec<message::ExactRows> {
    let mut changed: Vec<_> = changed.collect();
    changed.sort_unstable_by_key(|(handle, _)| *handle);
    changed.dedup_by_key(|(handle, _)| *handle);
    let (Some(zone), false) = (Hot::zone(), changed.is_empty()) else { return Vec::new() };
    let (mut handles, mut bytes) = (Vec::new(), Vec::new());
    put_handles(changed.iter().map(|(handle, _)| *handle), &mut handles);
    changed.iter().for_each(|(_, row)| row.put(&mut bytes));
    vec![message::ExactRows { zone: zone.get(), count: changed.len() as u32, handles, rows: bytes }]
}
