//! How fast a peer sends: over its rate it is not read, and after some time of that it is closed.

use crate::config::Rate;

const SECOND_US: u64 = 1_000_000;

/// What a peer sent in the second that runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    began_us: u64,
    frames: u32,
    bytes: u32,
    /// Since when each second was over the rate.
    over_since_us: Option<u64>,
    over: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Go,
    /// Do not read for this many microseconds: the peer's own send buffer fills.
    Wait(u64),
    /// Close it (`FLOOD`).
    Flood,
}

impl Pace {
    /// Counts what came at `now_us`.
    pub fn take(&mut self, now_us: u64, frames: usize, bytes: usize, rate: &Rate) -> Verdict {
        let past = now_us.saturating_sub(self.began_us);
        if past >= SECOND_US {
            if !self.over || past >= 2 * SECOND_US {
                self.over_since_us = None;
            }
            (self.began_us, self.frames, self.bytes, self.over) = (now_us, 0, 0, false);
        }
        self.frames = self.frames.saturating_add(u32::try_from(frames).unwrap_or(u32::MAX));
        self.bytes = self.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.frames <= rate.frames_per_s && self.bytes <= rate.bytes_per_s {
            return Verdict::Go;
        }
        self.over = true;
        let since = *self.over_since_us.get_or_insert(now_us);
        if now_us.saturating_sub(since) >= rate.flood_ms * 1_000 {
            return Verdict::Flood;
        }
        Verdict::Wait((self.began_us + SECOND_US).saturating_sub(now_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { frames_per_s: 10, bytes_per_s: 1_000, flood_ms: 3_000 };

    #[test]
    fn a_peer_within_its_rate_never_waits() {
        let mut pace = Pace::default();
        for tenth in 0..1_000 {
            assert_eq!(pace.take(5_000_000 + tenth * 100_000, 1, 100, &RATE), Verdict::Go);
        }
    }

    #[test]
    fn a_flood_waits_for_the_end_of_each_second_and_is_closed_after_its_time() {
        let mut pace = Pace::default();
        let mut now_us = 5_000_000;
        let end = loop {
            match pace.take(now_us, 1, 1, &RATE) {
                Verdict::Go => now_us += 1,
                Verdict::Wait(wait_us) => now_us += wait_us,
                Verdict::Flood => break now_us,
            }
        };
        assert!((3_000_000..4_500_000).contains(&(end - 5_000_000)), "after {} us", end - 5_000_000);
    }

    #[test]
    fn one_second_over_the_rate_is_forgotten_by_one_within_it() {
        let mut pace = Pace::default();
        for second in 0..20 {
            let now_us = 5_000_000 + second * 1_000_000;
            let frames = if second % 2 == 0 { 11 } else { 1 };
            assert_ne!(pace.take(now_us, frames, 1, &RATE), Verdict::Flood);
        }
    }
}
