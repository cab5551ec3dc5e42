//! Random transactions that follow from a seed, so that the one who kills a writer knows what it was writing.
//!
//! Every writer creates, moves, relinks, renames and buries crates of its own, and all of them overwrite the same few
//! groups. The members of a group are in different zones and are always set together: one that differs from the others is
//! a half transaction.

use std::{collections::VecDeque, str::FromStr};

use entitygraph_schema::{
    ComponentDraft, ComponentId, ComponentPatch, Components, EntityId, Layer, Link, NewEntity, NewPose,
    Operation, OperationId, Patch, Placement, Pose, Transaction, Value, VariableDraft, VariableId,
    space::Aabb,
};
use glam::DVec3;

const WORLD: u64 = 1;
const ZONES: std::ops::RangeInclusive<u64> = 2..=9;
const GROUPS: u64 = 4;
/// Entities of a group.
pub const MEMBERS: u64 = 4;
/// Living crates of one writer.
const CRATES: usize = 24;
/// Things in a crate.
const THINGS: u64 = 3;
/// Metres from the middle of the world to its walls.
const WORLD_SIZE: f64 = 1e6;

/// The operation id of [`setup`].
pub const SETUP: &str = "setup";

/// How much a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Some hundred bytes: as many commits as the disk gives.
    Small,
    /// Up to 64 KiB for each entity of a group: as many dirty pages as can be.
    Large,
}

impl Load {
    /// As it stands on the command line of the writer.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

impl FromStr for Load {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        [Self::Small, Self::Large]
            .into_iter()
            .find(|load| load.name() == name)
            .ok_or_else(|| anyhow::anyhow!("no load `{name}`"))
    }
}

/// The entity id of this number.
///
/// # Panics
///
/// When it is zero.
pub fn entity(number: u64) -> EntityId {
    EntityId::new(number).expect("entity numbers here begin at 1")
}

/// The root of the world.
pub fn world() -> EntityId {
    entity(WORLD)
}

/// The members of each group.
pub fn groups() -> impl Iterator<Item = Vec<EntityId>> {
    (0..GROUPS).map(|group| (0..MEMBERS).map(|member| entity(member_number(group, member))).collect())
}

fn member_number(group: u64, member: u64) -> u64 {
    100 + group * 10 + member
}

fn component() -> ComponentId {
    ComponentId::new(1).expect("not zero")
}

fn variable(number: u16) -> VariableId {
    VariableId::new(number).expect("not zero")
}

fn name<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("names here keep the rules")
}

fn at(x: f64, y: f64, z: f64) -> Pose {
    Pose::at(DVec3::new(x, y, z)).expect("coordinates here are finite")
}

fn thing(id: u64, kind: &str, parent: Option<u64>, pose: Option<Pose>) -> NewEntity {
    NewEntity {
        id: entity(id),
        name: name(&format!("{kind} {id}")),
        kind: name(kind),
        source: None,
        placement: Placement { parent: parent.map(entity), port: None, pose },
        radius: 1.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Components::default(),
    }
}

/// The world before anything happens in it. Every writer begins with it; all but the first change nothing by that.
pub fn setup() -> Transaction {
    let cube = |half_edge| Some(Aabb::cube(half_edge).expect("a positive length"));
    let draft = ComponentDraft::new(
        name("probe"),
        vec![
            VariableDraft::new(name("value"), Value::Int(0)),
            VariableDraft::new(name("payload"), Value::Bytes(Vec::new().into())),
        ],
    );
    let mut operations = vec![
        Operation::PublishComponent(draft),
        Operation::Create(NewEntity { zone: cube(WORLD_SIZE), ..thing(WORLD, "world", None, None) }),
    ];
    for zone in ZONES {
        let pose = at((zone as f64 - 5.5) * 1e5, 0.0, 0.0);
        let new = thing(zone, "zone", Some(WORLD), Some(pose));
        operations.push(Operation::Create(NewEntity { zone: cube(1e4), ..new }));
    }
    for group in 0..GROUPS {
        for member in 0..MEMBERS {
            let zone = ZONES.start() + (group + member * 3) % ZONES.count() as u64;
            let pose = at(member as f64, group as f64, 0.0);
            operations.push(Operation::Create(thing(
                member_number(group, member),
                "member",
                Some(zone),
                Some(pose),
            )));
        }
    }
    Transaction::of(operations).named(name(SETUP))
}

/// The transactions of one writer, one after the other, numbered from 0.
#[derive(Debug, Clone)]
pub struct Script {
    seed: u64,
    writer: u32,
    load: Load,
    next: u64,
    random: fastrand::Rng,
    crates: VecDeque<u64>,
}

