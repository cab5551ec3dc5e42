//! Entities by where they are.

use std::collections::BTreeSet;

use async_graphql::{Context, InputObject, Object};
use entitygraph_schema::{
    EntityId, Kind, Layer, LinkKind,
    query::{Near, PageRequest},
    space::{SpaceError, checked_point, finite, radius as checked_radius},
};

use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        natural::Natural,
        object::{
            entity::{Node, nodes},
            link::Route,
            tree::Hit,
        },
        page::{self, LEVELS, ROUTE_COST, Rows, SEARCH_COST, ZONES_COST, cost},
        scalar::{Id, Vector},
    },
};

/// Limits of "what is around here".
#[derive(Debug, Clone, InputObject)]
pub struct NearInput {
    /// Where, in metres in the zone.
    point: Vector,
    /// The entity's ball comes within this many metres of the point.
    radius: Option<f64>,
    /// The entity is seen from the point under at least this angle in radians.
    min_angular_size: Option<f64>,
    /// Zero is the ordinary world.
    #[graphql(default)]
    layer: Natural,
    /// Only these kinds, of what is found: the search counts all kinds, and is refused beyond 20,000. `find` looks for kinds first.
    kinds: Option<Vec<String>>,
}

impl NearInput {
    /// The question to the store; the kinds are asked of its answer.
    fn near(&self, zone: EntityId) -> Result<Near, Fault> {
        checked_near(zone, self.point, self.radius, self.min_angular_size, self.layer.0).map_err(Fault::space)
    }
}

/// "What is around here" with numbers that can be: of the query and of the subscription.
pub(in crate::api::graphql) fn checked_near(
    zone: EntityId,
    point: Vector,
    radius: Option<f64>,
    min_angular_size: Option<f64>,
    layer: u32,
) -> Result<Near, SpaceError> {
    Ok(Near {
        zone,
        point: checked_point("the point", point.0)?,
        radius: radius.map(|radius| checked_radius("the radius", radius)).transpose()?,
        min_angular_size: min_angular_size.map(|angle| finite("the angular size", angle)).transpose()?,
        layer: Layer::from_number(layer),
    })
}

/// A page of what is around a point of a zone.
pub(in crate::api::graphql) async fn near(
    ctx: &Context<'_>,
    zone: EntityId,
    input: NearInput,
    request: PageRequest,
) -> Result<Rows<Hit>, Fault> {
    let near = input.near(zone)?;
    let kinds = input.kinds.unwrap_or_default().into_iter().map(Kind::new);
    let kinds = kinds.collect::<Result<BTreeSet<_>, _>>().map_err(Fault::text)?;
    let page = graph(ctx).near_entities(&near, &kinds, request.clone()).await?;
    Ok(page::rows(&request, page, |(hit, entity)| Hit {
        entity: Node(entity),
        distance: hit.distance,
        radius: hit.radius,
    }))
}

/// Questions about places.
#[derive(Default)]
pub struct SpaceQuery;

#[Object]
impl SpaceQuery {
    /// What is around a point of a zone, nearest first: in this zone, the zones around it and the zones nested in those.
    /// Give `radius`, `minAngularSize`, or both, which then both hold. `zone { near }` asks the same from a zone host.
    #[graphql(complexity = "SEARCH_COST + cost(first, child_complexity)")]
    async fn near(
        &self,
        ctx: &Context<'_>,
        zone: Id,
        at: NearInput,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Hit>, Fault> {
        near(ctx, zone.0, at, page::request(ctx, first, after)?).await
    }

    /// The zones whose bounds hold a point, from `zone` inwards.
    #[graphql(complexity = "ZONES_COST + LEVELS * child_complexity + 1")]
    async fn zones_at(
        &self,
        ctx: &Context<'_>,
        zone: Id,
        #[graphql(desc = "Metres in the zone.")] point: Vector,
    ) -> Result<Vec<Node>, Fault> {
        let point = checked_point("the point", point.0).map_err(Fault::space)?;
        let zones = graph(ctx).zones_at(zone.0, point).await?;
        nodes(ctx, &zones).await
    }

    /// The cheapest way between two zones over links of a kind; null when there is none.
    #[graphql(complexity = "ROUTE_COST + child_complexity")]
    async fn route(
        &self,
        ctx: &Context<'_>,
        from: Id,
        to: Id,
        #[graphql(default_with = "\"jump\".to_owned()")] kind: String,
    ) -> Result<Option<Route>, Fault> {
        let kind = LinkKind::new(kind).map_err(Fault::text)?;
        Ok(graph(ctx).route(from.0, to.0, &kind).await?.map(Route))
    }
}
