//! World data in and out: `entitygraph ingest` and `entitygraph export`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use entitygraph_migrations::{
    eve::{self, Export as EveExport},
    export::{self, ExportOptions},
    load::{LoadOptions, for_terminal},
    world::{self, WorldFiles},
};

use crate::{
    app::open_store,
    cli::{Export, Format, Ingest},
    config::Config,
};

/// Loads world data and prints what came of it. Problems with single items make the command fail after the rest is in.
pub async fn ingest(config: &Config, ingest: &Ingest) -> Result<()> {
    let options = LoadOptions { dry_run: ingest.dry_run, ..LoadOptions::default() };
    let report = match ingest.format {
        Format::World => {
            let files = WorldFiles::open(&ingest.path)?;
            let store = open_store(config).await?;
            world::ingest(store, files, options, for_terminal()).await?
        }
        Format::Eve => {
            let export = EveExport::open(&ingest.path)?;
            let store = open_store(config).await?;
            eve::ingest(store, export, options, for_terminal()).await?
        }
    };
    println!("{report}");
    if report.problem_count > 0 {
        bail!(
            "{} items could not be loaded; mend them and run the command again, the rest is in",
            report.problem_count
        );
    }
    Ok(())
}

/// Writes the world, or a part of it.
pub async fn export(config: &Config, export: &Export) -> Result<()> {
    let store = open_store(config).await?;
    let options = ExportOptions { below: export.below };
    let exported = if export.path == Path::new("-") {
        export::export(store, std::io::stdout(), options, for_terminal()).await?
    } else {
        let file =
            File::create(&export.path).with_context(|| format!("creating {}", export.path.display()))?;
        let mut out = BufWriter::new(file);
        let exported = export::export(store, &mut out, options, for_terminal()).await?;
        out.flush().with_context(|| format!("writing {}", export.path.display()))?;
        exported
    };
    eprintln!("{} entities and {} links in {}", exported.entities, exported.links, export.path.display());
    if !exported.at_rest() {
        eprintln!(
            "the world was written to meanwhile (commits {} to {}): parts of the file are from different moments",
            exported.began, exported.ended
        );
    }
    Ok(())
}
