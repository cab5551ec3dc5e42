//! Cohorts: one live execution for all subscriptions of one operation.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, Weak},
};

use async_graphql::Request;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::{
    sync::{broadcast, watch},
    task::AbortHandle,
};

use super::{
    Frame, Live, Operation,
    control::{Control, Part, Passed},
};
use crate::{api::graphql::document::Document, changes::Standing};

/// Answers a cohort keeps for its members; one that is further behind catches up by itself. Every cohort has room for all
/// of them from the start, 32 bytes each, also the ten thousandth idle one.
const RING: usize = 16;

/// An answer for all members.
#[derive(Debug)]
pub struct Shared {
    /// The message that it answers; `None` when it is an error.
    pub passed: Option<Passed>,
    /// Its bytes.
    pub frame: Frame,
}

/// A live execution. It ends when the last member drops it.
#[derive(Debug)]
pub struct Cohort {
    answers: broadcast::Sender<Arc<Shared>>,
    standing: watch::Receiver<Option<Standing>>,
    task: AbortHandle,
}

impl Drop for Cohort {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cohort {
    /// Answers from now on.
    pub fn join(&self) -> broadcast::Receiver<Arc<Shared>> {
        self.answers.subscribe()
    }

    /// Where the execution stands, from when on it hears of everything that happens.
    pub fn standing(&self) -> watch::Receiver<Option<Standing>> {
        self.standing.clone()
    }

    fn start(live: &Live, document: Arc<Document>, request: Request) -> Self {
        let control = Arc::new(Control::new(Part::Live));
        let standing = control.live();
        let answers = broadcast::Sender::new(RING);
        let (sender, live, name) = (answers.clone(), live.clone(), request.operation_name.clone());
        let requests = live.inner.requests.clone();
        let mut stream = live.inner.schema.execute_stream(request.data(control.clone()));
        let task = requests.spawn(async move {
            while let Some(response) = stream.next().await {
                let passed = control.received();
                let frame = live.frame(&document, name.as_deref(), response);
                // Without members the task is about to be aborted.
                drop(sender.send(Arc::new(Shared { passed, frame })));
            }
        });
        Self { answers, standing, task: task.abort_handle() }
    }
}

/// What makes two subscriptions one. Where each goes on is its own affair, so the variable that says so is left out:
/// a thousand clients that return at different cursors share their work again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    text: Arc<str>,
    operation_name: Option<String>,
    variables: String,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.variables.hash(state);
    }
}

/// The cohorts that have members.
#[derive(Debug, Clone, Default)]
pub struct Cohorts(Arc<Mutex<HashMap<Key, Weak<Cohort>>>>);

impl Cohorts {
    /// The cohort of the operation; it is started if it is the first of its kind.
    pub fn of(&self, live: &Live, operation: &Operation) -> Arc<Cohort> {
        let variables = operation.shared_variables();
        let key = Key {
            text: operation.document.text.clone(),
            operation_name: operation.operation_name.clone(),
            variables: variables.clone().into_value().to_string(),
        };
        let mut cohorts = self.0.lock();
        if let Some(cohort) = cohorts.get(&key).and_then(Weak::upgrade)
            && !cohort.task.is_finished()
        {
            return cohort;
        }
        if cohorts.len() >= cohorts.capacity() {
            cohorts.retain(|_, cohort| cohort.strong_count() > 0);
        }
        let cohort =
            Arc::new(Cohort::start(live, operation.document.clone(), operation.request_with(variables)));
        cohorts.insert(key, Arc::downgrade(&cohort));
        cohort
    }
}
