use entitygraph_schema::wire::{Kind, control::Control, frame::Frames, limits::Limits};

use super::*;

const URL: &str = "ws://hub.test/stream";
const SECOND: u64 = 1_000_000;

/// A session, the time, and what it wanted.
struct Test {
    session: Session,
    now_us: u64,
    out: Vec<Effect>,
}

impl Test {
    fn new(role: Role) -> Self {
        let options = Options { backoff_first_ms: 100, backoff_most_ms: 1_000, ..Options::new(URL, role) };
        Self::with(options)
    }

    fn with(options: Options) -> Self {
        Self { session: Session::new(options), now_us: 5 * SECOND, out: Vec::new() }
    }

    fn at(state: State) -> Self {
        let mut test = Self::new(Role::Player);
        let way: &[State] = match state {
            State::Idle => &[],
            State::Login => &[State::Login],
            State::Connecting => &[State::Login, State::Connecting],
            State::Greeting => &[State::Login, State::Connecting, State::Greeting],
            State::Open => &[State::Login, State::Connecting, State::Greeting, State::Open],
            State::Waiting => &[State::Login, State::Connecting, State::Waiting],
            State::Ended => &[State::Ended],
        };
        for state in way {
            let event = match state {
                State::Login => Event::Start,
                State::Connecting => Event::LoggedIn(Login::Subject("anna".into())),
                State::Greeting => Event::Opened,
                State::Open => Event::Welcome(welcome(Role::Player)),
                State::Waiting => Event::Closed(1006, String::new()),
                State::Ended | State::Idle => Event::Stop,
            };
            test.handle(event);
            assert_eq!(test.session.state(), *state);
        }
        test.out.clear();
        test
    }

    fn handle(&mut self, event: Event) -> &mut Self {
        self.session.handle(self.now_us, event, &mut self.out);
        self
    }

    /// Until the next deadline, or a time after it.
    fn tick(&mut self, late_us: u64) -> &mut Self {
        self.now_us = self.session.deadline_us().expect("a deadline") + late_us;
        self.handle(Event::Tick)
    }

    /// In short, and taken.
    fn told(&mut self) -> String {
        let told: Vec<String> = self.out.drain(..).map(|effect| short(&effect)).collect();
        told.join(", ")
    }

    /// Through a connection that is welcomed so.
    fn connected(&mut self, welcome: message::Welcome) -> &mut Self {
        self.handle(Event::Opened).handle(Event::Welcome(welcome))
    }
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Login => "login".into(),
        Effect::Connect(url) if url == URL => "connect".into(),
        Effect::Connect(url) => format!("connect {url}"),
        Effect::Send(frame) => format!("send {}", control(frame).kind()),
        Effect::Close(code) => format!("close {code}"),
        Effect::Begun(Begun { resumed, reset, .. }) => match (resumed, reset) {
            (true, _) => "resumed".into(),
            (false, true) => "begun anew".into(),
            (false, false) => "begun".into(),
        },
        Effect::Lost { error, .. } => format!("lost {}", why(error)),
        Effect::Ended(None) => "ended".into(),
        Effect::Ended(Some(error)) => format!("ended {}", why(error)),
    }
}

fn why(error: &StreamError) -> String {
    match error.why {
        Why::Code(code) => code.name().into(),
        other => format!("{other:?}"),
    }
}

fn control(frame: &[u8]) -> Control {
    let frame = Frames::new(frame, Limits::up(Role::Server)).unwrap().next().unwrap().unwrap();
    Control::read(frame.kind, frame.body).unwrap()
}

fn welcome(role: Role) -> message::Welcome {
    message::Welcome {
        version: VERSION,
        session: 7,
        role: message::Role::from(role).into(),
        incarnation: 1,
        resume_token: vec![1],
        resume_ms: 300_000,
        tick_us: 33_333,
        shard_clock_us: 50 * SECOND,
        ping_ms: 20_000,
        ..Default::default()
    }
}

fn refused(code: Code) -> Event {
    Event::Refused(message::Refused { code: code.into(), ..Default::default() })
}

