//! The table of docs/authority.md, every pair of state and event: what is in it, and that nothing else does anything.

use bytes::Bytes;
use entitygraph_schema::{EntityId, Epoch, wire::control::message::Code};

use super::{
    Times,
    flip::{Effect, Input, step},
    map::PostId,
    message::{Chain, Frozen, Move, Session},
    state::{Asked, Context, Going, Left, State, Target, Why},
};

const S: Session = Session(1);
const T: Session = Session(2);
const U: Session = Session(3);
const NOW: u64 = 100_000_000;

fn epoch(number: u64) -> Epoch {
    Epoch::from_number(number)
}

fn chain() -> Chain {
    Chain([(EntityId::FIRST_LEASED, epoch(1))].into())
}

fn going(why: Why, prepared: bool, crossed: bool) -> Going {
    let (to, from) = (Target { session: T, post: PostId(1) }, PostId(0));
    let into = Some((EntityId::FIRST_LEASED, chain()));
    Going { number: Move(5), to, from, why, into, since_us: NOW, prepared, crossed, exit: None }
}

fn frozen() -> Frozen {
    let (number, owner, carry) = (Move(5), S, Bytes::from_static(b"carry"));
    Frozen { number, owner, tick: 7, pose: None, carry, chain: chain(), into: None }
}

fn asked(doubtful: bool, reading: bool) -> Asked {
    Asked { fresh: epoch(9), since_us: NOW, again_us: None, doubtful, reading }
}

fn flipping(owner: Option<Session>, target: bool, asked: Asked) -> State {
    let (going, frozen) = (going(Why::Border, true, true), Box::new(frozen()));
    State::Flipping { epoch: epoch(3), owner, going, target, frozen, asked }
}

fn recovering(to: Option<Session>, durable: bool, prepared: bool, asked: Asked) -> State {
    let to = to.map(|session| Target { session, post: PostId(1) });
    State::Recovering { epoch: epoch(3), to, number: Move(5), durable, prepared, left: Left::LOST, asked }
}

fn orphaned() -> State {
    let first = Some(Target { session: T, post: PostId(1) });
    State::Orphaned { epoch: epoch(3), since_us: NOW, was: Some((S, Some(Move(5)))), first, left: Left::LOST }
}

/// Each state, with what makes a difference in it.
fn states() -> Vec<(&'static str, State)> {
    let e = epoch(3);
    let preparing = |why, prepared, crossed| State::Preparing {
        epoch: e,
        owner: S,
        going: going(why, prepared, crossed),
    };
    vec![
        ("cold", State::Cold { epoch: e, granted: Some(S) }),
        ("unassigned", State::Unassigned { epoch: e, left: Left::LOST }),
        ("owned", State::Owned { epoch: e, owner: S }),
        ("draining", State::Draining { epoch: e, owner: S }),
        ("preparing", preparing(Why::Border, false, false)),
        ("prepared", preparing(Why::Border, true, false)),
        ("crossed", preparing(Why::Border, false, true)),
        ("ordered", preparing(Why::Ordered, false, false)),
        (
            "freezing",
            State::Freezing { epoch: e, owner: S, going: going(Why::Border, true, true), since_us: NOW },
        ),
        ("flipping", flipping(Some(S), true, asked(false, false))),
        ("flipping in doubt", flipping(Some(S), true, asked(true, false))),
        ("flipping without t", flipping(Some(S), false, asked(false, false))),
        ("flipping without s", flipping(None, true, asked(false, false))),
        ("flipping, reading", flipping(Some(S), true, asked(false, true))),
        ("orphaned", orphaned()),
        ("recovering", recovering(Some(T), false, false, asked(false, false))),
        ("recovering, prepared", recovering(Some(T), false, true, asked(false, false))),
        ("recovering, durable", recovering(Some(T), true, false, asked(false, false))),
        ("recovering without t", recovering(None, false, false, asked(false, false))),
        ("recovering, reading", recovering(Some(T), false, false, asked(false, true))),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    let found = Target { session: T, post: PostId(1) };
    vec![
        ("followed", Input::Followed(Some(S))),
        ("unwatched", Input::Unwatched),
        ("wanted", Input::Wanted(going(Why::Border, false, false))),
        ("cross", Input::Cross(S, EntityId::FIRST_LEASED, chain())),
        ("away", Input::Away),
        ("cancelled", Input::Cancelled),
        ("prepared", Input::Prepared(Move(5), T, None)),
        ("prepared for another", Input::Prepared(Move(4), T, None)),
        ("frozen", Input::Frozen(frozen(), epoch(9))),
        ("frozen for another", Input::Frozen(Frozen { number: Move(4), ..frozen() }, epoch(9))),
        ("s lost", Input::Lost(S)),
        ("t lost", Input::Lost(T)),
        ("u lost", Input::Lost(U)),
        ("s back", Input::Back(S)),
        ("t back", Input::Back(T)),
        ("drain", Input::Drain(true)),
        ("drain no more", Input::Drain(false)),
        ("locked", Input::Locked),
        ("found", Input::Found(found, Move(8), epoch(9))),
        ("nobody", Input::Nobody),
        ("committed", Input::Committed),
        ("refused", Input::Refused(epoch(11))),
        ("stale", Input::Stale),
        ("unsent", Input::Unsent),
        ("unknown", Input::Unknown),
        ("read e", Input::Read(Some(epoch(3)), epoch(11))),
        ("read f", Input::Read(Some(epoch(9)), epoch(11))),
        ("read another", Input::Read(Some(epoch(10)), epoch(11))),
        ("read: gone", Input::Read(None, epoch(11))),
        ("time", Input::Time),
    ]
}

fn context(times: &Times) -> Context<'_> {
    Context { now_us: NOW, free_us: 0, busy: false, times }
}

