//! The SDK against a hub in this process, over real sockets: a server, players, and a socket that is cut.

#![allow(clippy::unwrap_used)] // helpers of tests stand outside of tests

mod examples;
mod proxy;
mod world;

use std::time::Duration;

use entitygraph_client::stream::{
    connection::Connection,
    event::{Event, Taken},
    outbox::SendError,
    player::{InputError, Player},
    refusal::Why,
    session::{Login, Options, State},
    viewer::Viewer,
};
use entitygraph_schema::{
    Value, testing,
    wire::{
        Handle, Role,
        control::message::{self, Code},
    },
};
use glam::DVec3;
use proxy::Proxy;
use tokio::time::timeout;
use world::{Simulation, hub, places, registry, until, url};

fn player(url: &str, number: u64) -> Connection<Player> {
    let mut player = Connection::new(Player::new(url), Login::Subject(format!("player-{number}")));
    player.enter(testing::entity_id(number)).unwrap();
    player
}

async fn entered(player: &mut Connection<Player>) -> Handle {
    until(player, |event| if let Event::Entered(handle) = event { Some(*handle) } else { None }).await
}

/// Nothing moves any more: takes events until the view has what was reported, to half a step; says how many entities that are.
async fn until_same(player: &mut Connection<Player>, server: &Simulation) -> usize {
    let off = |player: &Connection<Player>| {
        let entities = player.view().entities().filter(|(_, seen)| seen.entity.zone.is_none());
        let off = entities.map(|(_, seen)| {
            let off = (seen.position_m.unwrap() - server.place_of(seen.entity.id)).abs().max_element();
            if seen.active { off } else { f64::INFINITY }
        });
        let off: Vec<f64> = off.collect();
        (off.len(), off.into_iter().fold(0.0, f64::max))
    };
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while off(player).1 > 0.5 / 64.0 + 1e-9 {
        let event = tokio::time::timeout_at(end, player.next()).await;
        assert!(matches!(event, Ok(Some(_))), "still off by {} m after 10 s", off(player).1);
    }
    off(player).0
}

#[tokio::test]
async fn what_a_server_reports_is_what_players_see() {
    let hub = hub(&places(40));
    let mut server = Simulation::start(&url(&hub)).await;
    let mut players = Vec::new();
    for number in 100..105 {
        let mut player = player(&url(&hub), number);
        let handle = entered(&mut player).await;
        assert_eq!(player.view().entity(handle).unwrap().entity.id, testing::entity_id(number));
        assert_eq!(player.character(), Some(handle));
        players.push(tokio::spawn(async move {
            let mut moved = 0;
            while let Ok(event) = timeout(Duration::from_millis(1_500), player.next()).await {
                moved += usize::from(matches!(event, Some(Event::Moved(_))));
            }
            (player, moved)
        }));
    }
    server.run(60, |place, tick| place + DVec3::new(0.1, 0.0, 0.05 * (tick % 3) as f64)).await;
    for player in players {
        let (player, moved) = player.await.unwrap();
        assert!(moved > 200, "{moved} rows: the test shows nothing");
        let view = player.view();
        assert!(view.horizon() > 0 && player.state() == State::Open);
        let mut seen = 0;
        for (handle, entity) in view.entities().filter(|(_, seen)| seen.entity.zone.is_none()) {
            let off = entity.position_m.unwrap() - server.place_of(entity.entity.id);
            assert!(
                entity.active && off.abs().max_element() <= 0.5 / 64.0 + 1e-9,
                "{handle} is off by {off}"
            );
            assert_eq!(view.zone(handle), Some(server.zone));
            seen += 1;
        }
        assert!(seen > 20);
        player.close().await;
    }
    hub.stop();
}

#[tokio::test]
async fn a_cut_socket_comes_back_by_itself_and_the_view_is_right_again() {
    let hub = hub(&places(30));
    let proxy = Proxy::start(hub.address()).await;
    let mut server = Simulation::start(&url(&hub)).await;
    let options = Options { backoff_first_ms: 20, ..Options::new(proxy.url(), Role::Player) };
    let player = Player::with(options, Default::default());
    let mut player = Connection::new(player, Login::Subject("player-100".into()));
    player.enter(testing::entity_id(100)).unwrap();
    entered(&mut player).await;
    for round in 0..3 {
        server.run(10, |place, _| place + DVec3::X).await;
        proxy.cut();
        let lost = until(&mut player, |event| {
            if let Event::Lost { error, .. } = event { Some(error.clone()) } else { None }
        });
        let lost = lost.await;
        assert_eq!(lost.why, Why::Lost, "{lost}");
        server.run(10, |place, _| place + DVec3::Y).await;
        let begun =
            until(
                &mut player,
                |event| if let Event::Begun(begun) = event { Some(begun.clone()) } else { None },
            )
            .await;
        assert!(begun.resumed && player.character().is_some(), "round {round}");
        server.run(5, |place, _| place + DVec3::Z).await;
        let seen = until_same(&mut player, &server).await;
        assert!(seen > 10, "round {round}: {seen} entities");
    }
    assert_eq!(proxy.connections(), 4);
    hub.stop();
}

