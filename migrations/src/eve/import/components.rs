//! The component types of the EVE world, all in one place. Lengths are metres, times seconds, masses kilograms, temperatures
//! kelvins unless said otherwise; ids are numbers of the export. A value the export does not give is not set.

use std::sync::Arc;

use entitygraph_schema::{ComponentDraft, EntityId, Registry, Value, text::TextError};

use super::values::{Component, ForeignComponent, Number, Numbers, Variable, components};
use crate::eve::value::{Finite, Position};

components! {
    /// Regions, constellations and systems: what the export says of them as parts of the map.
    Area = "eve.area" {
        /// Centre in the universe, to the last bit as the export has it.
        center: Position,
        /// One corner as the export has it; its z often has the wrong sign.
        min: Position,
        /// The other corner.
        max: Position,
        /// Radius as the export has it; the content often reaches further.
        radius: Finite,
        /// The faction that holds it, where it is not that of what is around it.
        faction_id: Number,
        /// Name of the faction.
        faction: Arc<str>,
        /// Class of wormholes that lead here.
        wormhole_class_id: Number,
        /// Number of the name in a table that the export does not contain.
        name_id: Number,
        /// Number of the description in that table.
        description_id: Number,
    }

    /// Regions.
    Region = "eve.region" {
        /// Graphic of the background.
        nebula: Number,
    }

    /// Solar systems.
    System = "eve.system" {
        /// From 1 (safe) to -1.
        security: Finite,
        /// Class of ores.
        security_class: Arc<str>,
        /// Light of the star, sun = 1.
        luminosity: Finite,
        /// Lies at the border of its region.
        border: bool,
        /// Has two neighbours.
        corridor: bool,
        /// Has one neighbour.
        fringe: bool,
        /// Has many neighbours.
        hub: bool,
        /// Has a way to space of another faction.
        international: bool,
        /// Has a way to another region.
        regional: bool,
        /// Categories of things that may not be anchored here.
        disallowed_anchor_categories: Vec<Number>,
        /// Groups of things that may not be anchored here.
        disallowed_anchor_groups: Vec<Number>,
        /// Name of an effect on screen.
        visual_effect: Arc<str>,
        /// Type of the star.
        sun_type_id: Number,
    }

    /// Stars.
    Star = "eve.star" {
        age: Finite,
        life: Finite,
        locked: bool,
        /// Sun = 1.
        luminosity: Finite,
        radius: Finite,
        spectral_class: Arc<str>,
        temperature: Finite,
    }

    /// Second stars of systems in wormhole space.
    SecondSun = "eve.second_sun" {
        /// Type of the effect it has on ships.
        effect_beacon_type_id: Number,
    }

    /// Planets, moons and asteroid belts as parts of their system.
    Celestial = "eve.celestial" {
        /// From the star, to the last bit as the export has it.
        position: Position,
        /// First, second, ... planet of its star.
        index: Number,
        /// Number of a name of its own in a table that the export does not contain.
        name_id: Number,
    }

    /// How planets, moons and belts move.
    Orbit = "eve.orbit", together "orbit" {
        /// Distance to what it orbits.
        radius: Finite,
        period: Finite,
        eccentricity: Finite,
        /// Shows what it orbits always the same side.
        locked: bool,
        rotation_rate: Finite,
    }

    /// What planets, moons and belts are made of and look like.
    Body = "eve.body" {
        density: Finite,
        escape_velocity: Finite,
        fragmented: bool,
        life: Finite,
        mass_dust: Finite,
        mass_gas: Finite,
        pressure: Finite,
        /// May differ from the radius of the entity, which counts.
        radius: Finite,
        spectral_class: Arc<str>,
        surface_gravity: Finite,
        temperature: Finite,
        /// Has lights at night.
        population: bool,
        /// Graphic of the first height map.
        height_map_1: Number,
        /// Graphic of the second height map.
        height_map_2: Number,
        /// Graphic of the shader.
        shader_preset: Number,
    }

    /// What can be harvested from planets and stars.
    Resources = "eve.resources" {
        power: Number,
        workforce: Number,
        cycle_minutes: Number,
        harvest_silo_max: Number,
        maturation_cycle_minutes: Number,
        maturation_percent: Number,
        mature_silo_max: Finite,
        reagent_harvest_amount: Number,
        reagent_type_id: Number,
    }

    /// Stations run by the game. Their owner is `corporation:` with the id.
    Station = "eve.station" {
        /// From the star, to the last bit as the export has it.
        position: Position,
        corporation_id: Number,
        /// Name of the corporation.
        corporation: Arc<str>,
        operation_id: Number,
        /// Name of the operation, such as `Bureau Offices`.
        operation: Arc<str>,
        /// Line of business of the operation.
        activity: Arc<str>,
        /// Services on offer.
        services: Vec<Arc<str>>,
        graphic_id: Number,
        /// Could be taken by players.
        conquerable: bool,
        /// Is named after its operation.
        use_operation_name: bool,
        /// Part of the minerals that reprocessing gives.
        reprocessing_efficiency: Finite,
        /// Where reprocessed goods go.
        reprocessing_hangar_flag: Number,
        /// Part of the minerals that the station keeps.
        reprocessing_stations_take: Finite,
        /// Price of docking per cubic metre.
        docking_cost_per_volume: Finite,
        /// Cubic metres of the largest ship that can dock.
        max_ship_volume_dockable: Finite,
        /// Price of an office.
        office_rental_cost: Finite,
    }

    /// Stargates. Each pair is joined by a `jump` link as well.
    Stargate = "eve.stargate" {
        /// The gate on the other side.
        destination: EntityId,
    }

    /// Sights of the map.
    Landmark = "eve.landmark" {
        /// The system it belongs to.
        location: EntityId,
        icon_id: Number,
        /// Number of the name in a table that the export does not contain.
        name_id: Number,
        /// Number of the description in that table.
        description_id: Number,
    }

    /// Types: values of their containers, and so of all their instances.
    Type = "eve.type" {
        /// English name.
        name: Arc<str>,
        /// English description; may hold simple HTML.
        description: Arc<str>,
        group_id: Number,
        /// English name of the group, such as `Frigate`.
        group: Arc<str>,
        category_id: Number,
        /// English name of the category, such as `Ship`.
        category: Arc<str>,
        meta_group_id: Number,
        /// English name of the meta group, such as `Tech II`.
        meta_group: Arc<str>,
        market_group_id: Number,
        /// English names of the market group and those around it, outermost first.
        market_path: Vec<Arc<str>>,
        race_id: Number,
        race: Arc<str>,
        faction_id: Number,
        faction: Arc<str>,
        /// Is part of the game as players see it.
        published: bool,
        /// Smallest amount in industry.
        portion_size: Number,
        mass: Finite,
        /// Cubic metres.
        volume: Finite,
        /// Cubic metres that fit in.
        capacity: Finite,
        /// Price from which fees are calculated.
        base_price: Finite,
        /// The type that this one is a variation of.
        variation_parent_type_id: Number,
        graphic_id: Number,
        icon_id: Number,
        sound_id: Number,
        /// Colours of a hull.
        sof_faction_name: Arc<str>,
        /// Materials of a hull.
        sof_material_set_id: Number,
    }

    /// Names of a type in other languages, where they differ from the English one.
    TypeName = "eve.type_name" {
        de: Arc<str>,
        es: Arc<str>,
        fr: Arc<str>,
        it: Arc<str>,
        ja: Arc<str>,
        ko: Arc<str>,
        ru: Arc<str>,
        zh: Arc<str>,
    }

    /// Attribute values and effects of a type.
    Dogma = "eve.dogma" {
        /// Names of the attributes, such as `hp`.
        attributes: Vec<Arc<str>>,
        /// Their values, in the same order.
        values: Vec<Finite>,
        /// Ids of the effects.
        effect_ids: Vec<Number>,
        /// Those that happen when the thing is switched on.
        default_effect_ids: Vec<Number>,
    }
}
