use entitygraph_schema::testing::{at, component_id, entity_id, text, variable_id};

use super::*;

fn entry(root: u64, tick: u64, x: f64) -> Entry {
    let values = Values::pose(at(x, 0.0, 0.0));
    Entry { root: entity_id(root), zone: entity_id(1), tick, values }
}

fn arrival(number: u64) -> Arrival {
    let logged = Logged { from: number * 100, to: number * 100 + 100, missing: false };
    Arrival { number, now_us: number * 1_000, logged }
}

fn accept(backlog: &mut Backlog, id: u64, entry: Entry, number: u64) {
    assert!(backlog.accept(entity_id(id), entry, arrival(number)));
}

#[test]
fn an_entity_has_one_entry_the_newest_of_each_part_and_waits_since_its_first() {
    let mut backlog = Backlog::default();
    let mut named = entry(7, 1, 1.0);
    named.values.set((component_id(1), variable_id(1)), Some(text("a")));
    accept(&mut backlog, 7, named.clone(), 1);
    accept(&mut backlog, 7, entry(7, 2, 2.0), 2);
    assert!(!backlog.accept(entity_id(7), entry(7, 1, 9.0), arrival(3)), "older than what waits");
    named.values.pose = Some(at(2.0, 0.0, 0.0));
    named.tick = 2;
    assert_eq!(backlog.len(), 1);
    let taken = backlog.take(entity_id(7)).unwrap();
    assert_eq!(
        (taken.first, taken.since_us, taken.logged),
        (1, 1_000, Logged { from: 100, to: 300, missing: false })
    );
    assert_eq!(taken.entries, [(entity_id(7), named)]);
    assert!(backlog.is_empty() && backlog.entries.is_empty() && backlog.log_from().is_none());
}

#[test]
fn what_is_given_back_is_older_than_what_came_meanwhile_and_keeps_its_place() {
    let mut backlog = Backlog::default();
    accept(&mut backlog, 7, entry(7, 1, 1.0), 1);
    accept(&mut backlog, 8, entry(8, 1, 1.0), 2);
    let taken = backlog.take(entity_id(7)).unwrap();
    accept(&mut backlog, 7, entry(7, 2, 2.0), 3);
    backlog.give_back(taken);
    let order: Vec<_> = backlog.ready().map(|(root, waiting)| (root.get(), waiting.first)).collect();
    assert_eq!(order, [(7, 1), (8, 2)]);
    assert_eq!(backlog.entry(entity_id(7)), Some(&entry(7, 2, 2.0)));
    assert_eq!(backlog.log_from(), Some((100, entity_id(7))));
    backlog.hurry(entity_id(8));
    assert_eq!(backlog.ready().next().unwrap().0, entity_id(8));
    backlog.hold(entity_id(8), Some(Held { on: entity_id(1), epoch: Epoch::ZERO, until_us: None }));
    assert_eq!(backlog.ready().next().unwrap().0, entity_id(7));
    assert_eq!(backlog.oldest().unwrap().first, 1);
}

#[test]
fn an_entity_that_goes_to_another_aggregate_waits_there_as_long() {
    let mut backlog = Backlog::default();
    accept(&mut backlog, 5, entry(7, 1, 1.0), 1);
    accept(&mut backlog, 5, entry(8, 2, 2.0), 2);
    assert_eq!(backlog.take(entity_id(7)).unwrap().entries, []);
    let taken = backlog.take(entity_id(8)).unwrap();
    assert_eq!((taken.entries.len(), taken.first, taken.logged.from), (1, 1, 100));
}

#[test]
fn poses_in_a_zone_that_was_left_go_and_values_stay() {
    let mut backlog = Backlog::default();
    let mut named = entry(7, 1, 1.0);
    named.values.set((component_id(1), variable_id(1)), Some(text("a")));
    accept(&mut backlog, 5, entry(7, 1, 1.0), 1);
    accept(&mut backlog, 6, named, 1);
    accept(&mut backlog, 7, Entry { zone: entity_id(2), ..entry(7, 1, 1.0) }, 1);
    backlog.void(entity_id(7), entity_id(1));
    let left: Vec<_> =
        backlog.members(entity_id(7)).map(|(id, entry)| (id.get(), entry.values.pose.is_some())).collect();
    assert_eq!(left, [(6, false), (7, true)]);
    backlog.void(entity_id(7), entity_id(2));
    backlog.forget(entity_id(6));
    assert!(backlog.is_empty());
}
