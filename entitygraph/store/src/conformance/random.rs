//! Random transactions over a growing world, good and bad, for comparing a store with the memory store.
//!
//! One seed makes one history, so a failure is repeated by its seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entitygraph_schema::{
    Child, ComponentDraft, ComponentId, ComponentPatch, ContainerDraft, ContainerId, ContainerVersion,
    Entity, EntityId, Epoch, Layer, Link, NewEntity, NewPose, Operation, Patch, Port, Pose, Precondition,
    Revision, Transaction, Value, ValueKind, VariableId,
};
use fastrand::Rng;
use glam::{DQuat, DVec3};

use super::{build::*, compare::compare, snapshot::Snapshot};
use crate::{Error, MemoryStore};

const NAMES: [&str; 10] = ["", "Jita", "jita IV", "JITA", "Sol", "Solaris", "Орбита", "орбита 2", "a", "é"];
const KINDS: [&str; 4] = ["ship", "crate", "planet", "gate"];
const LABELS: [&str; 4] = ["red", "big", "home", "lost"];
const OWNERS: [&str; 3] = ["player:1", "player:2", "player:10"];
const LINKS: [&str; 2] = ["jump", "road"];
const COMPONENTS: [&str; 4] = ["hull", "cargo", "engine", "shield"];
const CONTAINERS: [&str; 4] = ["box", "part", "vessel", "dock"];
const PORTS: [&str; 3] = ["left", "right", "any"];
/// Above this many entities burying gets likely.
const CROWDED: usize = 120;

/// Makes transactions that a world may take or refuse.
pub struct Generator {
    rng: Rng,
    next_id: u64,
    /// Named transactions of the past, to be tried again.
    named: Vec<Transaction>,
}

