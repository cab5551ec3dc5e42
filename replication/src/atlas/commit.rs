//! The two states that wait for a commit: what its outcome makes of them. Part of the table of [`super::flip`].
//!
//! Until the outcome is known nobody simulates. An attempt whose answer did not come may be done later than a repetition is
//! refused (another instance of the service has it): so after a doubt a refusal is no answer yet. The epoch is raised once more
//! then, to one above that attempt's: what is late is refused by it, or it is there first and the store says so.

use entitygraph_schema::{Epoch, wire::control::message::Code};

use super::flip::{Effect, Input, NotNow, orphan};
use super::message::{Frozen, Move, Session};
use super::state::{Asked, Context, Going, Left, State, Target};

type Step = Result<(State, Vec<Effect>), NotNow>;

pub(super) fn flipping(state: &State, input: Input, context: &Context<'_>) -> Step {
    let State::Flipping { epoch, owner, going, target, frozen, asked } = state else { return Err(NotNow) };
    let flip = Flip { epoch: *epoch, owner: *owner, going, target: *target, frozen, asked };
    let with = |owner, target, asked| State::Flipping {
        epoch: flip.epoch,
        owner,
        going: going.clone(),
        target,
        frozen: frozen.clone(),
        asked,
    };
    let again = |doubtful| (with(*owner, *target, asked.again(context, doubtful)), Vec::new());
    Ok(match input {
        Input::Committed if !asked.reading => flip.done(context),
        Input::Refused(fresh) if !asked.reading => flip.refused(fresh, Code::Busy, context),
        Input::Stale if !asked.reading => (with(*owner, *target, asked.reading()), vec![Effect::Read]),
        Input::Unknown if !asked.reading => again(true),
        // While nothing of it can be in the store it need not stand still for long.
        Input::Unsent
            if !asked.reading
                && !asked.doubtful
                && context.now_us >= asked.since_us + context.times.unsent_us =>
        {
            flip.off(Code::Busy, context)
        }
        Input::Unsent if !asked.reading => again(false),
        Input::Read(Some(found), _) if asked.reading && found == asked.fresh => flip.done(context),
        Input::Read(Some(found), fresh) if asked.reading && found == flip.epoch => {
            flip.refused(fresh, Code::StaleEpoch, context)
        }
        Input::Read(Some(found), _) if asked.reading => {
            let (state, effects) = orphan(found, None, None, flip.left(), context);
            (state, flip.taken().into_iter().chain(effects).collect())
        }
        Input::Read(None, _) if asked.reading => {
            (state.clone(), flip.taken().into_iter().chain([Effect::Gone]).collect())
        }
        Input::Time if asked.is_due(context) => {
            let effect = if asked.reading { Effect::Read } else { Effect::Commit };
            (with(*owner, *target, asked.sent()), vec![effect])
        }
        Input::Time => (state.clone(), Vec::new()),
        Input::Lost(session) if state.names(session) => {
            let owner = owner.filter(|owner| *owner != session);
            (with(owner, *target && going.to.session != session, asked.clone()), Vec::new())
        }
        _ => return Err(NotNow),
    })
}

/// A flip that is under way.
struct Flip<'a> {
    epoch: Epoch,
    owner: Option<Session>,
    going: &'a Going,
    target: bool,
    frozen: &'a Frozen,
    asked: &'a Asked,
}

impl Flip<'_> {
    fn left(&self) -> Left {
        Left { tick: Some(self.frozen.tick), carry: Some(self.frozen.carry.clone()), lost: false }
    }

    /// Somebody else has it, or nobody ever again.
    fn taken(&self) -> Vec<Effect> {
        let revoke = self.owner.map(|owner| Effect::Revoke(owner, self.epoch));
        let abort = Effect::Abort(self.going.to.session, self.going.number, Code::StaleEpoch);
        revoke.into_iter().chain(self.target.then_some(abort)).collect()
    }

    /// The point of no return is behind it: it is the target's, or whoever follows that one.
    fn done(&self, context: &Context<'_>) -> (State, Vec<Effect>) {
        let fresh = self.asked.fresh;
        let moved = Effect::Moved(self.going.clone(), Box::new(self.frozen.clone()));
        let former = self.owner.filter(|owner| !self.target || *owner != self.going.to.session);
        let revoke = former.map(|owner| Effect::Revoke(owner, self.epoch));
        if self.target {
            let state = State::Owned { epoch: fresh, owner: self.going.to.session };
            let effects = [moved, Effect::Grant(self.left())];
            return (state, effects.into_iter().chain(revoke).collect());
        }
        let (state, effects) = orphan(fresh, None, None, self.left(), context);
        (state, std::iter::once(moved).chain(effects).chain(revoke).collect())
    }

    /// Nothing was done, and nothing can be done of it any more: as before.
    fn off(&self, code: Code, context: &Context<'_>) -> (State, Vec<Effect>) {
        let number = self.going.number;
        let target = self.target.then(|| Effect::Abort(self.going.to.session, number, code));
        match self.owner {
            Some(owner) => {
                let effects = [Effect::Table, Effect::Abort(owner, number, code)];
                (State::Owned { epoch: self.epoch, owner }, effects.into_iter().chain(target).collect())
            }
            None => {
                let first = self.target.then_some(self.going.to);
                orphan(self.epoch, None, first, self.left(), context)
            }
        }
    }

    /// It was refused. If an attempt of it is in doubt, that one is fenced first.
    fn refused(&self, fresh: Epoch, code: Code, context: &Context<'_>) -> (State, Vec<Effect>) {
        if !self.asked.doubtful {
            return self.off(code, context);
        }
        let abort = self.target.then(|| Effect::Abort(self.going.to.session, self.going.number, code));
        let to = self.owner.map(|session| Target { session, post: self.going.from });
        let state = State::Recovering {
            epoch: self.epoch,
            to,
            number: self.going.number,
            durable: false,
            // It is the owner's own: nothing is to be loaded.
            prepared: true,
            left: self.left(),
            asked: Asked::fresh(fresh, context),
        };
        (state, std::iter::once(Effect::Commit).chain(abort).collect())
    }
}

