//! What the load process counts.

use std::time::Duration;

use crate::say;

/// Deliveries, messages, bytes, and how long messages took.
pub struct Counts {
    /// States of entities that players got.
    pub deliveries: u64,
    /// All bytes of messages, WebSocket headers included.
    pub bytes: u64,
    messages: u64,
    /// How many messages took that many tenths of a millisecond.
    latencies: Vec<u32>,
}

impl Counts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { deliveries: 0, bytes: 0, messages: 0, latencies: vec![0; 100_000] }
    }

    /// A message with states took this long.
    pub fn took(&mut self, time: Duration) {
        self.messages += 1;
        let last = self.latencies.len() - 1;
        self.latencies[(time.as_micros() as usize / 100).min(last)] += 1;
    }

    /// Says the figures to the process that measures.
    pub fn say(&self, load_cpu_s: f64) {
        let Self { deliveries, bytes, messages, .. } = self;
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| self.percentile_ms(part));
        say(&format!("{deliveries} {messages} {bytes} {p50} {p99} {max} {load_cpu_s}"));
    }

    fn percentile_ms(&self, part: f64) -> f64 {
        let wanted = (self.messages as f64 * part).ceil() as u64;
        let mut sum = 0;
        for (tenths, count) in self.latencies.iter().enumerate() {
            sum += u64::from(*count);
            if sum >= wanted {
                return tenths as f64 / 10.0;
            }
        }
        0.0
    }
}
