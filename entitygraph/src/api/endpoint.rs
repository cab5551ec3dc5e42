//! `/graphql` over plain HTTP: one request, one answer.

use std::{borrow::Cow, time::Instant};

use async_graphql::{Request, Response as Answer, Value, Variables, parser::types::OperationType};
use axum::{
    body::{Body, Bytes},
    extract::{
        Extension, Query, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tracing::{Instrument, Span};

use super::{
    Api,
    accept::Seat,
    error::{self, Rejection},
    graphql::{answer::was_executed, document::Document, straight::Flat},
    live::{sse, ws},
    span::{self, RequestId},
};
use crate::metrics::{OperationLabel, OutcomeLabel};

/// A request as "GraphQL over HTTP" says. Its other member, `extensions`, is of no use here and skipped.
#[derive(Debug, Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    query: Cow<'a, str>,
    #[serde(borrow, default, rename = "operationName")]
    operation_name: Option<Cow<'a, str>>,
    #[serde(default)]
    variables: Option<Variables>,
}

/// The same as parameters of a URL.
#[derive(Debug, Deserialize)]
struct Parameters {
    query: Option<String>,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
    variables: Option<String>,
}

/// What came of a request, and what sort of operation it turned out to be.
struct Outcome {
    operation: OperationLabel,
    /// That of its execution, if it was executed.
    span: Span,
    result: Result<Answered, Rejection>,
}

enum Answered {
    /// By the executor.
    Executed { label: OutcomeLabel, refused: bool, json: Vec<u8> },
    /// By a plan, as JSON.
    Straight(Vec<u8>),
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        Self { operation: OperationLabel::Unknown, span: Span::none(), result: Err(rejection) }
    }
}

impl From<OperationType> for OperationLabel {
    fn from(ty: OperationType) -> Self {
        match ty {
            OperationType::Query => Self::Query,
            OperationType::Mutation => Self::Mutation,
            OperationType::Subscription => Self::Subscription,
        }
    }
}

/// POST: any query or mutation.
pub(super) async fn post(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    let started = Instant::now();
    let outcome = match read(&api, &headers, body).await {
        Err(rejection) => rejection.into(),
        Ok(body) => match serde_json::from_slice::<Asked<'_>>(&body) {
            Err(error) => Rejection::Body { reason: error.to_string() }.into(),
            Ok(asked) => run(&api, &headers, asked, || serde_json::from_slice(&body).ok(), false).await,
        },
    };
    respond(&api, &headers, outcome, started)
}

/// POST to the stream: one operation of any sort, answered as server-sent events.
pub(super) async fn post_stream(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    let body = match read(&api, &headers, body).await {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    match serde_json::from_slice::<Asked<'_>>(&body) {
        Ok(asked) => sse::respond(api.live(), asked.into(), api.drain()),
        Err(error) => Rejection::Body { reason: error.to_string() }.into_response(),
    }
}

/// The same by GET, for what the URL can hold: queries and subscriptions.
pub(super) async fn get_stream(State(api): State<Api>, uri: Uri) -> Response {
    let refused = |asked: &Asked<'_>| {
        let document = api.documents().get(&asked.query)?;
        match document.operation_type(asked.operation_name.as_deref())? {
            OperationType::Mutation => Err(Rejection::NotAQuery),
            OperationType::Query | OperationType::Subscription => Ok(()),
        }
    };
    match parameters(&uri).and_then(|asked| refused(&asked).map(|()| asked)) {
        Ok(asked) => sse::respond(api.live(), asked.into(), api.drain()),
        Err(rejection) => rejection.into_response(),
    }
}

impl From<Asked<'_>> for Request {
    fn from(asked: Asked<'_>) -> Self {
        let mut request = Self::new(asked.query);
        request.operation_name = asked.operation_name.map(Cow::into_owned);
        request.variables = asked.variables.unwrap_or_default();
        request
    }
}

