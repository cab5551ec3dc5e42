//! What a batch of transactions has to know of the world before it can be planned: all of it is named in the transactions.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use entitygraph_schema::{Entity, EntityId, LinkKind, Operation, PortName, Precondition, Transaction};

/// Up to so many new ids are looked for one by one.
const FEW: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Needs {
    /// Entities with everything above them.
    pub entities: BTreeSet<EntityId>,
    /// Ids of entities to be made, which may be in use or buried.
    pub new: BTreeSet<EntityId>,
    /// Ports whose occupants matter.
    pub ports: HashSet<(EntityId, PortName)>,
    /// Links by kind, lower and higher end.
    pub links: BTreeSet<(LinkKind, EntityId, EntityId)>,
    /// Entities whose links matter, because they die, move or become zone hosts.
    pub around: BTreeSet<EntityId>,
    /// Entities that move: what is below those that are no zone hosts matters, when they change zones.
    pub moved: BTreeSet<EntityId>,
    /// Entities that are buried with all below them.
    pub buried: BTreeSet<EntityId>,
    /// Entities that get another pose: zone hosts that ride with them move too.
    pub posed: BTreeSet<EntityId>,
    /// Entities that come as they are in another store: their parents, and whether they host zones.
    pub adopted: BTreeMap<EntityId, (Option<EntityId>, bool)>,
}

impl Needs {
    /// Adds those of a transaction.
    pub fn add(&mut self, transaction: &Transaction) {
        transaction.preconditions.iter().for_each(|expected| self.precondition(expected));
        transaction.operations.iter().for_each(|operation| self.operation(operation));
    }

    /// Whether it is left to the constraint of the database that the new ids are not in use: they are many, and nothing that is made
    /// can be gone again in the same batch, which would leave no node for the constraint to see.
    pub fn trusts_new_ids(&self) -> bool {
        self.new.len() > FEW && self.buried.is_empty()
    }

    fn precondition(&mut self, expected: &Precondition) {
        match expected {
            Precondition::Exists(entity)
            | Precondition::Absent(entity)
            | Precondition::Revision(entity, _)
            | Precondition::Epoch(entity, _) => drop(self.entities.insert(*entity)),
            Precondition::PortFree(entity, port) => self.port(*entity, port),
            Precondition::ContainerVersion(..) => {}
        }
    }

    fn operation(&mut self, operation: &Operation) {
        match operation {
            Operation::PublishComponent(_)
            | Operation::PublishContainer(_)
            | Operation::AdoptComponent(_)
            | Operation::AdoptContainer(_) => {}
            Operation::Adopt(entities) => entities.iter().for_each(|entity| self.adopt(entity)),
            Operation::Entomb(entity) => {
                self.entities.insert(*entity);
                self.new.insert(*entity);
            }
            Operation::Create(new) => {
                self.new.insert(new.id);
                if let Some(parent) = new.placement.parent {
                    self.entities.insert(parent);
                    new.placement.port.iter().for_each(|port| self.port(parent, port));
                }
            }
            Operation::Change(entity, patch) => {
                self.entities.insert(*entity);
                if patch.zone.is_some() {
                    self.around.insert(*entity);
                }
                if patch.pose.is_some() {
                    self.posed.insert(*entity);
                }
            }
            Operation::Reparent { entity, parent, port, .. } => {
                self.entities.extend([*entity, *parent]);
                self.around.insert(*entity);
                self.moved.insert(*entity);
                self.posed.insert(*entity);
                port.iter().for_each(|port| self.port(*parent, port));
            }
            Operation::Link(link) => self.link(&link.kind, link.a, link.b),
            Operation::Unlink { kind, a, b } => self.link(kind, *a, *b),
            Operation::Bury { entity, subtree } => {
                self.entities.insert(*entity);
                self.around.insert(*entity);
                if *subtree {
                    self.buried.insert(*entity);
                }
            }
        }
    }

    fn adopt(&mut self, entity: &Entity) {
        let (id, parent) = (entity.id, entity.placement.parent);
        self.new.insert(id);
        self.entities.insert(id);
        self.around.insert(id);
        self.posed.insert(id);
        self.adopted.insert(id, (parent, entity.zone.is_some()));
        if let Some(parent) = parent {
            self.entities.insert(parent);
            entity.placement.port.iter().for_each(|port| self.port(parent, port));
        }
    }

    fn port(&mut self, parent: EntityId, port: &PortName) {
        self.entities.insert(parent);
        self.ports.insert((parent, port.clone()));
    }

    fn link(&mut self, kind: &LinkKind, a: EntityId, b: EntityId) {
        self.entities.extend([a, b]);
        self.links.insert((kind.clone(), a.min(b), a.max(b)));
    }
}
