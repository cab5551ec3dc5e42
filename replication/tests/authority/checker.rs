//! What must hold at each step (G2): told from what was granted, accepted and written, not from what the table says.

use std::collections::{BTreeMap, BTreeSet};

use entitygraph_replication::atlas::message::{Out, Session};
use entitygraph_schema::{EntityId, Epoch};

use crate::{hub::Written, store::Store};

#[derive(Default)]
pub struct Checker {
    sequence: u64,
    /// Who was given which epoch, of which entity, by which hub.
    given: BTreeMap<Epoch, (EntityId, usize, Session)>,
    /// Newest grant of each entity, and when in the order of all.
    newest: BTreeMap<EntityId, (u64, usize, Session)>,
    granted: BTreeMap<(Session, Epoch), u64>,
    /// Who was accepted last for an aggregate, and by which grant.
    taken: BTreeMap<EntityId, (u64, usize, Session)>,
    /// Newest durable state.
    written: BTreeMap<EntityId, Written>,
    heard_us: BTreeMap<EntityId, u64>,
    raised: usize,
}

impl Checker {
    /// A grant is durable before it is given, and its epoch is nobody else's.
    pub fn said(&mut self, store: &Store, hub: usize, is_the_hub: bool, out: &Out) {
        let Out::Grant(grant) = out else { return };
        self.sequence += 1;
        let who = (grant.root, hub, grant.session);
        let before = self.given.insert(grant.epoch, who);
        assert!(
            before.is_none_or(|before| before == who),
            "epoch {} was given to {before:?} and {who:?}",
            grant.epoch
        );
        let raised = store.raised.get(&grant.root).is_some_and(|raised| raised.contains(&grant.epoch));
        assert!(raised, "{grant:?} is not durable");
        if !is_the_hub {
            // It stood still meanwhile. Who is connected to it is connected to nobody else, and to nothing that is durable.
            return;
        }
        self.newest.insert(grant.root, (self.sequence, hub, grant.session));
        self.granted.insert((grant.session, grant.epoch), self.sequence);
    }

    /// Who is accepted has a grant that is newer than that of whoever was accepted before, and than one of the aggregate itself.
    pub fn accepted(&mut self, now_us: u64, hub: usize, root: EntityId, written: Written) {
        // What a server has of a territory around it counts as well: that Grant may be on its way.
        let of = |epoch: &Epoch| self.granted.get(&(written.by, *epoch)).copied();
        let own = of(&written.epoch).max(of(&written.under));
        let Some(own) = own else {
            panic!("{root} is taken from {:?}, who was granted nothing of it", written.by)
        };
        let last = self.taken.get(&root).into_iter().chain(self.newest.get(&root)).max();
        if let Some((sequence, by_hub, session)) = last {
            let same = (*by_hub, *session) == (hub, written.by);
            assert!(same || own > *sequence, "{root} is taken from {:?}, and {session:?} has it", written.by);
        }
        let own = own.max(last.map_or(0, |(sequence, ..)| *sequence));
        self.taken.insert(root, (own, hub, written.by));
        self.heard_us.insert(root, now_us);
    }

    /// What is durable does not go back: neither in time nor to an earlier owner.
    pub fn wrote(&mut self, root: EntityId, written: Written, number: u64) {
        let before = self.written.insert(root, written);
        // What a command moves between two territories of one session may go on under a lower epoch.
        let forward = before.is_none_or(|before| {
            written.tick > before.tick && (written.under >= before.under || written.by == before.by)
        });
        assert!(forward, "{root} goes back from {before:?} to {written:?} by commit {number}");
    }

    /// Each epoch is durable on one entity only, and they rise.
    pub fn raised(&mut self, store: &Store) {
        let count = store.raised.values().map(Vec::len).sum();
        if count == self.raised {
            return;
        }
        self.raised = count;
        let mut all = BTreeSet::new();
        for (id, raised) in &store.raised {
            assert!(raised.is_sorted(), "{id}: {raised:?}");
            for epoch in raised {
                assert!(all.insert(*epoch), "epoch {epoch} was given twice");
            }
        }
    }

    pub fn heard_us(&self, root: EntityId) -> u64 {
        self.heard_us.get(&root).copied().unwrap_or(0)
    }

    pub fn raises(&self) -> usize {
        self.raised
    }
}
