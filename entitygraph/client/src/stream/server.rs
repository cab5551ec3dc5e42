//! A game server: takes a post, simulates what it is granted, reports each tick.
//!
//! It writes only what its grants cover, only while its lease runs, and nothing that is frozen. Each action comes to the game
//! once; its receipt goes with its effects.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
};

use entitygraph_schema::{
    Epoch,
    wire::{
        Handle, Kind, Role,
        control::{
            Control,
            message::{self, Code, follow::Area},
        },
    },
};

use super::{
    authority::{Authority, Place, Places},
    event::{Event, Loads, Taken},
    once::{Came, Once, Receipt},
    outbox::SendError,
    peer::{Machine, Peer, actions_max},
    refusal::{StreamError, Why},
    report::{Group, Report},
    session::{Begun, Options, State},
    view::View,
    viewer::Follows,
};

/// A game server, without I/O.
#[derive(Debug)]
pub struct Server {
    peer: Peer,
    authority: Authority,
    once: Once,
    /// Receipts that are to be said again: their report may not have come.
    again: Vec<Receipt>,
    register: Option<message::Register>,
    follows: Follows,
    batch: u64,
    /// The last one that was reported.
    tick: u64,
    events: VecDeque<Event>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its number, or that of its last frame: [`Event::Durable`] names it.
    pub batch: u64,
    /// What was said of these was left out: the server may not write them any more.
    pub left_out: Vec<Handle>,
}

impl Places for View {
    fn place(&self, handle: Handle) -> Option<Place> {
        self.entity(handle).map(|seen| Place { parent: seen.parent, root: seen.root })
    }
}

