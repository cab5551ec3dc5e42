//! The part of the world that a batch is planned on.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use entitygraph_schema::{Catalog, Entity, EntityId, LinkKind, OperationId};
use neo4rs::BoltType;

use super::needs::Needs;
use crate::{
    error::Result,
    keyed::space::Reach,
    memory::world::World,
    neo4j::{
        census::Census,
        client::Transaction,
        link_row::LinkRow,
        message::messages,
        number::{id, rank, shown},
        shared::Shared,
        statement::{list, map},
        statements as cypher,
    },
};

/// An entity as it was before the batch, with what is known of it beside its record.
#[derive(Debug, Clone)]
pub struct Node {
    /// The entity.
    pub entity: Arc<Entity>,
    /// What is below it.
    pub census: Census,
    /// How far the inside of the zone reaches that it hosts.
    pub reach: Reach,
}

impl Node {
    /// Bytes in memory, for the cache.
    pub fn size_bytes(&self) -> usize {
        self.entity.size_bytes() + self.census.sets().count() * 24 + 64
    }
}

/// More buried ids than these among new ones are not read at once.
const BURIED_MAX: usize = 1_024;

/// Kind, lower end and higher end of a link.
pub type LinkKey = (LinkKind, EntityId, EntityId);

/// A link as it was: its cost, and the zones of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StoredLink {
    /// What passing it costs.
    pub cost: f64,
    /// Zone of the lower end.
    pub from: EntityId,
    /// Zone of the higher end.
    pub to: EntityId,
}

/// How far the shard is, read under its lock.
#[derive(Debug, Clone, Default)]
pub struct ShardRow {
    /// The newest commit.
    pub cursor: u64,
    /// The next id to lease, 0 when none is left.
    pub lease: u64,
    /// Sets of facets.
    pub facet_sets: u32,
    /// What is in the world.
    pub census: Census,
    /// Outcomes on record of operations that changed nothing.
    pub idle: u64,
    /// Bytes of all commits, also of those that are trimmed.
    pub log_end: u64,
    /// Names the batch that left it so, empty before the first.
    pub mark: String,
    /// The commit that readers take for possibly begun.
    pub begun: u64,
    /// The operation id of the last commit of a move that the batch has.
    pub moved: Option<OperationId>,
}

/// See the module.
pub struct Scene {
    /// How far the shard is.
    pub shard: ShardRow,
    /// Everything loaded, as it was.
    pub nodes: HashMap<EntityId, Node>,
    /// Links loaded, as they were.
    pub links: BTreeMap<LinkKey, StoredLink>,
    /// Outcomes of operation ids: fingerprint and cursor.
    pub operations: HashMap<OperationId, ([u8; 32], u64)>,
    /// The world to plan on.
    pub world: World,
}

/// Entities and links below what moves or dies are more than a transaction may touch.
pub struct TooMany;

/// Record, census and reach.
pub type NodeRow<'a> = (&'a [u8], Option<&'a [u8]>, Option<Vec<f64>>);

impl Scene {
    /// Takes the shard's lock and reads what is needed and not cached. `cached` holds nodes that are true for the writer's shard; when
    /// the shard is farther, others wrote, and all is read. Where new ids are `trusted`, only buried ones are looked for.
    pub async fn load(
        shared: &Shared,
        transaction: &mut Transaction,
        needs: &Needs,
        operations: &[&OperationId],
        trusted: bool,
        mut cached: impl FnMut(EntityId) -> Option<Node>,
        catalog: Arc<Catalog>,
    ) -> Result<Self> {
        let mut scene = Self::new(catalog);
        let missing: Vec<_> =
            needs.entities.iter().copied().filter(|id| !scene.take_cached(*id, &mut cached)).collect();
        scene.lock(shared, transaction, needs, operations, missing, trusted).await?;
        if trusted && !scene.read_buried(shared, transaction, &needs.new).await? {
            let again = Needs { new: needs.new.clone(), ..Needs::default() };
            scene.lock(shared, transaction, &again, &[], Vec::new(), false).await?;
        }
        Ok(scene)
    }

    /// The same where all that is needed is cached and the shard is as it was; none if something has to be read. That operation ids are
    /// new is left to the constraint of the database.
    pub fn cached(
        shard: &ShardRow,
        needs: &Needs,
        mut cached: impl FnMut(EntityId) -> Option<Node>,
        catalog: Arc<Catalog>,
    ) -> Option<Self> {
        let mut scene = Self::new(catalog);
        scene.shard = shard.clone();
        let known = needs.new.is_empty()
            && needs.ports.is_empty()
            && needs.links.is_empty()
            && needs.around.is_empty()
            && needs.entities.iter().all(|id| scene.take_cached(*id, &mut cached));
        known.then_some(scene)
    }

    fn new(catalog: Arc<Catalog>) -> Self {
        let mut world = World::default();
        world.catalog = catalog;
        Self {
            shard: ShardRow::default(),
            nodes: HashMap::new(),
            links: BTreeMap::new(),
            operations: HashMap::new(),
            world,
        }
    }

    /// Takes an entity and everything above it from the cache; false if some of it is not there.
    fn take_cached(&mut self, id: EntityId, cached: &mut impl FnMut(EntityId) -> Option<Node>) -> bool {
        let mut way = Vec::new();
        let mut next = Some(id);
        while let Some(at) = next {
            if self.nodes.contains_key(&at) {
                break;
            }
            let Some(node) = cached(at) else { return false };
            next = node.entity.placement.parent;
            way.push(node);
        }
        self.nodes.extend(way.into_iter().map(|node| (node.entity.id, node)));
        true
    }

