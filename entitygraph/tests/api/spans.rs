//! The span of each execution, as a subscriber of them sees it.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, Once},
};

use axum::{body::Body, http::Request};
use serde_json::json;
use tower::ServiceExt;
use tracing::{
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer, filter::LevelFilter, layer::Context, layer::SubscriberExt, registry::Registry,
};

use crate::world::World;

type Fields = BTreeMap<&'static str, String>;

/// The fields of all spans of requests so far, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Id, Fields)>>>);

impl Seen {
    /// Watches this thread, on which the tests of this file do everything.
    fn watch(level: LevelFilter) -> (Self, DefaultGuard) {
        // While one subscriber is the only one, `tracing` asks that of the thread that comes to a span first, for all threads:
        // a thread of another test, which has none, would say that nobody wants the span.
        static OTHERS: Once = Once::new();
        OTHERS.call_once(|| tracing::subscriber::set_global_default(Registry::default()).unwrap());
        let seen = Self::default();
        let guard =
            tracing::subscriber::set_default(Registry::default().with(seen.clone().with_filter(level)));
        (seen, guard)
    }

    fn spans(&self) -> Vec<Fields> {
        self.0.lock().unwrap().iter().map(|(_, fields)| fields.clone()).collect()
    }
}

struct Fill<'a>(&'a mut Fields);

impl Visit for Fill<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == "request" {
            let mut fields = Fields::new();
            attributes.record(&mut Fill(&mut fields));
            self.0.lock().unwrap().push((id.clone(), fields));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, S>) {
        // An id may be used again once its span is closed.
        let mut spans = self.0.lock().unwrap();
        if let Some((_, fields)) = spans.iter_mut().rev().find(|(known, _)| known == id) {
            record.record(&mut Fill(fields));
        }
    }
}

/// Sends an operation as the caller's request `from-the-caller`.
async fn ask(world: &World, path: &str, query: &str) -> String {
    let body = json!({ "query": query, "operationName": "Named" }).to_string();
    let request = Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("x-request-id", "from-the-caller");
    let reply = world.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let mut frames = reply.into_body().into_data_stream();
    let first = futures_util::StreamExt::next(&mut frames).await.unwrap().unwrap();
    String::from_utf8(first.to_vec()).unwrap()
}

#[tokio::test]
async fn an_executed_request_has_a_span_with_id_operation_outcome_status_and_latency() {
    let (seen, _watching) = Seen::watch(LevelFilter::INFO);
    let world = World::empty();
    ask(&world, "/graphql", "mutation Named { leaseIds }").await;
    ask(&world, "/graphql", "query Named { entity(id: \"0\") { id } }").await;
    let spans = seen.spans();
    let told = |field: &str| spans.iter().map(|span| span[field].as_str()).collect::<Vec<_>>();
    assert_eq!(told("id"), ["from-the-caller"; 2]);
    assert_eq!((told("transport"), told("operation")), (vec!["http"; 2], vec!["Named"; 2]));
    assert_eq!((told("kind"), told("outcome")), (vec!["mutation", "query"], vec!["ok", "refused"]));
    assert_eq!(told("status"), ["200"; 2]);
    assert!(told("latency_us").iter().all(|time| time.parse::<u64>().is_ok()), "{spans:?}");
}

#[tokio::test]
async fn operations_of_streams_have_spans_and_subscriptions_until_they_are_live() {
    let (seen, _watching) = Seen::watch(LevelFilter::INFO);
    let world = World::empty();
    let answer = ask(&world, "/graphql/stream", "mutation Named { leaseIds }").await;
    assert!(answer.contains("leaseIds"), "{answer}");
    let [ref mutation] = seen.spans()[..] else { panic!("{:?}", seen.spans()) };
    assert_eq!((&*mutation["transport"], &*mutation["kind"]), ("stream", "mutation"));
    assert_eq!((&*mutation["operation"], &*mutation["outcome"]), ("Named", "ok"));
    let follow = "subscription Named { changes(scope: { label: \"x\" }) { __typename } }";
    let answer = ask(&world, "/graphql/stream", follow).await;
    assert!(answer.contains("Snapshot"), "{answer}");
    let kinds: Vec<_> = seen.spans().into_iter().map(|span| span["kind"].clone()).collect();
    assert_eq!(kinds, ["mutation", "subscription"]);
}

#[tokio::test]
async fn a_span_that_no_filter_wants_is_not_made() {
    let (seen, _watching) = Seen::watch(LevelFilter::WARN);
    ask(&World::empty(), "/graphql", "mutation Named { leaseIds }").await;
    assert_eq!(seen.spans(), []);
}
