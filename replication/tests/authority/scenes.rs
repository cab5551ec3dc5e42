//! Single stories: starts, drains, orders, locks, jumps.

use entitygraph_replication::atlas::message::{Ended, Event, Out, Session};
use entitygraph_schema::{EntityId, wire::control::message::Code};

use crate::sim::{Sim, THREE, entity, id, map};

const S: (&str, Option<&str>) = ("s", Some("a"));
const T: (&str, Option<&str>) = ("t", Some("b"));
const U: (&str, Option<&str>) = ("u", Some("c"));

const JUMP: &str = "world = \"1\"\n\
    [[post]]\nname = \"a\"\nzones = [\"1\", \"2\", \"4\"]\n\
    [[post]]\nname = \"b\"\nzones = [\"3\"]\n\
    [[jump]]\ngates = [\"5\", \"6\"]\ntunnel = \"7\"\nstay_ms = 6_000\nslots = 4\neject_ms = 20_000\n";

/// Everybody is there and at work.
fn at_rest(text: &str, ships: u64, servers: &[(&'static str, Option<&'static str>)]) -> Sim {
    let mut sim = Sim::new(1, map(text), ships, servers);
    sim.run(3_000_000);
    sim.check_rest();
    sim
}

fn said<T>(sim: &Sim, hub: usize, of: impl Fn(&Out) -> Option<T>) -> Vec<T> {
    sim.hubs[hub].said.iter().filter_map(of).collect()
}

fn ended(sim: &Sim, hub: usize) -> Vec<Ended> {
    said(sim, hub, |out| match out {
        Out::Ended(why) => Some(why.clone()),
        _ => None,
    })
}

fn flips(sim: &Sim) -> u64 {
    sim.hubs.iter().map(|hub| hub.atlas.counts.flips).sum()
}

fn session(sim: &Sim, server: usize) -> Session {
    Session(sim.servers[server].connection.unwrap())
}

#[test]
fn of_two_hubs_that_start_at_once_one_is_refused() {
    let mut sim = Sim::new(1, map(THREE), 3, &[S, T, U]);
    sim.another_hub();
    sim.run(400_000);
    let running: Vec<_> = (0..2).filter(|hub| sim.hubs[*hub].atlas.is_running()).collect();
    assert_eq!(running.len(), 1, "one runs");
    assert_eq!(ended(&sim, 1 - running[0]), [Ended::Second]);
}

#[test]
fn a_hub_that_stood_still_ends_when_it_hears_of_another_one() {
    let mut sim = at_rest(THREE, 3, &[S, T, U]);
    let term = sim.hubs[0].term.unwrap();
    sim.another_hub();
    sim.run(11_000_000);
    let found = sim.hubs[1].term.unwrap();
    assert_eq!(found.number() - term.number(), 1 << 32);
    assert_eq!(ended(&sim, 0), [Ended::Replaced { term, found }]);
    sim.check_rest();
}

#[test]
fn what_was_handed_over_stays_so_behind_a_start() {
    let mut sim = at_rest(THREE, 6, &[S, T, U]);
    let roots = vec![(id(4), sim.hubs[0].chain(id(4)))];
    sim.tell(Event::Reassign { plan: 7, roots, post: "a".to_owned() });
    sim.run(6_000_000);
    assert_eq!(sim.owner(id(4)), Some("s"));
    assert_eq!(said(&sim, 0, |out| matches!(out, Out::Planned(7)).then_some(())).len(), 1);
    sim.kill_hub(100_000);
    sim.run(5_000_000);
    assert_eq!(sim.owner(id(4)), Some("s"), "the same map does not undo it");
    sim.check_rest();
    // Another map does.
    sim.map = map(&format!("{THREE}# another one\n"));
    sim.kill_hub(100_000);
    sim.run(5_000_000);
    assert_eq!(sim.owner(id(4)), Some("u"));
    sim.check_rest();
}