    async fn lock(
        &mut self,
        shared: &Shared,
        transaction: &mut Transaction,
        needs: &Needs,
        operations: &[&OperationId],
        missing: Vec<EntityId>,
        trusted: bool,
    ) -> Result<()> {
        let ids = |ids: &mut dyn Iterator<Item = EntityId>| {
            ids.map(|id| shown(id).into()).collect::<Vec<BoltType>>()
        };
        let ports = needs
            .ports
            .iter()
            .map(|(parent, port)| map([("parent", shown(*parent).into()), ("port", port.as_str().into())]));
        let pairs = needs.links.iter().map(|(kind, a, b)| {
            map([("kind", kind.as_str().into()), ("a", shown(*a).into()), ("b", shown(*b).into())])
        });
        let lists = [
            ids(&mut missing.into_iter()),
            ids(&mut needs.new.iter().copied().filter(|_| !trusted)),
            ports.collect(),
            pairs.collect(),
            ids(&mut needs.around.iter().copied()),
            operations.iter().map(|id| BoltType::from(id.as_str())).collect(),
        ];
        for [ids, new, ports, pairs, around, operations] in
            messages(transaction.room_bytes(cypher::LOCK), lists)
        {
            let query = cypher::LOCK
                .query()
                .param("ids", list(ids))
                .param("new", list(new))
                .param("ports", list(ports))
                .param("pairs", list(pairs))
                .param("around", list(around))
                .param("operations", list(operations));
            let row = shared.single(transaction.ask(cypher::LOCK, query).await?)?;
            self.read_shard(shared, &row)?;
            self.read_lists(shared, &row)?;
        }
        Ok(())
    }

    /// Reads which of these ids are buried; false if there are too many around them.
    async fn read_buried(
        &mut self,
        shared: &Shared,
        transaction: &mut Transaction,
        ids: &BTreeSet<EntityId>,
    ) -> Result<bool> {
        let (Some(low), Some(high)) = (ids.first(), ids.last()) else { return Ok(true) };
        let query = cypher::BURIED
            .query()
            .param("low", rank(*low))
            .param("high", rank(*high))
            .param("limit", i64::try_from(BURIED_MAX).unwrap_or(i64::MAX));
        let row = shared.single(transaction.ask(cypher::BURIED, query).await?)?;
        let buried: Vec<i64> = shared.column(&row, "buried")?;
        let whole = buried.len() < BURIED_MAX;
        self.world.buried.extend(buried.into_iter().filter_map(id));
        Ok(whole)
    }

    /// Reads what is below what moves or dies, as far as that matters.
    pub async fn load_below(
        &mut self,
        shared: &Shared,
        transaction: &mut Transaction,
        needs: &Needs,
        allowed: usize,
    ) -> Result<std::result::Result<(), TooMany>> {
        let has_below = |id: &&EntityId| self.nodes.get(*id).is_some_and(|node| !node.census.is_empty());
        let mut ids: HashSet<EntityId> = needs.buried.iter().filter(has_below).copied().collect();
        for moved in needs.moved.iter().filter(has_below) {
            let host = self.nodes.get(moved).is_some_and(|node| node.entity.zone.is_some());
            // What is inside a host goes with it untouched, unless all of it is buried where it arrives.
            if !host || !needs.buried.is_empty() {
                ids.insert(*moved);
            }
        }
        for (id, (parent, hosts)) in &needs.adopted {
            let Some(node) = self.nodes.get(id).filter(|node| !node.census.is_empty()) else { continue };
            let host = node.entity.zone.is_some();
            let moves = node.entity.placement.parent != *parent;
            if host != *hosts || moves && (!host || !needs.buried.is_empty()) {
                ids.insert(*id);
            }
        }
        let carries = |id: &&EntityId| {
            self.nodes.get(*id).is_some_and(|node| node.entity.zone.is_none() && node.census.has_riding())
        };
        ids.extend(needs.posed.iter().filter(carries));
        if ids.is_empty() {
            return Ok(Ok(()));
        }
        let query = cypher::BELOW
            .query()
            .param("ids", list(ids.into_iter().map(|id| shown(id).into())))
            .param("limit", i64::try_from(allowed + 1).unwrap_or(i64::MAX));
        let row = shared.single(transaction.ask(cypher::BELOW, query).await?)?;
        let nodes: Vec<NodeRow<'_>> = shared.column(&row, "entities")?;
        let links: Vec<LinkRow<'_>> = shared.column(&row, "links")?;
        if nodes.len() + links.len() > allowed {
            return Ok(Err(TooMany));
        }
        self.read_nodes(shared, nodes)?;
        self.read_links(shared, links)?;
        Ok(Ok(()))
    }

    /// Puts everything into the world to plan on.
    pub fn set_up(&mut self) {
        let mut here: HashMap<EntityId, u64> = HashMap::new();
        for node in self.nodes.values() {
            self.world.set(node.entity.id, Some(node.entity.clone()));
            if let Some(parent) = node.entity.placement.parent {
                *here.entry(parent).or_default() += 1;
            }
        }
        for (id, node) in &self.nodes {
            if node.census.children() > here.get(id).copied().unwrap_or(0) {
                self.world.set_elsewhere(*id);
            }
        }
        self.world.links.extend(self.links.iter().map(|(key, link)| (key.clone(), link.cost)));
    }
}
