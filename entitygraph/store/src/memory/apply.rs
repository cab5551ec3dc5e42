//! A transaction from its first precondition to what it changed.

use entitygraph_schema::{Change, Entity, EntityId, Link, LinkKind, Operation, Refusal, Transaction};

use super::{adopt, checks, draft::Draft, reparent, world::World};

/// Applies all of it and says what changed, or nothing of it and says why.
pub(crate) fn transaction(world: &mut World, transaction: &Transaction) -> Result<Vec<Change>, Refusal> {
    let mut draft = Draft::new(world);
    match steps(&mut draft, transaction) {
        Ok(()) => Ok(draft.finish()),
        Err(refusal) => {
            draft.undo();
            Err(refusal)
        }
    }
}

fn steps(draft: &mut Draft<'_>, transaction: &Transaction) -> Result<(), Refusal> {
    for precondition in &transaction.preconditions {
        checks::precondition(draft, precondition)?;
    }
    for step in &transaction.operations {
        operation(draft, step)?;
    }
    Ok(())
}

fn operation(draft: &mut Draft<'_>, operation: &Operation) -> Result<(), Refusal> {
    match operation {
        Operation::PublishComponent(component) => {
            let published = draft.world.catalog.registry.publish(component)?;
            draft.component(published);
        }
        Operation::PublishContainer(container) => {
            let published = draft.world.catalog.publish(container)?;
            draft.container(published);
        }
        Operation::Create(new) => {
            checks::create(draft.world, new)?;
            draft.create(new.clone());
        }
        Operation::Change(entity, patch) => {
            let catalog = draft.world.catalog.clone();
            let patch = &*catalog.registry.completed(patch);
            checks::change(draft.world, draft.world.known(*entity)?, patch)?;
            draft.change(*entity, |entity| patch.apply(entity));
            let changed = draft.world.known(*entity)?;
            if !patch.labels.is_empty() || !patch.components.is_empty() {
                Entity::check_size(&changed.labels, &changed.components)?;
            }
        }
        Operation::Reparent { entity, parent, port, pose } => {
            reparent::reparent(draft, *entity, *parent, port.as_ref(), *pose)?;
        }
        Operation::Link(link) => make_link(draft, link)?,
        Operation::Unlink { kind, a, b } => unlink(draft, kind, *a, *b)?,
        Operation::Bury { entity, subtree } => bury(draft, *entity, *subtree)?,
        Operation::AdoptComponent(component) => {
            if draft.world.catalog.registry.adopts(component)? {
                draft.component(component.clone());
            }
        }
        Operation::AdoptContainer(container) => {
            if draft.world.catalog.adopts(container)? {
                draft.container(container.clone());
            }
        }
        Operation::Adopt(entities) => adopt::adopt(draft, entities)?,
        Operation::Entomb(entity) => adopt::entomb(draft, *entity)?,
    }
    Ok(())
}

fn make_link(draft: &mut Draft<'_>, link: &Link) -> Result<(), Refusal> {
    link.check_ends()?;
    link.check_cost()?;
    let Link { kind, a, b, cost } = Link::new(link.kind.clone(), link.a, link.b, link.cost);
    draft.world.known(a)?;
    draft.world.known(b)?;
    draft.link((kind, a, b), Some(cost));
    Ok(())
}

fn unlink(draft: &mut Draft<'_>, kind: &LinkKind, a: EntityId, b: EntityId) -> Result<(), Refusal> {
    let key = (kind.clone(), a.min(b), a.max(b));
    if !draft.world.links.contains_key(&key) {
        return Err(Refusal::UnknownLink { kind: kind.clone(), a, b });
    }
    draft.link(key, None);
    Ok(())
}

fn bury(draft: &mut Draft<'_>, entity: EntityId, subtree: bool) -> Result<(), Refusal> {
    draft.world.known(entity)?;
    if !subtree && draft.world.has_children(entity) {
        return Err(Refusal::HasChildren { entity });
    }
    // Parents come first in a walk, so children come first in its reverse.
    let below: Vec<_> = draft.world.below(Some(entity), |_| true).into_iter().map(|below| below.id).collect();
    for id in below.into_iter().rev().chain([entity]) {
        draft.bury(id);
    }
    Ok(())
}
