//! Committed files that the code prints: the schema and the list of metrics. `UPDATE=1 cargo test` rewrites them.

use std::{fmt::Write, fs, path::Path};

use entitygraph::Metrics;
use prometheus::Registry;

use crate::world::World;

fn committed(path: &str, printed: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, printed).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == printed,
        "{path} is not what the code prints: run `UPDATE=1 cargo test -p entitygraph --test api` and look at the difference"
    );
}

#[tokio::test]
async fn the_committed_schema_is_the_one_that_is_served() {
    let world = World::empty();
    let served = world.get("/schema.graphql").await;
    assert_eq!(served.text, world.api.sdl());
    committed("schema/api/entitygraph.graphql", &served.text);
}

#[test]
fn the_page_of_metrics_lists_every_one() {
    let registry = Registry::new();
    let _metrics = Metrics::register(&registry).unwrap();
    registry.register(Box::new(entitygraph_store::neo4j::figures::Figures::default())).unwrap();
    let mut page =
        "# Metrics\n\nWhat `/metrics` shows, printed by a test from the code that registers them.\n\n\
        | name | type | labels | what it says |\n| --- | --- | --- | --- |\n"
            .to_owned();
    for family in registry.gather() {
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        let labels: Vec<_> =
            family.get_metric()[0].get_label().iter().map(|label| format!("`{}`", label.name())).collect();
        writeln!(page, "| `{}` | {kind} | {} | {} |", family.name(), labels.join(" "), family.help())
            .unwrap();
    }
    committed("docs/metrics.md", &page);
}
