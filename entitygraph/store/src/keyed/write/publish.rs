//! Publishing component types and containers.

use std::sync::Arc;

use entitygraph_schema::{
    Catalog, Change, ComponentDraft, ComponentType, Container, ContainerDraft, ContainerId, Refusal,
};

use super::graph::Graph;
use crate::error::Result;

/// The newest version of a container; an unknown one is refused.
pub fn known_container<'a>(graph: &'a Graph<'_>, id: ContainerId) -> Result<&'a Arc<Container>, Refusal> {
    graph.catalog.container(id).ok_or_else(|| Refusal::UnknownContainer { container: id.to_string() })
}

/// Publishes a component type; one that changes nothing is no change.
pub fn component(graph: &mut Graph<'_>, draft: &ComponentDraft) -> Result<()> {
    let published = graph.catalog.registry.publish(draft)?;
    let known = graph.catalog.registry.get(published.id);
    if known.is_none_or(|known| known.version != published.version) {
        put_component(graph, published);
    }
    Ok(())
}

/// Takes a component type over as it is in another store; one that is here already is no change.
pub fn adopt_component(graph: &mut Graph<'_>, component: &Arc<ComponentType>) -> Result<()> {
    if graph.catalog.registry.adopts(component)? {
        put_component(graph, component.clone());
    }
    Ok(())
}

fn put_component(graph: &mut Graph<'_>, published: Arc<ComponentType>) {
    edit(graph).registry.insert(published.clone());
    graph.draft.catalog = Some(graph.catalog.clone());
    graph.draft.components.push(published.clone());
    graph.published.push(Change::Component(published));
}

/// Publishes a container; one that changes nothing is no change.
pub fn container(graph: &mut Graph<'_>, draft: &ContainerDraft) -> Result<()> {
    let published = graph.catalog.publish(draft)?;
    let known = graph.catalog.container(published.id);
    if known.is_none_or(|known| known.version != published.version) {
        put_container(graph, published);
    }
    Ok(())
}

/// Takes a container over as it is in another store; one that is here already is no change.
pub fn adopt_container(graph: &mut Graph<'_>, container: &Arc<Container>) -> Result<()> {
    if graph.catalog.adopts(container)? {
        put_container(graph, container.clone());
    }
    Ok(())
}

fn put_container(graph: &mut Graph<'_>, published: Arc<Container>) {
    edit(graph).insert(published.clone());
    graph.draft.catalog = Some(graph.catalog.clone());
    graph.draft.containers.push(published.clone());
    graph.published.push(Change::Container(published));
}

/// The catalog as the transaction sees it, copied at most once per transaction: the draft's share is let go first, or each
/// of a thousand publications would copy all that are there.
fn edit<'a>(graph: &'a mut Graph<'_>) -> &'a mut Catalog {
    graph.draft.catalog = None;
    Arc::make_mut(&mut graph.catalog)
}
