//! What the README asks of the EVE export, asked of a small one.

use anyhow::{Context, Result, ensure};
use entitygraph_tests::{graphql::Client, process::Server};
use serde_json::json;

use entitygraph_tests::{command::done, eve::EXPORT};

const README: &str = include_str!("../../README.md");

/// The system of the small export that stands for Jita.
const SYSTEM: &str = "30000001";

#[tokio::test]
async fn the_query_of_jita_shows_planets_moons_stations_and_where_its_gates_lead() -> Result<()> {
    let query = README.split("```graphql\n").find_map(|block| block.strip_prefix("query Jita"));
    let query =
        query.and_then(|rest| rest.split("```").next()).context("the README does not ask for Jita")?;
    let query = format!("query Jita{}", query.replace("30000142", SYSTEM));
    let data = tempfile::tempdir()?;
    done(&["ingest", "eve", EXPORT], data.path())?;
    let server = Server::start_with(&["serve"], data.path())?;
    let answer = Client::new(&server.base).run(&query, json!({})).await?;
    let nodes = answer["aggregate"]["nodes"].as_array().context("no nodes")?;
    let names = |kind: &str| {
        let of_kind = nodes.iter().filter(|node| node["kind"] == kind);
        of_kind.map(|node| node["name"].as_str().unwrap_or_default()).collect::<Vec<_>>()
    };
    ensure!(names("planet") == ["Ay I", "Ay II"] && names("moon") == ["Ay I - Moon 1"], "{answer}");
    ensure!(names("station").contains(&"Ay I - Moon 1 - Eastern Navy Assembly Plant"), "{answer}");
    let gate = nodes.iter().find(|node| node["kind"] == "stargate").context("no gate")?;
    let there = &gate["links"]["nodes"][0]["to"];
    ensure!(there["zoneHost"]["name"] == "Bee", "{answer}");
    Ok(())
}
