//! Taking over entities of another store as they are.

use std::{collections::BTreeSet, sync::Arc};

use entitygraph_schema::{Entity, EntityId, Refusal};

use super::{draft::Draft, world::World};

/// Puts all of them in, then judges what came of it.
pub(crate) fn adopt(draft: &mut Draft<'_>, entities: &[Arc<Entity>]) -> Result<(), Refusal> {
    let mut ids = BTreeSet::new();
    for entity in entities {
        let id = entity.id;
        if !ids.insert(id) {
            return Err(Refusal::Invalid {
                what: "the adopted entities",
                reason: format!("{id} is there twice"),
            });
        }
        if draft.world.buried.contains(&id) {
            return Err(Refusal::EntityBuried { entity: id });
        }
        entity.check_adoption(draft.world.get(id).map(|before| &**before))?;
        draft.world.catalog.check_adopted(entity)?;
        draft.adopt(entity.clone());
    }
    entities.iter().try_for_each(|entity| place(draft.world, entity))
}

/// Refuses a place that cannot be: under nobody who lives, below itself, on a port where another one is.
fn place(world: &World, entity: &Entity) -> Result<(), Refusal> {
    let Some(parent) = entity.placement.parent else { return Ok(()) };
    // Who is met twice on the way up is below himself, and so is everybody met since.
    let mut met = BTreeSet::from([entity.id]);
    let mut above = Some(parent);
    while let Some(id) = above {
        if !met.insert(id) {
            return Err(Refusal::Cycle { entity: entity.id, parent });
        }
        above = world.known(id)?.placement.parent;
    }
    let Some(port) = &entity.placement.port else { return Ok(()) };
    let occupants = world.children(Some(parent)).filter(|child| child.placement.port.as_ref() == Some(port));
    match occupants.map(|child| child.id).find(|occupant| *occupant != entity.id) {
        Some(occupant) => Err(Refusal::PortOccupied { entity: parent, port: port.clone(), occupant }),
        None => Ok(()),
    }
}

/// Marks an id as used and gone.
pub(crate) fn entomb(draft: &mut Draft<'_>, id: EntityId) -> Result<(), Refusal> {
    if draft.world.get(id).is_some() {
        return Err(Refusal::EntityExists { entity: id });
    }
    draft.entomb(id);
    Ok(())
}
