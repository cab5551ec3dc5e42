//! Actions (protocol.md, "Actions"): noted when they come, given to whoever owns the target, answered when its receipt is accepted.
//! Each has an effect once: what was given to an owner who is gone is given to the next one, together with nothing that the
//! former one reported of it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use entitygraph_schema::wire::{
    Handle,
    control::message::{self, Code, action_result::Outcome as Told},
    report::{Outcome, Receipt},
};

use super::{
    Replicant,
    batch::frame,
    hot::{Hot, Index},
    observer::Bound,
    out::Out,
};
use crate::machine::Now;

/// Most bytes of the content of an action.
const CONTENT_BYTES_MAX: usize = 4 << 10;

/// Milliseconds that an action waits for an owner, and for an owner's socket to take it.
const OWNER_MS: u64 = 5_000;
const BUSY_MS: u64 = 10_000;

/// Bytes of actions that are given in one message.
const GIVEN_BYTES: usize = 32 << 10;

/// An action without a result.
#[derive(Debug)]
struct Waiting {
    /// As its owner gets it.
    action: message::Action,
    target: Index,
    /// Place among all actions of all sessions.
    order: u64,
    /// Since when it waits to be given, in microseconds of the shard clock.
    since_us: u64,
    /// The observer it is to go to, or went to.
    owner: Option<u32>,
    /// It went there.
    given: bool,
}

/// The actions of a session.
#[derive(Debug, Default)]
pub struct Actions {
    /// Highest number taken.
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The last results, as many as actions may be without one.
    results: VecDeque<(u64, Bytes)>,
    /// Results that go with the next message.
    unsent: VecDeque<u64>,
    /// What this session, a server, is to be given: session and number, in their order.
    due: VecDeque<(u64, u64)>,
}

impl Actions {
    fn result(&mut self, result: &message::ActionResult, max: u64) {
        self.waiting.remove(&result.number);
        self.results.push_back((result.number, frame(result)));
        self.unsent.push_back(result.number);
        if self.results.len() as u64 > max {
            self.results.pop_front();
        }
    }

    /// Whether anything is to be sent.
    pub fn has_some(&self) -> bool {
        !self.unsent.is_empty() || !self.due.is_empty()
    }

    /// Forgets what was to be sent to a socket that is gone: results are asked for again.
    pub fn detach(&mut self) {
        self.unsent.clear();
        self.due.clear();
    }
}

impl Replicant {
    /// Takes an action of a peer.
    pub(super) fn action(&mut self, now: Now, observer: u32, action: message::Action, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let (number, max) = (action.number, self.config.actions_max(who.role));
        let last = who.actions.last;
        if action.session != 0 || action.actor != 0 || action.content.len() > CONTENT_BYTES_MAX {
            let reason =
                format!("action {number} names a session or actor, or has over {CONTENT_BYTES_MAX} bytes");
            return self.close(observer, Code::BadFrame, reason, out);
        }
        if number == 0 || number > last + 1 {
            return self.close(observer, Code::BadFrame, format!("action {number} after {last}"), out);
        }
        if number <= last {
            // Under way, or its result is said again.
            if who.actions.results.iter().any(|(known, _)| *known == number)
                && !who.actions.unsent.contains(&number)
            {
                who.actions.unsent.push_back(number);
                self.due(observer);
            }
            return;
        }
        who.actions.last = number;
        let oldest = who.actions.waiting.keys().next().copied().unwrap_or(number);
        let target = Handle::new(action.target)
            .filter(|handle| who.bound.get(handle) == Some(&Bound::Active))
            .and_then(|handle| self.hot.index(handle));
        let refused = match target {
            _ if number - oldest >= max => Err(Code::TooMany),
            None => Err(Code::NotSeen),
            Some(target) => Ok(target),
        };
        match refused {
            Err(code) => self.refuse(observer, number, code),
            Ok(target) => {
                let actor = who.character.and_then(Hot::handle).map_or(0, Handle::get);
                let action = message::Action { session: who.session, actor, ..action };
                self.actions_taken += 1;
                let (order, since_us) = (self.actions_taken, now.shard_us);
                let waiting = Waiting { action, target, order, since_us, owner: None, given: false };
                who.actions.waiting.insert(number, waiting);
                let owner = self.table.of(self.hot.chain(target)).and_then(|(_, anchor)| anchor.owner);
                self.direct(observer, number, owner);
            }
        }
    }

