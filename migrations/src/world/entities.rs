//! Trees of entities, from the files to what the loader takes.

use std::{cell::RefCell, sync::Arc};

use entitygraph_schema::{
    Catalog, Container, EntityId, Kind, Layer, NewEntity, Placement, Refusal, Slot, Source,
};

use super::{
    format,
    index::{Index, each_below, full_key},
    items::Items,
    map::Map,
    marked::{Mark, Marked},
    names::{did_you_mean, id_of},
    scalar::Reference,
    templates::container_named,
    values::{Fault, Place},
};
use crate::load::{Missing, Problem, Sourced};

/// Turns what documents say into entities.
pub(super) struct Builder<'a> {
    pub catalog: Arc<Catalog>,
    pub index: &'a Index,
    /// Asks the store whether it has an entity.
    pub in_store: &'a dyn Fn(EntityId) -> bool,
    pub problems: RefCell<Vec<Problem>>,
    /// How many entities are left out because of a problem with them or above them.
    pub left_out: RefCell<u64>,
}

/// An entity of the top level and everything below it, parents first.
pub(super) struct Tree {
    pub entities: Vec<Sourced<NewEntity>>,
    /// What it is under, and as the file says it.
    pub parent: Option<(EntityId, Reference)>,
}

impl Tree {
    /// Ids of the entities.
    pub fn ids(&self) -> impl Iterator<Item = EntityId> {
        self.entities.iter().map(|entity| entity.value.id)
    }
}

/// Where an entity goes.
#[derive(Clone, Default)]
pub(super) struct Spot {
    pub parent: Option<EntityId>,
    /// The parent's key, when the entity is written below it; keys that start with `/` are appended to it.
    pub above: Option<String>,
    /// It is written below its parent.
    pub nested: bool,
    pub layer: Layer,
    pub ordinal: i64,
}

impl Builder<'_> {
    /// Says that a name of a world is missing.
    const NO_WORLD: &'static str =
        "say `world: NAME` at the top of the document: ids are made from that name and the key";

    /// A tree of the top level; nothing when its first entity cannot be built.
    pub fn tree(&self, world: Option<&str>, place: Place, entity: &format::Entity) -> Option<Tree> {
        let parent = match &entity.parent {
            None => None,
            Some(Marked { value, mark }) => match self.resolve(world, value) {
                Ok(id) => Some((id, value.clone())),
                Err(fault) => {
                    self.leave_out(place.fault(*mark, "parent", fault), world, entity, None);
                    return None;
                }
            },
        };
        let mut growing = Growing { builder: self, world, made: Vec::new() };
        let spot = Spot { parent: parent.as_ref().map(|(id, _)| *id), ..Spot::default() };
        growing.entity(place, entity, spot);
        (!growing.made.is_empty()).then_some(Tree { entities: growing.made, parent })
    }

    /// The entity that a reference means. Keys that no file has may be in the store from an earlier ingest.
    pub fn resolve(&self, world: Option<&str>, reference: &Reference) -> Result<EntityId, Fault> {
        let key = match reference {
            Reference::Id(id) => return Ok(*id),
            Reference::Key(key) => key,
        };
        let world = world.ok_or_else(|| Self::NO_WORLD.to_owned())?;
        if let Some(id) = self.index.find(world, key, &self.catalog) {
            return Ok(id);
        }
        let id = id_of(world, key);
        if (self.in_store)(id) {
            return Ok(id);
        }
        let hint = self.index.hint(world, key);
        let message = format!(
            "there is no entity `{key}`, neither in the files that could be read nor in the store{hint}"
        );
        Err(Fault { message, because: Some(Missing::Entity(id)) })
    }

    /// Leaves out an entity and what is written below it. `above` is the key of the entity around it.
    fn leave_out(&self, problem: Problem, world: Option<&str>, entity: &format::Entity, above: Option<&str>) {
        let mut loses = Vec::new();
        each_below(entity, above, &mut |entity, key| {
            let id = entity.id.as_ref().map(|id| id.value.0);
            loses.extend(id.or_else(|| Some(id_of(world?, key?))).map(Missing::Entity));
        });
        let also = written_below(&entity.children, &entity.parts);
        *self.left_out.borrow_mut() += 1 + also;
        self.problems.borrow_mut().push(Problem { also, ..problem.losing(loses) });
    }
}

