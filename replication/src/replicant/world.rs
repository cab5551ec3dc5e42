//! A world that is given whole, in memory: one zone, and units in it: what is directly in the zone, with all that hangs on it.
//! Areas of the graph take its place later.

use entitygraph_schema::{Entity, EntityId, wire::cell::Cell};
use hashbrown::{HashMap, HashSet};

use crate::catalog::StreamCatalog;

/// Entities of one zone.
#[derive(Debug, Clone)]
pub struct World {
    pub(super) zone: Entity,
    pub(super) entities: Vec<Entity>,
    pub(super) catalog: StreamCatalog,
}

/// A world that one room cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// The root hosts no zone.
    #[error("entity {0} is no zone host")]
    NoZone(EntityId),
    /// An entity that does not hang on the zone.
    #[error("entity {0} does not hang on the zone")]
    NotInZone(EntityId),
    /// An entity that hosts a zone of its own.
    #[error("entity {0} hosts a zone inside the zone, which is not served yet")]
    Nested(EntityId),
    /// An entity in the zone without a pose.
    #[error("entity {0} has no pose")]
    NoPose(EntityId),
    /// An entity outside of every cell of the level.
    #[error("entity {0} is outside of the grid")]
    Outside(EntityId),
    /// Two of one id.
    #[error("entity {0} stands twice")]
    Twice(EntityId),
    /// More than there are handles.
    #[error("{0} entities, at most {max} have handles", max = World::ENTITIES_MAX)]
    TooMany(usize),
}

impl World {
    /// Most entities of a room.
    pub const ENTITIES_MAX: usize = 1 << 24;

    /// A zone and what is in it: children of the zone have a pose in it, what hangs on them may have one.
    ///
    /// # Errors
    /// The first entity that a room cannot hold.
    pub fn new(zone: Entity, entities: Vec<Entity>) -> Result<Self, WorldError> {
        if zone.zone.is_none() {
            return Err(WorldError::NoZone(zone.id));
        }
        if entities.len() > Self::ENTITIES_MAX {
            return Err(WorldError::TooMany(entities.len()));
        }
        let mut ids: HashSet<EntityId> = [zone.id].into_iter().collect();
        for entity in &entities {
            if entity.zone.is_some() {
                return Err(WorldError::Nested(entity.id));
            }
            if entity.placement.parent == Some(zone.id) && entity.placement.pose.is_none() {
                return Err(WorldError::NoPose(entity.id));
            }
            if !ids.insert(entity.id) {
                return Err(WorldError::Twice(entity.id));
            }
        }
        Ok(Self { zone, entities, catalog: StreamCatalog::default() })
    }

    /// The same with variables. Without a catalog no report may have any, and own values are told to servers only.
    pub fn with_catalog(self, catalog: StreamCatalog) -> Self {
        Self { catalog, ..self }
    }

    /// In the order of handles: what is in one cell stands together, so that handles of neighbours take a byte each; in a unit
    /// parents stand first. The cell is that of the unit.
    pub(super) fn by_cell(mut self, level: i8) -> Result<(Entity, Vec<(Cell, Entity)>), WorldError> {
        let mut below: HashMap<EntityId, Vec<Entity>> = HashMap::new();
        let mut tops = Vec::new();
        let count = self.entities.len();
        for entity in self.entities.drain(..) {
            let Some(parent) = entity.placement.parent else { return Err(WorldError::NotInZone(entity.id)) };
            if parent != self.zone.id {
                below.entry(parent).or_default().push(entity);
                continue;
            }
            let pose = entity.placement.pose.ok_or(WorldError::NoPose(entity.id))?;
            let cell = Cell::holding(level, pose.translation()).ok_or(WorldError::Outside(entity.id))?;
            tops.push((cell, entity));
        }
        tops.sort_by_key(|(cell, entity)| (cell.at(), entity.id));
        below.values_mut().for_each(|siblings| siblings.sort_by_key(|entity| (entity.ordinal, entity.id)));
        let mut placed = Vec::with_capacity(count);
        for (cell, top) in tops {
            let mut turn = vec![top];
            while let Some(entity) = turn.pop() {
                turn.extend(below.remove(&entity.id).unwrap_or_default().into_iter().rev());
                placed.push((cell, entity));
            }
        }
        // What is left hangs on nothing that is there, or on itself.
        match below.into_values().flatten().map(|entity| entity.id).min() {
            Some(left) => Err(WorldError::NotInZone(left)),
            None => Ok((self.zone, placed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_schema::{Epoch, NewEntity, Placement, testing};

    use super::*;

    fn entity(id: u64, parent: u64, posed: bool) -> Entity {
        let pose = posed.then(|| testing::at(1.0, 2.0, 3.0));
        let placement = Placement { pose, ..testing::item(id, parent).placement };
        Entity::created(NewEntity { placement, ..testing::item(id, parent) }, Epoch::ZERO)
    }

    fn ordered(entities: Vec<Entity>) -> Result<Vec<u64>, WorldError> {
        let zone = Entity::created(testing::world(1, 1e3), Epoch::ZERO);
        let (_, placed) = World::new(zone, entities)?.by_cell(3)?;
        Ok(placed.iter().map(|(_, entity)| entity.id.get()).collect())
    }

    #[test]
    fn parents_stand_before_what_hangs_on_them() {
        let entities = [entity(9, 5, false), entity(4, 1, true), entity(5, 4, true), entity(3, 1, true)];
        assert_eq!(ordered(entities.into()), Ok(vec![3, 4, 5, 9]));
    }

    #[test]
    fn what_hangs_on_nothing_and_what_is_not_served_is_refused_by_name() {
        let refused = |entities: Vec<Entity>| ordered(entities).unwrap_err();
        assert_eq!(refused(vec![entity(3, 1, false)]), WorldError::NoPose(testing::entity_id(3)));
        let circle = vec![entity(3, 4, false), entity(4, 3, false)];
        assert_eq!(refused(circle), WorldError::NotInZone(testing::entity_id(3)));
        assert_eq!(refused(vec![entity(7, 6, true)]), WorldError::NotInZone(testing::entity_id(7)));
        let ship = Entity { zone: testing::zone(5, 1, 9.0).zone, ..entity(5, 1, true) };
        assert_eq!(refused(vec![ship]), WorldError::Nested(testing::entity_id(5)));
    }
}
