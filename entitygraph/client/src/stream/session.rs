//! A session over the connections that come and go (protocol.md, "A session"): a state machine that opens no socket, reads no
//! clock and draws no random number but from a seed. Its owner does the effects and says when the deadline has come.
//! `typescript/src/session.ts` is the same in the same order.

mod again;
mod event;

use entitygraph_schema::wire::{
    Role, VERSION,
    control::message::{self, Code},
};

use self::again::elsewhere;
pub use self::event::{Begun, Effect, Event, Login, Options, Point, State};
use super::{
    clock::ShardClock,
    frame,
    refusal::{StreamError, Why},
};

/// A socket has to open, and a Hello to be answered, in this time.
const ANSWER_MS: u64 = 10_000;
/// A connection that held for so long begins anew with short waits.
const STABLE_MS: u64 = 10_000;
const SEEN_MS: u64 = 4_000;
/// A tick that comes so late was held up with all else: silence is counted from then.
const LATE_MS: u64 = 1_000;
/// Silence of a hub that says nothing of leases.
const SILENCE_MS: u64 = 45_000;
/// A server sends a Ping so often, others as often as Welcome says.
const SERVER_PING_MS: u64 = 250;
const PING_MS: u64 = 20_000;

/// When what is to be done next, in microseconds.
#[derive(Debug, Default)]
struct Due {
    answer: Option<u64>,
    retry: Option<u64>,
    ping: Option<u64>,
    seen: Option<u64>,
    silence: Option<u64>,
    goodbye: Option<u64>,
}

/// The machine. Times are microseconds of any monotonic clock of its owner's.
#[derive(Debug)]
pub struct Session {
    state: State,
    options: Options,
    welcome: Option<message::Welcome>,
    clock: ShardClock,
    /// What the peer has; its owner keeps it up to date.
    pub point: Point,
    login: Option<Login>,
    needs_login: bool,
    logged_in_anew: bool,
    token: Option<Vec<u8>>,
    url: String,
    attempts: u32,
    refused: Option<StreamError>,
    greeted_at_us: u64,
    lost_at_us: Option<u64>,
    heard_at_us: u64,
    /// When the newest question that was answered had been sent.
    answered_us: Option<u64>,
    seen_sent: u64,
    used_token: bool,
    random: fastrand::Rng,
    due: Due,
}

impl Session {
    /// One that was not started.
    pub fn new(options: Options) -> Self {
        Self {
            state: State::Idle,
            url: options.url.clone(),
            random: fastrand::Rng::with_seed(options.seed),
            options,
            welcome: None,
            clock: ShardClock::default(),
            point: Point::default(),
            login: None,
            needs_login: false,
            logged_in_anew: false,
            token: None,
            attempts: 0,
            refused: None,
            greeted_at_us: 0,
            lost_at_us: None,
            heard_at_us: 0,
            answered_us: None,
            seen_sent: 0,
            used_token: false,
            due: Due::default(),
        }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The last Welcome, while and after a session was open.
    pub fn welcome(&self) -> Option<&message::Welcome> {
        self.welcome.as_ref()
    }

    /// The shard clock.
    pub fn clock(&mut self) -> &mut ShardClock {
        &mut self.clock
    }

    /// When `Tick` is to come.
    pub fn deadline_us(&self) -> Option<u64> {
        let Due { answer, retry, ping, seen, silence, goodbye } = self.due;
        [answer, retry, ping, seen, silence, goodbye].into_iter().flatten().min()
    }

    /// When the newest question had been sent that was answered, Hello or Ping: a lease counts from there.
    pub fn answered_us(&self) -> Option<u64> {
        self.answered_us
    }

    /// Takes an event; what is to be done is appended. What has no meaning in its state does nothing.
    pub fn handle(&mut self, now_us: u64, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Start => self.start(out),
            Event::LoggedIn(login) => self.logged_in(now_us, login, out),
            Event::LoginFailed(reason) => self.login_failed(reason, out),
            Event::Opened => self.opened(now_us, out),
            Event::Heard => self.heard(now_us),
            Event::Welcome(welcome) => self.welcomed(now_us, welcome, out),
            Event::Refused(refused) => self.refused = Some(StreamError::refused(&refused)),
            Event::Token(token) => self.token = Some(token.resume_token),
            Event::Ping(ping) => self.pinged(&ping, out),
            Event::Pong(pong) => self.ponged(now_us, &pong),
            Event::Goodbye(goodbye) => self.goodbye(now_us, &goodbye),
            Event::Closed(code, reason) => self.closed(now_us, code, &reason, out),
            Event::Broken(error, code) => self.broken(error, code, out),
            Event::Stop => self.stop(out),
            Event::Tick => self.tick(now_us, out),
        }
    }

