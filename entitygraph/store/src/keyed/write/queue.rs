//! Requests in the order in which they came, and who is in charge of serving them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::Request;
use crate::error::{Error, Result};

/// Waiting for others to join costs a change of threads, so for a write that takes less it is not worth while.
const QUICK: Duration = Duration::from_millis(1);

/// See the module. At most one holds its [`Charge`] at a time; while somebody does, nobody else is woken.
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    max_waiting: usize,
}

#[derive(Default)]
struct State {
    requests: VecDeque<Request>,
    charged: bool,
    /// The last to be served was alone and soon done.
    calm: bool,
    closed: bool,
}

/// The duty to serve what waits. Given back when dropped; the writer's thread then serves what is left.
pub struct Charge<'a> {
    queue: &'a Queue,
    calm: bool,
    taken: usize,
    began: Option<Instant>,
}

impl Charge<'_> {
    /// Whether it is worth while to let others join.
    pub fn expects_company(&self) -> bool {
        !self.calm
    }

    /// The request that has waited longest.
    pub fn next(&mut self) -> Option<Request> {
        let request = self.queue.state.lock().requests.pop_front()?;
        self.taken += 1;
        self.began.get_or_insert_with(Instant::now);
        Some(request)
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        let quick = self.began.is_some_and(|began| began.elapsed() < QUICK);
        let mut state = self.queue.state.lock();
        state.calm = self.taken == 1 && quick && state.requests.is_empty();
        state.charged = false;
        if !state.requests.is_empty() {
            self.queue.changed.notify_one();
        }
    }
}

impl Queue {
    /// An empty queue for at most so many requests.
    pub fn new(max_waiting: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), max_waiting }
    }

    /// Adds a request. Its caller is given the charge if it may take it and nobody has it.
    pub fn push(&self, request: Request, may_serve: bool) -> Result<Option<Charge<'_>>> {
        let mut state = self.state.lock();
        let waiting = state.requests.len();
        if waiting >= self.max_waiting {
            return Err(Error::Busy { waiting });
        }
        state.requests.push_back(request);
        if state.charged {
            return Ok(None);
        }
        if may_serve {
            return Ok(Some(self.charge(&mut state)));
        }
        self.changed.notify_one();
        Ok(None)
    }

    /// For the writer's thread: waits for requests that nobody is in charge of; `None` once the queue is closed and empty.
    pub fn wait(&self) -> Option<Charge<'_>> {
        let mut state = self.state.lock();
        loop {
            if !state.charged && !state.requests.is_empty() {
                return Some(self.charge(&mut state));
            }
            if state.closed && state.requests.is_empty() {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    fn charge(&self, state: &mut State) -> Charge<'_> {
        state.charged = true;
        Charge { queue: self, calm: state.calm, taken: 0, began: None }
    }

    /// No request comes any more.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_one();
    }
}