/// A tree that is being built.
pub(super) struct Growing<'a> {
    pub builder: &'a Builder<'a>,
    pub world: Option<&'a str>,
    pub made: Vec<Sourced<NewEntity>>,
}

impl Growing<'_> {
    /// Adds an entity, what it comes with and what is written below it; or reports why not.
    fn entity(&mut self, mut place: Place, entity: &format::Entity, spot: Spot) {
        place.mark = mark_of(entity).unwrap_or(place.mark);
        let above = spot.above.clone();
        if let Err(problem) = self.try_entity(&place, entity, spot) {
            self.builder.leave_out(problem, self.world, entity, above.as_deref());
        }
    }

    fn try_entity(&mut self, place: &Place, entity: &format::Entity, spot: Spot) -> Result<(), Problem> {
        if let (true, Some(parent)) = (spot.nested, &entity.parent) {
            return Err(place.problem(
                parent.mark,
                "parent",
                "it is written below its parent already: leave one out",
            ));
        }
        let (id, key) = self.identity(place, entity, spot.above.as_deref())?;
        let container =
            entity.container.as_ref().map(|name| self.container(place, "container", name)).transpose()?;
        let new = self.new_entity(place, entity, container.as_deref(), id, &spot)?;
        let below = Spot { parent: Some(id), above: key, nested: true, layer: new.layer, ordinal: 0 };
        let expands = entity.expand.as_ref().is_none_or(|expand| expand.value);
        match container {
            Some(container) if expands => return self.instance(place, entity, &container, new, below),
            Some(container) => self.exact(place, entity, &container, new)?,
            None => self.plain(place, entity, new)?,
        }
        self.below(place, &entity.children, &below);
        Ok(())
    }

    /// The entity's id and, if it has one, its full key.
    fn identity(
        &self,
        place: &Place,
        entity: &format::Entity,
        above: Option<&str>,
    ) -> Result<(EntityId, Option<String>), Problem> {
        let id = entity.id.as_ref().map(|id| id.value.0);
        let Some(key) = &entity.key else {
            let message = "give it a `key`, from which its id is made, or an `id`";
            return id.map(|id| (id, None)).ok_or_else(|| place.problem(Mark::default(), "", message));
        };
        let wrong = |message: String| place.problem(key.mark, "key", message);
        let full = full_key(&key.value, above).map_err(wrong)?;
        let world = self.world.ok_or_else(|| wrong(Builder::NO_WORLD.to_owned()))?;
        if let Some(first) = self.builder.index.before(world, &full, place, key.mark) {
            return Err(wrong(format!("the key `{full}` is there twice, first at {first}")));
        }
        Ok((id.unwrap_or_else(|| id_of(world, &full)), Some(full)))
    }

    fn container(
        &self,
        place: &Place,
        field: &str,
        name: &Marked<String>,
    ) -> Result<Arc<Container>, Problem> {
        let catalog = &self.builder.catalog;
        catalog.container_by_name(&name.value).cloned().ok_or_else(|| {
            let hint = did_you_mean(&name.value, catalog.containers().map(|known| known.draft.name.as_str()));
            let message = format!("there is no container `{}`{hint}", name.value);
            place.problem(name.mark, field, message).because(container_named(&name.value))
        })
    }

    /// What the entity says of itself.
    fn new_entity(
        &self,
        place: &Place,
        entity: &format::Entity,
        container: Option<&Container>,
        id: EntityId,
        spot: &Spot,
    ) -> Result<NewEntity, Problem> {
        let resolve = |reference: &Reference| self.builder.resolve(self.world, reference);
        let zone = place.zone(entity.zone.as_ref())?;
        Ok(NewEntity {
            id,
            name: place.optional_text("name", entity.name.as_ref())?.unwrap_or_default(),
            kind: kind(place, entity, container)?,
            source: None,
            placement: Placement {
                parent: spot.parent,
                port: place.optional_text("port", entity.port.as_ref())?,
                pose: place.pose(entity.pose.as_ref())?,
            },
            radius: place.radius(entity.radius.as_ref(), zone.as_ref())?.unwrap_or_default(),
            zone,
            root: entity.root,
            labels: place.texts("labels", &entity.labels)?,
            owner: place.optional_text("owner", entity.owner.as_ref())?,
            layer: place.layer(entity.layer)?.unwrap_or(spot.layer),
            ordinal: entity.ordinal.unwrap_or(spot.ordinal),
            components: place.values(&entity.values, &self.builder.catalog.registry, &resolve)?,
        })
    }

    /// An entity that is no instance.
    fn plain(&mut self, place: &Place, entity: &format::Entity, new: NewEntity) -> Result<(), Problem> {
        let of_instances = [
            ("parts", !entity.parts.is_empty()),
            ("slot", entity.slot.is_some()),
            ("expand", entity.expand.is_some()),
        ];
        if let Some((field, _)) = of_instances.iter().find(|(_, given)| *given) {
            return Err(place.problem(Mark::default(), field, "only an entity with a `container` has it"));
        }
        self.made.push(Sourced::new(place.origin(), new));
        Ok(())
    }

    /// An instance of which the file says everything but the container's values.
    fn exact(
        &mut self,
        place: &Place,
        entity: &format::Entity,
        container: &Container,
        new: NewEntity,
    ) -> Result<(), Problem> {
        if !entity.parts.is_empty() {
            let message = "with `expand: false` it comes with no parts: write them as entities below it";
            return Err(place.problem(Mark::default(), "parts", message));
        }
        if container.draft.transient {
            let refusal = Refusal::Transient { container: container.draft.name.clone() };
            let mark = entity.container.as_ref().map_or(Mark::default(), |name| name.mark);
            return Err(place.problem(mark, "container", refusal));
        }
        let slot = match &entity.slot {
            None => None,
            Some(slot) => Some(Slot {
                container: self.container(place, "slot.container", &slot.container)?.id,
                child: place.text("slot.child", &slot.child)?,
            }),
        };
        let source = Some(Source { container: container.id, slot });
        self.made.push(Sourced::new(place.origin(), NewEntity { source, ..new }));
        Ok(())
    }

    /// What is written below an entity. `spot` is that of the first child.
    pub fn below(&mut self, place: &Place, children: &Items<format::Entity>, spot: &Spot) {
        for (index, mark, entity) in children.marked() {
            let place = Place { mark, ..place.below(&format!("children[{index}]")) };
            self.entity(place, entity, Spot { ordinal: spot.ordinal + index as i64, ..spot.clone() });
        }
    }
}

