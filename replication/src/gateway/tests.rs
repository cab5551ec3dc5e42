use entitygraph_schema::wire::{Handle, limits::Limits};

use super::*;

mod sessions;

const SECOND_US: u64 = 1_000_000;
const INCARNATION: u64 = 42 * SECOND_US;

/// A core of a hub; others may have the same sessions.
struct Test {
    gateway: Gateway,
    now: Now,
    shared: Shared,
}

impl Test {
    fn new(config: Config) -> Self {
        let shared = Shared::new(&config, key(), INCARNATION);
        Self::core(config, shared)
    }

    fn core(config: Config, shared: Shared) -> Self {
        let now = Now { shard_us: 1_800_000_000 * SECOND_US, tick_us: config.tick_us };
        Self { gateway: Gateway::new(config, key(), INCARNATION, shared.clone()), now, shared }
    }

    fn event(&mut self, event: Event) -> Out {
        let mut out = Out::new();
        self.gateway.handle(self.now, event, &mut out);
        out
    }

    fn connect(&mut self, slot: u32) -> Out {
        self.event(Event::Connected(id(slot), [127, 0, 0, 1].into()))
    }

    fn say(&mut self, slot: u32, message: &impl Message) -> Out {
        self.event(Event::Message(id(slot), frame(message)))
    }

    fn login(&mut self, slot: u32, role: Role) -> Out {
        self.greet(slot, hello(role))
    }

    /// Connects and says Hello.
    fn greet(&mut self, slot: u32, hello: message::Hello) -> Out {
        assert_eq!(self.connect(slot), []);
        self.say(slot, &hello)
    }

    fn after(&mut self, seconds: u64) -> Out {
        self.now.shard_us += seconds * SECOND_US;
        self.event(Event::Second)
    }
}

fn key() -> ShardKey {
    ShardKey::new(&[1; 32]).unwrap()
}

fn id(slot: u32) -> Connection {
    Connection { core: 3, slot, generation: 1 }
}

fn hello(role: Role) -> message::Hello {
    let subject = message::Subject { name: "somebody".into(), role: message::Role::from(role).into() };
    let login = Some(message::hello::Login::Subject(subject));
    message::Hello { version_min: 1, version_max: 3, login, ..Default::default() }
}

fn closes(out: &Out) -> Vec<Code> {
    out.iter()
        .filter_map(|effect| if let Effect::Close(_, refusal) = effect { Some(refusal.code) } else { None })
        .collect()
}

/// What the effects send to a connection.
fn sent(out: &Out, slot: u32) -> Vec<Control> {
    let bytes = out.iter().filter_map(|effect| match effect {
        Effect::Send(to, bytes) if *to == id(slot) => Some(bytes),
        _ => None,
    });
    let frames = bytes.flat_map(|bytes| Frames::new(bytes, Limits::down(Role::Server)).unwrap());
    frames.map(|frame| frame.unwrap()).map(|frame| Control::read(frame.kind, frame.body).unwrap()).collect()
}

fn ups(out: &Out) -> Vec<&Up> {
    out.iter().filter_map(|effect| if let Effect::Up(up) = effect { Some(up) } else { None }).collect()
}

#[test]
fn hello_is_answered_with_welcome_and_the_replicant_hears_of_the_session() {
    let mut test = Test::new(Config::default());
    let out = test.login(1, Role::Server);
    let [Control::Welcome(welcome)] = &sent(&out, 1)[..] else { panic!("{out:?}") };
    assert_eq!((welcome.version, welcome.incarnation, welcome.session), (1, INCARNATION, INCARNATION + 1));
    assert_eq!((welcome.ping_ms, welcome.lease_ms, welcome.resume_ms), (250, 1_000, 300_000));
    assert_eq!(welcome.bounds.unwrap().message_bytes, 4 << 20);
    let (session, subject) = (INCARNATION + 1, "somebody".into());
    let joined = Up::Joined { connection: id(1), session, role: Role::Server, subject };
    assert_eq!(ups(&out), [&joined]);
    assert_eq!(test.gateway.message_bytes_max(id(1)), 4 << 20);
    assert_eq!(closes(&test.say(1, &hello(Role::Server))), [Code::Forbidden], "a second Hello");
}

