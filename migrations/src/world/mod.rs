//! Our own world format: worlds that people write, and that [`crate::export`] writes.
//!
//! A world is a YAML or JSON file or a folder of them; [`mod@format`] says what may stand in one, `world.schema.json` the same
//! for editors, and `worlds/solar-system` shows all of it in use. Authors name entities by keys, from which their ids are
//! made ([`entity_id`]), so that the same files mean the same entities in every store and on every run.
//!
//! # How it goes
//!
//! 1. [`files`] cuts files into documents and parses them on all cores; an item that cannot be read
//!    costs itself only ([`items`]), and so does a document that is no YAML.
//! 2. [`collect`] gathers component types, containers, links and keys; [`templates`] are published.
//! 3. [`entities`] and [`instances`] turn what is written into entities, [`order`] passes parents on before children, and
//!    the [`crate::load`]er compares and writes. Worlds over 32 MiB are read a second time for that instead of being kept.
//!
//! Everything that is wrong is reported with file, line, column and field path, which [`marked`] carries along.

mod collect;
mod entities;
mod files;
pub mod format;
mod index;
mod ingest;
mod instances;
pub mod items;
mod lost;
pub mod map;
pub mod marked;
mod names;
mod order;
mod sample;
pub mod scalar;
mod templates;
mod values;
mod words;

#[cfg(test)]
mod tests;

pub use collect::FORMAT;
pub use files::{OpenError, WorldFiles};
pub use ingest::{entity_id, ingest};
pub use sample::{SAMPLE_WORLD, sample_world};

/// The JSON Schema of a world file, as committed in `world.schema.json`.
pub fn json_schema() -> schemars::Schema {
    schemars::schema_for!(format::Document)
}
