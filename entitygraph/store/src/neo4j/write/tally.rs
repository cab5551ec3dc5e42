//! Censuses after a batch.
//!
//! Everything that is made, buried, moved or has other facets is first taken out where it was, with all that is below it, and then
//! put in where it is. In between it hangs on nothing, so the order does not matter, and moves that turn two entities around each
//! other make no circle.

use std::collections::{HashMap, HashSet};

use entitygraph_schema::EntityId;

use super::scene::Scene;
use crate::neo4j::{
    census::{Census, Member, Sign},
    facets::{FacetSet, Numbering, SetNumber},
};

/// Where an entity hangs while the batch is worked out.
#[derive(Clone, Copy)]
enum Above {
    /// On nothing, for now.
    Nothing,
    /// On the world.
    World,
    /// On an entity.
    Parent(EntityId),
}

/// Censuses as the batch leaves them.
pub struct Tally<'a> {
    scene: &'a Scene,
    above: HashMap<EntityId, Above>,
    /// Those that were touched.
    pub censuses: HashMap<EntityId, Census>,
    /// That of the world, if it was touched.
    pub world: Option<Census>,
    /// Numbers of the sets of facets of what was touched, as it is now.
    pub sets: HashMap<EntityId, SetNumber>,
}

impl<'a> Tally<'a> {
    /// Works out the censuses around what was touched.
    pub fn of(scene: &'a Scene, touched: &HashSet<EntityId>, facets: &mut Numbering<'_>) -> Self {
        let mut tally = Self {
            scene,
            above: HashMap::new(),
            censuses: HashMap::new(),
            world: None,
            sets: HashMap::new(),
        };
        let mut regrouped = Vec::new();
        for id in touched {
            let before = scene.nodes.get(id).map(|node| &node.entity);
            let now = scene.world.get(*id);
            let mut member = |entity: &_| Member::of(entity, facets.number(FacetSet::of(entity)));
            let (old, new) = (before.map(|entity| member(entity)), now.map(|entity| member(entity)));
            tally.sets.extend(now.map(|entity| (*id, facets.number(FacetSet::of(entity)))));
            let parent = |entity: Option<&std::sync::Arc<entitygraph_schema::Entity>>| {
                entity.map(|entity| entity.placement.parent)
            };
            if old != new || parent(before) != parent(now) {
                regrouped.push((*id, old, new));
            }
        }
        for (id, old, _) in &regrouped {
            if old.is_none() {
                tally.above.insert(*id, Above::Nothing);
            }
        }
        for (id, old, _) in &regrouped {
            if let Some(member) = old {
                let above = tally.above(*id);
                tally.count(*id, above, *member, Sign::Out);
                tally.above.insert(*id, Above::Nothing);
            }
        }
        for (id, _, new) in &regrouped {
            if let (Some(member), Some(now)) = (new, scene.world.get(*id)) {
                let above = now.placement.parent.map_or(Above::World, Above::Parent);
                tally.count(*id, above, *member, Sign::In);
                tally.above.insert(*id, above);
            }
        }
        tally
    }

    /// The census of an entity as the batch leaves it.
    pub fn census(&self, id: EntityId) -> Option<&Census> {
        self.censuses.get(&id).or_else(|| self.scene.nodes.get(&id).map(|node| &node.census))
    }

    fn above(&self, id: EntityId) -> Above {
        if let Some(above) = self.above.get(&id) {
            return *above;
        }
        let parent = self.scene.nodes.get(&id).map(|node| node.entity.placement.parent);
        match parent {
            Some(Some(parent)) => Above::Parent(parent),
            Some(None) => Above::World,
            None => Above::Nothing,
        }
    }

    fn count(&mut self, id: EntityId, above: Above, member: Member, sign: Sign) {
        let below = self.census(id).cloned().unwrap_or_default();
        let (mut above, mut direct) = (above, true);
        loop {
            match above {
                Above::Nothing => return,
                Above::World => {
                    let world = self.world.get_or_insert_with(|| self.scene.shard.census.clone());
                    world.count(member, &below, direct, sign);
                    return;
                }
                Above::Parent(parent) => {
                    let census = self.censuses.entry(parent).or_insert_with(|| {
                        self.scene.nodes.get(&parent).map(|node| node.census.clone()).unwrap_or_default()
                    });
                    census.count(member, &below, direct, sign);
                    (above, direct) = (self.above(parent), false);
                }
            }
        }
    }
}
