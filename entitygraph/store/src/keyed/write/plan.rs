//! Plans a transaction: judges its preconditions, does its operations on the [`Graph`], and says what changed.
//!
//! The rules of each operation are in the file of its noun. A refusal drops the graph, so it leaves no trace.

use std::{collections::HashSet, sync::Arc};

use entitygraph_schema::{
    Change, Delta, Entity, EntityId, Link, Operation, Patch, Precondition, Refusal, Transaction,
    children_first,
};

use super::{adopt, bury, change, create, graph::Graph, links, ports, publish, reparent};
use crate::{error::Result, keyed::tree::Tree};

/// Does the whole transaction on the graph; returns its changes in the order of a commit.
pub fn transaction(graph: &mut Graph<'_>, transaction: &Transaction) -> Result<Vec<Change>> {
    let limits = &graph.base.options;
    let (count, max) = (transaction.operations.len(), limits.transaction_operations);
    refuse_above("operations in one transaction", count, max)?;
    // As many as one commit of another store with these limits may have changed.
    refuse_above(
        "operations and adopted entities in one transaction",
        transaction.weight(),
        max.saturating_add(limits.touched),
    )?;
    for expected in &transaction.preconditions {
        precondition(graph, expected)?;
    }
    for step in &transaction.operations {
        operation(graph, step)?;
    }
    outcome(graph)
}

fn refuse_above(what: &'static str, count: usize, max: usize) -> Result<()> {
    let (count, max) = (count as u64, max as u64);
    if count > max { Err(Refusal::TooMany { what, count, max }.into()) } else { Ok(()) }
}

fn operation(graph: &mut Graph<'_>, operation: &Operation) -> Result<()> {
    match operation {
        Operation::PublishComponent(draft) => publish::component(graph, draft),
        Operation::PublishContainer(draft) => publish::container(graph, draft),
        Operation::Create(new) => create::create(graph, new),
        Operation::Change(entity, patch) => change::change(graph, *entity, patch),
        Operation::Reparent { entity, parent, port, pose } => {
            reparent::reparent(graph, *entity, *parent, port.as_ref(), *pose)
        }
        Operation::Link(link) => links::link(graph, link),
        Operation::Unlink { kind, a, b } => links::unlink(graph, kind, *a, *b),
        Operation::Bury { entity, subtree } => bury::bury(graph, *entity, *subtree),
        Operation::AdoptComponent(component) => publish::adopt_component(graph, component),
        Operation::AdoptContainer(container) => publish::adopt_container(graph, container),
        Operation::Adopt(entities) => adopt::adopt(graph, entities),
        Operation::Entomb(entity) => adopt::entomb(graph, *entity),
    }
}

fn precondition(graph: &mut Graph<'_>, expected: &Precondition) -> Result<()> {
    match expected {
        Precondition::Exists(entity) => graph.expect(*entity).map(drop),
        Precondition::Absent(entity) => match graph.entity(*entity)? {
            Some(_) => Err(Refusal::EntityExists { entity: *entity }.into()),
            None => Ok(()),
        },
        Precondition::Revision(entity, expected) => {
            let (entity, expected) = (*entity, *expected);
            match graph.expect(entity)?.revision {
                found if found == expected => Ok(()),
                found => Err(Refusal::StaleRevision { entity, expected, found }.into()),
            }
        }
        Precondition::Epoch(entity, given) => {
            let (entity, given) = (*entity, *given);
            let found = graph.expect(entity)?.epoch;
            if given < found {
                return Err(Refusal::StaleEpoch { entity, given, found }.into());
            }
            let held = graph.epochs.entry(entity).or_default();
            *held = given.max(*held);
            Ok(())
        }
        Precondition::PortFree(entity, port) => {
            graph.expect(*entity)?;
            match ports::occupant(graph, *entity, port)? {
                Some(occupant) => {
                    Err(Refusal::PortOccupied { entity: *entity, port: port.clone(), occupant }.into())
                }
                None => Ok(()),
            }
        }
        Precondition::ContainerVersion(id, expected) => {
            let container = publish::known_container(graph, *id)?;
            let (found, expected) = (container.version, *expected);
            if found == expected {
                return Ok(());
            }
            Err(Refusal::StaleContainer { container: container.draft.name.clone(), expected, found }.into())
        }
    }
}

