//! The replicant: hot state, who is to know of it, and the slices that tell them. One thread; no I/O.
//!
//! What comes is taken at once and noted; what is told is made at the end of the moment in which something came, 2.1 ms long,
//! and nothing runs while nothing is to be told. In the order in which a change meets them:
//!
//! - [`world`], `hot`: what is there, and its columns;
//! - `table`, `ingest`: who may write, and reports in;
//! - `cells`, `interest`: where it is, and who follows that;
//! - `observer`, `batch`: who has what bound;
//! - `fanout`, `serve`, [`out`]: slices, and the messages that they go out with.

mod batch;
mod cells;
mod fanout;
mod hot;
mod ingest;
mod interest;
mod observer;
pub mod out;
mod serve;
mod table;
pub mod world;

use entitygraph_schema::{
    EntityId,
    wire::{
        Kind, Role,
        control::{
            Control,
            message::{self, Code},
        },
    },
};
use hashbrown::HashMap;

use self::{
    batch::{frame, notice},
    cells::Cells,
    fanout::Slices,
    hot::Hot,
    observer::Observer,
    out::Out,
    table::Table,
    world::{World, WorldError},
};
use crate::{
    config::Room,
    gateway::session::{Event as Happening, closed},
    machine::{Machine, Now},
    message::{Connection, Up},
};

/// Milliseconds in which a batch must be Ready (protocol.md, "Spawn batches").
pub const LOAD_MS: u32 = 10_000;

/// What happens to the replicant.
#[derive(Debug)]
pub enum Event {
    /// Something came on the line from a gateway.
    Up(Up),
    /// The time that it asked to be woken at.
    Woken,
}

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The world does not fit.
    #[error(transparent)]
    World(#[from] WorldError),
    /// Edge and step of cells that no slice can tell.
    #[error("no slice can tell steps of 2^{step} m in cells of 2^{level} m")]
    Grid {
        /// Of the edge.
        level: i8,
        /// Of the step.
        step: i8,
    },
}

/// The role.
#[derive(Debug)]
pub struct Replicant {
    config: Room,
    hot: Hot,
    /// Which entity has which place in the columns.
    characters: HashMap<EntityId, usize>,
    cells: Cells,
    table: Table,
    observers: Vec<Option<Observer>>,
    free: Vec<u32>,
    by_connection: HashMap<Connection, u32>,
    /// Observers to be served at the end of the moment.
    due: Vec<u32>,
    /// The moment in which the first thing came that is not told yet.
    open: Option<u64>,
    /// The last time that it heard of: tells when a moment begins.
    clock: Option<Now>,
    /// The last moment that was told.
    ended: u64,
    /// When observers are looked at for Horizons and late batches; none while there is nobody.
    sweep_us: Option<u64>,
    slices: Slices,
    scratch: Vec<u32>,
}

impl Machine for Replicant {
    type Event = Event;
    type Out = Out;

    fn handle(&mut self, now: Now, event: Event, out: &mut Out) {
        match event {
            Event::Up(up) => self.up(now, up, out),
            Event::Woken => {
                if self.sweep_us.is_some_and(|at| at <= now.shard_us) {
                    self.sweep(now);
                }
                if self.open.is_some_and(|open| open < now.moment()) {
                    self.end(now, out);
                }
            }
        }
    }

    fn wake_us(&self) -> Option<u64> {
        let end = self.open.zip(self.clock).map(|(open, clock)| clock.begins_us(open + 1));
        end.into_iter().chain(self.sweep_us).min()
    }
}

