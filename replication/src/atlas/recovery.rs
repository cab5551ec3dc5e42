//! Servers come and go: who takes what nobody simulates.

use entitygraph_schema::EntityId;

use super::{
    Atlas,
    flip::Input,
    message::{Move, Out, Session},
    state::{State, Target},
};

impl Atlas {
    pub(super) fn registered(
        &mut self,
        now_us: u64,
        session: Session,
        post: Option<&str>,
        standby: bool,
        out: &mut Vec<Out>,
    ) {
        if let Err(code) = self.posts.register(session, post, standby) {
            out.push(Out::Notice(session, code, None));
            return;
        }
        self.leaving.remove(&session);
        self.posts.hand_on();
        self.seek_all(now_us, out);
        self.plan_us = Some(now_us);
    }

    /// Looks for somebody for all that nobody has.
    pub(super) fn seek_all(&mut self, now_us: u64, out: &mut Vec<Out>) {
        let waits = |state: &State| matches!(state, State::Unassigned { .. } | State::Orphaned { .. });
        let waiting: Vec<_> =
            self.anchors.iter().filter(|(_, unit)| waits(&unit.state)).map(|(root, _)| root).collect();
        for root in waiting {
            self.seek(now_us, root, out);
            self.pump(now_us, out);
        }
    }

    pub(super) fn lost(&mut self, now_us: u64, session: Session, out: &mut Vec<Out>) {
        self.posts.lost(session);
        self.leaving.remove(&session);
        self.jumps.lost(session);
        let unlocked = self.locks.lost(session);
        let concerned: Vec<_> =
            self.anchors.iter().filter(|(_, unit)| unit.state.names(session)).map(|(root, _)| root).collect();
        for root in concerned {
            self.apply(now_us, root, Input::Lost(session), out);
        }
        self.relocked(now_us, unlocked, out);
        self.plan_us = Some(now_us);
    }

    /// Gives back what nobody took meanwhile. The rest is lost to it: the replicant revokes what the table does not say.
    pub(super) fn back(&mut self, now_us: u64, session: Session, out: &mut Vec<Out>) {
        let was = |state: &State| match state {
            State::Orphaned { was: Some((owner, _)), .. } => *owner == session,
            _ => false,
        };
        let own: Vec<_> =
            self.anchors.iter().filter(|(_, unit)| was(&unit.state)).map(|(root, _)| root).collect();
        for root in own {
            if let Some(post) = self.anchors.home(root) {
                self.posts.back(session, post);
            }
            self.apply(now_us, root, Input::Back(session), out);
        }
        self.plan_us = Some(now_us);
    }

    /// Looks for somebody: who is first choice, who has the post, a standby, and after a second the map's fallback.
    pub(super) fn seek(&mut self, now_us: u64, root: EntityId, out: &mut Vec<Out>) {
        let Some(unit) = self.anchors.get(root) else { return };
        let (first, waited) = match &unit.state {
            State::Orphaned { first, since_us, .. } => (*first, now_us >= since_us + self.times.standby_us),
            State::Unassigned { .. } => (None, true),
            _ => return,
        };
        let is_orphan = matches!(unit.state, State::Orphaned { .. });
        let first = first.filter(|to| self.posts.knows(to.session) && !self.posts.is_draining(to.session));
        let home = self.anchors.home(root);
        let to = first.or_else(|| {
            let post = home?;
            if self.early_until_us.is_some() && !is_orphan {
                // Servers come back one by one behind a start: each is to find its post.
                return self.posts.own(post).map(|session| Target { session, post });
            }
            let by = self.posts.standby(post);
            let by = by.or_else(|| if waited { self.posts.fallback(post) } else { None });
            by.map(|session| Target { session, post })
        });
        match to {
            Some(to) => {
                let (Some(number), Some(fresh)) = (self.number(out), self.number(out)) else { return };
                self.work.push_back((root, Input::Found(to, Move(number.number()), fresh)));
            }
            None if is_orphan && waited => self.work.push_back((root, Input::Nobody)),
            None => {}
        }
    }

    /// Does what [`Self::seek`] decided.
    pub(super) fn pump(&mut self, now_us: u64, out: &mut Vec<Out>) {
        while let Some((root, input)) = self.work.pop_front() {
            self.one(now_us, root, input, out);
        }
    }
}
