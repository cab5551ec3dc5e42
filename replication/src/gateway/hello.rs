//! Who may come in: versions, logins, resumes, and what they are answered with.

use bytes::Bytes;
use entitygraph_schema::wire::{
    Kind, Role, VERSION,
    control::{
        Control,
        message::{self, Code, hello::Login},
    },
};

use super::{
    Effect, Gateway, Live, Out, Refusal, State, frame,
    jwt::{self, Bearer},
    sessions::Begun,
    token::Token,
};
use crate::{config::Config, machine::Now, message::Connection, message::Up, replicant::LOAD_MS};

/// Milliseconds between two resume tokens of a session.
const TOKEN_MS: u64 = 60_000;

/// What a good Hello asks for.
#[derive(Debug)]
enum Asked {
    New(Bearer),
    /// What the peer has of it, by which incarnation.
    Resumed {
        token: Token,
        incarnation: u64,
        seen: u64,
        horizon_moment: u64,
    },
}

impl Gateway {
    /// Takes the first frame of a connection; says whether the next one may follow.
    pub(super) fn hello(
        &mut self,
        now: Now,
        connection: Connection,
        kind: Kind,
        body: &[u8],
        out: &mut Out,
    ) -> bool {
        let hello = match Control::read(kind, body) {
            Ok(Control::Hello(hello)) => Ok(hello),
            Ok(_) => Err(Refusal::new(Code::BadFrame, format!("{kind} before Hello"))),
            Err(error) => Err(Refusal::new(Code::BadFrame, error.to_string())),
        };
        match hello.and_then(|hello| self.begun(now, connection, hello, out)) {
            Ok(()) => true,
            Err(refusal) => {
                self.close(now, connection, refusal, out);
                false
            }
        }
    }

    fn begun(
        &mut self,
        now: Now,
        connection: Connection,
        hello: message::Hello,
        out: &mut Out,
    ) -> Result<(), Refusal> {
        let asked = self.judged(now, hello)?;
        let Some(peer) = self.peers.get_mut(&connection) else { return Ok(()) };
        let address = peer.address;
        let (mut gone, mut shared) = (Vec::new(), self.shared.lock());
        let (begun, point) = match asked {
            Asked::New(bearer) => {
                (shared.sessions.login(now.shard_us, bearer, connection, &mut gone)?, (0, 0))
            }
            Asked::Resumed { token, incarnation, seen, horizon_moment } => {
                let begun =
                    shared.sessions.resume(now.shard_us, token, incarnation, connection, &mut gone)?;
                (begun, (seen, horizon_moment))
            }
        };
        shared.addresses.waits_no_more(address);
        drop(shared);
        peer.state = State::Session(Live {
            number: begun.number,
            role: begun.role,
            subject: begun.subject.clone(),
            until_us: begun.until_us,
            renew_us: now.shard_us + TOKEN_MS * 1_000,
            batch: begun.batch,
        });
        if begun.role == Role::Server {
            self.servers.push(connection);
        }
        out.push(Effect::Budget(connection, self.config.budget(begun.role, None)));
        out.push(Effect::Send(connection, frame(&self.welcome(now, &begun))));
        out.extend(gone.into_iter().chain(begun.gone).map(|gone| Effect::Up(Up::Gone(gone))));
        let (seen, horizon_moment) = point;
        out.push(Effect::Up(match begun.resumed {
            Some(old) => {
                let batch = begun.batch;
                Up::Resumed { old, new: connection, seen, horizon_moment, batch }
            }
            None => {
                let (session, subject) = (begun.number, begun.subject.as_ref().to_owned());
                Up::Joined { connection, session, role: begun.role, subject }
            }
        }));
        if let Some(replaced) = begun.replaced {
            // On this core nobody else says that it is gone.
            self.peers.remove(&replaced);
            self.servers.retain(|server| *server != replaced);
            let reason = "the session goes on in another connection";
            out.push(Effect::Close(replaced, Refusal::new(Code::SessionReplaced, reason)));
        }
        Ok(())
    }

