//! The cheapest route between two zones.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
};

use entitygraph_schema::{EntityId, Refusal, Route, link::Hop};

use crate::error::Result;

/// Most zones that a search may leave; above it the question is refused.
pub const MAX_ZONES: usize = 100_000;

/// Most links that a search may look at; above it the question is refused.
pub const MAX_LINKS: usize = 1_000_000;

/// A link as it is seen from a zone at one of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Passage {
    /// The end in this zone.
    pub from: EntityId,
    /// The other end.
    pub to: EntityId,
    /// The zone that the other end is in.
    pub zone: EntityId,
    /// Positive and finite.
    pub cost: f64,
}

/// Finds the cheapest route, `None` when there is none. `passages` gives the links of a zone, both ways round, and refuses when
/// they are more than it is asked for.
///
/// Dijkstra's algorithm from both ends at once: two small circles instead of one large one. Each zone is read at most
/// twice. With equal costs it goes outwards evenly, as a breadth-first search does.
pub fn route(
    from: EntityId,
    to: EntityId,
    mut passages: impl FnMut(EntityId, usize) -> Result<Vec<Passage>>,
) -> Result<Option<Route>> {
    let mut allowance = MAX_LINKS;
    let mut passages = |zone| {
        let found = passages(zone, allowance)?;
        allowance = allowance.saturating_sub(found.len());
        Ok(found)
    };
    let (mut there, mut back) = (Side::new(from), Side::new(to));
    let mut meeting: Option<(f64, EntityId)> = (from == to).then_some((0.0, from));
    let mut left = 0;
    while let (Some(ahead), Some(behind)) = (there.nearest(), back.nearest()) {
        if meeting.is_some_and(|(cost, _)| ahead + behind >= cost) {
            break;
        }
        left += 1;
        if left > MAX_ZONES {
            return Err(Refusal::TooMany {
                what: "zones between the ends of the route",
                count: left as u64,
                max: MAX_ZONES as u64,
            }
            .into());
        }
        let (side, other) = if ahead <= behind { (&mut there, &back) } else { (&mut back, &there) };
        for (zone, cost) in side.leave_nearest(&mut passages)? {
            if let Some(rest) = other.best.get(&zone)
                && meeting.is_none_or(|(least, _)| cost + rest.cost < least)
            {
                meeting = Some((cost + rest.cost, zone));
            }
        }
    }
    Ok(meeting.map(|(_, zone)| {
        let mut hops = there.hops_to(zone);
        hops.reverse();
        hops.extend(back.hops_to(zone).into_iter().zip(back.zones_from(zone)).map(|(hop, entered)| Hop {
            from: hop.to,
            to: hop.from,
            zone: entered,
            cost: hop.cost,
        }));
        Route { from, cost: hops.iter().fold(0.0, |sum, hop| sum + hop.cost), hops }
    }))
}

/// The cheapest known way to a zone.
struct Way {
    cost: f64,
    /// The last hop of it and the zone before that hop; none for the start.
    last: Option<(EntityId, Hop)>,
    left: bool,
}

/// The search from one end.
struct Side {
    best: HashMap<EntityId, Way>,
    open: BinaryHeap<Reverse<(Cost, EntityId)>>,
}

impl Side {
    fn new(start: EntityId) -> Self {
        Self {
            best: HashMap::from([(start, Way { cost: 0.0, last: None, left: false })]),
            open: BinaryHeap::from([Reverse((Cost(0.0), start))]),
        }
    }

    /// Cost of the nearest zone that was not left yet.
    fn nearest(&mut self) -> Option<f64> {
        while let Some(&Reverse((cost, zone))) = self.open.peek() {
            if self.best.get(&zone).is_some_and(|way| !way.left) {
                return Some(cost.0);
            }
            self.open.pop();
        }
        None
    }

    /// Follows the links of the nearest zone; returns the zones with a new cheapest way, and its cost.
    fn leave_nearest(
        &mut self,
        passages: &mut impl FnMut(EntityId) -> Result<Vec<Passage>>,
    ) -> Result<Vec<(EntityId, f64)>> {
        let Some(Reverse((Cost(cost), zone))) = self.open.pop() else { return Ok(Vec::new()) };
        if let Some(way) = self.best.get_mut(&zone) {
            way.left = true;
        }
        let mut improved = Vec::new();
        for passage in passages(zone)? {
            let hop = Hop { from: passage.from, to: passage.to, zone: passage.zone, cost: passage.cost };
            let way = Way { cost: cost + passage.cost, last: Some((zone, hop)), left: false };
            match self.best.entry(passage.zone) {
                Entry::Occupied(known) if known.get().cost <= way.cost => continue,
                Entry::Occupied(mut known) => drop(known.insert(way)),
                Entry::Vacant(new) => drop(new.insert(way)),
            }
            improved.push((passage.zone, cost + passage.cost));
            self.open.push(Reverse((Cost(cost + passage.cost), passage.zone)));
        }
        Ok(improved)
    }

    /// The hops to a zone, last one first.
    fn hops_to(&self, zone: EntityId) -> Vec<Hop> {
        self.way_to(zone).map(|(_, hop)| hop.clone()).collect()
    }

