//! The crash points of the hand-over in docs/authority.md, one by one (AC 2.33.3): a ship flies from `a`, which is s's, to `b`,
//! which is t's. Two standbys are there.

use crate::sim::{Point, Sim, id, map};

const TWO: &str = "world = \"1\"\n\
    [[post]]\nname = \"a\"\nzones = [\"1\", \"2\", \"4\"]\n\
    [[post]]\nname = \"b\"\nzones = [\"3\"]\n";
const SERVERS: [(&str, Option<&str>); 4] = [("s", Some("a")), ("t", Some("b")), ("u", None), ("v", None)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    S,
    T,
    Hub,
    Store,
}

/// Who has the ship in the end: s or t themselves, or who took the post of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Has {
    S,
    T,
    PostOfS,
    PostOfT,
    /// Whichever commit is first: the flip, or the raise of t's territory, which refuses the flip.
    SOrPostOfT,
}

/// Row, how far it came, who is lost, who has it.
const CELLS: [(&str, Option<Point>, Lost, Has); 36] = {
    use Has::{PostOfS, PostOfT, S, SOrPostOfT, T};
    use Lost::{Hub, S as LostS, Store, T as LostT};
    [
        ("before 1", None, LostS, PostOfS),
        ("before 1", None, LostT, S),
        ("before 1", None, Hub, S),
        ("before 1", None, Store, S),
        ("1-2", Some(Point::Ahead), LostS, T),
        ("1-2", Some(Point::Ahead), LostT, S),
        ("1-2", Some(Point::Ahead), Hub, S),
        ("1-2", Some(Point::Ahead), Store, S),
        ("2-4", Some(Point::Prepared), LostS, T),
        ("2-4", Some(Point::Prepared), LostT, S),
        ("2-4", Some(Point::Prepared), Hub, S),
        ("2-4", Some(Point::Prepared), Store, S),
        ("4-5", Some(Point::FreezeSent), LostS, T),
        ("4-5", Some(Point::FreezeSent), LostT, S),
        ("4-5", Some(Point::FreezeSent), Hub, S),
        ("4-5", Some(Point::FreezeSent), Store, S),
        ("5-6", Some(Point::FreezeTaken), LostS, T),
        ("5-6", Some(Point::FreezeTaken), LostT, S),
        ("5-6", Some(Point::FreezeTaken), Hub, S),
        ("5-6", Some(Point::FreezeTaken), Store, S),
        ("6-7", Some(Point::FlipSent), LostS, T),
        ("6-7", Some(Point::FlipSent), LostT, SOrPostOfT),
        ("6-7", Some(Point::FlipSent), Hub, T),
        ("6-7", Some(Point::FlipSent), Store, T),
        ("7-8", Some(Point::FlipDurable), LostS, T),
        ("7-8", Some(Point::FlipDurable), LostT, PostOfT),
        ("7-8", Some(Point::FlipDurable), Hub, T),
        ("7-8", Some(Point::FlipDurable), Store, T),
        ("8-9", Some(Point::GrantSent), LostS, T),
        ("8-9", Some(Point::GrantSent), LostT, PostOfT),
        ("8-9", Some(Point::GrantSent), Hub, T),
        ("8-9", Some(Point::GrantSent), Store, T),
        ("after 9", Some(Point::Reported), LostS, T),
        ("after 9", Some(Point::Reported), LostT, PostOfT),
        ("after 9", Some(Point::Reported), Hub, T),
        ("after 9", Some(Point::Reported), Store, T),
    ]
};

/// The ship is on its way, and what came so far is `point`.
fn flown(seed: u64, point: Option<Point>) -> Sim {
    let mut sim = Sim::new(seed, map(TWO), 1, &SERVERS);
    sim.run(3_000_000);
    sim.check_rest();
    assert_eq!(sim.owner(id(10)), Some("s"));
    sim.reached.clear();
    if let Some(point) = point {
        let ship = id(10);
        sim.fly(ship, id(3));
        // The border is reached once the target is prepared; before that it is only ahead.
        if point == Point::Ahead {
            sim.wishes.clear();
        }
        let end_us = sim.now_us + 10_000_000;
        assert!(sim.run_until(end_us, |sim| sim.reached.contains(&point)), "{point:?} was not reached");
    }
    sim
}

fn lose(sim: &mut Sim, lost: Lost, down_us: u64) {
    match lost {
        Lost::S => sim.kill_server(0, None),
        Lost::T => sim.kill_server(1, None),
        Lost::Hub => sim.kill_hub(500_000),
        Lost::Store => sim.down_until_us = sim.now_us + down_us,
    }
}

