//! Rows of the database as parts of a scene.

use std::sync::Arc;

use entitygraph_schema::{Entity, OperationId};
use neo4rs::Row;

use super::scene::{Node, NodeRow, Scene, ShardRow, StoredLink};
use crate::{
    error::{Error, Result},
    keyed::space::Reach,
    neo4j::{
        link_row::{Joined, LinkRow},
        number::id,
        shared::Shared,
    },
};

impl Scene {
    pub(super) fn read_shard(&mut self, shared: &Shared, row: &Row) -> Result<()> {
        let number =
            |name| Ok::<_, Error>(shared.column::<Option<i64>>(row, name)?.unwrap_or(0).cast_unsigned());
        shared.check_format(row)?;
        let census: Option<&[u8]> = shared.column(row, "census")?;
        self.shard = ShardRow {
            cursor: number("cursor")?,
            lease: number("lease")?,
            facet_sets: u32::try_from(number("facetSets")?).unwrap_or(u32::MAX),
            census: shared.census(census)?,
            idle: number("idle")?,
            log_end: number("logEnd")?,
            mark: shared.column::<Option<String>>(row, "mark")?.unwrap_or_default(),
            begun: number("begun")?,
            moved: None,
        };
        Ok(())
    }

    pub(super) fn read_lists(&mut self, shared: &Shared, row: &Row) -> Result<()> {
        for list in ["entities", "taken", "occupants"] {
            self.read_nodes(shared, shared.column(row, list)?)?;
        }
        for list in ["pairs", "links"] {
            self.read_links(shared, shared.column(row, list)?)?;
        }
        for buried in shared.column::<Vec<i64>>(row, "buried")? {
            self.world.buried.extend(id(buried));
        }
        for (operation, fingerprint, cursor) in shared.column::<Vec<(&str, &[u8], i64)>>(row, "operations")? {
            let read = || Some((OperationId::new(operation).ok()?, fingerprint.try_into().ok()?));
            let (operation, fingerprint) = read().ok_or_else(|| {
                shared.client.place.corrupt(format!("the outcome of operation {operation}"))
            })?;
            self.operations.insert(operation, (fingerprint, cursor.cast_unsigned()));
        }
        Ok(())
    }

    pub(super) fn read_nodes(&mut self, shared: &Shared, rows: Vec<NodeRow<'_>>) -> Result<()> {
        for (record, census, reach) in rows {
            let entity: Arc<Entity> = Arc::new(shared.decode("an entity", record)?);
            let reach = match reach.as_deref() {
                None => Reach::NOTHING,
                Some([metres, largest]) => Reach::of(*metres, *largest).unwrap_or(Reach::NOTHING),
                Some(other) => {
                    return Err(shared
                        .client
                        .place
                        .corrupt(format!("the reach of {}: {other:?}", entity.id)));
                }
            };
            self.nodes.insert(entity.id, Node { census: shared.census(census)?, entity, reach });
        }
        Ok(())
    }

    pub(super) fn read_links(&mut self, shared: &Shared, rows: Vec<LinkRow<'_>>) -> Result<()> {
        for row in rows {
            let Joined { link, from, to } = row.read(shared)?;
            self.links.insert((link.kind, link.a, link.b), StoredLink { cost: link.cost, from, to });
        }
        Ok(())
    }
}
