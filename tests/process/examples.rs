//! The example operations of the playground against the demo.

use anyhow::Result;
use entitygraph_tests::{examples, process::Server};

#[tokio::test]
async fn every_example_runs_against_the_demo() -> Result<()> {
    let data = tempfile::tempdir()?;
    let demo = Server::start_with(&["demo"], data.path())?;
    examples::run(&demo).await
}