/// Every event that there is, by name.
fn events() -> Vec<(&'static str, Event)> {
    let error = StreamError::new(Why::Code(Code::BadFrame), "a mistake");
    vec![
        ("Start", Event::Start),
        ("LoggedIn", Event::LoggedIn(Login::Token("jwt".into()))),
        ("LoginFailed", Event::LoginFailed("no".into())),
        ("Opened", Event::Opened),
        ("Heard", Event::Heard),
        ("Welcome", Event::Welcome(welcome(Role::Player))),
        ("Refused", refused(Code::Busy)),
        ("Token", Event::Token(message::Token { resume_token: vec![9], expires_in_ms: 1 })),
        ("Ping", Event::Ping(message::Ping { sender_us: 3 })),
        ("Pong", Event::Pong(message::Pong { sender_us: 3, ..Default::default() })),
        ("Goodbye", Event::Goodbye(message::Goodbye::default())),
        ("Closed", Event::Closed(1006, String::new())),
        ("Closed by the hub", Event::Closed(4403, String::new())),
        ("Broken", Event::Broken(error, 4400)),
        ("Stop", Event::Stop),
        ("Tick, nothing due", Event::Tick),
    ]
}

/// What each event does in each state. What does not stand here changes neither the state nor wants anything.
const TABLE: [(State, &str, &str, State); 29] = [
    (State::Idle, "Start", "login", State::Login),
    (State::Idle, "Broken", "close 4400, ended BAD_FRAME", State::Ended),
    (State::Idle, "Stop", "ended", State::Ended),
    (State::Login, "LoggedIn", "connect", State::Connecting),
    (State::Login, "LoginFailed", "ended Login", State::Ended),
    (State::Login, "Broken", "close 4400, ended BAD_FRAME", State::Ended),
    (State::Login, "Stop", "ended", State::Ended),
    (State::Connecting, "Opened", "send Hello", State::Greeting),
    (State::Connecting, "Closed", "lost Lost", State::Waiting),
    (State::Connecting, "Closed by the hub", "ended FORBIDDEN", State::Ended),
    (State::Connecting, "Broken", "close 4400, ended BAD_FRAME", State::Ended),
    (State::Connecting, "Stop", "close 1000, ended", State::Ended),
    (State::Greeting, "Welcome", "begun, send Ping", State::Open),
    (State::Greeting, "Closed", "lost Lost", State::Waiting),
    (State::Greeting, "Closed by the hub", "ended FORBIDDEN", State::Ended),
    (State::Greeting, "Broken", "close 4400, ended BAD_FRAME", State::Ended),
    (State::Greeting, "Stop", "close 1000, ended", State::Ended),
    (State::Open, "Ping", "send Pong", State::Open),
    (State::Open, "Closed", "lost Lost", State::Waiting),
    (State::Open, "Closed by the hub", "ended FORBIDDEN", State::Ended),
    (State::Open, "Broken", "close 4400, ended BAD_FRAME", State::Ended),
    (State::Open, "Stop", "send Goodbye, close 1000, ended", State::Ended),
    (State::Waiting, "Broken", "close 4400, ended BAD_FRAME", State::Ended),
    (State::Waiting, "Stop", "ended", State::Ended),
    // When something is due.
    (State::Connecting, "Tick", "close 4408, lost Lost", State::Waiting),
    (State::Greeting, "Tick", "close 4408, lost Lost", State::Waiting),
    (State::Open, "Tick", "", State::Open),
    (State::Waiting, "Tick", "connect", State::Connecting),
    (State::Ended, "Tick", "", State::Ended),
];

