//! Logins, resumes, leases and what they are over with: the machine, on two cores.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use super::{super::jwt::Key, *};

const SECRET: &[u8] = &[7; 32];
const NOW_S: u64 = 1_800_000_000;

fn keyed() -> Config {
    Config { keys: vec![Key::new("HS256", SECRET).unwrap()], shard: 5, ..Config::default() }
}

fn jwt(subject: &str, role: &str, for_s: u64) -> String {
    let claims = json!({ "sub": subject, "role": role, "exp": NOW_S + for_s, "shard": 5 });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET).unwrap()).unwrap()
}

fn with(login: message::hello::Login) -> message::Hello {
    let login = Some(login);
    message::Hello { version_min: 1, version_max: 1, login, incarnation: INCARNATION, ..Default::default() }
}

fn token(token: String) -> message::Hello {
    with(message::hello::Login::Token(token))
}

fn resume(token: Vec<u8>) -> message::Hello {
    let hello = with(message::hello::Login::Resume(token));
    message::Hello { seen: 8, horizon_moment: 99, ..hello }
}

fn welcome(out: &Out, slot: u32) -> message::Welcome {
    match &sent(out, slot)[..] {
        [Control::Welcome(welcome)] => welcome.clone(),
        other => panic!("{other:?} of {out:?}"),
    }
}

#[test]
fn a_jwt_says_who_comes_and_without_one_nobody_does() {
    let mut test = Test::new(keyed());
    let out = test.greet(1, token(jwt("ada", "viewer", 60)));
    let (session, subject) = (INCARNATION + 1, "ada".into());
    let joined = Up::Joined { connection: id(1), session, role: Role::Viewer, subject };
    assert_eq!((ups(&out), welcome(&out, 1).shard), (vec![&joined], 5));
    for (slot, refused) in [
        hello(Role::Player),
        token(jwt("ada", "viewer", 0)),
        token(String::new()),
        message::Hello { login: None, ..hello(Role::Player) },
    ]
    .into_iter()
    .enumerate()
    {
        let out = test.greet(2 + slot as u32, refused);
        assert_eq!((closes(&out), ups(&out)), (vec![Code::Unauthenticated], vec![]), "{slot}");
    }
    let mut open = Test::new(Config::default());
    assert_eq!(closes(&open.greet(1, token(jwt("ada", "viewer", 60)))), [Code::Unauthenticated]);
}

#[test]
fn a_login_ends_half_a_minute_after_its_token_unless_the_next_one_came() {
    let mut test = Test::new(Config { silence_ms: 900_000, ..keyed() });
    test.greet(1, token(jwt("ada", "viewer", 60)));
    test.greet(2, token(jwt("bob", "viewer", 60)));
    test.after(40);
    assert_eq!(test.say(1, &message::Authenticate { token: jwt("ada", "viewer", 120) }), []);
    let out = test.after(49);
    assert_eq!(closes(&out), [], "the grace");
    let out = test.after(1);
    assert_eq!((closes(&out), ups(&out)), (vec![Code::Unauthenticated], vec![&Up::Gone(id(2))]));
    assert_eq!(closes(&test.after(30)), []);
    // A token of somebody else, and one that is none, end it.
    let out = test.say(1, &message::Authenticate { token: jwt("bob", "viewer", 900) });
    assert_eq!((closes(&out), ups(&out)), (vec![Code::Unauthenticated], vec![&Up::Gone(id(1))]));
}

#[test]
fn a_session_goes_on_on_another_core_and_its_token_works_once() {
    let mut test = Test::new(Config::default());
    let mut other = Test::core(Config::default(), test.shared.clone());
    let first = welcome(&test.login(1, Role::Player), 1);
    assert_eq!(ups(&test.event(Event::Ended(id(1)))), [&Up::Detached(id(1))]);
    let out = other.greet(2, resume(first.resume_token.clone()));
    let second = welcome(&out, 2);
    assert!(second.resumed && second.session == first.session && second.resume_token != first.resume_token);
    let resumed = Up::Resumed { old: id(1), new: id(2), seen: 8, horizon_moment: 99, batch: 0 };
    assert_eq!(ups(&out), [&resumed]);
    // Replayed, by whomever: the one who has the session notices nothing.
    let out = test.greet(3, resume(first.resume_token));
    assert_eq!((closes(&out), ups(&out)), (vec![Code::ResumeUsed], vec![]));
    assert_eq!(sent(&other.say(2, &message::Ping::default()), 2).len(), 1);
    // Taken over while it lives: the old connection hears why, from its own core.
    let out = test.greet(4, resume(second.resume_token));
    assert_eq!(closes(&out), [Code::SessionReplaced]);
    let Some(Effect::Close(old, refusal)) = out.last() else { panic!("{out:?}") };
    let out = other.event(Event::Closing(*old, refusal.clone()));
    assert_eq!((closes(&out), ups(&out)), (vec![Code::SessionReplaced], vec![]), "the session did not end");
    assert_eq!(test.shared.counts(), (1, 0, 0));
}

#[test]
fn welcome_comes_before_the_replicant_hears_and_the_old_one_is_closed_after() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let out = test.login(2, Role::Player);
    let order: Vec<&str> = out
        .iter()
        .map(|effect| match effect {
            Effect::Budget(..) => "budget",
            Effect::Send(to, _) if *to == id(2) => "welcome",
            Effect::Up(Up::Gone(old)) if *old == id(1) => "gone",
            Effect::Up(Up::Joined { .. }) => "joined",
            Effect::Close(old, refusal) if *old == id(1) && refusal.code == Code::SessionReplaced => "closed",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, ["budget", "welcome", "gone", "joined", "closed"]);
}

