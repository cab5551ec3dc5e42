//! The world, and what a peer knows and did.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use bytes::Bytes;
use entitygraph_client::stream::view::View;
use entitygraph_replication::{catalog::StreamCatalog, message::Connection, replicant::world::World};
use entitygraph_schema::{
    ComponentDraft, Entity, Epoch, NewEntity, Placement, Registry, Value, VariableDraft, testing,
    wire::{
        Handle, Role,
        control::message::{self},
    },
};

pub const ZONE_ID: u64 = 1;
pub const FIRST: u64 = 100;
pub const TARGETS: u64 = 6;

pub fn world() -> World {
    let mut registry = Registry::default();
    let hits = VariableDraft::new(testing::name("hits"), Value::Int(0));
    let published = registry.publish(&ComponentDraft::new(testing::name("target"), vec![hits])).unwrap();
    registry.insert(published);
    let entities = (FIRST..FIRST + TARGETS).map(|number| {
        let pose = Some(testing::at((number - FIRST) as f64, 1.0, 1.0));
        let placement = Placement { pose, ..testing::item(number, ZONE_ID).placement };
        let owner = Some(testing::name(&format!("player-{number}")));
        Entity::created(
            NewEntity { placement, owner, root: true, ..testing::item(number, ZONE_ID) },
            Epoch::ZERO,
        )
    });
    let zone = Entity::created(testing::world(ZONE_ID, 1e6), Epoch::ZERO);
    World::new(zone, entities.collect())
        .unwrap()
        .with_catalog(StreamCatalog::new(registry, &[].into()).unwrap())
}

#[derive(Default)]
pub struct Peer {
    pub connection: Option<Connection>,
    pub name: String,
    pub role: Option<Role>,
    pub view: View,
    pub inbox: VecDeque<Vec<Bytes>>,
    pub lost: bool,
    // Of servers.
    pub grant: Option<message::Grant>,
    pub revoked: Option<message::Revoke>,
    pub batch: u64,
    pub given: VecDeque<message::Action>,
    /// What it did to which target, by session and number.
    pub done: HashMap<(u64, u64), Handle>,
    /// Epochs of what it was granted, by the handle of the anchor.
    pub epochs: BTreeMap<Handle, u64>,
    pub last_grant: Option<message::Grant>,
    /// What somebody else has of what is around it.
    pub lost_targets: HashSet<Handle>,
    pub hits: HashMap<Handle, i64>,
    pub inputs: BTreeMap<Handle, (u64, Vec<u8>)>,
    // Of players.
    pub number: u64,
    pub asked: BTreeMap<u64, (Handle, bool)>,
    pub results: HashMap<u64, (Handle, message::ActionResult)>,
    pub applied: u64,
    pub events: u64,
    pub notices: Vec<message::Notice>,
}

impl Peer {
    /// What it did there and was not taken is gone; what was taken is in its view.
    pub fn granted(&mut self, grant: message::Grant) {
        let (zone, anchor) = (Handle::new(1).unwrap(), Handle::new(grant.handle).unwrap());
        self.lost_targets.remove(&anchor);
        self.epochs.insert(anchor, grant.epoch);
        if anchor == zone {
            self.lost_targets = grant.except.iter().map(|handle| Handle::new(*handle).unwrap()).collect();
        }
        // An anchor stands for what is below it, but what has one of its own.
        let (epochs, lost) = (&self.epochs, &self.lost_targets);
        let meant = |handle: Handle| {
            handle == anchor || (anchor == zone && !epochs.contains_key(&handle) && !lost.contains(&handle))
        };
        self.done.retain(|_, target| !meant(*target));
        for (handle, seen) in self.view.entities().filter(|(handle, _)| meant(*handle)) {
            let value = seen.entity.components.0.values().next().and_then(|values| values.values().next());
            let hits = match value {
                Some(Value::Int(hits)) => *hits,
                _ => 0,
            };
            self.hits.insert(handle, hits);
        }
        self.last_grant = Some(grant.clone());
        if anchor == zone {
            self.grant = Some(grant);
        }
    }

    pub fn revoked(&mut self, revoke: message::Revoke) {
        let handle = Handle::new(revoke.handle).unwrap();
        // What it was given there and has not judged is somebody else's now.
        let all = handle == Handle::new(1).unwrap();
        self.given.retain(|action| !all && action.target != handle.get());
        self.epochs.remove(&handle);
        self.lost_targets.insert(handle);
        self.revoked = Some(revoke);
    }

    /// The epoch under which it writes of a target, if it may.
    pub fn epoch(&self, target: Handle) -> Option<u64> {
        let zone = || self.epochs.get(&Handle::new(1)?).filter(|_| !self.lost_targets.contains(&target));
        self.epochs.get(&target).or_else(zone).copied()
    }

    pub fn result(&mut self, result: message::ActionResult) {
        let Some((target, _)) = self.asked.remove(&result.number) else {
            let (_, before) = &self.results[&result.number];
            return assert_eq!(*before, result, "two results of one action");
        };
        self.results.insert(result.number, (target, result));
    }
}
