//! Sessions, as the replicant sees them: who joined, whose socket is gone, who goes on in another connection, who is gone.

use entitygraph_schema::{
    EntityId,
    wire::{
        Role,
        control::{
            Message,
            message::{self, Code},
        },
    },
};

use super::{
    Replicant,
    batch::notice,
    hot::{Hot, ROOT},
    observer::Observer,
    out::Out,
};
use crate::{
    machine::Now,
    message::{Connection, Up},
};

impl Replicant {
    /// What came of a session that is no frame.
    pub(super) fn session(&mut self, now: Now, up: Up, out: &mut Out) {
        match up {
            Up::Joined { connection, session, role, subject } => {
                self.joined(now, connection, Observer::new(connection, session, role, subject));
            }
            Up::Detached(connection) => {
                self.detached(connection);
                self.owners_changed(now);
            }
            Up::Resumed { old, new, seen, horizon_moment, batch } => {
                // Where the old socket was not known to be lost, what was on it is lost all the same.
                if self.by_connection(old).is_some_and(|who| !who.detached) {
                    self.detached(old);
                    self.owners_changed(now);
                }
                self.resumed(now, old, new, seen, horizon_moment, out);
                if let Some(who) = self.by_connection(new) {
                    who.report = batch;
                }
            }
            Up::Gone(connection) => {
                self.gone(connection);
                self.owners_changed(now);
            }
            Up::Full(connection) => {
                if let Some(who) = self.by_connection(connection) {
                    who.full = true;
                }
            }
            Up::Takes(connection) => {
                if let Some(who) = self.by_connection(connection) {
                    who.full = false;
                    self.open(now);
                    self.by_connection.get(&connection).copied().into_iter().for_each(|who| self.due(who));
                }
            }
            Up::Frame { .. } => {}
        }
    }

    fn joined(&mut self, now: Now, connection: Connection, who: Observer) {
        let player = (who.role == Role::Player).then(|| who.subject.clone());
        let session = who.session;
        let observer = match self.free.pop() {
            Some(observer) => {
                self.observers[observer as usize] = Some(who);
                observer
            }
            None => {
                self.observers.push(Some(who));
                self.observers.len() as u32 - 1
            }
        };
        self.by_connection.insert(connection, observer);
        self.sessions.insert(session, observer);
        if let Some(subject) = player {
            self.players.insert(subject, observer);
        }
        self.sweep_us.get_or_insert(now.shard_us + self.config.horizon_ms * 1_000);
    }

