//! A graph in memory that does what scribes ask of one, and keeps what must be true of it: poses are written in the zone that
//! their entity is in, and nothing older over something newer. A pose says what it is: x is a number that only grows with what
//! was accepted of the entity, y the zone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use entitygraph_client::graph::GraphError;
use entitygraph_replication::scribe::values::Values;
use entitygraph_schema::{
    Cursor, Entity, EntityId, Epoch, NewPose, Operation, OperationId, Patch, Pose, Precondition, Receipt,
    Transaction, Value,
    codec::fingerprint,
    testing::{component_id, entity_id, item, variable_id},
};
use glam::{DQuat, DVec3};

/// The entity that fences the hub.
pub const SHARD: u64 = 1;

#[derive(Debug, Clone)]
pub struct Stored {
    pub entity: Entity,
    pub zone: EntityId,
}

/// The store.
#[derive(Debug, Default)]
pub struct Store {
    pub entities: BTreeMap<EntityId, Stored>,
    operations: HashMap<OperationId, ([u8; 32], Cursor)>,
    pub cursor: Cursor,
    pub commits: u64,
    pub operations_done: u64,
    /// Whether somebody beside the hub writes: then something older may be written over that, until the hub writes again.
    pub edited: bool,
}

/// What is accepted of an entity: the number of its newest change, in a zone. The variable changes with every third one.
pub fn values(number: u64, zone: EntityId) -> Values {
    let mut values = Values::pose(pose(number, zone));
    values.set(variable(), Some(Value::Int((number / 3 * 3) as i64)));
    values
}

pub fn pose(number: u64, zone: EntityId) -> Pose {
    Pose::new(DVec3::new(number as f64, zone.get() as f64, 0.0), DQuat::IDENTITY).unwrap()
}

fn variable() -> (entitygraph_schema::ComponentId, entitygraph_schema::VariableId) {
    (component_id(1), variable_id(1))
}

pub fn number_of(pose: &Pose) -> u64 {
    pose.translation().x as u64
}

impl Store {
    pub fn put(&mut self, id: EntityId, parent: u64, zone: u64) {
        let mut entity = Entity::created(item(id.get(), parent), Epoch::ZERO);
        entity.placement.pose = Some(pose(0, entity_id(zone)));
        self.entities.insert(id, Stored { entity, zone: entity_id(zone) });
    }

    pub fn number(&self, id: EntityId) -> u64 {
        number_of(self.entities[&id].entity.placement.pose.as_ref().unwrap())
    }

    /// The value of the variable.
    pub fn variable(&self, id: EntityId) -> u64 {
        match self.entities[&id].entity.components.get(component_id(1), variable_id(1)) {
            Some(Value::Int(number)) => *number as u64,
            _ => 0,
        }
    }

    pub fn epoch(&self, id: EntityId) -> Epoch {
        self.entities[&id].entity.epoch
    }

    /// Raises an epoch, as atlas does with a transaction of its own.
    pub fn raise(&mut self, id: EntityId, epoch: Epoch) {
        self.entities.get_mut(&id).unwrap().entity.epoch = epoch;
        self.cursor = self.cursor.next();
    }

    pub fn commit(&mut self, transaction: &Transaction) -> Result<Receipt, GraphError> {
        let operation_id = transaction.operation_id.clone().unwrap();
        let print = fingerprint(transaction);
        if let Some((first, cursor)) = self.operations.get(&operation_id) {
            assert_eq!(*first, print, "{operation_id} was asked for with another body");
            return Ok(Receipt { cursor: *cursor, replayed: true });
        }
        let mut epochs: HashMap<EntityId, Epoch> = HashMap::new();
        for precondition in &transaction.preconditions {
            let Precondition::Epoch(entity, given) = *precondition else { panic!("{precondition:?}") };
            let found = self.entities.get(&entity).map_or(Epoch::ZERO, |stored| stored.entity.epoch);
            if given < found {
                return Err(GraphError::StaleEpoch { entity, given, found });
            }
            let held = epochs.entry(entity).or_default();
            *held = (*held).max(given);
        }
        let mut after = self.entities.clone();
        for operation in &transaction.operations {
            let (id, result) = match operation {
                Operation::Change(id, patch) => (*id, change(&mut after, *id, patch, self.edited)),
                Operation::Reparent { entity, parent, pose: NewPose::At(pose), .. } => {
                    (*entity, reparent(&mut after, *entity, *parent, *pose))
                }
                Operation::Bury { entity, .. } => {
                    (*entity, after.remove(entity).map(drop).ok_or("UNKNOWN_ENTITY"))
                }
                other => panic!("{other:?}"),
            };
            if let Err(code) = result {
                let reason = format!("{operation:?}");
                return Err(GraphError::Refused { code: code.into(), reason, entity: Some(id) });
            }
            if let (Some(stored), Some(epoch)) = (after.get_mut(&id), epochs.get(&id)) {
                stored.entity.epoch = *epoch;
            }
            self.operations_done += 1;
        }
        self.entities = after;
        self.cursor = self.cursor.next();
        self.commits += 1;
        self.operations.insert(operation_id, (print, self.cursor));
        Ok(Receipt { cursor: self.cursor, replayed: false })
    }
}

fn change(
    entities: &mut BTreeMap<EntityId, Stored>,
    id: EntityId,
    patch: &Patch,
    edited: bool,
) -> Result<(), &'static str> {
    let stored = entities.get_mut(&id).ok_or("UNKNOWN_ENTITY")?;
    if stored.entity.labels.contains("broken") {
        return Err("WRONG_KIND");
    }
    let before = Arc::new(stored.entity.clone());
    patch.apply(&mut stored.entity);
    let (old, new) = (before.placement.pose.unwrap(), stored.entity.placement.pose.unwrap());
    assert!(
        edited || number_of(&old) <= number_of(&new),
        "entity {id}: {} is written over {}",
        number_of(&new),
        number_of(&old)
    );
    let zone = new.translation().y as u64;
    assert_eq!(
        zone,
        stored.zone.get(),
        "entity {id}: a pose of zone {zone} is written in zone {}",
        stored.zone
    );
    Ok(())
}

/// What has a pose below it comes along: it is converted to the zone, and is where it was.
fn reparent(
    entities: &mut BTreeMap<EntityId, Stored>,
    id: EntityId,
    parent: EntityId,
    at: Pose,
) -> Result<(), &'static str> {
    let below: Vec<EntityId> = entities
        .iter()
        .filter(|(of, stored)| **of == id || stored.entity.placement.parent == Some(id))
        .map(|(of, _)| *of)
        .collect();
    for of in below {
        let stored = entities.get_mut(&of).ok_or("UNKNOWN_ENTITY")?;
        let number = number_of(stored.entity.placement.pose.as_ref().unwrap());
        stored.zone = parent;
        stored.entity.placement.pose = Some(if of == id { at } else { pose(number, parent) });
        if of == id {
            stored.entity.placement.parent = Some(parent);
        }
    }
    Ok(())
}
