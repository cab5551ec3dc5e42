//! Entities that come with children: what a container brings, what the file says otherwise of it, and what it puts below.

use entitygraph_schema::{Container, EntityId, NewEntity};

use super::{
    entities::{Growing, Spot},
    format,
    index::unknown_part,
    map::Map,
    marked::Mark,
    names::id_of,
    scalar::Reference,
    values::Place,
};
use crate::load::{Problem, Sourced};

/// What the file says otherwise of an entity's parts.
#[derive(Clone)]
struct Overrides<'a> {
    parts: &'a Map<format::Part>,
    place: Place,
}

/// An entity of the instance.
struct Made<'a> {
    id: EntityId,
    /// Full key, or what stands for it in an instance without one.
    key: String,
    overrides: Option<Overrides<'a>>,
}

impl Growing<'_> {
    /// An instance with everything that its container brings and all that is written below any of it.
    pub(super) fn instance(
        &mut self,
        place: &Place,
        entity: &format::Entity,
        container: &Container,
        new: NewEntity,
        spot: Spot,
    ) -> Result<(), Problem> {
        if entity.slot.is_some() {
            let message = "only with `expand: false`: otherwise it is no part of another entity";
            return Err(place.problem(Mark::default(), "slot", message));
        }
        if new.zone.is_some() && container.draft.zone.is_none() {
            let message = format!(
                "container `{}` is no zone, and its children are placed for that",
                container.draft.name
            );
            return Err(place.problem(Mark::default(), "zone", message));
        }
        // Without a key the parts' ids are made from the id, written as no key can be.
        let key = spot.above.clone().unwrap_or_else(|| format!("#{}", new.id));
        for part in self.expand(place, entity, container, new, &key)? {
            self.made.push(part);
        }
        let brought = Spot { ordinal: container.draft.children.len() as i64, ..spot.clone() };
        self.below(place, &entity.children, &brought);
        self.below_parts(place, &entity.parts, container, &key, &spot);
        Ok(())
    }

    fn expand(
        &self,
        place: &Place,
        entity: &format::Entity,
        container: &Container,
        new: NewEntity,
        key: &str,
    ) -> Result<Vec<Sourced<NewEntity>>, Problem> {
        let catalog = &self.builder.catalog;
        // Stand-ins: the entities' distance from it is their index.
        let first = EntityId::FIRST_LEASED;
        let expanded = catalog
            .instantiate(container, first, new.name.clone(), new.placement.clone(), new.components.clone())
            .map_err(|refusal| place.problem(Mark::default(), "container", refusal))?;
        let mut made: Vec<Made<'_>> = Vec::with_capacity(expanded.len());
        let mut result = Vec::with_capacity(expanded.len());
        for part in expanded {
            let mut part = NewEntity { layer: new.layer, ..part };
            let above = part.placement.parent.filter(|_| !made.is_empty());
            let above = above.and_then(|parent| made.get((parent.get() - first.get()) as usize));
            let this = match above {
                None => {
                    first_of_instance(&mut part, &new, entity);
                    let overrides = Overrides { parts: &entity.parts, place: place.clone() };
                    Made { id: new.id, key: key.to_owned(), overrides: Some(overrides) }
                }
                Some(above) => {
                    let name = part.name.to_string();
                    let key = format!("{}/{name}", above.key);
                    part.placement.parent = Some(above.id);
                    let overrides = above.overrides.as_ref().and_then(|overrides| {
                        let place = overrides.place.below(&format!("parts.{name}"));
                        overrides.parts.get(&name).map(|part| (part, place))
                    });
                    if let Some((written, place)) = &overrides {
                        self.override_part(place, written, &mut part)?;
                    }
                    let overrides = overrides.map(|(part, place)| Overrides { parts: &part.parts, place });
                    Made { id: id_of(self.world.unwrap_or_default(), &key), key, overrides }
                }
            };
            part.id = this.id;
            let container = part.source.as_ref().and_then(|source| catalog.container(source.container));
            if let (Some(container), Some(overrides)) = (container, &this.overrides) {
                check_parts(container, overrides)?;
            }
            let origin =
                if made.is_empty() { place.origin() } else { place.origin_at(Mark::default(), &this.key) };
            result.push(Sourced::new(origin, part));
            made.push(this);
        }
        Ok(result)
    }

    fn override_part(
        &self,
        place: &Place,
        written: &format::Part,
        part: &mut NewEntity,
    ) -> Result<(), Problem> {
        let resolve = |reference: &Reference| self.builder.resolve(self.world, reference);
        if let Some(name) = place.optional_text("name", written.name.as_ref())? {
            part.name = name;
        }
        if let Some(pose) = place.pose(written.pose.as_ref())? {
            part.placement.pose = Some(pose);
        }
        part.owner = place.optional_text("owner", written.owner.as_ref())?;
        part.labels.append(&mut place.texts("labels", &written.labels)?);
        part.components.overlay(&place.values(&written.values, &self.builder.catalog.registry, &resolve)?);
        Ok(())
    }

    /// What is written below the parts of an instance.
    fn below_parts(
        &mut self,
        place: &Place,
        parts: &Map<format::Part>,
        container: &Container,
        key: &str,
        spot: &Spot,
    ) {
        let catalog = self.builder.catalog.clone();
        for (name, part) in parts {
            let child = container.draft.children.iter().find(|child| child.name.as_str() == name);
            let inner = child.and_then(|child| catalog.container_by_name(child.container.as_str()));
            let Some(inner) = inner else { continue }; // `expand` has refused it
            let key = format!("{key}/{name}");
            let spot = Spot {
                parent: Some(id_of(self.world.unwrap_or_default(), &key)),
                above: spot.above.as_ref().map(|_| key.clone()),
                ordinal: inner.draft.children.len() as i64,
                ..spot.clone()
            };
            let place = place.below(&format!("parts.{name}"));
            self.below(&place, &part.children, &spot);
            self.below_parts(&place, &part.parts, inner, &key, &spot);
        }
    }
}

/// What the file says of the instance's own entity.
fn first_of_instance(part: &mut NewEntity, new: &NewEntity, entity: &format::Entity) {
    part.owner = new.owner.clone();
    part.ordinal = new.ordinal;
    part.root |= new.root;
    part.labels.extend(new.labels.iter().cloned());
    part.zone = new.zone.or(part.zone);
    if entity.radius.is_some() || entity.zone.is_some() {
        part.radius = new.radius;
    }
}

fn check_parts(container: &Container, overrides: &Overrides<'_>) -> Result<(), Problem> {
    let Some((name, hint)) = unknown_part(container, overrides.parts.keys()) else { return Ok(()) };
    let message = format!("container `{}` brings no `{name}`{hint}", container.draft.name);
    Err(overrides.place.problem(Mark::default(), &format!("parts.{name}"), message))
}
