//! Answers of the graph, and the last word of an owner.

use entitygraph_schema::{EntityId, Epoch, Refusal};

use super::{
    Atlas,
    anchors::Unit,
    flip::Input,
    message::{Frozen, Out, Outcome, Owner},
    record::{AnchorRow, RootRow},
    state::{Left, State},
    term::{OWN, Step},
};

impl Atlas {
    /// The table knows all anchors, also those that nobody has: a grant of what is around them leaves them out.
    pub(super) fn started(&mut self, now_us: u64, rows: Vec<AnchorRow>, out: &mut Vec<Out>) {
        for row in rows {
            let Some(post) = row.post.as_deref().and_then(|post| self.map.by_name(post)) else { continue };
            // Whoever had it under a former hub may have stopped with something that no variable holds.
            let left = if row.epoch == Epoch::ZERO { Left::default() } else { Left::LOST };
            let state = State::Unassigned { epoch: row.epoch, left };
            self.anchors.insert(row.id, Unit::anchor(state, post, row.mapped));
            let (root, epoch, post) = (row.id, row.epoch, Some(post));
            out.push(Out::Table { root, epoch, owner: Owner::Nobody, post, place: None });
        }
        self.early_until_us = Some(now_us + self.times.early_us);
        self.plan_us = Some(now_us);
    }

    pub(super) fn committed(&mut self, now_us: u64, number: u64, outcome: Outcome, out: &mut Vec<Out>) {
        if number == OWN {
            let times = self.times;
            let step = self.term.committed(now_us, outcome, &times, out);
            return self.stepped(now_us, step, out);
        }
        let Some(root) = self.commits.get(&number).copied() else { return };
        let sent = self.anchors.get(root).and_then(|unit| unit.sent.as_ref());
        if sent.is_none_or(|sent| sent.fresh.number() != number) {
            self.commits.remove(&number);
            return;
        }
        if matches!(outcome, Outcome::Committed | Outcome::Refused(_)) {
            self.commits.remove(&number);
        }
        let shard = self.term.shard();
        let input = match outcome {
            Outcome::Committed => Input::Committed,
            Outcome::Unsent => Input::Unsent,
            Outcome::Unknown => Input::Unknown,
            Outcome::Refused(Refusal::StaleEpoch { entity, found, .. }) if entity == shard => {
                return self.term.replaced(found, out);
            }
            Outcome::Refused(
                Refusal::StaleEpoch { .. } | Refusal::UnknownEntity { .. } | Refusal::EntityBuried { .. },
            ) => Input::Stale,
            Outcome::Refused(refusal) => {
                tracing::info!(%root, %refusal, "a hand-over was refused");
                let Some(fresh) = self.number(out) else { return };
                Input::Refused(fresh)
            }
        };
        self.apply(now_us, root, input, out);
    }

    pub(super) fn stepped(&mut self, now_us: u64, step: Step, out: &mut Vec<Out>) {
        if let Step::Runs(rows) = step {
            self.started(now_us, rows, out);
        }
    }

    pub(super) fn frozen(&mut self, now_us: u64, root: EntityId, mut frozen: Frozen, out: &mut Vec<Out>) {
        frozen.chain = self.anchors.known(&frozen.chain);
        frozen.into = frozen.into.map(|into| self.anchors.known(&into));
        let Some(unit) = self.anchors.get_mut(root) else {
            self.counts.refused += 1;
            return;
        };
        let going = unit.state.going().and_then(|going| going.into.as_ref());
        // It stopped elsewhere than it was to go: what is committed is where it was to go.
        if going.map(|(_, chain)| chain.territory()) != frozen.into.as_ref().map(|into| into.territory()) {
            frozen.into = None;
        }
        unit.chain = Some(frozen.chain.clone());
        if let Some(fresh) = self.number(out) {
            self.apply(now_us, root, Input::Frozen(frozen, fresh), out);
        }
    }

    /// The store's word on a unit, after a refusal.
    pub(super) fn root_read(
        &mut self,
        now_us: u64,
        root: EntityId,
        row: Option<RootRow>,
        out: &mut Vec<Out>,
    ) {
        let Some(fresh) = self.number(out) else { return };
        let found = row.as_ref().map(|row| row.epoch);
        let known = self.anchors.get(root).is_some_and(|unit| {
            let sent = unit.sent.as_ref().map(|sent| sent.fresh);
            found.is_none() || found == sent || found == Some(unit.state.epoch())
        });
        if let (false, Some(row)) = (known, row) {
            // Somebody else wrote: where it is, and whose, is what the store says.
            let post = row.post.as_deref().and_then(|post| self.map.by_name(post));
            if let Some(unit) = self.anchors.get_mut(root) {
                unit.post = post;
                unit.inside = row.chain.territory().filter(|territory| *territory != root);
                unit.chain = Some(row.chain);
            }
        }
        self.apply(now_us, root, Input::Read(found, fresh), out);
    }
}
