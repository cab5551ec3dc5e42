//! Every figure the service exports. A field's doc comment is its help text in `docs/metrics.md`; names are
//! `entitygraph_<noun>_<unit>`; labels come from enums, never from ids.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Buckets from 50 microseconds (a cache hit with its parsing) to 10 seconds (the request limit).
const SECONDS: [f64; 12] = [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

/// Handles to all series, cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Entities asked for, by where they were found (`hit`, `miss`).
    pub cache_lookups: IntCounterVec,
    /// Bytes in the read cache, as estimated by content.
    pub cache_bytes: IntGauge,
    /// Reads of the store, by question.
    pub store_reads: IntCounterVec,
    /// Time of a store read.
    pub store_read_seconds: Histogram,
    /// Transactions committed.
    pub commits: IntCounter,
    /// Transactions refused, by code.
    pub refusals: IntCounterVec,
    /// Time from the call to the durable receipt.
    pub commit_seconds: Histogram,
    /// Newest cursor that caches and subscribers have been told of.
    pub applied_cursor: IntGauge,
    /// Subscriptions that are open.
    pub subscriptions: IntGauge,
    /// Messages sent to subscribers, by kind (`snapshot`, `transaction`, `lag`).
    pub subscription_messages: IntCounterVec,
}

impl Metrics {
    /// Registers all series. Fails when one of the names is taken in the registry.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let seconds = |name: &str, help: &str| -> prometheus::Result<Histogram> {
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        Ok(Self {
            cache_lookups: counters(
                "entitygraph_cache_lookups_total",
                "Entities and subtrees asked for, by where they were found (hit, miss)",
                &["result"],
            )?,
            cache_bytes: gauge("entitygraph_cache_bytes", "Bytes in the read cache, as estimated by content")?,
            store_reads: counters("entitygraph_store_reads_total", "Reads of the store, by question", &["question"])?,
            store_read_seconds: seconds("entitygraph_store_read_seconds", "Time of a store read")?,
            commits: counter("entitygraph_commits_total", "Transactions committed")?,
            refusals: counters("entitygraph_refusals_total", "Transactions refused, by code", &["code"])?,
            commit_seconds: seconds("entitygraph_commit_seconds", "Time from the call to the durable receipt")?,
            applied_cursor: gauge(
                "entitygraph_applied_cursor",
                "Newest cursor that caches and subscribers have been told of",
            )?,
            subscriptions: gauge("entitygraph_subscriptions", "Subscriptions that are open")?,
            subscription_messages: counters(
                "entitygraph_subscription_messages_total",
                "Messages sent to subscribers, by kind (snapshot, transaction, lag)",
                &["kind"],
            )?,
        })
    }
}
