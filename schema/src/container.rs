//! Object containers: versioned, nesting templates of entities (domain.md 2.1).
//!
//! A container describes one entity and the children it comes with; each child is again an instance of a container, with
//! overrides. An instance stores its container, the slot it came from and only what differs, so publishing a new
//! version changes every instance's values that nobody overrode. Structure (children) applies to new instances only.
//!
//! Layers of an instance's values, the later wins: component defaults, its container, the slot's overrides in the
//! container around it, its own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    component::{Components, Registry},
    entity::{Entity, NewEntity, Placement, Slot, Source},
    id::{ContainerId, EntityId},
    order::ContainerVersion,
    refusal::Refusal,
    space::{Aabb, Pose, radius},
    text::{ChildName, ContainerName, EntityName, Kind, Label, PortName},
};

/// A place on an entity where one other may be attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Unique within the container.
    pub name: PortName,
    /// Kinds that fit; empty accepts every kind.
    pub accepts: BTreeSet<Kind>,
}

/// A child that instances of a container come with.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Unique within the container; also the name of the new entity.
    pub name: ChildName,
    /// What the child is an instance of; must be published before.
    pub container: ContainerName,
    /// Where it stands in the innermost zone around it; none rides with its parent.
    pub pose: Option<Pose>,
    /// The parent's port it is attached to.
    pub port: Option<PortName>,
    /// Values that differ from the child's container.
    pub overrides: Components,
    /// Labels besides those of the child's container.
    pub labels: BTreeSet<Label>,
}

/// A container as its author writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerDraft {
    /// Unique name; publishing it again makes the next version.
    pub name: ContainerName,
    /// Kind of the instances; fixed by the first version.
    pub kind: Kind,
    /// Bounding radius of an instance in metres, copied to it when it is made.
    pub radius: f64,
    /// Makes instances zone hosts with these bounds.
    pub zone: Option<Aabb>,
    /// Makes instances aggregate roots.
    pub root: bool,
    /// Instances are never persisted: the store refuses them (AC 2.48.2).
    pub transient: bool,
    /// Labels copied to each instance.
    pub labels: BTreeSet<Label>,
    /// Where others may be attached.
    pub ports: Vec<Port>,
    /// Components and the values that differ from their defaults.
    pub components: Components,
    /// What instances come with.
    pub children: Vec<Child>,
}

/// A published version of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Number in this store, the same for all versions.
    pub id: ContainerId,
    /// 1 for the first.
    pub version: ContainerVersion,
    /// What its author wrote.
    pub draft: ContainerDraft,
}

impl Container {
    /// Most children of one container.
    pub const MAX_CHILDREN: usize = 10_000;
    /// Most entities of one instance, nested children included.
    pub const MAX_INSTANCE_ENTITIES: usize = 10_000;
    /// Deepest nesting of containers.
    pub const MAX_DEPTH: usize = 64;

    /// The child of this name.
    pub fn child(&self, name: &ChildName) -> Option<&Child> {
        self.draft.children.iter().find(|child| child.name == *name)
    }

    /// The port of this name.
    pub fn port(&self, name: &PortName) -> Option<&Port> {
        self.draft.ports.iter().find(|port| port.name == *name)
    }
}

