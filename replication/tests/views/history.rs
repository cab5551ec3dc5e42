//! What was so when, and what may be: variables of each sort, and their values.

use std::collections::HashMap;

use entitygraph_schema::{
    ComponentDraft, EntityId, Registry, SendPolicy, Value, ValueKind, VariableDraft, Visibility, testing,
    wire::variable::Variables,
};
use glam::{DVec3, Quat, Vec3};

use crate::*;

/// Where an entity is, how it is turned, how fast it is.
#[derive(Debug, Clone, Copy)]
pub struct Motion {
    pub place_m: DVec3,
    pub rotation: Quat,
    pub velocity_m_s: Vec3,
}

/// Each motion of each entity, with the moment it was reported in.
pub type Motions = Vec<(EntityId, Vec<(u64, Motion)>)>;

/// Each value of a variable, with the moment it was reported in; none: cleared.
pub type Values = Vec<(u64, Option<Value>)>;

/// What was so when.
pub struct History {
    pub motions: Motions,
    pub values: HashMap<(EntityId, u32), Values>,
    pub variables: Variables,
    pub classes: Vec<Visibility>,
}

/// One variable of each sort.
pub fn registry() -> Registry {
    let variable = |name: &str, default| VariableDraft::new(testing::name(name), default);
    let float = |name: &str| variable(name, Value::Float(0.0));
    let text = |name: &str| variable(name, testing::text(""));
    let shield = Some(testing::name("shield"));
    let hull = vec![
        VariableDraft { precision: Some(0.5), ..float("damage") },
        VariableDraft { group: shield.clone(), ..float("shield") },
        VariableDraft { group: shield, ..variable("layers", Value::Int(0)) },
        VariableDraft { send: SendPolicy::EveryTick, precision: Some(0.25), ..float("heat") },
        VariableDraft { visibility: Visibility::ServerOnly, ..text("plan") },
        VariableDraft { visibility: Visibility::OwnerOnly, ..text("key") },
        VariableDraft { visibility: Visibility::OwnerOnly, send: SendPolicy::EveryTick, ..text("aim") },
        VariableDraft { visibility: Visibility::ServerOnly, send: SendPolicy::EveryTick, ..text("goal") },
    ];
    let mut registry = Registry::default();
    for (name, variables) in [("hull", hull), ("paint", vec![text("colour")])] {
        let draft = ComponentDraft::new(testing::name(name), variables);
        let published = registry.publish(&draft).unwrap();
        registry.insert(published);
    }
    registry
}

pub fn any_value(random: &mut fastrand::Rng, id: EntityId, number: u32, history: &History) -> Option<Value> {
    let known = history.variables.get(number).unwrap();
    let text = match history.classes[number as usize] {
        Visibility::Public => "plain".into(),
        Visibility::OwnerOnly => format!("{OWNED}{};", id.get()),
        Visibility::ServerOnly => SECRET.into(),
    };
    let length = random.usize(..9);
    Some(match known.kind {
        ValueKind::Float => Value::Float(random.f64() * 4.0),
        ValueKind::Int => Value::Int(random.i64(-500..500)),
        _ => testing::text(&format!("{text}{}", "x".repeat(length))),
    })
    .filter(|_| random.u8(..6) > 0)
}