    fn start(&mut self, out: &mut Vec<Effect>) {
        if self.state == State::Idle {
            self.state = State::Login;
            out.push(Effect::Login);
        }
    }

    fn logged_in(&mut self, now_us: u64, login: Login, out: &mut Vec<Effect>) {
        if self.state == State::Login {
            (self.login, self.needs_login) = (Some(login), false);
            self.connect(now_us, out);
        }
    }

    fn login_failed(&mut self, reason: String, out: &mut Vec<Effect>) {
        if self.state == State::Login {
            self.end(Some(StreamError::new(Why::Login, reason)), out);
        }
    }

    fn opened(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        if self.state != State::Connecting {
            return;
        }
        self.state = State::Greeting;
        self.greeted_at_us = now_us;
        self.used_token = self.token.is_some();
        out.push(Effect::Send(frame(&self.hello())));
    }

    fn hello(&self) -> message::Hello {
        let Point { seen, horizon, catalog_hash } = self.point;
        let hello = message::Hello {
            version_min: VERSION,
            version_max: VERSION,
            software: self.options.software.clone(),
            catalog_hash: catalog_hash.map(|hash| hash.to_vec()).unwrap_or_default(),
            ..Default::default()
        };
        if let Some(token) = &self.token {
            let incarnation = self.welcome.as_ref().map_or(0, |welcome| welcome.incarnation);
            let login = Some(message::hello::Login::Resume(token.clone()));
            return message::Hello { login, seen, horizon_moment: horizon, incarnation, ..hello };
        }
        let login = self.login.as_ref().map(|login| match login {
            Login::Token(token) => message::hello::Login::Token(token.clone()),
            Login::Subject(name) => {
                let role = message::Role::from(self.options.role).into();
                message::hello::Login::Subject(message::Subject { name: name.clone(), role })
            }
        });
        message::Hello { login, ..hello }
    }

    fn heard(&mut self, now_us: u64) {
        self.heard_at_us = now_us;
        if self.state == State::Open {
            self.due.silence = after(now_us, self.silence_ms());
        }
    }

    fn welcomed(&mut self, now_us: u64, welcome: message::Welcome, out: &mut Vec<Effect>) {
        if self.state != State::Greeting {
            return;
        }
        if welcome.version != VERSION || welcome.role() != self.options.role.into() {
            let (version, role) = (welcome.version, welcome.role().as_str_name());
            let reason =
                format!("the hub answered with version {version} and {role}, which were not asked for");
            return self.broken(StreamError::new(Why::Code(Code::Version), reason), 4406, out);
        }
        let resumed = self.used_token && welcome.resumed;
        let reset = self.welcome.is_some() && !resumed;
        self.state = State::Open;
        // A hub that gives no token cannot go on with a session: the next connection begins with the login.
        self.token = Some(welcome.resume_token.clone()).filter(|token| !token.is_empty());
        self.url.clone_from(&self.options.url);
        (self.lost_at_us, self.logged_in_anew) = (None, false);
        if !resumed {
            self.seen_sent = 0;
            self.point = Point { catalog_hash: self.point.catalog_hash, ..Point::default() };
        }
        self.clock.sample(self.greeted_at_us, now_us, welcome.shard_clock_us);
        self.answered_us = Some(self.greeted_at_us);
        self.welcome = Some(welcome.clone());
        self.due = Due { seen: after(now_us, SEEN_MS), ..Due::default() };
        self.heard(now_us);
        out.push(Effect::Begun(Begun { welcome, resumed, reset }));
        self.ping(now_us, out);
    }

    fn pinged(&mut self, ping: &message::Ping, out: &mut Vec<Effect>) {
        if self.state == State::Open {
            let sender_us = ping.sender_us;
            out.push(Effect::Send(frame(&message::Pong { sender_us, ..Default::default() })));
        }
    }

