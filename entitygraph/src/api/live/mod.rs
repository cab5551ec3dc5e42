//! How GraphQL operations travel over connections that stay open: `graphql-transport-ws` and graphql-sse.
//!
//! Both transports run an operation as a stream of [`Frame`]s. Subscriptions of one text, with the same variables, share
//! one execution (a cohort): its answers are encoded once and handed to all as the same bytes. `docs/subscriptions.md`
//! draws the way of a change.

mod cohort;
mod control;
mod member;
pub mod sse;
#[cfg(test)]
mod tests;
pub mod ws;

use std::{sync::Arc, time::Instant};

use async_graphql::{
    Name, Positioned, Request, Response, Variables,
    parser::types::{Field, OperationDefinition, OperationType, Selection, VariableDefinition},
};

use async_graphql_value::{ConstValue, Value};
use entitygraph_schema::Cursor;
use futures_util::{Stream, StreamExt, future::Either, stream};
use prometheus::IntGauge;
use serde::ser;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker, task_tracker::TaskTrackerToken};
use tracing::{Instrument, Span};

pub use control::Control;

use cohort::Cohorts;

use super::{
    endpoint,
    error::{self, Rejection},
    graphql::{
        Schema,
        answer::was_executed,
        cost::Meter,
        document::{Document, Documents},
    },
    span::{self, RequestId},
};
use crate::{
    Metrics,
    config::Limits,
    metrics::{OperationLabel, OutcomeLabel},
};

/// One answer of an operation, encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// An execution result as JSON.
    Next(Arc<str>),
    /// A request that was not executed: a JSON list of errors.
    Error(Arc<str>),
}

/// Runs operations for connections; cheap to clone.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    /// What all members of a cohort wait for is done here.
    requests: Handle,
    /// Connections are served here.
    streams: Handle,
    connections: TaskTracker,
    schema: Schema,
    documents: Arc<Documents>,
    meter: Arc<Meter>,
    cohorts: Cohorts,
    limits: Limits,
    metrics: Metrics,
    /// How far the cache has followed.
    applied: watch::Receiver<Cursor>,
}

