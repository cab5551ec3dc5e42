//! All sessions of the hub: which connection has each, and which of its resume tokens were used. The cores of the gateway share it,
//! because a session may come back on any of them; it is asked when one begins, ends, or gets its next token, never for a message.

use std::{collections::VecDeque, sync::Arc};

use entitygraph_schema::wire::{Role, control::message::Code};
use hashbrown::HashMap;

use super::{
    Refusal,
    jwt::Bearer,
    session::{Act, Event, State, after},
    token::{ShardKey, Token},
};
use crate::message::Connection;

/// How long a login counts after its end, so that a peer can bring the next one (protocol.md, "A session").
pub const GRACE_US: u64 = 30_000_000;

#[derive(Debug)]
struct Session {
    state: State,
    /// When it came into its state.
    since_us: u64,
    subject: Arc<str>,
    role: Role,
    /// That it has, or had last.
    connection: Connection,
    /// Of the last token that was given out.
    given: u64,
    /// The highest generation that was used.
    used: u64,
    until_us: Option<u64>,
    /// The last report that was taken; servers.
    batch: u64,
}

/// A session that has a connection now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its number.
    pub number: u64,
    /// Account or server.
    pub subject: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// When the login ends, in microseconds of the shard clock.
    pub until_us: Option<u64>,
    /// The next resume token.
    pub token: Vec<u8>,
    /// The last report that was taken; servers.
    pub batch: u64,
    /// It went on: the connection that it had before.
    pub resumed: Option<Connection>,
    /// Connections that are to be closed (`SESSION_REPLACED`).
    pub replaced: Option<Connection>,
    /// The connection of a session that ended with this: what was kept for it is given back.
    pub gone: Option<Connection>,
}

/// The sessions.
#[derive(Debug)]
pub struct Sessions {
    key: ShardKey,
    /// Of this start of the hub; the first session has the next number. A later start begins at a later time, and no start gives a
    /// million sessions a second, so no number is given twice.
    incarnation: u64,
    last: u64,
    resume_us: u64,
    sessions_max: usize,
    table: HashMap<u64, Session>,
    /// The one session of each player.
    players: HashMap<Arc<str>, u64>,
    /// Sessions that are detached or gone, with the time since when: those of longest ago first.
    ends: VecDeque<(u64, u64)>,
    live: usize,
}

impl Sessions {
    /// None yet.
    pub fn new(key: ShardKey, incarnation: u64, resume_us: u64, sessions_max: usize) -> Self {
        let (table, players, ends) = Default::default();
        Self { key, incarnation, last: incarnation, resume_us, sessions_max, table, players, ends, live: 0 }
    }

    /// How many are live, and how many detached or remembered.
    pub fn counts(&self) -> (usize, usize) {
        (self.live, self.table.len() - self.live)
    }

    /// Begins a session on a connection.
    ///
    /// # Errors
    /// `BUSY` when there are as many as may be.
    pub fn login(
        &mut self,
        now_us: u64,
        bearer: Bearer,
        connection: Connection,
        gone: &mut Vec<Connection>,
    ) -> Result<Begun, Refusal> {
        self.make_room(gone)?;
        self.last += 1;
        Ok(self.begin(now_us, self.last, 0, bearer, connection))
    }

    /// Goes on with the session of a token that the shard's key signed. `incarnation` is the one that the peer has things bound of.
    ///
    /// # Errors
    /// `SESSION_GONE` for one that ended or a token that ran out, `RESUME_USED` for a token that is not above all used ones.
    pub fn resume(
        &mut self,
        now_us: u64,
        token: Token,
        incarnation: u64,
        connection: Connection,
        gone: &mut Vec<Connection>,
    ) -> Result<Begun, Refusal> {
        let refused = |code, reason: &str| Err(Refusal::new(code, reason));
        let ended = "the session has ended: log in again";
        if token.expires_us <= now_us {
            return refused(Code::SessionGone, "the resume token ran out: log in again");
        }
        let (number, generation) = (token.session, token.generation);
        let bearer = Bearer { subject: token.subject, role: token.role, until_us: token.until_us };
        let Some(session) = self.table.get_mut(&number) else {
            // Of this start the hub knows all that did not end long ago.
            if number > self.incarnation {
                return refused(Code::SessionGone, ended);
            }
            self.make_room(gone)?;
            return Ok(self.begin(now_us, number, generation, bearer, connection));
        };
        if generation <= session.used {
            return refused(Code::ResumeUsed, "this resume token was used, or a newer one was: log in again");
        }
        let (state, act) = after(session.state, Event::Resume);
        if matches!(act, Act::Refuse) {
            return refused(Code::SessionGone, ended);
        }
        let before = std::mem::replace(&mut session.connection, connection);
        if session.state != State::Live {
            self.live += 1;
        }
        (session.state, session.since_us, session.used) = (state, now_us, generation);
        session.given = session.given.max(generation) + 1;
        // What is bound of another start of the hub is void.
        let same = incarnation == self.incarnation;
        Ok(Begun {
            number,
            subject: session.subject.clone(),
            role: session.role,
            until_us: session.until_us,
            token: signed(&self.key, number, session, now_us, self.resume_us),
            batch: if same { session.batch } else { 0 },
            resumed: same.then_some(before),
            replaced: matches!(act, Act::Replace).then_some(before),
            gone: (!same).then_some(before),
        })
    }