#[tokio::test]
async fn sockets_that_are_cut_at_any_time_lose_nothing() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut random = fastrand::Rng::with_seed(seed);
    let hub = hub(&places(30));
    let (of_server, of_player) = (Proxy::start(hub.address()).await, Proxy::start(hub.address()).await);
    let options = |proxy: &Proxy, role| Options {
        backoff_first_ms: 10,
        backoff_most_ms: 40,
        ..Options::new(proxy.url(), role)
    };
    let mut server = Simulation::start_with(options(&of_server, Role::Server)).await;
    let player = Player::with(options(&of_player, Role::Player), Default::default());
    let mut player = Connection::new(player, Login::Subject("player-100".into()));
    player.enter(testing::entity_id(100)).unwrap();
    let watched = tokio::spawn(async move {
        let (mut lost, mut resumed) = (0, 0);
        let end = tokio::time::Instant::now() + Duration::from_secs(6);
        while let Ok(event) = tokio::time::timeout_at(end, player.next()).await {
            match event.expect("the session goes on") {
                Event::Lost { .. } => lost += 1,
                Event::Begun(begun) => resumed += u32::from(begun.resumed),
                Event::Ended(error) => panic!("seed {seed}: {error:?}"),
                _ => {}
            }
        }
        (player, lost, resumed)
    });
    for _ in 0..25 {
        let by = DVec3::new(random.f64() - 0.5, random.f64() - 0.5, 0.0);
        server.run(random.u32(1..6), |place, _| place + by).await;
        match random.u8(..3) {
            0 => of_server.cut(),
            1 => of_player.cut(),
            _ => {}
        }
    }
    server.run(3, |place, _| place + DVec3::Z).await;
    let (mut player, lost, resumed) = watched.await.unwrap();
    assert!(
        lost >= 3 && resumed >= 3,
        "seed {seed}: lost {lost} times, resumed {resumed} times: the test shows nothing"
    );
    assert!(of_server.connections() >= 4, "seed {seed}");
    // What was on its way when the grant was lost with the socket is told again, as games do after `Begun` and `Gained`.
    server.run(2, |place, _| place).await;
    let seen = until_same(&mut player, &server).await;
    assert!(seen > 10 && player.character().is_some(), "seed {seed}: {seen} entities");
    hub.stop();
}

