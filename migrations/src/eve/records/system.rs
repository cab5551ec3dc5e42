//! A solar system with everything in it.
//!
//! All positions inside a system are in metres from its star, those of moons and stations too (not from their planet).

use serde::Deserialize;

use crate::eve::layout::Kind;
use crate::eve::record::Record;
use crate::eve::value::{Finite, Keyed, Position};

use super::bodies::{Moon, NpcStation, Planet, SecondarySun, Star};

/// A solar system. Its name is [`Name`](super::Name) of its id, and so are the names of all that is in it.
#[derive(Clone, Debug, Deserialize)]
pub struct SolarSystem {
    /// Id, 30,000,000 and up.
    #[serde(rename = "solarSystemID")]
    pub solar_system_id: u64,
    /// Where the star is in the universe.
    pub center: Position,
    /// One corner; see [`places`](super::Region) on its sign.
    pub min: Position,
    /// The other corner.
    pub max: Position,
    /// Radius in metres as the export has it; most systems reach further.
    pub radius: Finite,
    /// From 1 (safe) to -1.
    pub security: Finite,
    /// Class of ores, `A` to `J` and numbers behind.
    #[serde(rename = "securityClass")]
    pub security_class: Option<String>,
    /// Light of the star, sun = 1.
    pub luminosity: Finite,
    /// Lies at the border of its region.
    pub border: bool,
    /// Has two neighbours.
    pub corridor: bool,
    /// Has one neighbour.
    pub fringe: bool,
    /// Has many neighbours.
    pub hub: bool,
    /// Has a way to space of another faction.
    pub international: bool,
    /// Has a way to another region.
    pub regional: bool,
    /// Number of the name in a table that the export does not contain.
    #[serde(rename = "solarSystemNameID")]
    pub name_id: u64,
    /// Number of the description in that table.
    #[serde(rename = "descriptionID")]
    pub description_id: Option<u64>,
    /// The faction that holds it, where it is not the region's.
    #[serde(rename = "factionID")]
    pub faction_id: Option<u64>,
    /// Class of wormholes that lead here.
    #[serde(rename = "wormholeClassID")]
    pub wormhole_class_id: Option<u64>,
    /// Categories of things that may not be anchored here.
    #[serde(rename = "disallowedAnchorCategories", default)]
    pub disallowed_anchor_categories: Vec<u64>,
    /// Groups of things that may not be anchored here.
    #[serde(rename = "disallowedAnchorGroups", default)]
    pub disallowed_anchor_groups: Vec<u64>,
    /// Name of an effect on screen.
    #[serde(rename = "visualEffect")]
    pub visual_effect: Option<String>,
    /// Type of the star; none in abyssal and void space.
    #[serde(rename = "sunTypeID")]
    pub sun_type_id: Option<u64>,
    /// The star; none in abyssal and void space.
    pub star: Option<Star>,
    /// A second star, in wormhole space.
    #[serde(rename = "secondarySun")]
    pub secondary_sun: Option<SecondarySun>,
    /// Planets by item id.
    pub planets: Keyed<Planet>,
    /// Stargates by item id.
    pub stargates: Keyed<Stargate>,
}

impl Record for SolarSystem {
    const KIND: Kind = Kind::SolarSystem;

    fn own_id(&self) -> Option<u64> {
        Some(self.solar_system_id)
    }
}

impl SolarSystem {
    /// Radius in metres around the star that encloses everything in the system, bodies with their own radius. The export's
    /// `radius` does not.
    #[must_use]
    pub fn reach(&self) -> f64 {
        let body = |position: &Position, radius: f64| position.length() + radius;
        let station = |station: &(u64, NpcStation)| station.1.position.length();
        let moons = |planet: &Planet| {
            let reach = |moon: &(u64, Moon)| {
                let stations = moon.1.npc_stations.iter().map(station);
                stations.fold(body(&moon.1.position, moon.1.radius.get()), f64::max)
            };
            planet.moons.iter().map(reach).fold(0.0, f64::max)
        };
        let planet = |(_, planet): &(u64, Planet)| {
            let belts = planet.asteroid_belts.iter().map(|(_, belt)| belt.position.length());
            let around = belts.chain(planet.npc_stations.iter().map(station)).chain([moons(planet)]);
            around.fold(body(&planet.position, planet.radius.get()), f64::max)
        };
        let star = self.star.iter().map(|star| star.radius.get());
        let second = self.secondary_sun.iter().map(|sun| sun.position.length());
        let gates = self.stargates.iter().map(|(_, gate)| gate.position.length());
        star.chain(second).chain(gates).chain(self.planets.iter().map(planet)).fold(0.0, f64::max)
    }
}

