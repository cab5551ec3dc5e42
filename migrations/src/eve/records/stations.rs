//! Stations and how they are run.

use serde::Deserialize;

use crate::eve::layout::Kind;
use crate::eve::record::Record;
use crate::eve::value::{Finite, Keyed, Position, Text};

/// A station run by the game: a row of a flat table that overlaps with [`NpcStation`](super::NpcStation), and holds one
/// station that no system has (the one of Zarzakh, a system without planets).
#[derive(Clone, Debug, Deserialize)]
pub struct Station {
    /// Item id, 60,000,000 and up.
    #[serde(rename = "stationID")]
    pub station_id: u64,
    /// Name.
    #[serde(rename = "stationName")]
    pub name: String,
    /// Type.
    #[serde(rename = "stationTypeID")]
    pub type_id: u64,
    /// The corporation that owns it.
    #[serde(rename = "corporationID")]
    pub corporation_id: u64,
    /// How it is run.
    #[serde(rename = "operationID")]
    pub operation_id: u64,
    /// System.
    #[serde(rename = "solarSystemID")]
    pub solar_system_id: u64,
    /// Constellation.
    #[serde(rename = "constellationID")]
    pub constellation_id: u64,
    /// Region.
    #[serde(rename = "regionID")]
    pub region_id: u64,
    /// Security of the system.
    pub security: Finite,
    /// Price of docking per cubic metre.
    #[serde(rename = "dockingCostPerVolume")]
    pub docking_cost_per_volume: Finite,
    /// Cubic metres of the largest ship that can dock.
    #[serde(rename = "maxShipVolumeDockable")]
    pub max_ship_volume_dockable: Finite,
    /// Price of an office.
    #[serde(rename = "officeRentalCost")]
    pub office_rental_cost: Finite,
    /// Part of the minerals that reprocessing gives.
    #[serde(rename = "reprocessingEfficiency")]
    pub reprocessing_efficiency: Finite,
    /// Where reprocessed goods go.
    #[serde(rename = "reprocessingHangarFlag")]
    pub reprocessing_hangar_flag: u64,
    /// Part of the minerals that the station keeps.
    #[serde(rename = "reprocessingStationsTake")]
    pub reprocessing_stations_take: Finite,
    /// From the star, in metres.
    pub x: Finite,
    /// From the star, in metres.
    pub y: Finite,
    /// From the star, in metres.
    pub z: Finite,
}

impl Station {
    /// From the star, in metres.
    #[must_use]
    pub fn position(&self) -> Position {
        Position([self.x, self.y, self.z].map(Finite::get))
    }
}

impl Record for Station {
    const KIND: Kind = Kind::Station;

    fn own_id(&self) -> Option<u64> {
        Some(self.station_id)
    }
}

/// A way to run a station.
#[derive(Clone, Debug, Deserialize)]
pub struct StationOperation {
    /// Name, such as `Bureau Offices`.
    #[serde(rename = "operationNameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Option<Text>,
    /// Line of business.
    #[serde(rename = "activityID")]
    pub activity_id: u64,
    /// Services on offer.
    pub services: Vec<u64>,
    /// Type of the station by race.
    #[serde(rename = "stationTypes", default)]
    pub station_types: Keyed<u64>,
}

impl Record for StationOperation {
    const KIND: Kind = Kind::StationOperation;
    const LEFT_OUT: &'static [&'static str] =
        &["border", "corridor", "fringe", "hub", "manufacturingFactor", "ratio", "researchFactor"];
}

/// A service that stations offer.
#[derive(Clone, Debug, Deserialize)]
pub struct StationService {
    /// Name, such as `Repair Facilities`.
    #[serde(rename = "serviceNameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Option<Text>,
}

impl Record for StationService {
    const KIND: Kind = Kind::StationService;
}