    /// The zones before each of the hops to a zone, last one first.
    fn zones_from(&self, zone: EntityId) -> impl Iterator<Item = EntityId> {
        self.way_to(zone).map(|(before, _)| *before)
    }

    fn way_to(&self, zone: EntityId) -> impl Iterator<Item = &(EntityId, Hop)> {
        let last = move |zone| self.best.get(&zone).and_then(|way| way.last.as_ref());
        std::iter::successors(last(zone), move |(before, _)| last(*before))
    }
}

/// A cost as an order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost(f64);

impl Eq for Cost {}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: usize) -> EntityId {
        EntityId::new(number as u64).unwrap()
    }

    /// Zones 1 to `zones`; link `n` has its ends 1,000,000 + 2 n in its first and 1,000,001 + 2 n in its second zone.
    struct Net {
        links: Vec<(usize, usize, f64)>,
    }

    impl Net {
        fn passages(&self, zone: EntityId) -> Vec<Passage> {
            let mut passages = Vec::new();
            for (n, &(a, b, cost)) in self.links.iter().enumerate() {
                let ends = [(a, id(1_000_000 + 2 * n)), (b, id(1_000_001 + 2 * n))];
                for ((here, from), (there, to)) in [(ends[0], ends[1]), (ends[1], ends[0])] {
                    if id(here) == zone {
                        passages.push(Passage { from, to, zone: id(there), cost });
                    }
                }
            }
            passages
        }

        fn route(&self, from: usize, to: usize) -> Option<Route> {
            route(id(from), id(to), |zone, _| Ok(self.passages(zone))).unwrap()
        }

        /// Bellman and Ford's algorithm, as simple as it gets.
        fn cheapest(&self, from: usize, to: usize, zones: usize) -> Option<f64> {
            let mut costs = vec![f64::INFINITY; zones + 1];
            costs[from] = 0.0;
            for _ in 0..zones {
                for &(a, b, cost) in &self.links {
                    costs[b] = costs[b].min(costs[a] + cost);
                    costs[a] = costs[a].min(costs[b] + cost);
                }
            }
            Some(costs[to]).filter(|cost| cost.is_finite())
        }

        /// Walks the route and checks each hop against the links.
        fn check(&self, route: &Route, to: usize) {
            let mut zone = route.from;
            let mut cost = 0.0;
            for hop in &route.hops {
                let known = Passage { from: hop.from, to: hop.to, zone: hop.zone, cost: hop.cost };
                assert!(self.passages(zone).contains(&known), "{hop:?} does not start in {zone}");
                zone = hop.zone;
                cost += hop.cost;
            }
            assert_eq!((zone, cost.to_bits()), (id(to), route.cost.to_bits()));
        }
    }

    #[test]
    fn a_long_way_of_cheap_links_beats_a_short_dear_one() {
        let net = Net { links: vec![(1, 2, 1.0), (2, 3, 1.0), (3, 4, 1.0), (1, 4, 3.5), (4, 5, 1.0)] };
        let found = net.route(1, 5).unwrap();
        net.check(&found, 5);
        assert_eq!((found.cost, found.hops.len()), (4.0, 4));
        assert_eq!(found.hops[0], Hop { from: id(1_000_000), to: id(1_000_001), zone: id(2), cost: 1.0 });
    }

    #[test]
    fn a_zone_is_at_itself_and_nowhere_without_links() {
        let net = Net { links: vec![(1, 2, 1.0), (1, 1, 1.0)] };
        assert_eq!(net.route(1, 1), Some(Route { from: id(1), hops: Vec::new(), cost: 0.0 }));
        assert_eq!(net.route(1, 3), None);
    }

    #[test]
    fn a_search_that_goes_too_far_is_refused_and_faults_come_through() {
        let endless = |zone: EntityId, _: usize| {
            let far = if zone.get().is_multiple_of(2) { 2 } else { -2 };
            let next = EntityId::new(zone.get().wrapping_add_signed(far)).unwrap();
            Ok(vec![Passage { from: zone, to: next, zone: next, cost: 1.0 }])
        };
        let error = route(id(1 << 40), id((1 << 40) + 1), endless).unwrap_err();
        assert_eq!(error.code(), "TOO_MANY");
        let error = route(id(1), id(2), |_, _| Err(crate::Error::Stopped)).unwrap_err();
        assert_eq!(error.code(), "STORE_STOPPED");
    }

    proptest! {
        #[test]
        fn no_route_is_cheaper(
            links in proptest::collection::vec((1..=12usize, 1..=12usize, prop_oneof![Just(1.0), 0.01..9.0f64]), 0..40),
            from in 1..=12usize,
            to in 1..=12usize,
        ) {
            let net = Net { links };
            let found = net.route(from, to);
            let cheapest = net.cheapest(from, to, 12);
            prop_assert_eq!(found.is_some(), cheapest.is_some());
            if let (Some(found), Some(cheapest)) = (found, cheapest) {
                net.check(&found, to);
                prop_assert!((found.cost - cheapest).abs() <= 1e-9 * cheapest);
            }
        }
    }
}
