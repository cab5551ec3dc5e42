//! Lines between roles: typed, bounded, in order. A line is a channel in one process; NATS between processes comes later.

pub mod channel;

/// The end of a line that messages go into.
pub trait Line<T> {
    /// How many messages it takes now.
    fn room(&self) -> usize;

    /// Gives it a message, or back what it has no room for.
    ///
    /// # Errors
    /// The message, when there is no room or nobody at the other end any more.
    fn send(&self, message: T) -> Result<(), T>;
}
