//! What the transport and the resolver of a shared subscription tell each other, beside GraphQL.

use std::{collections::VecDeque, pin::Pin};

use entitygraph_schema::Cursor;
use futures_util::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    changes::{Message, Scope, Standing, SubscriptionOptions},
    metrics::MessageLabel,
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
    live: watch::Sender<Option<Standing>>,
}

/// What the transport knows of a message whose answer it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Where its reader stands after it ([`Message::cursor`]).
    pub position: Cursor,
    /// [`Message::kind`].
    pub kind: MessageLabel,
}

/// Which part of a subscription is executed.
#[derive(Debug, Clone)]
pub enum Part {
    /// What was there before: snapshot or catching up; the stream ends when it is live.
    Before {
        /// Catch up from here, whatever the operation's own argument says.
        resume: Option<Cursor>,
        /// Where the part stands that goes on from here, which others share.
        shared: watch::Receiver<Option<Standing>>,
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

    /// Becomes where the part stands from which on all messages are told live.
    pub fn live(&self) -> watch::Receiver<Option<Standing>> {
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
            return until_error(stream::unfold(state, async |(mut subscription, metrics)| {
                let message = subscription.next().await?;
                if let Ok(message) = &message {
                    metrics.subscription_messages(message.kind()).inc();
                }
                Some((message, (subscription, metrics)))
            }));
        };
        match &control.part {
            Part::Before { resume, shared } => {
                let options = SubscriptionOptions { after: resume.or(options.after), ..options };
                let subscription = graph.subscribe(scope, options).following(shared.clone());
                let state = (subscription, control);
                until_error(stream::unfold(state, async |(mut subscription, control)| {
                    let Some(message) = subscription.next_until_live().await else {
                        control.live.send_replace(Some(subscription.standing()));
                        return None;
                    };
                    control.passed(&message);
                    Some((message, (subscription, control)))
                }))
            }
            Part::Live => {
                let sphere = matches!(scope, Scope::Sphere(_));
                let after = if sphere { None } else { Some(*graph.applied().borrow()) };
                let options = SubscriptionOptions { after, ..options };
                let subscription = graph.subscribe(scope, options).leading(control.live.clone());
                let state = (subscription, control, false);
                until_error(stream::unfold(state, async |(mut subscription, control, mut began)| {
                    if !began {
                        // Its members took their snapshots themselves.
                        while let Some(message) = subscription.next_until_live().await {
                            if !matches!(message, Ok(Message::Snapshot { .. })) {
                                control.passed(&message);
                                return Some((message, (subscription, control, false)));
                            }
                        }
                        began = true;
                        control.live.send_replace(Some(subscription.standing()));
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

/// An error is the last message, and the end of what gave it: members must not wait for a leader that failed.
fn until_error(messages: impl Stream<Item = Result<Message>> + Send + 'static) -> Messages {
    Box::pin(stream::unfold(Some(Box::pin(messages)), async |messages| {
        let mut messages = messages?;
        let message = messages.next().await?;
        let rest = message.is_ok().then_some(messages);
        Some((message, rest))
    }))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use entitygraph_schema::{
        EntityId, Operation, Patch, Transaction,
        query::Near,
        testing::{at, entity_id, item, world},
    };
    use entitygraph_store::MemoryStore;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{Config, Metrics, changes::ScopeChange};

    fn placed(x: f64) -> Transaction {
        let patch = Patch { pose: Some(Some(at(x, 0.0, 0.0))), ..Patch::default() };
        Transaction::of([Operation::Change(entity_id(2), patch)])
    }

    /// Applies a message by the rules of `docs/subscriptions.md`.
    fn hear(members: &mut BTreeSet<EntityId>, message: Message) {
        match message {
            Message::Snapshot { entities, .. } => {
                *members = entities.iter().map(|entity| entity.id).collect()
            }
            Message::Transaction(commit) => {
                for change in &commit.changes {
                    match change {
                        ScopeChange::Entered(entity) => drop(members.insert(entity.id)),
                        ScopeChange::Left { entity, .. } => drop(members.remove(entity)),
                        _ => {}
                    }
                }
            }
            Message::Lag { .. } => {}
        }
    }

    #[tokio::test]
    async fn who_joins_a_sphere_knows_what_those_know_who_follow_it() {
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let (store, stop) = (Arc::new(MemoryStore::new()), CancellationToken::new());
        let (graph, _follower) = Graph::start(store, Config::default(), metrics, stop);
        let mut ship = item(2, 1);
        ship.placement.pose = Some(at(100.0, 0.0, 0.0));
        graph.commit(Transaction::of([world(1, 1e9), ship].map(Operation::Create))).await.unwrap();
        let near = Near {
            zone: entity_id(1),
            point: glam::DVec3::ZERO,
            radius: Some(500.0),
            min_angular_size: None,
            layer: Default::default(),
        };
        let part = |part| {
            let control = Arc::new(Control::new(part));
            let scope = Scope::Sphere((&near).into());
            let options = SubscriptionOptions::default();
            (Control::messages(Some(control.clone()), &graph, scope, options), control)
        };
        let (mut live, shared) = part(Part::Live);
        // It takes its own snapshot, with the ship, and waits for what happens then.
        assert!(futures_util::poll!(live.next()).is_pending());
        let mut shared = shared.live();
        shared.wait_for(Option::is_some).await.unwrap();

        // The ship is away when somebody joins, and back when the shared part asks again.
        graph.commit(placed(9_000.0)).await.unwrap();
        let (mut before, control) = part(Part::Before { resume: None, shared });
        let mut members = BTreeSet::new();
        let mut sent = Cursor::ZERO;
        let mut joined = false;
        let last = loop {
            tokio::select! {
                biased;
                message = before.next(), if !joined => match message {
                    Some(message) => hear(&mut members, message.unwrap()),
                    None => {
                        joined = true;
                        sent = control.live().borrow().as_ref().unwrap().position;
                        graph.commit(placed(200.0)).await.unwrap();
                    }
                },
                message = live.next() => {
                    let message = message.unwrap().unwrap();
                    let position = message.cursor();
                    if joined && position > sent {
                        hear(&mut members, message);
                    }
                    if joined && position == *graph.applied().borrow() {
                        break position;
                    }
                }
            }
        };
        assert_eq!(last, *graph.applied().borrow());
        assert_eq!(members, BTreeSet::from([entity_id(2)]));
    }
}
