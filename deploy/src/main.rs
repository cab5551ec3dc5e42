//! The `entitygraph` command.

mod admin;
mod app;
mod cli;
mod config;
mod demo;
mod migrate;
mod moving;
mod remote;
mod telemetry;
mod whole_file;
mod world;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use tokio::runtime::{Builder, Handle};

use cli::{Cli, Command};
use config::Config;
use entitygraph_migrations::{load::LoadError, moving::MoveError};
use entitygraph_schema::text::shown;

/// A load of world data takes three quarters of the processor time that it takes with the system's allocator, see
/// docs/decisions/2026-11-22-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// What a person is told; nothing in it, such as the name of a file, can steer the terminal.
fn told(error: &anyhow::Error) -> String {
    let mut lines: Vec<_> = format!("{error:#}").lines().map(|line| shown(line).to_string()).collect();
    lines.extend(next_step(error));
    lines.join("\n")
}

/// What to do where a server is away: what to look at when it was not found at all, and how to go on with what it interrupted.
fn next_step(error: &anyhow::Error) -> Option<String> {
    let store = |cause: &(dyn std::error::Error + 'static)| -> Option<(bool, Option<&'static str>)> {
        let boxed = || cause.downcast_ref::<Box<entitygraph_store::Error>>().map(|error| &**error);
        let error = cause.downcast_ref::<entitygraph_store::Error>().or_else(boxed)?;
        Some((error.is_outage(), error.checks()))
    };
    let (outage, checks) = error.chain().find_map(store)?;
    let began = error.chain().any(|cause| cause.is::<MoveError>() || cause.is::<LoadError>());
    match began {
        true if outage => Some(
            "When it is back run the same command again (a backup with --resume): it goes on where it stopped."
                .to_owned(),
        ),
        true => None,
        false => checks.map(|checks| format!("What to look at: {checks}")),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let mut config = Config::load(&cli.common)?;
    if let Some(listen) = cli.listen()? {
        config.listen.clone_from(listen);
    }
    config.log = Some(config.log_filter(cli.is_service()).to_owned());
    if cli.common.dump_config {
        print!("{}", config.dump()?);
        return Ok(());
    }
    telemetry::start(config.log_filter(cli.is_service()))?;
    // WebSockets leave a core to the requests, among them the one that makes the next change.
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let runtime = |threads| Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let (requests, streams) = (runtime(cores)?, runtime(cores.saturating_sub(1).max(1))?);
    let result = requests.block_on(async {
        match cli.command {
            None | Some(Command::Demo(_)) => demo::run(&config, streams.handle()).await,
            Some(Command::Serve(_)) => serve(&config, streams.handle()).await,
            Some(Command::Ingest(ingest)) => world::ingest(&config, &ingest).await,
            Some(Command::Export(export)) => world::export(&config, &export).await,
            Some(Command::Backup(backup)) => moving::backup(&config, &backup).await,
            Some(Command::Restore(restore)) => moving::restore(&config, &restore).await,
            Some(Command::Copy(copy)) => moving::copy(&config, &copy).await,
            Some(Command::Verify(verify)) => moving::verify(&config, &verify).await,
            Some(Command::Migrate(migrate)) => migrate::run(&config, &migrate).await,
        }
    });
    // A load that was interrupted may still be reading files, and a disk may hang. The streams' sockets are polled by `requests`.
    for runtime in [streams, requests] {
        runtime.shutdown_timeout(Duration::from_secs(5));
    }
    result
}

async fn serve(config: &Config, streams: &Handle) -> anyhow::Result<()> {
    let new = new_world(config).await?;
    let store = app::open_world(config).await?;
    let app = app::App::start(config, store, streams.clone()).await?;
    if let Some(new) = new {
        println!("{new}\n");
    }
    println!("EntityGraph serves {} at http://{}", config.shown_store(), app.address);
    println!("  playground     http://{}/playground", app.address);
    println!("  GraphQL        http://{}/graphql", app.address);
    println!("  stop with Ctrl-C");
    app.until_stopped().await
}

/// What to know of a world that is begun just now: often its path was mistyped, or it is still to be loaded.
async fn new_world(config: &Config) -> anyhow::Result<Option<String>> {
    if !app::is_new(config).await? {
        return Ok(None);
    }
    let (shown, load) = (config.shown_store(), "entitygraph ingest world PATH");
    Ok(Some(match &config.store.url {
        Some(url) if shown.contains("://") => {
            let at = entitygraph_store::shown_url(url);
            let account = if at == *url { "" } else { " (with the account)" };
            format!(
                "WARNING: the database at {shown} was empty: a new, empty world begins there. If there should be one, stop and look \
                 whether this is the right server, and database (bolt://HOST/DATABASE).\n\
                 To load a world, also while this runs: {load} --store {at}{account}\n\
                 To bring one over from another store, stop and run: entitygraph copy SOURCE {at}{account}"
            )
        }
        url => {
            let at = match url {
                Some(url) => format!("--store {url}"),
                None => format!("--data {}", config.data.display()),
            };
            format!(
                "WARNING: there was no world in {shown}: a new, empty one begins there. If the path is mistyped, stop and mend \
                 it.\nTo load a world, stop and run: {load} {at}"
            )
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_is_told_cannot_steer_the_terminal() {
        let error = anyhow::anyhow!("line 1\n  line 2").context("\u{1b}[2J\u{202e}.yaml cannot be read");
        assert_eq!(told(&error), "\\u{1b}[2J\\u{202e}.yaml cannot be read: line 1\n  line 2");
    }

    #[test]
    fn a_server_that_is_away_is_told_with_what_to_do_next() {
        let away = || entitygraph_store::Error::Unreachable {
            location: "bolt://localhost:7687".to_owned(),
            source: "Connection refused".into(),
        };
        let at_the_start = told(&anyhow::Error::from(away()).context("opening bolt://localhost:7687"));
        assert!(
            at_the_start.contains("Connection refused\nWhat to look at: is Neo4j running"),
            "{at_the_start}"
        );
        let later = told(&MoveError::store("bolt://localhost:7687", "writing what is moved")(away()).into());
        assert!(later.contains("\nWhen it is back run the same command again"), "{later}");
        for told in [at_the_start, later] {
            assert!(!told.contains("goes on by itself"), "{told}");
        }
    }

    #[tokio::test]
    async fn a_world_that_begins_just_now_is_told_of_and_how_to_load_one() {
        let folder = tempfile::tempdir().unwrap();
        let config = |data: std::path::PathBuf| Config { data, ..Config::default() };
        let said = new_world(&config(folder.path().join("typo"))).await.unwrap().unwrap();
        assert!(said.contains("a new, empty one begins there") && said.contains("typo/world"), "{said}");
        assert!(said.contains("entitygraph ingest world PATH --data ") && said.ends_with("typo"), "{said}");
        std::fs::create_dir(folder.path().join("world")).unwrap();
        assert_eq!(new_world(&config(folder.path().into())).await.unwrap(), None);
        let mut memory = Config::default();
        memory.store.url = Some("memory:".to_owned());
        assert_eq!(new_world(&memory).await.unwrap(), None);
    }
}
