//! World data in and out: `entitygraph ingest` and `entitygraph export`.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Error, Result, bail, ensure};
use entitygraph_migrations::{
    eve::{self, Export as EveExport},
    export::{self, ExportOptions},
    load::{self, LoadOptions, Progress, Report, for_terminal, problems},
    world::{self, WorldFiles},
};

use entitygraph_store::{Store, memory::MemoryStore};

use crate::{
    app::{existing_world, exit_at_second_signal, open_world, put_in_order, signal},
    cli::{Existing, Export, Format, Ingest},
    config::Config,
    whole_file::WholeFile,
};

/// A load of so many items leaves tables that lie over each other and slow readers down; smaller ones do not show.
const COMPACT_FROM: u64 = 10_000;

/// Loads world data and prints what came of it. Problems with single items make the command fail after the rest is in.
pub async fn ingest(config: &Config, ingest: &Ingest) -> Result<()> {
    let existing = ingest.existing.into();
    let options = LoadOptions { dry_run: ingest.dry_run, existing, ..LoadOptions::default() };
    let (store, report) = match ingest.format {
        Format::World => {
            let files = WorldFiles::open(&ingest.path)?;
            let store = target(config, ingest.dry_run).await?;
            let shown = Counted::new();
            let load = world::ingest(store.clone(), files, options, shown.clone());
            (store.clone(), shown.until(signal(), &*store, ingest.dry_run, load).await?)
        }
        Format::Eve => {
            let export = EveExport::open(&ingest.path)?;
            let store = target(config, ingest.dry_run).await?;
            let shown = Counted::new();
            let load = eve::ingest(store.clone(), export, options, shown.clone());
            (store.clone(), shown.until(signal(), &*store, ingest.dry_run, load).await?)
        }
    };
    let total = report.total();
    if !report.dry_run && total.created + total.updated >= COMPACT_FROM {
        put_in_order(&*store).await?;
    }
    println!("{report}");
    if report.problem_count > 0 {
        bail!(
            "{}: {}; mend {} and run the command again",
            problems(report.problem_count),
            match (report.total().total() - report.total().refused, report.dry_run) {
                (0, _) => "nothing could be loaded",
                (_, true) => "the rest would go in",
                (_, false) => "the rest is in",
            },
            if report.problem_count == 1 { "it" } else { "them" }
        );
    }
    Ok(())
}

/// Counts the items that are done with, those that were refused too, and shows it.
struct Counted {
    shown: Arc<dyn Progress>,
    settled: AtomicU64,
}

impl Counted {
    fn new() -> Arc<Self> {
        Arc::new(Self { shown: for_terminal(), settled: AtomicU64::default() })
    }

    /// Runs a load to its end; when `stop` comes first, says what is in.
    async fn until<E: Into<Error>>(
        &self,
        stop: impl Future<Output = Result<()>>,
        store: &dyn Store,
        dry_run: bool,
        load: impl Future<Output = Result<Report, E>>,
    ) -> Result<Report> {
        tokio::select! {
            biased;
            report = load => return report.map_err(Into::into),
            stopped = stop => stopped?,
        }
        self.finish();
        exit_at_second_signal();
        if dry_run {
            bail!("interrupted: it was a dry run, nothing was written");
        }
        store.sync().await?;
        let settled = self.settled.load(Ordering::Relaxed);
        bail!(
            "interrupted after {settled} items; those that came in stay. Run the command again, it goes on from there"
        );
    }
}

impl Progress for Counted {
    fn stage(&self, name: &str) {
        self.shown.stage(name);
    }
    fn counts(&self, what: &str, of: Option<u64>) {
        self.shown.counts(what, of);
    }
    fn total_bytes(&self, bytes: u64) {
        self.shown.total_bytes(bytes);
    }
    fn bytes(&self, more: u64) {
        self.shown.bytes(more);
    }
    fn items(&self, more: u64) {
        self.settled.fetch_add(more, Ordering::Relaxed);
        self.shown.items(more);
    }
    fn finish(&self) {
        self.shown.finish();
    }
    fn note(&self, line: &str) {
        self.shown.note(line);
    }
}

/// Where a load goes. A dry run against a store that is not there creates none: it compares with an empty world.
async fn target(config: &Config, dry_run: bool) -> Result<Arc<dyn Store>> {
    if !dry_run {
        return open_world(config).await;
    }
    Ok(existing_world(config).await?.unwrap_or_else(|| Arc::new(MemoryStore::new())))
}

