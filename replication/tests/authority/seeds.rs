//! Random days from seeds: ships fly, servers and hubs die, stand still and come back, the store is gone or does not answer, what
//! was given up is done later. At each step the checker looks; at the end everything is at rest within 10 s.

use std::panic::{AssertUnwindSafe, catch_unwind};

use entitygraph_replication::atlas::message::{Event, Session};

use crate::sim::{Faults, Sim, THREE, id, map};

const SERVERS: [(&str, Option<&str>); 5] =
    [("s", Some("a")), ("t", Some("b")), ("u", Some("c")), ("spare", None), ("reserve", None)];

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(60),
    }
}

/// A day of 20 s, then 10 s without faults.
fn day(sim: &mut Sim) {
    sim.faults = Faults { answer_lost: 5, request_lost: 3, late: 4 };
    let end_us = 20_000_000;
    while sim.now_us < end_us {
        let for_us = sim.rng.u64(20_000..400_000);
        sim.run(for_us);
        trouble(sim);
    }
    sim.faults = Faults::default();
    sim.down_until_us = 0;
    sim.wishes.clear();
    sim.run(10_000_000);
    sim.check_rest();
}

fn trouble(sim: &mut Sim) {
    let server = sim.rng.usize(0..sim.servers.len());
    let zone = id(sim.rng.u64(2..5));
    match sim.rng.u8(0..100) {
        0..55 => {
            let at = sim.rng.usize(0..sim.ships.len());
            let ship = sim.ships[at];
            sim.fly(ship, zone);
        }
        55..63 if sim.servers[server].alive => {
            let back_us = sim.rng.u64(100_000..3_000_000);
            sim.kill_server(server, Some(back_us));
        }
        63..71 => sim.silent_until_us[server] = sim.now_us + sim.rng.u64(100_000..2_500_000),
        71..75 => {
            let next_us = sim.rng.u64(100_000..1_500_000);
            if sim.hub().is_some() {
                sim.kill_hub(next_us);
            }
        }
        75..77 => {
            let for_us = sim.rng.u64(200_000..3_000_000);
            sim.pause_hub(for_us);
        }
        77..82 => sim.down_until_us = sim.now_us + sim.rng.u64(100_000..6_500_000),
        82..86 => sim.drain(server),
        86..92 => {
            let post = ["a", "b", "c"][sim.rng.usize(0..3)];
            if let Some(hub) = sim.hub() {
                let roots = vec![(zone, hub.chain(zone))];
                sim.tell(Event::Reassign { plan: 1, roots, post: post.to_owned() });
            }
        }
        92..96 => {
            let at = sim.rng.usize(0..sim.ships.len());
            let ship = sim.ships[at];
            let owner = sim.hub().and_then(|hub| hub.owner(ship)).map(|(.., owner)| owner);
            let (number, for_ms) = (sim.now_us, sim.rng.u64(1..4_000));
            if let Some(session) = owner {
                sim.tell(Event::Lock { session, number, roots: vec![ship], for_ms });
            }
        }
        96..98 => {
            let session = Session(sim.rng.u64(1..20));
            sim.tell(Event::Back(session));
        }
        _ => {
            if sim.hub().is_some_and(|hub| hub.term.is_some()) {
                sim.kill_hub(50_000);
            }
        }
    }
}

fn sim(seed: u64) -> Sim {
    Sim::new(seed, map(THREE), 6, &SERVERS)
}

#[test]
fn one_owner_at_most_and_one_in_the_end() {
    let (mut flips, mut raises) = (0, 0);
    for seed in seeds() {
        let mut sim = sim(seed);
        let result = catch_unwind(AssertUnwindSafe(|| day(&mut sim)));
        if let Err(panic) = result {
            eprintln!("seed {seed} at {} us", sim.now_us);
            std::panic::resume_unwind(panic);
        }
        flips += sim.hubs.iter().map(|hub| hub.atlas.counts.flips).sum::<u64>();
        raises += sim.checker.raises();
    }
    println!("{flips} flips, {raises} epochs");
    assert!(flips > seeds().end * 2, "{flips} flips in all: nothing was tried");
}

/// What the checker says of each seed on which it says something.
fn findings(break_it: impl Fn(&mut Sim)) -> impl Iterator<Item = String> {
    seeds().filter_map(move |seed| {
        let mut sim = sim(seed);
        break_it(&mut sim);
        let panic = catch_unwind(AssertUnwindSafe(|| day(&mut sim))).err()?;
        Some(format!("seed {seed} at {} us: {}", sim.now_us, panic.downcast_ref::<String>()?))
    })
}

fn deaf(sim: &mut Sim) {
    sim.servers.iter_mut().for_each(|server| server.deaf = true);
}

#[test]
fn servers_that_do_not_obey_are_not_heard() {
    for found in findings(deaf) {
        assert!(!found.contains("is taken from") && !found.contains("goes back from"), "{found}");
    }
}

#[test]
fn the_checker_sees_a_replicant_that_compares_no_epochs() {
    let mut findings = findings(|sim| {
        deaf(sim);
        sim.no_epochs = true;
    });
    assert!(findings.any(|found| found.contains("is taken from")));
}

#[test]
fn the_checker_sees_a_store_that_has_no_fence() {
    assert!(findings(|sim| sim.store.no_fence = true).any(|found| found.contains("goes back from")));
}
