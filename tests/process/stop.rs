//! `SIGTERM` while clients write.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use entitygraph_schema::EntityId;
use entitygraph_store::{StoreOptions, open};
use entitygraph_tests::{graphql::Client, process::Server};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

const WRITERS: usize = 8;
/// Acknowledged writes before the signal.
const BEFORE: usize = 100;
const PATIENCE: Duration = Duration::from_secs(60);

const CREATE: &str = r#"mutation Create($id: EntityId!, $name: String!) {
    createEntity(input: {
        id: $id, name: $name, kind: "world",
        bounds: { min: [-1, -1, -1], max: [1, 1, 1] }
    }) { __typename }
}"#;

/// Creates entities until the server is gone; tells of each one that was acknowledged.
async fn write(client: Client, writer: usize, acknowledged: mpsc::UnboundedSender<u64>) {
    for number in 1.. {
        let id = (writer * 1_000_000 + number) as u64;
        let variables = json!({ "id": id.to_string(), "name": format!("{writer}/{number}") });
        let Ok(answer) = client.run(CREATE, variables).await else { return };
        assert_eq!(answer["createEntity"]["__typename"], Value::from("Committed"));
        if acknowledged.send(id).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_keeps_what_it_acknowledged_and_ends_well() -> Result<()> {
    for engine in ["fjall", "sled"] {
        let data = tempfile::tempdir()?;
        let url = format!("{engine}:{}", data.path().join("store").display());
        let server = Server::start(&url, data.path())?;
        let (sender, mut acknowledged) = mpsc::unbounded_channel();
        for writer in 1..=WRITERS {
            tokio::spawn(write(Client::new(&server.base), writer, sender.clone()));
        }
        drop(sender);
        let mut kept = BTreeSet::new();
        while kept.len() < BEFORE {
            let id = timeout(PATIENCE, acknowledged.recv()).await.context("no write is acknowledged")?;
            kept.insert(id.context("the writers ended by themselves")?);
        }
        server.terminate()?;
        // They write on until the server takes nothing more.
        while let Some(id) = timeout(PATIENCE, acknowledged.recv()).await.context("the server goes on")? {
            kept.insert(id);
        }
        let status = tokio::task::spawn_blocking(|| server.wait()).await??;
        ensure!(status.success(), "{engine}: {status}");

        let store = open(&url, StoreOptions::default()).await?;
        let ids: Vec<_> =
            kept.iter().map(|id| EntityId::new(*id)).collect::<Option<_>>().context("an id of 0")?;
        for ids in ids.chunks(1_000) {
            let found = store.entities(ids).await?.value;
            let lost: Vec<_> = ids.iter().zip(&found).filter(|(_, found)| found.is_none()).collect();
            ensure!(lost.is_empty(), "{engine}: {} of {} are lost: {lost:?}", lost.len(), kept.len());
        }
    }
    Ok(())
}
