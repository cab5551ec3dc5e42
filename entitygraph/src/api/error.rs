//! The one table from what can go wrong to what a client is told: a message with a next step, a stable code, whether the
//! same request may succeed later, and what may have happened to a write.
//!
//! Refusals of mutations are data (`Refusal` in the payload). Everything else is an entry of `errors` with
//! `extensions { code retryable outcome }`; the outcome is `NOT_APPLIED`, `UNKNOWN` (ask again with the same operation id)
//! or `APPLIED`. Faults are logged here, once, with their whole chain.

use std::{error::Error as _, sync::Arc};

use async_graphql::{ErrorExtensionValues, ServerError};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use entitygraph_schema::{Cursor, Refusal, space::SpaceError, text::TextError};
use entitygraph_store::{Error, Outcome};
use serde_json::json;

use super::graphql::scalar::form;
use crate::config::Limits;

/// A failed resolver: the error of a service, on its way to the `errors` of an answer. It is no `Display`, so that no `?`
/// turns it into a GraphQL error past this table.
#[derive(Debug, Clone)]
pub struct Fault {
    error: Arc<Error>,
    applied: bool,
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { error: Arc::new(error.into()), applied: false }
    }
}

impl Fault {
    /// The error of the service.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What failed after the write was done: its outcome is known.
    pub fn after_commit(self) -> Self {
        Self { applied: true, ..self }
    }

    /// The refusal of a text that came with the request.
    pub fn text(error: TextError) -> Self {
        Refusal::from(error).into()
    }

    /// The refusal of a coordinate that came with the request.
    pub fn space(error: SpaceError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<Fault> for async_graphql::Error {
    fn from(Fault { error, applied }: Fault) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code());
        extensions.set("retryable", error.retryable());
        extensions.set("outcome", if applied { APPLIED } else { outcome(&error) });
        let message = match error.is_outage() || error.code() == "STORE_FULL" {
            true => format!("{error}; the service goes on by itself when that is over: ask again then"),
            false => error.to_string(),
        };
        if !matches!(*error, Error::Refused(_)) {
            log(&error);
        }
        Self { message, source: None, extensions: Some(extensions) }
    }
}

/// The write is durable: only its answer is not whole.
const APPLIED: &str = "APPLIED";

fn outcome(error: &Error) -> &'static str {
    match error.outcome() {
        Outcome::NotApplied => "NOT_APPLIED",
        Outcome::Unknown => "UNKNOWN",
    }
}

fn log(error: &Error) {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain.push_str(": ");
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    let code = error.code();
    // An outage is told of once, by the store, not with each request that it costs.
    if error.is_outage() {
        tracing::debug!(code, error = chain, "a request failed because of an outage");
    } else {
        tracing::error!(code, error = chain, "a request failed through no fault of the caller");
    }
}