#[test]
fn a_zone_with_ten_thousand_ships_is_one_flip() {
    let mut sim = at_rest(THREE, 0, &[S, T, U]);
    for at in 0..10_000 {
        sim.store.add(entity(100 + at, 4, false));
    }
    let before = (flips(&sim), sim.checker.raises());
    let roots = vec![(id(4), sim.hubs[0].chain(id(4)))];
    sim.tell(Event::Reassign { plan: 1, roots, post: "b".to_owned() });
    let end_us = sim.now_us + 3_000_000;
    assert!(sim.run_until(end_us, |sim| sim.owner(id(4)) == Some("t")), "AC 2.34.2");
    assert_eq!((flips(&sim), sim.checker.raises()), (before.0 + 1, before.1 + 1));
}

#[test]
fn a_plan_goes_on_where_it_stopped() {
    let mut sim = at_rest(THREE, 30, &[S, T, U]);
    let order = |sim: &Sim| {
        let hub = sim.hub().unwrap();
        let roots = sim.ships.iter().map(|ship| (*ship, hub.chain(*ship))).collect();
        Event::Reassign { plan: 3, roots, post: "c".to_owned() }
    };
    sim.tell(order(&sim));
    sim.run(40_000);
    sim.kill_hub(100_000);
    sim.run(4_000_000);
    let moved = sim.ships.iter().filter(|ship| sim.owner(**ship) == Some("u")).count();
    assert!((1..30).contains(&moved), "{moved} of 30 were in time");
    sim.tell(order(&sim));
    for _ in 0..600 {
        sim.run(10_000);
        let anchors = sim.hub().unwrap().atlas.anchors();
        let under_way = anchors.iter().filter(|(_, unit)| unit.state.going().is_some()).count();
        assert!(under_way <= 8, "{under_way} at once");
    }
    assert!(sim.ships.iter().all(|ship| sim.owner(*ship) == Some("u")));
    sim.check_rest();
}

#[test]
fn a_server_that_is_drained_gives_everything_away() {
    let mut sim = at_rest(THREE, 6, &[S, T, U, ("spare", None)]);
    let leaving = session(&sim, 0);
    sim.drain(0);
    let is_drained = |sim: &Sim| said(sim, 0, |out| (*out == Out::Drained(leaving)).then_some(())).len() == 1;
    let end_us = sim.now_us + 30_000_000;
    assert!(sim.run_until(end_us, is_drained), "AC 2.32.3");
    assert_eq!(sim.owner(id(2)), Some("spare"));
    sim.run(1_000_000);
    sim.check_rest();
}

#[test]
fn a_fallback_gives_the_post_back_when_a_server_comes_for_it() {
    let mut sim = at_rest(THREE, 6, &[S, T, U]);
    sim.kill_server(1, Some(4_000_000));
    sim.run(2_000_000);
    assert_eq!(sim.owner(id(3)), Some("s"), "within 2 s");
    sim.run(9_000_000);
    assert_eq!(sim.owner(id(3)), Some("t"), "its own again");
    // A post without fallback waits.
    sim.kill_server(2, Some(3_000_000));
    sim.run(2_500_000);
    assert_eq!(sim.owner(id(4)), None);
    sim.run(2_500_000);
    sim.check_rest();
}

#[test]
fn a_ship_that_flies_to_and_fro_is_handed_over_once_in_5_s() {
    let mut sim = at_rest(THREE, 3, &[S, T, U]);
    let ship = id(10);
    let before = flips(&sim);
    for at in 0..60 {
        sim.fly(ship, if at % 2 == 0 { id(3) } else { id(2) });
        sim.run(500_000);
    }
    let count = flips(&sim) - before;
    assert!((4..=7).contains(&count), "{count} flips in 30 s (AC 2.33.6)");
}

#[test]
fn a_lock_holds_a_hand_over_up_and_no_recovery() {
    let mut sim = at_rest(THREE, 3, &[S, T, U, ("spare", None)]);
    let ship = id(10);
    let owner = session(&sim, 0);
    let lock = |number| Event::Lock { session: owner, number, roots: vec![ship], for_ms: 8_000 };
    sim.tell(lock(1));
    sim.fly(ship, id(3));
    sim.run(7_000_000);
    assert_eq!(sim.owner(ship), Some("s"));
    sim.tell(Event::Unlock(owner, 1));
    sim.run(1_000_000);
    assert_eq!(sim.owner(ship), Some("t"));
    let mut sim = at_rest(THREE, 3, &[S, T, U, ("spare", None)]);
    sim.tell(lock(1));
    sim.kill_server(0, None);
    sim.run(1_000_000);
    assert_eq!(sim.owner(ship), Some("spare"));
}

