//! Our own world format: what a file may say. The doc comments are also the descriptions in `world.schema.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    items::Items,
    map::Map,
    marked::Marked,
    scalar::{Id, Reference, Written},
};

/// Values by component, then by variable.
pub type Values = Map<Map<Marked<Written>>>;

/// Part of a world: a YAML or JSON file, or one of several YAML documents in a file. All files of a folder belong
/// together; what is in which of them, and in which order, makes no difference.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of the format; 1 is the only one so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Marked<u32>>,
    /// Name of the world. Entity ids are made from it and the entity's key, so it must be there where keys are and must
    /// never change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub world: Option<Marked<String>>,
    /// Written by `entitygraph export`: a document with `end` must follow, or the file was cut off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exported: bool,
    /// Component types: what variables entities may have.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub components: Items<Component>,
    /// Object containers: templates of entities.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub containers: Items<Container>,
    /// Entities, each with those below it.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub entities: Items<Entity>,
    /// Links between entities, such as jump points.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub links: Items<Link>,
    /// The end of an exported file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// What an exported file holds in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many entities.
    pub entities: u64,
    /// How many links.
    pub links: u64,
}

/// A component type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Unique, such as `orbit`.
    pub name: Marked<String>,
    /// What it stores. Variables can be added later, but not taken away, and their types stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<Variable>,
}

/// A variable of a component type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Unique within the component.
    pub name: Marked<String>,
    /// What it holds.
    #[serde(rename = "type")]
    pub sort: Sort,
    /// What an entity has that says nothing else.
    pub default: Marked<Written>,
    /// Variables of one group are always sent together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Marked<String>>,
    /// When a change is sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub send: Send,
    /// Whether it is kept in the store.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub persisted: bool,
    /// Who may be told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub visibility: Visibility,
    /// Smallest step worth sending, in the variable's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Marked<f64>>,
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A number; never NaN or infinite.
    Float,
    /// A text.
    Text,
    /// The key or id of an entity.
    Entity,
    /// Three numbers.
    Vector,
    /// Base64 text.
    Bytes,
    /// A list of whole numbers.
    IntList,
    /// A list of numbers.
    FloatList,
    /// A list of texts.
    TextList,
}

/// When a changed variable is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// With the tick after it changed.
    #[default]
    OnChange,
    /// With each tick, changed or not.
    EveryTick,
}

/// Who may be told a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everyone who sees the entity.
    #[default]
    Public,
    /// The entity's owner and services.
    OwnerOnly,
    /// Services only.
    ServerOnly,
}

/// An object container: a template of an entity and of what it comes with. A change of its values reaches every entity
/// made from it that has no values of its own there; a change of its children applies to new entities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Unique, by custom a path such as `ship/hauler`.
    pub name: Marked<String>,
    /// Kind of the entities made from it; never changes.
    pub kind: Marked<String>,
    /// Bounding radius in metres; without it that of the zone, or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<Marked<f64>>,
    /// Makes each entity a zone: a frame of its own for what is inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Makes each entity the root of an aggregate, which is loaded and moved as a whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub root: bool,
    /// Entities made from it are never stored.
    #[serde(default, skip_serializing_if = "is_false")]
    pub transient: bool,
    /// Marks that each entity gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Marked<String>>,
    /// Where others can be attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Its components, each with the values that differ from the defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Values,
    /// What each entity comes with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
}

/// A place on an entity where one other can be attached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Unique within the container.
    pub name: Marked<String>,
    /// Kinds that fit; without it every kind does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<Marked<String>>,
}

/// Something that entities of a container come with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// Unique within the container; also the name of the new entity, and the last part of its key.
    pub name: Marked<String>,
    /// What it is made from.
    pub container: Marked<String>,
    /// Where it is in the zone around it; without it, it rides with its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pose: Option<Pose>,
    /// The parent's port that it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Marked<String>>,
    /// Values that differ from its container.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Values,
    /// Marks besides those of its container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Marked<String>>,
}

/// Bounds of a zone in its own frame, in metres: either `cube` or both corners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Half the edge of a cube around the origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cube: Option<Marked<f64>>,
    /// The corner with the lowest coordinates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Marked<[f64; 3]>>,
    /// The corner with the highest coordinates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Marked<[f64; 3]>>,
}

/// Place and attitude in the zone around the entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pose {
    /// Metres from the zone's origin.
    pub at: Marked<[f64; 3]>,
    /// Unit quaternion x, y, z, w; without it the entity is not turned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Marked<[f64; 4]>>,
}

/// An entity. It has a `key`, an `id` or both.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    /// Unique in the world, by custom a path such as `sol/earth`; one that starts with `/` is appended to the key of the
    /// entity around it. The id is made from it, so a renamed key is another entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Marked<String>>,
    /// The id itself, instead of one made from the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Marked<Id>>,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Marked<String>>,
    /// What sort of thing it is; needed unless a container says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Marked<String>>,
    /// What it is made from. It then comes with the container's children; their keys are its own key, `/` and their
    /// names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Marked<String>>,
    /// With `false` the entity comes without the container's children, labels, radius and zone, because the file says them
    /// all; only the values of the container apply. Exports are written so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expand: Option<Marked<bool>>,
    /// Of which container's children it was made, when it came with another entity; only with `expand: false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// What it is under, for an entity that is not written below its parent. A world root has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Marked<Reference>>,
    /// The parent's port that it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Marked<String>>,
    /// Where it is in the zone around it; without it, it rides with its parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pose: Option<Pose>,
    /// Bounding radius in metres; without it the container's, or that of the zone, or 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<Marked<f64>>,
    /// Makes it a zone: a frame of its own for what is inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// Makes it the root of an aggregate, which is loaded and moved as a whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub root: bool,
    /// Marks to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Marked<String>>,
    /// Who owns it, such as `player:ada`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Marked<String>>,
    /// Parallel copy of the world that it is in; without it that of the entity around it, or 0, the ordinary world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<u32>,
    /// Place among its siblings; without it that in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<i64>,
    /// Own values: what differs from the container, or from the defaults.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Values,
    /// What differs in the children that come with the container, by their names.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parts: Map<Part>,
    /// Entities below it.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub children: Items<Entity>,
}

/// What differs in an entity that came with another one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What people call it, instead of the name in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Marked<String>>,
    /// Where it is, instead of the place in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pose: Option<Pose>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Marked<String>>,
    /// More marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Marked<String>>,
    /// Own values.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Values,
    /// What differs in the children that come with it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub parts: Map<Part>,
    /// Entities below it, besides those it comes with.
    #[serde(default, skip_serializing_if = "Items::is_empty")]
    pub children: Items<Entity>,
}

/// The child of a container that an entity was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// The container around it.
    pub container: Marked<String>,
    /// Its name there.
    pub child: Marked<String>,
}

/// An undirected link between two entities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it is, such as `jump`.
    pub kind: Marked<String>,
    /// Its two ends.
    pub between: Marked<[Reference; 2]>,
    /// What passing it costs a route.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cost: Marked<f64>,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn yes() -> bool {
    true
}

fn one() -> Marked<f64> {
    Marked::unmarked(1.0)
}

fn is_one(cost: &Marked<f64>) -> bool {
    cost.value == 1.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
