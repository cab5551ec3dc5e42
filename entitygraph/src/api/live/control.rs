//! What the transport and the resolver of a shared subscription tell each other, beside GraphQL.

use std::{collections::VecDeque, pin::Pin};

use entitygraph_schema::Cursor;
use futures_util::{Stream, stream};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    changes::{Message, Scope, SubscriptionOptions},
    service::{Error, Graph, Result},
};

/// The messages of a subscription's field.
pub type Messages = Pin<Box<dyn Stream<Item = Result<Message>> + Send>>;

/// Travels with a request to the resolver of [`Control::SHARED_FIELD`], which calls [`Control::messages`].
#[derive(Debug)]
pub struct Control {
    part: Part,
    /// The messages that were handed to GraphQL and not yet received from it, in order.
    passed: Mutex<VecDeque<Passed>>,
    live: watch::Sender<Option<Cursor>>,
}

/// What the transport knows of a message whose answer it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Where its reader stands after it ([`Message::cursor`]).
    pub position: Cursor,
    /// [`Message::kind`].
    pub kind: &'static str,
}

/// Which part of a subscription is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What was there before: snapshot or catching up; the stream ends when it is live.
    Before {
        /// Catch up from here, whatever the operation's own argument says.
        resume: Option<Cursor>,
    },
    /// What happens from now on.
    Live,
}

impl Control {
    /// The subscription field whose work is shared.
    pub const SHARED_FIELD: &'static str = "changes";

    /// Its argument that says after which transaction it goes on.
    pub const RESUME_ARGUMENT: &'static str = "after";

    /// For an execution of this part.
    pub fn new(part: Part) -> Self {
        Self { part, passed: Mutex::default(), live: watch::Sender::new(None) }
    }

    /// The message whose answer was just received; `None` when that answer is an error.
    pub fn received(&self) -> Option<Passed> {
        self.passed.lock().pop_front()
    }

    /// Becomes the position from which on all messages are told live.
    pub fn live(&self) -> watch::Receiver<Option<Cursor>> {
        self.live.subscribe()
    }

    /// The part of the subscription that is asked for; without a control the whole of it.
    pub fn messages(
        control: Option<std::sync::Arc<Self>>,
        graph: &Graph,
        scope: Scope,
        options: SubscriptionOptions,
    ) -> Messages {
        let Some(control) = control else {
            let state = (graph.subscribe(scope, options), graph.metrics().clone());
            return Box::pin(stream::unfold(state, async |(mut subscription, metrics)| {
                let message = subscription.next().await?;
                if let Ok(message) = &message {
                    metrics.subscription_message(message.kind());
                }
                Some((message, (subscription, metrics)))
            }));
        };
        match control.part {
            Part::Before { resume } => {
                let options = SubscriptionOptions { after: resume.or(options.after), ..options };
                let state = (graph.subscribe(scope, options), control);
                Box::pin(stream::unfold(state, async |(mut subscription, control)| {
                    let Some(message) = subscription.next_until_live().await else {
                        control.live.send_replace(Some(subscription.told_up_to()));
                        return None;
                    };
                    control.passed(&message);
                    Some((message, (subscription, control)))
                }))
            }
            Part::Live => {
                let sphere = matches!(scope, Scope::Sphere(_));
                let after = if sphere { None } else { Some(*graph.applied().borrow()) };
                let subscription = graph.subscribe(scope, SubscriptionOptions { after, ..options });
                let state = (subscription, control, false);
                Box::pin(stream::unfold(state, async |(mut subscription, control, mut began)| {
                    if !began {
                        // Its members took their snapshots themselves.
                        while let Some(message) = subscription.next_until_live().await {
                            if !matches!(message, Ok(Message::Snapshot { .. })) {
                                control.passed(&message);
                                return Some((message, (subscription, control, false)));
                            }
                        }
                        began = true;
                        control.live.send_replace(Some(subscription.told_up_to()));
                    }
                    let message = subscription.next().await?;
                    control.passed(&message);
                    Some((message, (subscription, control, began)))
                }))
            }
        }
    }

    fn passed(&self, message: &std::result::Result<Message, Error>) {
        // An error is the last of its stream, so nothing is received out of turn after it.
        if let Ok(message) = message {
            let passed = Passed { position: message.cursor(), kind: message.kind() };
            self.passed.lock().push_back(passed);
        }
    }
}