fn check(sim: &Sim, cell: &str, has: Has) {
    sim.check_rest();
    let ship = id(10);
    let owner = sim.owner(ship).unwrap();
    match has {
        Has::S => assert_eq!(owner, "s", "{cell}"),
        Has::T => assert_eq!(owner, "t", "{cell}"),
        Has::SOrPostOfT if owner == "s" => {}
        Has::PostOfS | Has::PostOfT | Has::SOrPostOfT => {
            let (zone, former) = if has == Has::PostOfS { (id(2), "s") } else { (id(3), "t") };
            assert_ne!(owner, former, "{cell}");
            assert_eq!(Some(owner), sim.owner(zone), "{cell}");
        }
    }
}

#[test]
fn each_crash_point_ends_with_one_owner_within_10_s() {
    for (row, point, lost, has) in CELLS {
        for seed in 0..8 {
            let cell = format!("{row}, {lost:?} lost, seed {seed}");
            println!("{cell}");
            let mut sim = flown(seed, point);
            // A database that is away for longer than 5 s has the ship go on where it was.
            let stopped = matches!(point, Some(Point::FreezeSent | Point::FreezeTaken));
            let down_us = if stopped { 7_000_000 } else { 2_000_000 };
            lose(&mut sim, lost, down_us);
            sim.wishes.clear();
            if lost == Lost::Store {
                sim.run(down_us);
            }
            sim.run(10_000_000);
            check(&sim, &cell, has);
        }
    }
}

#[test]
fn a_hub_that_dies_with_a_flip_on_its_way_finds_what_the_store_says() {
    // The request never comes to the service.
    let mut sim = flown(1, Some(Point::FreezeTaken));
    sim.faults.request_lost = 100;
    assert!(sim.run_until(sim.now_us + 1_000_000, |sim| sim.reached.contains(&Point::FlipSent)));
    sim.kill_hub(500_000);
    sim.faults.request_lost = 0;
    sim.wishes.clear();
    sim.run(10_000_000);
    check(&sim, "6-7, hub lost, request lost", Has::S);
    // It comes when the next hub is there: too late.
    let mut sim = flown(1, Some(Point::FreezeTaken));
    sim.faults.late = 100;
    assert!(sim.run_until(sim.now_us + 1_000_000, |sim| sim.reached.contains(&Point::FlipSent)));
    sim.kill_hub(1_000);
    sim.faults.late = 0;
    sim.wishes.clear();
    sim.run(10_000_000);
    check(&sim, "6-7, hub lost, request late", Has::S);
}

#[test]
fn an_outcome_that_nobody_knows_is_asked_for_until_it_is_known() {
    for (what, answer_lost, request_lost, late) in
        [("answer", 100, 0, 0), ("request", 0, 100, 0), ("late", 0, 0, 100)]
    {
        let mut sim = flown(2, Some(Point::FreezeTaken));
        sim.faults = crate::sim::Faults { answer_lost, request_lost, late };
        assert!(
            sim.run_until(sim.now_us + 1_000_000, |sim| sim.reached.contains(&Point::FlipSent)),
            "{what}"
        );
        sim.run(1_500_000);
        assert!(sim.simulating(id(10)).is_empty(), "{what}: nobody simulates what nobody knows");
        sim.faults = crate::sim::Faults::default();
        sim.wishes.clear();
        sim.run(10_000_000);
        check(&sim, what, Has::T);
    }
}

#[test]
fn a_database_that_comes_back_in_time_does_the_flip() {
    let mut sim = flown(3, Some(Point::FreezeTaken));
    sim.down_until_us = sim.now_us + 3_000_000;
    sim.wishes.clear();
    sim.run(13_000_000);
    check(&sim, "5-6, store lost for 3 s", Has::T);
}

#[test]
fn an_attempt_that_is_done_behind_a_refusal_does_no_harm() {
    for seed in 0..20 {
        let mut sim = flown(seed, Some(Point::FreezeTaken));
        // The first attempt is given up, and stands somewhere. A rule refuses the second one.
        sim.faults.late = 100;
        assert!(sim.run_until(sim.now_us + 1_000_000, |sim| sim.reached.contains(&Point::FlipSent)));
        sim.faults.late = 0;
        sim.refuses = true;
        sim.wishes.clear();
        sim.run(14_000_000);
        sim.refuses = false;
        sim.check_rest();
    }
}

#[test]
fn a_flip_that_a_rule_refuses_leaves_the_ship_where_it_was() {
    let mut sim = flown(1, Some(Point::FreezeTaken));
    sim.refuses = true;
    sim.wishes.clear();
    sim.run(2_000_000);
    check(&sim, "refused by a rule", Has::S);
}
