//! What becomes of an executor's answer.

use std::sync::Arc;

use async_graphql::{PathSegment, ServerError};
use entitygraph_store::MemoryStore;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Config, Graph, api::Api};

fn answer(error: ServerError) -> Response {
    Response::from_errors(vec![error])
}

/// Whether a client is told that the operation was not executed.
fn is_refusal(live: &Live, query: &str, answer: Response) -> bool {
    let document = live.inner.documents.get(query).unwrap();
    matches!(live.frame(&document, None, answer), Frame::Error(_))
}

#[tokio::test]
async fn a_fault_in_a_field_is_an_answer_and_an_error_of_the_request_is_a_refusal() {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry).unwrap();
    let store = Arc::new(MemoryStore::new());
    let (graph, _follower) = Graph::start(store, Config::default(), metrics, CancellationToken::new());
    let api = Api::new(graph, registry, Handle::current());
    let live = api.live();

    let of_request = || answer(ServerError::new("unknown field", None));
    let of_field = || {
        let path = vec![PathSegment::Field("a".to_owned())];
        answer(ServerError { path, ..ServerError::new("the store is gone", None) })
    };
    for executed in ["{ a }", "mutation { a }"] {
        assert!(is_refusal(live, executed, of_request()), "{executed}");
        assert!(!is_refusal(live, executed, of_field()), "{executed}");
    }
    // Without its stream a subscription has not begun.
    assert!(is_refusal(live, "subscription { a }", of_field()));
}
