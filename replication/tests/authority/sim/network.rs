//! Connections and the service: what is on its way, and what can go wrong with it.

use std::sync::Arc;

use entitygraph_replication::atlas::message::{Event, Out, Outcome, Session};
use entitygraph_schema::{EntityId, Operation, Refusal, Transaction};

use super::{Faults, Happening, LEASE_US, Point, Sim, TICK_US, is_flip};
use crate::hub::{Down, Effect, Up, Written};

impl Sim {
    pub(super) fn effect(&mut self, hub: usize, effect: Effect) {
        match effect {
            Effect::Send(session, down) => {
                let server = self.servers.iter().position(|server| server.connection == Some(session.0));
                match down {
                    Down::Freeze(..) => self.reached.push(Point::FreezeSent),
                    Down::Grant(..) => self.reached.push(Point::GrantSent),
                    _ => {}
                }
                if let Some(server) = server {
                    self.in_order(false, session.0, Happening::Down(server, session.0, down));
                }
            }
            Effect::Commit(number, transaction, written) => self.send(hub, number, transaction, written),
            Effect::Read(out) => self.at(2_000, Happening::Read(hub, out)),
            Effect::Ended => {
                self.alive[hub] = false;
                if hub + 1 == self.hubs.len() {
                    self.at(500_000, Happening::Start);
                }
            }
        }
    }

    pub(super) fn send(
        &mut self,
        hub: usize,
        number: u64,
        transaction: Arc<Transaction>,
        written: Option<(EntityId, Written)>,
    ) {
        if is_flip(&transaction) {
            self.reached.push(Point::FlipSent);
        }
        if self.now_us < self.down_until_us {
            return self.at(1_000, Happening::Answer(hub, number, Outcome::Unsent));
        }
        let Faults { answer_lost, request_lost, late } = self.faults;
        let roll = if number >= u64::MAX - 1 { 100 } else { self.rng.u8(0..100) };
        let after_us = self.rng.u64(1_000..20_000);
        let given_up = Happening::Answer(hub, number, Outcome::Unknown);
        if roll < answer_lost {
            self.at(after_us, Happening::Execute(hub, number, transaction, written, false));
            self.at(300_000, given_up);
        } else if roll < answer_lost + request_lost {
            self.at(300_000, given_up);
        } else if roll < answer_lost + request_lost + late {
            let late_us = self.rng.u64(300_000..3_000_000);
            self.at(late_us, Happening::Execute(hub, number, transaction, written, false));
            self.at(300_000, given_up);
        } else if self.refuses && is_flip(&transaction) {
            let entity = EntityId::FIRST_LEASED;
            let refusal = Refusal::NotAZone { entity };
            self.at(after_us, Happening::Answer(hub, number, Outcome::Refused(refusal)));
        } else {
            self.at(after_us, Happening::Execute(hub, number, transaction, written, true));
        }
    }

