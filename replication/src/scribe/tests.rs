//! Single rules of the machine; histories from seeds are in `tests/scribe`.

use std::sync::Arc;

use entitygraph_client::graph::GraphError;
use entitygraph_schema::{
    Cursor, Entity, EntityId, Epoch, Operation, OperationId, Precondition, Receipt, Transaction,
    testing::{at, entity_id, item, name},
};

use super::{
    Scribe, Start,
    config::Config,
    fence,
    log::Row,
    message::{Asker, Command, Effect, Event, Out},
    replay::Replay,
    values::Values,
};
use crate::machine::{Machine, Now};

const ZONE: u64 = 2;

struct Hub {
    scribe: Scribe,
    now_us: u64,
    tick: u64,
    log_end: u64,
}

impl Hub {
    /// With ships 100, 110 and so on that are hot and where they were loaded: at x = 0.
    fn new(config: Config, ships: u64) -> Self {
        let start =
            Start { shard: entity_id(1), term: Epoch::from_number(7), cursor: Cursor::ZERO, log_end: 0 };
        let scribe = Scribe::new(config, start, Replay::default(), &mut Out::default());
        let mut hub = Self { scribe, now_us: 1_000_000, tick: 0, log_end: 0 };
        hub.fence(ZONE, None, 1);
        for ship in 0..ships {
            let id = 100 + 10 * ship;
            hub.fence(id, Some(ZONE), 1);
            let mut entity = Entity::created(item(id, ZONE), Epoch::ZERO);
            entity.placement.pose = Some(at(0.0, 0.0, 0.0));
            hub.handle(Event::Loaded { entity: Arc::new(entity), zone: entity_id(ZONE) });
        }
        hub
    }

    fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut out = Out::default();
        self.scribe.handle(Now { shard_us: self.now_us, tick_us: 33_333 }, event, &mut out);
        self.log_end += out.log.len() as u64;
        out.effects
    }

    fn fence(&mut self, entity: u64, around: Option<u64>, epoch: u64) -> Vec<Effect> {
        let row = fence::Row { around: around.map(entity_id), epoch: Epoch::from_number(epoch) };
        self.handle(Event::Fence { entity: entity_id(entity), row })
    }

    fn accept(&mut self, rows: impl IntoIterator<Item = (u64, u64, f64)>) -> Vec<Effect> {
        self.tick += 1;
        let row = |(root, entity, x)| Row {
            root: entity_id(root),
            entity: entity_id(entity),
            values: Values::pose(at(x, 0.0, 0.0)),
        };
        let rows = rows.into_iter().map(row).collect();
        self.handle(Event::Accepted { tick: self.tick, zone: entity_id(ZONE), rows })
    }

    /// Lets time pass, the log synced at its end.
    fn after(&mut self, us: u64) -> Vec<Effect> {
        self.now_us += us;
        let mut effects = self.handle(Event::Synced(self.log_end));
        effects.extend(self.handle(Event::Woken));
        effects
    }

    fn answer(&mut self, ask: u64, outcome: Result<Receipt, GraphError>) -> Vec<Effect> {
        self.handle(Event::Answered { ask, outcome })
    }

    fn done(&mut self, ask: u64, cursor: u64) -> Vec<Effect> {
        self.answer(ask, Ok(Receipt { cursor: Cursor::from_number(cursor), replayed: false }))
    }

    fn barrier(&mut self, roots: &[u64]) -> Vec<Effect> {
        let roots = roots.iter().copied().map(entity_id).collect();
        self.handle(Event::Barrier { who: Asker::Area(1), roots })
    }
}

/// Questions among effects, each with the entities that it changes.
fn asks(effects: &[Effect]) -> Vec<(u64, Vec<u64>)> {
    let ask = |effect: &Effect| match effect {
        Effect::Ask { ask, transaction } => Some((*ask, changed(transaction))),
        _ => None,
    };
    effects.iter().filter_map(ask).collect()
}

fn changed(transaction: &Transaction) -> Vec<u64> {
    let change = |operation: &Operation| match operation {
        Operation::Change(entity, _) => entity.get(),
        other => panic!("{other:?}"),
    };
    let mut changed: Vec<u64> = transaction.operations.iter().map(change).collect();
    changed.sort_unstable();
    changed
}

