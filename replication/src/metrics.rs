//! Every figure of the stream that is exported. Names are `entitygraph_stream_<noun>_<unit>`; labels are codes of refusals and values of
//! the lists here, never ids or addresses. The cores count for themselves and add here once a second.

use entitygraph_schema::wire::{Class, control::message::Code};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::gateway::Count;

/// From the peers to the hub, or from it to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the hub.
    Up,
    /// To the peers.
    Down,
}

impl Direction {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The label's value of a class.
const fn class_name(class: Class) -> &'static str {
    match class {
        Class::Control => "control",
        Class::Action => "action",
        Class::State => "state",
        Class::Load => "load",
        Class::Bulk => "bulk",
    }
}

/// Handles to all series, cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    sessions: IntGaugeVec,
    waiting: IntGauge,
    refused: IntCounterVec,
    resumes: IntCounter,
    frames: IntCounterVec,
    bytes: IntCounterVec,
}

impl Metrics {
    /// Registers all series. Fails when one of the names is taken in the registry.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let sessions = IntGaugeVec::new(
            Opts::new(
                "entitygraph_stream_sessions",
                "Sessions of the stream, by state: live ones have a connection, detached ones may be resumed or are remembered",
            ),
            &["state"],
        )?;
        registry.register(Box::new(sessions.clone()))?;
        let waiting = IntGauge::new(
            "entitygraph_stream_waiting_connections",
            "Connections that have not said Hello yet",
        )?;
        registry.register(Box::new(waiting.clone()))?;
        let resumes = IntCounter::new(
            "entitygraph_stream_resumes_total",
            "Sessions that went on in another connection, with all that was bound",
        )?;
        registry.register(Box::new(resumes.clone()))?;
        let metrics = Self {
            sessions,
            waiting,
            refused: counters(
                "entitygraph_stream_refused_total",
                "Connections that the hub closed, by code; TOO_SLOW are those that did not read",
                &["code"],
            )?,
            resumes,
            frames: counters(
                "entitygraph_stream_frames_total",
                "Frames, by direction (up, down) and class (control, action, state, load, bulk)",
                &["direction", "class"],
            )?,
            bytes: counters(
                "entitygraph_stream_bytes_total",
                "Bytes of frames without WebSocket headers, by direction and class",
                &["direction", "class"],
            )?,
        };
        metrics.touch();
        Ok(metrics)
    }

    /// Counts a connection that was closed with this code.
    pub fn refused(&self, code: Code) {
        self.refused.with_label_values(&[code.name()]).inc();
    }

    /// Counts a session that went on.
    pub fn resumed(&self) {
        self.resumes.inc();
    }

    /// Says how many sessions there are, and how many connections wait.
    pub fn sessions(&self, live: usize, detached: usize, waiting: usize) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.sessions.with_label_values(&["live"]).set(gauge(live));
        self.sessions.with_label_values(&["detached"]).set(gauge(detached));
        self.waiting.set(gauge(waiting));
    }

    /// Adds what was sent or came since the last time, by class.
    pub fn frames(&self, direction: Direction, counts: &[Count; Class::ALL.len()]) {
        for (class, count) in Class::ALL.into_iter().zip(counts) {
            if count.frames > 0 {
                let labels = [direction.name(), class_name(class)];
                self.frames.with_label_values(&labels).inc_by(count.frames);
                self.bytes.with_label_values(&labels).inc_by(count.bytes);
            }
        }
    }

    /// Makes the series with labels appear with the value 0, so that dashboards see them before their first event.
    fn touch(&self) {
        self.sessions(0, 0, 0);
        for code in
            (0..32).filter_map(|number| Code::try_from(number).ok()).filter(|code| code.close().is_some())
        {
            self.refused.with_label_values(&[code.name()]);
        }
        for direction in Direction::ALL {
            for class in Class::ALL {
                let labels = [direction.name(), class_name(class)];
                self.frames.with_label_values(&labels);
                self.bytes.with_label_values(&labels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_series_are_there_before_anything_happens_and_count_what_happens() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        assert!(Metrics::register(&registry).is_err(), "their names are taken");
        metrics.refused(Code::TooSlow);
        metrics.resumed();
        metrics.sessions(3, 2, 1);
        let mut counts = [Count::default(); 5];
        counts[Class::State as usize] = Count { frames: 7, bytes: 70 };
        metrics.frames(Direction::Down, &counts);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "entitygraph_stream_refused_total{code=\"TOO_SLOW\"} 1",
            "entitygraph_stream_refused_total{code=\"FLOOD\"} 0",
            "entitygraph_stream_resumes_total 1",
            "entitygraph_stream_sessions{state=\"detached\"} 2",
            "entitygraph_stream_waiting_connections 1",
            "entitygraph_stream_bytes_total{class=\"state\",direction=\"down\"} 70",
            "entitygraph_stream_frames_total{class=\"state\",direction=\"up\"} 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in {text}");
        }
    }
}
