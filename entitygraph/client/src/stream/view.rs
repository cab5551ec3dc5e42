//! The local copy: what is bound, and rules 1 to 4 of protocol.md, "Nothing is a difference". No I/O.

use entitygraph_schema::{
    Entity, EntityId,
    codec::{self, CodecError},
    wire::{
        Handle, Kind,
        cell::Grid,
        control::{
            self, Control, ControlError,
            message::{self, member::Member},
        },
        exact::ExactRow,
        horizon, moment,
        number::Handles,
        pose::{rotation_of_heading, unpack_rotation, velocity_m_s},
        row::Row,
        state::Slice,
    },
};
use glam::{DQuat, DVec3};
use hashbrown::HashMap;

/// An entity that is bound.
#[derive(Debug, Clone)]
pub struct Seen {
    /// As of `Bind`; its pose is that of the other fields from then on.
    pub entity: Entity,
    /// Metres in the zone; none rides with the parent.
    pub position_m: Option<DVec3>,
    /// In the zone.
    pub rotation: DQuat,
    /// Metres a second in the zone.
    pub velocity_m_s: DVec3,
    /// Whether it was shown: nothing is applied before.
    pub active: bool,
    /// Of the entity that it is a child of; none is bound.
    pub parent: Option<Handle>,
    /// Of the root of its aggregate.
    pub root: Option<Handle>,
    /// The batch that it came with: an earlier one that had it does not show it.
    batch: u64,
    /// Moment of its newest motion.
    moved: u64,
}

/// What a view is of the world.
#[derive(Debug, Default)]
pub struct View {
    entities: HashMap<Handle, Seen>,
    batches: HashMap<u64, Vec<Handle>>,
    /// The newest moment that was heard of; slices say the lower bits of theirs.
    newest: u64,
    horizon: u64,
    rows_applied: u64,
    /// What the frame that was taken last changed.
    told: Vec<Told>,
}

/// What a frame changed, in the order in which it said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is shown now.
    Activated(Handle),
    /// Its motion is new.
    Moved(Handle),
    /// Nothing more is told of it, but it stays.
    Paused(Handle),
    /// It is not bound any more.
    Unbound(Handle, EntityId),
}

