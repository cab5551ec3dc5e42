//! Settings of the scribe: bounds with their units. Defaults are those of docs/replication.md, "Scribe".

/// All of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Microseconds that an entity waits at least, so that what changes often is written seldom.
    pub wait_us_min: u64,
    /// Microseconds that it waits at most before it is taken, however slow the graph is.
    pub wait_us_max: u64,
    /// Operations in one batch. An aggregate with more goes alone.
    pub operations_max: usize,
    /// Bytes of one batch, about. An aggregate with more goes alone.
    pub bytes_max: usize,
    /// Batches under way at once.
    pub batches_max: usize,
    /// Commands under way at once.
    pub flights_max: usize,
    /// Commands that wait; more are answered `BUSY`.
    pub commands_max: usize,
    /// Microseconds that a command waits for the graph before it is answered `BUSY`.
    pub command_us_max: u64,
    /// Microseconds until what failed is asked again, at first; twice as long each time.
    pub retry_us_min: u64,
    /// The same at last.
    pub retry_us_max: u64,
    /// Microseconds that what the store has a higher epoch of waits for its flip, before it is given up.
    pub stale_us_max: u64,
    /// Bytes of the log from which on what waits longest is written to its end again, so that its beginning can go.
    pub log_bytes: u64,
    /// Bytes at which nothing more is written to it.
    pub log_bytes_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wait_us_min: 500_000,
            wait_us_max: 5_000_000,
            operations_max: 1_000,
            bytes_max: 1 << 20,
            batches_max: 4,
            flights_max: 64,
            commands_max: 1_024,
            command_us_max: 5_000_000,
            retry_us_min: 100_000,
            retry_us_max: 5_000_000,
            stale_us_max: 10_000_000,
            log_bytes: 1 << 30,
            log_bytes_max: 4 << 30,
        }
    }
}