#[test]
fn every_event_in_every_state() {
    let states = [
        State::Idle,
        State::Login,
        State::Connecting,
        State::Greeting,
        State::Open,
        State::Waiting,
        State::Ended,
    ];
    let mut met = 0;
    for state in states {
        for (name, event) in events() {
            let mut test = Test::at(state);
            test.handle(event);
            let row = TABLE.iter().find(|(of, event, ..)| (*of, *event) == (state, name));
            let (told, next) = row.map_or(("", state), |(.., told, next)| (*told, *next));
            met += usize::from(row.is_some());
            assert_eq!((test.told().as_str(), test.session.state()), (told, next), "{state:?}, {name}");
            let over = matches!(test.session.state(), State::Ended | State::Idle | State::Login);
            assert_eq!(
                test.session.deadline_us().is_none(),
                over,
                "{state:?}, {name}: only what waits has a deadline"
            );
        }
        let mut test = Test::at(state);
        if test.session.deadline_us().is_some() {
            test.tick(0);
            let (.., told, next) =
                TABLE.iter().find(|(of, event, ..)| (*of, *event) == (state, "Tick")).unwrap();
            assert_eq!((test.told().as_str(), test.session.state()), (*told, *next), "{state:?}, due");
        }
    }
    assert_eq!(met, TABLE.len() - 5, "a row of the table was not met");
}

#[test]
fn a_lost_connection_is_resumed_with_the_newest_token_and_what_the_peer_has() {
    let mut test = Test::at(State::Open);
    test.session.point = Point { seen: 12, horizon: 77, catalog_hash: Some([3; 32]) };
    test.handle(Event::Token(message::Token { resume_token: vec![42], expires_in_ms: 9 }));
    test.handle(Event::Closed(1006, String::new())).tick(0).handle(Event::Opened);
    let Effect::Send(frame) = test.out.pop().unwrap() else { panic!("Hello") };
    let Control::Hello(hello) = control(&frame) else { panic!("Hello") };
    assert_eq!(hello.login, Some(message::hello::Login::Resume(vec![42])));
    assert_eq!((hello.seen, hello.horizon_moment, hello.incarnation), (12, 77, 1));
    assert_eq!(hello.catalog_hash, [3; 32]);
    test.out.clear();
    test.handle(Event::Welcome(message::Welcome { resumed: true, ..welcome(Role::Player) }));
    assert_eq!(test.told(), "resumed, send Ping");
    assert_eq!(test.session.point.seen, 12);
}

#[test]
fn another_incarnation_begins_anew_and_so_does_a_hub_without_tokens() {
    let mut test = Test::at(State::Open);
    test.session.point.seen = 12;
    test.handle(Event::Closed(1006, String::new())).tick(0);
    test.connected(message::Welcome { incarnation: 2, resume_token: vec![], ..welcome(Role::Player) });
    assert_eq!(test.told(), "lost Lost, connect, send Hello, begun anew, send Ping");
    assert_eq!(test.session.point, Point::default());
    test.handle(Event::Closed(1006, String::new())).tick(0).handle(Event::Opened);
    let Some(Effect::Send(frame)) = test.out.pop() else { panic!("Hello") };
    let Control::Hello(hello) = control(&frame) else { panic!("Hello") };
    assert!(matches!(hello.login, Some(message::hello::Login::Subject(_))), "{:?}", hello.login);
}

#[test]
fn resumed_is_only_what_was_to_be_resumed() {
    let mut test = Test::at(State::Greeting);
    test.handle(Event::Welcome(message::Welcome { resumed: true, ..welcome(Role::Player) }));
    assert_eq!(test.told(), "begun, send Ping");
}

#[test]
fn waits_grow_to_the_most_and_are_short_again_after_a_connection_that_held() {
    let mut test = Test::at(State::Open);
    let mut waits = Vec::new();
    for round in 0..8 {
        if round == 6 {
            test.connected(message::Welcome { resumed: true, ..welcome(Role::Player) });
            test.now_us += 11 * SECOND;
        }
        test.out.clear();
        test.handle(Event::Closed(1006, String::new()));
        let Some(Effect::Lost { retry_in_ms, .. }) = test.out.first() else { panic!("{:?}", test.out) };
        waits.push(*retry_in_ms);
        test.tick(0);
    }
    let most = [100, 200, 400, 800, 1_000, 1_000, 100, 200];
    assert!(waits.iter().zip(most).all(|(wait, most)| (most / 2..=most).contains(wait)), "{waits:?}");
    let mut other = Test::with(Options { seed: 1, ..test.session.options().clone() });
    other.handle(Event::Start).handle(Event::LoggedIn(Login::Subject("b".into())));
    other.handle(Event::Closed(1006, String::new()));
    assert!(
        !matches!(other.out.last(), Some(Effect::Lost { retry_in_ms, .. }) if *retry_in_ms == waits[0]),
        "chance"
    );
}

