//! What each event makes of a state: the table of docs/authority.md as one function. It decides nothing but that: whom to give what
//! is for [`super::recovery`] and `drain`, what is written for [`super::transaction`].

use entitygraph_schema::{EntityId, Epoch, Pose, wire::control::message::Code};

use super::{
    message::{Chain, Frozen, Move, Session},
    state::{Asked, Context, Going, Left, State, Target, Why},
};

/// What happens to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Somebody follows it; with the session that has its post.
    Followed(Option<Session>),
    /// Nobody does, and all of it is durable.
    Unwatched,
    /// It is to go: look-ahead, `Cross` before the target is prepared, or an order.
    Wanted(Going),
    /// Its owner says that it is over the border: in this zone, which is fenced so.
    Cross(Session, EntityId, Chain),
    /// It turned away.
    Away,
    /// What is around it goes: an order or border of its own is off.
    Cancelled,
    /// A target has loaded it.
    Prepared(Move, Session, Option<Pose>),
    /// Its owner stopped; with the epoch for the flip.
    Frozen(Frozen, Epoch),
    /// A session is lost.
    Lost(Session),
    /// A session resumed within its lease.
    Back(Session),
    /// Its owner is to be emptied, or is not any more.
    Drain(bool),
    /// A lock came or went.
    Locked,
    /// Somebody can take it; with numbers for it.
    Found(Target, Move, Epoch),
    /// Nobody can.
    Nobody,
    /// The transaction is durable.
    Committed,
    /// A rule refused it; with an epoch in case an earlier attempt is in doubt.
    Refused(Epoch),
    /// `STALE_EPOCH`, of something else than the shard entity.
    Stale,
    /// It did not reach the service.
    Unsent,
    /// Nobody knows.
    Unknown,
    /// The store was read: its epoch there; none if it is gone. With an epoch as for `Refused`.
    Read(Option<Epoch>, Epoch),
    /// Time passed.
    Time,
}

/// What is to be done, in this order, with the new state in the table already.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell the table who simulates.
    Table,
    /// The same, and that it is in another place: that of the flip.
    Moved(Going, Box<Frozen>),
    /// Grant it to its owner, with what the last one left.
    Grant(Left),
    /// Revoke the grant of this epoch.
    Revoke(Session, Epoch),
    /// Have it loaded.
    Prepare(Session, Move),
    /// Have it stopped.
    Freeze(Session, Move),
    /// It is off.
    Abort(Session, Move, Code),
    /// Commit what the state asks for: the same again, unless it is new.
    Commit,
    /// Read the entity.
    Read,
    /// Find somebody for it.
    Seek,
    /// What is in memory of it may go.
    Evict,
    /// The entity is not there any more: forget it.
    Gone,
}

/// What is not in the table: it changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotNow;

/// The table: what an event makes of a state, and what is to be done.
///
/// # Errors
///
/// [`NotNow`] for what is not in the table; the state stays as it was.
pub fn step(state: &State, input: Input, context: &Context<'_>) -> Result<(State, Vec<Effect>), NotNow> {
    match state {
        State::Cold { .. } | State::Unassigned { .. } => resting(state, input, context),
        State::Owned { epoch, owner } => owned(*epoch, *owner, false, input, context),
        State::Draining { epoch, owner } => owned(*epoch, *owner, true, input, context),
        State::Preparing { epoch, owner, going } => preparing(*epoch, *owner, going, input, context),
        State::Freezing { epoch, owner, going, since_us } => {
            freezing(*epoch, *owner, going, *since_us, input, context)
        }
        State::Flipping { .. } => super::commit::flipping(state, input, context),
        State::Orphaned { .. } => orphaned(state, input, context),
        State::Recovering { .. } => super::commit::recovering(state, input, context),
    }
}

type Step = Result<(State, Vec<Effect>), NotNow>;

fn resting(state: &State, input: Input, context: &Context<'_>) -> Step {
    let now_us = context.now_us;
    Ok(match (state, input) {
        // The grant stands: it was never given to anybody else.
        (State::Cold { epoch, granted: Some(owner) }, Input::Followed(Some(session)))
            if *owner == session =>
        {
            (
                State::Owned { epoch: *epoch, owner: session },
                vec![Effect::Table, Effect::Grant(Left::default())],
            )
        }
        (State::Cold { epoch, .. }, Input::Followed(session)) => {
            let seek = session.map(|_| Effect::Seek);
            let state = State::Unassigned { epoch: *epoch, left: Left::default() };
            (state, std::iter::once(Effect::Table).chain(seek).collect())
        }
        (State::Cold { epoch, granted: Some(owner) }, Input::Lost(session)) if *owner == session => {
            (State::Cold { epoch: *epoch, granted: None }, Vec::new())
        }
        (State::Unassigned { epoch, left }, Input::Found(to, number, fresh)) => {
            recover(*epoch, to, number, fresh, left.clone(), now_us)
        }
        _ => return Err(NotNow),
    })
}

fn owned(epoch: Epoch, owner: Session, draining: bool, input: Input, context: &Context<'_>) -> Step {
    let same = || if draining { State::Draining { epoch, owner } } else { State::Owned { epoch, owner } };
    Ok(match input {
        Input::Wanted(going) => {
            let prepare = Effect::Prepare(going.to.session, going.number);
            (State::Preparing { epoch, owner, going }, vec![prepare])
        }
        Input::Lost(session) if session == owner => {
            orphan(epoch, Some((owner, None)), None, Left::LOST, context)
        }
        Input::Unwatched => {
            let state = State::Cold { epoch, granted: Some(owner) };
            (state, vec![Effect::Table, Effect::Revoke(owner, epoch), Effect::Evict])
        }
        Input::Drain(true) if !draining => (State::Draining { epoch, owner }, Vec::new()),
        Input::Drain(false) if draining => (State::Owned { epoch, owner }, Vec::new()),
        Input::Locked => (same(), Vec::new()),
        _ => return Err(NotNow),
    })
}

