//! A line within a process.

use tokio::sync::mpsc;

use super::Line;

/// The end that messages go into.
#[derive(Debug)]
pub struct Sender<T>(mpsc::Sender<T>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The end that messages come out of.
#[derive(Debug)]
pub struct Receiver<T>(mpsc::Receiver<T>);

/// A line with room for this many messages, at least one.
pub fn line<T>(room: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(room.max(1));
    (Sender(sender), Receiver(receiver))
}

impl<T> Line<T> for Sender<T> {
    fn room(&self) -> usize {
        self.0.capacity()
    }

    fn send(&self, message: T) -> Result<(), T> {
        self.0.try_send(message).map_err(mpsc::error::TrySendError::into_inner)
    }
}

impl<T> Sender<T> {
    /// How many messages the line has room for when it is empty.
    pub fn size(&self) -> usize {
        self.0.max_capacity()
    }

    /// Waits for room for this many messages, at least one and no more than the line has; `None` when nobody is at the other end any
    /// more. Dropping the future keeps no room.
    pub async fn reserved(&self, count: usize) -> Option<impl Iterator<Item = mpsc::Permit<'_, T>>> {
        self.0.reserve_many(count.clamp(1, self.size())).await.ok()
    }

    /// Waits for room; `false` when nobody is at the other end any more.
    pub async fn sent(&self, message: T) -> bool {
        self.0.send(message).await.is_ok()
    }
}

impl<T> Receiver<T> {
    /// The next message, in the order of sending; `None` when nobody can send any more. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<T> {
        self.0.recv().await
    }

    /// The next message if there is one now.
    pub fn next_now(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}
