//! Retiring entities for good.

use entitygraph_schema::{EntityId, Refusal};

use super::{graph::Graph, links, ports};
use crate::{error::Result, keyed::keys};

/// Buries an entity, or with `subtree` all below it too, children first. Links go with their ends.
pub fn bury(graph: &mut Graph<'_>, id: EntityId, subtree: bool) -> Result<()> {
    graph.expect(id)?;
    if !subtree && graph.has_children(id)? {
        return Err(Refusal::HasChildren { entity: id }.into());
    }
    // Parents come first in this walk, so children come first in its reverse.
    let mut walk = Vec::new();
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        walk.push(next);
        open.extend(graph.touch_children(next)?.into_iter().rev());
    }
    for id in walk.into_iter().rev() {
        links::unlink_all(graph, id)?;
        let last = graph.expect(id)?;
        ports::detach(graph, &last);
        graph.delete_row(keys::child(keys::parent_number(last.placement.parent), last.ordinal, id));
        graph.remove(last);
    }
    Ok(())
}
