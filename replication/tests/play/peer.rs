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
const TARGETS: u64 = 6;

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
    pub done: HashSet<(u64, u64)>,
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
    pub fn granted(&mut self, grant: message::Grant) {
        // What it did and was not taken is gone; what was taken is in its view.
        self.grant = Some(grant);
        self.done.clear();
        self.given.clear();
        self.hits.clear();
        for (handle, seen) in self.view.entities() {
            let value = seen.entity.components.0.values().next().and_then(|values| values.values().next());
            if let Some(Value::Int(hits)) = value {
                self.hits.insert(handle, *hits);
            }
        }
    }

    pub fn result(&mut self, result: message::ActionResult) {
        let Some((target, _)) = self.asked.remove(&result.number) else {
            let (_, before) = &self.results[&result.number];
            return assert_eq!(*before, result, "two results of one action");
        };
        self.results.insert(result.number, (target, result));
    }
}
