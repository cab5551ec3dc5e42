//! Links between entities that connect zones, such as the two ends of a jump point, and routes over them.

use crate::{id::EntityId, refusal::Refusal, text::LinkKind};

/// An undirected connection of two entities; at most one of each kind between two. The zones it connects are the
/// innermost zone hosts at or above its ends, and follow them when they move.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// What it is.
    pub kind: LinkKind,
    /// The end with the lower id.
    pub a: EntityId,
    /// The end with the higher id.
    pub b: EntityId,
    /// What passing it costs a route; positive and finite, 1 by custom.
    pub cost: f64,
}

impl Link {
    /// The same link whichever way round its ends are given.
    pub fn new(kind: LinkKind, one: EntityId, other: EntityId, cost: f64) -> Self {
        Self { kind, a: one.min(other), b: one.max(other), cost }
    }

    /// Refuses a link of an entity to itself.
    pub fn check_ends(&self) -> Result<(), Refusal> {
        if self.a == self.b {
            return Err(Refusal::BadLink { reason: format!("both ends are entity {}", self.a) });
        }
        Ok(())
    }

    /// Refuses a cost that no route could add up.
    pub fn check_cost(&self) -> Result<(), Refusal> {
        let cost = self.cost;
        if !cost.is_finite() || cost <= 0.0 {
            return Err(Refusal::BadLink { reason: format!("the cost is {cost}") });
        }
        Ok(())
    }

    /// The end that is not `end`.
    pub fn other(&self, end: EntityId) -> EntityId {
        if end == self.a { self.b } else { self.a }
    }
}

/// One passage of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct Hop {
    /// The end in the zone that is left.
    pub from: EntityId,
    /// The end in the zone that is entered.
    pub to: EntityId,
    /// The zone that is entered.
    pub zone: EntityId,
    /// Cost of the link.
    pub cost: f64,
}

/// The cheapest way between two zones over links of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Where it starts.
    pub from: EntityId,
    /// In order of travel; empty when start and end are one zone.
    pub hops: Vec<Hop>,
    /// Sum of the hops' costs.
    pub cost: f64,
}
