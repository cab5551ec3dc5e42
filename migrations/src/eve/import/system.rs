//! A solar system with everything in it: star, planets with their moons, belts and stations, gates.
//!
//! The export gives all positions from the star. Planets, gates and stars keep them to the last bit as poses in their system;
//! what is at a planet stands in the planet's zone, so that it moves with the planet, and keeps the source's position as a
//! value.

use std::sync::Arc;

use entitygraph_schema::{Aabb, Components, EntityId, NewEntity, OwnerId, Pose};
use glam::DVec3;

use super::{
    components::{
        Area, Body, Celestial, Orbit, Resources, SecondSun, Star as StarValues, Stargate as StargateValues,
        Station as StationValues, System,
    },
    extent::Extent,
    mapper::{Mapper, number},
    output::{Output, item, origin, pose},
    universe::Frame,
    values::Number,
};
use crate::eve::{
    AsteroidBelt, At, BodyStatistics, Entry, Moon, NpcStation, Planet, PlanetAttributes, Position,
    SecondarySun, SolarSystem, Star, Stargate, Station,
};

/// Where siblings stand among each other: the star first, then planets by their index, then gates and stations; at a planet
/// its moons, belts and stations. Ties go by id.
mod ordinal {
    pub const STAR: i64 = 0;
    pub const SECOND_SUN: i64 = 1;
    pub const BEFORE_PLANETS: i64 = 1;
    pub const MOON: i64 = 0;
    pub const BELT: i64 = 10_000;
    pub const GATE: i64 = 10_000;
    pub const STATION: i64 = 20_000;
}

/// The star, from which all positions are given.
const STAR: Position = Position([0.0; 3]);

/// Sends a system, parents first.
pub(super) fn send(mapper: &mut Mapper<'_>, entry: Entry<SolarSystem>, around: Frame, out: &mut Output) {
    let Entry { id, record, at } = entry;
    out.entity(origin(&at), system(mapper, id, &record, around));
    let Some(zone) = EntityId::new(id) else { return };
    let mut content = Content { mapper, at: &at, zone, out };
    if let Some(star) = record.star {
        content.star(star);
    }
    if let Some(sun) = record.secondary_sun {
        content.second_sun(sun);
    }
    for (id, planet) in record.planets.0 {
        content.planet(id, planet);
    }
    for (id, gate) in record.stargates.0 {
        content.gate(id, gate);
    }
    for row in content.mapper.other_stations(id) {
        content.lone_station(row);
    }
}

fn system(mapper: &Mapper<'_>, id: u64, record: &SolarSystem, around: Frame) -> Result<NewEntity, String> {
    let pose = pose(record.center, around.origin)?;
    let kind = mapper.kinds.system.clone();
    let mut new = mapper.entity(id, mapper.name(id), kind, Some(around.zone), Some(pose))?;
    new.zone = Some(Aabb::cube(record.reach()).map_err(|error| error.to_string())?);
    new.root = true;
    let area = Area {
        center: Some(record.center),
        min: Some(record.min),
        max: Some(record.max),
        radius: Some(record.radius),
        faction_id: number(record.faction_id),
        faction: mapper.faction(record.faction_id),
        wormhole_class_id: number(record.wormhole_class_id),
        name_id: number(record.name_id),
        description_id: number(record.description_id),
    };
    let numbers = |ids: &[u64]| Some(ids.iter().copied().map(Number::from).collect());
    let values = System {
        security: Some(record.security),
        security_class: record.security_class.as_deref().map(Arc::from),
        luminosity: Some(record.luminosity),
        border: Some(record.border),
        corridor: Some(record.corridor),
        fringe: Some(record.fringe),
        hub: Some(record.hub),
        international: Some(record.international),
        regional: Some(record.regional),
        disallowed_anchor_categories: numbers(&record.disallowed_anchor_categories),
        disallowed_anchor_groups: numbers(&record.disallowed_anchor_groups),
        visual_effect: record.visual_effect.as_deref().map(Arc::from),
        sun_type_id: number(record.sun_type_id),
    };
    mapper.words.Area.write(&mut new.components, area);
    mapper.words.System.write(&mut new.components, values);
    Ok(new)
}

