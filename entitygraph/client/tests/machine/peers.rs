//! Players and viewers: what is asked again, what is told once, what is sent again.

use entitygraph_client::stream::{
    actions::{ActionError, Draft},
    event::{Event, Loads},
    peer::{Machine, Request},
    player::Player,
    session::{Options, State},
    viewer::Viewer,
};
use entitygraph_schema::{
    testing,
    wire::{
        Kind, Role,
        control::{
            Control,
            message::{self, action_result::Outcome, follow::Area},
        },
    },
};
use glam::DVec3;

use crate::hub::{Hub, bind, handle_of, packed};

const URL: &str = "ws://hub.test/stream";

fn draft() -> Draft {
    Draft { target: handle_of(4), kind: 1, content: b"open".to_vec(), tick: 9 }
}

#[test]
fn a_character_is_asked_for_when_the_session_begins_and_where_it_begins_anew() {
    let mut player = Player::new(URL);
    player.enter(testing::entity_id(4)).unwrap();
    let mut hub = Hub::greeted(player);
    assert!(matches!(hub.machine.act(draft()), Err(ActionError::NoSession)));
    hub.say(&hub.welcome(message::Welcome::default()));
    hub.events();
    let enters = |hub: &mut Hub<Player>| {
        let enter = |sent: &Control| matches!(sent, Control::Enter(message::Enter { character: 4 }));
        hub.sent().iter().filter(|sent| enter(sent)).count()
    };
    assert_eq!(enters(&mut hub), 1);
    hub.catalog();
    hub.bind(1, 300, &[4]);
    hub.say(&message::Entered { handle: 4 });
    assert_eq!(hub.events(), [Event::Entered(handle_of(4))]);
    // Resumed: it is there.
    let hello = hub.reconnect();
    assert_eq!((hello.seen, hello.login), (2, Some(message::hello::Login::Resume(vec![1]))));
    hub.say(&hub.welcome(message::Welcome { resumed: true, ..Default::default() }));
    assert!(matches!(&hub.events()[..], [Event::Begun(begun)] if begun.resumed));
    assert_eq!((enters(&mut hub), hub.machine.character()), (0, Some(handle_of(4))));
    // Another incarnation: it is not.
    hub.reconnect();
    hub.say(&hub.welcome(message::Welcome { incarnation: 2, ..Default::default() }));
    let events = hub.events();
    assert!(
        matches!(&events[..], [Event::Unbound { entities, why: None }, Event::Begun(_)] if entities.len() == 2)
    );
    assert_eq!((enters(&mut hub), hub.machine.character()), (1, None));
    assert_eq!(hub.machine.view().entities().count(), 0);
}

#[test]
fn load_frames_that_come_twice_are_told_once() {
    let mut hub = Hub::open_as(Viewer::new(URL));
    hub.bind(1, 300, &[4]);
    hub.say(&bind(1, 1, 300, &[4]));
    hub.say(&message::Activate { seq: 2, batch: 1, moment: 2_000, ..Default::default() });
    assert_eq!(hub.events(), []);
    assert!(hub.machine.view().entity(handle_of(4)).unwrap().active, "not bound again");
    hub.say(&message::Unbind { seq: 3, count: 1, handles: packed(&[4]), why: 1 });
    assert!(
        matches!(&hub.events()[..], [Event::Unbound { entities, why: Some(_) }] if entities[0].0 == handle_of(4))
    );
}

#[test]
fn a_second_snapshot_has_the_velocity_and_a_pause_ends_with_another() {
    let mut hub = Hub::open_as(Viewer::new(URL));
    hub.say(&bind(1, 1, 300, &[4]));
    let row = entitygraph_schema::wire::exact::ExactRow {
        position_m: Some(DVec3::new(0.1, 0.2, 0.3)),
        velocity_m_s: Some(glam::Vec3::X),
        ..Default::default()
    };
    let mut rows = Vec::new();
    row.put(&mut rows);
    let changed = vec![message::ExactRows { zone: 300, count: 1, handles: packed(&[4]), rows }];
    hub.say(&message::Activate {
        seq: 2,
        batch: 1,
        moment: 50,
        changed: changed.clone(),
        ..Default::default()
    });
    let events = hub.events();
    assert!(
        matches!(&events[..], [Event::Bound { batch: 1, .. }, Event::Activated(two)] if two.len() == 2),
        "{events:?}"
    );
    let seen = hub.machine.view().entity(handle_of(4)).unwrap();
    assert_eq!((seen.position_m, seen.velocity_m_s), (Some(DVec3::new(0.1, 0.2, 0.3)), DVec3::X));
    hub.say(&message::Pause { seq: 3, moment: 60, count: 1, handles: packed(&[4]) });
    assert_eq!(hub.events(), [Event::Paused(vec![handle_of(4)])]);
    let again = message::Activate {
        seq: 4,
        moment: 90,
        count: 1,
        handles: packed(&[4]),
        changed,
        ..Default::default()
    };
    hub.say(&again);
    assert_eq!(hub.events(), [Event::Activated(vec![handle_of(4)])]);
}

