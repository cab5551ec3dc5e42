//! What answers here, and how it is doing.

use async_graphql::{Context, Object, SimpleObject};

use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        scalar::{ChangeCursor, Int64},
    },
};

/// The question about the server itself.
#[derive(Default)]
pub struct StatusQuery;

/// What answers here, and how it is doing.
#[derive(SimpleObject)]
pub struct Status {
    /// Version of the program.
    version: &'static str,
    /// What it was opened as: `memory`, `fjall`, `sled`.
    store: &'static str,
    /// What an acknowledged write does not survive; null when it survives a power cut.
    caveat: Option<&'static str>,
    /// Bytes of the store on disk.
    disk_bytes: Int64,
    /// Entities in the world.
    entities: Int64,
    /// The newest commit.
    cursor: ChangeCursor,
    /// Part of the lookups since the start that the cache answered, from 0 to 1; null before the first.
    cache_hit_rate: Option<f64>,
    /// Bytes in the cache, as estimated by content.
    cache_bytes: Int64,
}

#[Object]
impl StatusQuery {
    /// What answers here, and how it is doing.
    async fn status(&self, ctx: &Context<'_>) -> Result<Status, Fault> {
        let graph = graph(ctx);
        let info = graph.store_info();
        let metrics = graph.metrics();
        let lookups = |result| metrics.cache_lookups.with_label_values(&[result]).get();
        let (hits, misses) = (lookups("hit"), lookups("miss"));
        let cache_hit_rate = (hits + misses > 0).then(|| hits as f64 / (hits + misses) as f64);
        Ok(Status {
            version: env!("CARGO_PKG_VERSION"),
            store: info.engine,
            caveat: info.caveat,
            disk_bytes: graph.disk_bytes().await?.into(),
            entities: graph.total(None).await?.into(),
            cursor: ChangeCursor(*graph.applied().borrow()),
            cache_hit_rate,
            cache_bytes: Int64(metrics.cache_bytes.get().into()),
        })
    }
}
