//! How fast a peer sends, and how fast it is sent to: over its rate it is not read, and after some time of that it is closed; over its
//! budget nothing is made for it until the share of the time has paid for what it got.

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
            // Up to a second of it was the wait that it was told, another one may be ours to come back to it.
            if !self.over || past >= 3 * SECOND_US {
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

/// What a connection may be sent: the budget's share of the time since, less what it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Credit {
    /// Below zero is owed.
    bytes: i64,
    at_us: u64,
}

/// The share of this much time is saved at most, for a message after a rest.
const SAVED_US: u64 = 250_000;

impl Credit {
    /// Of a connection that was sent nothing yet.
    pub fn new(now_us: u64, bytes_per_s: u32) -> Self {
        let saved = share(SAVED_US, bytes_per_s);
        Self { bytes: saved, at_us: now_us }
    }

    /// Counts what was sent at `now_us`; says for how many microseconds nothing more is to be made, 0 within the budget.
    pub fn spend(&mut self, now_us: u64, bytes: usize, bytes_per_s: u32) -> u64 {
        let since_us = now_us.saturating_sub(self.at_us);
        let saved = self.bytes.saturating_add(share(since_us, bytes_per_s));
        self.at_us = self.at_us.max(now_us);
        self.bytes = saved.min(share(SAVED_US, bytes_per_s)).saturating_sub_unsigned(bytes as u64);
        match u64::try_from(-self.bytes) {
            Ok(owed) => (owed.saturating_mul(SECOND_US)).div_ceil(u64::from(bytes_per_s.max(1))),
            Err(_) => 0,
        }
    }
}

fn share(us: u64, bytes_per_s: u32) -> i64 {
    i64::try_from(us.saturating_mul(u64::from(bytes_per_s)) / SECOND_US).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whoever_waits_as_told_gets_its_budget_and_never_more(
            messages in prop::collection::vec((1_usize..100_000, 0_u64..200_000), 50..200),
            bytes_per_s in 10_000_u32..2_000_000,
        ) {
            let start_us = 7_000_000;
            let (mut now_us, mut sent) = (start_us, 0);
            let mut credit = Credit::new(now_us, bytes_per_s);
            let mut last = 0;
            for (bytes, pause_us) in messages {
                sent += bytes as u64;
                last = bytes as u64;
                now_us += credit.spend(now_us, bytes, bytes_per_s);
                // Whoever rests saves something, but not all of the time.
                now_us += pause_us;
            }
            let share = |us: u64| us * u64::from(bytes_per_s) / SECOND_US;
            prop_assert!(sent <= share(now_us - start_us + SAVED_US) + last + 1);
        }
    }

    #[test]
    fn a_rest_saves_a_quarter_of_a_second_and_no_more() {
        let mut credit = Credit::new(0, 1_000_000);
        assert_eq!(credit.spend(0, 250_000, 1_000_000), 0);
        assert_eq!(credit.spend(0, 1_000, 1_000_000), 1_000);
        assert_eq!(credit.spend(60_000_000, 250_000, 1_000_000), 0, "a minute's rest");
        assert_eq!(credit.spend(60_000_000, 10, 1_000_000), 10);
    }

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
