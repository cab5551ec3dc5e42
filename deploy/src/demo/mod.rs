//! The demo: a sample world that moves, so that whoever follows it sees something happen within a minute.

mod mover;
mod orbit;

use std::sync::Arc;

use anyhow::{Context, Result};
use entitygraph_migrations::{
    load::{LoadOptions, Silent},
    world::{self, sample_world},
};
use entitygraph_schema::query::{ChildOrder, PageRequest};
use entitygraph_store::Store;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, open_world},
    config::Config,
};

/// Loads the sample world if there is none, serves it and moves it until a signal comes.
pub async fn run(config: &Config, streams: &Handle) -> Result<()> {
    let mut config = config.clone();
    // Not the folder of `serve`: a world of one's own is not mixed with the demo's.
    config.store.url.get_or_insert_with(|| format!("fjall:{}", config.data.join("demo").display()));
    let store = open_world(&config).await?;
    let loaded = load(store.clone()).await?;
    let app = App::start(&config, store, streams.clone()).await?;
    say(&config, &app, &loaded);
    let stop = CancellationToken::new();
    let mover = tokio::spawn(mover::run(app.graph.clone(), stop.clone()));
    app.until_stopped_after(async move {
        stop.cancel();
        mover.await.context("the mover of the demo failed")
    })
    .await
}

/// Loads the sample world into an empty store; says what is there.
async fn load(store: Arc<dyn Store>) -> Result<String> {
    let roots = store.children(None, ChildOrder::Ordinal, PageRequest::first(1)).await?;
    if roots.value.rows.is_empty() {
        let report = world::ingest(store, sample_world(), LoadOptions::default(), Arc::new(Silent)).await?;
        let total = report.total();
        anyhow::ensure!(report.problem_count == 0, "the sample world does not load:\n{report}");
        return Ok(format!("loaded the sample world ({} items in {:.1?})", total.created, report.elapsed));
    }
    Ok("the sample world was there already".to_owned())
}

fn say(config: &Config, app: &App, loaded: &str) {
    let (at, url) = (app.address, config.store_url());
    let place = if url.contains("://") { "database" } else { "folder" };
    println!(
        "
EntityGraph demo: {loaded}; planets turn, ships fly from station to station and jump.

  open   http://{at}/                                    what is here
         http://{at}/playground                          ask it, with ready examples
         http://{at}/playground?example=follow-a-ship    and follow it live

  the world is kept in {}; empty that {place} to begin again
  stop with Ctrl-C
",
        entitygraph_store::shown_url(&url)
    );
}
