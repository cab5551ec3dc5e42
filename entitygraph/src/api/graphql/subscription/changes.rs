//! A part of the world, followed: translates scopes and hands the messages through.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, InputObject, OneofObject, Subscription};
use entitygraph_schema::{Label, Refusal, query::Near};
use futures_util::{Stream, StreamExt};

use crate::{
    Graph,
    api::{
        error::Fault,
        graphql::{
            context::graph,
            natural::Natural,
            object::message::Told,
            query::space::checked_near,
            scalar::{ChangeCursor, Id, Vector},
        },
        live::Control,
    },
    changes::{Scope, SubscriptionOptions},
};

/// Longest time for which transactions may be merged.
const INTERVAL_MS_MAX: u32 = 60_000;

/// A part of the world to follow.
#[derive(Debug, OneofObject)]
pub enum ScopeInput {
    /// One entity.
    Entity(Id),
    /// The entity and everything below it.
    Subtree(Id),
    /// The entity and what is below it, but not nested aggregate roots and what is below those.
    Aggregate(Id),
    /// The zone host and every entity whose innermost zone it is; nested zones are not entered, their hosts are in it.
    Zone(Id),
    /// Entities with a pose around a point.
    Sphere(SphereInput),
    /// Instances of the container of this name.
    Container(String),
    /// Entities with this label.
    Label(String),
}

/// Entities with a pose around a point, as the query `near` finds them.
#[derive(Debug, InputObject)]
pub struct SphereInput {
    /// The zone that the point is in; the sphere moves with it.
    zone: Id,
    /// Metres in the zone.
    point: Vector,
    /// The entity's ball comes within this many metres of the point.
    radius: Option<f64>,
    /// The entity is seen from the point under at least this angle in radians.
    min_angular_size: Option<f64>,
    /// Entities of this layer.
    #[graphql(default)]
    layer: Natural,
}

impl ScopeInput {
    fn resolve(self, graph: &Graph) -> Result<Scope, Fault> {
        Ok(match self {
            Self::Entity(id) => Scope::Entity(id.0),
            Self::Subtree(id) => Scope::Subtree(id.0),
            Self::Aggregate(id) => Scope::Aggregate(id.0),
            Self::Zone(id) => Scope::Zone(id.0),
            Self::Sphere(sphere) => Scope::Sphere((&sphere.near()?).into()),
            Self::Container(name) => Scope::Container(graph.container(&name)?.id),
            Self::Label(label) => Scope::Label(Label::new(label).map_err(Fault::text)?),
        })
    }
}

impl SphereInput {
    fn near(&self) -> Result<Near, Fault> {
        checked_near(self.zone.0, self.point, self.radius, self.min_angular_size, self.layer.0)
            .map_err(Fault::space)
    }
}

/// What can be followed.
#[derive(Default)]
pub struct ChangeSubscription;

#[Subscription(name = "Subscription")]
impl ChangeSubscription {
    /// A part of the world: first a snapshot, then every transaction that changes it, whole and in order. After a lost
    /// connection subscribe again with `after`, the cursor of the last message: nothing is missed and nothing repeated.
    /// `Lag` says when that is not possible any more; a snapshot follows it.
    async fn changes(
        &self,
        ctx: &Context<'_>,
        scope: ScopeInput,
        #[graphql(desc = "Go on after this transaction instead of beginning with a snapshot.")] after: Option<
            ChangeCursor,
        >,
        #[graphql(desc = "Merge transactions and tell them at most once in this many milliseconds.")]
        interval_ms: Option<Natural>,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<Told>> + use<>> {
        let graph = graph(ctx);
        let scope = scope.resolve(graph)?;
        if let Some(Natural(interval @ (0 | INTERVAL_MS_MAX..))) = interval_ms {
            let reason = format!("{interval} is not from 1 to {}", INTERVAL_MS_MAX - 1);
            return Err(Fault::from(Refusal::Invalid { what: "intervalMs", reason }).into());
        }
        let interval = interval_ms.map(|ms| Duration::from_millis(ms.0.into()));
        let options = SubscriptionOptions { after: after.map(|after| after.0), interval };
        let control = ctx.data_opt::<Arc<Control>>().cloned();
        let messages = Control::messages(control, graph, scope, options);
        Ok(messages.map(|message| message.map(Told::from).map_err(|error| Fault::from(error).into())))
    }
}