pub(super) fn recovering(state: &State, input: Input, context: &Context<'_>) -> Step {
    let State::Recovering { epoch, to, number, durable, prepared, left, asked } = state else {
        return Err(NotNow);
    };
    let raise = Raise { epoch: *epoch, to: *to, number: *number, left, asked };
    let (durable, prepared) = (*durable, *prepared);
    let again = |doubtful| (raise.with(asked.again(context, doubtful), prepared), Vec::new());
    let open = !durable && !asked.reading;
    Ok(match input {
        Input::Committed if open => raise.done(prepared, context),
        Input::Refused(_) | Input::Stale if open => {
            (raise.with(asked.reading(), prepared), vec![Effect::Read])
        }
        Input::Unknown if open => again(true),
        Input::Unsent if open => again(false),
        Input::Read(Some(found), _) if asked.reading && found == asked.fresh => raise.done(prepared, context),
        // Whatever refused it may be gone by now.
        Input::Read(Some(found), _) if asked.reading && found == raise.epoch => {
            let asked = Asked { reading: false, ..asked.again(context, false) };
            (raise.with(asked, prepared), Vec::new())
        }
        Input::Read(Some(found), _) if asked.reading => {
            let (state, effects) = orphan(found, None, None, left.clone(), context);
            (state, raise.taken().into_iter().chain(effects).collect())
        }
        Input::Read(None, _) if asked.reading => {
            (state.clone(), raise.taken().into_iter().chain([Effect::Gone]).collect())
        }
        Input::Time if asked.is_due(context) => {
            let effect = if asked.reading { Effect::Read } else { Effect::Commit };
            (raise.with(asked.sent(), prepared), vec![effect])
        }
        // It answers, and does not load.
        Input::Time if durable && context.now_us >= asked.since_us + context.times.prepare_us => {
            let (state, effects) = orphan(asked.fresh, None, None, left.clone(), context);
            let abort = to.map(|to| Effect::Abort(to.session, raise.number, Code::NotReady));
            (state, abort.into_iter().chain(effects).collect())
        }
        Input::Time => (state.clone(), Vec::new()),
        Input::Prepared(which, session, _)
            if which == raise.number && to.is_some_and(|to| to.session == session) && !prepared =>
        {
            match to {
                Some(to) if durable => raise.given(*to),
                _ => (raise.with(asked.clone(), true), Vec::new()),
            }
        }
        Input::Lost(session) if to.is_some_and(|to| to.session == session) => {
            if durable {
                orphan(asked.fresh, None, None, left.clone(), context)
            } else {
                let raise = Raise { to: None, ..raise };
                (raise.with(asked.clone(), false), Vec::new())
            }
        }
        _ => return Err(NotNow),
    })
}

/// A raise that is under way.
struct Raise<'a> {
    epoch: Epoch,
    to: Option<Target>,
    number: Move,
    left: &'a Left,
    asked: &'a Asked,
}

impl Raise<'_> {
    fn with(&self, asked: Asked, prepared: bool) -> State {
        self.state(false, asked, prepared)
    }

    fn state(&self, durable: bool, asked: Asked, prepared: bool) -> State {
        let Self { epoch, to, number, left, .. } = self;
        let (epoch, to, number, left) = (*epoch, *to, *number, (*left).clone());
        State::Recovering { epoch, to, number, durable, prepared, left, asked }
    }

    /// Somebody else has it, or nobody ever again. Whom it was for may be the one that had it before.
    fn taken(&self) -> Vec<Effect> {
        let off = |to: Target| {
            [Effect::Revoke(to.session, self.epoch), Effect::Abort(to.session, self.number, Code::StaleEpoch)]
        };
        self.to.into_iter().flat_map(off).collect()
    }

    /// From here on everything under the old epoch is refused.
    fn done(&self, prepared: bool, context: &Context<'_>) -> (State, Vec<Effect>) {
        match self.to {
            Some(to) if prepared => self.given(to),
            Some(_) => {
                let asked = Asked { reading: false, again_us: None, ..self.asked.clone() };
                (self.state(true, asked, false), vec![Effect::Table])
            }
            None => orphan(self.asked.fresh, None, None, self.left.clone(), context),
        }
    }

    fn given(&self, to: Target) -> (State, Vec<Effect>) {
        let state = State::Owned { epoch: self.asked.fresh, owner: to.session };
        (state, vec![Effect::Table, Effect::Grant(self.left.clone())])
    }
}
