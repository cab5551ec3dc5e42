//! Entities by where they are.

use async_graphql::{Context, Object, connection::{Connection, Edge}};
use entitygraph_schema::{
    Kind, Layer, LinkKind,
    query::Near,
    space::{finite_vector, radius as checked_radius},
};

use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        object::{
            entity::{Node, nodes},
            link::Route,
            tree::Hit,
        },
        page::{self, Rows, cost},
        scalar::{Id, RowCursor, Vector, finite_float},
    },
};

/// Questions about places.
#[derive(Default)]
pub struct SpaceQuery;

#[Object]
impl SpaceQuery {
    /// What is around a point of a zone, nearest first: in this zone, the zones around it and the zones nested in those.
    /// Give `radius` (the entity's ball comes within that many metres), `minAngularSize` (it is seen from the point under
    /// at least that angle in radians), or both, which then both hold.
    #[graphql(complexity = "cost(first, child_complexity)")]
    #[allow(clippy::too_many_arguments)] // they are the arguments of the GraphQL field
    async fn near(
        &self,
        ctx: &Context<'_>,
        zone: Id,
        #[graphql(desc = "Metres in the zone.")] point: Vector,
        radius: Option<f64>,
        min_angular_size: Option<f64>,
        #[graphql(default)] layer: u32,
        kinds: Option<Vec<String>>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Hit>, Fault> {
        let request = page::request(ctx, first, after)?;
        let near = Near {
            zone: zone.0,
            point: finite_vector("the point", point.0).map_err(Fault::space)?,
            radius: radius.map(|radius| checked_radius("the radius", radius)).transpose().map_err(Fault::space)?,
            min_angular_size: min_angular_size
                .map(|angle| finite_float("the angular size", angle))
                .transpose()
                .map_err(Fault::space)?,
            layer: Layer::from_number(layer),
        };
        let kinds = kinds.unwrap_or_default().into_iter().map(Kind::new).collect::<Result<_, _>>().map_err(Fault::text)?;
        let page = graph(ctx).near_entities(&near, &kinds, request.clone()).await?;
        let mut rows = Connection::new(request.after.is_some(), page.more);
        rows.edges.extend(page.rows.into_iter().map(|((hit, entity), cursor)| {
            let hit = Hit { entity: Node(entity), distance: hit.distance, radius: hit.radius };
            Edge::new(RowCursor(cursor), hit)
        }));
        Ok(rows)
    }

    /// The zones whose bounds hold a point, from `zone` inwards.
    #[graphql(complexity = "8 * child_complexity + 1")]
    async fn zones_at(
        &self,
        ctx: &Context<'_>,
        zone: Id,
        #[graphql(desc = "Metres in the zone.")] point: Vector,
    ) -> Result<Vec<Node>, Fault> {
        let point = finite_vector("the point", point.0).map_err(Fault::space)?;
        let zones = graph(ctx).zones_at(zone.0, point).await?;
        nodes(ctx, &zones).await
    }

    /// The cheapest way between two zones over links of a kind; null when there is none.
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
