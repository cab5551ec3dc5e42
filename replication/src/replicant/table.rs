//! Who owns what: which session may write under which epoch (docs/authority.md, "The rules"). What is in the table is in force; who
//! decides is somebody else.

use entitygraph_schema::Epoch;
use hashbrown::HashMap;

use super::hot::Index;

/// An anchor: it stands for everything below it but what is below another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The observer who owns it, if one does.
    pub owner: Option<u32>,
    /// Of the last grant, or above it.
    pub epoch: Epoch,
}

/// All anchors.
#[derive(Debug, Default)]
pub struct Table {
    anchors: HashMap<Index, Anchor>,
    /// Which anchor was granted under an epoch.
    by_epoch: HashMap<Epoch, Index>,
}

/// An epoch that is not above what the anchor has: it was decided before what holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the epoch is not above {0}, which holds")]
pub struct Stale(pub Epoch);

impl Table {
    /// Gives an anchor to an observer. Says who had it.
    ///
    /// # Errors
    /// An epoch that is not above each that the anchor had; nothing is changed then.
    pub fn grant(&mut self, anchor: Index, owner: u32, epoch: Epoch) -> Result<Option<u32>, Stale> {
        match self.anchors.get(&anchor) {
            Some(before) if epoch <= before.epoch => Err(Stale(before.epoch)),
            _ => {
                let before = self.put(anchor, Anchor { owner: Some(owner), epoch });
                self.by_epoch.insert(epoch, anchor);
                Ok(before)
            }
        }
    }

    /// Makes an anchor nobody's under an epoch. Says who had it.
    ///
    /// # Errors
    /// An epoch below that of the anchor; nothing is changed then.
    pub fn revoke(&mut self, anchor: Index, epoch: Epoch) -> Result<Option<u32>, Stale> {
        match self.anchors.get(&anchor) {
            Some(before) if epoch < before.epoch => Err(Stale(before.epoch)),
            _ => Ok(self.put(anchor, Anchor { owner: None, epoch })),
        }
    }

    fn put(&mut self, anchor: Index, now: Anchor) -> Option<u32> {
        let before = self.anchors.insert(anchor, now)?;
        self.by_epoch.remove(&before.epoch);
        before.owner
    }

    /// An observer is gone: what it owned is nobody's. Says what that was.
    pub fn lost(&mut self, owner: u32) -> Vec<Index> {
        let mut lost = Vec::new();
        for (index, anchor) in self.anchors.iter_mut().filter(|(_, anchor)| anchor.owner == Some(owner)) {
            anchor.owner = None;
            self.by_epoch.remove(&anchor.epoch);
            lost.push(*index);
        }
        lost.sort_unstable();
        lost
    }

    /// Whether the epoch is that of a grant of the observer's that holds.
    pub fn holds(&self, owner: u32, epoch: Epoch) -> bool {
        let anchor = self.by_epoch.get(&epoch).and_then(|anchor| self.anchors.get(anchor));
        anchor.is_some_and(|anchor| anchor.owner == Some(owner))
    }

    /// The anchor of an entity, of which this is the chain up to the root.
    pub fn of(&self, mut chain: impl Iterator<Item = Index>) -> Option<(Index, Anchor)> {
        chain.find_map(|at| Some((at, *self.anchors.get(&at)?)))
    }

    /// Anchors that are somebody else's, or nobody's, by index.
    pub fn others(&self, owner: u32) -> Vec<Index> {
        let others = self.anchors.iter().filter(|(_, anchor)| anchor.owner != Some(owner));
        let mut others: Vec<Index> = others.map(|(index, _)| *index).collect();
        others.sort_unstable();
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Index = 0;
    const SHIP: Index = 7;

    fn epoch(number: u64) -> Epoch {
        Epoch::from_number(number)
    }

    #[test]
    fn an_anchor_is_one_session_s_and_the_next_one_has_a_higher_epoch() {
        let mut table = Table::default();
        assert_eq!(table.grant(ZONE, 1, epoch(5)), Ok(None));
        assert_eq!(table.grant(ZONE, 2, epoch(5)), Err(Stale(epoch(5))));
        assert!(table.holds(1, epoch(5)) && !table.holds(2, epoch(5)) && !table.holds(1, epoch(6)));
        assert!(table.lost(2).is_empty(), "somebody else left");
        assert!(table.holds(1, epoch(5)));
        assert_eq!(table.lost(1), [ZONE]);
        assert!(!table.holds(1, epoch(5)));
        assert_eq!(table.grant(ZONE, 1, epoch(5)), Err(Stale(epoch(5))), "an epoch is given once");
        assert_eq!(table.grant(ZONE, 1, epoch(8)), Ok(None));
        assert_eq!(table.grant(ZONE, 2, epoch(9)), Ok(Some(1)));
        assert!(!table.holds(1, epoch(8)) && table.holds(2, epoch(9)));
    }

    #[test]
    fn the_nearest_anchor_above_decides() {
        let mut table = Table::default();
        table.grant(ZONE, 1, epoch(5)).unwrap();
        let crew = || [9, SHIP, ZONE].into_iter();
        let owner = |table: &Table| table.of(crew()).map(|(_, anchor)| anchor.owner);
        assert_eq!(owner(&table), Some(Some(1)));
        table.grant(SHIP, 2, epoch(6)).unwrap();
        assert_eq!((owner(&table), table.others(1)), (Some(Some(2)), vec![SHIP]));
        assert_eq!(table.revoke(SHIP, epoch(5)), Err(Stale(epoch(6))));
        assert_eq!(table.revoke(SHIP, epoch(7)), Ok(Some(2)));
        assert_eq!(owner(&table), Some(None), "nobody's, and not the zone's");
        assert!(!table.holds(2, epoch(6)) && table.holds(1, epoch(5)));
    }
}
