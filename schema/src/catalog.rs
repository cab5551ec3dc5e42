//! All component types and containers at one moment: publishing, instances, effective values.
//!
//! A [`Catalog`] is a snapshot like the [`Registry`] in it: publishing says what the next version would be, [`Catalog::insert`]
//! puts it in.

mod bringing;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    component::{Components, Registry},
    container::{Container, ContainerDraft},
    entity::{Entity, NewEntity, Placement, Slot, Source},
    id::{ContainerId, EntityId},
    order::{ContainerVersion, Layer},
    refusal::Refusal,
    space::{Pose, radius},
    text::{ContainerName, EntityName, Label, starting_with},
};

/// All component types and the newest version of all containers at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Component types.
    pub registry: Registry,
    containers: HashMap<ContainerId, Arc<Container>>,
    by_name: BTreeMap<ContainerName, ContainerId>,
    last_id: u32,
    bringing: bringing::Bringing,
}

impl Catalog {
    /// The newest version of the container of this number.
    pub fn container(&self, id: ContainerId) -> Option<&Arc<Container>> {
        self.containers.get(&id)
    }

    /// The newest version of the container of this name.
    pub fn container_by_name(&self, name: &str) -> Option<&Arc<Container>> {
        self.containers.get(self.by_name.get(name)?)
    }

    /// All containers, in no order.
    pub fn containers(&self) -> impl ExactSizeIterator<Item = &Arc<Container>> {
        self.containers.values()
    }

    /// Containers whose name begins with the prefix, by name; from behind the name `after` on, where one is given.
    pub fn containers_by_name<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Arc<Container>> {
        starting_with(&self.by_name, prefix, after).filter_map(|id| self.containers.get(id))
    }

    /// Puts in a version that was published before (read from a store or a change feed).
    pub fn insert(&mut self, container: Arc<Container>) {
        self.bringing = bringing::Bringing::default();
        self.last_id = self.last_id.max(container.id.get());
        self.by_name.insert(container.draft.name.clone(), container.id);
        self.containers.insert(container.id, container);
    }

    /// What publishing the draft would make of it, without changing this snapshot. A draft that changes nothing returns
    /// the newest version as it is.
    ///
    /// Refuses unknown children, cycles (AC 2.1.2), a changed kind, a stored container that becomes transient, values
    /// that the registry does not know, duplicate names, transient children of what is to be stored, and trees deeper or
    /// larger than the limits of [`Container`].
    /// Containers around this one may grow over those limits by it: then their next instance is refused.
    pub fn publish(&self, draft: &ContainerDraft) -> Result<Arc<Container>, Refusal> {
        let name = &draft.name;
        let invalid = |reason: String| Refusal::Container { container: name.clone(), reason };
        radius("the radius", draft.radius).map_err(|e| invalid(e.to_string()))?;
        self.registry.check(&draft.components)?;
        Entity::check_size(&draft.labels, &draft.components)?;
        if draft.children.len() > Container::MAX_CHILDREN {
            let (count, max) = (draft.children.len() as u64, Container::MAX_CHILDREN as u64);
            return Err(Refusal::TooMany { what: "children of a container", count, max });
        }
        let mut names = BTreeSet::new();
        let mut taken_ports = BTreeSet::new();
        let mut harmless = BTreeSet::new();
        for child in &draft.children {
            if !names.insert(&child.name) {
                return Err(invalid(format!("it has two children named `{}`", child.name)));
            }
            self.registry.check(&child.overrides)?;
            Entity::check_size(&child.labels, &child.overrides)?;
            if child.container == *name {
                return Err(Refusal::ContainerCycle {
                    container: name.clone(),
                    through: child.container.clone(),
                });
            }
            let target = self
                .container_by_name(child.container.as_str())
                .ok_or_else(|| Refusal::UnknownContainer { container: child.container.to_string() })?;
            if self.holds(target, name, &mut harmless) {
                return Err(Refusal::ContainerCycle {
                    container: name.clone(),
                    through: child.container.clone(),
                });
            }
            if target.draft.transient && !draft.transient {
                return Err(invalid(format!(
                    "child `{}` is a `{}`, which is transient and never stored: leave it out, or make the container transient",
                    child.name, child.container
                )));
            }
            if let Some(port) = &child.port {
                let known = draft.ports.iter().find(|p| p.name == *port).ok_or_else(|| {
                    invalid(format!(
                        "child `{}` is attached to port `{port}`, which it does not have",
                        child.name
                    ))
                })?;
                if !taken_ports.insert(port) {
                    return Err(invalid(format!("two children are attached to port `{port}`")));
                }
                if !known.takes(&target.draft.kind) {
                    return Err(invalid(format!(
                        "port `{port}` does not accept `{}`, the kind of child `{}`",
                        target.draft.kind, child.name
                    )));
                }
            }
        }
        let mut ports = BTreeSet::new();
        if let Some(port) = draft.ports.iter().find(|port| !ports.insert(&port.name)) {
            return Err(invalid(format!("it has two ports named `{}`", port.name)));
        }
        self.measure(draft)?;
        let known = self.container_by_name(name.as_str());
        if let Some(known) = known {
            if known.draft == *draft {
                return Ok(known.clone());
            }
            if known.draft.kind != draft.kind {
                let (from, to) = (&known.draft.kind, &draft.kind);
                return Err(invalid(format!(
                    "its kind is `{from}` and cannot become `{to}`: publish another name"
                )));
            }
            if draft.transient && !known.draft.transient {
                return Err(invalid(
                    "it is stored, and so may its instances and the containers around it be: it cannot become \
                     transient; publish another name"
                        .into(),
                ));
            }
        }
        let id = match known {
            Some(known) => known.id,
            None => ContainerId::new(self.last_id.wrapping_add(1)).ok_or(Refusal::TooMany {
                what: "containers",
                count: u32::MAX.into(),
                max: u32::MAX.into(),
            })?,
        };
        let version = known.map_or(ContainerVersion::ZERO, |known| known.version).next();
        Ok(Arc::new(Container { id, version, draft: draft.clone() }))
    }