/// GET with an upgrade: a WebSocket for any number of operations.
pub(super) async fn get_or_upgrade(
    State(api): State<Api>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    seat: Option<Extension<Seat>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match socket {
        Ok(socket) => ws::upgrade(socket, api.live().clone(), seat, api.drain()),
        // Not a WebSocket: an ordinary request.
        Err(_) => get(State(api), headers, uri).await,
    }
}

/// GET: queries only, so that a link or a picture on a foreign page changes nothing.
async fn get(State(api): State<Api>, headers: HeaderMap, uri: Uri) -> Response {
    let started = Instant::now();
    let outcome = match parameters(&uri) {
        Err(rejection) => rejection.into(),
        Ok(asked) => run(&api, &headers, asked, || parameters(&uri).ok(), true).await,
    };
    respond(&api, &headers, outcome, started)
}

fn parameters(uri: &Uri) -> Result<Asked<'static>, Rejection> {
    let wrong = |name, reason: String| Rejection::Parameter { name, reason };
    let Query(parameters) =
        Query::<Parameters>::try_from_uri(uri).map_err(|error| wrong("query", error.to_string()))?;
    let missing =
        "missing: GET /graphql?query={status{cursor}}, or POST a JSON object; people open /playground";
    let query = parameters.query.ok_or_else(|| wrong("query", missing.to_owned()))?;
    let variables = parameters.variables.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Asked {
        query: query.into(),
        operation_name: parameters.operation_name.map(Cow::Owned),
        variables: variables.map_err(|error| wrong("variables", format!("not a JSON object ({error})")))?,
    })
}

/// The whole body, if it is JSON by its header, within the limits of size and time.
async fn read(api: &Api, headers: &HeaderMap, body: Body) -> Result<Bytes, Rejection> {
    let content_type = headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let found =
            if content_type.is_empty() { "none".to_owned() } else { content_type.chars().take(80).collect() };
        return Err(Rejection::ContentType { found });
    }
    let limits = api.limits();
    let read = tokio::time::timeout(limits.request_time(), collect(body, limits.body_bytes));
    read.await.unwrap_or(Err(Rejection::Timeout { ms: limits.request_ms, writes: false }))
}

