//! What is inside a solar system: stars, planets, moons, belts, stations.

use serde::Deserialize;

use crate::eve::value::{Finite, Keyed, Position};

/// A star, at the origin of its system.
#[derive(Clone, Debug, Deserialize)]
pub struct Star {
    /// Item id.
    pub id: u64,
    /// Radius in metres.
    pub radius: Finite,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// Physics.
    pub statistics: StarStatistics,
}

/// Physics of a star.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the documentation: SI units, luminosity in suns")]
pub struct StarStatistics {
    pub age: Finite,
    pub life: Finite,
    pub locked: bool,
    pub luminosity: Finite,
    pub radius: Finite,
    #[serde(rename = "spectralClass")]
    pub spectral_class: String,
    pub temperature: Finite,
}

/// The second star of a system in wormhole space.
#[derive(Clone, Debug, Deserialize)]
pub struct SecondarySun {
    /// Item id.
    #[serde(rename = "itemID")]
    pub item_id: u64,
    /// From the first star, in metres.
    pub position: Position,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// Type of the effect it has on ships.
    #[serde(rename = "effectBeaconTypeID")]
    pub effect_beacon_type_id: u64,
}

/// A planet.
#[derive(Clone, Debug, Deserialize)]
pub struct Planet {
    /// First, second, ... planet of its star.
    #[serde(rename = "celestialIndex")]
    pub celestial_index: u64,
    /// From the star, in metres.
    pub position: Position,
    /// Radius in metres.
    pub radius: Finite,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// Number of a name of its own in a table that the export does not contain.
    #[serde(rename = "planetNameID")]
    pub name_id: Option<u64>,
    /// How it looks.
    #[serde(rename = "planetAttributes")]
    pub attributes: PlanetAttributes,
    /// Physics.
    pub statistics: BodyStatistics,
    /// Moons by item id.
    #[serde(default)]
    pub moons: Keyed<Moon>,
    /// Asteroid belts by item id.
    #[serde(rename = "asteroidBelts", default)]
    pub asteroid_belts: Keyed<AsteroidBelt>,
    /// Stations at the planet (not at one of its moons) by item id.
    #[serde(rename = "npcStations", default)]
    pub npc_stations: Keyed<NpcStation>,
}

/// A moon.
#[derive(Clone, Debug, Deserialize)]
pub struct Moon {
    /// From the star, in metres.
    pub position: Position,
    /// Radius in metres.
    pub radius: Finite,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// Number of a name of its own in a table that the export does not contain.
    #[serde(rename = "moonNameID")]
    pub name_id: Option<u64>,
    /// How it looks.
    #[serde(rename = "planetAttributes")]
    pub attributes: PlanetAttributes,
    /// Physics.
    pub statistics: Option<BodyStatistics>,
    /// Stations at the moon by item id.
    #[serde(rename = "npcStations", default)]
    pub npc_stations: Keyed<NpcStation>,
}

/// An asteroid belt.
#[derive(Clone, Debug, Deserialize)]
pub struct AsteroidBelt {
    /// From the star, in metres.
    pub position: Position,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// Number of a name of its own in a table that the export does not contain.
    #[serde(rename = "asteroidBeltNameID")]
    pub name_id: Option<u64>,
    /// Physics.
    pub statistics: Option<BodyStatistics>,
}

/// How a planet or moon looks.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanetAttributes {
    /// Graphic of the first height map.
    #[serde(rename = "heightMap1")]
    pub height_map_1: u64,
    /// Graphic of the second height map.
    #[serde(rename = "heightMap2")]
    pub height_map_2: u64,
    /// Has lights at night.
    pub population: bool,
    /// Graphic of the shader.
    #[serde(rename = "shaderPreset")]
    pub shader_preset: u64,
}

/// Physics of a planet, moon or belt. The `radius` in here may differ from the one of the body, which counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are the documentation: SI units")]
pub struct BodyStatistics {
    pub density: Finite,
    pub eccentricity: Finite,
    pub escape_velocity: Finite,
    pub fragmented: bool,
    pub life: Finite,
    pub locked: bool,
    pub mass_dust: Finite,
    pub mass_gas: Finite,
    pub orbit_period: Finite,
    pub orbit_radius: Finite,
    pub pressure: Finite,
    pub radius: Finite,
    pub rotation_rate: Finite,
    pub spectral_class: String,
    pub surface_gravity: Finite,
    pub temperature: Finite,
}

/// A station run by the game, as its system has it. [`Station`](super::Station) of the same id has its name and fees.
#[derive(Clone, Debug, Deserialize)]
pub struct NpcStation {
    /// From the star, in metres.
    pub position: Position,
    /// Type.
    #[serde(rename = "typeID")]
    pub type_id: u64,
    /// The corporation that owns it.
    #[serde(rename = "ownerID")]
    pub owner_id: u64,
    /// How it is run.
    #[serde(rename = "operationID")]
    pub operation_id: u64,
    /// Graphic.
    #[serde(rename = "graphicID")]
    pub graphic_id: u64,
    /// Could be taken by players.
    #[serde(rename = "isConquerable")]
    pub is_conquerable: bool,
    /// Is named after its operation.
    #[serde(rename = "useOperationName")]
    pub use_operation_name: bool,
    /// Part of the minerals that reprocessing gives.
    #[serde(rename = "reprocessingEfficiency")]
    pub reprocessing_efficiency: Finite,
    /// Where reprocessed goods go.
    #[serde(rename = "reprocessingHangarFlag")]
    pub reprocessing_hangar_flag: u64,
    /// Part of the minerals that the station keeps.
    #[serde(rename = "reprocessingStationsTake")]
    pub reprocessing_stations_take: Finite,
}