    /// Whether a container of another store, taken over as it is, would be new here. One that is at odds with what is here
    /// in number, name, kind or version is refused.
    pub fn adopts(&self, container: &Container) -> Result<bool, Refusal> {
        let name = &container.draft.name;
        let invalid = |reason: String| Refusal::Container { container: name.clone(), reason };
        radius("the radius", container.draft.radius)?;
        self.registry.check_held(&container.draft.components)?;
        let id = container.id;
        if let Some(other) = self.container_by_name(name.as_str()).filter(|other| other.id != id) {
            return Err(invalid(format!("it has number {id} there and {} here", other.id)));
        }
        match self.container(id) {
            None => Ok(true),
            Some(known) if **known == *container => Ok(false),
            Some(known) if known.draft.name != *name => {
                Err(invalid(format!("it has number {id}, which is `{}` here", known.draft.name)))
            }
            Some(known) if known.draft.kind != container.draft.kind => Err(invalid(format!(
                "its kind is `{}` there and `{}` here",
                container.draft.kind, known.draft.kind
            ))),
            Some(known) if known.version >= container.version => {
                let (there, here) = (container.version, known.version);
                Err(invalid(format!("its version {there} is not newer than version {here} here")))
            }
            Some(_) => Ok(true),
        }
    }

    /// Refuses an entity of another store that speaks of containers, components and variables that are not here.
    pub fn check_adopted(&self, entity: &Entity) -> Result<(), Refusal> {
        if let Some(source) = &entity.source {
            let containers =
                std::iter::once(source.container).chain(source.slot.as_ref().map(|slot| slot.container));
            for id in containers {
                self.container(id).ok_or_else(|| Refusal::UnknownContainer { container: id.to_string() })?;
            }
        }
        self.registry.check_held(&entity.components)?;
        Entity::check_size(&entity.labels, &entity.components)
    }

    /// Whether `from` is or holds the container named `name`. Those in `harmless` are known not to; it grows by what was
    /// looked at, so that all children together cost one walk.
    fn holds(&self, from: &Container, name: &ContainerName, harmless: &mut BTreeSet<ContainerId>) -> bool {
        let mut open = vec![from];
        while let Some(container) = open.pop() {
            if container.draft.name == *name {
                return true;
            }
            if harmless.insert(container.id) {
                let children = container.draft.children.iter();
                open.extend(
                    children.filter_map(|c| self.container_by_name(c.container.as_str())).map(Arc::as_ref),
                );
            }
        }
        false
    }

    /// Refuses a tree over the limits; returns how many entities one instance has.
    fn measure(&self, draft: &ContainerDraft) -> Result<u64, Refusal> {
        fn walk(
            catalog: &Catalog,
            draft: &ContainerDraft,
            depth: usize,
            count: &mut u64,
        ) -> Result<(), Refusal> {
            *count += 1;
            if *count > Container::MAX_INSTANCE_ENTITIES as u64 {
                let max = Container::MAX_INSTANCE_ENTITIES as u64;
                return Err(Refusal::TooMany { what: "entities in one instance", count: *count, max });
            }
            if depth > Container::MAX_DEPTH {
                let max = Container::MAX_DEPTH as u64;
                return Err(Refusal::TooMany {
                    what: "levels of nested containers",
                    count: depth as u64,
                    max,
                });
            }
            for child in &draft.children {
                if let Some(container) = catalog.container_by_name(child.container.as_str()) {
                    walk(catalog, &container.draft, depth + 1, count)?;
                }
            }
            Ok(())
        }
        let mut count = 0;
        walk(self, draft, 1, &mut count)?;
        Ok(count)
    }

