//! The local copy: what is bound, and rules 1 to 4 of protocol.md, "Nothing is a difference". No I/O.

mod told;

use entitygraph_schema::{
    ComponentType, Entity,
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
        row::{Mask, Row},
        state::Slice,
        variable::{Digits, Entries, Entry, Known, Variables},
    },
};
use glam::{DQuat, DVec3};
use hashbrown::HashMap;

pub use self::told::Told;

/// An entity that is bound.
#[derive(Debug, Clone)]
pub struct Seen {
    /// As of `Bind`, its own values as they are now; its pose is that of the other fields from then on.
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
    /// Moment of its last `Activate`: that of each variable of which nothing was told since.
    activated: u64,
    /// Moments of variables of which something was, by their numbers; few.
    told: Vec<(u32, u64)>,
}

/// What a view is of the world.
#[derive(Debug, Default)]
pub struct View {
    entities: HashMap<Handle, Seen>,
    batches: HashMap<u64, Vec<Handle>>,
    variables: Variables,
    /// Highest number of load frames that came; they come without a gap.
    seq: u64,
    /// The newest moment that was heard of; slices say the lower bits of theirs.
    newest: u64,
    horizon: u64,
    rows_applied: u64,
    /// What the frame that was taken last changed.
    told: Vec<Told>,
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
    /// A number of a variable that another one has, or of a component type that is not there.
    #[error("the catalog cannot give {number} to variable {variable} of component {component}")]
    Number {
        /// The number.
        number: u32,
        /// Of the component type.
        component: u32,
        /// In the component type.
        variable: u32,
    },
    /// An instance of a container, which this view does not make yet.
    #[error("instances of containers are not made yet")]
    Instance,
}

impl View {
    /// Takes a frame of the state or load class, or a part of the catalog; other kinds are nothing to it. What is to be answered is returned: `Ready`, as
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
            Kind::CatalogPart => {
                if let Control::CatalogPart(part) = Control::read(kind, body)? {
                    self.catalog(&part)?;
                }
            }
            Kind::Bind | Kind::Activate | Kind::Pause | Kind::Unbind => match Control::read(kind, body)? {
                Control::Bind(bind) => {
                    self.seq = self.seq.max(bind.seq);
                    return self.bind(bind).map(Some);
                }
                Control::Activate(activate) => {
                    self.seq = self.seq.max(activate.seq);
                    self.activate(&activate)?;
                }
                Control::Pause(pause) => {
                    self.seq = self.seq.max(pause.seq);
                    for handle in Handles::read(&pause.handles, pause.count)? {
                        self.pause(handle);
                    }
                }
                Control::Unbind(unbind) => {
                    self.seq = self.seq.max(unbind.seq);
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

    /// Up to which load frame everything is here: what `Seen` says, and `Hello` when a session resumes.
    pub fn seen(&self) -> u64 {
        self.seq
    }

    /// Batches that are here and were not shown yet: whoever resumes says again that they are Ready.
    pub fn loading(&self) -> impl Iterator<Item = u64> {
        self.batches.keys().copied()
    }

    /// What the numbers of variables stand for.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// How many rows of slices were newer than what was here.
    pub fn rows_applied(&self) -> u64 {
        self.rows_applied
    }

    fn catalog(&mut self, part: &message::CatalogPart) -> Result<(), ViewError> {
        let types = part.components.iter().map(|bytes| codec::decode::<ComponentType>(bytes));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        for &message::VariableNumber { number, component, variable } in &part.variables {
            let known = types.iter().find(|ty| ty.id.get() == component).and_then(|ty| {
                let found = ty.variables.iter().find(|known| u32::from(known.id.get()) == variable)?;
                Some(Known::of(ty.id, found))
            });
            if !known.is_some_and(|known| self.variables.insert(number, known)) {
                return Err(ViewError::Number { number, component, variable });
            }
        }
        Ok(())
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
                activated: bind.moment,
                told: Vec::new(),
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
                (seen.active, seen.moved, seen.activated) = (true, activate.moment, activate.moment);
                seen.told.clear();
                self.told.push(told);
            }
        }
        for rows in &activate.changed {
            for (handle, row) in rows.read()? {
                if let Some(seen) = self.entities.get_mut(&handle) {
                    seen.exact(&row);
                    for entry in Entries::new(row.variables.unwrap_or(&[]), &self.variables, Digits::Exact) {
                        let entry = entry?;
                        self.told.push(Told::Set(handle, entry.number));
                        seen.value(entry);
                    }
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
            let Some(seen) = self.entities.get_mut(&handle).filter(|seen| seen.active) else { continue };
            let mut newer = false;
            if row.mask() != Mask::VARIABLES && at > seen.moved {
                seen.rounded(&row, &slice.head.grid);
                (seen.moved, newer) = (at, true);
                self.told.push(Told::Moved(handle));
            }
            let Some(variables) = row.variables else {
                self.rows_applied += u64::from(newer);
                continue;
            };
            for entry in Entries::new(variables, &self.variables, Digits::Rounded) {
                let entry = entry?;
                if seen.is_newer(entry.number, at) {
                    self.told.push(Told::Set(handle, entry.number));
                    seen.value(entry);
                    newer = true;
                }
            }
            self.rows_applied += u64::from(newer);
        }
        Ok(())
    }
}

impl Seen {
    fn exact(&mut self, row: &ExactRow<'_>) {
        self.position_m = row.position_m.or(self.position_m);
        self.rotation = row.rotation.map_or(self.rotation, |rotation| rotation.as_dquat());
        self.velocity_m_s = row.velocity_m_s.map_or(self.velocity_m_s, |velocity| velocity.as_dvec3());
    }

    /// Whether a moment is above that of a variable; it is its moment from then on.
    fn is_newer(&mut self, number: u32, at: u64) -> bool {
        match self.told.iter_mut().find(|(other, _)| *other == number) {
            Some((_, told)) if at > *told => {
                *told = at;
                true
            }
            Some(_) => false,
            None if at > self.activated => {
                self.told.push((number, at));
                true
            }
            None => false,
        }
    }

    fn value(&mut self, entry: Entry<'_>) {
        let values = self.entity.components.0.entry(entry.known.component).or_default();
        match entry.value {
            Some(value) => drop(values.insert(entry.known.variable, value)),
            None => drop(values.remove(&entry.known.variable)),
        }
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
