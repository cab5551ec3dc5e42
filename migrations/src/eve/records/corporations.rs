//! Who owns what: races, factions, corporations.

use serde::Deserialize;

use crate::eve::layout::Kind;
use crate::eve::record::Record;
use crate::eve::value::{Finite, Text};

/// A people.
#[derive(Clone, Debug, Deserialize)]
pub struct Race {
    /// Name.
    #[serde(rename = "nameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Option<Text>,
    /// Type of its first ship.
    #[serde(rename = "shipTypeID")]
    pub ship_type_id: Option<u64>,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
}

impl Record for Race {
    const KIND: Kind = Kind::Race;
    const LEFT_OUT: &'static [&'static str] = &["skills"];
}

/// A power that holds space.
#[derive(Clone, Debug, Deserialize)]
pub struct Faction {
    /// Name.
    #[serde(rename = "nameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Text,
    /// Description in a sentence.
    #[serde(rename = "shortDescriptionID")]
    pub short_description: Option<Text>,
    /// Its own corporation.
    #[serde(rename = "corporationID")]
    pub corporation_id: Option<u64>,
    /// The corporation of its militia.
    #[serde(rename = "militiaCorporationID")]
    pub militia_corporation_id: Option<u64>,
    /// Races of its members.
    #[serde(rename = "memberRaces")]
    pub member_races: Vec<u64>,
    /// Its home.
    #[serde(rename = "solarSystemID")]
    pub solar_system_id: u64,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: u64,
}

impl Record for Faction {
    const KIND: Kind = Kind::Faction;
    const LEFT_OUT: &'static [&'static str] = &["sizeFactor", "uniqueName"];
}

/// A corporation run by the game.
#[derive(Clone, Debug, Deserialize)]
pub struct Corporation {
    /// Name.
    #[serde(rename = "nameID")]
    pub name: Text,
    /// Description.
    #[serde(rename = "descriptionID")]
    pub description: Option<Text>,
    /// Short name, such as `CBT`.
    #[serde(rename = "tickerName")]
    pub ticker: String,
    /// Exists no more.
    pub deleted: bool,
    /// `G`lobal, `N`ational, `R`egional, ...
    pub extent: String,
    /// `H`uge to `T`iny.
    pub size: String,
    /// Faction.
    #[serde(rename = "factionID")]
    pub faction_id: Option<u64>,
    /// Race.
    #[serde(rename = "raceID")]
    pub race_id: Option<u64>,
    /// The character at its head.
    #[serde(rename = "ceoID")]
    pub ceo_id: Option<u64>,
    /// Its home system.
    #[serde(rename = "solarSystemID")]
    pub solar_system_id: Option<u64>,
    /// Its home station.
    #[serde(rename = "stationID")]
    pub station_id: Option<u64>,
    /// Main line of business.
    #[serde(rename = "mainActivityID")]
    pub main_activity_id: Option<u64>,
    /// Second line of business.
    #[serde(rename = "secondaryActivityID")]
    pub secondary_activity_id: Option<u64>,
    /// Its best friend among corporations.
    #[serde(rename = "friendID")]
    pub friend_id: Option<u64>,
    /// Its worst enemy among corporations.
    #[serde(rename = "enemyID")]
    pub enemy_id: Option<u64>,
    /// Tax, 0 to 1.
    #[serde(rename = "taxRate")]
    pub tax_rate: Finite,
    /// Icon.
    #[serde(rename = "iconID")]
    pub icon_id: Option<u64>,
}

impl Record for Corporation {
    const KIND: Kind = Kind::Corporation;
    const LEFT_OUT: &'static [&'static str] = &[
        "allowedMemberRaces",
        "corporationTrades",
        "divisions",
        "exchangeRates",
        "hasPlayerPersonnelManager",
        "initialPrice",
        "investors",
        "lpOfferTables",
        "memberLimit",
        "minSecurity",
        "minimumJoinStanding",
        "publicShares",
        "sendCharTerminationMessage",
        "shares",
        "sizeFactor",
        "uniqueName",
        "url",
    ];
}

/// A line of business.
#[derive(Clone, Debug, Deserialize)]
pub struct CorporationActivity {
    /// Name, such as `Mining`.
    #[serde(rename = "nameID")]
    pub name: Text,
}

impl Record for CorporationActivity {
    const KIND: Kind = Kind::CorporationActivity;
}
