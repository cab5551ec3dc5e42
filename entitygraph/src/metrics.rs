//! Every figure the service exports. Names are `entitygraph_<noun>_<unit>`; a test prints `docs/metrics.md` from the help texts
//! in [`Metrics::register`]. Labels are values of the enums and lists here, or codes of refusals, never ids.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Buckets from 50 microseconds (a cache hit with its parsing) to 10 seconds (the request limit).
const SECONDS: [f64; 12] =
    [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 10.0];

/// What the service asks a store. A debug build panics at a question that is not listed.
pub(crate) const QUESTIONS: [&str; 15] = [
    "ancestors",
    "children",
    "counts_by",
    "counts_of",
    "entities",
    "find",
    "links",
    "named",
    "near",
    "owned",
    "route",
    "subtree",
    "total",
    "zone_links",
    "zones_at",
];

/// What a request asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationLabel {
    /// A query.
    Query,
    /// A mutation.
    Mutation,
    /// A subscription.
    Subscription,
    /// It was refused before that could be told.
    Unknown,
}

impl OperationLabel {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Query, Self::Mutation, Self::Subscription, Self::Unknown];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
            Self::Unknown => "unknown",
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeLabel {
    /// It was answered, perhaps with a refusal as data.
    Ok,
    /// The caller can mend it.
    Refused,
    /// No answer within the time limit.
    Timeout,
    /// The server is at fault.
    Fault,
}

impl OutcomeLabel {
    /// Every value.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Timeout, Self::Fault];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Fault => "fault",
        }
    }
}

/// What a subscriber is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageLabel {
    /// The scope as it is.
    Snapshot,
    /// What happened in it.
    Transaction,
    /// That something is missing.
    Lag,
}

impl MessageLabel {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Snapshot, Self::Transaction, Self::Lag];

    /// The label's value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Transaction => "transaction",
            Self::Lag => "lag",
        }
    }
}

/// Handles to all series, cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Entities asked for, by where they were found (`hit`, `miss`).
    pub cache_lookups: IntCounterVec,
    /// Bytes in the read cache, as estimated by content.
    pub cache_bytes: IntGauge,
    /// Entities and subtrees that had to make room in the read cache.
    pub cache_evictions: IntCounter,
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
    /// Requests to /graphql, by operation and outcome.
    pub requests: IntCounterVec,
    /// Time from the first byte of a request to its answer, by operation.
    pub request_seconds: HistogramVec,
    /// Subscriptions that are open on connections.
    pub subscriptions: IntGauge,
    /// Messages sent to subscribers, by kind (`snapshot`, `transaction`, `lag`). Looked up beforehand: a hundred thousand of them a
    /// second are counted.
    subscription_messages: [IntCounter; MessageLabel::ALL.len()],
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
        let metrics = Self {
            cache_lookups: counters(
                "entitygraph_cache_lookups_total",
                "Entities and subtrees asked for, by where they were found (hit, miss)",
                &["result"],
            )?,
            cache_bytes: gauge(
                "entitygraph_cache_bytes",
                "Bytes in the read cache, as estimated by content",
            )?,
            cache_evictions: counter(
                "entitygraph_cache_evictions_total",
                "Entities and subtrees that had to make room in the read cache: many beside many misses say that it is too small",
            )?,
            store_reads: counters(
                "entitygraph_store_reads_total",
                "Reads of the store, by question",
                &["question"],
            )?,
            store_read_seconds: seconds("entitygraph_store_read_seconds", "Time of a store read")?,
            commits: counter("entitygraph_commits_total", "Transactions committed")?,
            refusals: counters("entitygraph_refusals_total", "Transactions refused, by code", &["code"])?,
            commit_seconds: seconds(
                "entitygraph_commit_seconds",
                "Time from the call to the durable receipt",
            )?,
            applied_cursor: gauge(
                "entitygraph_applied_cursor",
                "Newest cursor that caches and subscribers have been told of",
            )?,
            requests: counters(
                "entitygraph_requests_total",
                "Requests to /graphql, by operation (query, mutation, subscription, unknown) and outcome (ok, refused, \
                 timeout, fault)",
                &["operation", "outcome"],
            )?,
            request_seconds: {
                let options = HistogramOpts::new(
                    "entitygraph_request_seconds",
                    "Time from the first byte of a request to its answer, by operation",
                );
                let histograms = HistogramVec::new(options.buckets(SECONDS.to_vec()), &["operation"])?;
                registry.register(Box::new(histograms.clone()))?;
                histograms
            },
            subscriptions: gauge("entitygraph_subscriptions", "Subscriptions that are open on connections")?,
            subscription_messages: {
                let messages = counters(
                    "entitygraph_subscription_messages_total",
                    "Messages sent to subscribers, by kind (snapshot, transaction, lag)",
                    &["kind"],
                )?;
                MessageLabel::ALL.map(|kind| messages.with_label_values(&[kind.name()]))
            },
        };
        metrics.touch();
        Ok(metrics)
    }

    /// Counts a request whose end nobody saw, because it panicked.
    pub fn panicked(&self) {
        let (operation, outcome) = (OperationLabel::Unknown, OutcomeLabel::Fault);
        self.requests.with_label_values(&[operation.name(), outcome.name()]).inc();
    }

    /// Counts and times a request to `/graphql`.
    pub fn request(&self, operation: OperationLabel, outcome: OutcomeLabel, took: Duration) {
        self.requests.with_label_values(&[operation.name(), outcome.name()]).inc();
        self.request_seconds.with_label_values(&[operation.name()]).observe(took.as_secs_f64());
    }

    /// The messages of a kind that were sent to subscribers.
    pub fn subscription_messages(&self, kind: MessageLabel) -> &IntCounter {
        &self.subscription_messages[kind as usize]
    }

    /// Makes the series with labels appear with the value 0, so that dashboards see them before their first event. Codes of
    /// refusals are the exception, of which there are many: one stands for all.
    fn touch(&self) {
        for result in ["hit", "miss"] {
            self.cache_lookups.with_label_values(&[result]);
        }
        for operation in OperationLabel::ALL {
            for outcome in OutcomeLabel::ALL {
                self.requests.with_label_values(&[operation.name(), outcome.name()]);
            }
            self.request_seconds.with_label_values(&[operation.name()]);
        }
        for question in QUESTIONS {
            self.store_reads.with_label_values(&[question]);
        }
        self.refusals.with_label_values(&["STALE_REVISION"]);
    }
}