    pub(super) fn execute(
        &mut self,
        number: u64,
        transaction: &Transaction,
        written: Option<(EntityId, Written)>,
    ) -> Outcome {
        if self.now_us < self.down_until_us {
            return Outcome::Unknown;
        }
        match self.store.commit(transaction) {
            Ok(false) => Outcome::Committed,
            Ok(true) => {
                if is_flip(transaction) {
                    self.reached.push(Point::FlipDurable);
                }
                if let Some((root, written)) = written {
                    self.checker.wrote(root, written, number);
                }
                self.checker.raised(&self.store);
                Outcome::Committed
            }
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    pub(super) fn commanded(&mut self, hub: usize, transaction: &Transaction) {
        let Some(Operation::Reparent { entity, parent, .. }) = transaction.operations.first() else {
            return;
        };
        let (root, zone) = (*entity, *parent);
        let left = self.hubs[hub].parent(root);
        self.hubs[hub].moved(root, zone);
        self.changed(hub, root, zone);
        self.jumped(hub, root, left, zone);
    }

    /// The change sequence says where an entity is, before the answer about it does.
    pub(super) fn follow(&mut self, hub: usize, root: EntityId) {
        let Some(parent) = self.store.parent(root) else { return };
        if self.hubs[hub].parent(root) != parent {
            self.hubs[hub].moved(root, parent);
            self.changed(hub, root, parent);
        }
    }

    fn changed(&mut self, hub: usize, root: EntityId, parent: EntityId) {
        let sessions: Vec<_> = self.hubs[hub].sessions.iter().copied().collect();
        for session in sessions {
            self.effect(hub, Effect::Send(session, Down::Changed(root, parent)));
        }
    }

    /// What the owner of a gate or tunnel does when it is told to.
    pub(super) fn jump(&mut self, hub: usize, out: &Out) {
        let (ship, zone) = match out {
            Out::Slot { ship, tunnel, owner } => {
                let has = self.hubs[hub].owner(*tunnel).map(|(.., owner)| owner);
                if has != Some(*owner) {
                    // The tunnel is another's: a hand-over.
                    self.wishes.insert(*ship, *tunnel);
                    return;
                }
                (*ship, *tunnel)
            }
            Out::Table { root, place: Some((zone, _)), .. } => {
                self.wishes.remove(root);
                return self.jumped(hub, *root, *root, *zone);
            }
            Out::Leave { ship, gate, .. } => {
                let gates = self.map.jumps.iter().flat_map(|jump| jump.gates);
                let Some(gate) = gates.into_iter().find(|known| known.id == *gate) else { return };
                (*ship, gate.zone)
            }
            _ => return,
        };
        if let Some(command) = self.hubs[hub].command(ship, zone) {
            self.effect(hub, command);
        }
    }

    fn jumped(&mut self, hub: usize, ship: EntityId, left: EntityId, zone: EntityId) {
        let map = self.map.clone();
        if let Some(jump) = map.jumps.iter().find(|jump| jump.tunnel == zone) {
            let chain = self.hubs[hub].chain(ship);
            let gates = jump.gates.map(|gate| self.hubs[hub].chain(gate.zone));
            self.event(hub, Event::Inside { ship, tunnel: zone, chain, gates });
        } else if map.jumps.iter().any(|jump| jump.tunnel == left) {
            self.event(hub, Event::Outside(ship));
        }
    }

    pub(super) fn up(&mut self, hub: usize, session: Session, up: Up) {
        if !self.alive[hub]
            || !(self.hubs[hub].sessions.contains(&session) || matches!(up, Up::Register { .. }))
        {
            return;
        }
        if self.paused_until_us[hub] > self.now_us {
            let after_us = self.paused_until_us[hub] - self.now_us;
            return self.at(after_us, Happening::Up(hub, session, up));
        }
        if let Up::Cross { root, zone } = &up
            && let Some((_, _, owner)) = self.hubs[hub].owner(*zone)
            && owner == session
            && let Some(command) = self.hubs[hub].command(*root, *zone).filter(|_| {
                let hub = &self.hubs[hub];
                // Who hears nothing goes on under the epoch of the place before: its commands would look like a way back.
                let is_deaf = self.servers.iter().any(|server| server.deaf);
                let is_owner = !is_deaf && hub.owner(*root).is_some_and(|(.., owner)| owner == session);
                is_owner && hub.parent(*root) != *zone && hub.atlas.anchors().get(*root).is_none()
            })
        {
            return self.effect(hub, command);
        }
        let was_report = matches!(up, Up::Report { .. });
        let (events, accepted) = self.hubs[hub].up(session, up);
        if let Some((root, written)) = accepted {
            // What a hub takes that is not the hub any more goes nowhere: the store refuses it, its peers are gone.
            if !self.is_the_hub(hub) {
                return;
            }
            self.checker.accepted(self.now_us, hub, root, written);
            if was_report && self.reached.contains(&Point::GrantTaken) {
                self.reached.push(Point::Reported);
            }
        }
        for event in events {
            self.event(hub, event);
        }
    }

    pub(super) fn down(&mut self, server: usize, connection: u64, down: Down) {
        if !self.servers[server].alive || self.servers[server].connection != Some(connection) {
            return;
        }
        if self.silent_until_us[server] > self.now_us {
            let after_us = self.silent_until_us[server] - self.now_us;
            return self.at(after_us, Happening::Down(server, connection, down));
        }
        let point = match &down {
            Down::Freeze(..) => Some(Point::FreezeTaken),
            Down::Grant(..) => Some(Point::GrantTaken),
            _ => None,
        };
        if let Some(up) = self.servers[server].down(down) {
            self.send_up(server, up);
        }
        self.reached.extend(point);
    }

    pub(super) fn send_up(&mut self, server: usize, up: Up) {
        let hub = self.hubs.len() - 1;
        if let Some(connection) = self.servers[server].connection {
            self.in_order(true, connection, Happening::Up(hub, Session(connection), up));
        }
    }

    pub(super) fn tick(&mut self) {
        self.at(TICK_US, Happening::Tick);
        let tick = self.now_us / TICK_US + 1;
        for server in 0..self.servers.len() {
            if !self.servers[server].alive || self.silent_until_us[server] > self.now_us {
                continue;
            }
            if self.now_us > self.servers[server].lease_until_us {
                // It stopped by itself. It says so by closing: the hub would believe that it goes on.
                self.disconnect(server);
                continue;
            }
            let ships = self.ships.clone();
            let ups = self.servers[server].tick(self.now_us, tick, &ships, &self.wishes);
            for up in ups {
                self.send_up(server, up);
            }
        }
    }

    pub(super) fn heartbeat(&mut self) {
        self.at(100_000, Happening::Heartbeat);
        let Some(hub) = self.live_hub() else { return };
        for server in 0..self.servers.len() {
            let hears = self.servers[server].alive && self.silent_until_us[server] <= self.now_us;
            let connected = self.servers[server].connection;
            let known = connected.filter(|session| self.hubs[hub].sessions.contains(&Session(*session)));
            match (hears, known) {
                (true, Some(_)) => {
                    self.heard_us[server] = self.now_us;
                    self.servers[server].lease_until_us = self.now_us + LEASE_US;
                }
                (false, Some(session)) if self.now_us > self.heard_us[server] + LEASE_US => {
                    self.lose(hub, Session(session));
                }
                // Its Register is on the way.
                (true, None)
                    if self.hubs[hub].term.is_some() && self.now_us > self.heard_us[server] + 300_000 =>
                {
                    self.connections += 1;
                    let parents = self.store.entities.iter();
                    let parents = parents.filter_map(|(id, entity)| Some((*id, entity.placement.parent?)));
                    let register = self.servers[server].connect(self.connections, parents.collect());
                    self.heard_us[server] = self.now_us;
                    self.send_up(server, register);
                }
                _ => {}
            }
        }
    }

    pub(super) fn lose(&mut self, hub: usize, session: Session) {
        let event = self.hubs[hub].lost(session);
        self.event(hub, event);
    }
}
