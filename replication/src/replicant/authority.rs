//! Authority as it is decided elsewhere: into the table at once, to the servers as soon as they have what it is about.

use entitygraph_schema::wire::{control::message, moment::PER_TICK};

use super::{
    Replicant,
    batch::frame,
    hot::{Hot, Index},
    observer::Granted,
    out::Out,
};
use crate::{machine::Now, message::Authority};

impl Replicant {
    /// Takes a decision. What was decided before what holds, or for what is not hot, changes nothing.
    pub(super) fn authority(&mut self, now: Now, authority: Authority) {
        self.open(now);
        match authority {
            Authority::Grant { anchor, connection, epoch, post, carry, carry_lost } => {
                let observer = self.by_connection.get(&connection).copied();
                let (Some(index), Some(observer)) = (self.hot.by_id(anchor), observer) else {
                    return tracing::warn!(%anchor, ?connection, "nothing hot or nobody to be granted");
                };
                match self.table.grant(index, observer, epoch) {
                    Err(stale) => tracing::warn!(%anchor, %epoch, %stale, "a grant is passed over"),
                    Ok(before) => {
                        if let Some(before) = before.filter(|before| *before != observer) {
                            self.revoked(before, index, epoch.number(), post.clone());
                        }
                        let granted = Granted { anchor: index, epoch, post, carry, carry_lost };
                        self.given(observer, granted);
                    }
                }
            }
            Authority::Revoke { anchor, epoch, post } => {
                let Some(index) = self.hot.by_id(anchor) else { return };
                match self.table.revoke(index, epoch) {
                    Err(stale) => tracing::warn!(%anchor, %epoch, %stale, "a revocation is passed over"),
                    Ok(None) => {}
                    Ok(Some(before)) => self.revoked(before, index, epoch.number(), post),
                }
            }
        }
    }

    /// A server has what the anchor stands for bound, then it is told.
    fn given(&mut self, observer: u32, granted: Granted) {
        let anchor = granted.anchor;
        let below: Vec<_> = (0..self.hot.count())
            .filter(|index| self.hot.chain(*index).any(|at| at == anchor) && self.owns(observer, *index))
            .chain(self.hot.chain(anchor))
            .filter_map(Hot::handle)
            .collect();
        if let Some(Some(who)) = self.observers.get_mut(observer as usize) {
            who.grants.push(granted);
            below.into_iter().for_each(|handle| who.want(handle));
        }
        self.due(observer);
    }

    fn revoked(&mut self, observer: u32, anchor: Index, epoch: u64, post: String) {
        let (Some(handle), Some(Some(who))) =
            (Hot::handle(anchor), self.observers.get_mut(observer as usize))
        else {
            return;
        };
        // Nobody hears of the loss of what it did not hear that it has.
        let unheard = who.grants.len();
        who.grants.retain(|granted| granted.anchor != anchor);
        if who.grants.len() == unheard {
            let handle = handle.get();
            who.control.push(frame(&message::Revoke { handle, epoch, post, client_view: true }));
        }
        self.due(observer);
    }

    /// Whether an entity is an observer's to write.
    pub(super) fn owns(&self, observer: u32, index: Index) -> bool {
        self.table.of(self.hot.chain(index)).is_some_and(|(_, anchor)| anchor.owner == Some(observer))
    }

    /// Tells a server what it was given: behind the `Activate`s of it, in the same message.
    pub(super) fn grant(&mut self, observer: u32, moment: u64, out: &mut Out) {
        let Self { observers, hot, table, .. } = self;
        let Some(Some(who)) = observers.get_mut(observer as usize) else { return };
        for Granted { anchor, epoch, post, carry, carry_lost } in who.grants.drain(..) {
            let Some(handle) = Hot::handle(anchor) else { continue };
            let below = |other: &Index| *other != anchor && hot.chain(*other).any(|at| at == anchor);
            let others = table.others(observer).into_iter().filter(below);
            let grant = message::Grant {
                handle: handle.get(),
                epoch: epoch.number(),
                subtree: true,
                except: others.filter_map(Hot::handle).map(|handle| handle.get()).collect(),
                from_tick: moment / PER_TICK + 1,
                tick: hot.motion.tick.iter().copied().max().unwrap_or(0),
                carry: carry.to_vec(),
                carry_lost,
                post,
            };
            out.put_own(frame(&grant));
        }
    }
}