impl From<Existing> for load::Existing {
    fn from(existing: Existing) -> Self {
        match existing {
            Existing::Update => Self::Update,
            Existing::Keep => Self::Keep,
        }
    }
}

/// Writes the world, or a part of it. An export that was there is replaced when the new one is whole.
pub async fn export(config: &Config, export: &Export) -> Result<()> {
    let path = export.path.display();
    if !export.force && export.path.is_file() {
        let was_exported =
            export::is_export(&export.path).with_context(|| format!("{path} cannot be read"))?;
        ensure!(
            was_exported,
            "{path} was not written by an export and would be lost: choose another file, or replace it with --force"
        );
    }
    let Some(store) = existing_world(config).await? else {
        bail!(
            "there is no world in {}: name the folder that has one with --data, or the store with --store",
            config.shown_store()
        );
    };
    let options = ExportOptions { below: export.below };
    let exported = if export.path == Path::new("-") {
        export::export(store, std::io::stdout(), options, for_terminal()).await?
    } else {
        let mut out = WholeFile::create(&export.path).with_context(|| format!("creating {path}"))?;
        let exported = export::export(store, &mut out, options, for_terminal()).await?;
        out.finish().with_context(|| format!("writing {path}"))?;
        exported
    };
    eprintln!("{} entities and {} links in {}", exported.entities, exported.links, export.path.display());
    if exported.left_out > 0 {
        eprintln!(
            "{} values of retired variables, and ports that containers no longer have, are not in it",
            exported.left_out
        );
    }
    if !exported.at_rest() {
        eprintln!(
            "the world was written to meanwhile (commits {} to {}): parts of the file are from different moments",
            exported.began, exported.ended
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn command(arguments: &[&str]) -> (Config, Command) {
        let common = ["--log", "off"];
        let all = ["entitygraph"].iter().chain(arguments).chain(&common);
        let cli = <Cli as clap::Parser>::parse_from(all);
        (Config::load(&cli.common).unwrap(), cli.command.unwrap())
    }

    async fn load(arguments: &[&str]) -> Result<()> {
        let (config, Command::Ingest(ingest)) = command(arguments) else { panic!("no ingest") };
        super::ingest(&config, &ingest).await
    }

    #[tokio::test]
    async fn a_dry_run_and_an_export_create_no_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let world =
            "format: 1\nworld: test\nentities:\n  - key: world\n    kind: world\n    zone: { cube: 9 }\n";
        std::fs::write(path("world.yaml"), world).unwrap();
        let store = format!("fjall:{}", path("typo/world"));
        load(&["ingest", "world", &path("world.yaml"), "--store", &store, "--dry-run"]).await.unwrap();
        std::fs::write(path("backup.yaml"), LAST).unwrap();
        let (config, Command::Export(export)) = command(&["export", &path("backup.yaml"), "--store", &store])
        else {
            panic!("no export")
        };
        let error = super::export(&config, &export).await.unwrap_err().to_string();
        assert!(error.contains("there is no world in fjall:"), "{error}");
        assert_eq!(std::fs::read_to_string(path("backup.yaml")).unwrap(), LAST);
        assert!(!folder.path().join("typo").exists());
    }

    #[tokio::test]
    async fn a_load_with_problems_fails_and_says_what_became_of_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("world.yaml");
        let root = "world: w\nentities:\n  - {key: u, kind: u, zone: {cube: 9}}\n";
        for (text, dry, said) in [
            ("", "--existing=update", "1 problem: nothing could be loaded; mend it and"),
            (&*format!("{root}  - {{}}\n"), "--existing=update", "1 problem: the rest is in; mend it and"),
            (
                &*format!("{root}  - {{}}\n  - {{}}\n"),
                "--dry-run",
                "2 problems: the rest would go in; mend them and",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = load(&["ingest", "world", file.to_str().unwrap(), "--store", "memory:", dry]).await;
            let error = error.unwrap_err().to_string();
            assert_eq!(error, format!("{said} run the command again"));
        }
    }

    #[tokio::test]
    async fn a_world_that_moved_on_is_kept_where_it_is_when_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let store = format!("fjall:{}", path("store"));
        let source = |radius: f64, more: &str| {
            let file = path("world.yaml");
            let world = format!(
                "format: 1\nworld: test\nentities:\n  - key: world\n    kind: world\n    zone: {{ cube: 9 }}\n    \
                 radius: {radius}\n{more}"
            );
            std::fs::write(&file, world).unwrap();
            file
        };
        let written = async || {
            let out = path("out.yaml");
            let (config, Command::Export(export)) = command(&["export", &out, "--store", &store]) else {
                panic!("no export")
            };
            super::export(&config, &export).await.unwrap();
            std::fs::read_to_string(out).unwrap()
        };
        load(&["ingest", "world", &source(5.0, ""), "--store", &store]).await.unwrap();
        let more = "  - key: moon\n    kind: moon\n    parent: world\n";
        load(&["ingest", "world", &source(7.0, more), "--store", &store, "--existing", "keep"])
            .await
            .unwrap();
        let kept = written().await;
        assert!(kept.contains(r#""radius": 5.0"#) && kept.contains("moon"), "{kept}");
        load(&["ingest", "world", &source(7.0, more), "--store", &store]).await.unwrap();
        assert!(written().await.contains(r#""radius": 7.0"#));
    }

    #[tokio::test]
    async fn an_interrupted_load_says_what_is_in_and_that_it_goes_on() {
        let interrupt = async |dry_run| {
            let shown = Counted { shown: Arc::new(load::Silent), settled: AtomicU64::default() };
            let loading = async {
                shown.items(3);
                std::future::pending::<Result<Report>>().await
            };
            let stopped = shown.until(async { Ok(()) }, &MemoryStore::new(), dry_run, loading).await;
            stopped.unwrap_err().to_string()
        };
        let error = interrupt(false).await;
        assert_eq!(
            error,
            "interrupted after 3 items; those that came in stay. Run the command again, it goes on from there"
        );
        assert!(interrupt(true).await.contains("nothing was written"));
    }

    async fn run(path: &Path, below: Option<&str>) -> Result<()> {
        let mut arguments = vec!["export", path.to_str().unwrap(), "--store", "memory:"];
        arguments.extend(below.into_iter().flat_map(|below| ["--below", below]));
        let (config, Command::Export(export)) = command(&arguments) else { panic!("no export") };
        super::export(&config, &export).await
    }

    const LAST: &str = "---\nformat: 1\nexported: true\nentities:\n- the last export\n";

    #[tokio::test]
    async fn a_file_that_no_export_wrote_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("world.yaml");
        let path = file.to_str().unwrap();
        let by_hand = "# not by `exported: true`\nformat: 1\nworld: mine\n";
        std::fs::write(&file, by_hand).unwrap();
        let error = run(&file, None).await.unwrap_err().to_string();
        assert!(error.contains("was not written by an export") && error.contains("--force"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), by_hand);
        let (config, Command::Export(export)) = command(&["export", path, "--store", "memory:", "--force"])
        else {
            panic!("no export")
        };
        super::export(&config, &export).await.unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains("exported: true"));
        // One that nobody wrote anything into holds nothing to lose.
        std::fs::write(&file, "").unwrap();
        run(&file, None).await.unwrap();
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_export_that_fails_leaves_the_file_that_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("world.yaml");
        std::fs::write(&file, LAST).unwrap();
        let error = run(&file, Some("4711")).await.unwrap_err();
        assert!(format!("{error:#}").contains("4711"), "{error:#}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), LAST);
        assert_eq!(files(folder.path()), ["world.yaml"]);
    }

    #[tokio::test]
    async fn an_export_into_no_folder_names_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = format!("{:#}", run(&folder.path().join("nowhere/world.yaml"), None).await.unwrap_err());
        assert!(error.ends_with("nowhere does not exist: create it first"), "{error}");
        assert!(!error.contains(".entitygraph-"), "{error}");
    }

    #[tokio::test]
    async fn an_export_takes_the_place_of_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("world.yaml");
        std::fs::write(&file, LAST).unwrap();
        run(&file, None).await.unwrap();
        assert_ne!(std::fs::read_to_string(&file).unwrap(), LAST);
        assert_eq!(files(folder.path()), ["world.yaml"]);
        run(Path::new("/dev/null"), None).await.unwrap();
        let device = std::fs::metadata("/dev/null").unwrap();
        assert!(!device.is_file(), "what is no file is written to and stays what it is");
    }
}