#[test]
fn whoever_loads_says_when_and_what_failed() {
    let options = Options::new(URL, Role::Viewer);
    let mut hub = Hub::open_as(Viewer::with(options, Loads::Caller));
    hub.say(&bind(1, 1, 300, &[4]));
    assert!(matches!(&hub.events()[..], [Event::Bound { batch: 1, handles }] if handles.len() == 2));
    assert_eq!(hub.sent(), []);
    let failed = vec![message::Failed { handle: 4, reason: "no mesh".into() }];
    hub.machine.ready(1, failed.clone());
    let ready = Control::Ready(message::Ready { batch: 1, failed });
    assert_eq!(hub.sent(), std::slice::from_ref(&ready));
    hub.machine.ready(2, vec![]);
    assert_eq!(hub.sent(), [], "of no batch");
    // It may have been lost with the socket: it is said again, until the batch is shown.
    let resumed = message::Welcome { resumed: true, ..Default::default() };
    hub.reconnect();
    hub.say(&hub.welcome(resumed.clone()));
    hub.events();
    assert!(hub.sent().contains(&ready));
    hub.say(&message::Activate { seq: 2, batch: 1, moment: 9, ..Default::default() });
    hub.events();
    hub.reconnect();
    hub.say(&hub.welcome(resumed));
    hub.events();
    assert!(!hub.sent().contains(&ready));
}

#[test]
fn a_batch_that_cannot_be_made_fails_and_not_the_session() {
    let mut hub = Hub::open_as(Viewer::new(URL));
    let instance = message::Instance { first_handle: 9, count: 3, first_id: 5, ..Default::default() };
    let member = message::Member { member: Some(message::member::Member::Instance(instance)) };
    hub.say(&message::Bind { seq: 1, batch: 8, members: vec![member], ..Default::default() });
    assert_eq!(hub.events(), []);
    let sent = hub.sent();
    assert!(
        matches!(&sent[..], [Control::Ready(ready)] if ready.batch == 8 && ready.failed[0].handle == 9),
        "{sent:?}"
    );
    assert_eq!(hub.machine.state(), State::Open);
}

#[test]
fn actions_are_numbered_bounded_sent_again_and_unknown_after_another_incarnation() {
    let bounds = Some(message::Bounds { actions_waiting: 3, ..Default::default() });
    let mut hub =
        Hub::open_with(Player::new(URL), message::Welcome { bounds, action: 10, ..Default::default() });
    let numbers: Vec<_> = (0..3).map(|_| hub.machine.act(draft()).unwrap()).collect();
    assert_eq!(numbers, [11, 12, 13]);
    assert_eq!(hub.machine.act(draft()), Err(ActionError::TooMany(3)));
    hub.sent();
    let done = message::ActionResult { number: 12, outcome: Outcome::Done.into(), ..Default::default() };
    hub.say(&done);
    hub.say(&done);
    assert_eq!(hub.events(), [Event::Result(done)], "once");
    hub.machine.peer_mut().closed(1006, "");
    // While the socket is away actions wait.
    assert_eq!(hub.machine.act(draft()), Ok(14));
    hub.wait();
    hub.events();
    hub.open();
    hub.say(&hub.welcome(message::Welcome { resumed: true, bounds, action: 13, ..Default::default() }));
    hub.events();
    let again: Vec<u64> = hub
        .sent()
        .into_iter()
        .filter_map(|sent| if let Control::Action(action) = sent { Some(action.number) } else { None })
        .collect();
    assert_eq!(again, [11, 13, 14]);
    hub.reconnect();
    hub.say(&hub.welcome(message::Welcome { incarnation: 9, bounds, ..Default::default() }));
    let unknown: Vec<_> = hub
        .events()
        .into_iter()
        .filter_map(|event| {
            if let Event::Result(result) = event { Some((result.number, result.outcome())) } else { None }
        })
        .collect();
    assert_eq!(unknown, [11, 13, 14].map(|number| (number, Outcome::Unknown)));
    assert_eq!(hub.machine.act(draft()), Ok(1));
    let sent: Vec<_> = hub.sent().into_iter().filter(|sent| matches!(sent, Control::Action(_))).collect();
    assert!(
        matches!(&sent[..], [Control::Action(action)] if action.number == 1),
        "none of the unknown: {sent:?}"
    );
}

