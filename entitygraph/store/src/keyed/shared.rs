//! What the writer and the readers of one store share.

use std::sync::Arc;

use entitygraph_schema::{Catalog, Cursor};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::{engine::Engine, fault::Place, options::KeyedOptions, recent::Recent, snapshot::Snapshot};
use crate::error::Result;

/// See the module. The writer publishes in the order of the fields below; readers take one lock at a time, briefly.
pub struct Shared {
    /// Where the rows are.
    pub engine: Arc<dyn Engine>,
    /// For messages.
    pub place: Place,
    /// Limits.
    pub options: KeyedOptions,
    /// Component types and newest containers.
    pub catalog: RwLock<Arc<Catalog>>,
    /// The last commits.
    pub recent: RwLock<Recent>,
    /// Tells readers of new commits.
    pub newest: watch::Sender<Cursor>,
}

impl Shared {
    /// Answers from one moment. Blocks on the disk.
    pub fn read<T>(&self, question: impl FnOnce(&Snapshot<'_>) -> Result<T>) -> Result<T> {
        let view = self.engine.view();
        question(&Snapshot { view: &*view, place: &self.place })
    }
}
