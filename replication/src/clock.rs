//! The shard clock: the only file that reads time. It does not go back; slewing against another hub comes with atlas.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::machine::Now;

/// A clock that every role of a process reads.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_us: u64,
    tick_us: u32,
}

impl Clock {
    /// Begins at the wall clock, or at 0 where that is before 1970, and goes on by monotone time; ticks have this many microseconds, at
    /// least 16.
    pub fn start(tick_us: u32) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_us = u64::try_from(wall.as_micros()).unwrap_or(0);
        Self { started: Instant::now(), started_us, tick_us: tick_us.max(16) }
    }

    /// The time now.
    pub fn now(&self) -> Now {
        let past = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { shard_us: self.started_us.saturating_add(past), tick_us: self.tick_us }
    }

    /// The instant at which the shard clock reads this.
    pub fn instant(&self, shard_us: u64) -> Instant {
        self.started + Duration::from_micros(shard_us.saturating_sub(self.started_us))
    }
}