    /// How many entities one instance of the container has.
    pub fn instance_entities(&self, container: &Container) -> Result<u64, Refusal> {
        self.measure(&container.draft)
    }

    /// Entities of a new instance, parents first: the first is the container itself at `placement`, named `name`; ids run
    /// up from `first`, as many as [`Self::instance_entities`] says. They have no owner and are in the ordinary layer.
    ///
    /// A child's pose in a zone is kept to the last bit. Below an instance that is no zone it is relative to that
    /// instance and is converted here to the zone around, once: such a child does not ride, only what has no pose does.
    ///
    /// # Errors
    /// Refuses unknown values, transient containers (AC 2.48.2), instances over the limits of [`Container`], and children
    /// with a pose below an instance that has none and is no zone, because nobody could say where they stand.
    pub fn instantiate(
        &self,
        container: &Container,
        first: EntityId,
        name: EntityName,
        placement: Placement,
        overrides: Components,
    ) -> Result<Vec<NewEntity>, Refusal> {
        self.registry.check(&overrides)?;
        let count = self.instance_entities(container)?;
        first.checked_add(count - 1).ok_or(Refusal::IdsExhausted)?;
        let mut made = Vec::with_capacity(count as usize);
        let source = Source { container: container.id, slot: None };
        let stands = placement.pose;
        let seed = Seed { name, source, placement, overrides, labels: BTreeSet::new(), ordinal: 0 };
        self.expand(container, seed, stands, first, &mut made)?;
        Ok(made)
    }

    /// Appends the entities of one instance. It stands at `stands` in the zone around it, by its own pose or by that of
    /// what it rides with; none is unknown.
    fn expand(
        &self,
        container: &Container,
        seed: Seed,
        stands: Option<Pose>,
        first: EntityId,
        made: &mut Vec<NewEntity>,
    ) -> Result<(), Refusal> {
        let draft = &container.draft;
        if draft.transient {
            return Err(Refusal::Transient { container: draft.name.clone() });
        }
        let id = first.checked_add(made.len() as u64).ok_or(Refusal::IdsExhausted)?;
        let mut labels = draft.labels.clone();
        labels.extend(seed.labels);
        made.push(NewEntity {
            id,
            name: seed.name,
            kind: draft.kind.clone(),
            source: Some(seed.source),
            placement: seed.placement,
            radius: draft.radius,
            zone: draft.zone,
            root: draft.root,
            labels,
            owner: None,
            layer: Layer::ZERO,
            ordinal: seed.ordinal,
            components: seed.overrides,
        });
        for (child, ordinal) in draft.children.iter().zip(0..) {
            let target = self
                .container_by_name(child.container.as_str())
                .ok_or_else(|| Refusal::UnknownContainer { container: child.container.to_string() })?;
            let pose = match child.pose {
                Some(pose) if draft.zone.is_none() => {
                    let stands = stands.ok_or_else(|| Refusal::Container {
                        container: draft.name.clone(),
                        reason: format!(
                            "its child `{}` has a pose, but the instance has none and is no zone: give the instance a pose",
                            child.name
                        ),
                    })?;
                    Some(stands.then(&pose).check()?)
                }
                pose => pose,
            };
            let rides_at = if draft.zone.is_some() { Some(Pose::IDENTITY) } else { stands };
            let seed = Seed {
                name: EntityName::new(child.name.as_str())?,
                source: Source {
                    container: target.id,
                    slot: Some(Slot { container: container.id, child: child.name.clone() }),
                },
                placement: Placement { parent: Some(id), port: child.port.clone(), pose },
                overrides: Components::default(),
                labels: child.labels.clone(),
                ordinal,
            };
            self.expand(target, seed, pose.or(rides_at), first, made)?;
        }
        Ok(())
    }

    /// The entity's values with its container's and slot's laid under its own; component defaults are not filled in
    /// (see [`Registry::with_defaults`]).
    pub fn effective(&self, entity: &Entity) -> Components {
        let mut components = Components::default();
        if let Some(source) = &entity.source {
            if let Some(container) = self.container(source.container) {
                components.overlay(&self.registry.converted(&container.draft.components));
            }
            let slot = source.slot.as_ref();
            let child = slot.and_then(|slot| self.container(slot.container)?.child(&slot.child));
            if let Some(child) = child {
                components.overlay(&self.registry.converted(&child.overrides));
            }
        }
        components.overlay(&self.registry.converted(&entity.components));
        components
    }
}

/// What an entity of an instance gets from around its container.
struct Seed {
    name: EntityName,
    source: Source,
    placement: Placement,
    overrides: Components,
    labels: BTreeSet<Label>,
    ordinal: i64,
}

#[cfg(test)]
mod tests;
