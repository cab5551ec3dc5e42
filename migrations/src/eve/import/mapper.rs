//! What every body needs to become an entity: its name, the container of its type, tables, and an account of gates and
//! stations that only close at the end.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
};

use entitygraph_schema::{
    Components, EntityId, EntityName, Kind, Layer, Link, LinkKind, NewEntity, Placement, Pose,
    text::TextError,
};

use super::{
    components::Vocabulary,
    output::{Output, item, origin},
    reading::{Account, Reading},
    tables::Tables,
    types::Models,
    values::Number,
};
use crate::{
    eve::{At, Entry, Names, PlanetResource, Station},
    load::Origin,
};

/// Kinds of what has no type of its own.
pub(super) struct Kinds {
    pub universe: Kind,
    pub space: Kind,
    pub region: Kind,
    pub constellation: Kind,
    pub system: Kind,
    pub landmark: Kind,
    jump: LinkKind,
}

impl Kinds {
    pub fn new() -> Result<Self, TextError> {
        Ok(Self {
            universe: Kind::new("universe")?,
            space: Kind::new("space")?,
            region: Kind::new("region")?,
            constellation: Kind::new("constellation")?,
            system: Kind::new("system")?,
            landmark: Kind::new("landmark")?,
            jump: LinkKind::new("jump")?,
        })
    }
}

/// Makes entities of records.
pub(super) struct Mapper<'a> {
    pub words: &'a Vocabulary,
    pub kinds: Kinds,
    pub tables: &'a Tables,
    models: Models<'a>,
    names: Names,
    names_used: Cell<u64>,
    /// The first item without a name, and how many there are.
    nameless: Cell<Option<(u64, u64)>>,
    /// Rows of the flat table of stations that no system has used yet.
    stations: BTreeMap<u64, Entry<Station>>,
    /// Ids of the rows by system.
    stations_in: HashMap<u64, Vec<u64>>,
    resources: HashMap<u64, PlanetResource>,
    gates: BTreeMap<u64, Gate>,
}

/// A stargate that was sent.
struct Gate {
    destination: u64,
    origin: Origin,
}

impl<'a> Mapper<'a> {
    /// What one passage costs a route.
    const JUMP_COST: f64 = 1.0;

    /// Reads the tables that bodies refer to by their own id.
    pub fn read(
        reading: &mut Reading,
        words: &'a Vocabulary,
        kinds: Kinds,
        tables: &'a Tables,
        models: Models<'a>,
    ) -> io::Result<Self> {
        let names = reading.names()?;
        let mut stations_in: HashMap<u64, Vec<u64>> = HashMap::new();
        let stations = reading.collect(|account, entry: Entry<Station>| {
            account.unused(
                "bsd/staStations.yaml: constellation, region, system, security (the map says them), per station",
                1,
            );
            stations_in.entry(entry.record.solar_system_id).or_default().push(entry.id);
            (entry.id, entry)
        })?;
        let resources = reading.collect(|_, entry: Entry<PlanetResource>| (entry.id, entry.record))?;
        Ok(Self {
            words,
            kinds,
            tables,
            models,
            names,
            names_used: Cell::new(0),
            nameless: Cell::new(None),
            stations,
            stations_in,
            resources,
            gates: BTreeMap::new(),
        })
    }

    /// An entity without values, at `pose` in the zone around it.
    pub fn entity(
        &self,
        id: u64,
        name: Option<&str>,
        kind: Kind,
        parent: Option<EntityId>,
        pose: Option<Pose>,
    ) -> Result<NewEntity, String> {
        let id = EntityId::new(id).ok_or("0 is no id")?;
        if id >= EntityId::FIRST_LEASED {
            return Err(format!("the id {id} is not below {}", EntityId::FIRST_LEASED));
        }
        let name = match name {
            Some(name) => EntityName::new(name).map_err(|error| error.to_string())?,
            None => EntityName::default(),
        };
        Ok(NewEntity {
            id,
            name,
            kind,
            source: None,
            placement: Placement { parent, port: None, pose },
            radius: 0.0,
            zone: None,
            root: false,
            labels: Default::default(),
            owner: None,
            layer: Layer::ZERO,
            ordinal: 0,
            components: Components::default(),
        })
    }

