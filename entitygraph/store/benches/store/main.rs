//! The keyed store beside the raw engine below it.
//!
//! ```text
//! cargo bench -p entitygraph-store --bench store -- commits   [ENTITIES [ENGINE]]
//! cargo bench -p entitygraph-store --bench store -- moves     [ENTITIES [ENGINE]]
//! cargo bench -p entitygraph-store --bench store -- load      [ENTITIES [ENGINE]]
//! cargo bench -p entitygraph-store --bench store -- questions [SIZES [ENGINE]]      SIZES such as 10000,100000,1000000
//! cargo bench -p entitygraph-store --bench store -- reopen    [ENTITIES [ENGINE]]
//! ```
//!
//! `docs/benchmarks.md` says what each compares with, and keeps the figures. `questions` also writes its figures as CSV,
//! and draws them, to the files that `SCALE_CSV` and `SCALE_SVG` name.

mod commits;
mod load;
mod meter;
mod moves;
mod plot;
mod process;
mod questions;
mod reopen;
mod spool;
#[path = "../support/mod.rs"]
#[allow(dead_code)] // the engine's benchmark uses the rest
mod support;
mod world;

use entitygraph_store::keyed::engine::EngineKind;

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any failure ends the benchmark.
type Result<T = (), E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["child", task, engine, path, entities] => {
            process::task(task, engine.parse()?, path.as_ref(), entities.parse()?).await
        }
        [mode, ref rest @ ..] => {
            let engine = rest.get(1).map_or(Ok(EngineKind::Fjall), |name| name.parse())?;
            let entities = |default| rest.first().map_or(Ok(default), |number| number.parse());
            match mode {
                "commits" => commits::run(engine, entities(100_000)?).await,
                "moves" => moves::run(engine, entities(500_000)?).await,
                "load" => load::run(engine, entities(500_000)?),
                "reopen" => reopen::run(engine, entities(500_000)?),
                "questions" => {
                    let sizes = rest.first().copied().unwrap_or("10000,100000,1000000").split(',');
                    questions::run(engine, &sizes.map(str::parse).collect::<Result<Vec<_>, _>>()?).await
                }
                _ => usage(),
            }
        }
        // `cargo bench` and `cargo test --benches` run every benchmark: a small round of each mode shows that it works.
        [] => {
            commits::run(EngineKind::Fjall, 10_000).await?;
            moves::run(EngineKind::Fjall, 10_000).await?;
            load::run(EngineKind::Fjall, 10_000)?;
            reopen::run(EngineKind::Fjall, 10_000)?;
            questions::run(EngineKind::Fjall, &[10_000, 20_000]).await
        }
    }
}

fn usage() -> Result {
    Err("usage: cargo bench -p entitygraph-store --bench store -- commits|moves|load|questions|reopen [ENTITIES [ENGINE]]".into())
}
