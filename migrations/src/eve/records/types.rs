//! Types and the shelves they are sorted into.

use serde::Deserialize;

use crate::eve::layout::Kind;
use crate::eve::record::Record;
use crate::eve::value::{Finite, Keyed, Text, whole};

/// A kind of thing: a hull, a mineral, a class of planets.
#[derive(Clone, Debug, Deserialize)]
pub struct Type {
    /// Name.
    pub name: Text,
    /// Description; may hold simple HTML.
    pub description: Option<Text>,
    /// Group.
    #[serde(rename = "groupID")]
    pub group_id: u64,
    /// Is part of the game as players see it.
    pub published: bool,
    /// Smallest amount in industry.
    #[serde(rename = "portionSize")]
    pub portion_size: u64,
    /// Kilograms.
    pub mass: Option<Finite>,
    /// Cubic metres.
    pub volume: Option<Finite>,
    /// Cubic metres that fit in.
    pub capacity: Option<Finite>,
    /// Metres.
    pub radius: Option<Finite>,
    /// Price from which fees are calculated.
    #[serde(rename = "basePrice")]
    pub base_price: Option<Finite>,
    /// Race.
    #[serde(rename = "raceID")]
    pub race_id: Option<u64>,
    /// Faction.
    #[serde(rename = "factionID")]
    pub faction_id: Option<u64>,
    /// Meta group.
    #[serde(rename = "metaGroupID", default, deserialize_with = "whole")]
    pub meta_group_id: Option<u64>,
    /// Market group.
    #[serde(rename = "marketGroupID")]
    pub market_group_id: Option<u64>,
    /// The type that this one is a variation of.
    #[serde(rename = "variationParentTypeID")]
    pub variation_parent_type_id: Option<u64>,
    /// Model.
    #[serde(rename = "graphicID")]
    pub graphic_id: Option<u64>,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
    /// Sound.
    #[serde(rename = "soundID")]
    pub sound_id: Option<u64>,
    /// Colours of a hull.
    #[serde(rename = "sofFactionName")]
    pub sof_faction_name: Option<String>,
    /// Materials of a hull.
    #[serde(rename = "sofMaterialSetID")]
    pub sof_material_set_id: Option<u64>,
    /// What a hull is good at.
    pub traits: Option<Traits>,
    /// Certificates for each of the five levels of mastery.
    #[serde(default)]
    pub masteries: Keyed<Vec<u64>>,
}

impl Record for Type {
    const KIND: Kind = Kind::Type;
}

/// What a hull is good at.
#[derive(Clone, Debug, Deserialize)]
pub struct Traits {
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
    /// For anyone.
    #[serde(rename = "roleBonuses", default)]
    pub role_bonuses: Vec<Bonus>,
    /// Remarks.
    #[serde(rename = "miscBonuses", default)]
    pub misc_bonuses: Vec<Bonus>,
    /// Per level of a skill, by the type id of the skill.
    #[serde(default)]
    pub types: Keyed<Vec<Bonus>>,
}

/// One thing a hull is good at.
#[derive(Clone, Debug, Deserialize)]
pub struct Bonus {
    /// How much.
    pub bonus: Option<Finite>,
    /// Of what; may hold simple HTML.
    #[serde(rename = "bonusText")]
    pub text: Text,
    /// Place in the list.
    pub importance: i64,
    /// Unit of `bonus`.
    #[serde(rename = "unitID")]
    pub unit_id: Option<u64>,
    /// Is good for the pilot.
    #[serde(rename = "isPositive")]
    pub is_positive: Option<bool>,
}

/// A group of types, such as `Frigate`.
#[derive(Clone, Debug, Deserialize)]
pub struct Group {
    /// Name.
    pub name: Text,
    /// Category.
    #[serde(rename = "categoryID")]
    pub category_id: u64,
    /// Is part of the game as players see it.
    pub published: bool,
    /// Can be anchored in space.
    pub anchorable: bool,
    /// Is always anchored.
    pub anchored: bool,
    /// Can be fitted in numbers.
    #[serde(rename = "fittableNonSingleton")]
    pub fittable_non_singleton: bool,
    /// Fees go by the base price.
    #[serde(rename = "useBasePrice")]
    pub use_base_price: bool,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
}

impl Record for Group {
    const KIND: Kind = Kind::Group;
}

/// A category of groups, such as `Ship`.
#[derive(Clone, Debug, Deserialize)]
pub struct Category {
    /// Name.
    pub name: Text,
    /// Is part of the game as players see it.
    pub published: bool,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
}

impl Record for Category {
    const KIND: Kind = Kind::Category;
}

/// A class of quality, such as `Tech II`.
#[derive(Clone, Debug, Deserialize)]
pub struct MetaGroup {
    /// Name.
    #[serde(rename = "nameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Option<Text>,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
    /// Mark on icons.
    #[serde(rename = "iconSuffix")]
    pub icon_suffix: Option<String>,
}

impl Record for MetaGroup {
    const KIND: Kind = Kind::MetaGroup;
    const LEFT_OUT: &'static [&'static str] = &["color"];
}

/// A shelf of the market.
#[derive(Clone, Debug, Deserialize)]
pub struct MarketGroup {
    /// Name.
    #[serde(rename = "nameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Option<Text>,
    /// The shelf around this one.
    #[serde(rename = "parentGroupID")]
    pub parent_group_id: Option<u64>,
    /// Holds types, not shelves.
    #[serde(rename = "hasTypes")]
    pub has_types: bool,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
}

impl Record for MarketGroup {
    const KIND: Kind = Kind::MarketGroup;
}
