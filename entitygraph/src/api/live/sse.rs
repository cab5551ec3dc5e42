//! graphql-sse, distinct connections mode: one operation a request, its answers as server-sent events.
//! <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>

use std::convert::Infallible;

use async_graphql::Request;
use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::{StreamExt, stream};

use super::{Frame, Live};

/// Answers an operation as an event stream: `next` for each result, then `complete`.
pub fn respond(live: &Live, request: Request) -> Response {
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
    Sse::new(next.chain(complete).map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default()).into_response()
}
