//! Aggregates at borders, and what is settled again behind one.

use entitygraph_schema::{EntityId, wire::control::message::Code};

use super::{
    Atlas,
    anchors::Unit,
    flip::Input,
    message::{Border, Move, Out, Owner, Session},
    state::{Going, State, Target, Why},
};

impl Atlas {
    pub(super) fn border(&mut self, now_us: u64, border: Border, crossed: bool, out: &mut Vec<Out>) {
        match self.bound(&border) {
            Ok(to) => self.go(now_us, border, to, crossed, out),
            Err(code) => {
                self.counts.refused += 1;
                if crossed {
                    out.push(Out::Notice(border.owner, code, Some(border.root)));
                }
            }
        }
    }

    /// To whom it goes, if it may.
    fn bound(&self, border: &Border) -> Result<Target, Code> {
        let ids = |chain: &super::message::Chain| chain.0.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let own = self.anchors.resolve(ids(&border.chain)).and_then(|id| self.anchors.get(id));
        let into = self.anchors.resolve(ids(&border.into)).and_then(|id| self.anchors.get(id));
        let (Some(own), Some(into)) = (own, into) else { return Err(Code::NoOwner) };
        let unit = self.anchors.get(border.root);
        let owner = unit.map_or(&own.state, |unit| &unit.state).owner();
        if owner != Some(border.owner) {
            return Err(Code::NotYours);
        }
        // An anchor of the map stays whose it is wherever it flies.
        if unit.is_some_and(|unit| unit.post.is_some() && unit.mapped) {
            return Err(Code::NotYours);
        }
        if unit.is_none() && self.anchors.count() >= self.times.units_max {
            return Err(Code::Busy);
        }
        let to = into.state.owner().zip(into.post).ok_or(Code::NoOwner)?;
        let (session, post) = to;
        // Its owner has both: a command moves it, unless it is to cease to be an anchor.
        if session == border.owner && unit.is_none_or(|unit| unit.post.is_none()) {
            return Err(Code::NotReady);
        }
        Ok(Target { session, post })
    }

    fn go(&mut self, now_us: u64, border: Border, to: Target, crossed: bool, out: &mut Vec<Out>) {
        let Border { root, owner, chain, zone, into } = border;
        let (chain, into) = (self.anchors.known(&chain), self.anchors.known(&into));
        match self.anchors.get_mut(root) {
            Some(unit) => unit.chain = Some(chain),
            None => {
                let epoch = chain.epoch(root).unwrap_or_default();
                let inside = chain.territory();
                let unit = Unit::inside(State::Owned { epoch, owner }, inside, Some(chain));
                self.anchors.insert(root, unit);
            }
        }
        let Some(unit) = self.anchors.get(root) else { return };
        if let State::Preparing { going, .. } = &unit.state {
            if going.to.session == to.session || going.why == Why::Ordered {
                let again = if crossed { Input::Cross(owner, zone, into) } else { Input::Time };
                return self.apply(now_us, root, again, out);
            }
            // It flies elsewhere by now.
            self.apply(now_us, root, Input::Away, out);
        }
        let from = self.anchors.home(root).unwrap_or(to.post);
        let Some(number) = self.number(out) else { return };
        let going = Going {
            number: Move(number.number()),
            to,
            from,
            why: Why::Border,
            into: Some((zone, into)),
            since_us: now_us,
            prepared: false,
            crossed,
            exit: None,
        };
        self.apply(now_us, root, Input::Wanted(going), out);
    }

    /// When an aggregate that is no anchor follows its territory again; none for all else.
    pub(super) fn settles_us(&self, unit: &Unit, now_us: u64) -> Option<u64> {
        if unit.post.is_some() || !matches!(unit.state, State::Owned { .. } | State::Draining { .. }) {
            return None;
        }
        let rested_us = unit.flipped_us.map_or(now_us, |us| us + self.times.rest_us);
        // Until its owner reported, what was carried over may be needed once more.
        let told_us = if unit.told { rested_us } else { rested_us + self.times.prepare_us };
        // Looked at already, and its territory is another's: it is looked at again later.
        Some(if told_us > now_us { told_us } else { now_us + self.times.retry_us })
    }

    /// Has an aggregate follow its territory again, if both are of one owner and it is time, or if the territory goes.
    pub(super) fn settle(&mut self, now_us: u64, root: EntityId, now: bool, out: &mut Vec<Out>) -> bool {
        let Some(unit) = self.anchors.get(root) else { return false };
        let State::Owned { epoch, owner } = unit.state else { return false };
        let rested = unit.flipped_us.is_none_or(|us| now_us >= us + self.times.rest_us);
        let told = unit.told || unit.flipped_us.is_none_or(|us| now_us >= us + self.times.prepare_us);
        if unit.post.is_some() || unit.wish.is_some() || !(now || rested && told) {
            return false;
        }
        let around = unit.inside.and_then(|inside| self.anchors.get(inside));
        if around.and_then(|around| around.state.owner()) != Some(owner) {
            return false;
        }
        let post = self.anchors.home(root);
        self.anchors.remove(root);
        out.push(Out::Table { root, epoch, owner: Owner::Around, post, place: None });
        true
    }

    /// Something is stopped: what is inside it goes along.
    pub(super) fn take_along(&mut self, now_us: u64, root: EntityId, out: &mut Vec<Out>) {
        let inside: Vec<_> =
            self.anchors.iter().map(|(id, _)| id).filter(|id| self.anchors.is_inside(*id, root)).collect();
        for id in inside {
            if matches!(self.anchors.get(id).map(|unit| &unit.state), Some(State::Preparing { .. })) {
                self.one(now_us, id, Input::Cancelled, out);
            }
            self.settle(now_us, id, true, out);
        }
    }

    /// A territory is another's: who was to be handed over to its former owner is not.
    pub(super) fn granted(&mut self, root: EntityId, session: Session) {
        let stale = |unit: &Unit| match &unit.state {
            State::Preparing { going, .. } => {
                let into = going.into.as_ref().and_then(|(_, chain)| chain.territory());
                into == Some(root) && going.to.session != session
            }
            _ => false,
        };
        let stale = self.anchors.iter().filter(|(_, unit)| stale(unit));
        self.work.extend(stale.map(|(id, _)| (id, Input::Cancelled)).collect::<Vec<_>>());
    }
}
