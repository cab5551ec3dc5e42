//! Spans: one for each execution of an operation, at the level `info`. Lines that are written meanwhile, such as the cause of
//! a fault, say by it which request they belong to; exporters see how long it took and what came of it.
//!
//! What is answered from the cache without being executed has none: nothing can go wrong there, and a span that somebody
//! wants to see costs as much as a part of such an answer. A subscription has one until it is live: what is told live is told
//! to many, and an open span would take some kilobytes of each idle one.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::http::HeaderMap;
use futures_util::{Stream, StreamExt, stream};
use tracing::{Span, field::Empty};

use crate::metrics::{OperationLabel, OutcomeLabel};

/// What a caller or a proxy in front of us calls its request.
const REQUEST_ID: &str = "x-request-id";

/// Longest id taken from a caller.
const ID_BYTES: usize = 64;

/// Which request it is: as the caller calls it, else by its number in this process.
#[derive(Debug)]
pub(super) enum RequestId<'a> {
    Caller(&'a str),
    Number(u64),
}

impl<'a> RequestId<'a> {
    /// The next number.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::Number(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// As the caller calls it, if that is of a moderate length and could be nothing else in a line of the log.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let id = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let plain = |id: &&str| {
            (1..=ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"=\"{}".contains(&byte))
        };
        id.filter(plain).map_or_else(Self::next, Self::Caller)
    }
}

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(id) => f.write_str(id),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// The span of an execution. Nothing is worked out for it when no filter wants it.
pub(super) fn execution(
    id: &RequestId<'_>,
    transport: &'static str,
    kind: OperationLabel,
    operation: Option<&str>,
) -> Span {
    let kind = kind.name();
    tracing::info_span!(
        "request",
        %id,
        transport,
        kind,
        operation,
        outcome = Empty,
        status = Empty,
        latency_us = Empty
    )
}

/// Runs a stream inside a span.
pub(super) fn inside<S: Stream + Send + 'static>(
    span: Span,
    stream: S,
) -> impl Stream<Item = S::Item> + Send + use<S> {
    let mut stream = Box::pin(stream);
    stream::poll_fn(move |context| span.in_scope(|| stream.poll_next_unpin(context)))
}

/// Notes how an execution ended.
pub(super) fn ended(span: &Span, outcome: OutcomeLabel, took: Duration) {
    if !span.is_disabled() {
        span.record("outcome", outcome.name());
        span.record("latency_us", u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}
