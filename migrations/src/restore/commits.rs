//! Commits of a source into a store that holds the source's world as it was right before them.

use std::{collections::BTreeMap, sync::Arc};

use entitygraph_schema::{Commit, Delta, Entity, EntityId, Link, NewPose, Operation};

use super::{place::Stand, target::Target};
use crate::{
    backup::fold::{Effect, Fold},
    moving::{MoveError, Result},
};

/// Commits to be asked for at once.
pub const AT_ONCE: usize = 256;

/// Changes that go in as one transaction; one commit is never parted.
const CHANGES_AT_ONCE: usize = 8_000;

/// Applies commits, some as one transaction: what they do on the whole is written. Those that it
/// holds already do nothing again.
pub async fn apply(target: &mut Target, commits: &[Arc<Commit>]) -> Result<()> {
    let mut rest = commits;
    while !rest.is_empty() {
        let mut changes = 0;
        let fits = |commit: &&Arc<Commit>| {
            changes += commit.changes.len();
            changes <= CHANGES_AT_ONCE
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (part, later) = rest.split_at(count);
        apply_as_one(target, part).await?;
        target.progress.items(part.len() as u64);
        rest = later;
    }
    Ok(())
}

async fn apply_as_one(target: &mut Target, commits: &[Arc<Commit>]) -> Result<()> {
    let Some(last) = commits.last() else { return Ok(()) };
    let mut fold = Fold::default();
    for commit in commits {
        fold.add(commit).map_err(|what| contradiction(target, what))?;
    }
    let mut operations: Vec<_> = fold.components.values().cloned().map(Operation::AdoptComponent).collect();
    operations.extend(fold.containers.values().cloned().map(Operation::AdoptContainer));

    let mut living: BTreeMap<EntityId, Arc<Entity>> = BTreeMap::new();
    let touched: Vec<_> = fold.entities.keys().copied().collect();
    for entity in target.get(&touched).await?.into_iter().flatten() {
        living.insert(entity.id, entity);
    }
    let (mut adopted, mut gone) = (Vec::new(), Vec::new());
    for (id, effect) in &fold.entities {
        match (effect, living.get(id)) {
            (Effect::Made(entity), None) => adopted.push(entity.clone()),
            (Effect::Made(entity), Some(known)) if known.revision < entity.revision => {
                adopted.push(entity.clone())
            }
            (Effect::Changed(delta), Some(known)) => adopted.extend(changed(known, delta)),
            (Effect::Changed(_), None) => {
                return Err(contradiction(target, format!("entity {id} is changed and is not there")));
            }
            (Effect::Buried, _) => gone.push(*id),
            (Effect::Made(_), Some(_)) => {}
        }
    }
    let dies = |id: &EntityId| matches!(fold.entities.get(id), Some(Effect::Buried));
    let goes = |id: EntityId| living.contains_key(&id) && dies(&id);
    // Another may be at the port of one that goes, and burials come after all that stays has left. Where the parent goes too
    // nobody else comes.
    operations.extend(gone.iter().filter_map(|id| living.get(id)).filter_map(|known| {
        known.placement.port.as_ref()?;
        let (entity, parent) = (known.id, known.placement.parent.filter(|parent| !goes(*parent))?);
        Some(Operation::Reparent { entity, parent, port: None, pose: NewPose::Ride })
    }));
    if !adopted.is_empty() {
        operations.push(Operation::Adopt(adopted));
    }
    for (key, cost) in &fold.links {
        let (a, kind, b) = key;
        // Links die with their ends.
        if dies(a) || dies(b) {
            continue;
        }
        if cost.is_some() || fold.linked_first.contains(key) {
            // One that these commits made is not there to be taken away: so it is made first.
            let cost = cost.unwrap_or(1.0);
            operations.push(Operation::Link(Link { kind: kind.clone(), a: *a, b: *b, cost }));
        }
        if cost.is_none() {
            operations.push(Operation::Unlink { kind: kind.clone(), a: *a, b: *b });
        }
    }
    // One goes with the one above it: all that stays has left by now.
    operations.extend(gone.into_iter().filter_map(|id| match living.get(&id) {
        None => Some(Operation::Entomb(id)),
        Some(known) if known.placement.parent.is_some_and(goes) => None,
        Some(_) => Some(Operation::Bury { entity: id, subtree: true }),
    }));
    target.write(operations, Stand::At(last.cursor)).await
}

fn changed(known: &Arc<Entity>, delta: &Delta) -> Option<Arc<Entity>> {
    let mut entity = known.clone();
    (delta.revision > known.revision && delta.apply(Arc::make_mut(&mut entity))).then_some(entity)
}

fn contradiction(target: &Target, what: String) -> MoveError {
    MoveError::Contradiction { location: target.location.clone(), what }
}