/// Reads a body that is too large to its end, up to a point, and drops it: a client that is still sending when the
/// connection closes would see that, and not the answer.
async fn collect(body: Body, max: usize) -> Result<Bytes, Rejection> {
    let mut frames = body.into_data_stream();
    let broken = |error: axum::Error| Rejection::Broken { reason: error.to_string() };
    let Some(first) = frames.next().await.transpose().map_err(broken)? else { return Ok(Bytes::new()) };
    let mut size = first.len();
    let mut whole = bytes::BytesMut::new();
    while let Some(frame) = frames.next().await.transpose().map_err(broken)? {
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        size += frame.len();
        if size <= max {
            whole.extend_from_slice(&frame);
        } else if size > max.saturating_mul(8) {
            break;
        }
    }
    if size > max {
        return Err(Rejection::TooLarge { max });
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// Runs what was asked. `again` reads it once more, to count what it costs when that is too much: few are, so nothing is kept of
/// the others.
async fn run<'a>(
    api: &Api,
    headers: &HeaderMap,
    asked: Asked<'a>,
    again: impl FnOnce() -> Option<Asked<'a>>,
    only_queries: bool,
) -> Outcome {
    let name = asked.operation_name.clone();
    let name = name.as_deref();
    let document = match api.documents().get(&asked.query) {
        Ok(document) => document,
        Err(rejection) => return rejection.into(),
    };
    let ty = match document.operation_type(name) {
        Ok(ty) => ty,
        Err(rejection) => return rejection.into(),
    };
    let operation = OperationLabel::from(ty);
    let refuse = |rejection| Outcome { operation, span: Span::none(), result: Err(rejection) };
    match ty {
        OperationType::Subscription => return refuse(Rejection::Subscription),
        OperationType::Mutation if only_queries => return refuse(Rejection::NotAQuery),
        OperationType::Query | OperationType::Mutation => {}
    }
    let none = Variables::default();
    let variables = asked.variables.as_ref().unwrap_or(&none);
    if let Some(answer) = document.plan().and_then(|plan| plan.answer(api.graph(), variables)) {
        tracing::debug!(operation = name, kind = operation.name(), "answered from the cache");
        return Outcome { operation, span: Span::none(), result: Ok(Answered::Straight(answer)) };
    }
    let span = span::execution(&RequestId::of(headers), "http", operation, name);
    let mut request = Request::from(asked);
    request.set_parsed_query(document.parsed.clone());
    if document.flat {
        request = request.data(Flat);
    }
    let limits = api.limits();
    let execution =
        tokio::time::timeout(limits.request_time(), api.schema().execute(request)).instrument(span.clone());
    let writes = ty == OperationType::Mutation;
    let timeout = Rejection::Timeout { ms: limits.request_ms, writes };
    let mut result = execution.await.map_err(|_| timeout);
    if let Ok(answer) = &mut result
        && let Some(error) = answer.errors.iter_mut().find(|error| error::is_too_complex(error))
    {
        let cost = match again() {
            Some(asked) => {
                let mut counted = Request::from(asked);
                counted.set_parsed_query(document.parsed.clone());
                api.meter().cost(counted).await
            }
            None => None,
        };
        error::too_complex(error, cost, limits);
    }
    let result = result.and_then(|mut answer| {
        if answer.errors.is_empty() {
            document.found_valid();
        }
        error::complete(&mut answer.errors, limits, writes);
        executed(&document, name, &answer)
    });
    Outcome { operation, span, result }
}

fn executed(document: &Document, name: Option<&str>, answer: &Answer) -> Result<Answered, Rejection> {
    let refused = !was_executed(answer);
    let json = if refused {
        serde_json::to_vec(&Refused { errors: &answer.errors })
    } else {
        document.write(name, answer)
    };
    json.map(|json| Answered::Executed { label: label(answer), refused, json }).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Rejection::Panic
    })
}

/// The answer to what was not executed: it has no `data`.
#[derive(Serialize)]
struct Refused<'a> {
    errors: &'a [async_graphql::ServerError],
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRAPHQL_JSON: HeaderValue =
    HeaderValue::from_static("application/graphql-response+json; charset=utf-8");

fn respond(api: &Api, headers: &HeaderMap, outcome: Outcome, started: Instant) -> Response {
    let Outcome { operation, span, result } = outcome;
    let (label, response) = match result {
        Err(rejection) => {
            let label = match rejection {
                Rejection::Timeout { .. } => OutcomeLabel::Timeout,
                _ => OutcomeLabel::Refused,
            };
            tracing::debug!(code = rejection.code(), reason = %rejection, "a request was refused");
            (label, rejection.into_response())
        }
        Ok(Answered::Executed { label, refused, json: body }) => (label, json(headers, refused, body)),
        Ok(Answered::Straight(answer)) => (OutcomeLabel::Ok, json(headers, false, answer)),
    };
    let took = started.elapsed();
    span.record("status", response.status().as_u16());
    span::ended(&span, label, took);
    api.graph().metrics().request(operation, label, took);
    response
}

pub(super) fn label(answer: &Answer) -> OutcomeLabel {
    let code = |error: &async_graphql::ServerError| match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code.clone()),
        _ => None,
    };
    if answer.errors.is_empty() {
        OutcomeLabel::Ok
    } else if answer.errors.iter().filter_map(code).any(|code| code.starts_with("STORE_")) {
        OutcomeLabel::Fault
    } else {
        OutcomeLabel::Refused
    }
}

/// An answer with the type and status that the client expects.
fn json(headers: &HeaderMap, refused: bool, body: Vec<u8>) -> Response {
    let new_type = headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| accept.contains("application/graphql-response+json"))
    });
    let status = if refused && new_type { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    (status, [(header::CONTENT_TYPE, if new_type { GRAPHQL_JSON } else { JSON })], body).into_response()
}
