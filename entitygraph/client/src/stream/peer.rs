//! A peer without I/O: session, local copy and actions behind one door. Messages and time in; events, requests and messages
//! out. [`super::player`], [`super::server`] and [`super::viewer`] are peers of a role, [`super::connection`] drives them.

mod drive;
mod frames;
mod loading;

use std::collections::VecDeque;

use bytes::Bytes;
use entitygraph_schema::wire::{
    Kind, Role,
    control::{Message, message},
    limits::Limits,
    moment,
};

use self::loading::Loading;
use super::{
    actions::{ActionError, Actions, CONTENT_BYTES_MAX, Draft},
    event::{Event, Loads},
    frame as framed,
    outbox::{Outbox, SendError},
    session::{self, Begun, Effect, Options, Session, State},
    view::View,
};

/// What a peer wants of whoever drives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A login, then [`Peer::logged_in`] or [`Peer::login_failed`].
    Login,
    /// A socket to this URL, then [`Peer::opened`] or [`Peer::closed`].
    Connect(String),
    /// What waits is written, then the socket is closed with this code; nothing of it is told any more.
    Close(u16),
}

/// Most bytes of the frame of an action.
const ACTION_BYTES_MAX: usize = CONTENT_BYTES_MAX + 64;

/// A peer of any role.
#[derive(Debug)]
pub struct Peer {
    session: Session,
    view: View,
    actions: Actions,
    outbox: Outbox,
    loads: Loads,
    loading: Loading,
    now_us: u64,
    /// Messages that were not read yet, and where in the first of them the next frame begins.
    inbox: VecDeque<Bytes>,
    at: usize,
    events: VecDeque<Event>,
    requests: VecDeque<Request>,
    effects: Vec<Effect>,
}

/// What is the same for peers of all roles.
pub trait Machine {
    /// The peer in it.
    fn peer(&self) -> &Peer;

    /// The peer in it.
    fn peer_mut(&mut self) -> &mut Peer;

    /// The next event. None: nothing is to be told before another message or the deadline comes.
    fn next_event(&mut self) -> Option<Event>;

    /// When [`Self::tick`] is to be called, in microseconds.
    fn deadline_us(&self) -> Option<u64> {
        self.peer().deadline_us()
    }

    /// Does what is due at the time that was told last.
    fn tick(&mut self) {
        let peer = self.peer_mut();
        peer.session(session::Event::Tick);
    }
}

impl Peer {
    /// One that was not started.
    pub fn new(options: Options, loads: Loads) -> Self {
        let outbox = Outbox::new(Limits::up(options.role));
        Self {
            session: Session::new(options),
            view: View::default(),
            actions: Actions::default(),
            outbox,
            loads,
            loading: Loading::default(),
            now_us: 0,
            inbox: VecDeque::new(),
            at: 0,
            events: VecDeque::new(),
            requests: VecDeque::new(),
            effects: Vec::new(),
        }
    }

    /// The local copy.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Where the session is.
    pub fn state(&self) -> State {
        self.session.state()
    }

    /// The last Welcome.
    pub fn welcome(&self) -> Option<&message::Welcome> {
        self.session.welcome()
    }

    /// The time that was told last.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The shard clock in microseconds; 0 before the first Welcome.
    pub fn shard_clock_us(&mut self) -> u64 {
        self.session.clock().now_us(self.now_us)
    }

    /// The tick of the shard clock; 0 before the first Welcome.
    pub fn tick_number(&mut self) -> u64 {
        self.moment() / moment::PER_TICK
    }

    /// The moment of the shard clock, a sixteenth of a tick.
    pub fn moment(&mut self) -> u64 {
        let tick_us = self.welcome().map_or(0, |welcome| welcome.tick_us);
        if tick_us == 0 { 0 } else { moment::at(self.shard_clock_us(), tick_us) }
    }

    /// How many actions of this peer have no result.
    pub fn actions_waiting(&self) -> usize {
        self.actions.count()
    }

    /// Sends a message, behind what waits.
    ///
    /// # Errors
    /// The role may not send it, no session is open, or there is no room for it. Nothing is sent then.
    pub fn send<M: Message>(&mut self, message: &M) -> Result<(), SendError> {
        self.send_frame(M::KIND, &framed(message))
    }

