//! The shard clock as a peer knows it (protocol.md, "Heartbeats and the clock"). It is slewed, never stepped, and never goes
//! back. Times of the peer are microseconds of any monotonic clock.

use std::collections::VecDeque;

const SAMPLES: usize = 16;
/// 5 ms a second.
const SLEW: f64 = 0.005;
const DRIFT_MAX: f64 = 0.0005;
const DRIFT_US_MIN: f64 = 1_000_000.0;

#[derive(Debug, Clone, Copy)]
struct Sample {
    at_us: f64,
    round_trip_us: f64,
    offset_us: f64,
}

/// What the shard clock says, by the answers of the hub.
#[derive(Debug, Clone, Default)]
pub struct ShardClock {
    samples: VecDeque<Sample>,
    /// Offsets are from here, so that floats have room for them.
    base_us: u64,
    offset_us: f64,
    slewed_at_us: f64,
    last_us: u64,
}

impl ShardClock {
    /// Whether it was set.
    pub fn known(&self) -> bool {
        !self.samples.is_empty()
    }

    /// Takes an answer: when the question was sent, when it came, and the shard clock in it. One that came before it was asked
    /// for says nothing.
    pub fn sample(&mut self, sent_us: u64, received_us: u64, shard_clock_us: u64) {
        let Some(round_trip) = received_us.checked_sub(sent_us) else { return };
        if !self.known() {
            self.base_us = shard_clock_us;
        }
        let (received, round_trip_us) = (received_us as f64, round_trip as f64);
        let since_base = i128::from(shard_clock_us) - i128::from(self.base_us);
        let offset_us = since_base as f64 + round_trip_us / 2.0 - received;
        if !self.known() {
            (self.offset_us, self.slewed_at_us) = (offset_us, received);
        }
        self.slew(received);
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at_us: received, round_trip_us, offset_us });
    }

    /// The shard clock in microseconds at this time of the peer's; 0 before it is known.
    pub fn now_us(&mut self, local_us: u64) -> u64 {
        if !self.known() {
            return 0;
        }
        self.slew(local_us as f64);
        let since_base = (local_us as f64 + self.offset_us).floor() as i64;
        self.last_us = self.last_us.max(self.base_us.saturating_add_signed(since_base));
        self.last_us
    }

    fn slew(&mut self, local_us: f64) {
        let most = SLEW * (local_us - self.slewed_at_us).max(0.0);
        let off = self.wanted(local_us).map_or(0.0, |wanted| wanted - self.offset_us);
        self.offset_us += off.clamp(-most, most);
        self.slewed_at_us = self.slewed_at_us.max(local_us);
    }

    /// The offset by the answer with the shortest round trip, with the drift since.
    fn wanted(&self, local_us: f64) -> Option<f64> {
        let best = shortest(self.samples.iter())?;
        Some(best.offset_us + self.drift() * (local_us - best.at_us))
    }

    /// How much faster the shard clock goes, by the best of the older and of the newer answers.
    fn drift(&self) -> f64 {
        let halves = (
            shortest(self.samples.iter().take(SAMPLES / 2)),
            shortest(self.samples.iter().skip(SAMPLES / 2)),
        );
        let (Some(older), Some(newer)) = halves else { return 0.0 };
        let time_us = newer.at_us - older.at_us;
        if self.samples.len() < SAMPLES || time_us < DRIFT_US_MIN {
            return 0.0;
        }
        ((newer.offset_us - older.offset_us) / time_us).clamp(-DRIFT_MAX, DRIFT_MAX)
    }
}

/// Of those with the same round trip the newest.
fn shortest<'s>(samples: impl Iterator<Item = &'s Sample>) -> Option<&'s Sample> {
    samples.reduce(|best, sample| if sample.round_trip_us <= best.round_trip_us { sample } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_set_at_once_and_moved_by_five_milliseconds_a_second_at_most() {
        let mut clock = ShardClock::default();
        assert_eq!(clock.now_us(5), 0);
        clock.sample(1_000, 3_000, 700_000);
        assert_eq!(clock.now_us(3_000), 701_000, "half the round trip ago");
        // A better answer says that it is 100 ms later.
        clock.sample(4_000, 4_100, 802_000);
        let before = clock.now_us(4_100);
        let after = clock.now_us(1_004_100);
        assert_eq!(after - before, 1_005_000);
        assert!(clock.now_us(60_000_000) - 60_000_000 > 790_000, "and gets there");
    }

    #[test]
    fn it_never_goes_back_and_takes_answers_of_any_time() {
        let mut clock = ShardClock::default();
        clock.sample(0, 0, 1_000_000);
        let before = clock.now_us(1_000_000);
        clock.sample(1_000_000, 1_000_000, 0);
        assert!(clock.now_us(900_000) >= before);
        clock.sample(9, 3, 77);
        clock.sample(0, u64::MAX, u64::MAX);
        assert!(clock.now_us(u64::MAX) >= before);
    }

    #[test]
    fn a_drift_is_followed() {
        let mut clock = ShardClock::default();
        // The shard clock is faster by 200 parts in a million; each answer takes 1 ms.
        let shard = |local: u64| 50_000_000 + local + local / 5_000;
        for round in 0..40_u64 {
            let at = round * 1_000_000;
            clock.sample(at, at + 1_000, shard(at + 500));
        }
        let at = 45_000_000;
        assert!(clock.now_us(at).abs_diff(shard(at)) < 400, "{} {}", clock.now_us(at), shard(at));
    }
}