/// A frame that does not fit what came before, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// A packed frame.
    #[error(transparent)]
    Packed(#[from] CodecError),
    /// A message.
    #[error(transparent)]
    Message(#[from] ControlError),
    /// A handle of zero, or a member without content.
    #[error("a {0} without an entity")]
    NoEntity(Kind),
    /// An instance of a container, which this view does not make yet.
    #[error("instances of containers are not made yet")]
    Instance,
}

impl View {
    /// Takes a frame of the state or load class; other kinds are nothing to it. What is to be answered is returned: `Ready`, as
    /// soon as a batch is here.
    ///
    /// # Errors
    /// A frame that cannot be read; the view is as it was, but for what stood before the mistake.
    pub fn take(&mut self, kind: Kind, body: &[u8]) -> Result<Option<message::Ready>, ViewError> {
        self.told.clear();
        match kind {
            Kind::State => self.state(body)?,
            Kind::Horizon => {
                self.horizon = horizon::read(body)?;
                self.newest = self.newest.max(self.horizon);
            }
            Kind::Bind | Kind::Activate | Kind::Pause | Kind::Unbind => match Control::read(kind, body)? {
                Control::Bind(bind) => return self.bind(bind).map(Some),
                Control::Activate(activate) => self.activate(&activate)?,
                Control::Pause(pause) => {
                    for handle in Handles::read(&pause.handles, pause.count)? {
                        self.pause(handle);
                    }
                }
                Control::Unbind(unbind) => {
                    for handle in Handles::read(&unbind.handles, unbind.count)? {
                        self.unbind(handle);
                    }
                }
                _ => {}
            },
            _ => {}
        }
        Ok(None)
    }

    /// What is bound.
    pub fn entities(&self) -> impl Iterator<Item = (Handle, &Seen)> {
        self.entities.iter().map(|(handle, seen)| (*handle, seen))
    }

    /// The bound entity of a handle.
    pub fn entity(&self, handle: Handle) -> Option<&Seen> {
        self.entities.get(&handle)
    }

    /// Of everything active, every change up to this moment is here.
    pub fn horizon(&self) -> u64 {
        self.horizon
    }

    /// The newest moment that was heard of.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// How many rows of slices were newer than what was here.
    pub fn rows_applied(&self) -> u64 {
        self.rows_applied
    }

    fn bind(&mut self, bind: message::Bind) -> Result<message::Ready, ViewError> {
        self.newest = self.newest.max(bind.moment);
        let mut handles = Vec::with_capacity(bind.members.len());
        for member in bind.members {
            let single = match member.member {
                Some(Member::Single(single)) => single,
                Some(Member::Instance(_)) => return Err(ViewError::Instance),
                None => return Err(ViewError::NoEntity(Kind::Bind)),
            };
            let handle = Handle::new(single.handle).ok_or(ViewError::NoEntity(Kind::Bind))?;
            let entity: Entity = codec::decode(&single.entity)?;
            let pose = entity.placement.pose;
            let seen = Seen {
                position_m: pose.map(|pose| pose.translation()),
                rotation: pose.map_or(DQuat::IDENTITY, |pose| pose.rotation()),
                velocity_m_s: DVec3::ZERO,
                active: false,
                batch: bind.batch,
                moved: bind.moment,
                parent: Handle::new(single.parent),
                root: Handle::new(single.root),
                entity,
            };
            self.entities.insert(handle, seen);
            handles.push(handle);
        }
        self.batches.insert(bind.batch, handles);
        Ok(message::Ready { batch: bind.batch, failed: Vec::new() })
    }

    /// Rule 3: sets all moments.
    fn activate(&mut self, activate: &message::Activate) -> Result<(), ViewError> {
        self.newest = self.newest.max(activate.moment);
        let number = activate.batch;
        let handles = match number {
            0 => Handles::read(&activate.handles, activate.count)?.collect(),
            batch => self.batches.remove(&batch).unwrap_or_default(),
        };
        for handle in handles {
            if let Some(seen) = self.entities.get_mut(&handle)
                && (number == 0 || seen.batch == number)
            {
                let told = if seen.active { Told::Moved(handle) } else { Told::Activated(handle) };
                (seen.active, seen.moved) = (true, activate.moment);
                self.told.push(told);
            }
        }
        for rows in &activate.changed {
            for (handle, row) in rows.read()? {
                if let Some(seen) = self.entities.get_mut(&handle) {
                    seen.exact(&row);
                }
            }
        }
        Ok(())
    }

    /// Rules 1 and 2: nothing that is not newer, nothing of what is not active.
    fn state(&mut self, body: &[u8]) -> Result<(), ViewError> {
        let slice = Slice::read(body)?;
        let at = moment::nearest(slice.head.moment, self.newest);
        self.newest = self.newest.max(at);
        for (handle, row) in slice.rows() {
            let Some(seen) = self.entities.get_mut(&handle) else { continue };
            if seen.active && at > seen.moved {
                seen.rounded(&row, &slice.head.grid);
                seen.moved = at;
                self.rows_applied += 1;
                self.told.push(Told::Moved(handle));
            }
        }
        Ok(())
    }
}

/// What the rest of the SDK needs of it.
impl View {
    /// What the frame that was taken last changed, or the reset.
    pub fn told(&mut self) -> std::vec::Drain<'_, Told> {
        self.told.drain(..)
    }

    /// Members of a batch that is not active yet.
    pub fn batch(&self, number: u64) -> &[Handle] {
        self.batches.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The zone that the pose of an entity is in: the innermost host above it that is bound.
    pub fn zone(&self, handle: Handle) -> Option<Handle> {
        let mut at = self.entities.get(&handle)?.parent?;
        // No tree is deeper, so a circle ends.
        for _ in 0..1_000 {
            let seen = self.entities.get(&at)?;
            if seen.entity.zone.is_some() {
                return Some(at);
            }
            at = seen.parent?;
        }
        None
    }

    /// Another session or incarnation: all handles are void.
    pub fn reset(&mut self) {
        let rows_applied = self.rows_applied;
        let told =
            self.entities.iter().map(|(handle, seen)| Told::Unbound(*handle, seen.entity.id)).collect();
        *self = Self { rows_applied, told, ..Self::default() };
    }

    /// The present moment by the shard clock: slices say the lower bits of theirs.
    pub fn clock(&mut self, moment: u64) {
        self.newest = self.newest.max(moment);
    }

    fn pause(&mut self, handle: Handle) {
        if let Some(seen) = self.entities.get_mut(&handle)
            && seen.active
        {
            seen.active = false;
            self.told.push(Told::Paused(handle));
        }
    }

    fn unbind(&mut self, handle: Handle) {
        if let Some(seen) = self.entities.remove(&handle) {
            self.told.push(Told::Unbound(handle, seen.entity.id));
        }
    }
}

impl Seen {
    fn exact(&mut self, row: &ExactRow<'_>) {
        self.position_m = row.position_m.or(self.position_m);
        self.rotation = row.rotation.map_or(self.rotation, |rotation| rotation.as_dquat());
        self.velocity_m_s = row.velocity_m_s.map_or(self.velocity_m_s, |velocity| velocity.as_dvec3());
    }

    fn rounded(&mut self, row: &Row<'_>, grid: &Grid) {
        self.position_m = row.position.map(|steps| grid.point_m(steps)).or(self.position_m);
        self.rotation = match (row.heading, row.rotation) {
            (Some(heading), _) => rotation_of_heading(heading),
            (None, Some(packed)) => unpack_rotation(packed),
            (None, None) => self.rotation,
        };
        self.velocity_m_s = row.velocity.map_or(self.velocity_m_s, velocity_m_s);
    }
}

/// The frame of a message, as a peer sends it.
pub fn frame(message: &impl control::Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    control::put(message, &mut bytes);
    bytes
}
