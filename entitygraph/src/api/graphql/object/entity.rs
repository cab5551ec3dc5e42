//! An entity: its own fields, what is around it and what is below it.

use std::sync::Arc;

use async_graphql::{Context, Enum, Object};
use entitygraph_schema::{
    Entity, EntityId,
    query::{ChildOrder, Extent},
};

use super::{
    component::Component,
    container::{Container, Slot},
    count::Counts,
    link::{EntityLink, Zone},
};
use crate::api::{
    error::Fault,
    graphql::{
        context::{Access, graph},
        natural::Natural,
        page::{self, LEVELS, Rows, cost},
        scalar::{Id, Int64, PoseObject, Value},
        value,
    },
};

/// A node of the world.
#[derive(Debug, Clone)]
pub struct Node(pub Arc<Entity>);

/// Order of children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "ChildOrder", remote = "entitygraph_schema::query::ChildOrder")]
pub enum ChildOrderName {
    /// By ordinal, then id.
    Ordinal,
    /// By name in lower case, then id.
    Name,
}

/// How far down a tree goes when no depth is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(name = "Extent")]
pub enum ExtentName {
    /// Everything below.
    All,
    /// Everything below but nested aggregate roots and what is below those.
    Aggregate,
}

impl ExtentName {
    /// A depth, where given, goes before the extent.
    pub fn with_depth(self, depth: Option<Natural>) -> Extent {
        match (depth, self) {
            (Some(depth), _) => Extent::Depth(depth.0),
            (None, Self::All) => Extent::All,
            (None, Self::Aggregate) => Extent::Aggregate,
        }
    }
}

/// Those of the entities that exist, in a read for every `service.limits.page_rows` of them.
pub(in crate::api::graphql) async fn nodes(ctx: &Context<'_>, ids: &[EntityId]) -> Result<Vec<Node>, Fault> {
    let graph = graph(ctx);
    let mut nodes = Vec::with_capacity(ids.len());
    for page in ids.chunks(graph.config().limits.page_rows) {
        nodes.extend(graph.existing(page).await?.into_iter().map(Node));
    }
    Ok(nodes)
}

/// A page of entities from a page of ids, in one read. What was buried meanwhile is left out; the next page begins where
/// it would have.
pub(in crate::api::graphql) async fn rows(
    ctx: &Context<'_>,
    request: &entitygraph_schema::query::PageRequest,
    page: entitygraph_schema::query::Page<EntityId>,
) -> Result<Rows<Node>, Fault> {
    let ids: Vec<_> = page.rows.iter().map(|(id, _)| *id).collect();
    let mut found = graph(ctx).entities(&ids).await?.into_iter();
    let page = page.filter_map(|_| found.next().flatten());
    Ok(page::rows(request, page, Node))
}

/// A node of the world.
#[Object(name = "Entity")]
impl Node {
    /// Unique across shards and stores, never reused.
    pub async fn id(&self) -> Id {
        Id(self.0.id)
    }

    /// What people call it; may be empty.
    pub async fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// What sort of thing it is.
    pub async fn kind(&self) -> &str {
        self.0.kind.as_str()
    }

    /// 1 when created, one more with each change.
    pub async fn revision(&self) -> Int64 {
        self.0.revision.number().into()
    }

    /// Authority epoch of the last write.
    pub async fn epoch(&self) -> Int64 {
        self.0.epoch.number().into()
    }

    /// Bounding radius in metres.
    pub async fn radius(&self) -> f64 {
        self.0.radius
    }

    /// Where it is in the innermost zone above it (`zoneHost`); null rides with its parent.
    pub async fn pose(&self) -> Option<PoseObject> {
        self.0.placement.pose.map(PoseObject::from)
    }

    /// The parent's port that it is attached to.
    pub async fn port(&self) -> Option<&str> {
        self.0.placement.port.as_ref().map(|port| port.as_str())
    }

    /// Whether it is the root of an aggregate.
    pub async fn root(&self) -> bool {
        self.0.root
    }

    /// Marks to find it by.
    pub async fn labels(&self) -> Vec<&str> {
        self.0.labels.iter().map(|label| label.as_str()).collect()
    }

    /// Who owns it.
    pub async fn owner(&self) -> Option<&str> {
        self.0.owner.as_ref().map(|owner| owner.as_str())
    }

    /// Zero is the ordinary world.
    pub async fn layer(&self) -> u32 {
        self.0.layer.number()
    }

    /// Place among its siblings; ties are ordered by id.
    pub async fn ordinal(&self) -> Int64 {
        Int64(self.0.ordinal.into())
    }

    /// Its zone, if it is a zone host.
    pub async fn zone(&self) -> Option<Zone> {
        self.0.zone.map(|bounds| Zone { host: self.0.id, bounds })
    }

