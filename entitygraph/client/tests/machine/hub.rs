//! A hub that says what a test wants to one machine.

use entitygraph_client::stream::{
    event::Event,
    frame,
    peer::{Machine, Request},
    session::Login,
};
use entitygraph_schema::{
    Entity, Epoch, NewEntity, Placement, codec, testing,
    wire::{
        Kind, VERSION,
        control::{Control, Message, message},
        frame::Frames,
        limits::Limits,
        number::put_handles,
    },
};

pub const SECOND: u64 = 1_000_000;

/// The shard clock at the first Welcome: tick 90,017 and three moments.
pub const SHARD_US: u64 = 90_017 * 33_333 + 3 * 33_333 / 16 + 10;

pub struct Hub<M> {
    pub machine: M,
    pub now_us: u64,
}

impl<M: Machine> Hub<M> {
    /// A machine that said Hello.
    pub fn greeted(machine: M) -> Self {
        let mut hub = Self { machine, now_us: SECOND };
        hub.machine.peer_mut().at(hub.now_us);
        hub.machine.peer_mut().start();
        assert_eq!(hub.machine.peer_mut().next_request(), Some(Request::Login));
        hub.machine.peer_mut().logged_in(Login::Subject("anna".into()));
        hub.open();
        hub
    }

    /// A machine whose session has begun, and all that was said about it is taken.
    pub fn open_with(machine: M, welcome: message::Welcome) -> Self {
        let mut hub = Self::greeted(machine);
        hub.say(&hub.welcome(welcome));
        assert!(matches!(hub.events().last(), Some(Event::Begun(_))));
        hub.catalog();
        hub.sent();
        hub
    }

    /// The catalog comes, which has nothing in it.
    pub fn catalog(&mut self) {
        self.say(&message::CatalogPart { last: true, ..Default::default() });
        assert!(matches!(&self.events()[..], [Event::Message(_)]));
    }

    pub fn open_as(machine: M) -> Self {
        Self::open_with(machine, message::Welcome::default())
    }

    /// A socket is asked for, and opened.
    pub fn open(&mut self) -> message::Hello {
        assert!(matches!(self.machine.peer_mut().next_request(), Some(Request::Connect(_))));
        self.machine.peer_mut().opened();
        match self.sent().pop() {
            Some(Control::Hello(hello)) => hello,
            other => panic!("{other:?}"),
        }
    }

    /// With what every Welcome has.
    pub fn welcome(&self, welcome: message::Welcome) -> message::Welcome {
        message::Welcome {
            version: VERSION,
            session: 7,
            role: message::Role::from(self.machine.peer().role()).into(),
            resume_token: vec![1],
            resume_ms: 300_000,
            tick_us: 33_333,
            shard_clock_us: SHARD_US + self.now_us - SECOND,
            ping_ms: 20_000,
            ..welcome
        }
    }

    pub fn say(&mut self, message: &impl Message) {
        self.send(frame(message));
    }

    pub fn send(&mut self, bytes: Vec<u8>) {
        self.machine.peer_mut().message(bytes.into());
    }

    /// Lets time pass, with every deadline in it.
    pub fn pass(&mut self, us: u64) {
        let end = self.now_us + us;
        while let Some(at) = self.machine.deadline_us().filter(|at| *at <= end) {
            self.now_us = self.now_us.max(at);
            self.machine.peer_mut().at(self.now_us);
            self.machine.tick();
        }
        self.now_us = end;
        self.machine.peer_mut().at(end);
    }

    /// Until the next deadline.
    pub fn wait(&mut self) {
        let at = self.machine.deadline_us().unwrap();
        self.pass(at - self.now_us);
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.machine.next_event()).collect()
    }

    /// Messages that were sent since, but packed frames.
    pub fn sent(&mut self) -> Vec<Control> {
        let read = |(kind, body): (Kind, Vec<u8>)| Control::read(kind, &body).ok();
        self.sent_frames().into_iter().filter_map(read).collect()
    }

    /// Frames that were sent since.
    pub fn sent_frames(&mut self) -> Vec<(Kind, Vec<u8>)> {
        let limits = Limits::up(self.machine.peer().role());
        let mut frames = Vec::new();
        while let Some(message) = self.machine.peer_mut().outgoing() {
            for frame in Frames::new(&message, limits).unwrap() {
                let frame = frame.unwrap();
                frames.push((frame.kind, frame.body.to_vec()));
            }
        }
        frames
    }

    /// The connection is lost, and comes again.
    pub fn reconnect(&mut self) -> message::Hello {
        self.machine.peer_mut().closed(1006, "");
        self.wait();
        while self.machine.next_event().is_some() {}
        self.open()
    }

    /// Binds a zone and walkers in it, and activates them.
    pub fn bind(&mut self, seq: u64, zone: u32, walkers: &[u32]) {
        self.say(&bind(seq, seq, zone, walkers));
        self.say(&message::Activate { seq: seq + 1, batch: seq, moment: 1_000, ..Default::default() });
        let events = self.events();
        assert!(matches!(events.last(), Some(Event::Activated(_))), "{events:?}");
        assert!(
            matches!(&self.sent()[..], [Control::Ready(ready)] if ready.batch == seq && ready.failed.is_empty())
        );
    }
}

/// A batch of a zone and walkers in it, each an aggregate of its own whose id is its handle.
pub fn bind(seq: u64, batch: u64, zone: u32, walkers: &[u32]) -> message::Bind {
    let host = NewEntity { id: testing::entity_id(zone.into()), ..testing::world(1, 1e6) };
    let mut members = vec![single(zone, 0, host)];
    for walker in walkers {
        let item = testing::item((*walker).into(), zone.into());
        let placement = Placement { pose: Some(testing::at(1.0, 2.0, 3.0)), ..item.placement };
        members.push(single(*walker, zone, NewEntity { placement, root: true, ..item }));
    }
    message::Bind { seq, batch, moment: 1, members, rest: false }
}

fn single(handle: u32, parent: u32, entity: NewEntity) -> message::Member {
    let mut bytes = Vec::new();
    codec::encode(&Entity::created(entity, Epoch::ZERO), &mut bytes);
    let single = message::Single { handle, entity: bytes, parent, root: handle, priority: 0 };
    message::Member { member: Some(message::member::Member::Single(single)) }
}

/// Handles in their form.
pub fn packed(handles: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_handles(handles.iter().map(|handle| handle_of(*handle)), &mut bytes);
    bytes
}

pub fn handle_of(number: u32) -> entitygraph_schema::wire::Handle {
    entitygraph_schema::wire::Handle::new(number).unwrap()
}
