//! Rows that follow from one entity alone: its record and the lists it is in.

use std::sync::Arc;

use entitygraph_schema::{Entity, EntityId, codec};

use super::draft::{Draft, Touched};
use crate::keyed::{
    engine::WriteBatch,
    keys::{self, Row},
};

/// Writes the rows of all touched entities, and those that planning wrote itself.
pub fn lower(batch: &Draft, out: &mut WriteBatch) {
    let mut record = Vec::new();
    for (id, touched) in &batch.entities {
        entity(*id, touched, &mut record, out);
    }
    for (key, value) in &batch.rows {
        // Rows of children also say whether there are children below those: `tally` writes them.
        if key.first() != Some(&(Row::Child as u8)) {
            match value {
                Some(value) => out.put(key, value),
                None => out.delete(key),
            }
        }
    }
    for id in &batch.entombed {
        out.put(&keys::buried(*id), &[]);
    }
    for component in &batch.components {
        out.put(&keys::component(component.id), &codec::encoded(&**component));
    }
    for container in &batch.containers {
        out.put(&keys::container(container.id), &codec::encoded(&**container));
    }
}

fn entity(id: EntityId, touched: &Touched, record: &mut Vec<u8>, out: &mut WriteBatch) {
    let (before, now) = (touched.before.as_ref(), touched.now.as_ref());
    if before.zip(now).is_some_and(|(before, now)| Arc::ptr_eq(before, now)) {
        return;
    }
    match now {
        Some(now) => {
            record.clear();
            codec::encode(&**now, record);
            out.put(&keys::entity(id), record);
        }
        None => {
            if before.is_some() {
                out.delete(&keys::entity(id));
            }
            out.put(&keys::buried(id), &[]);
        }
    }
    names(before, now, out);
    let owner = |entity: Option<&Arc<Entity>>| entity.and_then(|entity| entity.owner.clone());
    let (old, new) = (owner(before), owner(now));
    if old != new {
        old.iter().for_each(|owner| out.delete(&keys::owner(owner, id)));
        new.iter().for_each(|owner| out.put(&keys::owner(owner, id), &[]));
    }
}

fn names(before: Option<&Arc<Entity>>, now: Option<&Arc<Entity>>, out: &mut WriteBatch) {
    let parent = |entity: &Entity| keys::parent_number(entity.placement.parent);
    if let (Some(before), Some(now)) = (before, now)
        && before.name == now.name
        && parent(before) == parent(now)
    {
        return;
    }
    if let Some(before) = before {
        let folded = before.name.as_str().to_lowercase();
        out.delete(&keys::name(&folded, before.id));
        out.delete(&keys::child_name(parent(before), &folded, before.id));
    }
    if let Some(now) = now {
        let folded = now.name.as_str().to_lowercase();
        out.put(&keys::name(&folded, now.id), &[]);
        out.put(&keys::child_name(parent(now), &folded, now.id), &[]);
    }
}
