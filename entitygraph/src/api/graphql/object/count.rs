//! Counts below a node, by everything that entities are found by.

use async_graphql::{Context, Object, SimpleObject};
use entitygraph_schema::{
    EntityId,
    query::{Facet, FacetSort},
};

use super::{component::ComponentType, container::Container};
use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        page::{self, READ_COST, Rows, cost},
        scalar::Int64,
        straight::rows::Row,
    },
};

/// How many entities there are below a node, not counting itself; without a node in the whole world.
pub struct Counts(pub Option<EntityId>);

/// How many entities have a name in common: that of a kind or label.
#[derive(SimpleObject)]
pub struct NamedCount {
    /// The kind or label.
    name: String,
    /// How many.
    count: Int64,
}

/// How many instances a container has.
#[derive(SimpleObject)]
pub struct ContainerCount {
    /// The container.
    container: Container,
    /// How many.
    count: Int64,
}

/// How many entities have own values of a component.
#[derive(SimpleObject)]
pub struct ComponentCount {
    /// Its type.
    component: ComponentType,
    /// How many.
    count: Int64,
}

impl Row for NamedCount {}
impl Row for ContainerCount {}
impl Row for ComponentCount {}

impl Counts {
    /// A page of the counts by facets of a sort; what is no row is left out.
    async fn page<N: Row>(
        &self,
        ctx: &Context<'_>,
        sort: FacetSort,
        first: Option<i32>,
        after: Option<String>,
        row: impl Fn(Facet, Int64) -> Option<N>,
    ) -> Result<Rows<N>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).counts_by(self.0, sort, request.clone()).await?;
        let page = page.filter_map(|(facet, count)| row(facet, count.into()));
        Ok(page::rows(&request, page, |row| row))
    }
}

fn named(facet: Facet, count: Int64) -> Option<NamedCount> {
    let name = match &facet {
        Facet::Kind(kind) => kind.as_str(),
        Facet::Label(label) => label.as_str(),
        Facet::Container(_) | Facet::Component(_) => return None,
    };
    Some(NamedCount { name: name.to_owned(), count })
}

/// How many entities there are below a node, not counting itself. Each field is read by itself: while somebody writes, two of them
/// may be of different moments.
#[Object]
impl Counts {
    /// All of them.
    #[graphql(complexity = "READ_COST")]
    async fn total(&self, ctx: &Context<'_>) -> Result<Int64, Fault> {
        Ok(graph(ctx).total(self.0).await?.into())
    }

    /// Of each kind, by its name.
    #[graphql(complexity = "READ_COST + cost(first, child_complexity)")]
    async fn kinds(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<NamedCount>, Fault> {
        self.page(ctx, FacetSort::Kind, first, after, named).await
    }

    /// With each label, by its name.
    #[graphql(complexity = "READ_COST + cost(first, child_complexity)")]
    async fn labels(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<NamedCount>, Fault> {
        self.page(ctx, FacetSort::Label, first, after, named).await
    }

    /// Of each container, by its number.
    #[graphql(complexity = "READ_COST + cost(first, child_complexity)")]
    async fn containers(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<ContainerCount>, Fault> {
        let row = |facet, count| {
            let Facet::Container(id) = facet else { return None };
            Some(ContainerCount { container: Container(graph(ctx).catalog().container(id)?.clone()), count })
        };
        self.page(ctx, FacetSort::Container, first, after, row).await
    }

    /// With own values of each component, by its number.
    #[graphql(complexity = "READ_COST + cost(first, child_complexity)")]
    async fn components(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<ComponentCount>, Fault> {
        let row = |facet, count| {
            let Facet::Component(id) = facet else { return None };
            Some(ComponentCount {
                component: ComponentType(graph(ctx).catalog().registry.get(id)?.clone()),
                count,
            })
        };
        self.page(ctx, FacetSort::Component, first, after, row).await
    }
}
