//! One hub as the simulation has it: the real atlas, and as little of a replicant and a scribe as it takes to obey it. It dies as
//! a whole.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use entitygraph_replication::{
    atlas::{
        Atlas, Times,
        map::Map,
        message::{Border, Chain, Event, Frozen, Grant, Move, Out, Owner, Session},
        term::Start,
    },
    machine::{Machine, Now},
};
use entitygraph_schema::{
    EntityId, Epoch, Operation, OperationId, Patch, Precondition, Transaction, wire::control::message::Code,
};

use crate::store::Store;

/// From a server.
#[derive(Debug, Clone)]
pub enum Up {
    Register { post: Option<&'static str>, standby: bool },
    Drain,
    Report { root: EntityId, epoch: Epoch, tick: u64 },
    Prepared(Move),
    Cross { root: EntityId, zone: EntityId },
    Frozen { root: EntityId, number: Move, tick: u64, carry: Bytes },
}

/// To a server.
#[derive(Debug, Clone)]
pub enum Down {
    /// With what others have below it.
    Grant(Grant, BTreeSet<EntityId>),
    Revoke(EntityId, Epoch),
    Prepare(Move),
    Freeze(EntityId, Move),
    Abort(Move),
    Changed(EntityId, EntityId),
    /// Another one has the post.
    Taken,
}

/// What is to happen outside of the hub.
#[derive(Debug)]
pub enum Effect {
    Send(Session, Down),
    Commit(u64, Arc<Transaction>, Option<(EntityId, Written)>),
    Read(Out),
    Ended,
}

/// A report that waits for the store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    pub tick: u64,
    pub by: Session,
    /// As the server said.
    pub epoch: Epoch,
    /// As the table had it, if that was higher: the Grant was on its way.
    pub under: Epoch,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    epoch: Epoch,
    owner: Owner,
}

pub struct Hub {
    pub atlas: Atlas,
    pub term: Option<Epoch>,
    /// Reports are taken from whoever is there: to see that the checker sees it.
    pub no_epochs: bool,
    table: BTreeMap<EntityId, Entry>,
    parents: BTreeMap<EntityId, EntityId>,
    epochs: BTreeMap<EntityId, Epoch>,
    live: BTreeMap<Session, BTreeSet<(EntityId, Epoch)>>,
    pub sessions: BTreeSet<Session>,
    /// Newest accepted and not written.
    waiting: BTreeMap<EntityId, Written>,
    /// What went into a flip, until its outcome is known.
    with: BTreeMap<u64, (EntityId, Option<Written>, Arc<Transaction>)>,
    /// Last accepted tick.
    pub ticks: BTreeMap<EntityId, u64>,
    shard: EntityId,
    writes: u64,
    events: VecDeque<Event>,
    /// All that atlas said, for scenes.
    pub said: Vec<Out>,
}

impl Hub {
    pub fn new(name: u128, map: Arc<Map>, store: &Store) -> Self {
        let shard = entitygraph_replication::atlas::record::shard_entity(map.world);
        let start = Start { map, hub: name, address: "here".to_owned(), wall_us: 1 };
        let parents = store.entities.keys().filter_map(|id| Some((*id, store.parent(*id)?)));
        Self {
            atlas: Atlas::new(Times::default(), start),
            term: None,
            no_epochs: false,
            table: BTreeMap::new(),
            parents: parents.collect(),
            epochs: BTreeMap::new(),
            live: BTreeMap::new(),
            sessions: BTreeSet::new(),
            waiting: BTreeMap::new(),
            with: BTreeMap::new(),
            ticks: BTreeMap::new(),
            shard,
            writes: 0,
            events: VecDeque::new(),
            said: Vec::new(),
        }
    }

    pub fn path(&self, id: EntityId) -> Vec<EntityId> {
        std::iter::successors(Some(id), |id| self.parents.get(id).copied()).collect()
    }

    pub fn parent(&self, id: EntityId) -> EntityId {
        self.parents[&id]
    }

    fn epoch(&self, id: EntityId) -> Epoch {
        self.table.get(&id).map(|entry| entry.epoch).or(self.epochs.get(&id).copied()).unwrap_or_default()
    }

    pub fn chain(&self, id: EntityId) -> Chain {
        let mut chain = Vec::new();
        for above in self.path(id) {
            chain.push((above, self.epoch(above)));
            if self.atlas.anchors().resolve([above]).is_some() {
                break;
            }
        }
        Chain(chain.into())
    }