/// Counts a subscription as open until it is dropped.
struct Open(IntGauge);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.subscriptions.inc();
        Self(metrics.subscriptions.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An operation with its parsed document, to be executed any number of times. Every open subscription holds one.
struct Operation {
    document: Arc<Document>,
    operation_name: Option<String>,
    /// [`Variables`] take a kilobyte however few they are.
    variables: Box<[(Name, ConstValue)]>,
}

impl Operation {
    /// The variables without the one that says where the shared field resumes, if it may be absent and nothing else
    /// depends on it.
    fn shared_variables(&self) -> Variables {
        let mut variables = self.variables();
        if let Some(resume) = self.resume_variable() {
            variables.remove(resume);
        }
        variables
    }

    fn variables(&self) -> Variables {
        let mut variables = Variables::default();
        variables.extend(self.variables.iter().cloned());
        variables
    }

    fn resume_variable(&self) -> Option<&Name> {
        let operation = self.document.operation(self.operation_name.as_deref()).ok()?;
        let argument = shared_field(operation)?.get_argument(Control::RESUME_ARGUMENT)?;
        let Value::Variable(name) = &argument.node else { return None };
        let declared = |variable: &&Positioned<VariableDefinition>| variable.node.name.node == *name;
        let optional = operation.variable_definitions.iter().find(declared)?.node.var_type.node.nullable;
        // Where it is declared and where it is used.
        let mentions = self.document.text.match_indices(&format!("${name}")).count();
        (optional && mentions == 2).then_some(name)
    }

    /// The span of one execution.
    fn span(&self, kind: OperationLabel) -> Span {
        span::execution(&RequestId::next(), "stream", kind, self.operation_name.as_deref())
    }

    /// A request for one execution.
    fn request(&self) -> Request {
        self.request_with(self.variables())
    }

    fn request_with(&self, variables: Variables) -> Request {
        // The text is read no more once it is parsed.
        let mut request = Request::new(String::new()).variables(variables);
        request.operation_name.clone_from(&self.operation_name);
        request.set_parsed_query(self.document.parsed.clone());
        request
    }
}

impl Live {
    /// Runs operations of the schema within the limits, and WebSockets on `streams`. Must be called on the runtime of the
    /// requests.
    pub fn new(
        schema: Schema,
        documents: Arc<Documents>,
        meter: Arc<Meter>,
        limits: Limits,
        metrics: Metrics,
        applied: watch::Receiver<Cursor>,
        streams: Handle,
    ) -> Self {
        let (requests, connections, cohorts) = (Handle::current(), TaskTracker::new(), Cohorts::default());
        let inner = Inner {
            requests,
            streams,
            connections,
            schema,
            documents,
            meter,
            cohorts,
            limits,
            metrics,
            applied,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Announces a connection, so that a stop waits for it.
    fn announce(&self) -> TaskTrackerToken {
        self.inner.connections.token()
    }

    /// Serves a connection, and keeps for as long what it needs: that it was announced, and its place.
    fn serve(&self, kept: impl Send + 'static, connection: impl Future<Output = ()> + Send + 'static) {
        self.inner.streams.spawn(async move {
            connection.await;
            drop(kept);
        });
    }

    /// Waits until no connection is served any more; no new one may be announced.
    pub async fn ended(&self) {
        self.inner.connections.close();
        self.inner.connections.wait().await;
    }

    /// Runs an operation; the stream ends when the operation is complete.
    pub fn run(&self, request: Request) -> impl Stream<Item = Frame> + Send + use<> {
        let (kind, operation) = match self.prepare(request) {
            Ok(prepared) => prepared,
            Err(rejection) => {
                let frame = Frame::Error(format!("[{}]", rejection.entry()).into());
                return Either::Right(Either::Right(stream::once(async move { frame })));
            }
        };
        let live = self.clone();
        match kind {
            Kind::Shared => Either::Left(Either::Left(member::Member::new(live, operation).frames())),
            // The others are boxed: idle subscriptions would all be as large as they are.
            Kind::Single { writes } => Either::Left(Either::Right(stream::once(Box::pin(async move {
                // Not on the threads of the streams: a commit there could wait behind all that they tell, and others for it.
                let single = live.inner.requests.spawn(live.clone().single(operation, writes));
                AbortOnDropHandle::new(single).await.unwrap_or_else(|_| {
                    tracing::error!("an operation of a stream panicked");
                    live.inner.metrics.panicked();
                    Frame::Error(format!("[{}]", Rejection::Panic.entry()).into())
                })
            })))),
            Kind::Own => {
                let answers = self.inner.schema.execute_stream(operation.request());
                let answers = span::inside(operation.span(OperationLabel::Subscription), answers);
                let open = Open::new(&self.inner.metrics);
                let Operation { document, operation_name, .. } = operation;
                let frames = answers.map(move |response| {
                    let _ = &open;
                    live.frame(&document, operation_name.as_deref(), response)
                });
                Either::Right(Either::Left(frames.boxed()))
            }
        }
    }

    /// Runs a query or mutation.
    async fn single(self, operation: Operation, writes: bool) -> Frame {
        let (started, time) = (Instant::now(), self.inner.limits.request_time());
        let span = operation.span(if writes { OperationLabel::Mutation } else { OperationLabel::Query });
        let execution = self.inner.schema.execute(operation.request()).instrument(span.clone());
        let (outcome, frame) = match tokio::time::timeout(time, execution).await {
            Ok(response) => (endpoint::label(&response), self.answer(&operation, response).await),
            Err(_) => {
                let timeout = Rejection::Timeout { ms: self.inner.limits.request_ms, writes };
                (OutcomeLabel::Timeout, Frame::Error(format!("[{}]", timeout.entry()).into()))
            }
        };
        span::ended(&span, outcome, started.elapsed());
        frame
    }

    /// Whether a request goes on until somebody ends it.
    fn is_subscription(&self, request: &Request) -> bool {
        self.kind(request).is_ok_and(|(kind, _)| !matches!(kind, Kind::Single { .. }))
    }

    fn kind(&self, request: &Request) -> Result<(Kind, Arc<Document>), Rejection> {
        let document = self.inner.documents.get(&request.query)?;
        Ok((Kind::of(document.operation(request.operation_name.as_deref())?), document))
    }

    fn prepare(&self, request: Request) -> Result<(Kind, Operation), Rejection> {
        let (kind, document) = self.kind(&request)?;
        let Request { operation_name, mut variables, .. } = request;
        let variables = std::mem::take(&mut *variables).into_iter().collect();
        Ok((kind, Operation { document, operation_name, variables }))
    }

    /// Encodes the response to an operation. One that is too complex is told its cost.
    async fn answer(&self, operation: &Operation, mut response: Response) -> Frame {
        if let Some(error) = response.errors.iter_mut().find(|error| error::is_too_complex(error)) {
            let cost = self.inner.meter.cost(operation.request()).await;
            error::too_complex(error, cost, &self.inner.limits);
        }
        self.frame(&operation.document, operation.operation_name.as_deref(), response)
    }

    /// Encodes a response.
    fn frame(&self, document: &Document, name: Option<&str>, mut response: Response) -> Frame {
        let kind = document.operation_type(name);
        error::complete(
            &mut response.errors,
            &self.inner.limits,
            matches!(kind, Ok(OperationType::Mutation)),
        );
        let refused = match kind {
            // When its field fails there is no stream (GraphQL, October 2021, 6.2.3.1).
            Ok(OperationType::Subscription) => response.is_err() && response.data == ConstValue::Null,
            _ => !was_executed(&response),
        };
        let encoded = if refused {
            serde_json::to_string(&response.errors)
        } else {
            let json = document.write(name, &response);
            json.and_then(|json| String::from_utf8(json).map_err(ser::Error::custom))
        };
        match encoded {
            Ok(text) if refused => Frame::Error(text.into()),
            Ok(text) => Frame::Next(text.into()),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written as JSON");
                Frame::Error(format!("[{}]", Rejection::Panic.entry()).into())
            }
        }
    }
}

enum Kind {
    /// A query or mutation: one answer.
    Single { writes: bool },
    /// A subscription whose field shares its work.
    Shared,
    /// Any other subscription.
    Own,
}

impl Kind {
    fn of(operation: &OperationDefinition) -> Self {
        match operation.ty {
            OperationType::Query => Self::Single { writes: false },
            OperationType::Mutation => Self::Single { writes: true },
            OperationType::Subscription if shared_field(operation).is_some() => Self::Shared,
            OperationType::Subscription => Self::Own,
        }
    }
}

/// The shared field, when it is all that the operation selects.
fn shared_field(operation: &OperationDefinition) -> Option<&Field> {
    match operation.selection_set.node.items.as_slice() {
        [only] => match &only.node {
            Selection::Field(field) if field.node.name.node == Control::SHARED_FIELD => Some(&field.node),
            _ => None,
        },
        _ => None,
    }
}
