//! What the service offers to the outside: HTTP, GraphQL, web pages.
//!
//! [`router`](router::router) has every route, [`server`] serves it and stops it, `endpoint` takes one GraphQL request
//! from bytes to bytes, `callers` says whose requests are taken, [`graphql`] is the schema, [`error`] the table of
//! everything that can go wrong on the way.

mod accept;
mod callers;
mod endpoint;
pub mod error;
mod freshness;
pub mod graphql;
mod health;
pub mod live;
pub mod router;
pub mod server;
mod span;
pub mod web;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use prometheus::Registry;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::{
    graphql::{Schema, cost::Meter, document::Documents},
    live::Live,
};
use crate::{Graph, config::Limits};

/// What every request handler may reach; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    graph: Graph,
    schema: Schema,
    meter: Arc<Meter>,
    sdl: String,
    documents: Arc<Documents>,
    live: Live,
    registry: Registry,
    ready: AtomicBool,
    drain: CancellationToken,
}

impl Api {
    /// The API over a graph; `registry` is what `/metrics` shows, with the graph's own figures in it.
    ///
    /// WebSockets are served on the runtime of `streams`. With one of their own, a change that a thousand of them are told of
    /// keeps no request, and no next change, waiting behind a thousand tasks; where that is no matter it may be the caller's.
    ///
    /// # Panics
    /// Outside of a runtime, which is the one that requests are served on.
    pub fn new(graph: Graph, registry: Registry, streams: Handle) -> Self {
        let schema = graphql::schema(graph.clone());
        let documents = Arc::new(Documents::new(&graph.config().limits));
        let limits = graph.config().limits.clone();
        let meter = Arc::new(Meter::new(graph.clone()));
        let metrics = graph.metrics().clone();
        let live = Live::new(
            schema.clone(),
            documents.clone(),
            meter.clone(),
            limits,
            metrics,
            graph.applied(),
            streams,
        );
        let (ready, drain) = (AtomicBool::new(true), CancellationToken::new());
        let sdl = schema.sdl();
        Self(Arc::new(Inner { sdl, schema, meter, documents, live, registry, ready, drain, graph }))
    }

    /// The service behind it.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }

    /// The GraphQL schema.
    pub fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// The schema in the schema language, as it is committed at `schema/api/entitygraph.graphql`.
    pub fn sdl(&self) -> String {
        self.0.sdl.clone()
    }

    /// Cancelled when the server stops: streams end then.
    pub fn drain(&self) -> CancellationToken {
        self.0.drain.clone()
    }

    fn meter(&self) -> &Meter {
        &self.0.meter
    }

    pub(crate) fn documents(&self) -> &Documents {
        &self.0.documents
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    fn registry(&self) -> &Registry {
        &self.0.registry
    }

    fn limits(&self) -> &Limits {
        &self.0.graph.config().limits
    }

    fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    fn refuse_readiness(&self) {
        self.0.ready.store(false, Ordering::Relaxed);
    }
}
