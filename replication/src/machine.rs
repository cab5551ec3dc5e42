//! What all roles are made of: state machines without I/O. A role reads no clock, draws no random number, opens nothing and
//! waits for nothing; the shell in [`crate::hub`] moves events between roles and sockets, a simulator does the same with a
//! queue.

use entitygraph_schema::wire::moment;

/// The time of an event, by the shard clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Shard clock, in microseconds.
    pub shard_us: u64,
    /// Length of a tick, in microseconds.
    pub tick_us: u32,
}

impl Now {
    /// The moment that is not over yet: sixteenths of a tick since the shard clock began.
    pub fn moment(&self) -> u64 {
        moment::at(self.shard_us, self.tick_us)
    }

    /// The tick that is not over yet.
    pub fn tick(&self) -> u64 {
        self.shard_us / u64::from(self.tick_us.max(1))
    }

    /// When a moment begins, in microseconds of the shard clock.
    pub fn begins_us(&self, moment: u64) -> u64 {
        let us = (u128::from(moment) * u128::from(self.tick_us)).div_ceil(u128::from(moment::PER_TICK));
        u64::try_from(us).unwrap_or(u64::MAX)
    }

    /// How many moments pass in a time, at least 1.
    pub fn moments_in(&self, time_us: u64) -> u64 {
        (time_us * moment::PER_TICK / u64::from(self.tick_us.max(1))).max(1)
    }
}

/// A role.
pub trait Machine {
    /// What happens to it.
    type Event;
    /// What it wants done.
    type Out;

    /// Takes one event; what is to be done is added to `out`. Times never go back.
    fn handle(&mut self, now: Now, event: Self::Event, out: &mut Self::Out);

    /// When it wants to be woken at the latest, in microseconds of the shard clock; never while nothing is to be done.
    fn wake_us(&self) -> Option<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_begins_when_the_clock_first_reads_it() {
        for tick_us in [33_333, 100_000, 16, 7] {
            let now = |shard_us| Now { shard_us, tick_us };
            for moment in [1, 15, 16, 17, 1_000_003] {
                let begins = now(0).begins_us(moment);
                assert!(now(begins).moment() >= moment, "{moment} of ticks of {tick_us} us");
                assert!(now(begins - 1).moment() < moment, "{moment} of ticks of {tick_us} us");
            }
        }
    }
}
