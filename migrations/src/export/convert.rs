//! From the domain to the world format.

use base64::{Engine, prelude::BASE64_STANDARD};
use entitygraph_schema::{
    Aabb, Catalog, ComponentType, Components, Container, Entity, EntityId, LinkKind, Pose, Refusal, Value,
    VariableId,
};
use glam::DQuat;

use crate::world::{
    format::{self, Document, Values},
    marked::Marked,
    scalar::{Id, Reference, Written},
};

fn mark<T>(value: T) -> Marked<T> {
    Marked::unmarked(value)
}

fn text(text: impl ToString) -> Marked<String> {
    mark(text.to_string())
}

/// The version of the format that is written.
pub(super) fn format() -> Marked<u32> {
    mark(crate::world::FORMAT)
}

/// All component types and containers, by name.
pub(super) fn templates(catalog: &Catalog) -> Result<Document, Refusal> {
    let mut components: Vec<_> = catalog.registry.iter().collect();
    components.sort_by(|a, b| a.name.cmp(&b.name));
    let mut containers: Vec<_> = catalog.containers().collect();
    containers.sort_by(|a, b| a.draft.name.cmp(&b.draft.name));
    Ok(Document {
        components: components.into_iter().map(|known| component(known)).collect(),
        containers: containers
            .into_iter()
            .map(|known| container(known, catalog))
            .collect::<Result<_, _>>()?,
        ..Document::default()
    })
}

fn component(component: &ComponentType) -> format::Component {
    let variables = component.variables.iter().map(|variable| {
        let draft = &variable.draft;
        format::Variable {
            name: text(&draft.name),
            sort: variable.kind().into(),
            default: mark(value(&draft.default)),
            group: draft.group.as_ref().map(text),
            send: draft.send.into(),
            persisted: draft.persisted,
            visibility: draft.visibility.into(),
            precision: draft.precision.map(mark),
        }
    });
    format::Component { name: text(&component.name), variables: variables.collect() }
}

fn container(container: &Container, catalog: &Catalog) -> Result<format::Container, Refusal> {
    let draft = &container.draft;
    let ports = draft.ports.iter().map(|port| format::Port {
        name: text(&port.name),
        accepts: port.accepts.iter().map(text).collect(),
    });
    let children = draft.children.iter().map(|child| {
        Ok(format::Child {
            name: text(&child.name),
            container: text(&child.container),
            pose: child.pose.as_ref().map(pose),
            port: child.port.as_ref().map(text),
            values: values(&child.overrides, catalog)?,
            labels: child.labels.iter().map(text).collect(),
        })
    });
    Ok(format::Container {
        name: text(&draft.name),
        kind: text(&draft.kind),
        radius: Some(mark(draft.radius)),
        zone: draft.zone.as_ref().map(zone),
        root: draft.root,
        transient: draft.transient,
        labels: draft.labels.iter().map(text).collect(),
        ports: ports.collect(),
        values: values(&draft.components, catalog)?,
        children: children.collect::<Result<_, Refusal>>()?,
    })
}

/// Whether the catalog has all that the entity speaks of.
pub(super) fn is_known(entity: &Entity, catalog: &Catalog) -> bool {
    let container = |id| catalog.container(id).is_some();
    let source = entity.source.as_ref();
    source.is_none_or(|source| {
        container(source.container) && source.slot.iter().all(|slot| container(slot.container))
    }) && entity.components.0.iter().all(|(id, own)| {
        let component = catalog.registry.get(*id);
        component.is_some_and(|component| own.keys().all(|variable| component.has_number(*variable)))
    })
}

