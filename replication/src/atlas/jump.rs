//! Jump points: a ship is in exactly one of origin, tunnel, destination, which is its parent edge. Atlas gives out the slots, has
//! the other side loaded, and lets nobody out before it is.

use std::collections::{BTreeMap, VecDeque};

use entitygraph_schema::{EntityId, wire::control::message::Code};

use super::{
    Atlas,
    anchors::Unit,
    flip::Input,
    map::{Jump, Map},
    message::{Chain, Out, Session},
    state::{State, Target, Why},
};

/// Most ships that wait outside one jump.
const QUEUE_MAX: usize = 4_096;

/// All of the map.
#[derive(Debug)]
pub struct Jumps {
    tunnels: Vec<Tunnel>,
    retry_us: u64,
}

#[derive(Debug)]
struct Tunnel {
    jump: Jump,
    /// Who waits outside: ship, gate, the gate's owner.
    queue: VecDeque<(EntityId, usize, Session)>,
    /// Who has a slot: until it is in, in, or on its way out.
    inside: BTreeMap<EntityId, Passage>,
}

#[derive(Debug, Clone)]
struct Passage {
    /// Which gate it came through.
    from: usize,
    /// When it got the slot, then when it came in.
    since_us: u64,
    /// What fences it and the zones of both gates, once it is in.
    chains: Option<(Chain, [Chain; 2])>,
    due_us: u64,
}

/// What is to be done for a ship in a tunnel.
struct Turn {
    ship: EntityId,
    /// The gate that it is to come out at.
    gate: EntityId,
    zone: EntityId,
    chain: Chain,
    into: Chain,
    stays_until_us: u64,
    ejected: bool,
}

impl Jumps {
    /// Those of a map, all empty.
    pub fn new(map: &Map) -> Self {
        let tunnel =
            |jump: &Jump| Tunnel { jump: jump.clone(), queue: VecDeque::new(), inside: BTreeMap::new() };
        Self { tunnels: map.jumps.iter().map(tunnel).collect(), retry_us: 1_000_000 }
    }

    /// Ships with a slot of the tunnel, and those that wait.
    pub fn counts(&self, tunnel: EntityId) -> (usize, usize) {
        let found = self.tunnels.iter().find(|found| found.jump.tunnel == tunnel);
        found.map_or((0, 0), |found| (found.inside.len(), found.queue.len()))
    }

    pub(super) fn wake_us(&self) -> Option<u64> {
        self.tunnels.iter().flat_map(|tunnel| tunnel.inside.values()).map(|passage| passage.due_us).min()
    }

    pub(super) fn enter(
        &mut self,
        now_us: u64,
        ship: EntityId,
        gate: EntityId,
        owner: Session,
        out: &mut Vec<Out>,
    ) {
        let at = |tunnel: &Tunnel| tunnel.jump.gates.iter().position(|known| known.id == gate);
        let found = self.tunnels.iter_mut().find_map(|tunnel| at(tunnel).map(|from| (tunnel, from)));
        let Some((tunnel, from)) = found else {
            out.push(Out::Notice(owner, Code::BadValue, Some(ship)));
            return;
        };
        if tunnel.inside.contains_key(&ship) {
            // Asked again: the slot is still there.
            let tunnel = tunnel.jump.tunnel;
            return out.push(Out::Slot { ship, tunnel, owner });
        }
        tunnel.queue.retain(|(waits, ..)| *waits != ship);
        if tunnel.queue.len() >= QUEUE_MAX {
            return out.push(Out::Notice(owner, Code::Busy, Some(ship)));
        }
        tunnel.queue.push_back((ship, from, owner));
        tunnel.let_in(now_us, out);
    }

    /// A ship left a tunnel, or does not want to go in any more.
    pub(super) fn out(&mut self, now_us: u64, ship: EntityId, out: &mut Vec<Out>) {
        for tunnel in &mut self.tunnels {
            tunnel.queue.retain(|(waits, ..)| *waits != ship);
            if tunnel.inside.remove(&ship).is_some() {
                tunnel.let_in(now_us, out);
            }
        }
    }

    /// A flip brought a ship to a zone: out, unless that is its tunnel.
    pub(super) fn flipped(&mut self, now_us: u64, ship: EntityId, zone: EntityId, out: &mut Vec<Out>) {
        if self.tunnels.iter().all(|tunnel| tunnel.jump.tunnel != zone) {
            self.out(now_us, ship, out);
        }
    }

    /// A session is gone: who waited by it asks again by the gate's next owner.
    pub(super) fn lost(&mut self, session: Session) {
        for tunnel in &mut self.tunnels {
            tunnel.queue.retain(|(.., owner)| *owner != session);
        }
    }

    /// Notes that a ship is in; none if there is no such tunnel.
    fn came_in(
        &mut self,
        now_us: u64,
        ship: EntityId,
        tunnel: EntityId,
        chains: (Chain, [Chain; 2]),
        home: usize,
    ) -> Option<()> {
        let tunnel = self.tunnels.iter_mut().find(|found| found.jump.tunnel == tunnel)?;
        // Found inside by a hub that gave it no slot: it goes out on the tunnel's own side.
        let fresh = Passage { from: 1 - home.min(1), since_us: now_us, chains: None, due_us: now_us };
        let passage = tunnel.inside.entry(ship).or_insert(fresh);
        if passage.chains.is_none() {
            passage.since_us = now_us;
        }
        (passage.chains, passage.due_us) = (Some(chains), now_us);
        Some(())
    }

