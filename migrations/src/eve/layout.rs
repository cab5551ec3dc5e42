//! Which file of the export holds what, and which files are left out and why.

use std::fmt;

/// The kinds of records that are read, in the order in which an ingest wants them: vocabulary first, then places from the
/// outside in, then what stands in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Names of regions, systems, celestials, stargates, stations, corporations and factions by id.
    Name,
    /// `Ship`, `Celestial`, ...
    Category,
    /// `Frigate`, `Sun`, ...; belongs to a category.
    Group,
    /// `Tech I`, `Faction`, ...
    MetaGroup,
    /// A shelf of the market; shelves nest.
    MarketGroup,
    /// What an attribute id of [`Kind::TypeDogma`] means.
    Attribute,
    /// A kind of thing: a hull, a mineral, a class of planets.
    Type,
    /// The attribute values and effects of one type.
    TypeDogma,
    /// A people.
    Race,
    /// A power that holds space.
    Faction,
    /// A corporation run by the game.
    Corporation,
    /// A line of business of corporations.
    CorporationActivity,
    /// A service that stations offer.
    StationService,
    /// A way to run a station: which services it has.
    StationOperation,
    /// A region of space.
    Region,
    /// A constellation of systems.
    Constellation,
    /// A solar system with everything in it.
    SolarSystem,
    /// A sight of the map.
    Landmark,
    /// A station run by the game, with its name and fees.
    Station,
    /// What can be harvested from a planet or star.
    PlanetResource,
}

/// How the records of a kind lie in their files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One record is one whole file.
    Document,
    /// One file is a mapping from ids to records.
    Mapping,
    /// One file is a list of records.
    List,
}

/// What becomes of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is read.
    Read(Kind),
    /// It is known and left out, for this reason.
    LeftOut(&'static str),
    /// It is not a file this reader knows.
    Unknown,
}

impl Kind {
    /// Every kind, in ingest order.
    pub const ALL: [Kind; 20] = [
        Kind::Name,
        Kind::Category,
        Kind::Group,
        Kind::MetaGroup,
        Kind::MarketGroup,
        Kind::Attribute,
        Kind::Type,
        Kind::TypeDogma,
        Kind::Race,
        Kind::Faction,
        Kind::Corporation,
        Kind::CorporationActivity,
        Kind::StationService,
        Kind::StationOperation,
        Kind::Region,
        Kind::Constellation,
        Kind::SolarSystem,
        Kind::Landmark,
        Kind::Station,
        Kind::PlanetResource,
    ];

    /// The file or the pattern of files below `sde/` that holds this kind.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Kind::Name => "bsd/invNames.yaml",
            Kind::Category => "fsd/categories.yaml",
            Kind::Group => "fsd/groups.yaml",
            Kind::MetaGroup => "fsd/metaGroups.yaml",
            Kind::MarketGroup => "fsd/marketGroups.yaml",
            Kind::Attribute => "fsd/dogmaAttributes.yaml",
            Kind::Type => "fsd/types.yaml",
            Kind::TypeDogma => "fsd/typeDogma.yaml",
            Kind::Race => "fsd/races.yaml",
            Kind::Faction => "fsd/factions.yaml",
            Kind::Corporation => "fsd/npcCorporations.yaml",
            Kind::CorporationActivity => "fsd/corporationActivities.yaml",
            Kind::StationService => "fsd/stationServices.yaml",
            Kind::StationOperation => "fsd/stationOperations.yaml",
            Kind::Region => "universe/*/*/region.yaml",
            Kind::Constellation => "universe/*/*/*/constellation.yaml",
            Kind::SolarSystem => "universe/*/*/*/*/solarsystem.yaml",
            Kind::Landmark => "universe/landmarks/landmarks.yaml",
            Kind::Station => "bsd/staStations.yaml",
            Kind::PlanetResource => "fsd/planetResources.yaml",
        }
    }

    /// How the records lie in those files.
    #[must_use]
    pub const fn shape(self) -> Shape {
        match self {
            Kind::Region | Kind::Constellation | Kind::SolarSystem => Shape::Document,
            Kind::Name | Kind::Station => Shape::List,
            _ => Shape::Mapping,
        }
    }

    /// The plural used in reports.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Kind::Name => "names",
            Kind::Category => "categories",
            Kind::Group => "groups",
            Kind::MetaGroup => "meta groups",
            Kind::MarketGroup => "market groups",
            Kind::Attribute => "attributes",
            Kind::Type => "types",
            Kind::TypeDogma => "types with attribute values",
            Kind::Race => "races",
            Kind::Faction => "factions",
            Kind::Corporation => "corporations",
            Kind::CorporationActivity => "corporation activities",
            Kind::StationService => "station services",
            Kind::StationOperation => "station operations",
            Kind::Region => "regions",
            Kind::Constellation => "constellations",
            Kind::SolarSystem => "solar systems",
            Kind::Landmark => "landmarks",
            Kind::Station => "stations",
            Kind::PlanetResource => "planet resources",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural())
    }
}

