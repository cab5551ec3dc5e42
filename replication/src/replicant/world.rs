//! A world that is given whole, in memory: one zone, and aggregates of one entity in it. Areas of the graph take its place
//! later.

use entitygraph_schema::{Entity, EntityId, wire::cell::Cell};
use hashbrown::HashSet;

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
    /// An entity that is not a child of the zone.
    #[error("entity {0} is not a child of the zone")]
    NotInZone(EntityId),
    /// An entity without a pose.
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

    /// A zone and what is in it, all of it children of the zone with a pose in it.
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
            if entity.placement.parent != Some(zone.id) {
                return Err(WorldError::NotInZone(entity.id));
            }
            if entity.placement.pose.is_none() {
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

    /// In the order of handles: what is in one cell stands together, so that handles of neighbours take a byte each.
    pub(super) fn by_cell(mut self, level: i8) -> Result<(Entity, Vec<(Cell, Entity)>), WorldError> {
        let mut placed = Vec::with_capacity(self.entities.len());
        for entity in self.entities.drain(..) {
            let pose = entity.placement.pose.ok_or(WorldError::NoPose(entity.id))?;
            let cell = Cell::holding(level, pose.translation()).ok_or(WorldError::Outside(entity.id))?;
            placed.push((cell, entity));
        }
        placed.sort_by_key(|(cell, entity)| (cell.at(), entity.id));
        Ok((self.zone, placed))
    }
}