    fn refuse(&mut self, observer: u32, number: u64, code: Code) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let max = self.config.actions_max(who.role);
        let outcome = Told::Refused.into();
        let result = message::ActionResult { number, outcome, code: code.into(), ..Default::default() };
        who.actions.result(&result, max);
        self.due(observer);
    }

    /// Puts an action behind those that an owner is to be given.
    fn direct(&mut self, observer: u32, number: u64, owner: Option<u32>) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let session = who.session;
        let Some(waiting) = who.actions.waiting.get_mut(&number) else { return };
        (waiting.owner, waiting.given) = (owner, false);
        if let Some(owner) = owner
            && let Some(Some(to)) = self.observers.get_mut(owner as usize)
        {
            to.actions.due.push_back((session, number));
            self.due(owner);
        }
    }

    /// Looks for the owner of each action without a result anew: when what somebody owns has changed.
    pub(super) fn redirect(&mut self, now: Now) {
        let mut moved = Vec::new();
        for (observer, who) in (0..).zip(&mut self.observers) {
            let Some(who) = who else { continue };
            for (number, waiting) in &mut who.actions.waiting {
                let owner =
                    self.table.of(self.hot.chain(waiting.target)).and_then(|(_, anchor)| anchor.owner);
                if owner != waiting.owner {
                    waiting.since_us = now.shard_us;
                    moved.push((waiting.order, observer, *number, owner));
                }
            }
        }
        moved.sort_unstable();
        for (_, observer, number, owner) in moved {
            self.direct(observer, number, owner);
        }
    }

    /// Puts results, and actions that a server is to judge, into the message that is open. Actions on what a server was granted
    /// come behind the `Grant`.
    pub(super) fn give(&mut self, observer: u32, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        while let Some(number) = who.actions.unsent.pop_front() {
            let result = who.actions.results.iter().find(|(known, _)| *known == number);
            result.into_iter().for_each(|(_, frame)| out.put_own(frame.clone()));
        }
        if !who.grants.is_empty() {
            return;
        }
        let (mut due, from) = (std::mem::take(&mut who.actions.due), out.length());
        while out.length() < from + GIVEN_BYTES
            && let Some((session, number)) = due.pop_front()
        {
            let sender =
                self.sessions.get(&session).and_then(|sender| self.observers.get_mut(*sender as usize));
            let Some(Some(sender)) = sender else { continue };
            // It may have gone to somebody else meanwhile, or twice to the same.
            if let Some(waiting) = sender.actions.waiting.get_mut(&number)
                && waiting.owner == Some(observer)
                && !waiting.given
            {
                waiting.given = true;
                out.put_own(frame(&waiting.action));
            }
        }
        if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
            due.append(&mut who.actions.due);
            who.actions.due = due;
        }
    }

    /// Takes the receipt of an owner, which holds what it is about. Says whether there is such an action of its.
    pub(super) fn receipt(&mut self, observer: u32, receipt: &Receipt<'_>, tick: u64) -> bool {
        let Some(&sender) = self.sessions.get(&receipt.session) else { return true };
        let Some(Some(who)) = self.observers.get_mut(sender as usize) else { return true };
        let max = self.config.actions_max(who.role);
        let Some(waiting) = who.actions.waiting.get(&receipt.action) else {
            // Said again by an owner that was given it again.
            return receipt.action <= who.actions.last;
        };
        let is_its = waiting.given && waiting.owner == Some(observer);
        if !is_its || Hot::handle(waiting.target) != Some(receipt.target) {
            return false;
        }
        let outcome = match receipt.outcome {
            Outcome::Done => Told::Done,
            Outcome::Refused => Told::Refused,
        };
        let (number, answer) = (receipt.action, receipt.answer.to_vec());
        let result = message::ActionResult { number, outcome: outcome.into(), answer, tick, code: 0 };
        who.actions.result(&result, max);
        self.due(sender);
        true
    }

    /// Answers what waited too long to be given.
    pub(super) fn time_out_actions(&mut self, now: Now) {
        let mut late = Vec::new();
        for (observer, who) in (0..).zip(&self.observers) {
            let Some(who) = who else { continue };
            for (number, waiting) in who.actions.waiting.iter().filter(|(_, waiting)| !waiting.given) {
                let (limit_ms, code) = match waiting.owner {
                    None => (OWNER_MS, Code::NoOwner),
                    Some(_) => (BUSY_MS, Code::Busy),
                };
                if now.shard_us.saturating_sub(waiting.since_us) >= limit_ms * 1_000 {
                    late.push((observer, *number, code));
                }
            }
        }
        if !late.is_empty() {
            self.open(now);
        }
        late.into_iter().for_each(|(observer, number, code)| self.refuse(observer, number, code));
    }
}
