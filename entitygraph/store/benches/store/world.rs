//! A generated world of any size, the same each time, whose parts have the same size in every world.
//!
//! Half of the entities are asteroids in one belt, a kilometre apart: a larger world has a larger belt, not a denser one.
//! The others are in systems of 100 entities, ten systems to a region. Each system is linked to the next one and to the
//! tenth after it.

use std::sync::Arc;

use entitygraph_schema::{
    Aabb, ComponentDraft, ComponentId, ComponentPatch, Components, EntityId, Layer, Link, LinkKind,
    NewEntity, Operation, OwnerId, Patch, Placement, Pose, Transaction, Value, VariableDraft, VariableId,
    query::Near,
};
use entitygraph_store::Store;
use futures_util::{StreamExt, TryStreamExt, stream};
use glam::DVec3;

use crate::Result;

/// Entities of a system, the zone host among them.
const SYSTEM: u64 = 100;
/// Entities of a station.
pub const STATION: usize = 60;
const PLANETS: u64 = 10;
const MOONS: u64 = 2;
const DECKS: u64 = 7;
const SHIPS: u64 = 8;
/// Systems of a region.
const REGION: u64 = 10;
/// Metres between asteroids.
const SPACING: f64 = 1_000.0;
/// Metres between the middles of systems, and of regions.
const SYSTEM_STEP: f64 = 6e8;
const REGION_STEP: f64 = 1e10;
/// Asteroids created in one transaction.
const ASTEROIDS: u64 = 100;
/// Transactions on the way to the store at once.
const IN_FLIGHT: usize = 8;
/// Transactions between two syncs of a load.
const SYNC_EVERY: usize = 500;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Systems.
    pub systems: u64,
    /// Asteroids in the belt.
    pub asteroids: u64,
}

/// The entity of this number.
fn id(number: u64) -> EntityId {
    EntityId::new(number).expect("numbers here begin at 1")
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("names here keep the rules")
}

fn at(place: DVec3) -> Option<Pose> {
    Some(Pose::at(place).expect("coordinates here are finite"))
}

fn cube(half_edge: f64) -> Option<Aabb> {
    Some(Aabb::cube(half_edge).expect("lengths here are positive"))
}

fn probe(value: i64) -> Components {
    let variable = VariableId::new(1).expect("not zero");
    Components([(component(), [(variable, Value::Int(value))].into())].into())
}

fn component() -> ComponentId {
    ComponentId::new(1).expect("not zero")
}

fn entity(number: u64, kind: &str, parent: Option<EntityId>, pose: Option<Pose>) -> NewEntity {
    NewEntity {
        id: id(number),
        name: name(""),
        kind: name(kind),
        source: None,
        placement: Placement { parent, port: None, pose },
        radius: 10.0,
        zone: None,
        root: false,
        labels: Default::default(),
        owner: None,
        layer: Layer::ZERO,
        ordinal: 0,
        components: Components::default(),
    }
}

impl World {
    /// A world of about so many entities, at least 4,000.
    pub fn of(entities: u64) -> Self {
        let entities = entities.max(4_000);
        Self { systems: entities / 2 / SYSTEM, asteroids: entities / 2 }
    }

    /// The root of the world.
    pub fn universe() -> EntityId {
        id(1)
    }

    /// The zone of all asteroids.
    pub fn belt() -> EntityId {
        id(2)
    }

    /// What links systems.
    pub fn jump() -> LinkKind {
        name("jump")
    }

    /// The zone of a system.
    pub fn system(system: u64) -> EntityId {
        id(1_000_000 + system * SYSTEM)
    }

    /// A station of [`STATION`] entities, all below it.
    pub fn station(system: u64) -> EntityId {
        id(Self::system(system).get() + 2)
    }

    /// A planet that has a variable to set.
    pub fn planet(system: u64, planet: u64) -> EntityId {
        id(Self::system(system).get() + 70 + planet % PLANETS)
    }

    /// Something deep inside the station.
    pub fn item(system: u64) -> EntityId {
        id(Self::station(system).get() + STATION as u64 - 1)
    }

    /// Who owns the ships of a system.
    pub fn owner(system: u64) -> OwnerId {
        name(&format!("player:{system}"))
    }

    /// What the names of all in a system begin with, in lower case.
    pub fn prefix(system: u64) -> String {
        format!("system {system:06}")
    }