/// Waits no longer when the graph is slow.
fn steady() -> Config {
    let wait_us_max = Config::default().wait_us_min;
    Config { wait_us_max, ..Config::default() }
}

fn refused(entity: Option<u64>) -> GraphError {
    let entity = entity.map(entity_id);
    GraphError::Refused { code: "WRONG_KIND".into(), reason: "of a test".into(), entity }
}

fn stale(entity: u64, found: u64) -> GraphError {
    let (given, found) = (Epoch::from_number(1), Epoch::from_number(found));
    GraphError::StaleEpoch { entity: entity_id(entity), given, found }
}

fn command(ticket: u64, root: u64) -> Command {
    Command {
        ticket,
        operation_id: name(&format!("game/{ticket}")),
        preconditions: vec![],
        operations: vec![Operation::Bury { entity: entity_id(root), subtree: true }],
        roots: vec![entity_id(root)],
        fenced: vec![],
        left: None,
    }
}

/// What can be seen of an area that goes cold: whether it may, and what was written for it (AC 2.13.2, 2.13.3, 2.29.3).
#[test]
fn an_area_may_go_cold_when_it_is_durable_and_at_once_when_nothing_changed() {
    let mut hub = Hub::new(Config::default(), 2);
    let passed = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Passed { .. }));
    assert!(passed(&hub.barrier(&[100, 110])), "nothing waits");
    // Told again as it was loaded: nothing to be written.
    hub.accept([(100, 100, 0.0), (110, 110, 0.0)]);
    assert!(!passed(&hub.barrier(&[100, 110])), "what was accepted is not looked at before it is synced");
    let effects = hub.after(50_000);
    assert!(passed(&effects) && asks(&effects).is_empty(), "{effects:?}");
    assert_eq!(hub.scribe.counts().unchanged, 2);
    // One moved: the area waits for it, and for it alone.
    hub.accept([(100, 100, 1.0), (110, 110, 0.0)]);
    assert!(!passed(&hub.barrier(&[100, 110])));
    let effects = hub.after(50_000);
    assert_eq!(asks(&effects), [(1, vec![100])], "it does not wait until it is ripe");
    assert!(passed(&hub.done(1, 1)));
    hub.handle(Event::Cold(vec![entity_id(100), entity_id(110)]));
    assert_eq!(hub.scribe.known.len(), 0);
    // Loaded again and told the same again: nothing is written a second time.
    let mut entity = Entity::created(item(100, ZONE), Epoch::ZERO);
    entity.placement.pose = Some(at(1.0, 0.0, 0.0));
    hub.fence(100, Some(ZONE), 1);
    hub.handle(Event::Loaded { entity: Arc::new(entity), zone: entity_id(ZONE) });
    hub.accept([(100, 100, 1.0)]);
    let mut effects = hub.barrier(&[100]);
    effects.extend(hub.after(50_000));
    assert!(passed(&effects) && asks(&effects).is_empty(), "{effects:?}");
}

#[test]
fn a_batch_has_at_most_so_many_operations_whole_aggregates_and_there_are_four_without_a_common_entity() {
    let config = Config { operations_max: 4, ..steady() };
    let mut hub = Hub::new(config, 8);
    // The first has five entities: more than a batch, and not cut. The others have three each.
    let crew = |ship: u64| {
        (0..if ship == 0 { 5 } else { 3 }).map(move |i| (100 + 10 * ship, 100 + 10 * ship + i, 1.0))
    };
    hub.accept((0..8).flat_map(crew));
    assert_eq!(asks(&hub.after(499_999)), [], "what changes often is written seldom");
    let asked = asks(&hub.after(1));
    let roots: Vec<u64> = asked.iter().map(|(_, entities)| entities[0]).collect();
    assert_eq!(roots, [100, 110, 120, 130]);
    assert_eq!(asked.iter().map(|(_, entities)| entities.len()).collect::<Vec<_>>(), [5, 3, 3, 3]);
    // What is told of them meanwhile waits for them.
    hub.accept([(110, 111, 2.0)]);
    assert_eq!(asks(&hub.after(600_000)), []);
    assert_eq!(asks(&hub.done(1, 1)), [(5, vec![140, 141, 142])]);
    assert_eq!(asks(&hub.done(2, 2)), [(6, vec![150, 151, 152])], "others wait longer");
    assert_eq!(asks(&hub.done(3, 3)), [(7, vec![160, 161, 162])]);
    assert_eq!(asks(&hub.done(4, 4)), [(8, vec![111, 170, 171, 172])], "as much as fits");
}

