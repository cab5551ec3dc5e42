//! The way to the server: statements on their own, transactions, and the one place where transient failures are tried again.
//!
//! The driver is `neo4rs`. It sends RUN and PULL of a statement on its own in one go, behind a RESET when the connection was used
//! before; in a transaction each statement is a round trip of its own, one with an answer two.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use neo4rs::{BoltList, BoltType, Graph, Operation, Query, Row, Txn};

use super::{
    address::Address,
    contact::Contact,
    fault::{fault, is_transient, is_uncertain},
    figures::{COMMIT, Figures},
    message::{messages, rows_max_bytes},
    nodelay::NoDelay,
    options::Neo4jOptions,
    statement::Statement,
};
use crate::{
    error::{Error, Outcome, Result},
    keyed::fault::Place,
};

/// The first pause between two tries of a transient failure, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// What the driver does, in a box: its futures lie so deep inside each other that whoever holds them could not be compiled.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = neo4rs::Result<T>> + Send + 'a>>;

/// A pool of connections to one database.
pub struct Client {
    graph: Graph,
    /// Where it is, for messages.
    pub place: Place,
    address: Arc<Address>,
    contact: Contact,
    retry: Duration,
    /// What it does, for whoever watches.
    pub figures: Figures,
    /// Whether its messages go at once.
    pub nodelay: Arc<NoDelay>,
    /// Longest time from asking for a connection to the end of the first answer over it.
    whole: Duration,
}

/// How a commit ended that did not succeed.
pub enum CommitError {
    /// Nothing was applied.
    Failed(Error),
    /// Nobody knows.
    Lost(Error),
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Failed(error) | CommitError::Lost(error) => error,
        }
    }
}

impl Client {
    /// Makes ready; connects with the first request.
    pub fn new(address: Address, options: &Neo4jOptions) -> Result<Self> {
        let place = Place { location: address.to_string() };
        let graph = address
            .config(options)
            .and_then(Graph::connect)
            .map_err(|error| fault(&address, "connecting", Outcome::NotApplied, false, error))?;
        let contact = Contact::new(options.answer_timeout);
        let (retry, whole) = (options.retry, options.answer_timeout * 2);
        let nodelay = NoDelay::new(address.port());
        let (address, figures) = (Arc::new(address), Figures::default());
        Ok(Self { graph, place, address, contact, retry, figures, nodelay, whole })
    }

    /// Asks a statement that writes nothing, and again while failures are transient and time is left.
    ///
    /// In a cluster the leader answers as well: followers lag behind, and the frame of a read holds only where writes are seen at once.
    pub async fn ask(&self, statement: Statement, query: Query) -> Result<Vec<Row>> {
        let operation = if self.address.is_routed() { Operation::Write } else { Operation::Read };
        self.repeat(statement, operation, query).await
    }

    /// Runs a statement that may be run again at will.
    pub async fn set(&self, statement: Statement, query: Query) -> Result<Vec<Row>> {
        self.repeat(statement, Operation::Write, query).await
    }

    async fn repeat(&self, statement: Statement, operation: Operation, query: Query) -> Result<Vec<Row>> {
        let began = Instant::now();
        let mut patience = Patience::new(self.retry);
        loop {
            match self.bounded(self.rows(operation, query.clone())).await {
                Ok(rows) => {
                    self.contact.heard();
                    self.figures.answered(statement, began.elapsed());
                    return Ok(rows);
                }
                Err(error) if patience.lasts(statement.doing, &error) => {
                    self.figures.retries.inc();
                    patience.wait().await;
                }
                Err(error) => return Err(self.explained(statement.doing, error).await),
            }
        }
    }

    fn rows(&self, operation: Operation, query: Query) -> Boxed<'_, Vec<Row>> {
        Box::pin(async move {
            let mut stream = match operation {
                Operation::Read => self.graph.execute_read(query).await?,
                Operation::Write => self.graph.execute(query).await?,
            };
            let mut rows = Vec::new();
            while let Some(row) = stream.next().await? {
                rows.push(row);
            }
            Ok(rows)
        })
    }

    /// The driver bounds the making of a connection and each answer, but neither the handshakes over a connection that says nothing nor
    /// the wait for one of the pool.
    async fn bounded<T>(&self, asked: Boxed<'_, T>) -> neo4rs::Result<T> {
        let ended = tokio::time::timeout(self.whole, asked).await;
        ended.unwrap_or(Err(neo4rs::Error::ConnectionTimedOut))
    }

    fn start(&self) -> Boxed<'_, Txn> {
        Box::pin(self.graph.start_txn())
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Transaction> {
        const DOING: &str = "beginning a transaction";
        let mut patience = Patience::new(self.retry);
        loop {
            match self.bounded(self.start()).await {
                Ok(txn) => {
                    return Ok(Transaction {
                        txn: Some(txn),
                        address: self.address.clone(),
                        contact: self.contact.clone(),
                        figures: self.figures.clone(),
                        nodelay: self.nodelay.clone(),
                    });
                }
                Err(error) if patience.lasts(DOING, &error) => {
                    self.figures.retries.inc();
                    patience.wait().await;
                }
                Err(error) => return Err(self.explained(DOING, error).await),
            }
        }
    }

    /// The failure, and why the database stopped if that is what it is: as far as the server, which works on, says so.
    async fn explained(&self, doing: &'static str, error: neo4rs::Error) -> Error {
        let mut fault = self.fault(doing, error);
        if let Error::Halted { reason, .. } = &mut fault {
            let asked = match self.address.database() {
                Some(name) => {
                    Query::new("SHOW DATABASE $name YIELD statusMessage".to_owned()).param("name", name)
                }
                None => Query::new("SHOW HOME DATABASE YIELD statusMessage".to_owned()),
            };
            let rows = self.bounded(self.rows(Operation::Read, asked)).await.unwrap_or_default();
            let said = rows.first().and_then(|row| row.get("statusMessage").ok());
            *reason = said.unwrap_or_default();
        }
        fault
    }

    fn fault(&self, doing: &'static str, error: neo4rs::Error) -> Error {
        fault(&self.address, doing, Outcome::NotApplied, self.contact.is_there(), error)
    }
}

