//! Facts about items and types that lie in tables of their own.

use serde::Deserialize;

use crate::eve::layout::Kind;
use crate::eve::record::Record;
use crate::eve::value::{Finite, Text};

/// The name of an item: region, constellation, system, celestial, stargate, station, corporation, faction, character.
#[derive(Clone, Debug, Deserialize)]
pub struct Name {
    /// The item.
    #[serde(rename = "itemID")]
    pub id: u64,
    /// Its name.
    #[serde(rename = "itemName")]
    pub name: Box<str>,
}

impl Record for Name {
    const KIND: Kind = Kind::Name;

    fn own_id(&self) -> Option<u64> {
        Some(self.id)
    }
}

/// What an attribute id means.
#[derive(Clone, Debug, Deserialize)]
pub struct Attribute {
    /// Id, the same as the key.
    #[serde(rename = "attributeID")]
    pub id: u64,
    /// Name for programs, such as `hp`.
    pub name: String,
    /// Name for people.
    #[serde(rename = "displayNameID")]
    pub display_name: Option<Text>,
    /// What it is, in English.
    pub description: Option<String>,
    /// Number of the value's type: 0 to 13.
    #[serde(rename = "dataType")]
    pub data_type: u64,
    /// Value of a type that does not give one.
    #[serde(rename = "defaultValue")]
    pub default_value: Finite,
    /// More is better.
    #[serde(rename = "highIsGood")]
    pub high_is_good: bool,
    /// Is part of the game as players see it.
    pub published: bool,
    /// Bonuses of several modules add up without loss.
    pub stackable: bool,
    /// Unit.
    #[serde(rename = "unitID")]
    pub unit_id: Option<u64>,
    /// Category on screen.
    #[serde(rename = "categoryID")]
    pub category_id: Option<u64>,
    /// The attribute that bounds this one.
    #[serde(rename = "maxAttributeID")]
    pub max_attribute_id: Option<u64>,
}

impl Record for Attribute {
    const KIND: Kind = Kind::Attribute;
    const LEFT_OUT: &'static [&'static str] =
        &["chargeRechargeTimeID", "displayWhenZero", "iconID", "tooltipDescriptionID", "tooltipTitleID"];

    fn own_id(&self) -> Option<u64> {
        Some(self.id)
    }
}

/// Attribute values and effects of the type whose id is the key.
#[derive(Clone, Debug, Deserialize)]
pub struct TypeDogma {
    /// Values.
    #[serde(rename = "dogmaAttributes")]
    pub attributes: Vec<AttributeValue>,
    /// Effects.
    #[serde(rename = "dogmaEffects")]
    pub effects: Vec<EffectUse>,
}

impl Record for TypeDogma {
    const KIND: Kind = Kind::TypeDogma;
}

/// One value of one type.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct AttributeValue {
    /// The attribute.
    #[serde(rename = "attributeID")]
    pub attribute_id: u64,
    /// Its value.
    pub value: Finite,
}

/// One effect of one type.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct EffectUse {
    /// The effect.
    #[serde(rename = "effectID")]
    pub effect_id: u64,
    /// Happens when the thing is switched on.
    #[serde(rename = "isDefault")]
    pub is_default: bool,
}

/// What can be harvested from the planet or star whose item id is the key.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are all that the export says")]
pub struct PlanetResource {
    pub power: Option<u64>,
    pub workforce: Option<u64>,
    pub cycle_minutes: Option<u64>,
    pub harvest_silo_max: Option<u64>,
    pub maturation_cycle_minutes: Option<u64>,
    pub maturation_percent: Option<u64>,
    pub mature_silo_max: Option<Finite>,
    pub reagent_harvest_amount: Option<u64>,
    pub reagent_type_id: Option<u64>,
}

impl Record for PlanetResource {
    const KIND: Kind = Kind::PlanetResource;
}
