//! The small tables that other records refer to, reduced to what is taken over of them.

use std::{collections::HashMap, io, sync::Arc};

use super::reading::Reading;
use crate::eve::{
    Attribute, Category, Corporation, CorporationActivity, Entry, Faction, Group, MarketGroup, MetaGroup,
    Race, StationOperation, StationService, Text,
};

/// English texts by id.
pub(super) type Texts = HashMap<u64, Arc<str>>;

/// All small tables.
pub(super) struct Tables {
    pub categories: Texts,
    /// Category and name of each group.
    pub groups: HashMap<u64, (u64, Arc<str>)>,
    pub meta_groups: Texts,
    /// Group around, and name, of each group of the market.
    market_groups: HashMap<u64, (Option<u64>, Arc<str>)>,
    /// Names for programs.
    pub attributes: Texts,
    pub races: Texts,
    pub factions: Texts,
    pub corporations: Texts,
    pub operations: HashMap<u64, Operation>,
}

/// A way to run a station.
pub(super) struct Operation {
    pub name: Arc<str>,
    pub activity: Option<Arc<str>>,
    pub services: Vec<Arc<str>>,
}

impl Tables {
    /// Groups of the market nested deeper than this are cut: the export has six levels.
    const MARKET_DEPTH: usize = 32;

    /// Reads them.
    pub fn read(reading: &mut Reading) -> io::Result<Self> {
        let categories = reading.collect(|account, entry: Entry<Category>| {
            account.unused("fsd/categories.yaml: all but the English name, per category", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let groups = reading.collect(|account, entry: Entry<Group>| {
            account.unused("fsd/groups.yaml: all but the English name and the category, per group", 1);
            (entry.id, (entry.record.category_id, english(&entry.record.name)))
        })?;
        let meta_groups = reading.collect(|account, entry: Entry<MetaGroup>| {
            account.unused("fsd/metaGroups.yaml: all but the English name, per meta group", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let market_groups = reading.collect(|account, entry: Entry<MarketGroup>| {
            account
                .unused("fsd/marketGroups.yaml: all but English name and group around, per market group", 1);
            (entry.id, (entry.record.parent_group_id, english(&entry.record.name)))
        })?;
        let attributes = reading.collect(|account, entry: Entry<Attribute>| {
            account.unused("fsd/dogmaAttributes.yaml: all but the name for programs, per attribute", 1);
            (entry.id, entry.record.name.into())
        })?;
        let races = reading.collect(|account, entry: Entry<Race>| {
            account.unused("fsd/races.yaml: all but the English name, per race", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let factions = reading.collect(|account, entry: Entry<Faction>| {
            account.unused("fsd/factions.yaml: all but the English name, per faction", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let corporations = reading.collect(|account, entry: Entry<Corporation>| {
            account.unused("fsd/npcCorporations.yaml: all but the English name, per corporation", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let activities: Texts = reading.collect(|account, entry: Entry<CorporationActivity>| {
            account.unused("fsd/corporationActivities.yaml: names in other languages, per activity", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let services: Texts = reading.collect(|account, entry: Entry<StationService>| {
            account.unused("fsd/stationServices.yaml: all but the English name, per service", 1);
            (entry.id, english(&entry.record.name))
        })?;
        let operations = reading.collect(|account, entry: Entry<StationOperation>| {
            account.unused(
                "fsd/stationOperations.yaml: all but English name, activity and services, per operation",
                1,
            );
            let record = entry.record;
            let missing: Vec<_> = record.services.iter().filter(|id| !services.contains_key(id)).collect();
            if !missing.is_empty() {
                let message = format!("no such service: {missing:?}; the operation goes without");
                account.problem(&entry.at, "services", message);
            }
            let operation = Operation {
                name: english(&record.name),
                activity: activities.get(&record.activity_id).cloned(),
                services: record.services.iter().filter_map(|id| services.get(id).cloned()).collect(),
            };
            (entry.id, operation)
        })?;
        Ok(Self {
            categories,
            groups,
            meta_groups,
            market_groups,
            attributes,
            races,
            factions,
            corporations,
            operations,
        })
    }

    /// Names of a market group and those around it, outermost first.
    pub fn market_path(&self, id: u64) -> Vec<Arc<str>> {
        let mut path = Vec::new();
        let mut next = Some(id);
        while let Some((around, name)) = next.and_then(|id| self.market_groups.get(&id)) {
            path.push(Arc::clone(name));
            next = around.filter(|_| path.len() < Self::MARKET_DEPTH);
        }
        path.reverse();
        path
    }
}

fn english(text: &Text) -> Arc<str> {
    text.en().into()
}
