//! The ends of connections, and when and where the next one begins.

use entitygraph_schema::wire::control::message::Code;

use super::{ANSWER_MS, Due, Effect, Options, STABLE_MS, Session, State, after};
use crate::stream::refusal::{Next, StreamError, Why};

impl Session {
    pub(super) fn connect(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        self.state = State::Connecting;
        self.refused = None;
        self.due = Due { answer: after(now_us, ANSWER_MS), ..Due::default() };
        out.push(Effect::Connect(self.url.clone()));
    }

    /// Gives the socket up.
    pub(super) fn give(&mut self, now_us: u64, error: StreamError, out: &mut Vec<Effect>) {
        out.push(Effect::Close(4408));
        self.after(now_us, error, out);
    }

    pub(super) fn after(&mut self, now_us: u64, error: StreamError, out: &mut Vec<Effect>) {
        if error.next() == Next::Stop {
            return self.end(Some(error), out);
        }
        if error.next() == Next::Login {
            // The same login is good for another session, but not where it was refused itself; and not without end.
            let useless = error.why == Why::Code(Code::Unauthenticated) && !self.options.renewable;
            if useless || self.logged_in_anew {
                return self.end(Some(error), out);
            }
            (self.token, self.needs_login) = (None, true);
        }
        if self.state == State::Open {
            self.lost_at_us = Some(now_us);
            if now_us.saturating_sub(self.greeted_at_us) >= STABLE_MS * 1_000 {
                self.attempts = 0;
            }
        }
        self.state = State::Waiting;
        let retry_in_ms = match (error.why, self.attempts, error.retry_after_ms) {
            // A gateway that stops is left at once, but not in a circle.
            (Why::Code(Code::Draining), 0, _) => 0,
            (_, _, 0) => self.backoff_ms(),
            (_, _, said_ms) => said_ms.into(),
        };
        self.attempts = self.attempts.saturating_add(1);
        self.due = Due { retry: after(now_us, retry_in_ms), ..Due::default() };
        out.push(Effect::Lost { error, retry_in_ms });
    }

    /// Twice as long each time, between half and all of it.
    fn backoff_ms(&mut self) -> u64 {
        let Options { backoff_first_ms, backoff_most_ms, .. } = self.options;
        let whole_ms = backoff_first_ms.saturating_mul(1 << self.attempts.min(30)).min(backoff_most_ms);
        whole_ms / 2 + (whole_ms.div_ceil(2) as f64 * self.random.f64()).round() as u64
    }

    pub(super) fn again(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        // After that time the hub has forgotten it.
        let resume_ms = self.welcome.as_ref().map_or(0, |welcome| u64::from(welcome.resume_ms));
        let gone = |lost_us: u64| now_us.saturating_sub(lost_us) > resume_ms * 1_000;
        if self.token.is_some() && self.lost_at_us.is_some_and(gone) {
            (self.token, self.needs_login) = (None, true);
        }
        if !self.needs_login {
            return self.connect(now_us, out);
        }
        self.logged_in_anew = true;
        self.state = State::Login;
        self.due = Due::default();
        out.push(Effect::Login);
    }

    pub(super) fn end(&mut self, error: Option<StreamError>, out: &mut Vec<Effect>) {
        self.state = State::Ended;
        self.due = Due::default();
        out.push(Effect::Ended(error));
    }
}

/// The address of a Goodbye: a URL, or a host in place of that of `url`. It never leaves encryption.
pub(super) fn elsewhere(url: &str, address: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let to = match address.split_once("://") {
        _ if address.is_empty() => return url.to_owned(),
        Some(_) => address.to_owned(),
        None => {
            let path = rest.find('/').map_or("", |at| &rest[at..]);
            format!("{scheme}://{address}{path}")
        }
    };
    let is_open = scheme.eq_ignore_ascii_case("ws");
    let good = to.starts_with("wss://") || (is_open && to.starts_with("ws://"));
    if good && !to.contains(char::is_whitespace) { to } else { url.to_owned() }
}
