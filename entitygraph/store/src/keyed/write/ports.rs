//! Ports: who is attached where.

use entitygraph_schema::{Entity, EntityId, Kind, PortName, Refusal};

use super::graph::Graph;
use crate::{error::Result, keyed::keys};

/// Who is attached to a port.
pub fn occupant(graph: &Graph<'_>, parent: EntityId, port: &PortName) -> Result<Option<EntityId>> {
    match graph.row(&keys::port(parent, port))? {
        Some(value) => Ok(Some(graph.base.snapshot.last_id(&value)?)),
        None => Ok(None),
    }
}

/// Refuses to attach `who` of this kind: the parent's container must have the port, the port must take the kind, and
/// nobody else may be there. A parent that is no instance has no ports.
pub fn check(graph: &Graph<'_>, parent: &Entity, port: &PortName, who: EntityId, kind: &Kind) -> Result<()> {
    let container = parent.source.as_ref().and_then(|source| graph.catalog.container(source.container));
    let ports = container.map_or(&[][..], |container| &container.draft.ports);
    let Some(known) = ports.iter().find(|known| known.name == *port) else {
        let known = listed(ports.iter().map(|port| port.name.as_str()), "no ports");
        return Err(Refusal::UnknownPort { entity: parent.id, port: port.clone(), known }.into());
    };
    if !known.takes(kind) {
        let accepts = listed(known.accepts.iter().map(Kind::as_str), "nothing");
        return Err(Refusal::PortRefuses {
            entity: parent.id,
            port: port.clone(),
            accepts,
            kind: kind.clone(),
        }
        .into());
    }
    match occupant(graph, parent.id, port)? {
        Some(occupant) if occupant != who => {
            Err(Refusal::PortOccupied { entity: parent.id, port: port.clone(), occupant }.into())
        }
        _ => Ok(()),
    }
}

/// Frees the port that the entity is attached to, if any.
pub fn detach(graph: &mut Graph<'_>, entity: &Entity) {
    if let (Some(parent), Some(port)) = (entity.placement.parent, &entity.placement.port) {
        graph.delete_row(keys::port(parent, port));
    }
}

/// Occupies a port.
pub fn attach(graph: &mut Graph<'_>, parent: EntityId, port: &PortName, who: EntityId) {
    graph.put_row(keys::port(parent, port), &who.get().to_be_bytes());
}

fn listed<'a>(names: impl Iterator<Item = &'a str>, none: &str) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}