    /// An instance of the container of a type, with the radius of the type.
    pub fn body(&self, id: u64, type_id: u64, parent: EntityId, pose: Pose) -> Result<NewEntity, String> {
        let model = self.models.get(type_id).ok_or_else(|| format!("type {type_id} did not go in"))?;
        let mut new = self.entity(id, self.name(id), model.kind, Some(parent), Some(pose))?;
        new.source = Some(model.source);
        new.radius = model.radius;
        Ok(new)
    }

    /// The name of an item. [`Mapper::finish`] tells how many have none.
    pub fn name(&self, id: u64) -> Option<&str> {
        let name = self.names.get(id);
        if name.is_some() {
            self.names_used.set(self.names_used.get() + 1);
        } else {
            let (first, count) = self.nameless.get().unwrap_or((id, 0));
            self.nameless.set(Some((first, count + 1)));
        }
        name
    }

    /// The name of a faction.
    pub fn faction(&self, id: Option<u64>) -> Option<Arc<str>> {
        self.tables.factions.get(&id?).cloned()
    }

    /// The row of a station in the flat table, once.
    pub fn station_row(&mut self, id: u64) -> Option<Entry<Station>> {
        self.stations.remove(&id)
    }

    /// Rows of stations that the record of their system does not have.
    pub fn other_stations(&mut self, system: u64) -> Vec<Entry<Station>> {
        let ids = self.stations_in.remove(&system).unwrap_or_default();
        ids.iter().filter_map(|id| self.stations.remove(id)).collect()
    }

    /// What can be harvested, once.
    pub fn resources(&mut self, id: u64) -> Option<PlanetResource> {
        self.resources.remove(&id)
    }

    /// Notes a stargate, to be linked at the end.
    pub fn gate(&mut self, id: u64, destination: u64, at: &At) {
        self.gates.insert(id, Gate { destination, origin: item(at, id) });
    }

    /// Links the gates and accounts for what is left.
    pub fn finish(&mut self, account: &mut Account, out: &mut Output) {
        for (id, gate) in &self.gates {
            let other = gate.destination;
            let back = self.gates.get(&other).map(|gate| gate.destination);
            if back != Some(*id) {
                let leads = back.map_or("is not in the export".to_owned(), |back| format!("leads to {back}"));
                let message = format!("the gate leads to gate {other}, which {leads}; they are not linked");
                out.problem(gate.origin.clone(), message);
            } else if *id < other
                && let (Some(a), Some(b)) = (EntityId::new(*id), EntityId::new(other))
            {
                let link = Link::new(self.kinds.jump.clone(), a, b, Self::JUMP_COST);
                out.link(gate.origin.clone(), link);
            }
        }
        if let Some((first, count)) = self.nameless.get() {
            let message =
                format!("{count} items of the map have no name here, the first is {first}; they have none");
            out.problem(Origin::file("bsd/invNames.yaml"), message);
        }
        for (id, row) in &self.stations {
            let system = row.record.solar_system_id;
            let message =
                format!("station {id} is in system {system}, which is not in the map; it is left out");
            out.problem(origin(&row.at), message);
        }
        let resources = self.resources.len() as u64;
        account.unused("fsd/planetResources.yaml: of planets and stars that are not in the map", resources);
        let names = (self.names.len() as u64).saturating_sub(self.names_used.get());
        account.unused("bsd/invNames.yaml: of items that are not in the map", names);
    }
}

/// A number that is always there, or not.
pub(super) fn number(number: impl Into<Option<u64>>) -> Option<Number> {
    number.into().map(Number::from)
}
