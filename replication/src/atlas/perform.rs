//! What the effects of a step mean: frames, the table, transactions.

use entitygraph_schema::{EntityId, Epoch, Pose};
use std::sync::Arc;

use super::{
    Atlas,
    anchors::{Sent, Unit},
    flip::{Effect, Input},
    message::{Frozen, Grant, Move, Out, Owner, Session},
    state::{Going, State},
};

impl Atlas {
    pub(super) fn perform(&mut self, now_us: u64, root: EntityId, effect: Effect, out: &mut Vec<Out>) {
        match effect {
            Effect::Table => self.table(root, None, out),
            Effect::Moved(going, frozen) => self.moved(now_us, root, &going, &frozen, out),
            Effect::Grant(left) => {
                let post = self.anchors.home(root);
                let Some(unit) = self.anchors.get_mut(root) else { return };
                let Some(session) = unit.state.owner() else { return };
                unit.told = left.carry.is_none();
                let (after_tick, carry, carry_lost) = (left.tick, left.carry, left.lost);
                let epoch = unit.state.epoch();
                out.push(Out::Grant(Grant { root, session, epoch, post, after_tick, carry, carry_lost }));
                self.granted(root, session);
            }
            Effect::Revoke(session, epoch) => out.push(Out::Revoke(root, session, epoch)),
            Effect::Prepare(session, number) => out.push(Out::Prepare(root, session, number)),
            Effect::Freeze(session, number) => {
                let Some(unit) = self.anchors.get(root) else { return };
                out.push(Out::Freeze(root, session, number, unit.state.epoch()));
                self.take_along(now_us, root, out);
            }
            Effect::Abort(session, number, code) => out.push(Out::Abort(root, session, number, code)),
            Effect::Commit => self.commit(root, out),
            Effect::Read => out.push(Out::ReadRoot(root)),
            Effect::Seek => self.seek(now_us, root, out),
            Effect::Evict => out.push(Out::Evict(root)),
            Effect::Gone => {
                let number = self.anchors.remove(root).and_then(|unit| unit.state.number());
                number.map(|number| self.moves.remove(&number));
                self.waiting.remove(&root);
                self.jumps.out(now_us, root, out);
            }
        }
    }

    fn table(&self, root: EntityId, place: Option<(EntityId, Option<Pose>)>, out: &mut Vec<Out>) {
        let Some(unit) = self.anchors.get(root) else { return };
        let owner = unit.state.owner().map_or(Owner::Nobody, Owner::Session);
        let (epoch, post) = (unit.state.epoch(), self.anchors.home(root));
        out.push(Out::Table { root, epoch, owner, post, place });
    }

    /// The flip is durable: it is where it was to go.
    fn moved(&mut self, now_us: u64, root: EntityId, going: &Going, frozen: &Frozen, out: &mut Vec<Out>) {
        self.counts.flips += 1;
        if let Some(unit) = self.anchors.get_mut(root) {
            unit.flipped_us = Some(now_us);
            unit.stays_until_us = 0;
            if let Some((_, chain)) = &going.into {
                unit.inside = chain.territory();
                unit.chain = None;
            }
        }
        let place = going.into.as_ref().map(|(zone, _)| (*zone, going.exit.or(frozen.pose)));
        self.table(root, place, out);
        if let Some((zone, _)) = place {
            self.jumps.flipped(now_us, root, zone, out);
        }
    }

    /// The transaction of a state: made once for its fresh epoch, the same whenever it is asked for again.
    fn commit(&mut self, root: EntityId, out: &mut Vec<Out>) {
        let Some(unit) = self.anchors.get(root) else { return };
        let (fresh, with) = match &unit.state {
            State::Flipping { asked, .. } => (asked.fresh, Some(root)),
            State::Recovering { asked, .. } => (asked.fresh, None),
            _ => return,
        };
        if unit.sent.as_ref().is_none_or(|sent| sent.fresh != fresh) {
            let Some(sent) = self.made(root, unit, fresh) else { return };
            if let Some(unit) = self.anchors.get_mut(root) {
                unit.sent = Some(sent);
            }
        }
        let Some(sent) = self.anchors.get(root).and_then(|unit| unit.sent.as_ref()) else { return };
        let (number, transaction) = (fresh.number(), sent.transaction.clone());
        self.commits.insert(number, root);
        out.push(Out::Commit { number, transaction, with });
    }

    fn made(&self, root: EntityId, unit: &Unit, fresh: Epoch) -> Option<Sent> {
        let (fence, types) = self.term.fence()?;
        let (post, transaction) = match &unit.state {
            State::Flipping { epoch, going, frozen, .. } => {
                let post = match unit.wish {
                    Some(wish) => Some(Some((wish, unit.mapped))),
                    // What was moved singly follows the territory that it flies into.
                    None if going.into.is_some() && unit.post.is_some() && !unit.mapped => Some(None),
                    None => None,
                };
                let named = post.map(|post| post.and_then(|post| self.named(post)));
                (post, fence.flip(&types, root, [*epoch, fresh], going, frozen, named))
            }
            State::Recovering { epoch, to, .. } => {
                let first = to.filter(|to| self.anchors.home(root) != Some(to.post));
                let post = first.map(|to| Some((to.post, false)));
                let named = post.map(|post| post.and_then(|post| self.named(post)));
                (post, fence.raise(&types, root, [*epoch, fresh], named))
            }
            _ => return None,
        };
        match transaction {
            Ok(transaction) => Some(Sent { fresh, transaction: Arc::new(transaction), post }),
            Err(error) => {
                tracing::error!(%root, %error, "a hand-over cannot be written");
                None
            }
        }
    }

    fn named(&self, (post, mapped): (super::map::PostId, bool)) -> Option<(&str, bool)> {
        self.map.post(post).map(|post| (post.name.as_str(), mapped))
    }

    /// What a transaction said of a unit's post is so now.
    pub(super) fn sent_is_durable(&mut self, root: EntityId) {
        let Some(unit) = self.anchors.get_mut(root) else { return };
        let Some(Sent { post: Some(post), .. }) = unit.sent.take() else { return };
        match post {
            Some((post, mapped)) => {
                (unit.post, unit.mapped) = (Some(post), mapped);
                unit.wish = unit.wish.filter(|wish| *wish != post);
            }
            None => (unit.post, unit.mapped) = (None, false),
        }
    }

    pub(super) fn prepared(
        &mut self,
        now_us: u64,
        number: Move,
        session: Session,
        exit: Option<Pose>,
        out: &mut Vec<Out>,
    ) {
        match self.moves.get(&number).copied() {
            Some(root) => self.apply(now_us, root, Input::Prepared(number, session, exit), out),
            None => self.counts.refused += 1,
        }
    }
}
