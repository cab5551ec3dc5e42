//! What a test does, and what it looks at.

use entitygraph_replication::atlas::message::{Event, Session};
use entitygraph_schema::EntityId;

use super::{Happening, Sim};
use crate::{hub::Up, server::Server};

impl Sim {
    /// Ends a server's process: its socket closes at once, behind what it sent.
    pub fn kill_server(&mut self, server: usize, back_after_us: Option<u64>) {
        self.servers[server].alive = false;
        self.disconnect(server);
        if let Some(after_us) = back_after_us {
            self.at(after_us, Happening::Revive(server));
        }
    }

    /// What it sent is heard before its end is.
    pub(super) fn disconnect(&mut self, server: usize) {
        if let Some(connection) = self.servers[server].connection.take() {
            let keys: Vec<_> = self.queue.iter().filter(|(_, happening)| {
                matches!(happening, Happening::Up(_, session, _) if session.0 == connection)
            }).map(|(key, _)| *key).collect();
            for key in keys {
                let happening = self.queue.remove(&key).unwrap();
                self.happen(happening);
            }
            let session = Session(connection);
            if let Some(hub) = self.live_hub().filter(|hub| self.hubs[*hub].sessions.contains(&session)) {
                self.lose(hub, session);
            } else if let Some(hub) = self.hubs.len().checked_sub(1) {
                let event = self.hubs[hub].lost(session);
                self.at(0, Happening::Hub(hub, event));
            }
        }
    }

    /// Ends the hub's process; the next one starts after a while.
    pub fn kill_hub(&mut self, next_after_us: u64) {
        if let Some(hub) = self.hubs.len().checked_sub(1) {
            self.alive[hub] = false;
        }
        self.at(next_after_us, Happening::Start);
    }

    /// The hub stands still, and its supervisor starts another one meanwhile.
    pub fn pause_hub(&mut self, for_us: u64) {
        if let Some(hub) = self.live_hub() {
            self.paused_until_us[hub] = self.now_us + for_us;
            self.at(for_us / 2, Happening::Start);
        }
    }

    /// One more, at once.
    pub fn another_hub(&mut self) {
        self.at(0, Happening::Start);
    }

    pub fn tell(&mut self, event: Event) {
        if let Some(hub) = self.live_hub() {
            self.event(hub, event);
        }
    }

    pub fn drain(&mut self, server: usize) {
        self.send_up(server, Up::Drain);
    }

    /// Has a ship fly: the replicant sees it ahead, its owner says so when it is over.
    pub fn fly(&mut self, ship: EntityId, zone: EntityId) {
        self.wishes.insert(ship, zone);
        let Some(hub) = self.live_hub() else { return };
        let owner = self.hubs[hub].owner(ship).map(|(.., owner)| owner);
        if let Some(border) = owner.and_then(|owner| self.hubs[hub].border(owner, ship, zone)) {
            self.event(hub, Event::Ahead(border));
        }
    }

    /// Servers that believe that they simulate a ship.
    pub fn simulating(&self, ship: EntityId) -> Vec<&'static str> {
        let simulates = |server: &&Server| server.alive && server.simulates(ship);
        self.servers.iter().filter(simulates).map(|server| server.name).collect()
    }

    /// Which server the table says has a ship.
    pub fn owner(&self, ship: EntityId) -> Option<&'static str> {
        let (_, _, session) = self.hub()?.owner(ship)?;
        let server = self.servers.iter().find(|server| server.connection == Some(session.0))?;
        Some(server.name)
    }

    /// Everything is at rest: one owner for each, who simulates and is heard.
    pub fn check_rest(&self) {
        let hub = self.hub().expect("a hub is there");
        for (root, unit) in hub.atlas.anchors().iter() {
            assert!(!unit.state.is_between(), "{root} hangs: {:?}", unit.state);
            // One that only flies along a border may be prepared for long.
            let stuck = unit.state.going().is_some_and(|going| going.crossed);
            assert!(!stuck, "{root} hangs: {:?}", unit.state);
        }
        for ship in &self.ships {
            let simulating = self.simulating(*ship);
            let (path, table) = (hub.path(*ship), hub.owner(*ship));
            let has: Vec<_> = self.servers.iter().map(|server| (server.name, server.has(*ship))).collect();
            let found =
                format!("ship {ship} in {path:?}, of {table:?}, is simulated by {simulating:?} of {has:?}");
            assert_eq!(simulating.len(), 1, "{found}");
            assert_eq!(self.owner(*ship), Some(simulating[0]), "ship {ship}");
            let heard_us = self.checker.heard_us(*ship);
            assert!(self.now_us - heard_us < 300_000, "ship {ship} was not heard of since {heard_us}");
            assert_eq!(hub.parent(*ship), self.store.parent(*ship).unwrap(), "the tree of {ship}");
        }
    }
}
