//! Links as statements answer them.

use entitygraph_schema::{EntityId, Link};
use serde::Deserialize;

use super::{number::id, shared::Shared};
use crate::error::Result;

/// The columns of a [`LinkRow`] in Cypher, of a relationship `l`.
macro_rules! link_row {
    () => {
        "[l.kind, startNode(l).id, endNode(l).id, l.cost, l.from, l.to]"
    };
}
pub(super) use link_row;

/// Kind, lower end, higher end, cost, and the zones of the ends.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct LinkRow<'a>(#[serde(borrow)] (&'a str, i64, i64, f64, i64, i64));

/// A link and the zones of its ends.
pub struct Joined {
    /// The link.
    pub link: Link,
    /// Zone of the lower end.
    pub from: EntityId,
    /// Zone of the higher end.
    pub to: EntityId,
}

impl LinkRow<'_> {
    /// The link; one with a kind or an end that cannot be is a damaged database.
    pub fn read(self, shared: &Shared) -> Result<Joined> {
        let (kind, a, b, cost, from, to) = self.0;
        let read = || {
            let link = Link { kind: kind.parse().ok()?, a: id(a)?, b: id(b)?, cost };
            Some(Joined { link, from: id(from)?, to: id(to)? })
        };
        read().ok_or_else(|| {
            shared.client.place.corrupt(format!("the link {kind} of {a} and {b} does not read"))
        })
    }
}
