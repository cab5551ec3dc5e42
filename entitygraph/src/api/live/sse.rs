//! graphql-sse, distinct connections mode: one operation a request, its answers as server-sent events.
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>

use std::convert::Infallible;

use async_graphql::Request;
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::{
    StreamExt,
    future::{self, Either},
    stream,
};
use tokio_util::sync::CancellationToken;

use super::{Frame, Live};

/// Answers an operation as an event stream: `next` for each result, then `complete`.
///
/// When `stop` is cancelled a subscription ends without `complete`, so that its client comes back; queries and mutations
/// are finished.
pub fn respond(live: &Live, request: Request, stop: CancellationToken) -> Response {
    let stop = if live.is_subscription(&request) {
        Either::Left(stop.cancelled_owned())
    } else {
        Either::Right(future::pending())
    };
    let next = live.run(request).map(|frame| {
        let data = match frame {
            Frame::Next(result) => result,
            // The protocol has no event for a refused operation once the stream began: it is a result with errors.
            Frame::Error(errors) => format!(r#"{{"errors":{errors}}}"#).into(),
        };
        Event::default().event("next").data(&*data)
    });
    let complete = stream::once(async { Event::default().event("complete").data("") });
    // Comments while nothing happens: proxies keep the connection, and one whose client is gone is found out.
    let events = next.chain(complete).take_until(stop);
    Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default()).into_response()
}
