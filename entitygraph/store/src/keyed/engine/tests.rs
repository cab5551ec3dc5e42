//! One suite over all engines.

use std::{ops::ControlFlow, path::PathBuf, sync::Arc};

use super::*;

/// Runs each named test of a module for each engine, in a fresh folder.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod fjall { $(#[test] fn $name() { super::run(super::EngineKind::Fjall, super::$name); })* }
        mod sled { $(#[test] fn $name() { super::run(super::EngineKind::Sled, super::$name); })* }
    };
}

mod disk;
mod folder;
mod rows;

fn run(kind: EngineKind, test: fn(&Store)) {
    let dir = tempfile::tempdir().unwrap();
    test(&Store { kind, path: dir.path().join("store"), _dir: dir });
}

/// A place for a store of one engine.
struct Store {
    kind: EngineKind,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Store {
    fn open(&self) -> Arc<dyn Engine> {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Arc<dyn Engine>, EngineError> {
        self.kind.open(&self.path, &options())
    }
}

fn options() -> EngineOptions {
    EngineOptions { cache_bytes: 8 << 20, reserve_bytes: 0, split_at: vec![b'k', b'x'] }
}

fn put(engine: &dyn Engine, pairs: &[(&[u8], &[u8])]) {
    let mut batch = WriteBatch::new();
    for (key, value) in pairs {
        batch.put(key, value);
    }
    engine.write(batch, Durability::Synced).unwrap();
}

fn get(engine: &dyn Engine, key: &[u8]) -> Option<Vec<u8>> {
    engine.view().get(key).unwrap().map(Vec::from)
}

fn keys(engine: &dyn Engine, from: &[u8], to: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut collect = |key: &[u8], _: &[u8]| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    };
    engine.view().scan(from, to, &mut collect).unwrap();
    keys
}

/// Bytes that do not compress, from a seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = vec![0; len];
    for word in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    bytes
}
