//! An entity as properties and labels of its node.

use entitygraph_schema::{Entity, Kind, Pose, Registry, Value, codec};
use neo4rs::{BoltMap, BoltString, BoltType};

use super::{
    facets::SetNumber,
    number::{parent, rank, shown},
    space::Place,
    statement::{bytes, list, null},
};

/// Labels that mean something to the store; a kind of the same name gets an underscore behind.
const RESERVED: [&str; 14] = [
    "Entity",
    "Zone",
    "Root",
    "Inner",
    "Container",
    "Component",
    "Owner",
    "Buried",
    "Commit",
    "Operation",
    "FacetSet",
    "Shard",
    "Gate",
    "Log",
];

/// The label of a host of a zone.
pub const ZONE: &str = "Zone";
/// The label of an aggregate root.
pub const ROOT: &str = "Root";
/// The label of an entity with something below it.
pub const INNER: &str = "Inner";

/// The label that a kind has.
pub fn kind_label(kind: &Kind) -> String {
    let kind = kind.as_str();
    if RESERVED.contains(&kind) { format!("{kind}_") } else { kind.to_owned() }
}

/// What decides some properties beside the entity itself.
pub struct Surroundings {
    /// Number of its set of facets.
    pub facets: SetNumber,
    /// Where it stands in the space index; none without a pose.
    pub place: Option<Place>,
}

/// Properties of a node by name. Two of them are compared to write what differs.
#[derive(Debug, Default, PartialEq)]
pub struct Properties(pub Vec<(String, BoltType)>);

impl Properties {
    /// Of an entity; the record comes first.
    pub fn of(entity: &Entity, around: &Surroundings, registry: &Registry) -> Self {
        let mut properties = Self(Vec::with_capacity(32));
        properties.put("record", bytes(codec::encoded(entity)));
        properties.put("id", shown(entity.id));
        properties.put("rank", rank(entity.id));
        properties.put("kind", entity.kind.as_str());
        properties.put("name", entity.name.as_str());
        properties.put("folded", entity.name.as_str().to_lowercase());
        properties.put("parent", parent(entity.placement.parent));
        properties.put("ordinal", entity.ordinal);
        properties.put("revision", entity.revision.number().cast_signed());
        properties.put("epoch", entity.epoch.number().cast_signed());
        properties.put("layer", i64::from(entity.layer.number()));
        properties.put("radius", entity.radius);
        properties.put("facets", i64::from(around.facets));
        if let Some(port) = &entity.placement.port {
            properties.put("port", port.as_str());
        }
        if let Some(owner) = &entity.owner {
            properties.put("owner", owner.as_str());
        }
        if !entity.labels.is_empty() {
            properties.put("labels", list(entity.labels.iter().map(|label| label.as_str().into())));
        }
        if let Some(pose) = &entity.placement.pose {
            properties.pose(pose);
        }
        if let Some(bounds) = &entity.zone {
            let corners = bounds.min().to_array().into_iter().chain(bounds.max().to_array());
            properties.put("bounds", floats(corners));
        }
        if let Some(place) = &around.place {
            properties.put("zone", shown(place.zone));
            properties.put("cell", place.cell.as_str());
        }
        properties.values(entity, registry);
        properties
    }

    fn pose(&mut self, pose: &Pose) {
        let [x, y, z] = pose.translation().to_array();
        self.put("x", x);
        self.put("y", y);
        self.put("z", z);
        self.put("rotation", floats(pose.rotation().to_array()));
    }

    /// Own values under the names that they have now.
    fn values(&mut self, entity: &Entity, registry: &Registry) {
        for (component, values) in &entity.components.0 {
            let Some(component) = registry.get(*component) else { continue };
            for (variable, value) in values {
                if let Some(variable) = component.variable_by_id(*variable) {
                    self.put(&format!("{}.{}", component.name, variable.draft.name), native(value));
                }
            }
        }
    }

    fn put(&mut self, name: &str, value: impl Into<BoltType>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// All of them, as a map.
    pub fn into_map(self) -> BoltMap {
        self.0.into_iter().map(|(name, value)| (BoltString::from(name), value)).collect()
    }

    /// Those that differ from what was before; what is gone is null.
    pub fn since(self, before: &Self) -> BoltMap {
        let mut changes: BoltMap = before
            .0
            .iter()
            .filter(|(name, _)| !self.0.iter().any(|(other, _)| other == name))
            .map(|(name, _)| (BoltString::from(name.as_str()), null()))
            .collect();
        for (name, value) in self.0 {
            let same = before.0.iter().any(|(other, old)| *other == name && *old == value);
            if !same {
                changes.put(BoltString::from(name), value);
            }
        }
        changes
    }
}

/// Floats as a list.
pub fn floats(values: impl IntoIterator<Item = f64>) -> BoltType {
    list(values.into_iter().map(BoltType::from))
}

fn native(value: &Value) -> BoltType {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Text(value) => (&**value).into(),
        Value::Entity(value) => shown(*value).into(),
        Value::Vector(value) => floats(*value),
        Value::Bytes(value) => bytes(value.to_vec()),
        Value::IntList(values) => list(values.iter().map(|value| (*value).into())),
        Value::FloatList(values) => floats(values.iter().copied()),
        Value::TextList(values) => list(values.iter().map(|value| (&**value).into())),
    }
}
