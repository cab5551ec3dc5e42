//! Connections that take no more for now: the socket is full, or their budget is used up. Meanwhile the replicant makes nothing for
//! them, and what changes is told together later.

use std::{io, rc::Rc, time::Duration};

use entitygraph_schema::wire::control::message::Code;
use tokio::{task::spawn_local, time::sleep};

use super::{connection::Link, core::Core};
use crate::{
    config::Config,
    gateway::{Event, Refusal, pace::Credit},
    message::Up,
};

/// Answers of the gateway that may wait for a socket: a peer that does not read them asks for no more.
const ANSWERS_MAX: usize = 256;

impl Core {
    /// What follows from a write of `length` bytes behind `before` that waited: nothing, in almost all cases.
    pub fn wrote(
        self: &Rc<Self>,
        link: &Rc<Link>,
        now_us: u64,
        before: usize,
        length: usize,
        result: io::Result<()>,
    ) {
        let (left, answers) = {
            let writer = link.writer.borrow();
            (writer.left_bytes(), writer.first_count())
        };
        link.took(before + length, left);
        let owed_us = link.spent(now_us, length);
        let refused = match result {
            Err(_) => None,
            Ok(()) if left > self.config.left_bytes_max => Some("too much waits for the socket"),
            Ok(()) if answers > ANSWERS_MAX => Some("too many answers wait for the socket"),
            Ok(()) if left == 0 && owed_us == 0 => return,
            Ok(()) => {
                if !link.closed.get() && !link.held.replace(true) {
                    link.took_us.set(now_us);
                    spawn_local(hold(self.clone(), link.clone()));
                }
                return;
            }
        };
        let event = match refused {
            Some(reason) => Event::Closing(link.id, Refusal::new(Code::TooSlow, reason)),
            None => Event::Ended(link.id),
        };
        // Not here: whoever writes is in the middle of what it does.
        let (core, link) = (self.clone(), link.clone());
        spawn_local(async move {
            if matches!(event, Event::Ended(_)) {
                core.unseated(&link);
            }
            core.happens(event).await;
        });
    }
}

/// Writes what waits as the socket takes it, and waits until the budget carries more.
async fn hold(core: Rc<Core>, link: Rc<Link>) {
    core.flow.sent(Up::Full(link.id)).await;
    while !link.closed.get() {
        let before = link.writer.borrow().left_bytes();
        if before > 0 {
            // An error of the socket is seen by the write.
            if !link.unless_gone(async { link.stream.writable().await.is_ok() }).await && link.closed.get() {
                return;
            }
            let before = link.writer.borrow().left_bytes();
            let flushed = link.writer.borrow_mut().flush(&link.stream);
            let left = link.writer.borrow().left_bytes();
            match flushed {
                Err(_) => return core.ended(&link).await,
                Ok(_) if left < before => link.took_us.set(core.clock.now().shard_us),
                Ok(_) => {}
            }
            link.took(before, left);
            continue;
        }
        let owed_us = link.spent(core.clock.now().shard_us, 0);
        if owed_us == 0 {
            link.held.set(false);
            core.flow.sent(Up::Takes(link.id)).await;
            return;
        }
        link.unless_gone(async {
            sleep(Duration::from_micros(owed_us)).await;
            true
        })
        .await;
    }
}

impl Link {
    /// It is sent at most so many bytes a second from now on.
    pub fn budget(&self, now_us: u64, bytes_per_s: u32) {
        // What it owes it goes on owing: whoever asks for another budget gets nothing by asking.
        let credit = self.credit.get().map_or_else(|| Credit::new(now_us, bytes_per_s), |(credit, _)| credit);
        self.credit.set(Some((credit, bytes_per_s)));
    }

    /// Counts what it was sent; says for how many microseconds nothing more is to be made for it.
    fn spent(&self, now_us: u64, bytes: usize) -> u64 {
        let Some((mut credit, bytes_per_s)) = self.credit.get() else { return 0 };
        let owed_us = credit.spend(now_us, bytes, bytes_per_s);
        self.credit.set(Some((credit, bytes_per_s)));
        owed_us
    }

    /// Notes what the socket took of what there was.
    fn took(&self, of_bytes: usize, left: usize) {
        self.taken_bytes.set(self.taken_bytes.get() + of_bytes.saturating_sub(left) as u64);
        if left > 0 {
            self.waited.set(true);
        }
    }

    /// Once a second: why it is too slow, if it is (protocol.md, "Classes").
    pub fn too_slow(&self, now_us: u64, config: &Config) -> Option<&'static str> {
        let waits = self.writer.borrow().left_bytes() > 0;
        if waits && now_us.saturating_sub(self.took_us.get()) >= config.stuck_ms * 1_000 {
            return Some("the socket takes nothing: read it, or ask for less");
        }
        let (taken_bytes, waited) = (self.taken_bytes.take(), self.waited.replace(waits));
        if !waited || taken_bytes >= u64::from(config.budget_bytes_per_s_min / 4) {
            self.slow_since_us.set(None);
            return None;
        }
        let since_us = self.slow_since_us.get().unwrap_or(now_us);
        self.slow_since_us.set(Some(since_us));
        let slow = now_us.saturating_sub(since_us) >= config.slow_ms * 1_000;
        slow.then_some("the socket takes less than a quarter of the least budget: ask for less")
    }
}