impl Server {
    /// One that connects to this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self::with(Options::new(url, Role::Server), Loads::AtOnce)
    }

    /// The same with all options; its role is taken as said.
    pub fn with(options: Options, loads: Loads) -> Self {
        let options = Options { role: Role::Server, ..options };
        Self {
            peer: Peer::new(options, loads),
            authority: Authority::default(),
            once: Once::default(),
            again: Vec::new(),
            register: None,
            follows: Follows::default(),
            batch: 0,
            tick: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes a post of the map, or any that is free where none is named: now, or as soon as a session begins, and again where
    /// it has to. Then everything of it is bound, and [`Event::Gained`] comes.
    ///
    /// # Errors
    /// There is no room for the message now.
    pub fn register(&mut self, register: message::Register) -> Result<(), SendError> {
        let sent = match self.peer.send(&register) {
            Err(SendError::NotOpen) => Ok(()),
            sent => sent,
        };
        self.register = Some(register);
        sent
    }

    /// Follows an area beside its territory: what is not its own is a client view. As [`super::viewer::Viewer::follow`].
    ///
    /// # Errors
    /// There is no room for the message now.
    pub fn follow(&mut self, number: u64, area: Area, public_only: bool) -> Result<(), SendError> {
        self.follows.follow(&mut self.peer, message::Follow { number, area: Some(area), public_only })
    }

    /// Follows it no more; `Unfollowed` comes as [`Event::Message`] when all of it is durable.
    ///
    /// # Errors
    /// There is no room for the message now.
    pub fn unfollow(&mut self, number: u64) -> Result<(), SendError> {
        self.follows.unfollow(&mut self.peer, number)
    }

    /// Whether this server simulates the entity now. Asks nobody.
    pub fn has_authority(&mut self, handle: Handle) -> bool {
        self.epoch(handle).is_some()
    }

    /// The epoch under which this server may write the entity now.
    pub fn epoch(&mut self, handle: Handle) -> Option<Epoch> {
        let tick = self.peer.tick_number();
        if self.is_lease_over() { None } else { self.authority.epoch(handle, tick, self.peer.view()) }
    }

    /// The live grants: handle of a root or territory, and epoch.
    pub fn grants(&self) -> impl Iterator<Item = (Handle, Epoch)> {
        self.authority.grants()
    }

    /// Begins a tick, at most once each: none when no session is open, nothing is the server's, its lease is over, or the tick
    /// of the shard clock was reported already. The server simulates as long as it has authority, but reports only here.
    pub fn begin_tick(&mut self) -> Option<Report> {
        let tick = self.peer.tick_number();
        let open = self.peer.state() == State::Open && !self.is_lease_over();
        (open && tick > self.tick && self.authority.is_in_force(tick)).then(|| Report::new(tick))
    }

    /// Sends what the tick changed. What the server may not write any more is left out, and named.
    ///
    /// # Errors
    /// Nothing is sent, and the same report may be sent again: no session is open, or the socket has no room.
    pub fn report(&mut self, report: &Report) -> Result<Sent, SendError> {
        self.peer.may_send(Kind::Report)?;
        let bytes_max = self.report_bytes_max();
        let (tick, lease_over) = (report.tick(), self.is_lease_over());
        let Self { peer, authority, again, .. } = self;
        let view = peer.view();
        let written = report.write(self.batch, bytes_max, again, |handle| {
            let epoch = authority.epoch(handle, tick, view).filter(|_| !lease_over)?;
            Some(Group { epoch, zone: view.zone(handle)? })
        });
        if written.frames.iter().map(Vec::len).sum::<usize>() > self.peer.room() {
            return Err(self.peer.full());
        }
        for frame in &written.frames {
            self.peer.send_frame(Kind::Report, frame)?;
            self.batch += 1;
        }
        self.tick = tick;
        let again = std::mem::take(&mut self.again);
        for receipt in report
            .receipts()
            .iter()
            .chain(&again)
            .filter(|receipt| !written.left_out.contains(&receipt.target))
        {
            self.once.done(receipt.clone());
        }
        Ok(Sent { batch: self.batch, left_out: written.left_out })
    }

    /// Says that what [`Event::Freeze`] named has stopped, after the report of its last tick; nothing of it is written from now
    /// on. `carry` is what no variable holds, `pose` where it is in the zone that it goes to, if it changes its zone.
    ///
    /// # Errors
    /// As [`Peer::send`]; it goes on then.
    pub fn frozen(
        &mut self,
        number: u64,
        handle: Handle,
        carry: Vec<u8>,
        pose: Option<message::Pose>,
    ) -> Result<(), SendError> {
        let tick = self.tick;
        self.peer.send(&message::Frozen { r#move: number, tick, pose, carry })?;
        self.authority.freeze(number, handle);
        Ok(())
    }

    /// When the lease ends, in microseconds of the peer's clock; none while the hub says nothing of leases.
    pub fn lease_end_us(&self) -> Option<u64> {
        let lease_us = u64::from(self.peer.welcome()?.lease_ms) * 1_000;
        (lease_us > 0).then_some(self.peer.answered_us()?.saturating_add(lease_us))
    }

    fn is_lease_over(&self) -> bool {
        self.lease_end_us().is_some_and(|end| end <= self.peer.now_us())
    }

    /// Bytes of one Report frame: a quarter of a message, so that what else is to be sent finds room.
    fn report_bytes_max(&self) -> usize {
        const DEFAULT: usize = 1 << 20;
        let said =
            self.peer.welcome().and_then(|welcome| welcome.bounds).map_or(0, |bounds| bounds.message_bytes);
        if said == 0 { DEFAULT } else { (said as usize / 4).max(1) }
    }

    /// At its end it stops by itself. The hub gives what it had to another server, so the session has to begin with that.
    fn end_lease(&mut self) {
        if self.is_lease_over() && !self.authority.is_empty() {
            self.lose_all(Taken::Lease);
            if self.peer.state() == State::Open {
                self.peer.give_up("the lease ended without an answer");
            }
        }
    }

    fn lose_all(&mut self, why: Taken) {
        let lost = self.authority.clear();
        self.events.extend(lost.into_iter().map(|(handle, epoch)| Event::Taken { handle, epoch, why }));
        self.once.forget(|_| false);
    }

    fn begun(&mut self, begun: Begun) {
        self.batch = begun.welcome.batch;
        if !begun.resumed {
            self.lose_all(Taken::Session);
            self.once.clear();
            self.again.clear();
            self.follows.again(&mut self.peer);
        }
        // Whoever has the post is told nothing; whoever lost it with the socket gets it again, or hears that another one has it.
        if let Some(register) = &self.register {
            self.peer.say(register);
        }
        self.events.push_back(Event::Begun(begun));
    }

    fn message(&mut self, control: Control) {
        match control {
            Control::Grant(grant) => match self.authority.grant(&grant) {
                Some((handle, epoch)) => {
                    self.events.push_back(Event::Gained { handle, epoch, grant: Box::new(grant) });
                }
                None => self.of_nothing(Kind::Grant),
            },
            Control::Revoke(revoke) if revoke.handle == 0 => self.of_nothing(Kind::Revoke),
            Control::Revoke(revoke) => {
                if let Some((handle, epoch)) = self.authority.revoke(&revoke, self.peer.view()) {
                    let Self { peer, authority, once, .. } = self;
                    once.forget(|target| authority.epoch(target, u64::MAX, peer.view()).is_some());
                    self.events.push_back(Event::Taken { handle, epoch, why: Taken::Revoked });
                }
            }
            Control::Freeze(freeze) => match Handle::new(freeze.handle) {
                Some(handle) => self.events.push_back(Event::Freeze { number: freeze.r#move, handle }),
                None => self.of_nothing(Kind::Freeze),
            },
            Control::Abort(abort) => match self.authority.thaw(abort.r#move) {
                Some(handle) => self.events.push_back(Event::Thawed(handle)),
                None => self.events.push_back(Event::Message(Box::new(abort.into()))),
            },
            Control::Action(action) => self.action(action),
            other => self.events.push_back(Event::Message(Box::new(other))),
        }
    }

    /// Another server took the post while the socket was away, and nobody could be told. (`STALE_EPOCH` says less: a report may
    /// have been on its way when the grant changed.)
    fn notice(&mut self, notice: message::Notice) {
        if notice.code() == Code::PostTaken {
            self.lose_all(Taken::Revoked);
        }
        self.events.push_back(Event::Notice(notice));
    }

    /// A frame that names no entity: no hub sends one.
    fn of_nothing(&mut self, kind: Kind) {
        let reason = format!("a {kind} names no entity");
        self.peer.broken(StreamError::new(Why::Code(Code::BadFrame), reason), 4400);
    }

    fn action(&mut self, action: message::Action) {
        let Some(target) = Handle::new(action.target) else { return self.of_nothing(Kind::Action) };
        let most = self.peer.welcome().map_or(1, |welcome| actions_max(welcome, Role::Server));
        match self.once.come(action.session, action.number, target, most) {
            Came::New => self.events.push_back(Event::Action(action)),
            Came::Given => {}
            Came::Done(receipt) => {
                if !self.again.contains(receipt) {
                    self.again.push(receipt.clone());
                }
            }
        }
    }
}

impl Machine for Server {
    fn peer(&self) -> &Peer {
        &self.peer
    }

    fn peer_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }

    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            self.end_lease();
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.peer.next_event()? {
                Event::Begun(begun) => self.begun(begun),
                Event::Message(control) => self.message(*control),
                Event::Notice(notice) => self.notice(notice),
                Event::Ended(error) => {
                    self.lose_all(Taken::Session);
                    self.events.push_back(Event::Ended(error));
                }
                other => return Some(other),
            }
        }
    }

    fn deadline_us(&self) -> Option<u64> {
        let lease = self.lease_end_us().filter(|_| !self.authority.is_empty());
        [lease, self.peer.deadline_us()].into_iter().flatten().min()
    }
}

impl Deref for Server {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl DerefMut for Server {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }
}