/// How long transient failures are tried again.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { until: Instant::now() + limit, pause: PAUSE }
    }

    /// Whether to try again after this failure.
    fn lasts(&self, doing: &'static str, error: &neo4rs::Error) -> bool {
        let lasts = is_transient(error) && Instant::now() + self.pause < self.until;
        tracing::debug!(doing, error = error as &dyn std::error::Error, again = lasts, "a request failed");
        lasts
    }

    async fn wait(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = PAUSE_MAX.min(self.pause * 2);
    }
}

/// A transaction of the server. One that is dropped before its end is rolled back by a task of its own, so that its locks do not
/// outlive whoever gave it up.
pub struct Transaction {
    /// None once it has ended.
    txn: Option<Txn>,
    address: Arc<Address>,
    contact: Contact,
    figures: Figures,
    nodelay: Arc<NoDelay>,
}

impl Transaction {
    /// Bytes of rows that may go with a statement in one message without a wait.
    pub fn room_bytes(&self, statement: Statement) -> usize {
        if self.nodelay.holds() { usize::MAX } else { rows_max_bytes(statement) }
    }

    fn answered(&self, statement: Statement, took: Duration) {
        self.contact.heard();
        self.figures.answered(statement, took);
        self.nodelay.took(took);
    }

    /// Asks a statement; nothing is applied when it fails.
    pub async fn ask(&mut self, statement: Statement, query: Query) -> Result<Vec<Row>> {
        let began = Instant::now();
        let rows = self.rows(query).await.map_err(|error| self.fault(statement.doing, error))?;
        self.answered(statement, began.elapsed());
        Ok(rows)
    }

    fn rows(&mut self, query: Query) -> Boxed<'_, Vec<Row>> {
        Box::pin(async move {
            let txn = self.txn.as_mut().ok_or(neo4rs::Error::IncompleteBoltExchange)?;
            let mut stream = txn.execute(query).await?;
            let mut rows = Vec::new();
            while let Some(row) = stream.next(txn.handle()).await? {
                rows.push(row);
            }
            Ok(rows)
        })
    }

    /// Runs a statement for rows, its parameter `rows`.
    pub async fn run_rows(&mut self, statement: Statement, rows: Vec<BoltType>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        for [rows] in messages(self.room_bytes(statement), [rows]) {
            self.run(statement, statement.query().param("rows", BoltType::List(BoltList { value: rows })))
                .await?;
        }
        Ok(())
    }

    /// Runs a statement whose answer nobody needs.
    pub async fn run(&mut self, statement: Statement, query: Query) -> Result<()> {
        let ran: Boxed<'_, _> = Box::pin(async {
            let txn = self.txn.as_mut().ok_or(neo4rs::Error::IncompleteBoltExchange)?;
            txn.run(query).await.map(drop)
        });
        let began = Instant::now();
        ran.await.map_err(|error| self.fault(statement.doing, error))?;
        self.answered(statement, began.elapsed());
        Ok(())
    }

    /// Commits.
    pub async fn commit(mut self) -> Result<(), CommitError> {
        let Some(txn) = self.txn.take() else { return Ok(()) };
        let began = Instant::now();
        let committed: Boxed<'_, _> = Box::pin(txn.commit());
        match committed.await {
            Ok(_) => {
                self.answered(COMMIT, began.elapsed());
                Ok(())
            }
            Err(error) if is_uncertain(&error) => {
                self.figures.commits_lost.inc();
                Err(CommitError::Lost(fault(&self.address, COMMIT.doing, Outcome::Unknown, false, error)))
            }
            Err(error) => Err(CommitError::Failed(self.fault(COMMIT.doing, error))),
        }
    }

    /// Gives it up; its locks are free when this returns.
    pub async fn rollback(mut self) {
        if let Some(txn) = self.txn.take() {
            roll_back(txn).await;
        }
    }

    fn fault(&self, doing: &'static str, error: neo4rs::Error) -> Error {
        fault(&self.address, doing, Outcome::NotApplied, self.contact.is_there(), error)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(txn) = self.txn.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(roll_back(txn));
        }
    }
}

async fn roll_back(txn: Txn) {
    let given_up: Boxed<'_, ()> = Box::pin(txn.rollback());
    if let Err(error) = given_up.await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "a transaction was not rolled back in order"
        );
    }
}