/// What is in a system, on its way out.
struct Content<'a, 'b> {
    mapper: &'a mut Mapper<'b>,
    at: &'a At,
    /// The system.
    zone: EntityId,
    out: &'a mut Output,
}

/// What others stand in.
#[derive(Clone, Copy)]
struct Around {
    /// The system, a planet, or a moon in the zone of a planet.
    parent: EntityId,
    /// The origin of the zone, from the star.
    center: Position,
}

impl Content<'_, '_> {
    fn star(&mut self, star: Star) {
        let new = self.body(star.id, star.type_id, self.system(), STAR).map(|mut new| {
            new.radius = star.radius.get();
            new.ordinal = ordinal::STAR;
            let statistics = star.statistics;
            let values = StarValues {
                age: Some(statistics.age),
                life: Some(statistics.life),
                locked: Some(statistics.locked),
                luminosity: Some(statistics.luminosity),
                radius: Some(statistics.radius),
                spectral_class: Some(statistics.spectral_class.into()),
                temperature: Some(statistics.temperature),
            };
            self.mapper.words.Star.write(&mut new.components, values);
            self.resources(star.id, &mut new.components);
            new
        });
        self.send(star.id, new);
    }

    fn second_sun(&mut self, sun: SecondarySun) {
        let new = self.body(sun.item_id, sun.type_id, self.system(), sun.position).map(|mut new| {
            new.ordinal = ordinal::SECOND_SUN;
            let values = SecondSun { effect_beacon_type_id: number(sun.effect_beacon_type_id) };
            self.mapper.words.SecondSun.write(&mut new.components, values);
            new
        });
        self.send(sun.item_id, new);
    }

    fn planet(&mut self, id: u64, planet: Planet) {
        let bounds = planet_bounds(&planet);
        let Planet { position, attributes, statistics, moons, asteroid_belts, npc_stations, .. } = planet;
        let new = self.body(id, planet.type_id, self.system(), position).and_then(|mut new| {
            new.radius = planet.radius.get();
            new.zone = Some(bounds.bounds().map_err(|error| error.to_string())?);
            new.ordinal = ordinal::BEFORE_PLANETS.saturating_add_unsigned(planet.celestial_index);
            let celestial = Celestial {
                position: Some(position),
                index: number(planet.celestial_index),
                name_id: number(planet.name_id),
            };
            self.mapper.words.Celestial.write(&mut new.components, celestial);
            self.statistics(Some(statistics), Some(attributes), &mut new.components);
            self.resources(id, &mut new.components);
            Ok(new)
        });
        self.send(id, new);
        let Some(zone) = EntityId::new(id) else { return };
        let around = Around { parent: zone, center: position };
        for (id, moon) in moons.0 {
            self.moon(id, moon, around);
        }
        for (id, belt) in asteroid_belts.0 {
            self.belt(id, belt, around);
        }
        for (id, station) in npc_stations.0 {
            self.station(id, station, around);
        }
    }

    fn moon(&mut self, id: u64, moon: Moon, around: Around) {
        let Moon { position, attributes, statistics, npc_stations, .. } = moon;
        let new = self.body(id, moon.type_id, around, position).map(|mut new| {
            new.radius = moon.radius.get();
            new.ordinal = ordinal::MOON;
            let celestial =
                Celestial { position: Some(position), index: None, name_id: number(moon.name_id) };
            self.mapper.words.Celestial.write(&mut new.components, celestial);
            self.statistics(statistics, Some(attributes), &mut new.components);
            new
        });
        self.send(id, new);
        let Some(parent) = EntityId::new(id) else { return };
        for (id, station) in npc_stations.0 {
            self.station(id, station, Around { parent, ..around });
        }
    }

