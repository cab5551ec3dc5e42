//! To format 2: commits share nodes, and where the change sequence begins stands in a node of its own.
//!
//! A commit of format 1 has a node of its own, whose record is that of a page with one commit. So each node becomes such a page, and
//! shows by its property `records` that it is done.

use super::Work;
use crate::{migrate::Step, neo4j::statement::Statement};

pub(super) const WORK: Work = Work {
    step: Step {
        number: 2,
        name: "commits in pages",
        what: "The node of each commit becomes a page that may hold several, and what is trimmed is kept apart from what is written, \
               so that writers do not wait for it. No entity is touched.",
        undo: None,
    },
    rows: Statement {
        name: "MIGRATE_PAGES_COUNT",
        doing: "counting the commits that are no pages yet",
        text: "MATCH (c:Commit) WHERE c.records IS NULL RETURN count(c) AS found",
    },
    before: &[
        Statement {
            name: "MIGRATE_PAGES_INDEX",
            doing: "taking the index of idle operations away",
            text: "DROP INDEX operation_cursor IF EXISTS",
        },
        Statement {
            name: "MIGRATE_PAGES_LOG",
            doing: "making the node of the change sequence",
            // The shard counts what was ever made, so what is gone of it is what is not there.
            text: "MATCH (s:Shard {number: 0}) \
                   CALL { MATCH (o:Operation) WHERE o.idle IS NOT NULL RETURN count(o) AS idle } \
                   MERGE (l:Log {number: 0}) \
                   ON CREATE SET l.first = s.first, l.start = s.logStart, l.idle = s.idle - idle",
        },
    ],
    batch: Statement {
        name: "MIGRATE_PAGES",
        doing: "making commits pages",
        text: "MATCH (c:Commit) WHERE c.records IS NULL WITH c LIMIT $limit \
               SET c.records = c.record, c.first = c.cursor, c.until = c.cursor REMOVE c.record, c.operation \
               RETURN count(c) AS found",
    },
    after: Statement {
        name: "MIGRATE_PAGES_END",
        doing: "ending the step",
        text: "MATCH (s:Shard {number: 0}) REMOVE s.first, s.logStart, s.step",
    },
};