    fn judged(&self, now: Now, hello: message::Hello) -> Result<Asked, Refusal> {
        let refused = |code, reason: &str| Err(Refusal::new(code, reason));
        if !(hello.version_min..=hello.version_max).contains(&VERSION) {
            let (low, high) = (hello.version_min, hello.version_max);
            let reason = format!("this hub speaks version {VERSION}, you speak {low} to {high}: update");
            return Err(Refusal::new(Code::Version, reason));
        }
        match hello.login {
            Some(Login::Token(token)) => bearer(&token, &self.config, now).map(Asked::New),
            Some(Login::Subject(_)) if !self.config.keys.is_empty() => {
                refused(Code::Unauthenticated, "this hub has keys: bring a token, not a subject")
            }
            Some(Login::Subject(message::Subject { name: subject, role })) => {
                match message::Role::try_from(role).ok().and_then(message::Role::role) {
                    Some(role) if !subject.is_empty() => {
                        Ok(Asked::New(Bearer { subject, role, until_us: None }))
                    }
                    _ => refused(Code::Unauthenticated, "a subject has a name and a role"),
                }
            }
            Some(Login::Resume(token)) => match Token::read(&token, &self.key) {
                Some(token) => Ok(Asked::Resumed {
                    token,
                    incarnation: hello.incarnation,
                    seen: hello.seen,
                    horizon_moment: hello.horizon_moment,
                }),
                None => {
                    refused(Code::SessionGone, "no key of this shard signed the resume token: log in again")
                }
            },
            None => refused(Code::Unauthenticated, "a Hello brings a token, or names a subject"),
        }
    }

    fn welcome(&self, now: Now, begun: &Begun) -> message::Welcome {
        let (role, config) = (begun.role, &self.config);
        let (limits, rate) = (config.limits(role), config.rate(role));
        message::Welcome {
            version: VERSION,
            session: begun.number,
            role: message::Role::from(role).into(),
            incarnation: self.incarnation,
            resume_token: begun.token.clone(),
            resume_ms: config.resume_ms,
            shard: config.shard,
            tick_us: now.tick_us,
            tick: now.tick(),
            shard_clock_us: now.shard_us,
            ping_ms: config.ping_ms(role),
            lease_ms: if role == Role::Server { config.lease_ms } else { 0 },
            bounds: Some(message::Bounds {
                message_bytes: limits.message_bytes as u32,
                body_bytes: limits.body_bytes as u32,
                frames_per_s: rate.frames_per_s,
                bytes_per_s: rate.bytes_per_s,
                actions_waiting: config.room.actions_max(role) as u32,
                batches_waiting: config.room.batches_max(role) as u32,
                load_ms: LOAD_MS,
            }),
            resumed: begun.resumed.is_some(),
            batch: begun.batch,
            ..Default::default()
        }
    }

    /// A peer brings the next token of its login; says whether it may stay.
    pub(super) fn authenticate(
        &mut self,
        now: Now,
        connection: Connection,
        token: &str,
        out: &mut Out,
    ) -> bool {
        let judged = bearer(token, &self.config, now);
        let Some(Live { number, role, subject, until_us, renew_us, .. }) = self.live(connection) else {
            return false;
        };
        let refusal = match judged {
            Ok(bearer) if (bearer.role, bearer.subject.as_str()) == (*role, &**subject) => {
                // The resume token that it has ends with the former login.
                (*until_us, *renew_us) = (bearer.until_us, now.shard_us);
                let number = *number;
                self.shared.lock().sessions.authenticated(number, connection, bearer.until_us);
                return true;
            }
            Ok(_) => Refusal::new(Code::Unauthenticated, "the token is of another subject or role"),
            Err(refusal) => refusal,
        };
        self.close(now, connection, refusal, out);
        false
    }

    /// Gives their next resume token to those whose last one is a minute old.
    pub(super) fn renew(&mut self, now: Now, out: &mut Out) {
        let resume_ms = self.config.resume_ms.into();
        let mut shared = None;
        for (connection, peer) in &mut self.peers {
            let State::Session(live) = &mut peer.state else { continue };
            if live.renew_us > now.shard_us {
                continue;
            }
            live.renew_us = now.shard_us + TOKEN_MS * 1_000;
            let shared = shared.get_or_insert_with(|| self.shared.lock());
            let token = shared.sessions.renewed(now.shard_us, live.number, *connection);
            out.extend(token.map(|resume_token| {
                let token: Bytes = frame(&message::Token { resume_token, expires_in_ms: resume_ms });
                Effect::Send(*connection, token)
            }));
        }
    }
}

/// Who a JWT says comes.
fn bearer(token: &str, config: &Config, now: Now) -> Result<Bearer, Refusal> {
    if config.keys.is_empty() {
        return Err(Refusal::new(Code::Unauthenticated, "no keys are configured: name a subject"));
    }
    jwt::judged(token, &config.keys, config.shard, now.shard_us)
        .map_err(|error| Refusal::new(Code::Unauthenticated, error.to_string()))
}