#[test]
fn what_is_carried_over_comes_over() {
    let mut sim = at_rest(THREE, 1, &[S, T, U]);
    let ship = id(10);
    sim.fly(ship, id(3));
    sim.run(2_000_000);
    assert_eq!(sim.owner(ship), Some("t"));
    let lived = sim.servers[1].lived[&ship];
    assert!(lived > 2_500_000 / 33_333, "{lived} ticks: from the beginning, not from the hand-over");
    // A hub that starts anew says that it is lost.
    sim.kill_hub(100_000);
    sim.run(3_000_000);
    let lost = said(&sim, 1, |out| match out {
        Out::Grant(grant) => Some(grant.carry_lost),
        _ => None,
    });
    assert!(!lost.is_empty() && lost.iter().all(|lost| *lost));
}

#[test]
fn a_host_takes_its_zones_along_but_not_other_anchors() {
    // universe, with a carrier 20 in a; on it a shuttle 21 and a hangar 22 that was given to post c, with a drone 23.
    let mut sim = Sim::new(1, map(THREE), 0, &[S, T, U]);
    for (number, parent, zone) in [(20, 2, true), (21, 20, false), (22, 20, true), (23, 22, false)] {
        sim.store.add(entity(number, parent, zone));
    }
    sim.ships = [20, 21, 23].map(id).into();
    sim.run(3_000_000);
    let roots = vec![(id(22), sim.hubs[0].chain(id(22)))];
    sim.tell(Event::Reassign { plan: 1, roots, post: "c".to_owned() });
    sim.run(6_000_000);
    assert_eq!([20, 21, 22, 23].map(|at| sim.owner(id(at)).unwrap()), ["s", "s", "u", "u"]);
    sim.fly(id(20), id(3));
    sim.run(3_000_000);
    assert_eq!([20, 21, 22, 23].map(|at| sim.owner(id(at)).unwrap()), ["t", "t", "u", "u"], "AC 2.34.3");
    sim.run(6_000_000);
    sim.check_rest();
}

#[test]
fn a_thousand_hand_overs_survive_a_hub() {
    let mut sim = at_rest(THREE, 1_000, &[S, T, U]);
    for at in 0..1_000 {
        sim.fly(id(10 + at), id(2 + (at + 1) % 3));
    }
    sim.run(60_000);
    let hub = sim.hub().unwrap();
    let between = hub.atlas.anchors().iter().filter(|(_, unit)| unit.state.is_between()).count();
    assert!(between > 100, "{between} are under way");
    sim.wishes.clear();
    sim.kill_hub(100_000);
    sim.run(5_000_000);
    sim.check_rest();
}

fn enter(sim: &mut Sim, ships: impl IntoIterator<Item = EntityId>, gate: EntityId) {
    for ship in ships {
        let owner = sim.hub().and_then(|hub| hub.owner(ship)).map(|(.., owner)| owner).unwrap();
        sim.tell(Event::Enter { ship, gate, owner });
    }
}

/// How many are in the tunnel, at most as many as there are slots.
fn inside(sim: &Sim) -> usize {
    let count = sim.ships.iter().filter(|ship| sim.store.parent(**ship) == Some(id(7))).count();
    assert!(count <= 4, "{count} in 4 slots");
    count
}