#[test]
fn what_the_hub_refuses_ends_the_session_waits_or_logs_in_anew() {
    let cases = [
        (Code::BadFrame, "ended BAD_FRAME", ""),
        (Code::Forbidden, "ended FORBIDDEN", ""),
        (Code::SessionReplaced, "ended SESSION_REPLACED", ""),
        (Code::Unauthenticated, "ended UNAUTHENTICATED", ""),
        (Code::Timeout, "lost TIMEOUT", "connect"),
        (Code::Flood, "lost FLOOD", "connect"),
        (Code::TooSlow, "lost TOO_SLOW", "connect"),
        (Code::SessionGone, "lost SESSION_GONE", "login"),
        (Code::ResumeUsed, "lost RESUME_USED", "login"),
    ];
    for (code, told, next) in cases {
        let mut test = Test::at(State::Open);
        test.handle(refused(code)).handle(Event::Closed(code.close().unwrap(), String::new()));
        assert_eq!(test.told(), told);
        if !next.is_empty() {
            test.tick(0);
            assert_eq!(test.told(), next);
        }
    }
    // As long as the hub says.
    let mut test = Test::at(State::Open);
    let busy = message::Refused { code: Code::Busy.into(), retry_after_ms: 7_000, ..Default::default() };
    test.handle(Event::Refused(busy)).handle(Event::Closed(4503, String::new()));
    assert!(matches!(&test.out[..], [Effect::Lost { retry_in_ms: 7_000, .. }]), "{:?}", test.out);
}

#[test]
fn a_session_that_is_gone_is_begun_anew_once_and_not_in_a_circle() {
    let mut test = Test::at(State::Open);
    let gone = |test: &mut Test| {
        test.handle(refused(Code::SessionGone)).handle(Event::Closed(4410, String::new())).told()
    };
    assert_eq!(gone(&mut test), "lost SESSION_GONE");
    test.tick(0).handle(Event::LoggedIn(Login::Subject("anna".into()))).handle(Event::Opened);
    test.told();
    assert_eq!(gone(&mut test), "ended SESSION_GONE");
}

#[test]
fn a_login_that_is_refused_is_asked_for_again_where_another_may_come() {
    let options = Options { renewable: true, ..Options::new(URL, Role::Viewer) };
    let mut test = Test::with(options);
    test.handle(Event::Start)
        .handle(Event::LoggedIn(Login::Token("old".into())))
        .handle(Event::Opened)
        .told();
    test.handle(Event::Closed(4401, String::new())).tick(0);
    assert_eq!(test.told(), "lost UNAUTHENTICATED, login");
    test.handle(Event::LoggedIn(Login::Token("new".into()))).handle(Event::Opened);
    test.handle(Event::Closed(4401, String::new()));
    assert_eq!(test.told(), "connect, send Hello, ended UNAUTHENTICATED");
}

#[test]
fn after_resume_ms_there_is_nothing_to_resume() {
    let mut test = Test::at(State::Open);
    test.handle(Event::Closed(1006, String::new())).tick(300_001_000);
    assert_eq!(test.told(), "lost Lost, login");
}