fn name(state: &State) -> String {
    match state {
        State::Cold { .. } => "Cold".to_owned(),
        State::Unassigned { .. } => "Unassigned".to_owned(),
        State::Owned { epoch, owner } => format!("Owned({epoch}, {})", owner.0),
        State::Draining { .. } => "Draining".to_owned(),
        State::Preparing { .. } => "Preparing".to_owned(),
        State::Freezing { .. } => "Freezing".to_owned(),
        State::Flipping { .. } => "Flipping".to_owned(),
        State::Orphaned { epoch, .. } => format!("Orphaned({epoch})"),
        State::Recovering { asked, to, .. } => {
            format!("Recovering({}, {})", asked.fresh, to.map_or(0, |to| to.session.0))
        }
    }
}

/// All that is in the table: everything else is refused.
const TABLE: &str = include_str!("table.txt");

#[test]
fn every_pair_of_state_and_event_is_as_the_table_says() {
    let times = Times::default();
    let mut found = String::new();
    for (state_name, state) in states() {
        for (input_name, input) in inputs() {
            if let Ok((next, effects)) = step(&state, input, &context(&times)) {
                let effects: Vec<_> = effects.iter().map(effect).collect();
                let line = format!("{state_name} | {input_name} | {} | {}", name(&next), effects.join(", "));
                found.push_str(line.trim_end());
                found.push('\n');
            }
        }
    }
    let (expected, found): (Vec<_>, Vec<_>) = (TABLE.lines().collect(), found.lines().collect());
    for line in &found {
        assert!(expected.contains(line), "not in the table: {line}\nall:\n{}", found.join("\n"));
    }
    for line in &expected {
        assert!(found.contains(line), "in the table only: {line}");
    }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Table => "table".to_owned(),
        Effect::Moved(..) => "moved".to_owned(),
        Effect::Grant(left) => format!("grant{}", if left.carry.is_some() { " with carry" } else { "" }),
        Effect::Revoke(session, _) => format!("revoke {}", session.0),
        Effect::Prepare(session, _) => format!("prepare {}", session.0),
        Effect::Freeze(session, _) => format!("freeze {}", session.0),
        Effect::Abort(session, ..) => format!("abort {}", session.0),
        Effect::Commit => "commit".to_owned(),
        Effect::Read => "read".to_owned(),
        Effect::Seek => "seek".to_owned(),
        Effect::Evict => "evict".to_owned(),
        Effect::Gone => "gone".to_owned(),
    }
}

#[test]
fn nothing_is_granted_but_by_a_commit() {
    let times = Times::default();
    for (state_name, state) in states() {
        for (input_name, input) in inputs() {
            let Ok((next, effects)) = step(&state, input, &context(&times)) else { continue };
            if effects.iter().any(|effect| matches!(effect, Effect::Grant(_))) {
                let durable = input_name == "committed"
                    || input_name == "read f"
                    || state_name == "recovering, durable"
                    || state_name == "cold" && next.epoch() == state.epoch();
                assert!(durable, "{state_name}, {input_name}: {effects:?}");
            }
        }
    }
}

#[test]
fn a_freeze_waits_for_locks_hysteresis_and_what_is_between_two_owners() {
    let times = Times::default();
    let ready = State::Preparing { epoch: epoch(3), owner: S, going: going(Why::Border, true, true) };
    let at = |now_us, free_us, busy| Context { now_us, free_us, busy, times: &times };
    let freezes = |context: Context<'_>| {
        let (state, effects) = step(&ready, Input::Time, &context).unwrap();
        assert_eq!(matches!(state, State::Freezing { .. }), !effects.is_empty());
        !effects.is_empty()
    };
    assert!(!freezes(at(NOW, NOW + 1, false)));
    assert!(!freezes(at(NOW, 0, true)));
    assert!(freezes(at(NOW + 1, NOW + 1, false)));
    assert_eq!(ready.due_us(&at(NOW, NOW + 7, false)), Some(NOW + 7));
    assert_eq!(ready.due_us(&at(NOW, NOW + 7, true)), None, "it is told when that is over");
}

#[test]
fn times_are_those_of_the_table() {
    let times = Times::default();
    let at = |now_us| Context { now_us, free_us: 0, busy: false, times: &times };
    let after = |state: &State, us| step(state, Input::Time, &at(NOW + us)).unwrap();
    let [.., preparing] = [4].map(|at| states().remove(at).1);
    assert!(after(&preparing, 29_999_999).1.is_empty());
    assert_eq!(after(&preparing, 30_000_000).1, [Effect::Abort(T, Move(5), Code::NotReady)]);
    let freezing = states().remove(8).1;
    assert!(after(&freezing, 499_999).1.is_empty());
    let (state, effects) = after(&freezing, 500_000);
    assert_eq!((name(&state).as_str(), effects.len()), ("Owned(3, 1)", 2));
    let flipping = states().remove(9).1;
    let unsent = |us| name(&step(&flipping, Input::Unsent, &at(NOW + us)).unwrap().0);
    assert_eq!((unsent(4_999_999).as_str(), unsent(5_000_000).as_str()), ("Flipping", "Owned(3, 1)"));
    let doubtful = states().remove(10).1;
    let (state, _) = step(&doubtful, Input::Unsent, &at(NOW + 60_000_000)).unwrap();
    assert_eq!(name(&state), "Flipping", "nobody simulates before it is known");
    let again = NOW + 60_000_000 + times.again_us;
    assert_eq!(state.due_us(&at(NOW)), Some(again));
    assert_eq!(step(&state, Input::Time, &at(again)).unwrap().1, [Effect::Commit]);
    assert!(after(&orphaned(), 999_999).1.is_empty());
    assert_eq!(after(&orphaned(), 1_000_000).1, [Effect::Seek]);
}