/// A request that never reached a resolver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not JSON by its header.
    #[error(
        "the request has content type `{found}`: POST a JSON object with `content-type: application/json`"
    )]
    ContentType {
        /// What the header says.
        found: String,
    },
    /// The body is no JSON, or JSON of another shape.
    #[error(
        "the request body is not a GraphQL request ({reason}): send {{\"query\": \"...\", \"variables\": {{}}}}"
    )]
    Body {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A parameter of the URL is missing or wrong.
    #[error("the parameter `{name}` of the URL is {reason}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is over the limit.
    #[error(
        "the request body is larger than {max} bytes: send less at once, or raise service.limits.body_bytes"
    )]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// The body could not be read to its end.
    #[error("the request body ended early: {reason}")]
    Broken {
        /// What the connection reports.
        reason: String,
    },
    /// The document is over the limit.
    #[error(
        "the document has more than {max} tokens: split it, or use variables and lists (`entities(ids:)`) in place of aliases"
    )]
    TooManyTokens {
        /// The limit.
        max: usize,
    },
    /// Brackets nest over the limit.
    #[error(
        "the document is nested deeper than {max} levels: ask for less at once, `subtree` answers whole trees flat"
    )]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Fragments in fragments multiply over the limit.
    #[error("the document has more than {max} fields once its fragments are put in: use fewer of them")]
    TooManyFields {
        /// The limit.
        max: usize,
    },
    /// The document does not parse.
    #[error("the document is not valid GraphQL: {reason}")]
    Syntax {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// The operation cannot be told.
    #[error("{reason}")]
    Operation {
        /// Why not.
        reason: String,
    },
    /// A mutation by GET.
    #[error(
        "a GET request may only hold a query: POST mutations, subscribe over WebSocket or /graphql/stream"
    )]
    NotAQuery,
    /// A subscription by POST.
    #[error(
        "a subscription needs a stream: connect a WebSocket to /graphql (graphql-transport-ws) or use /graphql/stream"
    )]
    Subscription,
    /// No answer within the limit.
    #[error("no answer within {ms} ms: ask for less at once{}", if *.writes { "; the outcome of the write is unknown, ask again with the same operation id" } else { "" })]
    Timeout {
        /// The limit.
        ms: u64,
        /// Whether something may have been written.
        writes: bool,
    },
    /// A request under a name that is not ours: somebody pointed it at this machine.
    #[error(
        "this server is not called `{found}`: use localhost or a loopback address, or add the name to the setting service.server.hosts"
    )]
    Host {
        /// The `Host` header.
        found: String,
    },
    /// A page of another site.
    #[error(
        "pages of {found} may not call this server at {host}: open the page from the server itself, or have the proxy in \
         front of both pass the Host header on"
    )]
    Origin {
        /// The `Origin` header, or what `Sec-Fetch-Site` says without one.
        found: String,
        /// The `Host` header.
        host: String,
    },
    /// The cursor that the caller wants to see cannot be read.
    #[error("entitygraph-cursor is `{found}`: send the cursor of a commit, a whole number, or leave it out")]
    Cursor {
        /// What was sent.
        found: String,
    },
    /// The commits that the caller wants to see have not come here in time.
    #[error(
        "this instance has come to cursor {found}, and not yet to {asked} as entitygraph-cursor wants: try again in a moment; if it \
         never comes, the cursor is of another world"
    )]
    Behind {
        /// What was asked for.
        asked: Cursor,
        /// How far it has come.
        found: Cursor,
    },
    /// A path that is not served.
    #[error(
        "there is nothing at {path}: the API is at /graphql, its schema at /schema.graphql, the playground at /playground"
    )]
    NotFound {
        /// The path.
        path: String,
    },
    /// A method that the path does not know.
    #[error("{method} is not allowed here: /graphql takes POST and GET, everything else GET")]
    Method {
        /// The method.
        method: String,
    },
    /// A bug.
    #[error("the server failed on this request; the reason is in its log, please report it")]
    Panic,
}

impl Rejection {
    /// HTTP status and stable code.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::ContentType { .. } => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_CONTENT_TYPE"),
            Self::Body { .. } | Self::Parameter { .. } | Self::Broken { .. } => {
                (StatusCode::BAD_REQUEST, "BAD_REQUEST")
            }
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"),
            Self::TooManyTokens { .. } => (StatusCode::BAD_REQUEST, "QUERY_TOO_LONG"),
            Self::TooDeep { .. } => (StatusCode::BAD_REQUEST, "QUERY_TOO_DEEP"),
            Self::TooManyFields { .. } => (StatusCode::BAD_REQUEST, "QUERY_TOO_COMPLEX"),
            Self::Syntax { .. } => (StatusCode::BAD_REQUEST, "BAD_SYNTAX"),
            Self::Operation { .. } => (StatusCode::BAD_REQUEST, "BAD_OPERATION"),
            Self::NotAQuery => (StatusCode::METHOD_NOT_ALLOWED, "NOT_A_QUERY"),
            Self::Subscription => (StatusCode::BAD_REQUEST, "NEEDS_A_STREAM"),
            Self::Timeout { .. } => (StatusCode::SERVICE_UNAVAILABLE, "TIMEOUT"),
            Self::Host { .. } => (StatusCode::MISDIRECTED_REQUEST, "FOREIGN_HOST"),
            Self::Origin { .. } => (StatusCode::FORBIDDEN, "FOREIGN_ORIGIN"),
            Self::Cursor { .. } => (StatusCode::BAD_REQUEST, "BAD_CURSOR"),
            Self::Behind { .. } => (StatusCode::SERVICE_UNAVAILABLE, "BEHIND"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "BAD_METHOD"),
            Self::Panic => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        }
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        self.kind().1
    }
}

