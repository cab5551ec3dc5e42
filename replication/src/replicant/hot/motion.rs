//! Where entities are, how they are turned and how fast they are, in columns.

use entitygraph_schema::{
    Entity,
    wire::{exact::ExactRow, state::Lane},
};
use glam::{DVec3, Quat, Vec3};

use super::Index;

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
pub struct Motion {
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
}

impl Motion {
    /// Entities as they were loaded; their cells are given afterwards.
    pub fn of(entities: &[Entity]) -> Self {
        let count = entities.len();
        let point = |entity: &Entity| entity.placement.pose.map_or(DVec3::ZERO, |pose| pose.translation());
        let turn =
            |entity: &Entity| entity.placement.pose.map_or(Quat::IDENTITY, |pose| pose.rotation().as_quat());
        Self {
            position_m: entities.iter().map(point).collect(),
            rotation: entities.iter().map(turn).collect(),
            velocity_m_s: vec![Vec3::ZERO; count],
            changed: vec![Changed::default(); count],
            tick: vec![0; count],
            cell: vec![u32::MAX; count],
        }
    }

    /// Takes what a report says.
    pub fn take(&mut self, index: Index, row: &ExactRow<'_>, moment: u64) {
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
    }

    /// Moment of the newest change of an entity on a lane.
    pub fn newest(&self, index: Index, lane: Lane) -> u64 {
        match lane {
            Lane::Motion => self.changed[index].newest(),
            Lane::Prompt | Lane::Slow => 0,
        }
    }

    /// What changed later than `moment_min` counts as changed at `moment`.
    pub fn again(&mut self, index: Index, moment_min: u64, moment: u64) {
        let Changed { position, rotation, velocity } = &mut self.changed[index];
        for part in [position, rotation, velocity] {
            if *part > moment_min {
                *part = moment;
            }
        }
    }
}
