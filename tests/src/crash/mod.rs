//! What the crash tests share with the process that they kill: [`script`] says what is written, [`report`] what the
//! process tells before it dies.

pub mod report;
pub mod script;

use std::path::Path;

use entitygraph_schema::Cursor;
use entitygraph_store::{
    Error,
    keyed::{
        KeyedStore,
        engine::EngineKind,
        options::{KeyedOptions, Retention},
    },
};

/// Where the change sequence of every store here begins: at a time of day, as a server's does.
pub const BEGIN: Cursor = Cursor::from_number(1_882_596_922_320_438);

/// Opens a store as all crash tests do: it keeps its whole change log, and does with little room on the disk.
pub fn open(engine: EngineKind, path: &Path) -> Result<KeyedStore, Error> {
    open_with_reserve(engine, path, 16 << 20)
}

/// As [`open`], leaving so many bytes of the disk free.
pub fn open_with_reserve(engine: EngineKind, path: &Path, reserve_bytes: u64) -> Result<KeyedStore, Error> {
    let mut options = KeyedOptions {
        begin: BEGIN,
        retention: Retention { commits: u64::MAX / 2, bytes: 64 << 30, ..Retention::default() },
        ..KeyedOptions::default()
    };
    options.engine.reserve_bytes = reserve_bytes;
    options.engine.cache_bytes = 16 << 20;
    KeyedStore::open(engine, path, options)
}