#[test]
fn ships_jump_through_in_both_directions() {
    let mut sim = at_rest(JUMP, 24, &[("s", Some("a")), ("t", Some("b"))]);
    let of = |sim: &Sim, zone| -> Vec<_> {
        sim.ships.iter().copied().filter(|ship| sim.store.parent(*ship) == Some(id(zone))).collect()
    };
    let (there, back) = (of(&sim, 2), of(&sim, 3));
    let end_us = sim.now_us + 180_000_000;
    enter(&mut sim, there.iter().copied(), id(5));
    enter(&mut sim, back.iter().copied(), id(6));
    let (mut most, mut early) = (0, 0);
    let arrived = |sim: &Sim| {
        let at = |ship: &EntityId| sim.store.parent(*ship).unwrap().get();
        there.iter().all(|ship| at(ship) == 3) && back.iter().all(|ship| at(ship) == 2)
    };
    let start_us = sim.now_us;
    while sim.now_us < end_us && !arrived(&sim) {
        sim.run(100_000);
        most = most.max(inside(&sim));
        early += usize::from(sim.now_us < start_us + 6_000_000)
            * of(&sim, 3).iter().filter(|ship| there.contains(ship)).count();
    }
    assert!(arrived(&sim), "AC 2.36.1");
    assert_eq!((most, early), (4, 0), "all slots were used, and nobody left before its stay was over");
    sim.run(6_000_000);
    assert!(there.iter().all(|ship| sim.owner(*ship) == Some("t")));
    assert!(back.iter().all(|ship| sim.owner(*ship) == Some("s")));
    sim.check_rest();
}

#[test]
fn a_ship_whose_destination_is_lost_goes_back_or_to_the_successor() {
    for comes_back in [None, Some(8_000_000)] {
        let mut sim = at_rest(JUMP, 3, &[("s", Some("a")), ("t", Some("b"))]);
        let ship = id(10);
        enter(&mut sim, [ship], id(5));
        sim.run(2_000_000);
        assert_eq!((inside(&sim), sim.owner(ship)), (1, Some("s")));
        sim.kill_server(1, comes_back);
        sim.run(if comes_back.is_some() { 16_000_000 } else { 24_000_000 });
        let (zone, owner) = if comes_back.is_some() { (3, "t") } else { (2, "s") };
        assert_eq!((sim.store.parent(ship), sim.owner(ship)), (Some(id(zone)), Some(owner)), "AC 2.36.2");
    }
}

#[test]
fn nobody_leaves_a_tunnel_before_the_other_side_has_loaded() {
    let mut sim = at_rest(JUMP, 3, &[("s", Some("a")), ("t", Some("b"))]);
    let ship = id(10);
    enter(&mut sim, [ship], id(5));
    sim.run(1_000_000);
    // The other side hears nothing, and is not lost yet: its stay would be over.
    let tunnel = id(7);
    sim.silent_until_us[1] = sim.now_us + 900_000;
    sim.run(800_000);
    assert_eq!(sim.store.parent(ship), Some(tunnel));
    sim.run(9_000_000);
    assert_eq!((sim.store.parent(ship), sim.owner(ship)), (Some(id(3)), Some("t")));
    let prepared =
        sim.hubs[0].said.iter().position(|out| matches!(out, Out::Prepare(root, ..) if *root == ship));
    let granted =
        sim.hubs[0].said.iter().position(|out| matches!(out, Out::Grant(grant) if grant.root == ship));
    assert!(prepared.unwrap() < granted.unwrap(), "AC 2.36.3");
}

#[test]
fn posts_are_refused_by_name() {
    let mut sim = at_rest(THREE, 1, &[S, T, U]);
    let register = |session, post: &str| {
        let (session, post) = (Session(session), Some(post.to_owned()));
        Event::Registered { session, post, standby: false }
    };
    sim.tell(register(900, "nowhere"));
    sim.tell(register(901, "a"));
    let notices = said(&sim, 0, |out| match out {
        Out::Notice(session, code, None) => Some((session.0, *code)),
        _ => None,
    });
    sim.tell(Event::Reassign { plan: 5, roots: Vec::new(), post: "nowhere".to_owned() });
    let unplanned = said(&sim, 0, |out| match out {
        Out::Unplanned(plan, why) => Some(format!("{plan}: {why}")),
        _ => None,
    });
    assert_eq!(unplanned, ["5: no post of the map is called \"nowhere\""]);
    assert_eq!(notices, [(900, Code::UnknownPost), (901, Code::PostTaken)]);
}
