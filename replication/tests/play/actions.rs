//! Each action has its effect once, whatever is lost on the way, and inputs and events reach who they are for.

use entitygraph_replication::{config::Room, message::Up};
use entitygraph_schema::wire::{
    Handle, Kind, Role, control::message::Code, frame::Frames, input::PlayerInput, limits::Limits,
};
use proptest::prelude::*;

use crate::run::{FIRST, Run};

fn run(seed: u64, steps: usize) -> usize {
    let mut run = Run::new(seed, Room::default());
    run.pass(100_000);
    (0..steps).for_each(|_| run.step());
    run.settle();
    run.check(seed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn each_action_has_its_effect_once_and_one_result(seed in any::<u64>()) {
        run(seed, 1_200);
    }
}

#[test]
fn actions_are_done_on_the_way() {
    assert!(run(3, 4_000) > 50);
}

#[test]
fn an_action_without_an_owner_is_answered_in_five_seconds_and_too_many_at_once() {
    let mut run = Run::quiet(Room { player_actions_max: 2, ..Room::default() });
    run.detach(0);
    run.detach(1);
    (0..3).for_each(|_| run.act(2));
    run.pass(100_000);
    run.read(2);
    let codes = |run: &Run| {
        let mut codes: Vec<_> =
            run.peers[2].results.iter().map(|(number, (_, result))| (*number, result.code())).collect();
        codes.sort_unstable();
        codes
    };
    assert_eq!(codes(&run), [(3, Code::TooMany)]);
    run.pass(5_600_000);
    run.read_all(2);
    assert_eq!(codes(&run), [(1, Code::NoOwner), (2, Code::NoOwner), (3, Code::TooMany)]);
    run.say_action(2, 4, Handle::new(9_999).unwrap());
    run.peers[2].asked.insert(4, (Handle::new(9_999).unwrap(), false));
    run.pass(100_000);
    run.read(2);
    assert_eq!(codes(&run).last(), Some(&(4, Code::NotSeen)));
}

#[test]
fn the_newest_input_goes_to_the_owner_and_what_it_used_comes_back() {
    let mut run = Run::quiet(Room::default());
    let character = run.handle(FIRST);
    for (number, content) in [(1, b"left"), (3, b"jump"), (2, b"late")] {
        let mut bytes = Vec::new();
        PlayerInput { character, number, content }.put_frame(&mut bytes);
        let frame = Frames::new(&bytes, Limits::up(Role::Player)).unwrap().next().unwrap().unwrap();
        run.say_bytes(2, Kind::Input, frame.body.to_vec());
    }
    run.pass(50_000);
    let owner = run.owner();
    run.read_all(owner);
    assert_eq!(run.peers[owner].inputs.get(&character), Some(&(3, b"jump".to_vec())));
    run.tick(owner, false);
    run.pass(50_000);
    run.read_all(2);
    assert_eq!(run.peers[2].applied, 3);
}

#[test]
fn events_are_told_once_while_they_are_fresh_and_counted_afterwards() {
    let mut run = Run::quiet(Room::default());
    let owner = run.owner();
    let other = 3;
    let connection = run.peers[other].connection.unwrap();
    for (round, full) in [false, true].into_iter().enumerate() {
        if full {
            run.up(Up::Full(connection));
        }
        run.act(2);
        run.pass(50_000);
        run.read_all(owner);
        run.tick(owner, false);
        run.pass(700_000);
        run.up(Up::Takes(connection));
        run.pass(50_000);
        run.read_all(2);
        run.read_all(other);
        assert_eq!(run.peers[2].events, round as u64 + 1);
    }
    assert_eq!(run.peers[other].events, 1, "the second was half a second old");
    let left_out = run.peers[other].notices.iter().find(|notice| notice.code() == Code::EventsLeftOut);
    assert_eq!(left_out.map(|notice| notice.count), Some(1));
}