impl Replicant {
    /// With a world and nobody in it.
    ///
    /// # Errors
    /// A world that does not fit into a room, or a grid that there is not.
    pub fn new(config: Room, world: World) -> Result<Self, RoomError> {
        let Room { level, step, .. } = config;
        let mut cells = Cells::new(level, step).ok_or(RoomError::Grid { level, step })?;
        let (zone, placed) = world.by_cell(level)?;
        let places: Vec<_> = placed.iter().map(|(cell, entity)| (*cell, entity.id)).collect();
        let mut hot = Hot::new(zone, placed);
        let mut characters = HashMap::with_capacity(places.len());
        for (index, (cell, id)) in places.into_iter().enumerate() {
            cells.enter(&mut hot, index, cell).ok_or(WorldError::Outside(id))?;
            characters.insert(id, index);
        }
        Ok(Self {
            config,
            hot,
            characters,
            cells,
            table: Table::new(),
            observers: Vec::new(),
            free: Vec::new(),
            by_connection: HashMap::new(),
            due: Vec::new(),
            open: None,
            clock: None,
            ended: 0,
            sweep_us: None,
            slices: Slices::default(),
            scratch: Vec::new(),
        })
    }

    fn up(&mut self, now: Now, up: Up, out: &mut Out) {
        self.clock = Some(now);
        match up {
            Up::Joined { connection, role, subject } => self.joined(now, connection, role, subject),
            Up::Detached(connection) => self.detached(connection),
            Up::Resumed { old, new, seen, horizon_moment } => {
                self.resumed(now, old, new, seen, horizon_moment, out);
            }
            Up::Gone(connection) => self.left(connection),
            Up::Full(connection) => {
                if let Some(who) = self.by_connection(connection) {
                    who.full = true;
                }
            }
            Up::Takes(connection) => {
                let observer = self.by_connection.get(&connection).copied();
                let Some(who) = self.by_connection(connection).filter(|who| !who.detached) else { return };
                who.full = false;
                if let Some(observer) = observer {
                    self.open(now);
                    self.due(observer);
                }
            }
            Up::Frame { connection, kind, body } => {
                let Some(&observer) = self.by_connection.get(&connection) else { return };
                if self.by_connection(connection).is_none_or(|who| who.detached) {
                    return;
                }
                self.open(now);
                if kind == Kind::Report {
                    return self.report(now, observer, &body, out);
                }
                match Control::read(kind, &body) {
                    Ok(control) => self.control(observer, control, out),
                    Err(error) => self.close(observer, Code::BadFrame, error.to_string(), out),
                }
            }
        }
    }

    fn control(&mut self, observer: u32, control: Control, out: &mut Out) {
        match control {
            Control::Enter(enter) => self.enter(observer, enter.character, out),
            Control::Register(_) => self.register(observer),
            Control::Ready(ready) => self.ready(observer, &ready),
            // Only a resume needs them.
            Control::Seen(_) => {}
            other => {
                let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
                who.notice(&notice(Code::Busy, "not served by this hub yet", other.kind(), 0));
                self.due(observer);
            }
        }
    }

    fn joined(&mut self, now: Now, connection: Connection, role: Role, subject: String) {
        let who = Some(Observer::new(connection, role, subject));
        let observer = match self.free.pop() {
            Some(observer) => {
                self.observers[observer as usize] = who;
                observer
            }
            None => {
                self.observers.push(who);
                self.observers.len() as u32 - 1
            }
        };
        self.by_connection.insert(connection, observer);
        self.sweep_us.get_or_insert(now.shard_us + self.config.horizon_ms * 1_000);
    }

    /// The connection is lost: what is bound is kept, what a server owned is nobody's.
    fn detached(&mut self, connection: Connection) {
        let Some(&observer) = self.by_connection.get(&connection) else { return };
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        (who.detached, who.full, who.everything, who.grant_waits) = (true, true, false, false);
        self.table.left(observer);
    }

    /// The session goes on: what changed since its horizon is told. If load frames were lost, all is bound anew.
    fn resumed(
        &mut self,
        now: Now,
        old: Connection,
        new: Connection,
        seen: u64,
        horizon: u64,
        out: &mut Out,
    ) {
        self.detached(old);
        let Some(observer) = self.by_connection.remove(&old) else {
            return out.close(new, Code::SessionGone, "nothing is known of the session: log in again".into());
        };
        self.by_connection.insert(new, observer);
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        who.resumed(new, seen, horizon);
        self.open(now);
        self.due(observer);
    }