/// Known files that are not read. Three of them say again what others say: `invPositions` has the positions of `universe/`
/// bit for bit, `invItems` its ids and types (and offices, factories and characters besides), and `invUniqueNames` a part
/// of `invNames`, with other numbers for 7,424 asteroid belts.
const LEFT_OUT: &[(&str, &str)] = &[
    ("bsd/invFlags.yaml", "slots of the item system"),
    (
        "bsd/invItems.yaml",
        "what lies where: universe/ says it in more detail; offices, factories, characters",
    ),
    ("bsd/invPositions.yaml", "positions: universe/ has them"),
    ("bsd/invUniqueNames.yaml", "names: invNames.yaml has all of these ids"),
    ("fsd/agents.yaml", "characters"),
    ("fsd/agentsInSpace.yaml", "characters"),
    ("fsd/ancestries.yaml", "characters"),
    ("fsd/bloodlines.yaml", "characters"),
    ("fsd/blueprints.yaml", "industry"),
    ("fsd/certificates.yaml", "skills"),
    ("fsd/characterAttributes.yaml", "skills"),
    ("fsd/contrabandTypes.yaml", "rules of the economy"),
    ("fsd/controlTowerResources.yaml", "industry"),
    ("fsd/dogmaAttributeCategories.yaml", "grouping of attributes on screen"),
    ("fsd/dogmaEffects.yaml", "rules of combat"),
    ("fsd/graphicIDs.yaml", "paths of models"),
    ("fsd/iconIDs.yaml", "paths of icons"),
    ("fsd/npcCorporationDivisions.yaml", "characters"),
    ("fsd/planetSchematics.yaml", "industry"),
    ("fsd/researchAgents.yaml", "characters"),
    ("fsd/skinLicenses.yaml", "paint"),
    ("fsd/skinMaterials.yaml", "paint"),
    ("fsd/skins.yaml", "paint"),
    ("fsd/sovereigntyUpgrades.yaml", "industry"),
    ("fsd/tournamentRuleSets.yaml", "rules of tournaments"),
    ("fsd/translationLanguages.yaml", "names of languages"),
    ("fsd/typeMaterials.yaml", "industry"),
];

/// What becomes of the file at `path` (relative to `sde/`, with `/` between folders).
pub(super) fn use_of(path: &str) -> Use {
    let left_out = || LEFT_OUT.iter().find(|(known, _)| *known == path).map(|(_, why)| Use::LeftOut(why));
    let read = Kind::ALL.into_iter().find(|kind| matches(kind.path(), path));
    read.map(Use::Read).or_else(left_out).unwrap_or(Use::Unknown)
}

/// Whether `path` has the folders of `pattern`, where `*` stands for one folder of any name.
fn matches(pattern: &str, path: &str) -> bool {
    pattern.split('/').count() == path.split('/').count()
        && pattern.split('/').zip(path.split('/')).all(|(want, got)| want == "*" || want == got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_left_out_for_a_reason_or_unknown() {
        let jita = "universe/eve/TheForge/Kimotoro/Jita/solarsystem.yaml";
        assert_eq!(use_of(jita), Use::Read(Kind::SolarSystem));
        assert_eq!(use_of("universe/void/VR-01/region.yaml"), Use::Read(Kind::Region));
        assert_eq!(use_of("universe/landmarks/landmarks.yaml"), Use::Read(Kind::Landmark));
        assert_eq!(use_of("fsd/blueprints.yaml"), Use::LeftOut("industry"));
        assert_eq!(use_of("fsd/typeIDs.yaml"), Use::Unknown);
        assert_eq!(use_of("universe/eve/TheForge/solarsystem.yaml"), Use::Unknown);
    }

    #[test]
    fn no_file_is_both_read_and_left_out() {
        for kind in Kind::ALL {
            assert!(LEFT_OUT.iter().all(|(path, _)| !matches(kind.path(), path)), "{kind}");
        }
    }
}
