//! Who owns what: which session may write under which epoch. One room is one territory with one post.

use entitygraph_schema::Epoch;

/// Epochs are `term x 2^32 + n` (docs/authority.md). The term is 1 until atlas makes it durable.
const FIRST: u64 = 1 << 32;

/// The territory of the room.
#[derive(Debug)]
pub struct Table {
    owner: Option<u32>,
    epoch: Epoch,
}

/// Why a session does not get the post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

impl Table {
    /// Nobody's.
    pub fn new() -> Self {
        Self { owner: None, epoch: Epoch::from_number(FIRST) }
    }

    /// Gives the post to an observer, under an epoch above all before it.
    pub fn grant(&mut self, observer: u32) -> Result<Epoch, Taken> {
        if self.owner.is_some() {
            return Err(Taken);
        }
        self.owner = Some(observer);
        self.epoch = self.epoch.next();
        Ok(self.epoch)
    }

    /// Takes it away when its holder is gone.
    pub fn left(&mut self, observer: u32) {
        if self.owner == Some(observer) {
            self.owner = None;
        }
    }

    /// Whether the observer holds the post under this epoch.
    pub fn holds(&self, observer: u32, epoch: Epoch) -> bool {
        self.owner == Some(observer) && self.epoch == epoch
    }

    /// The epoch that holds.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_holds_the_post_and_the_next_one_has_a_higher_epoch() {
        let mut table = Table::new();
        let first = table.grant(1).unwrap();
        assert_eq!(table.grant(2), Err(Taken));
        assert!(table.holds(1, first) && !table.holds(2, first));
        table.left(2);
        assert!(table.holds(1, first), "somebody else left");
        table.left(1);
        assert!(!table.holds(1, first));
        let second = table.grant(1).unwrap();
        assert!(second > first && !table.holds(1, first) && table.holds(1, second));
    }
}
