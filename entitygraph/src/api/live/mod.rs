//! How GraphQL operations travel over connections that stay open: `graphql-transport-ws` and graphql-sse.
//!
//! Both transports run an operation as a stream of [`Frame`]s. Subscriptions of one text, with the same variables, share
//! one execution ([`cohort`]): its answers are encoded once and handed to all as the same bytes. `docs/subscriptions.md`
//! draws the way of a change.

mod cohort;
mod control;
mod member;
pub mod sse;
pub mod ws;

use std::sync::Arc;

use async_graphql::{
    Executor, Request, Response,
    parser::types::{OperationType, Selection},
};
use futures_util::{Stream, StreamExt, future::Either, stream};

pub use control::Control;

use cohort::Cohorts;

/// One answer of an operation, encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// An execution result as JSON.
    Next(Arc<str>),
    /// A request that was not executed: a JSON list of errors.
    Error(Arc<str>),
}

/// Bounds of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Operations under way at a time.
    pub operations: usize,
    /// Largest message from the client in bytes.
    pub message_bytes: usize,
    /// Time to say `connection_init`.
    pub init_ms: u64,
}

/// Runs operations for connections; cheap to clone.
pub struct Live<E> {
    inner: Arc<Inner<E>>,
}

struct Inner<E> {
    executor: E,
    cohorts: Cohorts,
    limits: ConnectionLimits,
}

impl<E> Clone for Live<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<E: Executor> Live<E> {
    /// Runs operations on the executor.
    pub fn new(executor: E, limits: ConnectionLimits) -> Self {
        Self { inner: Arc::new(Inner { executor, cohorts: Cohorts::default(), limits }) }
    }

    /// Runs an operation; the stream ends when the operation is complete.
    pub fn run(&self, mut request: Request) -> impl Stream<Item = Frame> + Send + use<E> {
        match kind(&mut request) {
            Ok(Kind::Shared) => {
                let member = member::Member::new(self.inner.executor.clone(), &self.inner.cohorts, request);
                Either::Left(Either::Left(member.frames()))
            }
            Ok(Kind::Single) => {
                let executor = self.inner.executor.clone();
                Either::Left(Either::Right(stream::once(async move { Frame::of(executor.execute(request).await) })))
            }
            Ok(Kind::Own) => {
                let answers = self.inner.executor.execute_stream(request, None).map(Frame::of);
                Either::Right(Either::Left(answers))
            }
            Err(error) => {
                let frame = Frame::of(Response::from_errors(vec![error]));
                Either::Right(Either::Right(stream::once(async move { frame })))
            }
        }
    }
}

impl Frame {
    /// Encodes a response. One with errors and no data at all was not executed.
    pub fn of(response: Response) -> Self {
        let refused = response.is_err() && response.data == async_graphql::Value::Null;
        let encoded = if refused { serde_json::to_string(&response.errors) } else { serde_json::to_string(&response) };
        match encoded {
            Ok(text) if refused => Self::Error(text.into()),
            Ok(text) => Self::Next(text.into()),
            // A GraphQL response holds nothing that JSON cannot say.
            Err(error) => {
                tracing::error!(%error, "a response could not be encoded");
                Self::Error(r#"[{"message":"the response could not be encoded","extensions":{"code":"INTERNAL"}}]"#.into())
            }
        }
    }
}

enum Kind {
    /// A query or mutation: one answer.
    Single,
    /// A subscription whose field shares its work.
    Shared,
    /// Any other subscription.
    Own,
}

/// What sort of operation the request names; its document stays in the request, parsed.
fn kind(request: &mut Request) -> Result<Kind, async_graphql::ServerError> {
    let name = request.operation_name.clone();
    let document = request.parsed_query()?;
    let mut operations = document.operations.iter();
    let operation = match &name {
        Some(name) => operations.find(|(known, _)| known.is_some_and(|known| known.as_str() == name)),
        None => operations.next(),
    };
    // Without a matching operation the executor says what is wrong.
    let Some((_, operation)) = operation else { return Ok(Kind::Single) };
    if operation.node.ty != OperationType::Subscription {
        return Ok(Kind::Single);
    }
    let shared = match operation.node.selection_set.node.items.as_slice() {
        [only] => matches!(&only.node, Selection::Field(field) if field.node.name.node == Control::SHARED_FIELD),
        _ => false,
    };
    Ok(if shared { Kind::Shared } else { Kind::Own })
}
