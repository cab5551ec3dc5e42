//! What a log says was accepted and not written: what a restarted hub goes on with.

use entitygraph_schema::{EntityId, Epoch, OperationId};

use super::{
    backlog::{Arrival, Backlog, Entry, Logged, Taken},
    log::{Record, Row},
};

/// A command of which the log does not say what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenIntent {
    /// Under which the store knows it.
    pub operation_id: OperationId,
    /// What tells it from another one of this id.
    pub request: [u8; 32],
    /// Term of the hub that gave it to the store.
    pub term: Epoch,
    /// All that it changed.
    pub roots: Vec<EntityId>,
    /// Zone that they left with it.
    pub left: Option<EntityId>,
    /// What waited for them then.
    pub taken: Vec<Taken>,
}

/// Reads a log from its beginning.
#[derive(Debug, Default)]
pub struct Replay {
    backlog: Backlog,
    intents: Vec<OpenIntent>,
    /// Where the last record ended.
    position: u64,
    rows: u64,
}

impl Replay {
    /// Takes the next record, with the position behind it.
    pub fn take(&mut self, behind: u64, record: Record) {
        let from = std::mem::replace(&mut self.position, behind);
        match record {
            Record::Rows { tick, zone, rows } => {
                self.rows += rows.len() as u64;
                let logged = Logged { from, to: behind, missing: false };
                for Row { root, entity, values } in rows {
                    let entry = Entry { root, zone, tick, values };
                    let arrival = Arrival { number: 0, now_us: 0, logged };
                    if !self.backlog.accept(entity, entry.clone(), arrival) {
                        // Older than what was read before: it was written to the log again, and is the older part.
                        let entries = vec![(entity, entry)];
                        self.backlog.give_back(Taken { root, first: 0, since_us: 0, logged, entries });
                    }
                }
            }
            Record::Written { up_to, roots } => {
                for root in roots {
                    // What came while it was being written is in one entry with it: then all of it is written again.
                    if self.backlog.aggregate(root).is_some_and(|waiting| waiting.logged.to <= up_to) {
                        drop(self.backlog.take(root));
                    }
                }
            }
            Record::Intent { term, operation_id, request, roots, left } => {
                // It was written again, with all that had been taken.
                self.intents.retain(|open| open.operation_id != operation_id);
                let taken = roots.iter().filter_map(|root| self.backlog.take(*root)).collect();
                self.intents.push(OpenIntent { operation_id, request, term, roots, left, taken });
            }
            Record::Outcome { operation_id, done, void, left } => {
                // The intent may be gone already, and what it was about is still here.
                left.iter().for_each(|left| void.iter().for_each(|root| self.backlog.void(*root, *left)));
                let Some(at) = self.intents.iter().rposition(|open| open.operation_id == operation_id) else {
                    return;
                };
                let open = self.intents.remove(at);
                if !done {
                    open.taken.into_iter().for_each(|taken| self.backlog.give_back(taken));
                }
            }
        }
    }

    /// How many rows it had.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What waits, and commands that are open.
    pub(super) fn into_parts(self) -> (Backlog, Vec<OpenIntent>) {
        (self.backlog, self.intents)
    }
}
