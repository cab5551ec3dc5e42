//! What a running server does for the operator of its machine: an embedded store has one owner, so whoever wants a copy of
//! it asks that one.

use std::{
    io::{self, BufWriter, Write},
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use entitygraph::api::Api;
use entitygraph_migrations::{
    backup::{self, BackupOptions},
    load::Silent,
};
use entitygraph_store::Store;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes that are sent at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Chunks that wait for the network: a slow reader makes the backup wait, not the memory grow.
const WAITING: usize = 4;

/// `POST /admin/backup`: a backup of the store, while it is served. A page of another site can ask for nothing by POST that is
/// answered, and a proxy's callers are refused here.
pub fn routes(store: Arc<dyn Store>) -> Router<Api> {
    Router::new().route("/admin/backup", post(move |headers| send(store.clone(), headers)))
}

async fn send(store: Arc<dyn Store>, headers: HeaderMap) -> Response {
    if ["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name)) {
        let said = "a backup is given to this machine only, not through a proxy\n";
        return (StatusCode::FORBIDDEN, said).into_response();
    }
    let (chunks, body) = mpsc::channel(WAITING);
    let out = BufWriter::with_capacity(CHUNK_BYTES, Chunks(chunks.clone()));
    tokio::spawn(async move {
        match backup::stream(&store, out, BackupOptions::default(), Arc::new(Silent)).await {
            Ok(taken) => tracing::info!(entities = taken.entities, cursor = %taken.to, "a backup was sent"),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a backup could not be sent to its end"
                );
                // Without its end the file is known to be cut; the connection breaks, so that the caller sees it at once.
                drop(chunks.send(Err(io::Error::other(error.to_string()))).await);
            }
        }
    });
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    (kind, Body::from_stream(ReceiverStream::new(body))).into_response()
}

/// Writes into a channel; only for threads that may wait.
struct Chunks(mpsc::Sender<io::Result<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(chunk)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
