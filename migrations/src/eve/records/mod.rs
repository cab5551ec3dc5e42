//! The records, field for field as the export has them.
//!
//! Names follow the export (`heightMap1` is `height_map_1`); ids stay plain `u64` because one number space holds regions,
//! stars and corporations alike. A field that the export always gives is required: a file without it is cut off or from
//! another version, and says so.

mod bodies;
mod corporations;
mod items;
mod places;
mod stations;
mod system;
mod types;

pub use bodies::{
    AsteroidBelt, BodyStatistics, Moon, NpcStation, Planet, PlanetAttributes, SecondarySun, Star,
    StarStatistics,
};
pub use corporations::{Corporation, CorporationActivity, Faction, Race};
pub use items::{Attribute, AttributeValue, EffectUse, Name, PlanetResource, TypeDogma};
pub use places::{Constellation, Landmark, Region};
pub use stations::{Station, StationOperation, StationService};
pub use system::{SolarSystem, Stargate};
pub use types::{Bonus, Category, Group, MarketGroup, MetaGroup, Traits, Type};