    /// Sends a frame, whole as it is written.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_frame(&mut self, kind: Kind, frame: &[u8]) -> Result<(), SendError> {
        self.may_send(kind)?;
        self.outbox.push(kind, frame)
    }

    /// Whether frames of this kind can be sent now.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn may_send(&self, kind: Kind) -> Result<(), SendError> {
        let role = self.role();
        if !kind.up().has(role) {
            return Err(SendError::Role { kind, role });
        }
        if self.state() == State::Open { Ok(()) } else { Err(SendError::NotOpen) }
    }

    /// How many bytes may still be sent before something is written.
    pub(super) fn room(&self) -> usize {
        self.outbox.room()
    }

    /// Does something to an entity: sent now, or when the session goes on. Its result comes as [`Event::Result`] with the
    /// number that is returned.
    ///
    /// # Errors
    /// Why it was not begun.
    pub fn act(&mut self, draft: Draft) -> Result<u64, ActionError> {
        let Some(welcome) = self.session.welcome() else { return Err(ActionError::NoSession) };
        let most = actions_max(welcome, self.role());
        self.may_act()?;
        let (number, frame) = self.actions.begin(draft, most)?;
        if self.session.state() == State::Open {
            self.outbox.push(Kind::Action, frame)?;
        }
        Ok(number)
    }

    /// A number that was given is sent: so there has to be room for the largest.
    fn may_act(&self) -> Result<(), SendError> {
        match self.may_send(Kind::Action) {
            Ok(()) if self.room() < ACTION_BYTES_MAX => Err(self.full()),
            Err(error @ SendError::Role { .. }) => Err(error),
            _ => Ok(()),
        }
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.session.options().role
    }

    /// When something of the session is due.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.session.deadline_us()
    }

    /// What is said when a message finds no room.
    pub(super) fn full(&self) -> SendError {
        self.outbox.full()
    }

    /// When the newest question had been sent that the hub answered.
    pub(super) fn answered_us(&self) -> Option<u64> {
        self.session.answered_us()
    }
}

impl Peer {
    fn session(&mut self, event: session::Event) {
        let mut effects = std::mem::take(&mut self.effects);
        self.session.handle(self.now_us, event, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Login => self.requests.push_back(Request::Login),
                Effect::Connect(url) => {
                    self.outbox.clear();
                    self.requests.push_back(Request::Connect(url));
                }
                Effect::Send(frame) => self.put(&frame),
                Effect::Close(code) => self.requests.push_back(Request::Close(code)),
                Effect::Begun(begun) => self.begun(begun),
                Effect::Lost { error, retry_in_ms } => {
                    self.drop_messages();
                    self.outbox.clear();
                    self.events.push_back(Event::Lost { error, retry_in_ms });
                }
                Effect::Ended(error) => {
                    self.drop_messages();
                    self.events.push_back(Event::Ended(error));
                }
            }
        }
        self.effects = effects;
    }

    /// What of the connection was not read is not heard.
    fn drop_messages(&mut self) {
        self.inbox.clear();
        self.at = 0;
    }

    /// Sends what the protocol asks for. A socket that has no room for it takes nothing.
    fn put(&mut self, frame: &[u8]) {
        let kind = frame.first().and_then(|number| Kind::from_number(*number)).unwrap_or(Kind::Ping);
        if self.outbox.push(kind, frame).is_err() {
            self.give_up("the socket takes nothing");
        }
    }

    fn begun(&mut self, begun: Begun) {
        if begun.reset {
            self.view.reset();
            self.tell(None);
        }
        if let Some(bounds) = begun.welcome.bounds {
            self.outbox.limit(within(Limits::up(self.role()), &bounds));
        }
        self.want_catalog(begun.reset, &begun.welcome.catalog_hash);
        if begun.resumed {
            let again: Vec<Vec<u8>> = self.actions.again().map(<[u8]>::to_vec).collect();
            self.events.push_back(Event::Begun(begun));
            again.iter().for_each(|frame| self.put(frame));
            self.say_ready();
        } else {
            let unknown = self.actions.reset(begun.welcome.action);
            self.events.extend(unknown.map(Event::Result));
            self.events.push_back(Event::Begun(begun));
        }
    }
}

/// How many actions of a session may be without a result.
pub(super) fn actions_max(welcome: &message::Welcome, role: Role) -> usize {
    let said = welcome.bounds.map_or(0, |bounds| bounds.actions_waiting as usize);
    match (said, role) {
        (0, Role::Server) => 4_096,
        (0, _) => 64,
        (said, _) => said,
    }
}

fn within(limits: Limits, bounds: &message::Bounds) -> Limits {
    let or = |said: u32, before: usize| if said == 0 { before } else { said as usize };
    Limits {
        message_bytes: or(bounds.message_bytes, limits.message_bytes),
        body_bytes: or(bounds.body_bytes, limits.body_bytes),
        carry_bytes: limits.carry_bytes.max(or(bounds.body_bytes, 0)),
    }
}
