//! Orders: what is simulated by another than it should be. An order is no list of steps: it is the difference between who has a
//! post and who simulates, looked at again until there is none. So it goes on by itself after every failure.

use std::collections::BTreeMap;

use entitygraph_schema::EntityId;

use super::{
    Atlas,
    anchors::Unit,
    flip::Input,
    map::PostId,
    message::{Chain, Move, Out, Session},
    state::{Going, State, Target, Why},
};

/// Most plans at once.
const PLANS_MAX: usize = 1_024;

/// What an operator or balancer wants.
#[derive(Debug, Clone)]
pub struct Plan {
    post: PostId,
    left: BTreeMap<EntityId, Chain>,
}

impl Atlas {
    pub(super) fn drain(&mut self, now_us: u64, session: Session, draining: bool, out: &mut Vec<Out>) {
        if !self.posts.knows(session) {
            self.counts.refused += 1;
            return;
        }
        self.posts.drain(session, draining);
        if draining {
            self.leaving.insert(session);
        } else {
            self.leaving.remove(&session);
        }
        let own = self.anchors.iter().filter(|(_, unit)| unit.state.owner() == Some(session));
        let own: Vec<_> = own.map(|(root, _)| root).collect();
        for root in own {
            // What is on its way goes on; it is looked at again when it comes back.
            self.apply(now_us, root, Input::Drain(draining), out);
        }
        self.plan_us = Some(now_us);
    }

    pub(super) fn reassign(
        &mut self,
        now_us: u64,
        plan: u64,
        roots: Vec<(EntityId, Chain)>,
        post: &str,
        out: &mut Vec<Out>,
    ) {
        let Some(post) = self.map.by_name(post) else {
            return out.push(Out::Unplanned(plan, format!("no post of the map is called \"{post}\"")));
        };
        let roots: BTreeMap<_, _> = roots.into_iter().collect();
        if self.plans.len() >= PLANS_MAX && !self.plans.contains_key(&plan) {
            return out
                .push(Out::Unplanned(plan, format!("{PLANS_MAX} plans are under way: try again later")));
        }
        if self.anchors.count() + roots.len() > self.times.units_max {
            let (count, most) = (roots.len(), self.times.units_max);
            return out.push(Out::Unplanned(
                plan,
                format!("{count} roots are too many: {most} have a state at most"),
            ));
        }
        self.plans.insert(plan, Plan { post, left: roots });
        self.plan_us = Some(now_us);
    }

    pub(super) fn revoked(&mut self, plan: u64, out: &mut Vec<Out>) {
        let Some(Plan { left, .. }) = self.plans.remove(&plan) else { return };
        for root in left.into_keys() {
            if let Some(unit) = self.anchors.get_mut(root).filter(|unit| unit.state.going().is_none()) {
                unit.wish = None;
            }
        }
        out.push(Out::Planned(plan));
    }

    /// Orders what is not as it should be, a few at a time; says who is empty.
    pub(super) fn plan(&mut self, now_us: u64, out: &mut Vec<Out>) {
        self.plan_us = None;
        self.posts.hand_on();
        self.wishes(now_us, out);
        let is_ordered = |unit: &Unit| unit.state.going().is_some_and(|going| going.why == Why::Ordered);
        let under_way = self.anchors.iter().filter(|(_, unit)| is_ordered(unit)).count();
        let mut room = self.times.orders_max.saturating_sub(under_way);
        let wanted: Vec<_> = self
            .anchors
            .iter()
            .filter_map(|(root, unit)| Some((root, self.should_be(root, unit)?)))
            .collect();
        for (root, to) in wanted {
            let not_before_us = self.anchors.get(root).map_or(0, |unit| unit.not_before_us);
            if now_us < not_before_us {
                self.plan_at(not_before_us);
            } else if room > 0 {
                room -= 1;
                self.order(now_us, root, to, None, out);
            }
        }
        self.say_who_is_empty(out);
    }

    fn plan_at(&mut self, us: u64) {
        self.plan_us = Some(self.plan_us.map_or(us, |other| other.min(us)));
    }

    /// Gives what is in a plan its wish, and strikes what is as it was wished.
    fn wishes(&mut self, now_us: u64, out: &mut Vec<Out>) {
        let plans = std::mem::take(&mut self.plans);
        for (number, mut plan) in plans {
            let post = plan.post;
            plan.left.retain(|root, chain| !self.is_wished(*root, chain, post));
            if plan.left.is_empty() {
                out.push(Out::Planned(number));
                continue;
            }
            self.plan_at(now_us + self.times.retry_us);
            self.plans.insert(number, plan);
        }
    }

    /// Whether a root is the post's already; else it is wished to be, as soon as it has an owner.
    fn is_wished(&mut self, root: EntityId, chain: &Chain, post: PostId) -> bool {
        let chain = self.anchors.known(chain);
        let ids = chain.0.iter().map(|(id, _)| *id);
        let territory = self.anchors.resolve(ids);
        if self.anchors.get(root).is_none() {
            let Some(around) = territory.and_then(|id| self.anchors.get(id)) else { return false };
            if around.post == Some(post) {
                return true;
            }
            let Some(owner) = around.state.owner() else { return false };
            let epoch = chain.epoch(root).unwrap_or_default();
            let unit = Unit::inside(State::Owned { epoch, owner }, territory, Some(chain));
            self.anchors.insert(root, unit);
        }
        let home = self.anchors.home(root);
        let Some(unit) = self.anchors.get_mut(root) else { return false };
        if home == Some(post) {
            unit.wish = None;
            return true;
        }
        if unit.state.going().is_none() {
            unit.wish = Some(post);
        }
        false
    }

    /// Who should simulate a unit, if that is another than who does, or by another post.
    fn should_be(&self, root: EntityId, unit: &Unit) -> Option<Target> {
        let (State::Owned { owner, .. } | State::Draining { owner, .. }) = unit.state else { return None };
        let post = unit.wish.or(self.anchors.home(root))?;
        let session = self.posts.holder(post).filter(|session| !self.posts.is_draining(*session))?;
        (session != owner || unit.wish.is_some()).then_some(Target { session, post })
    }

    /// Begins a hand-over by order.
    pub(super) fn order(
        &mut self,
        now_us: u64,
        root: EntityId,
        to: Target,
        into: Option<(EntityId, Chain)>,
        out: &mut Vec<Out>,
    ) {
        let from = self.anchors.home(root).unwrap_or(to.post);
        let Some(number) = self.number(out) else { return };
        if let Some(unit) = self.anchors.get_mut(root) {
            unit.not_before_us = now_us + self.times.retry_us;
        }
        let going = Going {
            number: Move(number.number()),
            to,
            from,
            why: Why::Ordered,
            into,
            since_us: now_us,
            prepared: false,
            crossed: false,
            exit: None,
        };
        self.apply(now_us, root, Input::Wanted(going), out);
    }

    fn say_who_is_empty(&mut self, out: &mut Vec<Out>) {
        let empty = |session: &Session| {
            let names = |unit: &Unit| unit.state.names(*session);
            !self.anchors.iter().any(|(_, unit)| names(unit)) && self.posts.of(*session).is_none()
        };
        let empty: Vec<_> = self.leaving.iter().copied().filter(empty).collect();
        for session in empty {
            self.leaving.remove(&session);
            out.push(Out::Drained(session));
        }
    }
}
