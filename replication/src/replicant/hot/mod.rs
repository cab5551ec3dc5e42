//! What is hot, in columns indexed by handle. Nothing is set aside for a change.

mod block;
pub mod motion;
pub mod values;

use entitygraph_schema::{
    Entity, EntityId, OwnerId,
    space::Pose,
    wire::{Handle, cell::Cell, exact::ExactRow, state::Lane},
};
use glam::DQuat;
use hashbrown::HashMap;

use self::{
    motion::{Changed, Motion},
    values::Values,
};
use super::cells::LANES;
use crate::catalog::{Sight, StreamCatalog};

/// Place of an entity in the columns: one less than its handle.
pub type Index = usize;

/// The zone that is the root of all.
pub const ROOT: Index = 0;

/// The columns.
#[derive(Debug)]
pub struct Hot {
    /// As loaded: what changes is in the other columns.
    entities: Vec<Entity>,
    by_id: HashMap<EntityId, u32>,
    /// What an entity is in; the root in itself.
    parent: Vec<u32>,
    /// Where each entity is.
    pub motion: Motion,
    /// What was reported of its variables.
    pub values: Values,
    /// Place among the members of its cell.
    pub place: Vec<u32>,
    /// The observer who looks from it, if one does.
    pub observer: Vec<Option<u32>>,
}

impl Hot {
    /// The zone, then entities in the order of their handles; their cells are given afterwards.
    pub fn new(zone: Entity, placed: Vec<(Cell, Entity)>) -> Self {
        let entities: Vec<Entity> =
            std::iter::once(zone).chain(placed.into_iter().map(|(_, entity)| entity)).collect();
        let by_id: HashMap<EntityId, u32> =
            entities.iter().zip(0..).map(|(entity, index)| (entity.id, index)).collect();
        let parent = |entity: &Entity| {
            entity.placement.parent.and_then(|parent| by_id.get(&parent).copied()).unwrap_or(ROOT as u32)
        };
        Self {
            parent: entities.iter().map(parent).collect(),
            motion: Motion::of(&entities),
            values: Values::default(),
            place: vec![0; entities.len()],
            observer: vec![None; entities.len()],
            by_id,
            entities,
        }
    }

    /// How many entities.
    pub fn count(&self) -> usize {
        self.entities.len()
    }

    /// The handle of an entity.
    pub fn handle(index: Index) -> Option<Handle> {
        u32::try_from(index).ok().and_then(|index| Handle::new(index.checked_add(1)?))
    }

    /// Where the entity of a handle stands; unknown handles nowhere.
    pub fn index(&self, handle: Handle) -> Option<Index> {
        let index = handle.get() as usize - 1;
        (index < self.entities.len()).then_some(index)
    }

    /// Where the entity of an id stands.
    pub fn by_id(&self, id: EntityId) -> Option<Index> {
        self.by_id.get(&id).map(|index| *index as usize)
    }

    /// The entity as it was loaded.
    pub fn loaded(&self, index: Index) -> Option<&Entity> {
        self.entities.get(index)
    }

    /// Who owns it, if anybody does.
    pub fn owner(&self, index: Index) -> Option<&OwnerId> {
        self.entities.get(index)?.owner.as_ref()
    }

    /// The entity and what is around it, up to the root.
    pub fn chain(&self, index: Index) -> impl Iterator<Item = Index> {
        std::iter::successors(Some(index), |at| {
            self.parent.get(*at).map(|parent| *parent as usize).filter(|parent| parent != at)
        })
    }

    /// The entity as it is now, without what is not to be seen of it.
    pub fn seen(&self, index: Index, sight: Sight, catalog: &StreamCatalog) -> Option<Entity> {
        let loaded = self.entities.get(index)?;
        let mut components = catalog.seen(sight, &loaded.components);
        self.values.lay_over(index, sight, &mut components, catalog);
        let mut placement = loaded.placement.clone();
        let Changed { position, rotation, .. } = self.motion.changed[index];
        if (position, rotation) != (0, 0) {
            let turned = if rotation == 0 {
                placement.pose.map_or(DQuat::IDENTITY, |pose| pose.rotation())
            } else {
                self.motion.rotation[index].as_dquat()
            };
            // Both were judged when they came.
            placement.pose = Pose::new(self.motion.position_m[index], turned).ok();
        }
        Some(Entity { placement, components, ..loaded.clone() })
    }

    /// Moment of the newest change on a lane of what is seen of an entity.
    pub fn newest_on(&self, index: Index, sight: Sight, lane: Lane) -> u64 {
        self.motion.newest(index, lane).max(values::newest(self.values.seen(sight), index, lane))
    }

    /// The same on all lanes.
    pub fn newest(&self, index: Index, sight: Sight) -> u64 {
        LANES.map(|lane| self.newest_on(index, sight, lane)).into_iter().max().unwrap_or(0)
    }

    /// Appends the exact row of what changed after a moment, if anything did. Whoever has the record form as of the moment has no
    /// velocity: it is told `with_velocity` if there ever was one.
    pub fn put_after(
        &self,
        index: Index,
        sight: Sight,
        moment: u64,
        with_velocity: bool,
        variables: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Changed { position, rotation, velocity } = self.motion.changed[index];
        variables.clear();
        values::put_exact(self.values.seen(sight), index, moment, variables);
        let motion = &self.motion;
        let row = ExactRow {
            position_m: (position > moment).then(|| motion.position_m[index]),
            rotation: (rotation > moment).then(|| motion.rotation[index]),
            velocity_m_s: (velocity > if with_velocity { 0 } else { moment })
                .then(|| motion.velocity_m_s[index]),
            variables: (!variables.is_empty()).then_some(&variables[..]),
        };
        let any = row != ExactRow::default();
        if any {
            row.put(out);
        }
        any
    }

    /// An entity that came into another cell counts as changed there in everything that changed since `moment_min`.
    pub fn entered(&mut self, index: Index, moment_min: u64, moment: u64) {
        self.motion.again(index, moment_min, moment);
        self.values.again(index, moment_min, moment);
    }
}