    /// What the table says of an entity: the nearest entry that is not its territory's.
    pub fn owner(&self, id: EntityId) -> Option<(EntityId, Epoch, Session)> {
        let path = self.path(id);
        let entries = path.iter().filter_map(|id| Some((*id, *self.table.get(id)?)));
        let (id, entry) = entries.into_iter().find(|(_, entry)| entry.owner != Owner::Around)?;
        match entry.owner {
            Owner::Session(session) => Some((id, entry.epoch, session)),
            _ => None,
        }
    }

    /// One event, and all that it leads to within the hub.
    pub fn handle(&mut self, now_us: u64, event: Event, store: &Store) -> Vec<Effect> {
        let now = Now { shard_us: now_us, tick_us: 33_333 };
        let mut effects = Vec::new();
        self.events.push_back(event);
        while let Some(event) = self.events.pop_front() {
            let mut out = Vec::new();
            let mut changed = Vec::new();
            self.atlas.handle(now, event, &mut out);
            for out in out {
                self.said.push(out.clone());
                if let Out::Table { root, place: Some((parent, _)), .. } = &out {
                    let sessions = self.sessions.iter();
                    changed.extend(sessions.map(|to| Effect::Send(*to, Down::Changed(*root, *parent))));
                }
                self.obey(out, store, &mut effects);
            }
            // Behind the grant: nobody takes it for its own because it is in a territory of its own.
            effects.append(&mut changed);
        }
        effects
    }

    fn obey(&mut self, out: Out, store: &Store, effects: &mut Vec<Effect>) {
        match out {
            Out::ReadShard(_) | Out::ReadAnchors(_) | Out::ReadRoot(_) => effects.push(Effect::Read(out)),
            Out::Running { term, .. } => {
                self.term = Some(term);
                // The world is loaded behind the start.
                for (id, entity) in &store.entities {
                    self.epochs.insert(*id, entity.epoch);
                    entity.placement.parent.map(|parent| self.parents.insert(*id, parent));
                    self.ticks.insert(*id, entity.ordinal.cast_unsigned());
                }
            }
            Out::Commit { number, transaction, with } => {
                let Some(root) = with else { return effects.push(Effect::Commit(number, transaction, None)) };
                let held = self.with.entry(number).or_insert_with(|| {
                    let written = self.waiting.remove(&root);
                    let mut whole = (*transaction).clone();
                    if let Some(written) = written {
                        whole.operations.insert(0, ticked(root, written.tick));
                    }
                    (root, written, Arc::new(whole))
                });
                let written = held.1.map(|written| (root, written));
                effects.push(Effect::Commit(number, held.2.clone(), written));
            }
            Out::Ended(_) => effects.push(Effect::Ended),
            Out::Table { root, epoch, owner, place, .. } => {
                self.table.insert(root, Entry { epoch, owner });
                if let Some((parent, _)) = place {
                    self.parents.insert(root, parent);
                }
            }
            Out::Grant(grant) => {
                let live = self.live.entry(grant.session).or_default();
                live.insert((grant.root, grant.epoch));
                let others = self.table.iter().filter(|(id, entry)| {
                    **id != grant.root
                        && !matches!(entry.owner, Owner::Around)
                        && entry.owner != Owner::Session(grant.session)
                        && self.path(**id).contains(&grant.root)
                });
                let others = others.map(|(id, _)| *id).collect();
                effects.push(Effect::Send(grant.session, Down::Grant(grant, others)));
            }
            Out::Revoke(root, session, epoch) => {
                let granted = self.live.get(&session).cloned().unwrap_or_default();
                let goes = |id: EntityId| {
                    let around = |id: &EntityId| {
                        *id == root || self.table.get(id).is_some_and(|entry| entry.owner != Owner::Around)
                    };
                    id != root && self.path(id).into_iter().find(around) == Some(root)
                };
                // What was granted singly, and follows its territory by now, goes with it.
                let inside: Vec<_> = granted.into_iter().filter(|(id, _)| goes(*id)).collect();
                for (id, of) in inside.into_iter().chain([(root, epoch)]) {
                    if let Some(live) = self.live.get_mut(&session) {
                        live.remove(&(id, of));
                    }
                    effects.push(Effect::Send(session, Down::Revoke(id, of)));
                }
            }
            Out::Prepare(_, session, number) => effects.push(Effect::Send(session, Down::Prepare(number))),
            Out::Freeze(root, session, number, _) => {
                effects.push(Effect::Send(session, Down::Freeze(root, number)));
            }
            Out::Abort(_, session, number, _) => effects.push(Effect::Send(session, Down::Abort(number))),
            Out::Notice(to, Code::PostTaken, None) => effects.push(Effect::Send(to, Down::Taken)),
            Out::Leave { .. }
            | Out::Slot { .. }
            | Out::Evict(_)
            | Out::Locked(..)
            | Out::Notice(..)
            | Out::Drained(_)
            | Out::Planned(_)
            | Out::Unplanned(..) => {}
        }
    }