    /// A point in a system, in metres of the universe.
    pub fn point_in_system(system: u64) -> DVec3 {
        Self::region_place(system / REGION) + Self::system_place(system) + DVec3::splat(1e7)
    }

    /// About 2,000 asteroids around a point of the belt.
    pub fn near(&self, random: &mut fastrand::Rng) -> Near {
        let radius = SPACING * (2_000.0 * 0.75 / std::f64::consts::PI).cbrt();
        let slack = (self.belt_edge() / 2.0 - radius - SPACING).max(0.0);
        let point = DVec3::from_array(std::array::from_fn(|_| (random.f64() * 2.0 - 1.0) * slack));
        Near { zone: Self::belt(), point, radius: Some(radius), min_angular_size: None, layer: Layer::ZERO }
    }

    /// A durable commit's worth: one variable of a planet.
    pub fn set_variable(&self, random: &mut fastrand::Rng) -> Transaction {
        let planet = Self::planet(random.u64(0..self.systems), random.u64(0..PLANETS));
        let value = Value::Int(random.i64(0..1 << 40));
        let set = ComponentPatch::set([(VariableId::new(1).expect("not zero"), value)]);
        Transaction::of([Operation::Change(
            planet,
            Patch { components: [(component(), set)].into(), ..Patch::default() },
        )])
    }

    /// Moves of asteroids to anywhere in the belt: nearly all into another cell of the index.
    pub fn moves(&self, random: &mut fastrand::Rng, count: u64) -> Transaction {
        let moved = (0..count).map(|_| {
            let asteroid = id(1_000_000_000 + random.u64(0..self.asteroids));
            let place = DVec3::from_array(std::array::from_fn(|_| (random.f64() - 0.5) * self.belt_edge()));
            Operation::Change(asteroid, Patch { pose: Some(at(place)), ..Patch::default() })
        });
        Transaction::of(moved.collect::<Vec<_>>())
    }

    /// Loads the world as an ingest does: in transactions that need not be durable one by one.
    pub async fn load(&self, store: &Arc<dyn Store>) -> Result<u64> {
        let mut transactions = self.transactions().peekable();
        let mut entities = 0;
        while transactions.peek().is_some() {
            let some: Vec<_> = transactions.by_ref().take(SYNC_EVERY).collect();
            let creates = |operation: &&Operation| matches!(operation, Operation::Create(_));
            entities += some.iter().flat_map(|some| &some.operations).filter(creates).count() as u64;
            // In order: parents come first.
            let accepted =
                stream::iter(some).map(|transaction| store.accept(transaction)).buffered(IN_FLIGHT);
            accepted.try_for_each(async |_| Ok(())).await?;
            store.sync().await?;
        }
        Ok(entities)
    }

    fn transactions(self) -> impl Iterator<Item = Transaction> {
        let systems = (0..self.systems).map(move |system| self.create_system(system));
        let belts =
            (0..self.asteroids).step_by(ASTEROIDS as usize).map(move |first| self.create_asteroids(first));
        std::iter::once(self.create_frame()).chain(systems).chain(belts).map(Transaction::of)
    }

    fn create_frame(&self) -> Vec<Operation> {
        let component =
            ComponentDraft::new(name("probe"), vec![VariableDraft::new(name("value"), Value::Int(0))]);
        let universe = NewEntity { zone: cube(1e14), ..entity(1, "universe", None, None) };
        let place = at(DVec3::new(-5e13, 0.0, 0.0));
        let belt =
            NewEntity { zone: cube(self.belt_edge()), ..entity(2, "belt", Some(Self::universe()), place) };
        let mut operations = vec![
            Operation::PublishComponent(component),
            Operation::Create(universe),
            Operation::Create(belt),
        ];
        for region in 0..self.systems.div_ceil(REGION) {
            let place = at(Self::region_place(region));
            let zone = entity(Self::region(region).get(), "region", Some(Self::universe()), place);
            operations.push(Operation::Create(NewEntity {
                zone: cube(4e9),
                name: name(&format!("Region {region}")),
                ..zone
            }));
        }
        operations
    }