impl Generator {
    /// The history of this seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), next_id: 1, named: Vec::new() }
    }

    /// The next transaction for a world that is like this.
    pub fn next(&mut self, world: &Snapshot) -> Transaction {
        if !self.named.is_empty() && self.chance(20) {
            let mut again = self.rng.choice(&self.named).cloned().unwrap_or_default();
            if self.chance(3) {
                again.operations.push(Operation::Create(world_root(id(self.next_id))));
            }
            return again;
        }
        let mut transaction = Transaction::default();
        for _ in 0..self.rng.usize(1..=4) {
            let operation = self.operation(world, &transaction);
            transaction.operations.push(operation);
        }
        if self.chance(4) {
            transaction.preconditions.push(self.precondition(world));
        }
        if self.chance(5) {
            transaction.operation_id = Some(text(&format!("operation-{}", self.named.len())));
            self.named.push(transaction.clone());
        }
        transaction
    }

    /// True once in `times`.
    fn chance(&mut self, times: usize) -> bool {
        self.rng.usize(..times) == 0
    }

    fn one_of<'a>(&mut self, names: &[&'a str]) -> &'a str {
        names[self.rng.usize(..names.len())]
    }

    /// Mostly somebody who lives, sometimes somebody made in this transaction, now and then nobody.
    fn somebody(&mut self, world: &Snapshot, so_far: &Transaction) -> EntityId {
        if self.chance(60) {
            return id(self.rng.u64(1..=self.next_id + 3));
        }
        let made = so_far
            .operations
            .iter()
            .filter_map(|o| if let Operation::Create(new) = o { Some(new.id) } else { None });
        let mut choice: Vec<_> = made.collect();
        if choice.is_empty() || !self.chance(3) {
            choice = world.entities.keys().copied().collect();
        }
        self.rng.choice(choice).unwrap_or_else(|| id(1))
    }

    fn operation(&mut self, world: &Snapshot, so_far: &Transaction) -> Operation {
        let crowded = world.entities.len() > CROWDED;
        match self.rng.usize(..100) {
            _ if world.entities.is_empty() => Operation::Create(self.new_root()),
            0 => self.taken_over(world, so_far),
            1..3 => Operation::PublishComponent(self.component(world)),
            3..7 => Operation::PublishContainer(self.container(world)),
            7..9 => Operation::Create(self.new_root()),
            9..40 if !crowded => Operation::Create(self.new_entity(world, so_far)),
            40..60 => {
                let entity = self.somebody(world, so_far);
                let patch = self.patch(world);
                Operation::Change(entity, patch)
            }
            60..65 => self.adopt(world, so_far),
            65..80 => self.reparent(world, so_far),
            80..88 => Operation::Link(self.link(world, so_far)),
            88..91 => self.unlink(world, so_far),
            91..94 => Operation::Bury { entity: self.somebody(world, so_far), subtree: self.rng.bool() },
            _ if crowded => Operation::Bury { entity: self.somebody(world, so_far), subtree: true },
            _ => Operation::Bury { entity: self.somebody(world, so_far), subtree: false },
        }
    }

    fn next_id(&mut self) -> EntityId {
        self.next_id += 1 + self.rng.u64(..2);
        id(self.next_id)
    }

    fn new_root(&mut self) -> NewEntity {
        world_root(self.next_id()).called(NAMES[self.rng.usize(..NAMES.len())])
    }

    fn new_entity(&mut self, world: &Snapshot, so_far: &Transaction) -> NewEntity {
        let number = self.next_id();
        let mut new = thing(number, self.somebody(world, so_far))
            .called(self.one_of(&NAMES))
            .of_kind(self.one_of(&KINDS));
        new.radius = self.radius();
        new.ordinal = self.rng.i64(-2..3);
        new.root = self.chance(5);
        new.layer = Layer::from_number(u32::from(self.chance(5)));
        new.components =
            std::iter::repeat_with(|| self.values(world)).take(2).fold(new.components, |mut all, values| {
                all.0.extend(values.into_iter().map(|(component, values)| {
                    (
                        component,
                        values.variables.into_iter().filter_map(|(id, value)| Some((id, value?))).collect(),
                    )
                }));
                all
            });
        if self.chance(3) {
            new.zone = Some(cube(self.rng.f64() * 500.0));
        }
        if self.chance(3) {
            new.owner = Some(text(self.one_of(&OWNERS)));
        }
        if self.rng.bool() {
            new = new.labelled(&[self.one_of(&LABELS), self.one_of(&LABELS)]);
        }
        if !self.chance(3) {
            new.placement.pose = Some(self.pose());
        }
        if self.chance(3)
            && let Some(container) = self.rng.choice(world.containers.values())
        {
            new = new.instance_of(container);
            if self.chance(2)
                && let Some(outer) = self.rng.choice(world.containers.values())
            {
                new = new.in_slot(outer, "child");
            }
        }
        if self.chance(8) {
            new.placement.port = Some(text(self.one_of(&PORTS)));
        }
        new
    }

    fn radius(&mut self) -> f64 {
        match self.rng.usize(..40) {
            0 => f64::NAN,
            1..10 => 0.0,
            10..30 => self.rng.f64() * 10.0,
            _ => self.rng.f64() * 2000.0,
        }
    }

    /// Half of them on whole metres, where borders are.
    fn pose(&mut self) -> Pose {
        let mut part = |scale: f64| {
            let value = (self.rng.f64() - 0.5) * scale;
            if self.rng.bool() { value.round() } else { value }
        };
        let translation = DVec3::new(part(2000.0), part(2000.0), part(200.0));
        let rotation = DQuat::from_euler(glam::EulerRot::XYZ, part(6.0), part(6.0), part(6.0)).normalize();
        Pose::new(translation, rotation).unwrap()
    }

    /// Values of a component; mostly of the right kind.
    fn values(&mut self, world: &Snapshot) -> BTreeMap<ComponentId, ComponentPatch> {
        let Some(component) = self.rng.choice(world.components.values()) else { return BTreeMap::new() };
        let mut patch = ComponentPatch { reset: self.chance(5), ..ComponentPatch::default() };
        for variable in &component.variables {
            match self.rng.usize(..4) {
                0 => drop(patch.variables.insert(variable.id, None)),
                1 | 2 => {
                    let value = self.value(variable.kind());
                    patch.variables.insert(variable.id, Some(value));
                }
                _ => {}
            }
        }
        if self.chance(60) {
            patch.variables.insert(VariableId::new(200).unwrap(), Some(Value::Int(1)));
        }
        [(component.id, patch)].into()
    }

    fn value(&mut self, kind: ValueKind) -> Value {
        match kind {
            _ if self.chance(60) => Value::Float(f64::NAN),
            ValueKind::Int => Value::Int(self.rng.i64(-3..3)),
            ValueKind::Float => Value::Float(self.rng.f64()),
            ValueKind::Text => Value::Text(self.one_of(&NAMES).into()),
            _ => Value::Bool(self.rng.bool()),
        }
    }

    /// A few parts at once.
    fn patch(&mut self, world: &Snapshot) -> Patch {
        let mut patch = Patch::default();
        for _ in 0..self.rng.usize(1..4) {
            match self.rng.usize(..11) {
                0 => patch.name = Some(text(self.one_of(&NAMES))),
                1 => patch.pose = Some(if self.chance(4) { None } else { Some(self.pose()) }),
                2 => patch.radius = Some(self.radius()),
                3 => {
                    patch.zone = Some(if self.rng.bool() { None } else { Some(cube(self.rng.f64() * 500.0)) })
                }
                4 => patch.root = Some(self.rng.bool()),
                5 => {
                    patch.owner = Some(if self.rng.bool() { None } else { Some(text(self.one_of(&OWNERS))) })
                }
                6 => patch.layer = Some(Layer::from_number(self.rng.u32(..2))),
                7 => patch.ordinal = Some(self.rng.i64(-2..3)),
                8 => drop(patch.labels.insert(text(self.one_of(&LABELS)), self.rng.bool())),
                9 if self.chance(6) => patch.parent = Some((id(1), None)),
                _ if self.chance(6) => {
                    let component = ComponentId::new(self.rng.u32(1..5)).unwrap();
                    patch.components.insert(component, ComponentPatch::removed());
                }
                _ => patch.components.extend(self.values(world)),
            }
        }
        patch
    }

    fn reparent(&mut self, world: &Snapshot, so_far: &Transaction) -> Operation {
        let pose = match self.rng.usize(..4) {
            0 => NewPose::Ride,
            1 => NewPose::At(self.pose()),
            _ => NewPose::KeepWorld,
        };
        let mut parent = self.somebody(world, so_far);
        let mut port = None;
        if self.chance(3) {
            let has_ports = |entity: &&Entity| {
                let container =
                    entity.source.as_ref().and_then(|source| world.containers.get(&source.container));
                container.is_some_and(|container| !container.draft.ports.is_empty())
            };
            let with_ports: Vec<_> =
                world.entities.values().filter(has_ports).map(|entity| entity.id).collect();
            parent = self.rng.choice(with_ports).unwrap_or(parent);
            port = Some(text(self.one_of(&PORTS)));
        }
        Operation::Reparent { entity: self.somebody(world, so_far), parent, port, pose }
    }

    /// Some entities at their next revision, elsewhere and otherwise, and now and then a new one.
    fn adopt(&mut self, world: &Snapshot, so_far: &Transaction) -> Operation {
        let mut adopted = BTreeMap::new();
        for _ in 0..self.rng.usize(1..=4) {
            let known = world.entities.get(&self.somebody(world, so_far));
            let mut entity = match known {
                Some(known) if !self.chance(6) => known.clone(),
                _ => Entity {
                    revision: Revision::ZERO,
                    ..Entity::created(self.new_entity(world, so_far), Epoch::ZERO)
                },
            };
            if !self.chance(20) {
                entity.revision = entity.revision.next();
            }
            match self.rng.usize(..8) {
                0..3 if entity.placement.parent.is_some() => {
                    entity.placement.parent = Some(self.somebody(world, so_far));
                    entity.placement.port = self.chance(3).then(|| text(self.one_of(&PORTS)));
                }
                3 => entity.placement.pose = self.rng.bool().then(|| self.pose()),
                4 => entity.zone = self.rng.bool().then(|| cube(self.rng.f64() * 500.0)),
                5 => entity.ordinal = self.rng.i64(-2..3),
                6 => self.values(world).into_iter().for_each(|(component, values)| {
                    let values = values.variables.into_iter().filter_map(|(id, value)| Some((id, value?)));
                    entity.components.0.insert(component, values.collect());
                }),
                _ => entity.name = text(self.one_of(&NAMES)),
            }
            adopted.insert(entity.id, Arc::new(entity));
        }
        let mut adopted: Vec<_> = adopted.into_values().collect();
        // Those that are somewhere go to each other's places.
        if self.chance(4)
            && let [one, other, ..] = &mut adopted[..]
            && one.placement.parent.is_some()
            && other.placement.parent.is_some()
        {
            let place = one.placement.clone();
            Arc::make_mut(one).placement = other.placement.clone();
            Arc::make_mut(other).placement = place;
        }
        self.rng.shuffle(&mut adopted);
        Operation::Adopt(adopted)
    }

    /// What comes with a world that is taken over besides its entities.
    fn taken_over(&mut self, world: &Snapshot, so_far: &Transaction) -> Operation {
        match self.rng.usize(..3) {
            0 => {
                let newer = self.rng.choice(world.components.values()).cloned().map(|mut component| {
                    component.version += u32::from(!self.chance(4));
                    component
                });
                newer
                    .map_or(Operation::Entomb(id(1)), |component| Operation::AdoptComponent(component.into()))
            }
            1 => {
                let newer = self.rng.choice(world.containers.values()).cloned().map(|mut container| {
                    if !self.chance(4) {
                        container.version = container.version.next();
                        container.draft.radius += 1.0;
                    }
                    container
                });
                newer
                    .map_or(Operation::Entomb(id(1)), |container| Operation::AdoptContainer(container.into()))
            }
            _ if self.chance(4) => Operation::Entomb(self.somebody(world, so_far)),
            _ => Operation::Entomb(self.next_id()),
        }
    }

    fn link(&mut self, world: &Snapshot, so_far: &Transaction) -> Link {
        let cost = if self.chance(40) { f64::INFINITY } else { (1 + self.rng.u32(..40)) as f64 / 4.0 };
        let (a, b) = (self.somebody(world, so_far), self.somebody(world, so_far));
        Link { kind: text(self.one_of(&LINKS)), a, b, cost }
    }

    fn unlink(&mut self, world: &Snapshot, so_far: &Transaction) -> Operation {
        let known = self.rng.choice(world.links.keys()).cloned();
        let (kind, a, b) = known.unwrap_or_else(|| {
            let link = self.link(world, so_far);
            (link.kind, link.a, link.b)
        });
        if self.rng.bool() {
            Operation::Unlink { kind, a, b }
        } else {
            Operation::Unlink { kind, a: b, b: a }
        }
    }

    /// A component type that starts small and grows; now and then one that may not be.
    fn component(&mut self, world: &Snapshot) -> ComponentDraft {
        let name = self.one_of(&COMPONENTS);
        let known = world.components.values().find(|component| component.name.as_str() == name);
        let mut count = known.map_or(0, |known| known.variables.len()) + 1;
        count = count.min(4);
        if self.chance(5) {
            count -= 1;
        }
        let default = |number: usize| match number {
            0 => Value::Int(0),
            1 => Value::Float(0.5),
            2 => Value::Text("".into()),
            _ => Value::Bool(false),
        };
        let names: Vec<_> = (0..count).map(|number| format!("v{number}")).collect();
        component(
            name,
            &names
                .iter()
                .enumerate()
                .map(|(number, name)| (name.as_str(), default(number)))
                .collect::<Vec<_>>(),
        )
    }

    fn container(&mut self, world: &Snapshot) -> ContainerDraft {
        let number = self.rng.usize(..CONTAINERS.len());
        let mut draft = container(CONTAINERS[number], KINDS[number]);
        draft.radius = self.rng.usize(..3) as f64;
        draft.transient = self.chance(10);
        if number >= 2 {
            let accepts = |kinds: &[&str]| kinds.iter().map(|kind| text(kind)).collect::<BTreeSet<_>>();
            draft.ports = vec![
                Port { name: text("left"), accepts: accepts(&["ship", "crate"]) },
                Port { name: text("any"), accepts: accepts(&[]) },
            ];
        }
        if self.rng.bool() {
            let container: entitygraph_schema::ContainerName = text(self.one_of(&CONTAINERS));
            let (name, overrides, labels) = (text("child"), Default::default(), Default::default());
            draft.children.push(Child { name, container, pose: None, port: None, overrides, labels });
        }
        if self.rng.bool()
            && let Some(component) = self.rng.choice(world.components.values())
        {
            draft.components = values_of(component, &[]);
        }
        draft
    }

    /// Most hold.
    fn precondition(&mut self, world: &Snapshot) -> Precondition {
        let entity = self.somebody(world, &Transaction::default());
        let known = world.entities.get(&entity);
        let off = self.chance(6);
        match self.rng.usize(..6) {
            0 => Precondition::Exists(entity),
            1 => Precondition::Absent(if off { entity } else { id(self.next_id + 50) }),
            2 => {
                let revision = known.map_or(Revision::ZERO, |known| known.revision);
                Precondition::Revision(entity, if off { revision.next() } else { revision })
            }
            3 => {
                let epoch = known.map_or(0, |known| known.epoch.number());
                Precondition::Epoch(
                    entity,
                    Epoch::from_number(if off { epoch.saturating_sub(1) } else { epoch + 1 }),
                )
            }
            4 => Precondition::PortFree(entity, text(self.one_of(&PORTS))),
            _ => {
                let container = ContainerId::new(self.rng.u32(1..5)).unwrap();
                let version = world.containers.get(&container).map_or(1, |known| known.version.number());
                Precondition::ContainerVersion(
                    container,
                    ContainerVersion::from_number(version + u32::from(off)),
                )
            }
        }
    }
}

