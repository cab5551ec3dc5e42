//! Zones, the links between them, and routes over the links.

use async_graphql::{Context, Object};
use entitygraph_schema::{
    self as schema, Aabb, EntityId, Refusal, link,
    query::{Page, PageCursor},
};

use super::{entity::Node, tree::Hit};
use crate::api::{
    error::Fault,
    graphql::{
        context::{Access, graph},
        page::{self, Rows, SEARCH_COST, cost},
        query::space::{self, NearInput},
        scalar::BoundsObject,
        straight::rows::Row,
    },
};

/// The frame that an entity gives to what is in it.
pub struct Zone {
    /// The entity.
    pub host: EntityId,
    /// Its bounds.
    pub bounds: Aabb,
}

/// The end of a link. A link ends with either of its ends, so one that is gone was buried since.
async fn end(ctx: &Context<'_>, id: EntityId) -> Result<Node, Fault> {
    let found = Access::of(ctx).entity(id).await?;
    Ok(Node(found.ok_or(Refusal::UnknownEntity { entity: id })?))
}

/// The frame that an entity gives to what is in it.
#[Object]
impl Zone {
    /// In its own frame.
    async fn bounds(&self) -> BoundsObject {
        self.bounds.into()
    }

    /// Links with an end in the zone: the ways out of it.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn links(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Link>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).zone_links(self.host, request.clone()).await?;
        Ok(page::rows(&request, page, Link))
    }

    /// What is around a point of the zone, nearest first: in it, the zones around it and the zones nested in those.
    #[graphql(complexity = "SEARCH_COST + cost(first, child_complexity)")]
    async fn near(
        &self,
        ctx: &Context<'_>,
        at: NearInput,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Hit>, Fault> {
        space::near(ctx, self.host, at, page::request(ctx, first, after)?).await
    }
}

/// A connection of two entities that connects the zones they are in.
pub struct Link(pub schema::Link);

/// A connection of two entities that connects the zones they are in.
#[Object]
impl Link {
    /// What it is.
    async fn kind(&self) -> &str {
        self.0.kind.as_str()
    }

    /// What passing it costs a route.
    async fn cost(&self) -> f64 {
        self.0.cost
    }

    /// The end with the lower id.
    async fn a(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.0.a).await
    }

    /// The end with the higher id.
    async fn b(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.0.b).await
    }
}

/// A link as seen from one of its ends.
pub struct EntityLink {
    /// The end that asks.
    pub from: EntityId,
    /// The link.
    pub link: schema::Link,
}

/// A link as seen from one of its ends.
#[Object]
impl EntityLink {
    /// What it is.
    async fn kind(&self) -> &str {
        self.link.kind.as_str()
    }

    /// What passing it costs a route.
    async fn cost(&self) -> f64 {
        self.link.cost
    }

    /// The other end.
    async fn to(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.link.other(self.from)).await
    }
}

/// The cheapest way between two zones.
pub struct Route(pub schema::Route);

/// The cheapest way between two zones.
#[Object]
impl Route {
    /// Sum of the hops' costs.
    async fn cost(&self) -> f64 {
        self.0.cost
    }

    /// Where it starts.
    async fn from(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.0.from).await
    }

    /// How many hops it has; none when start and end are one zone.
    async fn length(&self) -> usize {
        self.0.hops.len()
    }

    /// In order of travel.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn hops(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Hop>, Fault> {
        let request = page::request(ctx, first, after)?;
        let begin = match &request.after {
            Some(PageCursor(place)) => {
                let place = place.as_slice().try_into().map_err(|_| Refusal::BadPageCursor)?;
                usize::try_from(u64::from_be_bytes(place)).map_err(|_| Refusal::BadPageCursor)?
            }
            None => 0,
        };
        let mut rest = (begin..).zip(self.0.hops.iter().skip(begin));
        let cursor = |place: usize| PageCursor((place as u64 + 1).to_be_bytes().into());
        let page =
            rest.by_ref().take(request.first).map(|(place, hop)| (hop.clone(), cursor(place))).collect();
        Ok(page::rows(&request, Page::of(page, rest.next().is_some()), Hop))
    }
}

/// One passage of a route.
pub struct Hop(link::Hop);

impl Row for Hop {}

/// One passage of a route.
#[Object]
impl Hop {
    /// The end of the link in the zone that is left.
    async fn from(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.0.from).await
    }

    /// The end of the link in the zone that is entered.
    async fn to(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.0.to).await
    }

    /// The zone that is entered.
    async fn zone(&self, ctx: &Context<'_>) -> Result<Node, Fault> {
        end(ctx, self.0.zone).await
    }

    /// Cost of the link.
    async fn cost(&self) -> f64 {
        self.0.cost
    }
}