/// An entity with everything said, so that nothing of its container but the values applies.
pub(super) fn entity(entity: &Entity, catalog: &Catalog) -> Result<format::Entity, Refusal> {
    let name_of = |id| {
        let known = catalog.container(id);
        let unknown = || Refusal::UnknownContainer { container: id.to_string() };
        known.map(|container| text(&container.draft.name)).ok_or_else(unknown)
    };
    let source = entity.source.as_ref();
    let slot = source.and_then(|source| source.slot.as_ref());
    let place = &entity.placement;
    Ok(format::Entity {
        id: Some(mark(Id(entity.id))),
        name: Some(text(&entity.name)).filter(|name| !name.value.is_empty()),
        kind: Some(text(&entity.kind)),
        container: source.map(|source| name_of(source.container)).transpose()?,
        expand: source.map(|_| mark(false)),
        slot: slot
            .map(|slot| {
                Ok::<_, Refusal>(format::Slot {
                    container: name_of(slot.container)?,
                    child: text(&slot.child),
                })
            })
            .transpose()?,
        parent: place.parent.map(|parent| mark(Reference::Id(parent))),
        port: place.port.as_ref().map(text),
        pose: place.pose.as_ref().map(pose),
        radius: Some(mark(entity.radius)),
        zone: entity.zone.as_ref().map(zone),
        root: entity.root,
        labels: entity.labels.iter().map(text).collect(),
        owner: entity.owner.as_ref().map(text),
        layer: Some(entity.layer.number()).filter(|layer| *layer != 0),
        ordinal: Some(entity.ordinal).filter(|ordinal| *ordinal != 0),
        values: values(&entity.components, catalog)?,
        ..format::Entity::default()
    })
}

/// A link.
pub(super) fn link(kind: &LinkKind, a: EntityId, b: EntityId, cost: f64) -> format::Link {
    format::Link { kind: text(kind), between: mark([Reference::Id(a), Reference::Id(b)]), cost: mark(cost) }
}

fn pose(pose: &Pose) -> format::Pose {
    let rotation = pose.rotation();
    let turned = rotation.to_array().map(f64::to_bits) != DQuat::IDENTITY.to_array().map(f64::to_bits);
    format::Pose {
        at: mark(pose.translation().to_array()),
        rotation: turned.then(|| mark(rotation.to_array())),
    }
}

fn zone(bounds: &Aabb) -> format::Zone {
    let (min, max) = (mark(bounds.min().to_array()), mark(bounds.max().to_array()));
    format::Zone { cube: None, min: Some(min), max: Some(max) }
}

/// How many values of retired variables an entity holds.
pub(super) fn retired_values(entity: &Entity, catalog: &Catalog) -> u64 {
    let components = catalog.registry.converted(&entity.components);
    let held = components.0.iter().filter_map(|(id, own)| Some((catalog.registry.get(*id)?, own)));
    held.map(|(component, own)| {
        component.retired.iter().filter(|retired| own.contains_key(&retired.id)).count() as u64
    })
    .sum()
}

fn values(components: &Components, catalog: &Catalog) -> Result<Values, Refusal> {
    let converted = catalog.registry.converted(components);
    let written = converted.0.iter().map(|(id, own)| {
        let component = catalog.registry.get(*id).ok_or(Refusal::UnknownComponentId { component: *id })?;
        let is_retired = |id: &VariableId| component.retired.iter().any(|retired| retired.id == *id);
        let variables = own.iter().filter(|(id, _)| !is_retired(id)).map(|(id, own)| {
            let variable = component.variable_by_id(*id).ok_or_else(|| Refusal::UnknownVariable {
                component: component.name.clone(),
                variable: id.to_string(),
            })?;
            Ok::<_, Refusal>((variable.draft.name.to_string(), mark(value(own))))
        });
        Ok((component.name.to_string(), variables.collect::<Result<_, Refusal>>()?))
    });
    written.collect()
}

fn value(value: &Value) -> Written {
    let floats = |list: &[f64]| Written::List(list.iter().copied().map(Written::Float).collect());
    match value {
        Value::Bool(value) => Written::Bool(*value),
        Value::Int(value) => Written::Int(*value),
        Value::Float(value) => Written::Float(*value),
        Value::Text(text) => Written::Text(text.to_string()),
        Value::Entity(id) => Written::Text(id.to_string()),
        Value::Vector(vector) => floats(vector),
        Value::Bytes(bytes) => Written::Text(BASE64_STANDARD.encode(bytes)),
        Value::IntList(list) => Written::List(list.iter().copied().map(Written::Int).collect()),
        Value::FloatList(list) => floats(list),
        Value::TextList(list) => {
            Written::List(list.iter().map(|text| Written::Text(text.to_string())).collect())
        }
    }
}