    /// Offsets of ids: 0 the zone, 1 its star, 2..62 a station (62..70 ships), 70..80 planets, 80..100 moons.
    fn create_system(&self, system: u64) -> Vec<Operation> {
        let zone = Self::system(system);
        let own = |offset: u64| zone.get() + offset;
        let named = |what: &str| name(&format!("System {system:06}{what}"));
        let orbit = |step: u64| at(DVec3::new(1e7 * (step + 1) as f64, 1e6 * (step % 7) as f64, 0.0));
        let mut all = Vec::with_capacity(SYSTEM as usize);
        let place = at(Self::system_place(system));
        let host = entity(own(0), "system", Some(Self::region(system / REGION)), place);
        all.push(NewEntity { zone: cube(2.5e8), name: named(""), ..host });
        all.push(NewEntity {
            name: named(" star"),
            radius: 7e5,
            ..entity(own(1), "star", Some(zone), at(DVec3::ZERO))
        });
        let station = Self::station(system);
        let hull = entity(station.get(), "station", Some(zone), orbit(30));
        all.push(NewEntity { root: true, name: named(" station"), components: probe(1), ..hull });
        for deck in 1..=DECKS {
            all.push(NewEntity {
                name: named(" deck"),
                ..entity(station.get() + deck, "deck", Some(station), None)
            });
        }
        for item in DECKS + 1..STATION as u64 {
            let deck = id(station.get() + 1 + item % DECKS);
            all.push(NewEntity {
                components: probe(item as i64),
                ..entity(station.get() + item, "item", Some(deck), None)
            });
        }
        for ship in 0..SHIPS {
            let owner = Some(Self::owner(system));
            all.push(NewEntity { owner, ..entity(own(62 + ship), "ship", Some(zone), orbit(40 + ship)) });
        }
        for planet in 0..PLANETS {
            let body = entity(own(70 + planet), "planet", Some(zone), orbit(planet));
            let labels = [name("surveyed")].into();
            all.push(NewEntity {
                name: named(&format!(" {planet}")),
                labels,
                radius: 6e3,
                components: probe(0),
                ..body
            });
            for moon in 0..MOONS {
                let body = entity(
                    own(80 + planet * MOONS + moon),
                    "moon",
                    Some(id(own(70 + planet))),
                    orbit(planet),
                );
                all.push(NewEntity { name: named(&format!(" {planet}-{moon}")), radius: 1e3, ..body });
            }
        }
        let mut operations: Vec<_> = all.into_iter().map(Operation::Create).collect();
        let star = |system: u64| id(Self::system(system).get() + 1);
        for before in [1, 10].into_iter().filter_map(|step| system.checked_sub(step)) {
            operations.push(Operation::Link(Link::new(Self::jump(), star(before), star(system), 1.0)));
        }
        operations
    }

    fn create_asteroids(&self, first: u64) -> Vec<Operation> {
        let row = self.belt_row();
        let place = |asteroid: u64| {
            let mut random = fastrand::Rng::with_seed(asteroid);
            // Filled from the middle plane outwards, so that the last plane may be thin.
            let plane = asteroid / (row * row);
            let plane =
                if plane.is_multiple_of(2) { plane as f64 / 2.0 } else { -(plane as f64 + 1.0) / 2.0 };
            let along = |index: u64| index as f64 - (row - 1) as f64 / 2.0;
            let middle = DVec3::new(along(asteroid % row), along(asteroid / row % row), plane.trunc());
            let jitter = DVec3::from_array(std::array::from_fn(|_| random.f64() - 0.5));
            at((middle + jitter * 0.5) * SPACING)
        };
        let last = (first + ASTEROIDS).min(self.asteroids);
        let asteroid = |number| entity(1_000_000_000 + number, "asteroid", Some(Self::belt()), place(number));
        (first..last).map(|number| Operation::Create(asteroid(number))).collect()
    }

    /// Asteroids along an edge of the belt.
    fn belt_row(&self) -> u64 {
        (self.asteroids as f64).cbrt().ceil() as u64
    }

    /// Metres along an edge of the belt.
    fn belt_edge(&self) -> f64 {
        self.belt_row() as f64 * SPACING
    }

    fn region(region: u64) -> EntityId {
        id(1_000 + region)
    }

    fn region_place(region: u64) -> DVec3 {
        DVec3::new((region % 100) as f64, (region / 100) as f64, 0.0) * REGION_STEP
    }

    fn system_place(system: u64) -> DVec3 {
        DVec3::new(((system % REGION) as f64 - (REGION - 1) as f64 / 2.0) * SYSTEM_STEP, 0.0, 0.0)
    }
}