    /// The socket is gone: what is bound stays bound, what it owned is nobody's.
    pub(super) fn detached(&mut self, connection: Connection) {
        let Some(&observer) = self.by_connection.get(&connection) else { return };
        if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
            who.detached = true;
            who.grants.clear();
            who.actions.detach();
            who.hands.detach();
            who.fresh = Default::default();
        }
        self.post.lost(connection);
        let lost = !self.table.lost(observer).is_empty();
        self.orphans |= lost;
        if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
            who.orphaned |= lost;
        }
    }

    fn resumed(
        &mut self,
        now: Now,
        old: Connection,
        new: Connection,
        seen: u64,
        horizon: u64,
        out: &mut Out,
    ) {
        let Some(observer) = self.by_connection.remove(&old) else {
            return out.close(
                new,
                Code::SessionGone,
                "this session is not known any more: log in again".into(),
            );
        };
        self.by_connection.insert(new, observer);
        self.post.resumed(old, new);
        let moment = self.open(now);
        let ready_by_us = now.shard_us + u64::from(super::LOAD_MS) * 1_000;
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        (who.connection, who.detached, who.full) = (new, false, false);
        who.kept.seen(seen);
        who.kept.repeat();
        // What is active is told again since then, all of it: cells need not tell it any more.
        who.owed = Some(who.owed.unwrap_or(horizon).min(horizon));
        let told = [moment.saturating_sub(1); 3];
        who.follows.iter_mut().for_each(|follow| follow.told = told);
        who.own.iter_mut().for_each(|own| own.told = told);
        who.batches.values_mut().for_each(|batch| batch.ready_by_us = ready_by_us);
        who.horizon_owed = true;
        // What it owned before it follows now, as far as it asked for it.
        self.look_around(observer, moment);
    }

    /// The session is over.
    pub(super) fn gone(&mut self, connection: Connection) {
        let Some(observer) = self.by_connection.remove(&connection) else { return };
        let Some(who) = self.observers.get_mut(observer as usize).and_then(Option::take) else { return };
        let audience = who.audience() as usize;
        for follow in &who.follows {
            let cell = self.cells.slot_mut(follow.slot);
            cell.followers[audience].retain(|follower| *follower != observer);
        }
        if let Some(character) = who.character
            && self.hot.observer[character] == Some(observer)
        {
            self.hot.observer[character] = None;
        }
        if self.players.get(&who.subject) == Some(&observer) {
            self.players.remove(&who.subject);
        }
        if self.sessions.get(&who.session) == Some(&observer) {
            self.sessions.remove(&who.session);
        }
        self.post.lost(connection);
        self.orphans |= !self.table.lost(observer).is_empty();
        self.unwatched(observer);
        self.due.retain(|due| *due != observer);
        self.free.push(observer);
        if self.by_connection.is_empty() {
            self.sweep_us = None;
        }
    }

    /// A player takes a character that its subject owns.
    pub(super) fn enter(&mut self, observer: u32, character: u64, out: &mut Out) {
        let found = EntityId::new(character).and_then(|id| self.hot.by_id(id));
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let owned = found.filter(|index| {
            let owner = self.hot.loaded(*index).and_then(|entity| entity.owner.as_ref());
            owner.is_some_and(|owner| owner.as_str() == who.subject)
        });
        let Some(index) = owned.filter(|index| who.character.is_none() && *index != ROOT) else {
            let reason = format!("{} may not take entity {character}, or has a character", who.subject);
            return self.close(observer, Code::Forbidden, reason, out);
        };
        who.character = Some(index);
        // A new login of the same player ends the old one.
        let before = self.hot.observer[index].replace(observer);
        if let Some(before) = before {
            self.close(before, Code::SessionReplaced, "the character was taken by a new login".into(), out);
        }
        if let (Some(root), Some(Some(who))) = (Hot::handle(ROOT), self.observers.get_mut(observer as usize))
        {
            who.want(root);
        }
        self.look_around(observer, self.open.unwrap_or(self.ended + 1));
    }

    /// A peer says how far load frames came.
    pub(super) fn seen(&mut self, observer: u32, seq: u64, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        if seq > who.last_seq {
            let reason = format!("load frame {seq} was not sent, the last one is {}", who.last_seq);
            return self.close(observer, Code::BadFrame, reason, out);
        }
        who.kept.seen(seq);
        if who.has_load(self.config.batches_max(who.role)) {
            self.due(observer);
        }
    }

    /// Ends a connection. A session whose client made a mistake may be resumed, any other is over.
    pub(super) fn close(&mut self, observer: u32, code: Code, reason: String, out: &mut Out) {
        let Some(Some(who)) = self.observers.get(observer as usize) else { return };
        let connection = who.connection;
        out.close(connection, code, reason);
        match code {
            Code::BadFrame | Code::TooLarge => self.detached(connection),
            _ => self.gone(connection),
        }
    }

    /// Tells a peer that something of it is not done.
    pub(super) fn tell(&mut self, observer: u32, notice: &message::Notice) {
        if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
            who.notice(notice);
            self.due(observer);
        }
    }

    /// A server asks for a post.
    pub(super) fn register(&mut self, now: Now, observer: u32) {
        let Some(Some(who)) = self.observers.get(observer as usize) else { return };
        let Some(world) = self.hot.loaded(ROOT).map(|world| world.id) else { return };
        match self.post.register(who.connection, world) {
            Ok(None) => {}
            Ok(Some(authority)) => self.authority(now, authority),
            Err(_) => {
                let kind = message::Register::KIND;
                self.tell(observer, &notice(Code::PostTaken, "another server has the post", kind, 0));
            }
        }
    }
}