    fn ponged(&mut self, now_us: u64, pong: &message::Pong) {
        // One that was not asked for on this connection renews nothing.
        if self.state == State::Open && (self.greeted_at_us..=now_us).contains(&pong.sender_us) {
            self.answered_us = self.answered_us.max(Some(pong.sender_us));
            self.clock.sample(pong.sender_us, now_us, pong.shard_clock_us);
        }
    }

    /// The hub will close the connection: it goes on at the address, if that is one.
    fn goodbye(&mut self, now_us: u64, goodbye: &message::Goodbye) {
        if self.state == State::Open {
            self.refused = Some(StreamError::new(Why::Code(Code::Draining), "the hub said Goodbye"));
            self.url = elsewhere(&self.options.url, &goodbye.address);
            self.due.goodbye = after(now_us, goodbye.within_ms.into());
        }
    }

    fn closed(&mut self, now_us: u64, code: u16, reason: &str, out: &mut Vec<Effect>) {
        if matches!(self.state, State::Connecting | State::Greeting | State::Open) {
            let told = self.refused.take();
            let error = told.unwrap_or_else(|| StreamError::closed(code, reason, self.state == State::Open));
            self.after(now_us, error, out);
        }
    }

    fn broken(&mut self, error: StreamError, code: u16, out: &mut Vec<Effect>) {
        if self.state != State::Ended {
            out.push(Effect::Close(code));
            self.end(Some(error), out);
        }
    }

    fn stop(&mut self, out: &mut Vec<Effect>) {
        if self.state == State::Ended {
            return;
        }
        if self.state == State::Open {
            out.push(Effect::Send(frame(&message::Goodbye::default())));
        }
        if matches!(self.state, State::Connecting | State::Greeting | State::Open) {
            out.push(Effect::Close(1000));
        }
        self.end(None, out);
    }

    fn tick(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        let late = self.deadline_us().is_some_and(|at| now_us.saturating_sub(at) > LATE_MS * 1_000);
        let is_due = |at: Option<u64>| at.is_some_and(|at| at <= now_us);
        if is_due(self.due.retry) {
            return self.again(now_us, out);
        }
        if is_due(self.due.answer) {
            let reason = format!("no answer from {} in {ANSWER_MS} ms", self.url);
            return self.give(now_us, StreamError::new(Why::Lost, reason), out);
        }
        if is_due(self.due.goodbye) {
            let told = self.refused.take();
            let error = told.unwrap_or_else(|| StreamError::new(Why::Lost, "the hub said Goodbye"));
            return self.give(now_us, error, out);
        }
        if is_due(self.due.silence) {
            if !late {
                let silent_ms = now_us.saturating_sub(self.heard_at_us) / 1_000;
                let reason = format!("nothing was heard for {silent_ms} ms");
                return self.give(now_us, StreamError::new(Why::Code(Code::Timeout), reason), out);
            }
            self.heard(now_us);
        }
        if is_due(self.due.ping) {
            self.ping(now_us, out);
        }
        if is_due(self.due.seen) {
            self.due.seen = after(now_us, SEEN_MS);
            if self.point.seen > self.seen_sent {
                self.seen_sent = self.point.seen;
                out.push(Effect::Send(frame(&message::Seen { seq: self.seen_sent })));
            }
        }
    }

    fn ping(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        let said_ms = self.welcome.as_ref().map_or(0, |welcome| u64::from(welcome.ping_ms));
        let ping_ms = match (self.options.role, said_ms) {
            (Role::Server, 0) => SERVER_PING_MS,
            (Role::Server, said_ms) => said_ms.min(SERVER_PING_MS),
            (_, 0) => PING_MS,
            (_, said_ms) => said_ms,
        };
        self.due.ping = after(now_us, ping_ms);
        out.push(Effect::Send(frame(&message::Ping { sender_us: now_us })));
    }

    /// A server whose lease has ended without an answer has lost its connection with it.
    fn silence_ms(&self) -> u64 {
        let lease_ms = self.welcome.as_ref().map_or(0, |welcome| u64::from(welcome.lease_ms));
        if self.options.role == Role::Server && lease_ms > 0 { lease_ms } else { SILENCE_MS }
    }
}

fn after(now_us: u64, ms: u64) -> Option<u64> {
    Some(now_us.saturating_add(ms.saturating_mul(1_000)))
}

#[cfg(test)]
mod tests;