/// A stargate.
#[derive(Clone, Debug, Deserialize)]
pub struct Stargate {
    /// From the star, in metres.
    pub position: Position,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// Item id of the stargate on the other side.
    pub destination: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "planetAttributes: {heightMap1: 1, heightMap2: 2, population: false, shaderPreset: 3}";
    const STATISTICS: &str = "statistics: {density: 1.0, eccentricity: 0.1, escapeVelocity: 1.0, fragmented: false, \
        life: 0.0, locked: true, massDust: 1.0e+23, massGas: 1.0, orbitPeriod: 1.0, orbitRadius: 1.0, pressure: 0.1, \
        radius: 1.0, rotationRate: 1.0, spectralClass: '0.0', surfaceGravity: 1.0, temperature: 300.0}";

    /// A system with one planet, one moon, one belt, one station and one gate, in the shape of the export.
    fn system() -> String {
        format!(
            "border: true
center: [-1.0e+17, 6.0e+16, 1.0e+17]
corridor: false
fringe: false
hub: true
international: false
luminosity: 1.5
max: [0.0, 0.0, 0.0]
min: [0.0, 0.0, 0.0]
planets:
  40000002:
    asteroidBelts:
      40000005:
        position: [0.0, 12.0, 0.0]
        typeID: 15
    celestialIndex: 1
    moons:
      40000003:
        npcStations:
          60000001:
            graphicID: 1
            isConquerable: false
            operationID: 2
            ownerID: 1000002
            position: [0.0, 0.0, -13.0]
            reprocessingEfficiency: 0.5
            reprocessingHangarFlag: 4
            reprocessingStationsTake: 0.05
            typeID: 1531
            useOperationName: true
        {BODY}
        position: [3.0, 4.0, 0.0]
        radius: 2
        typeID: 14
    {BODY}
    position: [3.0, 0.0, 0.0]
    radius: 1.5
    {STATISTICS}
    typeID: 11
radius: 1.0
regional: true
security: 0.9
solarSystemID: 30000001
solarSystemNameID: 1
star:
  id: 40000001
  radius: 2
  statistics: {{age: 1, life: 1, locked: false, luminosity: 1.5, radius: 2.0, spectralClass: F1 V, temperature: 7305.0}}
  typeID: 3796
stargates:
  50000001:
    destination: 50000002
    position: [0.0, -14.5, 0.0]
    typeID: 16
sunTypeID: 3796
"
        )
    }

    fn read(text: &str) -> Result<SolarSystem, serde_yaml_ng::Error> {
        serde_yaml_ng::from_str(text)
    }

    #[test]
    fn a_system_is_read_down_to_the_station_of_a_moon() {
        let system = read(&system()).unwrap();
        let (id, planet) = &system.planets[0];
        assert_eq!(
            (*id, planet.moons[0].0, planet.asteroid_belts[0].0),
            (40_000_002, 40_000_003, 40_000_005)
        );
        let (id, station) = &planet.moons[0].1.npc_stations[0];
        assert_eq!(
            (*id, station.owner_id, station.position),
            (60_000_001, 1_000_002, Position([0.0, 0.0, -13.0]))
        );
        assert_eq!((system.stargates[0].0, system.stargates[0].1.destination), (50_000_001, 50_000_002));
        assert!(planet.npc_stations.is_empty() && planet.moons[0].1.statistics.is_none());
    }

    #[test]
    fn reach_encloses_each_kind_of_content_with_its_radius() {
        let reach = |text: &str| read(text).unwrap().reach();
        let all = system();
        assert_eq!(reach(&all), 14.5, "the gate is outermost");
        let gate = all.replace("-14.5", "-1.0");
        assert_eq!(reach(&gate), 13.0, "then the station at the moon");
        let station = gate.replace("-13.0", "-1.0");
        assert_eq!(reach(&station), 12.0, "then the belt");
        let belt = station.replace("12.0", "1.0");
        assert_eq!(reach(&belt), 7.0, "then the moon with its radius");
        let moon = belt.replace("[3.0, 4.0, 0.0]", "[0.0, 0.0, 0.0]");
        assert_eq!(reach(&moon), 4.5, "then the planet with its radius");
        let planet = moon.replace("radius: 1.5", "radius: -2.0");
        assert_eq!(reach(&planet), 2.0, "then the star");
    }

    #[test]
    fn a_moon_given_twice_is_refused_with_its_path() {
        let twice = system().replace("    {BODY}\n", "").replace(
            "      40000005:",
            "      40000005:\n        position: [0, 0, 0]\n        typeID: 15\n      40000005:",
        );
        let error = read(&twice).unwrap_err().to_string();
        assert!(error.starts_with("planets.40000002.asteroidBelts: the key 40000005 comes twice"), "{error}");
    }

    #[test]
    fn a_system_without_planets_is_cut_off() {
        let error = read(&system().replace("planets:", "plants:")).unwrap_err().to_string();
        assert!(error.contains("missing field `planets`"), "{error}");
    }
}