    fn belt(&mut self, id: u64, belt: AsteroidBelt, around: Around) {
        let new = self.body(id, belt.type_id, around, belt.position).map(|mut new| {
            new.ordinal = ordinal::BELT;
            let celestial =
                Celestial { position: Some(belt.position), index: None, name_id: number(belt.name_id) };
            self.mapper.words.Celestial.write(&mut new.components, celestial);
            self.statistics(belt.statistics, None, &mut new.components);
            new
        });
        self.send(id, new);
    }

    fn gate(&mut self, id: u64, gate: Stargate) {
        let new = self.body(id, gate.type_id, self.system(), gate.position).map(|mut new| {
            new.ordinal = ordinal::GATE;
            let values = StargateValues { destination: EntityId::new(gate.destination) };
            self.mapper.words.Stargate.write(&mut new.components, values);
            new
        });
        if new.is_ok() {
            self.mapper.gate(id, gate.destination, self.at);
        }
        self.send(id, new);
    }

    fn station(&mut self, id: u64, station: NpcStation, around: Around) {
        let row = self.mapper.station_row(id);
        if let Some(row) = &row {
            self.compare(id, &station, row);
        }
        let mut values = StationValues {
            position: Some(station.position),
            graphic_id: number(station.graphic_id),
            conquerable: Some(station.is_conquerable),
            use_operation_name: Some(station.use_operation_name),
            reprocessing_efficiency: Some(station.reprocessing_efficiency),
            reprocessing_hangar_flag: number(station.reprocessing_hangar_flag),
            reprocessing_stations_take: Some(station.reprocessing_stations_take),
            ..self.run_by(id, station.owner_id, station.operation_id)
        };
        if let Some(row) = row {
            fees(&mut values, &row.record);
        }
        let new = self.body(id, station.type_id, around, station.position);
        self.send_station(id, new, station.owner_id, values);
    }

    /// A station that only the flat table has.
    fn lone_station(&mut self, row: Entry<Station>) {
        let (id, record) = (row.id, row.record);
        let mut values = StationValues {
            position: Some(record.position()),
            reprocessing_efficiency: Some(record.reprocessing_efficiency),
            reprocessing_hangar_flag: number(record.reprocessing_hangar_flag),
            reprocessing_stations_take: Some(record.reprocessing_stations_take),
            ..self.run_by(id, record.corporation_id, record.operation_id)
        };
        fees(&mut values, &record);
        let new = self.body(id, record.type_id, self.system(), record.position());
        self.send_station(id, new, record.corporation_id, values);
    }

    fn send_station(
        &mut self,
        id: u64,
        new: Result<NewEntity, String>,
        corporation: u64,
        values: StationValues,
    ) {
        let new = new.and_then(|mut new| {
            let owner = OwnerId::new(format!("corporation:{corporation}"));
            new.owner = Some(owner.map_err(|error| error.to_string())?);
            new.ordinal = ordinal::STATION;
            self.mapper.words.Station.write(&mut new.components, values);
            Ok(new)
        });
        self.send(id, new);
    }

    /// Whose station it is and how it is run.
    fn run_by(&mut self, id: u64, corporation_id: u64, operation_id: u64) -> StationValues {
        let tables = self.mapper.tables;
        let corporation = tables.corporations.get(&corporation_id).cloned();
        if corporation.is_none() {
            let message = format!("there is no corporation {corporation_id}; only the number is kept");
            self.out.problem(item(self.at, id), message);
        }
        let operation = tables.operations.get(&operation_id);
        if operation.is_none() {
            let message = format!("there is no operation {operation_id}; only the number is kept");
            self.out.problem(item(self.at, id), message);
        }
        StationValues {
            corporation_id: number(corporation_id),
            corporation,
            operation_id: number(operation_id),
            operation: operation.map(|operation| Arc::clone(&operation.name)),
            activity: operation.and_then(|operation| operation.activity.clone()),
            services: operation.map(|operation| operation.services.clone()),
            ..StationValues::default()
        }
    }

