//! The replicant: hot state, who is to know of it, and the slices that tell them. One thread; no I/O.
//!
//! What comes is taken at once and noted; what is told is made at the end of the moment in which something came, 2.1 ms long,
//! and nothing runs while nothing is to be told. In the order in which a change meets them:
//!
//! - [`world`], `hot`: what is there, and its columns;
//! - `table`, `authority`, `ingest`: who may write, and reports in;
//! - `cells`, `interest`: where it is, and who follows that;
//! - `observer`, `session`, `batch`, `kept`: who is there, and has what bound;
//! - `fanout`, `serve`, [`out`]: slices, and the messages that they go out with.

mod authority;
mod batch;
mod cells;
mod fanout;
mod hot;
mod ingest;
mod interest;
mod kept;
mod observer;
pub mod out;
mod post;
mod serve;
mod session;
mod table;
pub mod world;

use entitygraph_schema::wire::{
    Kind,
    control::{Control, message::Code},
};
use hashbrown::HashMap;

use self::{
    batch::{frame, notice},
    cells::Cells,
    fanout::Slices,
    hot::Hot,
    observer::Observer,
    out::Out,
    post::Post,
    table::Table,
    world::{World, WorldError},
};
use crate::{
    catalog::StreamCatalog,
    config::Room,
    machine::{Machine, Now},
    message::{Authority, Connection, Up},
};

/// Milliseconds in which a batch must be Ready (protocol.md, "Spawn batches").
pub const LOAD_MS: u32 = 10_000;

/// What happens to the replicant.
#[derive(Debug)]
pub enum Event {
    /// Something came on the line from a gateway.
    Up(Up),
    /// Somebody decided who may write what.
    Authority(Authority),
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
    catalog: StreamCatalog,
    hot: Hot,
    cells: Cells,
    table: Table,
    post: Post,
    observers: Vec<Option<Observer>>,
    free: Vec<u32>,
    by_connection: HashMap<Connection, u32>,
    /// The session of each player.
    players: HashMap<String, u32>,
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
            Event::Authority(authority) => {
                self.clock = Some(now);
                self.authority(now, authority);
            }
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
        let catalog = world.catalog.clone();
        let (zone, placed) = world.by_cell(level)?;
        let places: Vec<_> = placed.iter().map(|(cell, entity)| (*cell, entity.id)).collect();
        let mut hot = Hot::new(zone, placed);
        for ((cell, id), index) in places.into_iter().zip(1..) {
            cells.enter(&mut hot, index, cell).ok_or(WorldError::Outside(id))?;
        }
        Ok(Self {
            config,
            catalog,
            hot,
            cells,
            table: Table::default(),
            post: Post::new(),
            observers: Vec::new(),
            free: Vec::new(),
            by_connection: HashMap::new(),
            players: HashMap::new(),
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
            Up::Frame { connection, kind, body } => {
                let Some(&observer) = self.by_connection.get(&connection) else { return };
                // What still comes of a socket that is lost, or closed for a mistake, is not heard.
                if self
                    .observers
                    .get(observer as usize)
                    .is_none_or(|who| who.as_ref().is_none_or(|who| who.detached))
                {
                    return;
                }
                self.open(now);
                if kind == Kind::Report {
                    return self.report(now, observer, &body, out);
                }
                match Control::read(kind, &body) {
                    Ok(control) => self.control(now, observer, control, out),
                    Err(error) => self.close(observer, Code::BadFrame, error.to_string(), out),
                }
            }
            other => self.session(now, other, out),
        }
    }

    fn control(&mut self, now: Now, observer: u32, control: Control, out: &mut Out) {
        match control {
            Control::Enter(enter) => self.enter(observer, enter.character, out),
            Control::Register(_) => self.register(now, observer),
            Control::Ready(ready) => self.ready(observer, &ready),
            Control::Seen(seen) => self.seen(observer, seen.seq, out),
            Control::CatalogWanted(wanted) => {
                let Some(Some(who)) = self.observers.get_mut(observer as usize) else { return };
                let parts = self.catalog.parts(who.role, &wanted);
                who.control.extend(parts.iter().map(frame));
                self.due(observer);
            }
            other => {
                self.tell(observer, &notice(Code::Busy, "not served by this hub yet", other.kind(), 0));
            }
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