#[test]
fn the_fence_of_a_batch_names_the_shard_and_each_chain_once() {
    let mut hub = Hub::new(Config::default(), 2);
    hub.accept([(100, 100, 1.0), (110, 110, 1.0)]);
    let effects = hub.after(500_000);
    let Some(Effect::Ask { transaction, .. }) = effects.iter().find(|e| matches!(e, Effect::Ask { .. }))
    else {
        panic!("{effects:?}");
    };
    let epoch = |entity, epoch| Precondition::Epoch(entity_id(entity), Epoch::from_number(epoch));
    assert_eq!(transaction.preconditions, [epoch(1, 7), epoch(100, 1), epoch(ZONE, 1), epoch(110, 1)]);
    assert_eq!(transaction.operation_id.as_ref().map(OperationId::as_str), Some("scribe/7/1"));
}

#[test]
fn what_is_refused_is_dropped_and_named_and_the_others_are_written() {
    let dropped = |effects: &[Effect]| -> Vec<EntityId> {
        let entity = |effect: &Effect| match effect {
            Effect::Dropped { entity, .. } => Some(*entity),
            _ => None,
        };
        effects.iter().filter_map(entity).collect()
    };
    let mut hub = Hub::new(Config::default(), 4);
    hub.accept((0..4).map(|ship| (100 + 10 * ship, 100 + 10 * ship, 1.0)));
    hub.after(500_000);
    // The refusal names it.
    let effects = hub.answer(1, Err(refused(Some(110))));
    assert_eq!(dropped(&effects), [entity_id(110)]);
    assert_eq!(asks(&effects), [(2, vec![100, 120, 130])]);
    // It names none: the halves are tried, until it is alone.
    let mut found = vec![];
    let mut open = asks(&hub.answer(2, Err(refused(None))));
    while let Some((ask, entities)) = open.pop() {
        let effects =
            if entities.contains(&130) { hub.answer(ask, Err(refused(None))) } else { hub.done(ask, 9) };
        found.extend(dropped(&effects));
        open.extend(asks(&effects));
    }
    assert_eq!(found, [entity_id(130)]);
    assert_eq!((hub.scribe.counts().written, hub.scribe.counts().dropped, hub.scribe.entities()), (2, 2, 0));
}

#[test]
fn what_a_flip_is_under_way_of_waits_for_the_new_epoch_and_is_given_up_in_the_end() {
    let mut hub = Hub::new(Config::default(), 3);
    hub.accept((0..3).map(|ship| (100 + 10 * ship, 100 + 10 * ship, 1.0)));
    hub.after(500_000);
    let effects = hub.answer(1, Err(stale(100, 5)));
    assert!(effects.contains(&Effect::Stale { entity: entity_id(100), found: Epoch::from_number(5) }));
    assert_eq!(asks(&effects), [(2, vec![110, 120])], "the others go on");
    assert_eq!(asks(&hub.answer(2, Err(stale(110, 5)))), [(3, vec![120])]);
    assert_eq!(asks(&hub.fence(100, Some(ZONE), 4)), [], "not high enough");
    assert_eq!(asks(&hub.fence(100, Some(ZONE), 5)), [(4, vec![100])]);
    let effects = hub.after(Config::default().stale_us_max);
    let given_up = |effect: &Effect| matches!(effect, Effect::Dropped { entity, code, .. } if *entity == entity_id(110) && code == "STALE_EPOCH");
    assert!(effects.iter().any(given_up), "{effects:?}");
}