    fn begin(
        &mut self,
        now_us: u64,
        number: u64,
        used: u64,
        bearer: Bearer,
        connection: Connection,
    ) -> Begun {
        let Bearer { subject, role, until_us } = bearer;
        let subject: Arc<str> = subject.into();
        let (state, _) = after(State::Unknown, Event::Login);
        let given = used + 1;
        let session = Session {
            state,
            since_us: now_us,
            subject: subject.clone(),
            role,
            connection,
            given,
            used,
            until_us,
            batch: 0,
        };
        let token = signed(&self.key, number, &session, now_us, self.resume_us);
        self.table.insert(number, session);
        self.live += 1;
        let mut begun = Begun {
            number,
            subject: subject.clone(),
            role,
            until_us,
            token,
            batch: 0,
            resumed: None,
            replaced: None,
            gone: None,
        };
        if role == Role::Player
            && let Some(before) = self.players.insert(subject, number)
            && let (act, Some(old)) = self.happens(now_us, before, Event::Supplanted)
        {
            begun.replaced = matches!(act, Act::End).then_some(old);
            begun.gone = matches!(act, Act::End | Act::Forget).then_some(old);
        }
        begun
    }

    /// The connection of a session ended; says what is to be done, nothing if the session has another one by now.
    pub fn ended(
        &mut self,
        now_us: u64,
        number: u64,
        connection: Connection,
        event: Event,
        batch: u64,
    ) -> Act {
        match self.table.get_mut(&number) {
            Some(session) if session.connection == connection => {
                session.batch = batch;
                self.happens(now_us, number, event).0
            }
            _ => Act::Nothing,
        }
    }

    /// The next token of a session, if the connection has it.
    pub fn renewed(&mut self, now_us: u64, number: u64, connection: Connection) -> Option<Vec<u8>> {
        let session = self.table.get_mut(&number)?;
        if session.connection != connection || session.state != State::Live {
            return None;
        }
        session.given += 1;
        Some(signed(&self.key, number, session, now_us, self.resume_us))
    }

    /// A session's peer brought a new login.
    pub fn authenticated(&mut self, number: u64, connection: Connection, until_us: Option<u64>) {
        if let Some(session) = self.table.get_mut(&number).filter(|session| session.connection == connection)
        {
            session.until_us = until_us;
        }
    }

    /// Ends what was detached too long; gives their last connections.
    pub fn second(&mut self, now_us: u64, gone: &mut Vec<Connection>) {
        while let Some(&(since_us, number)) = self.ends.front()
            && since_us + self.resume_us <= now_us
        {
            self.ends.pop_front();
            self.expire(since_us, number, gone);
        }
    }

    /// Ends one that was detached, forgets one that was gone.
    fn expire(&mut self, since_us: u64, number: u64, gone: &mut Vec<Connection>) {
        // It may have come back meanwhile, and gone again: then it stands in the list once more.
        let Some(session) = self.table.get(&number).filter(|session| session.since_us == since_us) else {
            return;
        };
        if after(session.state, Event::Expired).1 == Act::Forget {
            gone.push(session.connection);
        }
        // Its tokens ran out with it: nothing more needs to be known of it.
        if session.state != State::Live {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(session) = self.table.remove(&number)
            && self.players.get(&session.subject) == Some(&number)
        {
            self.players.remove(&session.subject);
        }
    }

    /// Makes room for another session: the one that is detached or gone for longest goes.
    fn make_room(&mut self, gone: &mut Vec<Connection>) -> Result<(), Refusal> {
        while self.table.len() >= self.sessions_max {
            let Some((since_us, number)) = self.ends.pop_front() else {
                return Err(Refusal::new(Code::Busy, "no room for another session"));
            };
            self.expire(since_us, number, gone);
        }
        Ok(())
    }

    fn happens(&mut self, now_us: u64, number: u64, event: Event) -> (Act, Option<Connection>) {
        let Some(session) = self.table.get_mut(&number) else { return (Act::Nothing, None) };
        let connection = session.connection;
        let (state, act) = after(session.state, event);
        if state != session.state {
            self.live -= usize::from(session.state == State::Live);
            (session.state, session.since_us) = (state, now_us);
            self.ends.push_back((now_us, number));
            // Those that came back meanwhile stand here for nothing.
            if self.ends.len() > 2 * self.sessions_max {
                let still = |(since_us, number): &(u64, u64)| {
                    self.table.get(number).is_some_and(|session| session.since_us == *since_us)
                };
                self.ends.retain(still);
            }
        }
        (act, Some(connection))
    }
}

/// The token of the generation that was given last: it runs out after `resume_us`, and with the login.
fn signed(key: &ShardKey, number: u64, session: &Session, now_us: u64, resume_us: u64) -> Vec<u8> {
    let login_us = session.until_us.map_or(u64::MAX, |until_us| until_us.saturating_add(GRACE_US));
    Token {
        session: number,
        generation: session.given,
        subject: session.subject.as_ref().to_owned(),
        role: session.role,
        expires_us: now_us.saturating_add(resume_us).min(login_us),
        until_us: session.until_us,
    }
    .signed(key)
}

#[cfg(test)]
mod tests;