fn kind(place: &Place, entity: &format::Entity, container: Option<&Container>) -> Result<Kind, Problem> {
    let own = place.optional_text("kind", entity.kind.as_ref())?;
    match (own, container) {
        (Some(own), None) => Ok(own),
        (None, None) => {
            Err(place.problem(Mark::default(), "kind", "say its `kind`, or a `container` that does"))
        }
        (None, Some(container)) => Ok(container.draft.kind.clone()),
        (Some(own), Some(container)) if own == container.draft.kind => Ok(own),
        (Some(own), Some(container)) => {
            let message = format!(
                "an entity of container `{}` is a `{}`, not a `{own}`",
                container.draft.name, container.draft.kind
            );
            let mark = entity.kind.as_ref().map_or(Mark::default(), |kind| kind.mark);
            Err(place.problem(mark, "kind", message))
        }
    }
}

/// Where the entity begins to say what it is.
fn mark_of(entity: &format::Entity) -> Option<Mark> {
    let named = entity.name.as_ref().or(entity.kind.as_ref()).or(entity.container.as_ref());
    entity
        .key
        .as_ref()
        .map(|key| key.mark)
        .or(entity.id.as_ref().map(|id| id.mark))
        .or(named.map(|name| name.mark))
}

/// How many entities are written below.
fn written_below(children: &Items<format::Entity>, parts: &Map<format::Part>) -> u64 {
    let children: u64 =
        children.iter().map(|(_, child)| 1 + written_below(&child.children, &child.parts)).sum();
    children + parts.values().map(|part| written_below(&part.children, &part.parts)).sum::<u64>()
}
