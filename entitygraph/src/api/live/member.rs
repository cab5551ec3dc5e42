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
    Frame, Live, Open, Operation,
    cohort::{Cohort, Shared},
    control::{Control, Part, Passed},
};
use crate::{api::span, changes::Standing, metrics::OperationLabel};

/// See the module.
pub struct Member {
    live: Live,
    operation: Operation,
    cohort: Arc<Cohort>,
    answers: broadcast::Receiver<Arc<Shared>>,
    phase: Phase,
    gate: Gate,
    _open: Open,
}

/// Which of the cohort's answers a member still needs.
#[derive(Debug, Default, PartialEq)]
struct Gate {
    /// Everything up to here was sent.
    position: Cursor,
    /// Whether the cohort has come past the position at which the member joined it. Until then what it tells is known
    /// to the member; from then on everything is sent, also a snapshot that is as old as the lag before it.
    joined: bool,
}

impl Gate {
    fn lets_pass(&mut self, passed: Option<Passed>) -> bool {
        let Some(Passed { position, .. }) = passed else { return true };
        if !self.joined && position <= self.position {
            return false;
        }
        *self = Self { position, joined: true };
        true
    }
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
    live: watch::Receiver<Option<Standing>>,
}

impl Member {
    /// Joins the cohort of the operation.
    pub fn new(live: Live, operation: Operation) -> Self {
        let cohort = live.inner.cohorts.of(&live, &operation);
        let (answers, open) = (cohort.join(), Open::new(&live.inner.metrics));
        let (phase, gate) = (Phase::Begin(None), Gate::default());
        Self { live, operation, cohort, answers, phase, gate, _open: open }
    }

    /// Its answers until it is over.
    pub fn frames(self) -> impl Stream<Item = Frame> + Send {
        stream::unfold(self, async |mut member| {
            let frame = member.next().await?;
            Some((frame, member))
        })
    }

    fn count(&self, passed: Option<Passed>) {
        if let Some(Passed { kind, .. }) = passed {
            self.live.inner.metrics.subscription_messages(kind).inc();
        }
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            match &mut self.phase {
                Phase::Begin(resume) => {
                    let resume = *resume;
                    // Unless the cohort hears of everything, something could fall between its part and ours. When it
                    // cannot start, our own execution says why.
                    let mut shared = self.cohort.standing();
                    let started = shared.wait_for(Option::is_some).await.is_ok();
                    let control = Arc::new(Control::new(Part::Before { resume, shared }));
                    let live = control.live();
                    let request = self.operation.request().data(control.clone());
                    let span = self.operation.span(OperationLabel::Subscription);
                    let stream = span::inside(span, self.live.inner.schema.execute_stream(request)).boxed();
                    self.phase = Phase::Before(Box::new(Own { stream, control, live }));
                    if !started {
                        tracing::debug!("the shared execution of a subscription did not start");
                    }
                }
                Phase::Before(own) => match own.stream.next().await {
                    Some(response) => {
                        let passed = own.control.received();
                        if let Some(Passed { position, .. }) = passed {
                            self.gate.position = position;
                        }
                        if response.is_err() {
                            self.phase = Phase::Over;
                        }
                        self.count(passed);
                        // Boxed, as it is seldom more than an encoding: see `Live::run`.
                        return Some(Box::pin(self.live.answer(&self.operation, response)).await);
                    }
                    None => {
                        let live = own.live.borrow().as_ref().map(|standing| standing.position);
                        self.phase = if let Some(position) = live {
                            self.gate = Gate { position: self.gate.position.max(position), joined: false };
                            Phase::Live
                        } else {
                            Phase::Over
                        };
                    }
                },
                Phase::Live => match self.answers.recv().await {
                    Ok(shared) => {
                        if self.gate.lets_pass(shared.passed) {
                            self.count(shared.passed);
                            return Some(shared.frame.clone());
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        self.answers = self.cohort.join();
                        self.phase = Phase::Begin(Some(self.gate.position));
                    }
                    Err(RecvError::Closed) => self.phase = Phase::Over,
                },
                Phase::Over => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::MessageLabel;

    fn passed(position: u64, kind: MessageLabel) -> Option<Passed> {
        Some(Passed { position: Cursor::from_number(position), kind })
    }

    #[test]
    fn what_was_sent_before_joining_is_left_out() {
        let mut gate = Gate { position: Cursor::from_number(7), joined: false };
        let told = [5, 7, 8, 9].map(|position| gate.lets_pass(passed(position, MessageLabel::Transaction)));
        assert_eq!(told, [false, false, true, true]);
        assert_eq!(gate.position, Cursor::from_number(9));
    }

    #[test]
    fn a_snapshot_passes_that_is_as_old_as_the_lag_before_it() {
        let mut gate = Gate { position: Cursor::from_number(7), joined: false };
        assert!(gate.lets_pass(passed(8, MessageLabel::Transaction)));
        assert!(gate.lets_pass(passed(8, MessageLabel::Lag)));
        assert!(gate.lets_pass(passed(8, MessageLabel::Snapshot)));
        assert!(gate.lets_pass(passed(9, MessageLabel::Transaction)));
    }

    #[test]
    fn an_error_always_passes() {
        assert!(Gate { position: Cursor::from_number(7), joined: false }.lets_pass(None));
    }
}
