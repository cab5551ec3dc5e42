//! A ship of 60 entities in a universe of its own.

use std::sync::Arc;

use entitygraph_schema::{Aabb, EntityName, Kind, Label, NewEntity, Operation, Placement, Pose, Transaction};
use entitygraph_store::{Store, memory::MemoryStore};
use glam::DVec3;

use crate::{World, serve_store};

/// The ship's id and the server over it.
pub async fn world() -> anyhow::Result<World> {
    let store = Arc::new(MemoryStore::new());
    let first = store.lease_ids(61).await?.first;
    let id = |offset| first.checked_add(offset).expect("the lease holds them");
    let new = |offset: u64, parent: Option<u64>, zone| -> anyhow::Result<NewEntity> {
        Ok(NewEntity {
            id: id(offset),
            name: EntityName::new(format!("Section {offset} of the hauler"))?,
            kind: Kind::new(if offset == 1 { "ship" } else { "room" })?,
            source: None,
            placement: Placement {
                parent: parent.map(id),
                port: None,
                pose: parent.map(|_| Pose::at(DVec3::new(offset as f64 * 1.25, -2.5, 1e3))).transpose()?,
            },
            radius: 4.0,
            zone,
            root: offset == 1,
            labels: [Label::new("mission/rescue")?].into(),
            owner: None,
            layer: Default::default(),
            ordinal: 0,
            components: Default::default(),
        })
    };
    let mut operations = vec![Operation::Create(new(0, None, Some(Aabb::cube(1e9)?))?)];
    for offset in 1..=60 {
        let parent = if offset == 1 { 0 } else { 1 };
        operations.push(Operation::Create(new(offset, Some(parent), None)?));
    }
    store.commit(Transaction::of(operations)).await?;
    Ok(World { first: id(1), address: serve_store(store).await? })
}