    /// Ships that something is to be done for now. Each is looked at again after a while, until it is out.
    fn turns(&mut self, now_us: u64, out: &mut Vec<Out>) -> Vec<Turn> {
        let mut turns = Vec::new();
        for tunnel in &mut self.tunnels {
            let Jump { gates, stay_ms, eject_ms, .. } = &tunnel.jump;
            let mut gone = false;
            tunnel.inside.retain(|_, passage| {
                // A slot that nobody used.
                let unused = passage.chains.is_none() && now_us >= passage.since_us + eject_ms * 1_000;
                gone |= unused;
                !unused
            });
            for (ship, passage) in &mut tunnel.inside {
                let Some((chain, into)) = &passage.chains else { continue };
                if now_us < passage.due_us {
                    continue;
                }
                let eject_us = passage.since_us + eject_ms * 1_000;
                let ejected = now_us >= eject_us;
                let at = if ejected { passage.from } else { 1 - passage.from.min(1) };
                let (Some(gate), Some(into)) = (gates.get(at), into.get(at)) else { continue };
                let retry_us = now_us + self.retry_us;
                passage.due_us = if ejected { retry_us } else { retry_us.min(eject_us) };
                turns.push(Turn {
                    ship: *ship,
                    gate: gate.id,
                    zone: gate.zone,
                    chain: chain.clone(),
                    into: into.clone(),
                    stays_until_us: passage.since_us + if ejected { 0 } else { stay_ms * 1_000 },
                    ejected,
                });
            }
            if gone {
                tunnel.let_in(now_us, out);
            }
        }
        turns
    }
}

impl Tunnel {
    fn let_in(&mut self, now_us: u64, out: &mut Vec<Out>) {
        while self.inside.len() < self.jump.slots {
            let Some((ship, from, owner)) = self.queue.pop_front() else { return };
            let due_us = now_us + self.jump.eject_ms * 1_000;
            self.inside.insert(ship, Passage { from, since_us: now_us, chains: None, due_us });
            out.push(Out::Slot { ship, tunnel: self.jump.tunnel, owner });
        }
    }
}

impl Atlas {
    pub(super) fn inside(
        &mut self,
        now_us: u64,
        ship: EntityId,
        tunnel: EntityId,
        chain: Chain,
        gates: [Chain; 2],
        out: &mut Vec<Out>,
    ) {
        let post = |chain: &Chain| {
            let ids = chain.0.iter().map(|(id, _)| *id);
            self.anchors.resolve(ids).and_then(|id| self.anchors.home(id))
        };
        let own = post(&chain);
        let home = gates.iter().position(|gate| post(gate) == own).unwrap_or(0);
        if self.jumps.came_in(now_us, ship, tunnel, (chain, gates), home).is_none() {
            self.counts.refused += 1;
            return;
        }
        self.tunnels(now_us, out);
    }

    /// Does what is due for ships in tunnels.
    pub(super) fn tunnels(&mut self, now_us: u64, out: &mut Vec<Out>) {
        for turn in self.jumps.turns(now_us, out) {
            self.turn(now_us, turn, out);
        }
    }

    fn turn(&mut self, now_us: u64, turn: Turn, out: &mut Vec<Out>) {
        let Turn { ship, gate, zone, stays_until_us, ejected, .. } = turn;
        let (chain, into) = (self.anchors.known(&turn.chain), self.anchors.known(&turn.into));
        let resolve = |chain: &Chain| self.anchors.resolve(chain.0.iter().map(|(id, _)| *id));
        let (own, to) = (resolve(&chain), resolve(&into));
        let around = own.and_then(|id| self.anchors.get(id)).map(|around| &around.state);
        let state = self.anchors.get(ship).map(|unit| &unit.state).or(around);
        let Some(owner) = state.and_then(State::owner) else { return };
        if let Some(going) = state.and_then(State::going) {
            let elsewhere = going.into.as_ref().is_none_or(|(to, _)| *to != zone);
            if elsewhere && going.why == Why::Ordered && matches!(state, Some(State::Preparing { .. })) {
                // It is to go to the other gate by now.
                self.apply(now_us, ship, Input::Cancelled, out);
            } else {
                return;
            }
        }
        let to = to.and_then(|id| self.anchors.get(id)).and_then(|unit| unit.state.owner().zip(unit.post));
        let Some((session, post)) = to else { return };
        if session == owner {
            // Nothing is to be loaded: it is all there.
            if now_us >= stays_until_us {
                out.push(Out::Leave { ship, gate, owner, ejected });
            }
            return;
        }
        if self.anchors.get(ship).is_none() {
            let epoch = chain.epoch(ship).unwrap_or_default();
            let unit = Unit::inside(State::Owned { epoch, owner }, own, Some(chain));
            self.anchors.insert(ship, unit);
        }
        if let Some(unit) = self.anchors.get_mut(ship) {
            unit.stays_until_us = stays_until_us;
        }
        self.order(now_us, ship, Target { session, post }, Some((zone, into)), out);
    }
}