/// Commits a history to both stores; each transaction must come out alike, and every `look` of them so must everything.
/// Returns how many were accepted.
pub async fn drive(model: &Shared, store: &Shared, seed: u64, transactions: usize, look: usize) -> usize {
    let mut generator = Generator::new(seed);
    let mut world = Snapshot::default();
    let mut accepted = 0;
    for number in 1..=transactions {
        let transaction = generator.next(&world);
        let expected = model.commit(transaction.clone()).await;
        let found = store.commit(transaction.clone()).await;
        match (&expected, &found) {
            (Ok(expected), Ok(found)) => {
                assert_eq!(found, expected, "seed {seed}, transaction {number}: {transaction:?}");
                accepted += 1;
            }
            // Which of several mistakes is named is not promised.
            (Err(Error::Refused(_)), Err(Error::Refused(_))) => {}
            _ => panic!(
                "seed {seed}, transaction {number}: expected {expected:?}, found {found:?}\n{transaction:?}"
            ),
        }
        world.follow(model).await;
        if number % look == 0 || number == transactions {
            println!("seed {seed}: {accepted} of {number} accepted, {} entities", world.entities.len());
            compare(model, store).await;
        }
    }
    accepted
}

pub async fn a_random_history_comes_out_as_in_the_memory_store(store: Shared) {
    let model: Shared = Arc::new(MemoryStore::new());
    let accepted = drive(&model, &store, 7, 600, 200).await;
    assert!(accepted > 200, "only {accepted} of 600 transactions were accepted: the history is too poor");
}