#[test]
fn an_unknown_outcome_is_asked_for_under_the_same_name_and_a_busy_graph_gets_what_is_newer() {
    let mut hub = Hub::new(steady(), 1);
    hub.accept([(100, 100, 1.0)]);
    let first = hub.after(500_000);
    hub.answer(1, Err(GraphError::Unknown { reason: "of a test".into() }));
    hub.accept([(100, 100, 2.0)]);
    assert_eq!(hub.after(100_000), first, "the same transaction, and nothing newer before it is known");
    let busy = GraphError::Busy { reason: "of a test".into() };
    hub.answer(1, Err(busy.clone()));
    assert_eq!(hub.after(200_000), first, "it may have been done the first time");
    assert_eq!(hub.done(1, 1), [], "it waits as anything does");
    assert_eq!(asks(&hub.after(500_000)), [(2, vec![100])]);
    hub.accept([(100, 100, 3.0)]);
    assert_eq!(hub.answer(2, Err(busy)), [], "not at once");
    let effects = hub.after(100_000);
    let Some(Effect::Ask { transaction, .. }) = effects.first() else { panic!("{effects:?}") };
    let newest = Operation::Change(entity_id(100), Values::pose(at(3.0, 0.0, 0.0)).patch());
    assert_eq!(transaction.operations, [newest]);
}

#[test]
fn a_command_has_what_waits_first_and_is_not_asked_before_the_log_says_so() {
    let mut hub = Hub::new(Config::default(), 2);
    hub.accept([(100, 100, 1.0), (110, 110, 1.0)]);
    let effects = hub.handle(Event::Command(Box::new(command(1, 100))));
    assert_eq!(effects, [Effect::Sync]);
    let effects = hub.after(1_000);
    let Some(Effect::Ask { ask, transaction }) = effects.first().cloned() else { panic!("{effects:?}") };
    let first = Operation::Change(entity_id(100), Values::pose(at(1.0, 0.0, 0.0)).patch());
    assert_eq!(transaction.operations[0], first);
    assert!(matches!(transaction.operations[1], Operation::Bury { .. }));
    assert_eq!(transaction.operation_id, Some(name("game/1")));
    // A second one of the same aggregate waits for the first; one of another does not.
    assert_eq!(hub.handle(Event::Command(Box::new(command(2, 100)))), []);
    assert_eq!(hub.handle(Event::Command(Box::new(command(3, 110)))), [Effect::Sync]);
    // Its refusal brings back what waited.
    let effects = hub.answer(ask, Err(refused(None)));
    assert!(effects.contains(&Effect::Done { ticket: 1, outcome: Err(refused(None)) }));
    let effects = hub.after(1_000);
    let second = effects.iter().find_map(|effect| match effect {
        Effect::Ask { transaction, .. } if transaction.operation_id == Some(name("game/2")) => {
            Some(transaction)
        }
        _ => None,
    });
    assert_eq!(second.map(|transaction| &transaction.operations[0]), Some(&first));
}

#[test]
fn the_same_command_again_has_the_first_outcome_and_what_waits_goes_on_waiting() {
    let mut hub = Hub::new(Config::default(), 1);
    hub.handle(Event::Command(Box::new(command(1, 100))));
    hub.after(1_000);
    hub.done(1, 1);
    hub.accept([(100, 100, 1.0)]);
    hub.handle(Event::Command(Box::new(Command { ticket: 2, ..command(1, 100) })));
    hub.after(1_000);
    let receipt = Receipt { cursor: Cursor::from_number(1), replayed: true };
    let effects = hub.answer(2, Ok(receipt));
    assert!(effects.contains(&Effect::Done { ticket: 2, outcome: Ok(receipt) }));
    assert_eq!(asks(&hub.after(500_000)), [(3, vec![100])], "it was not in what was done");
}

