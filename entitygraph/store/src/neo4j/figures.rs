//! What a Neo4j store tells whoever watches it: how long statements take, how often they are tried again, how long writers wait.

use std::time::Duration;

use prometheus::{
    CounterVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::statement::Statement;

/// Buckets from half a millisecond, a lock that is free, to the time at which a server should end a transaction.
const SECONDS: [f64; 8] = [0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.25, 2.0, 30.0];

/// The end of a transaction, among the statements.
pub(super) const COMMIT: Statement = Statement { name: "COMMIT", doing: "committing", text: "" };

/// Handles to all series, cheap to clone.
#[derive(Debug, Clone)]
pub struct Figures {
    statements: IntCounterVec,
    statement_seconds: CounterVec,
    /// Requests to the server that were made again after a transient failure.
    pub retries: IntCounter,
    /// Batches written.
    pub batches: IntCounter,
    /// Commits in them.
    pub batch_commits: IntCounter,
    /// Time from beginning a transaction to having the shard's lock.
    pub lock_wait_seconds: Histogram,
    /// Commits whose answer was lost.
    pub commits_lost: IntCounter,
    /// Reads made again because a commit touched what they asked about meanwhile.
    pub reads_repeated: IntCounter,
    /// Reads made with the shard's lock.
    pub reads_locked: IntCounter,
}

impl Default for Figures {
    fn default() -> Self {
        let figures = Self::named().expect("constant names that a test has seen");
        // Seen before the first of them.
        figures.statements.with_label_values(&[COMMIT.name]);
        figures.statement_seconds.with_label_values(&[COMMIT.name]);
        figures
    }
}

impl Figures {
    fn named() -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| IntCounter::new(format!("entitygraph_neo4j_{name}"), help);
        let by_statement = |name: &str, help: &str| Opts::new(format!("entitygraph_neo4j_{name}"), help);
        Ok(Self {
            statements: IntCounterVec::new(
                by_statement("statements_total", "Statements that the Neo4j server answered, by statement"),
                &["statement"],
            )?,
            statement_seconds: CounterVec::new(
                by_statement(
                    "statement_seconds_total",
                    "Time until the Neo4j server had answered them, retries included",
                ),
                &["statement"],
            )?,
            retries: counter(
                "retries_total",
                "Requests to the Neo4j server made again after a transient failure",
            )?,
            batches: counter("batches_total", "Batches of transactions written to the Neo4j server")?,
            batch_commits: counter("batch_commits_total", "Commits in those batches")?,
            lock_wait_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "entitygraph_neo4j_lock_wait_seconds",
                    "Time from beginning a transaction to having the shard's lock",
                )
                .buckets(SECONDS.to_vec()),
            )?,
            commits_lost: counter(
                "commits_lost_total",
                "Commits whose answer was lost, so that it had to be asked what became of them",
            )?,
            reads_repeated: counter(
                "reads_repeated_total",
                "Reads made again because a commit changed meanwhile what they were about",
            )?,
            reads_locked: counter("reads_locked_total", "Reads that had to take the shard's lock")?,
        })
    }

    /// Counts and times a statement that was answered.
    pub fn answered(&self, statement: Statement, took: Duration) {
        self.statements.with_label_values(&[statement.name]).inc();
        self.statement_seconds.with_label_values(&[statement.name]).inc_by(took.as_secs_f64());
    }

    fn collectors(&self) -> [&dyn Collector; 9] {
        [
            &self.statements,
            &self.statement_seconds,
            &self.retries,
            &self.batches,
            &self.batch_commits,
            &self.lock_wait_seconds,
            &self.commits_lost,
            &self.reads_repeated,
            &self.reads_locked,
        ]
    }
}

impl Collector for Figures {
    fn desc(&self) -> Vec<&Desc> {
        self.collectors().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.collectors().into_iter().flat_map(Collector::collect).collect()
    }
}