    fn left(&mut self, connection: Connection) {
        let Some(observer) = self.by_connection.remove(&connection) else { return };
        let Some(who) = self.observers.get_mut(observer as usize).and_then(Option::take) else { return };
        for follow in &who.follows {
            self.cells.slot_mut(follow.slot).followers.retain(|follower| *follower != observer);
        }
        if let Some(character) = who.character
            && self.hot.observer[character] == Some(observer)
        {
            self.hot.observer[character] = None;
        }
        self.table.left(observer);
        self.due.retain(|due| *due != observer);
        self.free.push(observer);
        if self.by_connection.is_empty() {
            self.sweep_us = None;
        }
    }

    /// A player takes a character that its subject owns.
    fn enter(&mut self, observer: u32, character: u64, out: &mut Out) {
        let found = EntityId::new(character).and_then(|id| self.characters.get(&id).copied());
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        let owned = found.filter(|index| {
            let owner = self.hot.loaded(*index).and_then(|entity| entity.owner.as_ref());
            owner.is_some_and(|owner| owner.as_str() == who.subject)
        });
        let Some(index) = owned.filter(|_| who.character.is_none()) else {
            let reason = format!("{} may not take entity {character}, or has a character", who.subject);
            return self.close(observer, Code::Forbidden, reason, out);
        };
        who.character = Some(index);
        // A new login of the same player ends the old one.
        let before = self.hot.observer[index].replace(observer);
        if let Some(before) = before {
            self.close(before, Code::SessionReplaced, "the character was taken by a new login".into(), out);
        }
        if let (Some(zone), Some(Some(who))) = (Hot::zone(), self.observers.get_mut(observer as usize)) {
            who.want(zone);
        }
        self.look_around(observer, self.open.unwrap_or(self.ended + 1));
    }

    /// A server takes the one post: everything is bound to it, then it is granted.
    fn register(&mut self, observer: u32) {
        let taken = self.observers.iter().flatten().any(|other| other.everything);
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        if who.everything {
            return;
        }
        if taken {
            who.notice(&notice(Code::PostTaken, "another server has the post", Kind::Register, 0));
        } else {
            (who.everything, who.grant_waits) = (true, true);
            Hot::zone().into_iter().for_each(|zone| who.want(zone));
            (0..self.hot.count()).filter_map(Hot::handle).for_each(|handle| who.want(handle));
        }
        self.due(observer);
    }

    fn grant(&mut self, observer: u32, moment: u64, out: &mut Out) {
        let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
        who.grant_waits = false;
        let (Ok(epoch), Some(zone)) = (self.table.grant(observer), Hot::zone()) else { return };
        let tick = moment / entitygraph_schema::wire::moment::PER_TICK;
        let grant = message::Grant {
            handle: zone.get(),
            epoch: epoch.number(),
            subtree: true,
            from_tick: tick + 1,
            tick: self.hot.tick.iter().copied().max().unwrap_or(0),
            ..Default::default()
        };
        out.put_own(frame(&grant));
    }

    fn close(&mut self, observer: u32, code: Code, reason: String, out: &mut Out) {
        let Some(Some(who)) = self.observers.get(observer as usize) else { return };
        let connection = who.connection;
        out.close(connection, code, reason);
        match closed(code) {
            Happening::Left => self.left(connection),
            _ => self.detached(connection),
        }
    }

    fn by_connection(&mut self, connection: Connection) -> Option<&mut Observer> {
        let observer = *self.by_connection.get(&connection)?;
        self.observers.get_mut(observer as usize)?.as_mut()
    }

    /// The moment that something which comes now is noted in: never one that was told already.
    fn open(&mut self, now: Now) -> u64 {
        let moment = now.moment().max(self.ended + 1);
        self.open.get_or_insert(moment);
        moment
    }

    /// Has an observer served at the end of the moment.
    fn due(&mut self, observer: u32) {
        if let Some(Some(who)) = self.observers.get_mut(observer as usize)
            && !who.due
        {
            who.due = true;
            self.due.push(observer);
        }
    }
}