impl Rejection {
    /// The entry of `errors` that says it.
    pub(super) fn entry(&self) -> serde_json::Value {
        let (retryable, outcome) = match self {
            Self::Timeout { writes: true, .. } => (true, "UNKNOWN"),
            Self::Timeout { .. } | Self::Behind { .. } => (true, "NOT_APPLIED"),
            Self::Panic => (false, "UNKNOWN"),
            _ => (false, "NOT_APPLIED"),
        };
        let extensions = json!({ "code": self.code(), "retryable": retryable, "outcome": outcome });
        json!({ "message": self.to_string(), "extensions": extensions })
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        (self.kind().0, Json(json!({ "errors": [self.entry()] }))).into_response()
    }
}

/// Completes the errors of an answer: see [`name`]. In a mutation, what failed below one of its fields failed after that
/// one was committed, whatever the failure itself believes.
pub(super) fn complete(errors: &mut [ServerError], limits: &Limits, writes: bool) {
    for error in errors {
        name(error, limits);
        if writes && error.path.len() > 1 {
            error.extensions.get_or_insert_default().set("outcome", APPLIED);
        }
    }
}

/// Whether the library refused the operation for its cost.
pub(super) fn is_too_complex(error: &ServerError) -> bool {
    error.message == "Query is too complex."
}

/// Says what counts, the cost if it is known, and the limit.
pub(super) fn too_complex(error: &mut ServerError, cost: Option<usize>, limits: &Limits) {
    let cost = cost.map_or_else(|| "more than".to_owned(), |cost| format!("{cost}, the limit is"));
    error.message = format!(
        "the query is too complex: it counts {cost} {}; a field counts 1, a search or a route more, a page multiplies by its size: ask for \
         smaller pages or fewer fields",
        limits.query_complexity
    );
    classify(error, "QUERY_TOO_COMPLEX");
}

fn classify(error: &mut ServerError, code: &str) {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    extensions.set("retryable", false);
    extensions.set("outcome", "NOT_APPLIED");
    error.extensions = Some(extensions);
}

/// Gives an error that the GraphQL library makes itself a code, and a next step where it has none.
fn name(error: &mut ServerError, limits: &Limits) {
    let max_depth = limits.query_depth;
    if error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some()) {
        return;
    }
    if is_too_complex(error) {
        return too_complex(error, None, limits);
    }
    let code = match error.message.as_str() {
        "Query is nested too deep." => {
            error.message = format!(
                "the query is nested deeper than {max_depth} levels: ask for less at once, `subtree` answers whole trees flat"
            );
            "QUERY_TOO_DEEP"
        }
        message if message.starts_with("The recursion depth of the query") => "QUERY_TOO_DEEP",
        message if message.starts_with("Invalid value for argument") => {
            let scalar = message.split_once("expected type \"").and_then(|(_, rest)| rest.strip_suffix('"'));
            match scalar.and_then(form) {
                Some(form) => {
                    error.message += &format!(": send {form}");
                    "BAD_INPUT"
                }
                None => "BAD_DOCUMENT",
            }
        }
        // An argument or variable that its scalar refused, while the query ran.
        _ if !error.path.is_empty() => "BAD_INPUT",
        _ => "BAD_DOCUMENT",
    };
    classify(error, code);
}