#[test]
fn without_a_log_play_goes_on_commands_are_refused_and_nothing_is_written_that_the_log_does_not_have() {
    let busy = |effects: &[Effect]| {
        effects.iter().any(|e| matches!(e, Effect::Done { outcome: Err(GraphError::Busy { .. }), .. }))
    };
    let mut hub = Hub::new(Config::default(), 2);
    hub.accept([(100, 100, 1.0)]);
    hub.after(10_000);
    assert_eq!(hub.handle(Event::Taking(false)), [Effect::LogFull(true)]);
    assert!(busy(&hub.handle(Event::Command(Box::new(command(1, 100))))));
    hub.accept([(110, 110, 1.0)]);
    assert_eq!(asks(&hub.after(500_000)), [(1, vec![100])], "the log has it, the other not");
    hub.done(1, 1);
    let before = hub.log_end;
    assert_eq!(hub.handle(Event::Taking(true)), [Effect::LogFull(false), Effect::Sync]);
    assert!(hub.log_end > before, "it is written to the log first");
    assert_eq!(asks(&hub.after(10_000)), [(2, vec![110])]);
}

/// What is told of an aggregate while it leaves a zone is void only with the intent before it.
#[test]
fn an_intent_stays_in_the_log_until_its_outcome_is_synced() {
    let mut hub = Hub::new(Config::default(), 1);
    let left = Some(entity_id(ZONE));
    hub.handle(Event::Command(Box::new(Command { left, ..command(1, 100) })));
    hub.after(1_000);
    hub.accept([(100, 100, 1.0)]);
    let before = hub.scribe.log_bytes();
    let effects = hub.done(1, 1);
    assert!(effects.iter().all(|effect| !matches!(effect, Effect::Release(_))), "{effects:?}");
    assert!(hub.scribe.log_bytes() > before && hub.scribe.entities() == 0, "nothing waits, and it stays");
    hub.after(50_000);
    assert_eq!(hub.scribe.log_bytes(), 0);
}

/// Entries that are in the log in part must not hold it for good.
#[test]
fn a_full_log_empties_itself_once_the_graph_takes_something() {
    let mut hub = Hub::new(Config { log_bytes: 1 << 20, log_bytes_max: 300, ..steady() }, 1);
    let mut full = false;
    for x in 1..20 {
        full |= hub.accept([(100, 100, f64::from(x))]).contains(&Effect::LogFull(true));
    }
    assert!(full);
    hub.after(500_000);
    let asked = asks(&hub.after(1_000));
    assert_eq!(asked, [(1, vec![100])]);
    hub.done(1, 1);
    hub.after(50_000);
    assert!(hub.accept([(100, 100, 99.0)]).contains(&Effect::LogFull(false)));
}

#[test]
fn commands_wait_for_a_graph_that_is_busy_and_are_told_so_in_the_end() {
    let mut hub = Hub::new(Config { commands_max: 1, ..Config::default() }, 1);
    hub.handle(Event::Command(Box::new(command(1, 100))));
    hub.after(1_000);
    hub.handle(Event::Command(Box::new(command(2, 100))));
    let third = hub.handle(Event::Command(Box::new(command(3, 100))));
    assert!(
        matches!(third[..], [Effect::Done { ticket: 3, outcome: Err(GraphError::Busy { .. }) }]),
        "{third:?}"
    );
    let busy = GraphError::Busy { reason: "of a test".into() };
    assert_eq!(hub.answer(1, Err(busy.clone())), []);
    let effects = hub.after(Config::default().command_us_max);
    assert!(
        matches!(effects[..], [Effect::Ask { ask: 1, .. }, Effect::Done { ticket: 2, .. }]),
        "{effects:?}"
    );
    assert_eq!(hub.answer(1, Err(busy.clone()))[..1], [Effect::Done { ticket: 1, outcome: Err(busy) }]);
}

#[test]
fn a_slow_graph_is_asked_less_often() {
    let mut hub = Hub::new(Config::default(), 1);
    for _ in 0..12 {
        hub.accept([(100, 100, hub.tick as f64 + 1.0)]);
        let ask = asks(&hub.after(5_000_000));
        hub.now_us += 2_000_000;
        hub.done(ask[0].0, 1);
    }
    hub.accept([(100, 100, 99.0)]);
    assert_eq!(asks(&hub.after(4_999_999)), []);
    assert_eq!(asks(&hub.after(1)).len(), 1, "five seconds at most");
}