#[test]
fn what_comes_behind_a_frame_that_closes_is_not_heard() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let mut bytes = frame(&message::Register::default()).to_vec();
    bytes.extend_from_slice(&frame(&message::Enter { character: 5 }));
    let out = test.event(Event::Message(id(1), bytes.into()));
    assert_eq!((closes(&out), ups(&out)), (vec![Code::Forbidden], vec![&Up::Gone(id(1))]));
    assert_eq!(test.say(1, &message::Enter { character: 5 }), []);
}

#[test]
fn frames_reach_the_replicant_in_order_with_the_bytes_they_came_with() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let mut bytes = frame(&message::Ready { batch: 1, failed: vec![] }).to_vec();
    bytes.extend_from_slice(&frame(&message::Ready { batch: 2, failed: vec![] }));
    let out = test.event(Event::Message(id(1), bytes.into()));
    let batches: Vec<u64> = out
        .iter()
        .map(|effect| match effect {
            Effect::Up(Up::Frame { kind, body, .. }) => match Control::read(*kind, body) {
                Ok(Control::Ready(ready)) => ready.batch,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(batches, [1, 2]);
}

#[test]
fn those_who_wait_are_bounded_and_make_room_when_they_speak_or_go() {
    let config =
        Config { waiting_per_address_max: 2, waiting_max: 3, connections_max: 4, ..Config::default() };
    let mut test = Test::new(config);
    assert_eq!(test.connect(1), []);
    assert_eq!(test.connect(2), []);
    assert_eq!(closes(&test.connect(3)), [Code::Busy], "two of one address");
    test.say(1, &hello(Role::Viewer));
    assert_eq!(test.connect(4), []);
    test.event(Event::Ended(id(2)));
    assert_eq!(test.connect(5), []);
    test.say(4, &hello(Role::Viewer));
    test.say(5, &hello(Role::Viewer));
    assert_eq!(test.connect(6), []);
    test.say(6, &hello(Role::Viewer));
    assert_eq!(closes(&test.connect(7)), [Code::Busy], "four in all");
    assert_eq!(test.shared.counts(), (4, 0, 0));
}

#[test]
fn silence_ends_a_connection_before_and_after_hello() {
    let mut test = Test::new(Config::default());
    test.connect(1);
    test.login(2, Role::Player);
    assert_eq!(closes(&test.after(4)), []);
    assert_eq!(closes(&test.after(1)), [Code::Timeout], "no Hello");
    assert_eq!(closes(&test.after(30)), []);
    test.say(2, &message::Ping { sender_us: 1 });
    assert_eq!(closes(&test.after(44)), []);
    assert_eq!(closes(&test.after(1)), [Code::Timeout], "silence");
    assert!(test.gateway.peers.is_empty());
    assert_eq!(test.shared.counts(), (0, 1, 0), "the session may be resumed");
}

#[test]
fn a_flood_waits_and_is_closed() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let mut waited = 0;
    let closed = (0..20_000).find_map(|_| {
        let out = test.say(1, &message::Ping { sender_us: 1 });
        if let Some(Effect::Wait(_, us)) = out.last() {
            (waited, test.now.shard_us) = (waited + 1, test.now.shard_us + us);
        }
        closes(&out).first().copied()
    });
    assert_eq!((closed, waited), (Some(Code::Flood), 10));
}

#[test]
fn a_goodbye_ends_the_session() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let out = test.say(1, &message::Goodbye::default());
    assert_eq!(out, [Effect::Goodbye(id(1)), Effect::Up(Up::Gone(id(1)))]);
    assert_eq!(test.shared.counts(), (0, 1, 0), "it is remembered, to be refused");
}

#[test]
fn a_position_of_a_player_closes_whatever_it_says() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let mut bytes = Vec::new();
    let head = entitygraph_schema::wire::report::Head { batch: 1, tick: 1, last_of_tick: true };
    let mut report = entitygraph_schema::wire::report::ReportWriter::begin(&head, 1, &mut bytes);
    let zone = Handle::new(1).unwrap();
    report.group(entitygraph_schema::Epoch::ZERO, zone, std::iter::empty()).end(&[], &[], &[]);
    report.end();
    let out = test.event(Event::Message(id(1), bytes.into()));
    assert_eq!(closes(&out), [Code::Forbidden]);
}
