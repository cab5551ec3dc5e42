//! What a batch ends with: changed properties, its commits, the outcomes of its operation ids, new sets of facets, and how far the shard is.

use entitygraph_schema::OperationId;
use neo4rs::{BoltMap, BoltString, BoltType};

use super::scene::ShardRow;
use crate::{
    error::Result,
    neo4j::{
        client::Transaction,
        facets::FacetSets,
        log::Page,
        message::messages,
        statement::{bytes, list, map, null},
        statements as cypher,
    },
};

/// An outcome of an operation id.
pub struct Outcome {
    /// The operation id.
    pub id: OperationId,
    /// Of what was asked with it.
    pub fingerprint: [u8; 32],
    /// The moment after it.
    pub cursor: u64,
    /// Whether it changed nothing, so that it has no commit of its own.
    pub idle: bool,
}

/// See the module.
pub struct Seal<'a> {
    /// The shard before the batch.
    pub before: &'a ShardRow,
    /// The shard after it.
    pub after: &'a ShardRow,
    /// Announce the next batch as well: it is expected at once, and then need not be announced by a transaction of its own.
    pub expects_more: bool,
}

impl Seal<'_> {
    /// Writes it.
    pub async fn write(
        &self,
        transaction: &mut Transaction,
        updates: Vec<BoltType>,
        outcomes: &[Outcome],
        pages: Vec<Page>,
        sets: &FacetSets,
    ) -> Result<()> {
        let lists = [
            updates,
            self.sets(sets),
            self.pages(pages),
            outcomes.iter().map(outcome).collect(),
            self.gate().into_iter().collect(),
            vec![self.shard()],
        ];
        for [updates, sets, commits, operations, gates, shards] in
            messages(transaction.room_bytes(cypher::SEAL), lists)
        {
            let query = cypher::SEAL
                .query()
                .param("updates", list(updates))
                .param("facetSets", list(sets))
                .param("commits", list(commits))
                .param("operations", list(operations))
                .param("gates", list(gates))
                .param("shards", list(shards));
            transaction.run(cypher::SEAL, query).await?;
        }
        Ok(())
    }

    fn sets(&self, sets: &FacetSets) -> Vec<BoltType> {
        let words = |(number, set): (u32, &crate::neo4j::facets::FacetSet)| {
            let words = set.words().into_iter().map(BoltType::from);
            map([("number", i64::from(number).into()), ("facets", list(words))])
        };
        (self.before.facet_sets..).zip(sets.iter()).map(words).collect()
    }

    fn pages(&self, pages: Vec<Page>) -> Vec<BoltType> {
        let mut end = self.before.log_end;
        let until = self.after.cursor;
        let row = |page: Page| {
            end += page.records.len() as u64;
            let last = page.last.number();
            map([
                ("first", page.first.number().cast_signed().into()),
                ("cursor", last.cast_signed().into()),
                ("until", until.cast_signed().into()),
                ("end", end.cast_signed().into()),
                ("mark", if last == until { self.after.mark.as_str().into() } else { null() }),
                ("records", bytes(page.records)),
            ])
        };
        pages.into_iter().map(row).collect()
    }

    /// What readers shall take for begun and for complete while the next batch is expected.
    fn gate(&self) -> Option<BoltType> {
        let next = (self.after.cursor + 1).cast_signed();
        self.expects_more.then(|| {
            map([
                ("begun", next.into()),
                ("ended", next.into()),
                ("complete", self.before.cursor.cast_signed().into()),
            ])
        })
    }

    fn shard(&self) -> BoltType {
        let after = self.after;
        let mut shard = BoltMap::default();
        let mut put = |name: &str, value: BoltType| shard.put(BoltString::from(name), value);
        put("cursor", after.cursor.cast_signed().into());
        put("facetSets", i64::from(after.facet_sets).into());
        put("idle", after.idle.cast_signed().into());
        put("logEnd", after.log_end.cast_signed().into());
        put("lease", after.lease.cast_signed().into());
        put("mark", after.mark.as_str().into());
        if let Some(moved) = &after.moved {
            put("moved", moved.as_str().into());
        }
        if after.census != self.before.census {
            put("census", bytes(after.census.encode()));
        }
        BoltType::Map(shard)
    }
}

fn outcome(outcome: &Outcome) -> BoltType {
    let cursor = outcome.cursor.cast_signed();
    map([
        ("id", outcome.id.as_str().into()),
        ("fingerprint", bytes(outcome.fingerprint.to_vec())),
        ("cursor", cursor.into()),
        ("idle", if outcome.idle { cursor.into() } else { null() }),
    ])
}