#[test]
fn what_ended_for_good_is_not_resumed_and_what_was_lost_is() {
    for (code, may) in [(Code::BadFrame, true), (Code::TooSlow, true), (Code::Forbidden, false)] {
        let mut test = Test::new(Config::default());
        let begun = welcome(&test.login(1, Role::Viewer), 1);
        test.event(Event::Closing(id(1), Refusal::new(code, "why")));
        let out = test.greet(2, resume(begun.resume_token));
        assert_eq!(closes(&out) != [Code::SessionGone], may, "{code:?}: {out:?}");
    }
    let mut test = Test::new(Config::default());
    assert_eq!(closes(&test.greet(1, resume(vec![0; 90]))), [Code::SessionGone], "no token of ours");
}

#[test]
fn what_was_detached_too_long_is_given_back() {
    let mut test = Test::new(Config::default());
    let begun = welcome(&test.login(1, Role::Viewer), 1);
    test.event(Event::Ended(id(1)));
    assert_eq!(test.after(299), []);
    assert_eq!(test.after(1), [Effect::Up(Up::Gone(id(1)))]);
    assert_eq!(closes(&test.greet(2, resume(begun.resume_token))), [Code::SessionGone]);
}

#[test]
fn a_token_comes_each_minute_and_takes_the_place_of_the_last() {
    let mut test = Test::new(Config::default());
    let first = welcome(&test.login(1, Role::Viewer), 1).resume_token;
    test.now.shard_us += 30 * SECOND_US;
    test.say(1, &message::Ping::default());
    assert_eq!(test.after(29), []);
    let out = test.after(1);
    let [Control::Token(next)] = &sent(&out, 1)[..] else { panic!("{out:?}") };
    assert_eq!(next.expires_in_ms, 300_000);
    assert_eq!(test.after(1), []);
    test.event(Event::Ended(id(1)));
    assert!(welcome(&test.greet(2, resume(next.resume_token.clone())), 2).resumed);
    assert_eq!(closes(&test.greet(3, resume(first))), [Code::ResumeUsed]);
}

#[test]
fn a_server_is_lost_after_its_lease_and_says_its_last_report_when_it_is_back() {
    let mut test = Test::new(Config::default());
    let begun = welcome(&test.login(1, Role::Server), 1);
    for batch in [1, 2, 2, 9] {
        let mut bytes = Vec::new();
        let head = entitygraph_schema::wire::report::Head { batch, tick: 1, last_of_tick: true };
        entitygraph_schema::wire::report::ReportWriter::begin(&head, 0, &mut bytes).end();
        test.event(Event::Message(id(1), bytes.into()));
    }
    test.now.shard_us += 999_999;
    assert_eq!(test.event(Event::Beat), []);
    test.now.shard_us += 1;
    let out = test.event(Event::Beat);
    assert_eq!((closes(&out), ups(&out)), (vec![Code::Timeout], vec![&Up::Detached(id(1))]));
    assert_eq!(welcome(&test.greet(2, resume(begun.resume_token)), 2).batch, 2);
    test.login(3, Role::Player);
    test.now.shard_us += 2 * SECOND_US;
    test.say(2, &message::Ping::default());
    assert_eq!(test.event(Event::Beat), [], "others have no lease");
}

#[test]
fn an_address_that_flooded_waits_before_it_may_come_again() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let flood = |test: &mut Test| {
        let closed = (0..20_000).find_map(|_| {
            let out = test.say(1, &message::Ping::default());
            if let Some(Effect::Wait(_, us)) = out.last() {
                test.now.shard_us += us;
            }
            out.into_iter().find_map(|effect| match effect {
                Effect::Close(_, refusal) => Some((refusal.code, refusal.retry_after_ms)),
                _ => None,
            })
        });
        closed.expect("it is closed")
    };
    assert_eq!(flood(&mut test), (Code::Flood, 5_000));
    assert_eq!(closes(&test.connect(2)), [Code::Flood]);
    assert_eq!(closes(&test.event(Event::Connected(id(3), [127, 0, 0, 2].into()))), []);
    test.now.shard_us += 5 * SECOND_US;
    test.login(1, Role::Player);
    assert_eq!(flood(&mut test), (Code::Flood, 10_000));
}

#[test]
fn a_peer_may_ask_for_less_and_not_for_more() {
    let mut test = Test::new(Config::default());
    test.login(1, Role::Player);
    let mut asks = |down_bytes_per_s: u32| {
        let out = test.say(1, &message::Limits { down_bytes_per_s, radius_factor: 1.0 });
        assert!(
            matches!(ups(&out)[..], [Up::Frame { kind: Kind::Limits, .. }]),
            "the radius is the replicant's"
        );
        out.iter().find_map(|effect| if let Effect::Budget(_, bytes) = effect { Some(*bytes) } else { None })
    };
    assert_eq!(asks(100_000), Some(100_000));
    assert_eq!(asks(1), Some(64 << 10));
    assert_eq!(asks(u32::MAX), Some(512 << 10));
    assert_eq!(asks(0), Some(512 << 10));
}

#[test]
fn nothing_that_is_printed_shows_a_token() {
    let mut test = Test::new(keyed());
    let secret = jwt("ada", "viewer", 60);
    let event = Event::Message(id(1), frame(&token(secret.clone())));
    let shown = format!("{event:?}");
    let out = test.greet(1, token(secret.clone()));
    let resume_token = welcome(&out, 1).resume_token;
    let told = format!("{shown} {out:?} {:?}", test.gateway);
    assert!(told.contains("Send") && !told.contains(&secret[..20]), "{told}");
    let bytes = format!("{resume_token:?}");
    assert!(!told.contains(&bytes[1..bytes.len() - 1]) && !told.contains("7, 7, 7"), "{told}");
}
