//! The change sequence and the outcomes of named transactions, both bounded.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use entitygraph_schema::{
    Change, Commit, Cursor, OperationId, Receipt, Refusal, Transaction, codec::fingerprint,
};

use crate::contract::{Feed, is_move};

pub(super) struct Log {
    retained: usize,
    newest: Cursor,
    commits: VecDeque<Arc<Commit>>,
    /// Fingerprints of named transactions and where they got: those of the retained commits, and of the last ones that
    /// changed nothing.
    operations: HashMap<OperationId, ([u8; 32], Cursor)>,
    /// Names of transactions that changed nothing, oldest first.
    unchanged: VecDeque<OperationId>,
    /// See [`crate::Store::moved`].
    pub moved: Option<OperationId>,
}

impl Log {
    pub fn new(begin: Cursor, retained: usize) -> Self {
        Self {
            retained: retained.max(1),
            newest: begin,
            commits: VecDeque::new(),
            operations: HashMap::new(),
            unchanged: VecDeque::new(),
            moved: None,
        }
    }

    pub fn newest(&self) -> Cursor {
        self.newest
    }

    /// The first outcome of a transaction that was done before; refuses its name for another one.
    pub fn replay(&self, transaction: &Transaction) -> Result<Option<Receipt>, Refusal> {
        let Some(operation_id) = &transaction.operation_id else { return Ok(None) };
        match self.operations.get(operation_id) {
            None => Ok(None),
            Some((first, cursor)) if *first == fingerprint(transaction) => {
                Ok(Some(Receipt { cursor: *cursor, replayed: true }))
            }
            Some(_) => Err(Refusal::OperationReused { operation_id: operation_id.clone() }),
        }
    }

    /// Keeps a transaction that was applied.
    pub fn append(&mut self, transaction: &Transaction, changes: Vec<Change>) -> Receipt {
        let operation_id = transaction.operation_id.clone();
        let unchanged = changes.is_empty();
        if !unchanged {
            self.newest = self.newest.next();
            let operation_id = operation_id.clone();
            if let Some(moved) = operation_id.as_ref().filter(|id| is_move(id)) {
                self.moved = Some(moved.clone());
            }
            self.commits.push_back(Arc::new(Commit { cursor: self.newest, operation_id, changes }));
        }
        if let Some(operation_id) = operation_id {
            self.operations.insert(operation_id.clone(), (fingerprint(transaction), self.newest));
            if unchanged {
                self.unchanged.push_back(operation_id);
            }
        }
        self.forget();
        Receipt { cursor: self.newest, replayed: false }
    }

    fn forget(&mut self) {
        while self.commits.len() > self.retained {
            let gone = self.commits.pop_front().and_then(|commit| commit.operation_id.clone());
            if let Some(operation_id) = gone {
                self.operations.remove(&operation_id);
            }
        }
        while self.unchanged.len() > self.retained {
            if let Some(operation_id) = self.unchanged.pop_front() {
                self.operations.remove(&operation_id);
            }
        }
    }

    /// How many named transactions are known.
    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.operations.len()
    }

    /// Commits after a cursor, or that it is out of what is kept.
    pub fn after(&self, after: Cursor, limit: usize) -> Feed {
        let newest = self.newest;
        let oldest = Cursor::from_number(newest.number() - self.commits.len() as u64);
        if after < oldest || after > newest {
            return Feed::Resync { oldest, newest };
        }
        let skip = (after.number() - oldest.number()) as usize;
        Feed::Commits(self.commits.iter().skip(skip).take(limit).cloned().collect())
    }
}
