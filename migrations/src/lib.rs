//! How data gets in and out: world ingest and export.

pub mod eve;