    /// From a server, by its session; with the report that was accepted, if it is one.
    pub fn up(&mut self, session: Session, up: Up) -> (Vec<Event>, Option<(EntityId, Written)>) {
        let event = match up {
            Up::Register { post, standby } => {
                self.sessions.insert(session);
                Event::Registered { session, post: post.map(str::to_owned), standby }
            }
            Up::Drain => Event::Drain(session, true),
            Up::Report { root, epoch, tick } => return self.report(session, root, epoch, tick),
            Up::Prepared(number) => Event::Prepared(number, session, None),
            Up::Cross { root, zone } => match self.border(session, root, zone) {
                Some(border) => Event::Cross(border),
                None => return (Vec::new(), None),
            },
            Up::Frozen { root, number, tick, carry } => {
                let chain = self.chain(root);
                Event::Frozen(
                    root,
                    Frozen { number, owner: session, tick, pose: None, carry, chain, into: None },
                )
            }
        };
        (vec![event], None)
    }

    /// What is said of an aggregate that flies to a zone.
    pub fn border(&self, owner: Session, root: EntityId, zone: EntityId) -> Option<Border> {
        let is_there = self.parents.get(&root) == Some(&zone);
        let (chain, into) = (self.chain(root), self.chain(zone));
        (!is_there).then_some(Border { root, owner, chain, zone, into })
    }

    fn report(
        &mut self,
        session: Session,
        root: EntityId,
        epoch: Epoch,
        tick: u64,
    ) -> (Vec<Event>, Option<(EntityId, Written)>) {
        let live = self.live.get(&session);
        let is_live = live.is_some_and(|live| live.iter().any(|(_, of)| *of == epoch));
        // What has an entry of its own was granted singly, or not yet.
        let entry = self.owner(root);
        let is_owner =
            entry.is_some_and(|(entry, least, owner)| owner == session && (entry != root || epoch >= least));
        let last = self.ticks.get(&root).copied().unwrap_or_default();
        if !self.no_epochs && (!is_live || !is_owner) || tick <= last {
            return (Vec::new(), None);
        }
        let under = entry.map_or(epoch, |(_, under, _)| under.max(epoch));
        let written = Written { tick, by: session, epoch, under };
        self.ticks.insert(root, tick);
        self.waiting.insert(root, written);
        (vec![Event::Told(root)], Some((root, written)))
    }

    /// The scribe: writes one aggregate that waits, under its fence.
    pub fn write(&mut self, root: EntityId) -> Option<Effect> {
        let term = self.term?;
        let written = self.waiting.remove(&root)?;
        self.writes += 1;
        let id = OperationId::new(format!("scribe/{term}/{}", self.writes)).unwrap();
        let mut transaction = self.fenced(term, &[self.chain(root)]).named(id);
        transaction.operations.push(ticked(root, written.tick));
        // Not one of atlas's numbers.
        Some(Effect::Commit(u64::MAX, Arc::new(transaction), Some((root, written))))
    }

    /// A command of a session that has both territories.
    pub fn command(&self, root: EntityId, zone: EntityId) -> Option<Effect> {
        let term = self.term?;
        let mut transaction = self.fenced(term, &[self.chain(root), self.chain(zone)]);
        let pose = entitygraph_schema::NewPose::KeepWorld;
        transaction.operations.push(Operation::Reparent { entity: root, parent: zone, port: None, pose });
        Some(Effect::Commit(u64::MAX - 1, Arc::new(transaction), None))
    }

    pub fn moved(&mut self, root: EntityId, zone: EntityId) {
        self.parents.insert(root, zone);
    }

    fn fenced(&self, term: Epoch, chains: &[Chain]) -> Transaction {
        let own = chains.iter().flat_map(|chain| chain.0.iter().copied());
        let all: BTreeMap<EntityId, Epoch> = own.chain([(self.shard, term)]).collect();
        let preconditions = all.into_iter().map(|(id, epoch)| Precondition::Epoch(id, epoch)).collect();
        Transaction { preconditions, ..Transaction::default() }
    }

    pub fn lost(&mut self, session: Session) -> Event {
        self.sessions.remove(&session);
        self.live.remove(&session);
        Event::Lost(session)
    }
}

fn ticked(root: EntityId, tick: u64) -> Operation {
    Operation::Change(root, Patch { ordinal: Some(tick.cast_signed()), ..Patch::default() })
}