impl Script {
    /// The script of a writer.
    pub fn new(seed: u64, writer: u32, load: Load) -> Self {
        let random =
            fastrand::Rng::with_seed(seed ^ (u64::from(writer) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { seed, writer, load, next: 0, random, crates: VecDeque::new() }
    }

    /// The same script from its beginning.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self::new(self.seed, self.writer, self.load)
    }

    /// The number of the next transaction.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The operation id of a writer's transaction.
    pub fn operation_id(writer: u32, number: u64) -> OperationId {
        name(&format!("w{writer}.{number}"))
    }

    /// The writer and the number in an operation id.
    pub fn read_operation_id(id: &OperationId) -> Option<(u32, u64)> {
        let (writer, number) = id.as_str().strip_prefix('w')?.split_once('.')?;
        Some((writer.parse().ok()?, number.parse().ok()?))
    }

    /// The next transaction, named and different from all others.
    pub fn advance(&mut self) -> Transaction {
        let number = self.next;
        self.next += 1;
        let mut operations = Vec::new();
        // The first step always changes something, so that every transaction is a commit.
        self.set_group(number, &mut operations);
        for step in 0..self.random.u64(0..3) {
            match self.random.u8(0..8) {
                0..3 => self.create(number, step, &mut operations),
                3..5 => self.move_one(&mut operations),
                5 => self.dress(number, &mut operations),
                _ => self.bury(&mut operations),
            }
        }
        Transaction::of(operations).named(Self::operation_id(self.writer, number))
    }

    /// Sets all members of a group to one value.
    fn set_group(&mut self, number: u64, operations: &mut Vec<Operation>) {
        let group = self.random.u64(0..GROUPS);
        let value = Value::Int((i64::from(self.writer) << 40) | number as i64);
        let payload = Value::Bytes(self.payload().into());
        for member in 0..MEMBERS {
            let values = [(variable(1), value.clone()), (variable(2), payload.clone())];
            let components = [(component(), ComponentPatch::set(values))].into();
            let patch = Patch { components, ..Patch::default() };
            operations.push(Operation::Change(entity(member_number(group, member)), patch));
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let length = match (self.load, self.random.u8(0..20)) {
            (Load::Small, _) => self.random.usize(0..200),
            (Load::Large, 0) => self.random.usize(0..64 << 10),
            (Load::Large, 1..8) => self.random.usize(0..8 << 10),
            (Load::Large, _) => self.random.usize(0..1 << 10),
        };
        let mut payload = vec![0; length];
        self.random.fill(&mut payload);
        payload
    }

    /// A crate with things in it, linked to a member of a group.
    fn create(&mut self, number: u64, step: u64, operations: &mut Vec<Operation>) {
        if self.crates.len() >= CRATES {
            return self.bury(operations);
        }
        let id = (u64::from(self.writer) + 1) * 1_000_000_000_000 + (number * 3 + step) * 16;
        let crate_ = thing(id, "crate", Some(self.zone()), Some(self.place()));
        operations.push(Operation::Create(crate_));
        for item in 1..=THINGS {
            let owner = Some(name(&format!("writer:{}", self.writer)));
            operations
                .push(Operation::Create(NewEntity { owner, ..thing(id + item, "thing", Some(id), None) }));
        }
        let member = member_number(self.random.u64(0..GROUPS), self.random.u64(0..MEMBERS));
        operations.push(Operation::Link(Link::new(
            name("tie"),
            entity(id),
            entity(member),
            self.random.f64() + 0.5,
        )));
        self.crates.push_back(id);
    }

    /// A crate goes to another zone, or within the one it is in.
    fn move_one(&mut self, operations: &mut Vec<Operation>) {
        let Some(id) = self.some_crate() else { return };
        let pose = match self.random.u8(0..3) {
            0 => NewPose::KeepWorld,
            1 => NewPose::Ride,
            _ => NewPose::At(self.place()),
        };
        operations.push(Operation::Reparent {
            entity: entity(id),
            parent: entity(self.zone()),
            port: None,
            pose,
        });
    }

    /// A crate gets another name, label and order.
    fn dress(&mut self, number: u64, operations: &mut Vec<Operation>) {
        let Some(id) = self.some_crate() else { return };
        let patch = Patch {
            name: Some(name(&format!("crate after {number}"))),
            labels: [(name("dressed"), self.random.bool())].into(),
            ordinal: Some(self.random.i64(-5..5)),
            ..Patch::default()
        };
        operations.push(Operation::Change(entity(id), patch));
    }

    /// The oldest crate goes, with what is in it.
    fn bury(&mut self, operations: &mut Vec<Operation>) {
        let Some(id) = self.crates.pop_front() else { return };
        operations.push(Operation::Bury { entity: entity(id), subtree: true });
    }

    fn some_crate(&mut self) -> Option<u64> {
        if self.crates.is_empty() { None } else { Some(self.crates[self.random.usize(0..self.crates.len())]) }
    }

    fn zone(&mut self) -> u64 {
        self.random.u64(ZONES)
    }

    fn place(&mut self) -> Pose {
        let mut metres = || (self.random.f64() - 0.5) * 1e4;
        at(metres(), metres(), metres())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_the_same_each_time_and_names_its_transactions() {
        let (mut one, mut other) = (Script::new(7, 3, Load::Small), Script::new(7, 3, Load::Small));
        for number in 0..100 {
            let transaction = one.advance();
            assert_eq!(transaction, other.advance());
            let id = transaction.operation_id.unwrap();
            assert_eq!(Script::read_operation_id(&id), Some((3, number)));
        }
    }
}
