//! What time does to connections: no Hello, silence, leases, logins that end. One look at all of them each second, at servers four
//! times a second; no timer for each.

use entitygraph_schema::wire::{Role, control::message::Code};

use super::{Gateway, Live, Out, Refusal, State, sessions::GRACE_US};
use crate::{
    machine::Now,
    message::{Connection, Up},
};

impl Gateway {
    /// Closes servers that said nothing for the time of their lease: what they own is orphaned at once.
    pub(super) fn beat(&mut self, now: Now, out: &mut Out) {
        let lease_us = u64::from(self.config.lease_ms) * 1_000;
        let silent: Vec<Connection> = self
            .servers
            .iter()
            .filter(|server| {
                let peer = self.peers.get(*server);
                peer.is_some_and(|peer| now.shard_us.saturating_sub(peer.heard_us) >= lease_us)
            })
            .copied()
            .collect();
        for server in silent {
            let refusal = Refusal::new(Code::Timeout, "no Ping in the time of the lease: resume");
            self.close(now, server, refusal, out);
        }
    }

    /// Closes who is late or silent, and whose login ended; ends what was detached too long; gives out tokens.
    pub(super) fn second(&mut self, now: Now, out: &mut Out) {
        let over = |since_us: u64, limit_ms: u64| now.shard_us.saturating_sub(since_us) >= limit_ms * 1_000;
        let mut closes = Vec::new();
        for (connection, peer) in &self.peers {
            let why = match &peer.state {
                State::Waiting { since_us } if over(*since_us, self.config.hello_ms) => {
                    Some((Code::Timeout, "no Hello in time"))
                }
                State::Session(Live { until_us: Some(until_us), .. })
                    if until_us.saturating_add(GRACE_US) <= now.shard_us =>
                {
                    Some((
                        Code::Unauthenticated,
                        "the login has ended, and Authenticate brought no other one",
                    ))
                }
                _ if peer.role() != Role::Server && over(peer.heard_us, self.config.silence_ms) => {
                    Some((Code::Timeout, "silence: resume"))
                }
                _ => None,
            };
            closes.extend(why.map(|(code, reason)| (*connection, Refusal::new(code, reason))));
        }
        for (connection, refusal) in closes {
            self.close(now, connection, refusal, out);
        }
        let mut gone = Vec::new();
        self.shared.lock().sessions.second(now.shard_us, &mut gone);
        out.extend(gone.into_iter().map(|gone| super::Effect::Up(Up::Gone(gone))));
        self.renew(now, out);
    }
}
