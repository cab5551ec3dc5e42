//! Whether the server is there at all: a question without an answer means something else while others are answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Shared by all who ask the server.
#[derive(Clone)]
pub struct Contact {
    /// When it answered anything last. Held for a copy; no other lock is taken under it.
    last: Arc<Mutex<Option<Instant>>>,
    answer_timeout: Duration,
}

impl Contact {
    /// Nothing heard yet of a server that has so long for an answer.
    pub fn new(answer_timeout: Duration) -> Self {
        Self { last: Arc::default(), answer_timeout }
    }

    /// The server answered something.
    pub fn heard(&self) {
        *self.last.lock() = Some(Instant::now());
    }

    /// Whether it answered anything in the last half of the time that it has for an answer. It is asked for new commits all the
    /// time, so that one which is there has.
    pub fn is_there(&self) -> bool {
        self.last.lock().is_some_and(|last| last.elapsed() < self.answer_timeout / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_answered_lately_is_there() {
        let contact = Contact::new(Duration::from_secs(60));
        assert!(!contact.is_there());
        contact.clone().heard();
        assert!(contact.is_there());
        let contact = Contact { answer_timeout: Duration::ZERO, ..contact };
        assert!(!contact.is_there());
    }
}