#[test]
fn areas_are_followed_again_where_they_have_to_be() {
    let mut viewer = Viewer::new(URL);
    viewer.follow(1, Area::Zone(5)).unwrap();
    viewer.follow(2, Area::Zone(6)).unwrap();
    viewer.unfollow(1).unwrap();
    let mut hub = Hub::greeted(viewer);
    hub.say(&hub.welcome(message::Welcome::default()));
    hub.events();
    let follows = |hub: &mut Hub<Viewer>| -> Vec<u64> {
        let number =
            |sent: Control| if let Control::Follow(follow) = sent { Some(follow.number) } else { None };
        hub.sent().into_iter().filter_map(number).collect()
    };
    assert_eq!(follows(&mut hub), [2]);
    hub.machine.follow(3, Area::Zone(7)).unwrap();
    hub.reconnect();
    hub.say(&hub.welcome(message::Welcome { resumed: true, ..Default::default() }));
    hub.events();
    assert!(follows(&mut hub).is_empty());
    hub.reconnect();
    hub.say(&hub.welcome(message::Welcome::default()));
    hub.events();
    assert_eq!(follows(&mut hub), [2, 3]);
}

#[test]
fn a_socket_that_takes_nothing_is_given_up_and_nothing_grows() {
    let mut hub = Hub::open_as(Viewer::new(URL));
    for number in 0..200_000_u64 {
        hub.say(&message::Ping { sender_us: number });
        hub.events();
        if hub.machine.state() != State::Open {
            break;
        }
    }
    assert_eq!(hub.machine.state(), State::Waiting);
    assert_eq!(hub.machine.peer_mut().next_request(), Some(Request::Close(4504)));
    assert_eq!(hub.machine.outgoing_bytes(), 0);
}

#[test]
fn a_catalog_that_the_peer_has_not_is_asked_for_once() {
    let hash = vec![5; 32];
    let wanted = |hub: &mut Hub<Viewer>| -> Vec<Vec<u8>> {
        let have =
            |sent: Control| if let Control::CatalogWanted(wanted) = sent { Some(wanted.have) } else { None };
        hub.sent().into_iter().filter_map(have).collect()
    };
    let begin = |hub: &mut Hub<Viewer>, catalog_hash: &[u8]| {
        hub.say(&hub.welcome(message::Welcome { catalog_hash: catalog_hash.to_vec(), ..Default::default() }));
        hub.events();
    };
    let mut hub = Hub::greeted(Viewer::new(URL));
    begin(&mut hub, &hash);
    assert_eq!(wanted(&mut hub), [Vec::<u8>::new()]);
    hub.say(&message::CatalogPart { catalog_hash: hash.clone(), last: true, ..Default::default() });
    hub.events();
    assert_eq!(hub.reconnect().catalog_hash, hash);
    begin(&mut hub, &hash);
    assert!(wanted(&mut hub).is_empty());
    for other in [vec![6; 32], vec![]] {
        hub.reconnect();
        begin(&mut hub, &other);
        assert_eq!(wanted(&mut hub), std::slice::from_ref(&hash), "another hub may have another one");
    }
}

#[test]
fn nothing_is_said_to_be_ready_before_the_catalog_is_here_or_the_hub_has_none() {
    let notice = message::Notice { kind: Kind::CatalogWanted.number().into(), ..Default::default() };
    let part = message::CatalogPart { last: true, ..Default::default() };
    for answer in [Control::Notice(notice), Control::CatalogPart(part)] {
        let mut hub = Hub::greeted(Viewer::new(URL));
        hub.say(&hub.welcome(message::Welcome::default()));
        hub.say(&bind(1, 1, 300, &[4]));
        hub.events();
        let ready = |hub: &mut Hub<Viewer>| hub.sent().iter().any(|sent| matches!(sent, Control::Ready(_)));
        assert!(!ready(&mut hub));
        let mut bytes = Vec::new();
        answer.put(&mut bytes);
        hub.send(bytes);
        hub.events();
        assert!(ready(&mut hub));
    }
}
