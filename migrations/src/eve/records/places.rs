//! Regions, constellations and landmarks.
//!
//! Centres are in metres in one frame per universe. **`min` and `max` are not a bounding box of that frame:** in most
//! files their z has the opposite sign of the centre's, and neither they nor `radius` enclose what is inside (constellations
//! of wormhole space reach 129 times further than their radius). Bounds must come from the content.

use serde::Deserialize;

use crate::eve::layout::Kind;
use crate::eve::record::Record;
use crate::eve::value::{Finite, Position};

/// A region of space. Its name is [`Name`](super::Name) of its id.
#[derive(Clone, Debug, Deserialize)]
pub struct Region {
    /// Id, 10,000,000 and up.
    #[serde(rename = "regionID")]
    pub region_id: u64,
    /// Centre in the universe.
    pub center: Position,
    /// One corner; see the module on its sign.
    pub min: Position,
    /// The other corner.
    pub max: Position,
    /// Number of the name in a table that the export does not contain.
    #[serde(rename = "nameID")]
    pub name_id: u64,
    /// Number of the description in that table.
    #[serde(rename = "descriptionID")]
    pub description_id: Option<u64>,
    /// The faction that holds it.
    #[serde(rename = "factionID")]
    pub faction_id: Option<u64>,
    /// Graphic of the background.
    pub nebula: u64,
    /// Class of wormholes that lead here.
    #[serde(rename = "wormholeClassID")]
    pub wormhole_class_id: Option<u64>,
}

impl Record for Region {
    const KIND: Kind = Kind::Region;

    fn own_id(&self) -> Option<u64> {
        Some(self.region_id)
    }
}

/// A constellation of systems.
#[derive(Clone, Debug, Deserialize)]
pub struct Constellation {
    /// Id, 20,000,000 and up.
    #[serde(rename = "constellationID")]
    pub constellation_id: u64,
    /// Centre in the universe.
    pub center: Position,
    /// One corner; see the module on its sign.
    pub min: Position,
    /// The other corner.
    pub max: Position,
    /// Radius in metres as the export has it; the content may reach further.
    pub radius: Finite,
    /// Number of the name in a table that the export does not contain.
    #[serde(rename = "nameID")]
    pub name_id: u64,
    /// The faction that holds it, where it is not the region's.
    #[serde(rename = "factionID")]
    pub faction_id: Option<u64>,
    /// Class of wormholes that lead here.
    #[serde(rename = "wormholeClassID")]
    pub wormhole_class_id: Option<u64>,
}

impl Record for Constellation {
    const KIND: Kind = Kind::Constellation;

    fn own_id(&self) -> Option<u64> {
        Some(self.constellation_id)
    }
}

/// A sight on the map. The export has numbers for its name and description and no text.
#[derive(Clone, Debug, Deserialize)]
pub struct Landmark {
    /// Where it is in the universe.
    pub position: Position,
    /// Number of the name in a table that the export does not contain.
    #[serde(rename = "landmarkNameID")]
    pub name_id: u64,
    /// Number of the description in that table.
    #[serde(rename = "descriptionID")]
    pub description_id: u64,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
    /// The system it belongs to.
    #[serde(rename = "locationID")]
    pub location_id: Option<u64>,
}

impl Record for Landmark {
    const KIND: Kind = Kind::Landmark;
}