    /// The two records of a station must say the same.
    fn compare(&mut self, id: u64, station: &NpcStation, row: &Entry<Station>) {
        let (at, record) = (&row.at, &row.record);
        let same = station.position == record.position()
            && station.type_id == record.type_id
            && station.owner_id == record.corporation_id
            && station.operation_id == record.operation_id;
        if !same {
            let message =
                format!("{at} has another position, type, owner or operation; what stands here counts");
            self.out.problem(item(self.at, id), message);
        }
    }

    fn statistics(
        &self,
        statistics: Option<BodyStatistics>,
        attributes: Option<PlanetAttributes>,
        to: &mut Components,
    ) {
        let mut body = Body::default();
        if let Some(statistics) = statistics {
            let orbit = Orbit {
                radius: Some(statistics.orbit_radius),
                period: Some(statistics.orbit_period),
                eccentricity: Some(statistics.eccentricity),
                locked: Some(statistics.locked),
                rotation_rate: Some(statistics.rotation_rate),
            };
            self.mapper.words.Orbit.write(to, orbit);
            body = Body {
                density: Some(statistics.density),
                escape_velocity: Some(statistics.escape_velocity),
                fragmented: Some(statistics.fragmented),
                life: Some(statistics.life),
                mass_dust: Some(statistics.mass_dust),
                mass_gas: Some(statistics.mass_gas),
                pressure: Some(statistics.pressure),
                radius: Some(statistics.radius),
                spectral_class: Some(statistics.spectral_class.into()),
                surface_gravity: Some(statistics.surface_gravity),
                temperature: Some(statistics.temperature),
                ..body
            };
        }
        if let Some(attributes) = attributes {
            body.population = Some(attributes.population);
            body.height_map_1 = number(attributes.height_map_1);
            body.height_map_2 = number(attributes.height_map_2);
            body.shader_preset = number(attributes.shader_preset);
        }
        self.mapper.words.Body.write(to, body);
    }

    fn resources(&mut self, id: u64, to: &mut Components) {
        let Some(found) = self.mapper.resources(id) else { return };
        let values = Resources {
            power: number(found.power),
            workforce: number(found.workforce),
            cycle_minutes: number(found.cycle_minutes),
            harvest_silo_max: number(found.harvest_silo_max),
            maturation_cycle_minutes: number(found.maturation_cycle_minutes),
            maturation_percent: number(found.maturation_percent),
            mature_silo_max: found.mature_silo_max,
            reagent_harvest_amount: number(found.reagent_harvest_amount),
            reagent_type_id: number(found.reagent_type_id),
        };
        self.mapper.words.Resources.write(to, values);
    }

    fn system(&self) -> Around {
        Around { parent: self.zone, center: STAR }
    }

    fn body(&self, id: u64, type_id: u64, around: Around, position: Position) -> Result<NewEntity, String> {
        let pose: Pose = pose(position, around.center)?;
        self.mapper.body(id, type_id, around.parent, pose)
    }

    fn send(&mut self, id: u64, new: Result<NewEntity, String>) {
        self.out.entity(item(self.at, id), new);
    }
}

/// What the flat table says besides.
fn fees(values: &mut StationValues, row: &Station) {
    values.docking_cost_per_volume = Some(row.docking_cost_per_volume);
    values.max_ship_volume_dockable = Some(row.max_ship_volume_dockable);
    values.office_rental_cost = Some(row.office_rental_cost);
}

/// Bounds that hold the planet and all that is at it.
fn planet_bounds(planet: &Planet) -> Extent {
    let mut extent = Extent::default();
    let from_planet = |position: Position| DVec3::from(position.0) - DVec3::from(planet.position.0);
    extent.ball(DVec3::ZERO, planet.radius.get());
    for (_, moon) in planet.moons.iter() {
        extent.ball(from_planet(moon.position), moon.radius.get());
        moon.npc_stations.iter().for_each(|(_, station)| extent.ball(from_planet(station.position), 0.0));
    }
    planet.asteroid_belts.iter().for_each(|(_, belt)| extent.ball(from_planet(belt.position), 0.0));
    planet.npc_stations.iter().for_each(|(_, station)| extent.ball(from_planet(station.position), 0.0));
    extent
}