/// What the transaction did on the whole: published, created (parents first), changed, linked and unlinked, buried
/// (children first), entombed. Gives changed entities their next revision; those without a difference are put back.
fn outcome(graph: &mut Graph<'_>) -> Result<Vec<Change>> {
    let mut changes = std::mem::take(&mut graph.published);
    let order = std::mem::take(&mut graph.order);
    created(graph, &order, &mut changes)?;
    changed(graph, &order, &mut changes);
    linked(graph, &mut changes)?;
    let buried = std::mem::take(&mut graph.buried);
    let seen = buried.into_iter().map(|last| {
        // Readers know it as it was before the transaction.
        let before = graph.draft.entities.get(&last.id).and_then(|touched| touched.before.clone());
        before.unwrap_or(last)
    });
    changes.extend(children_first(seen.collect()).into_iter().map(Change::Buried));
    let mut entombed: Vec<_> = graph.draft.entombed.iter().copied().collect();
    entombed.sort_unstable();
    changes.extend(entombed.into_iter().map(Change::Entombed));
    Ok(changes)
}

fn created(graph: &Graph<'_>, order: &[EntityId], changes: &mut Vec<Change>) -> Result<()> {
    let is_new =
        |id: &&EntityId| graph.draft.entities.get(*id).is_some_and(|touched| touched.before.is_none());
    let mut to_tell: HashSet<EntityId> = order.iter().filter(is_new).copied().collect();
    if to_tell.is_empty() {
        return Ok(());
    }
    let mut path: Vec<Arc<Entity>> = Vec::new();
    for id in order {
        // An entity can be moved under one that was created after it: parents are told first all the same.
        let mut next = Some(*id).filter(|id| to_tell.contains(id));
        while let Some(entity) = next.map(|id| graph.entity(id)).transpose()?.flatten() {
            next = entity.placement.parent.filter(|parent| to_tell.contains(parent));
            path.push(entity);
        }
        while let Some(entity) = path.pop() {
            to_tell.remove(&entity.id);
            changes.push(Change::Created(entity));
        }
    }
    Ok(())
}

fn changed(graph: &mut Graph<'_>, order: &[EntityId], changes: &mut Vec<Change>) {
    for id in order {
        let Some(touched) = graph.draft.entities.get_mut(id) else { continue };
        let (Some(before), Some(now)) = (&touched.before, &mut touched.now) else { continue };
        let mut patch = Patch::between(before, now);
        if patch.is_empty() && (before.epoch, before.revision) == (now.epoch, now.revision) {
            *now = before.clone();
            continue;
        }
        patch.expand_groups(now, &graph.catalog.registry);
        let after = Arc::make_mut(now);
        if !graph.adopted.contains(id) {
            after.revision = before.revision.next();
        }
        let left = patch.parent.as_ref().and(before.placement.parent);
        let delta = Arc::new(Delta { revision: after.revision, epoch: after.epoch, patch });
        changes.push(Change::Changed { entity: *id, left, delta });
    }
}

fn linked(graph: &mut Graph<'_>, changes: &mut Vec<Change>) -> Result<()> {
    for ((kind, a, b), before) in std::mem::take(&mut graph.links) {
        match links::cost(graph, &kind, a, b)? {
            Some(cost) if before.map(f64::to_bits) != Some(cost.to_bits()) => {
                changes.push(Change::Linked(Link { kind, a, b, cost }));
            }
            None if before.is_some() => changes.push(Change::Unlinked { kind, a, b }),
            _ => {}
        }
    }
    Ok(())
}
