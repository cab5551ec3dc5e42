//! The replicant without I/O, from one seed: reports, sockets that take nothing, sockets that are lost with what was on its way,
//! peers that load slowly, resume and come back, pauses longer than slices reach. Each view equals the authority at its horizon
//! in what it may see (G6), what is bound is what is near (G9), and what a player may not see is in none of its bytes.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod acts;
mod area;
mod checks;
mod history;
mod run;

use entitygraph_replication::config::Room;
use proptest::prelude::*;

use crate::{area::*, checks::*, history::*, run::*};

const TICK_US: u32 = 33_333;
const ZONE_ID: u64 = 1;
const FIRST: u64 = 100;
/// In each value that only servers may see, and in each that only an owner may.
const SECRET: &str = "SECRET";
const OWNED: &str = "OWNED";
const HALF_STEP_M: f64 = 0.5 / 64.0 + 1e-9;
const ROOM: Room = Room {
    level: 4,
    step: -6,
    radius_m: 60.0,
    batch_entities_max: 7,
    player_batches_max: 2,
    server_batches_max: 32,
    horizon_ms: 500,
    player_actions_max: 64,
    server_actions_max: 4_096,
    areas_max: 4,
};

fn run(seed: u64, steps: usize) -> usize {
    let mut run = Run::new(seed);
    run.settle();
    (0..steps).for_each(|_| run.step());
    run.settle();
    let mut horizons = 0;
    for peer in &run.peers[1..] {
        let view = &peer.view;
        horizons += peer.horizons;
        assert!(view.horizon() >= view.newest(), "seed {seed}: the horizon of {} stands still", peer.number);
        check_view(peer, &run.history, seed);
        let follows = !matches!(peer.area, Area::None);
        assert!(
            !follows || peer.followed || peer.late,
            "seed {seed}: {} does not hear Followed",
            peer.number
        );
        for (id, _) in &run.history.motions {
            let bound = view.entities().find(|(_, seen)| seen.entity.id == *id);
            let active = bound.is_some_and(|(_, seen)| seen.active);
            let (far_m, bound_m) = peer.area.far_m(&run, peer, *id);
            assert!(
                active || peer.late || far_m > 0.0,
                "seed {seed}: {id} is near {} and not shown",
                peer.number
            );
            assert!(
                bound.is_none() || bound_m <= 0.0,
                "seed {seed}: {id} is far from {}, and bound",
                peer.number
            );
        }
    }
    horizons
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn each_view_equals_the_authority_at_its_horizon(seed in any::<u64>()) {
        run(seed, 1_500);
    }
}

#[test]
fn horizons_are_reached_on_the_way() {
    assert!(run(1, 6_000) > 10);
}

#[test]
fn seeds_that_failed_once() {
    // A viewer whose sphere is empty; a Notice of a late batch that a lost socket took along; a batch of which all was unbound.
    for seed in [16_644_164_800_828_740_069, 16_980_892_723_964_774_819, 3_813_060_300_931_807_364] {
        run(seed, 1_500);
    }
}
