//! An engine that counts what is written to another one, and hands it on to whoever listens.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use entitygraph_store::keyed::{
    KeyedStore,
    engine::{Durability, Engine, EngineError, EngineKind, View, WriteBatch},
    options::KeyedOptions,
};

use crate::Result;

type Listener = Box<dyn FnMut(&WriteBatch, Durability) + Send>;

/// See the module.
pub struct Meter {
    engine: Arc<dyn Engine>,
    batches: AtomicU64,
    bytes: AtomicU64,
    listener: Mutex<Option<Listener>>,
}

impl Meter {
    /// A store over a metered engine, and the meter.
    pub fn open(kind: EngineKind, path: &Path) -> Result<(KeyedStore, Arc<Self>)> {
        let options = KeyedOptions::default();
        let engine = kind.open(path, &options.engine)?;
        let meter =
            Self { engine, batches: AtomicU64::new(0), bytes: AtomicU64::new(0), listener: Mutex::new(None) };
        let meter = Arc::new(meter);
        Ok((KeyedStore::over(meter.clone(), path.display().to_string(), options)?, meter))
    }

    /// Batches, and bytes of keys and values, written so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.batches.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Calls this with every batch from now on; with none it stops.
    pub fn listen(&self, listener: Option<Listener>) {
        *self.listener.lock().expect("a listener panicked") = listener;
    }
}

impl Engine for Meter {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn view(&self) -> Box<dyn View + '_> {
        self.engine.view()
    }

    fn write(&self, batch: WriteBatch, durability: Durability) -> Result<(), EngineError> {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(batch.byte_len() as u64, Ordering::Relaxed);
        if let Some(listener) = &mut *self.listener.lock().expect("a listener panicked") {
            listener(&batch, durability);
        }
        self.engine.write(batch, durability)
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.engine.sync()
    }

    fn compact(&self) -> Result<(), EngineError> {
        self.engine.compact()
    }

    fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    fn room(&self) -> Result<(), EngineError> {
        self.engine.room()
    }

    fn caveat(&self) -> Option<&'static str> {
        self.engine.caveat()
    }
}
