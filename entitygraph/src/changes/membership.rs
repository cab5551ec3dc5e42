//! Who is in a scope, and what a change is to those who follow it.

use std::sync::Arc;

use entitygraph_schema::{Change, Cursor, Entity, query::Extent};
use entitygraph_store::{Result, Store};

use super::{
    scope::{Scope, ScopeChange},
    window::{Place, Step, Window},
};

impl Scope {
    /// Whether the entity at this place is in the scope. Spheres are evaluated elsewhere.
    fn holds(&self, place: &Place) -> bool {
        let entity = &place.entity;
        match self {
            Self::Entity(id) => entity.id == *id,
            Self::Subtree(id) => entity.id == *id || place.above.iter().any(|above| above.id == *id),
            Self::Aggregate(id) => {
                let mut way = std::iter::once(entity).chain(place.above.iter());
                way.find(|step| step.root || step.id == *id).is_some_and(|step| step.id == *id)
            }
            Self::Zone(id) => {
                let host = place.above.iter().find(|above| above.zone.is_some());
                entity.id == *id || host.is_some_and(|host| host.id == *id)
            }
            Self::Container(id) => entity.source.as_ref().is_some_and(|source| source.container == *id),
            Self::Label(label) => entity.labels.contains(label),
            Self::Sphere(_) => false,
        }
    }

    /// How far the scope goes below an entity that moved into it; `None` when what is below comes and goes by itself.
    fn extent_below(&self, entity: &Entity) -> Option<Extent> {
        match self {
            Self::Subtree(_) => Some(Extent::All),
            Self::Aggregate(_) => Some(Extent::Aggregate),
            Self::Zone(_) if entity.zone.is_none() => Some(Extent::Zone),
            Self::Zone(_) | Self::Entity(_) | Self::Sphere(_) | Self::Container(_) | Self::Label(_) => None,
        }
    }

    /// Adds what the commit at `cursor` changed with this step for followers of the scope; says false when that is more
    /// than `max_entered` entities. The window has the commit. A link is told once, also when both ends are in the scope.
    pub(super) async fn tell(
        &self,
        cursor: Cursor,
        step: &Step<'_>,
        window: &mut Window,
        store: &dyn Store,
        max_entered: usize,
        told: &mut Vec<ScopeChange>,
    ) -> Result<bool> {
        let before = step.before.as_ref().filter(|place| self.holds(place));
        let after = step.after.as_ref().filter(|place| self.holds(place));
        if let Some(link) = ScopeChange::of_link(step.change) {
            if before.or(after).is_some() && told.last() != Some(&link) {
                told.push(link);
            }
            return Ok(true);
        }
        match (before, after, step.change) {
            (Some(_), Some(_), Change::Changed { entity, delta, .. }) => told.push(ScopeChange::Changed {
                entity: *entity,
                revision: delta.revision,
                patch: Arc::new(delta.patch.clone()),
            }),
            (_, Some(place), change) => {
                told.push(ScopeChange::Entered(place.entity.clone()));
                if matches!(change, Change::Changed { .. }) && self.extent_below(&place.entity).is_some() {
                    let (root, extent) = (place.entity.id, |entity: &Entity| self.extent_below(entity));
                    let below = window.below(root, cursor, extent, store, max_entered).await?;
                    let Some(below) = below else { return Ok(false) };
                    let entered = below.into_iter().filter(|place| self.holds(place));
                    told.extend(entered.map(|place| ScopeChange::Entered(place.entity)));
                }
            }
            (Some(place), None, change) => told.push(ScopeChange::Left {
                entity: place.entity.id,
                buried: matches!(change, Change::Buried(_)),
            }),
            (None, None, _) => {}
        }
        Ok(true)
    }
}
