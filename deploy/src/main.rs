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
    let lines: Vec<_> = format!("{error:#}").lines().map(|line| shown(line).to_string()).collect();
    lines.join("\n")
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let config = Config::load(&cli.common)?;
    if cli.common.dump_config {
        print!("{}", config.dump()?);
        return Ok(());
    }
    telemetry::start(&config.log)?;
    // WebSockets leave a core to the requests, among them the one that makes the next change.
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let runtime = |threads| Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let (requests, streams) = (runtime(cores)?, runtime(cores.saturating_sub(1).max(1))?);
    let result = requests.block_on(async {
        match cli.command.unwrap_or(Command::Demo) {
            Command::Demo => demo::run(&config, streams.handle()).await,
            Command::Serve => serve(&config, streams.handle()).await,
            Command::Ingest(ingest) => world::ingest(&config, &ingest).await,
            Command::Export(export) => world::export(&config, &export).await,
            Command::Backup(backup) => moving::backup(&config, &backup).await,
            Command::Restore(restore) => moving::restore(&config, &restore).await,
            Command::Copy(copy) => moving::copy(&config, &copy).await,
            Command::Verify(verify) => moving::verify(&config, &verify).await,
            Command::Migrate(migrate) => migrate::run(&config, &migrate).await,
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

/// What to know of a world that is begun just now: often its path was mistyped.
async fn new_world(config: &Config) -> anyhow::Result<Option<String>> {
    let at = match &config.store.url {
        Some(url) => format!("--store {}", entitygraph_store::shown_url(url)),
        None => format!("--data {}", config.data.display()),
    };
    Ok(app::is_new(config).await?.then(|| {
        format!(
            "WARNING: there was no world in {}: a new, empty one begins there. If the path is mistyped, stop and mend it.\n\
             To load a world, stop and run: entitygraph ingest world PATH {at}",
            config.shown_store()
        )
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
