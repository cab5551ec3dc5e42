//! Object containers: the templates that entities are made from.

use std::sync::Arc;

use async_graphql::{Context, Object};
use entitygraph_schema::{
    self as schema, Components, Refusal,
    query::{Facet, Page, PageCursor, PageRequest},
};

use super::{
    component::Component,
    entity::{self, Node},
};
use crate::api::{
    error::Fault,
    graphql::{
        context::{Access, graph},
        page::{self, READ_COST, Rows, cost},
        scalar::{BoundsObject, Id, Int64, PoseObject},
        straight::rows::Row,
    },
};

/// The newest version of an object container.
#[derive(Debug, Clone)]
pub struct Container(pub Arc<schema::Container>);

fn components(ctx: &Context<'_>, own: &Components) -> Vec<Component> {
    let catalog = graph(ctx).catalog();
    let own = catalog.registry.converted(own);
    let full = catalog.registry.with_defaults(&own);
    own.0
        .keys()
        .filter_map(|id| Some(Component::of(catalog.registry.get(*id)?.clone(), &full, &own)))
        .collect()
}

/// A page of a container's children. The name of a child is its cursor: of one that the newest version no longer has, a page
/// cannot go on.
fn children(all: &[schema::Child], request: &PageRequest) -> Result<Page<schema::Child>, Refusal> {
    let rest = match &request.after {
        None => all,
        Some(PageCursor(name)) => {
            let last = all.iter().position(|child| child.name.as_str().as_bytes() == name);
            &all[last.ok_or(Refusal::BadPageCursor)? + 1..]
        }
    };
    let rows = rest.iter().take(request.first);
    let rows = rows.map(|child| (child.clone(), PageCursor(child.name.as_str().as_bytes().to_vec())));
    Ok(Page::of(rows.collect(), rest.len() > request.first))
}

/// The newest version of an object container.
#[Object]
impl Container {
    /// Number in this store, the same for all versions.
    async fn id(&self) -> u32 {
        self.0.id.get()
    }

    /// Unique name.
    async fn name(&self) -> &str {
        self.0.draft.name.as_str()
    }

    /// 1 for the first.
    async fn version(&self) -> u32 {
        self.0.version.number()
    }

    /// Kind of its instances.
    async fn kind(&self) -> &str {
        self.0.draft.kind.as_str()
    }

    /// Bounding radius of an instance in metres.
    async fn radius(&self) -> f64 {
        self.0.draft.radius
    }

    /// Bounds of its instances, where these are zone hosts.
    async fn bounds(&self) -> Option<BoundsObject> {
        self.0.draft.zone.map(BoundsObject::from)
    }

    /// Whether its instances are aggregate roots.
    async fn root(&self) -> bool {
        self.0.draft.root
    }

    /// Whether its instances are never stored.
    async fn transient(&self) -> bool {
        self.0.draft.transient
    }

    /// Labels of its instances.
    async fn labels(&self) -> Vec<&str> {
        self.0.draft.labels.iter().map(|label| label.as_str()).collect()
    }

    /// Where others may be attached to its instances.
    async fn ports(&self) -> Vec<Port> {
        self.0.draft.ports.iter().cloned().map(Port).collect()
    }

    /// Components of its instances.
    async fn components(&self, ctx: &Context<'_>) -> Vec<Component> {
        components(ctx, &self.0.draft.components)
    }

    /// What its instances come with, in its author's order.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn children(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Child>, Fault> {
        let request = page::request(ctx, first, after)?;
        Ok(page::rows(&request, children(&self.0.draft.children, &request)?, Child))
    }

    /// How many entities one instance has, nested children included.
    async fn instance_entities(&self, ctx: &Context<'_>) -> Result<Int64, Fault> {
        Ok(graph(ctx).catalog().instance_entities(&self.0)?.into())
    }

    /// How many instances there are, below an entity or in the whole world.
    #[graphql(complexity = "if below.is_some() { READ_COST } else { 1 }")]
    async fn instance_count(&self, ctx: &Context<'_>, below: Option<Id>) -> Result<Int64, Fault> {
        Ok(Access::of(ctx).instance_count(below.map(|below| below.0), self.0.id).await?.into())
    }

    /// Its instances, below an entity or in the whole world.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn instances(
        &self,
        ctx: &Context<'_>,
        below: Option<Id>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let facets = [Facet::Container(self.0.id)];
        let page = graph(ctx).find(below.map(|below| below.0), &facets, request.clone()).await?;
        entity::rows(ctx, &request, page).await
    }
}

/// A place on an entity where one other may be attached.
pub struct Port(schema::Port);

/// A place on an entity where one other may be attached.
#[Object]
impl Port {
    /// Unique within the container.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Kinds that fit; empty accepts every kind.
    async fn accepts(&self) -> Vec<&str> {
        self.0.accepts.iter().map(|kind| kind.as_str()).collect()
    }
}

/// A child that instances of a container come with.
pub struct Child(schema::Child);

impl Row for Child {}

/// A child that instances of a container come with.
#[Object(name = "ContainerChild")]
impl Child {
    /// Unique within the container; also the name of the new entity.
    async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// What the child is an instance of.
    async fn container(&self, ctx: &Context<'_>) -> Option<Container> {
        graph(ctx).catalog().container_by_name(self.0.container.as_str()).cloned().map(Container)
    }

    /// Where it stands in the innermost zone around it; null rides with its parent.
    async fn pose(&self) -> Option<PoseObject> {
        self.0.pose.map(PoseObject::from)
    }

    /// The parent's port it is attached to.
    async fn port(&self) -> Option<&str> {
        self.0.port.as_ref().map(|port| port.as_str())
    }

    /// Labels besides those of the child's container.
    async fn labels(&self) -> Vec<&str> {
        self.0.labels.iter().map(|label| label.as_str()).collect()
    }

    /// Values that differ from the child's container.
    async fn overrides(&self, ctx: &Context<'_>) -> Vec<Component> {
        components(ctx, &self.0.overrides)
    }
}

/// The place in a container that an entity came with.
pub struct Slot(pub schema::Slot);

/// The place in a container that an entity came with.
#[Object]
impl Slot {
    /// The container around it.
    async fn container(&self, ctx: &Context<'_>) -> Option<Container> {
        graph(ctx).catalog().container(self.0.container).cloned().map(Container)
    }

    /// Its name there.
    async fn child(&self) -> &str {
        self.0.child.as_str()
    }
}