/// All component types and the newest version of all containers at one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Component types.
    pub registry: Registry,
    containers: HashMap<ContainerId, Arc<Container>>,
    by_name: HashMap<ContainerName, ContainerId>,
    last_id: u32,
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

    /// Puts in a version that was published before (read from a store or a change feed).
    pub fn insert(&mut self, container: Arc<Container>) {
        self.last_id = self.last_id.max(container.id.get());
        self.by_name.insert(container.draft.name.clone(), container.id);
        self.containers.insert(container.id, container);
    }

    /// What publishing the draft would make of it, without changing this snapshot. A draft that changes nothing returns
    /// the newest version as it is.
    ///
    /// Refuses unknown children, cycles (AC 2.1.2), a changed kind, values that the registry does not know, duplicate
    /// names, and trees deeper or larger than the limits of [`Container`].
    pub fn publish(&self, draft: &ContainerDraft) -> Result<Arc<Container>, Refusal> {
        let name = &draft.name;
        let invalid = |reason: String| Refusal::Container { container: name.clone(), reason };
        radius("the radius", draft.radius).map_err(|e| invalid(e.to_string()))?;
        self.registry.check(&draft.components)?;
        if draft.children.len() > Container::MAX_CHILDREN {
            let (count, max) = (draft.children.len() as u64, Container::MAX_CHILDREN as u64);
            return Err(Refusal::TooMany { what: "children of a container", count, max });
        }
        let mut names = BTreeSet::new();
        let mut taken_ports = BTreeSet::new();
        for child in &draft.children {
            if !names.insert(&child.name) {
                return Err(invalid(format!("it has two children named `{}`", child.name)));
            }
            self.registry.check(&child.overrides)?;
            if child.container == *name {
                return Err(Refusal::ContainerCycle { container: name.clone(), through: child.container.clone() });
            }
            let target = self
                .container_by_name(child.container.as_str())
                .ok_or_else(|| Refusal::UnknownContainer { container: child.container.to_string() })?;
            if self.reaches(target, name) {
                return Err(Refusal::ContainerCycle { container: name.clone(), through: child.container.clone() });
            }
            if let Some(port) = &child.port {
                let known = draft.ports.iter().find(|p| p.name == *port).ok_or_else(|| {
                    invalid(format!("child `{}` is attached to port `{port}`, which it does not have", child.name))
                })?;
                if !taken_ports.insert(port) {
                    return Err(invalid(format!("two children are attached to port `{port}`")));
                }
                if !known.accepts.is_empty() && !known.accepts.contains(&target.draft.kind) {
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
                return Err(invalid(format!("its kind is `{from}` and cannot become `{to}`: publish another name")));
            }
        }
        let id = match known {
            Some(known) => known.id,
            None => ContainerId::new(self.last_id.wrapping_add(1))
                .ok_or(Refusal::TooMany { what: "containers", count: u32::MAX.into(), max: u32::MAX.into() })?,
        };
        let version = known.map_or(ContainerVersion::ZERO, |known| known.version).next();
        Ok(Arc::new(Container { id, version, draft: draft.clone() }))
    }

    fn reaches(&self, from: &Arc<Container>, name: &ContainerName) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(container) = open.pop() {
            if container.draft.name == *name {
                return true;
            }
            if seen.insert(container.id) {
                open.extend(container.draft.children.iter().filter_map(|c| self.container_by_name(c.container.as_str())));
            }
        }
        false
    }

    /// Refuses a tree over the limits; returns how many entities one instance has.
    fn measure(&self, draft: &ContainerDraft) -> Result<u64, Refusal> {
        fn walk(catalog: &Catalog, draft: &ContainerDraft, depth: usize, count: &mut u64) -> Result<(), Refusal> {
            *count += 1;
            if *count > Container::MAX_INSTANCE_ENTITIES as u64 {
                let max = Container::MAX_INSTANCE_ENTITIES as u64;
                return Err(Refusal::TooMany { what: "entities in one instance", count: *count, max });
            }
            if depth > Container::MAX_DEPTH {
                let max = Container::MAX_DEPTH as u64;
                return Err(Refusal::TooMany { what: "levels of nested containers", count: depth as u64, max });
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
    /// up from `first`, as many as [`Self::instance_entities`] says.
    ///
    /// Children with a pose stand in the innermost zone around them. Inside an instance that is no zone their poses are
    /// given relative to the nearest placed entity above and are converted here to the zone around the instance.
    pub fn instantiate(
        &self,
        container: &Container,
        first: EntityId,
        name: EntityName,
        placement: Placement,
        overrides: Components,
    ) -> Result<Vec<NewEntity>, Refusal> {
        self.registry.check(&overrides)?;
        let mut made = Vec::new();
        let source = Source { container: container.id, slot: None };
        let base = placement.pose.unwrap_or(Pose::IDENTITY);
        let mut next = Some(first);
        let seed = Seed { name, source, placement, overrides, labels: BTreeSet::new() };
        self.expand(container, seed, base, 1, &mut next, &mut made)?;
        Ok(made)
    }

    fn expand(
        &self,
        container: &Container,
        seed: Seed,
        base: Pose,
        depth: usize,
        next: &mut Option<EntityId>,
        made: &mut Vec<NewEntity>,
    ) -> Result<(), Refusal> {
        let draft = &container.draft;
        if draft.transient {
            return Err(Refusal::Transient { container: draft.name.clone() });
        }
        if made.len() >= Container::MAX_INSTANCE_ENTITIES || depth > Container::MAX_DEPTH {
            let (count, max) = (made.len() as u64 + 1, Container::MAX_INSTANCE_ENTITIES as u64);
            return Err(Refusal::TooMany { what: "entities in one instance", count, max });
        }
        let id = next.ok_or(Refusal::IdsExhausted)?;
        *next = id.checked_add(1);
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
            layer: Default::default(),
            ordinal: 0,
            components: seed.overrides,
        });
        let first_made = made.len() - 1;
        for (index, child) in draft.children.iter().enumerate() {
            let target = self
                .container_by_name(child.container.as_str())
                .ok_or_else(|| Refusal::UnknownContainer { container: child.container.to_string() })?;
            // In a zone the child's pose is final; otherwise it is seen from `base`, the nearest placed entity above.
            let pose = child.pose.map(|pose| if draft.zone.is_some() { pose } else { base.then(&pose) });
            let below = match (pose, draft.zone.is_some()) {
                (Some(pose), _) => pose,
                (None, true) => Pose::IDENTITY,
                (None, false) => base,
            };
            let seed = Seed {
                name: EntityName::new(child.name.as_str()).map_err(Refusal::from)?,
                source: Source {
                    container: target.id,
                    slot: Some(Slot { container: container.id, child: child.name.clone() }),
                },
                placement: Placement { parent: Some(id), port: child.port.clone(), pose },
                overrides: Components::default(),
                labels: child.labels.clone(),
            };
            let at = made.len();
            self.expand(target, seed, below, depth + 1, next, made)?;
            made[at].ordinal = index as i64;
        }
        debug_assert!(made[first_made].id == id);
        Ok(())
    }

    /// The entity's values with its container's and slot's laid under its own; component defaults are not filled in
    /// (see [`Registry::with_defaults`]).
    pub fn effective(&self, entity: &Entity) -> Components {
        let mut components = Components::default();
        if let Some(source) = &entity.source {
            if let Some(container) = self.container(source.container) {
                components.overlay(&container.draft.components);
            }
            let slot = source.slot.as_ref();
            let child = slot.and_then(|slot| self.container(slot.container)?.child(&slot.child));
            if let Some(child) = child {
                components.overlay(&child.overrides);
            }
        }
        components.overlay(&entity.components);
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
}
