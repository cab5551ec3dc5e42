//! What is hot, in columns indexed by handle. Nothing is set aside for a change.

use entitygraph_schema::{
    Entity,
    space::Pose,
    wire::{Handle, cell::Cell, exact::ExactRow},
};
use glam::{DQuat, DVec3, Quat, Vec3};

/// The zone's handle. Its entities have those that follow.
const ZONE: u32 = 1;

/// Place of an entity in the columns.
pub type Index = usize;

/// Moments of the newest value of each part; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    pub position: u64,
    pub rotation: u64,
    pub velocity: u64,
}

impl Changed {
    /// The newest of them.
    pub fn newest(&self) -> u64 {
        self.position.max(self.rotation).max(self.velocity)
    }
}

/// The columns.
#[derive(Debug)]
pub struct Hot {
    zone: Entity,
    /// As loaded: what changes is in the other columns.
    entities: Vec<Entity>,
    /// Metres in the zone.
    pub position_m: Vec<DVec3>,
    /// In the zone.
    pub rotation: Vec<Quat>,
    /// Metres a second in the zone.
    pub velocity_m_s: Vec<Vec3>,
    /// When each part changed.
    pub changed: Vec<Changed>,
    /// Of the last report that was taken.
    pub tick: Vec<u64>,
    /// Slot of its cell.
    pub cell: Vec<u32>,
    /// Place among the members of its cell.
    pub place: Vec<u32>,
    /// The observer who looks from it, if one does.
    pub observer: Vec<Option<u32>>,
}

impl Hot {
    /// Entities in the order of their handles; their cells are given afterwards.
    pub fn new(zone: Entity, placed: Vec<(Cell, Entity)>) -> Self {
        let count = placed.len();
        let entities: Vec<Entity> = placed.into_iter().map(|(_, entity)| entity).collect();
        let pose = |entity: &Entity| entity.placement.pose;
        let point = |entity| pose(entity).map_or(DVec3::ZERO, |pose| pose.translation());
        let turn = |entity| pose(entity).map_or(Quat::IDENTITY, |pose| pose.rotation().as_quat());
        Self {
            zone,
            position_m: entities.iter().map(point).collect(),
            rotation: entities.iter().map(turn).collect(),
            velocity_m_s: vec![Vec3::ZERO; count],
            changed: vec![Changed::default(); count],
            tick: vec![0; count],
            cell: vec![0; count],
            place: vec![0; count],
            observer: vec![None; count],
            entities,
        }
    }

    /// How many entities, the zone aside.
    pub fn count(&self) -> usize {
        self.entities.len()
    }

    /// The zone's handle.
    pub fn zone() -> Option<Handle> {
        Handle::new(ZONE)
    }

    /// The handle of an entity.
    pub fn handle(index: Index) -> Option<Handle> {
        u32::try_from(index).ok().and_then(|index| Handle::new(index.checked_add(ZONE + 1)?))
    }

    /// Where the entity of a handle stands; the zone and unknown handles nowhere.
    pub fn index(&self, handle: Handle) -> Option<Index> {
        let index = handle.get().checked_sub(ZONE + 1)? as usize;
        (index < self.entities.len()).then_some(index)
    }

    /// The entity as it was loaded.
    pub fn loaded(&self, index: Index) -> Option<&Entity> {
        self.entities.get(index)
    }

    /// The zone or an entity as it is now, without what readers may not see.
    pub fn now(&self, handle: Handle) -> Option<Entity> {
        if handle.get() == ZONE {
            return Some(public(&self.zone));
        }
        let index = self.index(handle)?;
        let mut entity = public(self.entities.get(index)?);
        let Changed { position, rotation, .. } = self.changed[index];
        if (position, rotation) != (0, 0) {
            let turned = if rotation == 0 {
                entity.placement.pose.map_or(DQuat::IDENTITY, |pose| pose.rotation())
            } else {
                self.rotation[index].as_dquat()
            };
            // Both were judged when they came.
            entity.placement.pose = Pose::new(self.position_m[index], turned).ok();
        }
        Some(entity)
    }

    /// What changed after a moment, exact; `None` when nothing did.
    pub fn changed_after(&self, index: Index, moment: u64) -> Option<ExactRow<'static>> {
        let Changed { position, rotation, velocity } = self.changed[index];
        self.row(index, [position > moment, rotation > moment, velocity > moment])
    }

    /// The same for whoever has the record form as of the moment: that has no velocity.
    pub fn changed_after_bind(&self, index: Index, moment: u64) -> Option<ExactRow<'static>> {
        let Changed { position, rotation, velocity } = self.changed[index];
        self.row(index, [position > moment, rotation > moment, velocity > 0])
    }

    fn row(&self, index: Index, [position, rotation, velocity]: [bool; 3]) -> Option<ExactRow<'static>> {
        (position || rotation || velocity).then(|| ExactRow {
            position_m: position.then_some(self.position_m[index]),
            rotation: rotation.then_some(self.rotation[index]),
            velocity_m_s: velocity.then_some(self.velocity_m_s[index]),
            variables: None,
        })
    }

    /// Takes what a report says of an entity; variables are not hot yet and passed over.
    pub fn take(&mut self, index: Index, row: &ExactRow<'_>, tick: u64, moment: u64) {
        let changed = &mut self.changed[index];
        if let Some(position) = row.position_m {
            self.position_m[index] = position;
            changed.position = moment;
        }
        if let Some(rotation) = row.rotation {
            self.rotation[index] = rotation;
            changed.rotation = moment;
        }
        if let Some(velocity) = row.velocity_m_s {
            self.velocity_m_s[index] = velocity;
            changed.velocity = moment;
        }
        self.tick[index] = tick;
    }

    /// An entity that came into another cell counts as changed there in everything that changed since `moment_min`.
    pub fn entered(&mut self, index: Index, moment_min: u64, moment: u64) {
        let Changed { position, rotation, velocity } = &mut self.changed[index];
        for part in [position, rotation, velocity] {
            if *part > moment_min {
                *part = moment;
            }
        }
    }
}

/// Values go out once visibility is judged variable by variable; until then none do.
fn public(entity: &Entity) -> Entity {
    Entity { components: Default::default(), ..entity.clone() }
}
