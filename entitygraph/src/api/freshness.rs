//! How far an instance must have come before it answers: several may serve one store, and each hears of the others' commits a
//! moment later.
//!
//! A client that wrote through one says so to another: by the header `entitygraph-cursor` of a request of any sort, or, where a
//! page can set none, by the same name in the payload of `connection_init`. The answer to a request with the header has it too, with
//! a cursor that nothing in the answer is newer than: who sends the highest one that it got never sees its world go back. A request
//! that says nothing waits for nothing.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};
use entitygraph_schema::Cursor;
use tokio::{sync::watch, time::timeout};

use super::{Api, error::Rejection};

/// Name of the header, and of the member of a payload.
pub(super) const NAME: &str = "entitygraph-cursor";

/// Holds a request back until the cache has followed as far as it asks.
pub(super) async fn wait(State(api): State<Api>, request: Request, next: Next) -> Response {
    let reached = match asked(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(cursor)) => reach(&mut api.graph().applied(), cursor, api.limits().behind_time()).await,
        Err(rejection) => Err(rejection),
    };
    match reached {
        Ok(()) => {
            let mut response = next.run(request).await;
            // Of the store, which is never behind the cache.
            let newest = api.graph().store().newest().borrow().number();
            response.headers_mut().insert(NAME, newest.into());
            response
        }
        Err(rejection) => {
            tracing::debug!(code = rejection.code(), reason = %rejection, "a request was refused");
            rejection.into_response()
        }
    }
}

fn asked(headers: &HeaderMap) -> Result<Option<Cursor>, Rejection> {
    headers.get(NAME).map(|value| read(value.to_str().unwrap_or("?"))).transpose()
}

/// Reads a cursor.
pub(super) fn read(text: &str) -> Result<Cursor, Rejection> {
    let wrong = || Rejection::Cursor { found: text.chars().take(40).collect() };
    text.trim().parse().map(Cursor::from_number).map_err(|_| wrong())
}

/// Waits until the cache was told of a commit, no longer than the limit.
pub(super) async fn reach(
    applied: &mut watch::Receiver<Cursor>,
    asked: Cursor,
    limit: Duration,
) -> Result<(), Rejection> {
    let reached = timeout(limit, applied.wait_for(|applied| *applied >= asked)).await;
    if matches!(reached, Ok(Ok(_))) {
        return Ok(());
    }
    drop(reached);
    Err(Rejection::Behind { asked, found: *applied.borrow() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_for_a_commit_waits_for_it_and_no_longer_than_the_limit() {
        let (applied, mut seen) = watch::channel(Cursor::from_number(6));
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(60));
        assert_eq!(reach(&mut seen, Cursor::from_number(6), short).await, Ok(()));
        let behind = Rejection::Behind { asked: Cursor::from_number(7), found: Cursor::from_number(6) };
        assert_eq!(reach(&mut seen, Cursor::from_number(7), short).await, Err(behind));
        let waiting = tokio::spawn(async move { reach(&mut seen, Cursor::from_number(7), long).await });
        tokio::task::yield_now().await;
        applied.send_replace(Cursor::from_number(7));
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        assert_eq!(read("7"), Ok(Cursor::from_number(7)));
        for text in ["", "-1", "seven", "99999999999999999999"] {
            assert_eq!(read(text), Err(Rejection::Cursor { found: text.to_owned() }));
        }
    }
}