#[test]
fn goodbye_leads_to_another_address_but_not_out_of_encryption() {
    let cases = [
        ("ws://hub.test/stream", "other.test:99", "ws://other.test:99/stream"),
        ("ws://hub.test/stream", "wss://other.test/x", "wss://other.test/x"),
        ("wss://hub.test/stream", "other.test", "wss://other.test/stream"),
        ("wss://hub.test/stream", "ws://other.test/stream", "wss://hub.test/stream"),
        ("wss://hub.test/stream", "", "wss://hub.test/stream"),
        ("ws://hub.test", "other.test", "ws://other.test"),
        ("ws://hub.test/stream", "http://other.test", "ws://hub.test/stream"),
        ("ws://hub.test/stream", "a b", "ws://hub.test/stream"),
    ];
    for (url, address, to) in cases {
        assert_eq!(elsewhere(url, address), to, "{address}");
    }
    let mut test = Test::at(State::Open);
    test.handle(Event::Goodbye(message::Goodbye {
        address: "other.test".into(),
        within_ms: 500,
        ..Default::default()
    }));
    test.tick(0).tick(0);
    assert_eq!(test.told(), "close 4408, lost DRAINING, connect ws://other.test/stream", "at once");
    test.connected(message::Welcome { resumed: true, ..welcome(Role::Player) });
    test.handle(Event::Closed(1006, String::new())).tick(0);
    assert!(test.told().ends_with("connect"), "and back to its own address after that");
}

#[test]
fn heartbeats_go_out_in_time_and_silence_is_a_lost_connection() {
    let mut test = Test::new(Role::Server);
    test.handle(Event::Start).handle(Event::LoggedIn(Login::Subject("s".into())));
    test.connected(message::Welcome { lease_ms: 1_000, ..welcome(Role::Server) });
    test.told();
    let begun = test.now_us;
    for round in 1..4 {
        test.tick(0);
        assert_eq!((test.told().as_str(), test.now_us), ("send Ping", begun + round * 250_000));
    }
    test.tick(0);
    assert_eq!((test.told().as_str(), test.now_us), ("close 4408, lost TIMEOUT", begun + SECOND));

    // A player waits longer, and what is heard counts.
    let mut test = Test::at(State::Open);
    test.now_us += 30 * SECOND;
    test.handle(Event::Heard).handle(Event::Tick);
    assert_eq!(test.told(), "send Ping");
    test.now_us += 44 * SECOND;
    assert_eq!(test.handle(Event::Tick).session.state(), State::Open);
}

#[test]
fn a_process_that_stood_still_does_not_take_that_for_silence() {
    let mut test = Test::at(State::Open);
    test.now_us += 50 * SECOND;
    test.handle(Event::Tick);
    assert_eq!((test.told().as_str(), test.session.state()), ("send Ping", State::Open));
    (test.session.due.ping, test.session.due.seen) = (None, None);
    test.now_us += 45 * SECOND;
    test.handle(Event::Tick);
    assert_eq!(test.told(), "close 4408, lost TIMEOUT");
}

#[test]
fn the_newest_answered_question_is_that_of_this_connection() {
    let mut test = Test::at(State::Open);
    let greeted = test.now_us;
    assert_eq!(test.session.answered_us(), Some(greeted));
    test.now_us += 500;
    let pong = |sender_us| Event::Pong(message::Pong { sender_us, shard_clock_us: 50 * SECOND, tick: 0 });
    test.handle(pong(greeted + 300));
    assert_eq!(test.session.answered_us(), Some(greeted + 300));
    for invented in [0, greeted - 1, greeted + 501, u64::MAX, greeted + 100] {
        test.handle(pong(invented));
        assert_eq!(test.session.answered_us(), Some(greeted + 300), "{invented}");
    }
}

#[test]
fn seen_is_said_while_load_frames_come() {
    let mut test = Test::at(State::Open);
    test.session.point.seen = 5;
    test.tick(0);
    let Some(Effect::Send(frame)) = test.out.pop() else { panic!("{:?}", test.out) };
    assert_eq!(control(&frame), Control::Seen(message::Seen { seq: 5 }));
    test.tick(0);
    assert!(!test.told().contains("Seen"), "nothing is new");
}

#[test]
fn a_welcome_that_was_not_asked_for_is_not_taken() {
    for wrong in [
        message::Welcome { version: 2, ..welcome(Role::Player) },
        welcome(Role::Server),
        message::Welcome::default(),
    ] {
        let mut test = Test::at(State::Greeting);
        test.handle(Event::Welcome(wrong));
        assert_eq!((test.told().as_str(), Kind::Welcome.name()), ("close 4406, ended VERSION", "Welcome"));
    }
}