#[tokio::test]
async fn variables_are_told_to_whoever_may_see_them() {
    let hub = hub(&places(4));
    let mut server = Simulation::start(&url(&hub)).await;
    let mut player = player(&url(&hub), 100);
    let own = entered(&mut player).await;
    let hull = registry().by_name("hull").unwrap().clone();
    let [damage, goal] = &hull.variables[..] else { panic!("{hull:?}") };
    let number = |variable| server.peer.view().variables().number(hull.id, variable).unwrap();
    let (damage_number, goal_number) = (number(damage.id), number(goal.id));
    server.run(3, |place, _| place + DVec3::X).await;
    let mut report = loop {
        while server.peer.next_now().await.is_some() {}
        match server.peer.begin_tick() {
            Some(report) => break report,
            None => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    };
    report.variable(own, damage_number, Some(Value::Float(3.1)));
    report.variable(own, goal_number, Some(testing::text("the bar")));
    assert_eq!(server.peer.report(&report).unwrap().left_out, []);
    while server.peer.next_now().await.is_some() {}
    let set = until(&mut player, |event| match event {
        Event::Set { handle, component, variable } => Some((*handle, *component, *variable)),
        _ => None,
    });
    assert_eq!(set.await, (own, hull.id, damage.id));
    let told = &player.view().entity(own).unwrap().entity.components.0[&hull.id];
    assert_eq!(
        told.iter().collect::<Vec<_>>(),
        [(&damage.id, &Value::Float(3.0))],
        "to its precision, and no goal"
    );
    // Whoever comes later has it from the snapshot.
    let mut late = self::player(&url(&hub), 101);
    entered(&mut late).await;
    let told = &late.view().entity(own).unwrap().entity.components.0[&hull.id];
    assert_eq!(told.keys().collect::<Vec<_>>(), [&damage.id]);
    assert_eq!(late.view().variables().number(hull.id, goal.id), None, "not even its name");
    hub.stop();
}

#[tokio::test]
async fn a_server_whose_socket_was_cut_simulates_on_and_its_players_see_it() {
    let hub = hub(&places(20));
    let proxy = Proxy::start(hub.address()).await;
    let options = Options { backoff_first_ms: 20, ..Options::new(proxy.url(), Role::Server) };
    let mut server = Simulation::start_with(options).await;
    let mut player = player(&url(&hub), 100);
    entered(&mut player).await;
    for round in 0..3 {
        server.run(10, |place, _| place + DVec3::X).await;
        proxy.cut();
        until(&mut server.peer, |event| matches!(event, Event::Lost { .. }).then_some(())).await;
        // It gets ticks again as soon as it may report, under whichever grant.
        server.run(10, |place, _| place + DVec3::Y).await;
        let seen = until_same(&mut player, &server).await;
        assert!(seen > 10, "round {round}: {seen} entities");
    }
    assert_eq!(proxy.connections(), 4);
    hub.stop();
}

#[tokio::test]
async fn a_hub_that_is_another_one_voids_all_and_the_server_takes_its_post_again() {
    let first = hub(&places(10));
    let proxy = Proxy::start(first.address()).await;
    let mut server =
        Simulation::start_with(Options { backoff_first_ms: 20, ..Options::new(proxy.url(), Role::Server) })
            .await;
    let epoch = server.peer.grants().next().unwrap().1;
    server.run(2, |place, _| place + DVec3::X).await;
    let second = hub(&places(10));
    proxy.lead_to(second.address());
    first.stop();
    let taken = until(&mut server.peer, |event| {
        if let Event::Taken { epoch, why, .. } = event { Some((*epoch, *why)) } else { None }
    });
    assert_eq!(taken.await, (epoch, Taken::Session));
    assert!(server.peer.begin_tick().is_none());
    until(&mut server.peer, |event| matches!(event, Event::Begun(begun) if begun.reset).then_some(())).await;
    until(&mut server.peer, |event| matches!(event, Event::Gained { .. }).then_some(())).await;
    assert!(server.peer.grants().next().is_some());
    second.stop();
}

#[tokio::test]
async fn what_is_forbidden_is_told_with_what_to_do_and_not_repeated() {
    let hub = hub(&places(3));
    // A character of somebody else.
    let mut other = Connection::new(Player::new(url(&hub)), Login::Subject("player-101".into()));
    other.enter(testing::entity_id(100)).unwrap();
    let error =
        until(&mut other, |event| if let Event::Ended(error) = event { Some(error.clone()) } else { None })
            .await
            .unwrap();
    assert_eq!(error.why, Why::Code(Code::Forbidden), "{error}");
    assert_eq!(timeout(Duration::from_secs(1), other.next()).await.unwrap(), None);

    // What a role may not send does not leave the SDK.
    let mut player = player(&url(&hub), 100);
    assert_eq!(player.input(b"left"), Err(InputError::NoCharacter));
    entered(&mut player).await;
    let refused = player.send(&message::Register::default()).unwrap_err();
    assert!(matches!(refused, SendError::Role { .. }), "{refused}");
    assert!(player.input(&[0; 257]).is_err());
    assert_eq!(player.input(b"left"), Ok(1));

    // Nothing is served at this path, or nothing at all.
    let wrong = format!("ws://{}/elsewhere", hub.address());
    let mut nobody = Connection::new(Viewer::new(wrong), Login::Subject("map".into()));
    let error =
        until(&mut nobody, |event| if let Event::Ended(error) = event { Some(error.clone()) } else { None })
            .await
            .unwrap();
    assert_eq!(error.why, Why::Address, "{error}");
    let mut secure = Connection::new(Viewer::new("wss://127.0.0.1:1/stream"), Login::Subject("map".into()));
    let error =
        until(&mut secure, |event| if let Event::Ended(error) = event { Some(error.clone()) } else { None })
            .await
            .unwrap();
    assert!(error.to_string().contains("TLS"), "{error}");
    hub.stop();
}

#[tokio::test]
async fn a_login_is_asked_for_and_its_failure_ends_the_session() {
    let hub = hub(&places(3));
    let asked = || async { Ok::<_, std::io::Error>(Login::Subject("map".into())) };
    let mut viewer = Connection::with_logins(Viewer::new(url(&hub)), asked);
    until(&mut viewer, |event| matches!(event, Event::Begun(_)).then_some(())).await;
    viewer.close().await;
    let none = || async { Err::<Login, _>(std::io::Error::other("the door is shut")) };
    let mut viewer = Connection::with_logins(Viewer::new(url(&hub)), none);
    let error =
        until(&mut viewer, |event| if let Event::Ended(error) = event { Some(error.clone()) } else { None })
            .await
            .unwrap();
    assert_eq!(error.to_string(), "no login: the door is shut");
    hub.stop();
}
