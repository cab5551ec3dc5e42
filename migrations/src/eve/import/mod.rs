//! From the EVE export into a store: what becomes of what (`docs/ingest-eve.md` has the table).
//!
//! Reading order: [`ingest`] is the whole way; [`components`] says what values there are and [`values`] how they are
//! declared; [`types`] makes containers; [`universe`] and [`system`] make entities, with [`mapper`] and [`tables`] to look
//! things up in; [`reading`] and [`output`] are the two ends, with every record, problem and unused field counted.
//!
//! Files are parsed on all cores by [`crate::eve`], records become entities on one thread here, and the loader writes; each
//! waits for the next with little in between, so that memory does not grow with the export.

mod components;
mod extent;
mod mapper;
mod output;
mod reading;
mod spaces;
mod system;
mod tables;
mod types;
mod universe;
mod values;

use std::{io, sync::Arc};

use entitygraph_schema::text::TextError;
use entitygraph_store::Store;
use tokio::{sync::mpsc, task::JoinError, task::spawn_blocking};

pub use self::values::ForeignComponent;
use self::{
    components::Vocabulary,
    mapper::{Kinds, Mapper},
    output::Output,
    reading::Reading,
    tables::Tables,
    types::Models,
};
use super::Export;
use crate::load::{LoadError, LoadOptions, Loader, Origin, Progress, Report, Sourced};

/// Chunks between the reading thread and the loader.
const CHUNKS: usize = 4;

/// An ingest that could not go on. What the store acknowledged is kept; the same ingest again continues.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No thread could be started.
    #[error("the reader of the export cannot start")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store has a component type of one of our names that means something else.
    #[error(transparent)]
    ForeignComponent(#[from] ForeignComponent),
    /// A name that this program gives breaks the rules of names: a fault of this program.
    #[error("a name of the EVE world is no name")]
    Name(#[from] TextError),
    /// The reading thread panicked, or the runtime is shutting down.
    #[error("the reader of the export was stopped; run the same command again to continue")]
    Reader(#[from] JoinError),
}

/// Takes an export into a store.
///
/// The ids of the export become entity ids as they are, so `entity(id: "30000142")` is Jita. A second run changes nothing; a
/// run after a crash continues. Dropping the future stops it where it is; the store keeps whole transactions only.
///
/// # Errors
/// Faults only. What is wrong with single records is in the report, with file, line or item.
pub async fn ingest(
    store: Arc<dyn Store>,
    export: Export,
    options: LoadOptions,
    progress: Arc<dyn Progress>,
) -> Result<Report, IngestError> {
    let mut loader = Loader::open(store, options, Arc::clone(&progress)).await?;

    let drafts = components::drafts()?;
    let origin = || Origin::file("the EVE ingest");
    let drafts = drafts.into_iter().map(|draft| Sourced::new(origin(), draft)).collect();
    let catalog = loader.components(drafts).await?;
    let words = Arc::new(Vocabulary::of(&catalog.registry)?);

    let (outgoing, mut containers) = mpsc::channel(CHUNKS);
    let vocabulary = Arc::clone(&words);
    let mut reading = Reading::new(export, progress);
    let reader = spawn_blocking(move || {
        let tables = Tables::read(&mut reading)?;
        let names = types::send(&mut reading, &tables, &vocabulary, &outgoing)?;
        io::Result::Ok((reading, tables, names))
    });
    while let Some(chunk) = containers.recv().await {
        loader.containers(chunk).await?;
    }
    let (mut reading, tables, names) = reader.await??;
    let names = names.unwrap_or_default();

    let (outgoing, items) = mpsc::channel(CHUNKS);
    let (catalog, kinds) = (loader.catalog(), Kinds::new()?);
    let reader = spawn_blocking(move || {
        let models = Models::new(&catalog, &names);
        let mut mapper = Mapper::read(&mut reading, &words, kinds, &tables, models)?;
        universe::send(&mut reading, &mut mapper, &mut Output::new(outgoing))?;
        io::Result::Ok(reading)
    });
    loader.drain(items).await?;
    let reading = reader.await??;
    reading.account.settle(&mut loader);
    Ok(loader.finish().await?)
}