    /// The newest version of the container that it is an instance of.
    pub async fn container(&self, ctx: &Context<'_>) -> Option<Container> {
        let source = self.0.source.as_ref()?;
        graph(ctx).catalog().container(source.container).cloned().map(Container)
    }

    /// The place in another container that it came with.
    pub async fn slot(&self) -> Option<Slot> {
        self.0.source.as_ref()?.slot.clone().map(Slot)
    }

    /// Its components with the values in effect: its own over its slot's over its container's over the defaults.
    pub async fn components(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these; all by default.")] names: Option<Vec<String>>,
    ) -> Result<Vec<Component>, Fault> {
        let catalog = graph(ctx).catalog();
        let effective = catalog.registry.with_defaults(&catalog.effective(&self.0));
        let wanted = match &names {
            None => effective.0.keys().copied().collect(),
            Some(names) => {
                let ids =
                    names.iter().map(|name| value::component(&catalog, name).map(|component| component.id));
                ids.collect::<Result<Vec<_>, _>>()?
            }
        };
        let here = wanted.into_iter().filter(|id| effective.0.contains_key(id));
        let types = here.filter_map(|id| catalog.registry.get(id));
        let own = catalog.registry.converted(&self.0.components);
        Ok(types.map(|ty| Component::of(ty.clone(), &effective, &own)).collect())
    }

    /// The value in effect of one variable; null when the entity has no such component.
    pub async fn value(
        &self,
        ctx: &Context<'_>,
        component: String,
        variable: String,
    ) -> Result<Option<Value>, Fault> {
        let catalog = graph(ctx).catalog();
        let component = value::component(&catalog, &component)?;
        let variable = value::variable(component, &variable)?;
        let effective = catalog.effective(&self.0);
        let Some(values) = effective.0.get(&component.id) else { return Ok(None) };
        Ok(Some(Value(value::to_json(values.get(&variable.id).unwrap_or(&variable.draft.default)))))
    }

    /// What it is in or on.
    pub async fn parent(&self, ctx: &Context<'_>) -> Result<Option<Node>, Fault> {
        let Some(parent) = self.0.placement.parent else { return Ok(None) };
        Ok(Access::of(ctx).entity(parent).await?.map(Node))
    }

    /// Its parent, the parent's parent and so on up to the world root.
    #[graphql(complexity = "LEVELS * child_complexity + 1")]
    pub async fn ancestors(&self, ctx: &Context<'_>) -> Result<Vec<Node>, Fault> {
        if self.0.placement.parent.is_none() {
            return Ok(Vec::new());
        }
        Ok(graph(ctx).ancestors(self.0.id).await?.into_iter().map(Node).collect())
    }

    /// The innermost zone host above it: the frame of its pose.
    pub async fn zone_host(&self, ctx: &Context<'_>) -> Result<Option<Node>, Fault> {
        Ok(graph(ctx).zone_host(self.0.id).await?.map(Node))
    }

    /// The nearest aggregate root at or above it.
    pub async fn aggregate_root(&self, ctx: &Context<'_>) -> Result<Option<Node>, Fault> {
        Ok(graph(ctx).aggregate_root(self.0.id).await?.map(Node))
    }

    /// Its pose as seen from a zone, through the lowest common zone; without `zone` from its world root. Null when the two
    /// are in different worlds.
    pub async fn pose_in(&self, ctx: &Context<'_>, zone: Option<Id>) -> Result<Option<PoseObject>, Fault> {
        Ok(graph(ctx).pose_in(self.0.id, zone.map(|zone| zone.0)).await?.map(PoseObject::from))
    }

    /// What is directly in or on it.
    #[graphql(complexity = "cost(first, child_complexity)")]
    pub async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(default_with = "ChildOrderName::Ordinal")] order: ChildOrderName,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).children(Some(self.0.id), ChildOrder::from(order), request.clone()).await?;
        rows(ctx, &request, page).await
    }

    /// What is below it by pages, parents first. `subtree` answers smaller trees in one piece.
    #[graphql(complexity = "cost(first, child_complexity)")]
    pub async fn descendants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Levels below it; goes before `extent`.")] depth: Option<Natural>,
        #[graphql(default_with = "ExtentName::All")] extent: ExtentName,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).descendants(self.0.id, extent.with_depth(depth), request.clone()).await?;
        Ok(page::rows(&request, page, Node))
    }

    /// How many entities of each sort are below it.
    pub async fn counts(&self) -> Counts {
        Counts(Some(self.0.id))
    }

    /// Links with an end at it, seen from here.
    #[graphql(complexity = "cost(first, child_complexity)")]
    pub async fn links(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<EntityLink>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).links(self.0.id, request.clone()).await?;
        Ok(page::rows(&request, page, |link| EntityLink { from: self.0.id, link }))
    }
}