fn preparing(epoch: Epoch, owner: Session, going: &Going, input: Input, context: &Context<'_>) -> Step {
    let Context { now_us, times, .. } = *context;
    let (target, number) = (going.to.session, going.number);
    let off = |code| (State::Owned { epoch, owner }, vec![Effect::Abort(target, number, code)]);
    let mut going = going.clone();
    match input {
        Input::Prepared(which, session, exit) if which == number && session == target => {
            going.prepared = true;
            going.exit = exit;
        }
        Input::Cross(session, zone, chain) if session == owner => {
            going.crossed = true;
            going.into = Some((zone, chain));
        }
        Input::Away if going.why == Why::Border => return Ok(off(Code::NotReady)),
        Input::Cancelled => return Ok(off(Code::Busy)),
        Input::Time if !going.is_ready() && now_us >= going.since_us + times.prepare_us => {
            return Ok(off(Code::NotReady));
        }
        Input::Time | Input::Locked => {}
        Input::Lost(session) if session == owner => {
            let first = Some(going.to).filter(|to| to.session != owner);
            return Ok(orphan(epoch, Some((owner, None)), first, Left::LOST, context));
        }
        Input::Lost(session) if session == target => return Ok((State::Owned { epoch, owner }, Vec::new())),
        _ => return Err(NotNow),
    }
    if going.is_ready() && !context.busy && now_us >= context.free_us {
        let freeze = Effect::Freeze(owner, number);
        return Ok((State::Freezing { epoch, owner, going, since_us: now_us }, vec![freeze]));
    }
    Ok((State::Preparing { epoch, owner, going }, Vec::new()))
}

fn freezing(
    epoch: Epoch,
    owner: Session,
    going: &Going,
    since_us: u64,
    input: Input,
    context: &Context<'_>,
) -> Step {
    let Context { now_us, times, .. } = *context;
    let (target, number) = (going.to.session, going.number);
    Ok(match input {
        Input::Frozen(frozen, fresh) if frozen.number == number && frozen.owner == owner => {
            let (going, frozen) = (going.clone(), Box::new(frozen));
            let asked = Asked::new(fresh, now_us);
            let state = State::Flipping { epoch, owner: Some(owner), going, target: true, frozen, asked };
            (state, vec![Effect::Table, Effect::Commit])
        }
        Input::Time if now_us >= since_us + times.freeze_us => {
            let aborts = [owner, target].map(|session| Effect::Abort(session, number, Code::NotReady));
            (State::Owned { epoch, owner }, aborts.into())
        }
        Input::Time => {
            return Ok((State::Freezing { epoch, owner, going: going.clone(), since_us }, Vec::new()));
        }
        Input::Lost(session) if session == owner => {
            let first = Some(going.to).filter(|to| to.session != owner);
            orphan(epoch, Some((owner, Some(number))), first, Left::LOST, context)
        }
        Input::Lost(session) if session == target => {
            (State::Owned { epoch, owner }, vec![Effect::Abort(owner, number, Code::NoOwner)])
        }
        _ => return Err(NotNow),
    })
}

fn orphaned(state: &State, input: Input, context: &Context<'_>) -> Step {
    let State::Orphaned { epoch, since_us, was, first, left } = state else { return Err(NotNow) };
    let (epoch, was) = (*epoch, *was);
    Ok(match input {
        Input::Found(to, number, fresh) => recover(epoch, to, number, fresh, left.clone(), context.now_us),
        Input::Back(session) => match was {
            Some((owner, stopped)) if owner == session => {
                let abort = stopped.map(|number| Effect::Abort(owner, number, Code::NoOwner));
                (State::Owned { epoch, owner }, std::iter::once(Effect::Table).chain(abort).collect())
            }
            _ => return Err(NotNow),
        },
        Input::Lost(session) if first.is_some_and(|first| first.session == session) => {
            let state = State::Orphaned { epoch, since_us: *since_us, was, first: None, left: left.clone() };
            (state, vec![Effect::Seek])
        }
        Input::Nobody => (State::Unassigned { epoch, left: left.clone() }, vec![Effect::Table]),
        Input::Time if context.now_us >= since_us + context.times.standby_us => {
            (state.clone(), vec![Effect::Seek])
        }
        Input::Time => (state.clone(), Vec::new()),
        _ => return Err(NotNow),
    })
}

/// Its owner is lost.
pub(super) fn orphan(
    epoch: Epoch,
    was: Option<(Session, Option<Move>)>,
    first: Option<Target>,
    left: Left,
    context: &Context<'_>,
) -> (State, Vec<Effect>) {
    let state = State::Orphaned { epoch, since_us: context.now_us, was, first, left };
    (state, vec![Effect::Table, Effect::Seek])
}

/// Its epoch is raised, and somebody loads it.
pub(super) fn recover(
    epoch: Epoch,
    to: Target,
    number: Move,
    fresh: Epoch,
    left: Left,
    now_us: u64,
) -> (State, Vec<Effect>) {
    let asked = Asked::new(fresh, now_us);
    let state =
        State::Recovering { epoch, to: Some(to), number, durable: false, prepared: false, left, asked };
    (state, vec![Effect::Commit, Effect::Prepare(to.session, number)])
}
