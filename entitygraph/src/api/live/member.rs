//! One subscription on a connection: its own part until it is live, then the cohort's answers.

use std::sync::Arc;

use async_graphql::Response;
use entitygraph_schema::Cursor;
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::{
    Frame, Live, Operation,
    cohort::{Cohort, Shared},
    control::{Control, Part},
};

/// See the module.
pub struct Member {
    live: Live,
    operation: Operation,
    cohort: Arc<Cohort>,
    answers: broadcast::Receiver<Shared>,
    phase: Phase,
    /// Everything up to here was sent.
    position: Cursor,
}

enum Phase {
    /// Begins, or catches up after this position.
    Begin(Option<Cursor>),
    /// Its own execution is under way.
    Before(Box<Own>),
    /// It takes the cohort's answers.
    Live,
    /// Nothing comes any more.
    Over,
}

struct Own {
    stream: BoxStream<'static, Response>,
    control: Arc<Control>,
    live: watch::Receiver<Option<Cursor>>,
}

impl Member {
    /// Joins the cohort of the operation.
    pub fn new(live: Live, operation: Operation) -> Self {
        let cohort = live.inner.cohorts.of(&live, &operation);
        let answers = cohort.join();
        Self { live, operation, cohort, answers, phase: Phase::Begin(None), position: Cursor::ZERO }
    }

    /// Its answers until it is over.
    pub fn frames(self) -> impl Stream<Item = Frame> + Send {
        stream::unfold(self, async |mut member| {
            let frame = member.next().await?;
            Some((frame, member))
        })
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            match &mut self.phase {
                Phase::Begin(resume) => {
                    let resume = *resume;
                    // Unless the cohort hears of everything, something could fall between its part and ours. When it
                    // cannot start, our own execution says why.
                    let started = self.cohort.started().await;
                    let control = Arc::new(Control::new(Part::Before { resume }));
                    let live = control.live();
                    let request = self.operation.request().data(control.clone());
                    let stream = self.live.inner.schema.execute_stream(request).boxed();
                    self.phase = Phase::Before(Box::new(Own { stream, control, live }));
                    if !started {
                        tracing::debug!("the shared execution of a subscription did not start");
                    }
                }
                Phase::Before(own) => match own.stream.next().await {
                    Some(response) => {
                        let failed = response.is_err();
                        self.position = own.control.position().unwrap_or(self.position);
                        if failed {
                            self.phase = Phase::Over;
                        }
                        return Some(self.live.frame(response));
                    }
                    None => {
                        let live = *own.live.borrow();
                        self.phase = if let Some(position) = live {
                            self.position = self.position.max(position);
                            Phase::Live
                        } else {
                            Phase::Over
                        };
                    }
                },
                Phase::Live => match self.answers.recv().await {
                    Ok(shared) if shared.position > self.position => {
                        self.position = shared.position;
                        return Some(shared.frame);
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        self.answers = self.cohort.join();
                        self.phase = Phase::Begin(Some(self.position));
                    }
                    Err(RecvError::Closed) => self.phase = Phase::Over,
                },
                Phase::Over => return None,
            }
        }
    }
}
