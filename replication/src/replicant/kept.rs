//! Load frames that a peer has not said it saw: sent again when it resumes (protocol.md, "A session", 4).

use std::collections::VecDeque;

use bytes::Bytes;

/// Most frames of one peer, and most bytes of them: the bound of the class "load" (protocol.md, "Classes").
const FRAMES_MAX: usize = 512;
const BYTES_MAX: usize = 1 << 20;

/// The frames of one peer, oldest first.
#[derive(Debug, Default)]
pub struct Kept {
    frames: VecDeque<(u64, Bytes)>,
    bytes: usize,
    /// The first that is to be sent again; one behind the last: none.
    next: usize,
}

impl Kept {
    /// Whether another load frame may be made: none before the peer has seen enough of those that were.
    pub fn has_room(&self) -> bool {
        self.frames.len() < FRAMES_MAX && self.bytes < BYTES_MAX
    }

    /// Keeps a frame of this number that is sent now: not while others are to be sent again.
    pub fn keep(&mut self, seq: u64, frame: Bytes) {
        debug_assert!(!self.is_repeating(), "load frame {seq} stands before those that are repeated");
        self.bytes += frame.len();
        self.frames.push_back((seq, frame));
        self.next = self.frames.len();
    }

    /// The peer saw all up to this number.
    pub fn seen(&mut self, seq: u64) {
        while let Some((first, frame)) = self.frames.front()
            && *first <= seq
        {
            self.bytes -= frame.len();
            self.frames.pop_front();
            self.next = self.next.saturating_sub(1);
        }
    }

    /// All that are left are to be sent again.
    pub fn repeat(&mut self) {
        self.next = 0;
    }

    /// The next frame that is to be sent again.
    pub fn next_again(&mut self) -> Option<Bytes> {
        let (_, frame) = self.frames.get(self.next)?;
        self.next += 1;
        Some(frame.clone())
    }

    /// Whether frames are to be sent again.
    pub fn is_repeating(&self) -> bool {
        self.next < self.frames.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_seen_is_sent_again_in_order_and_bounds_what_may_be_made() {
        let mut kept = Kept::default();
        (1..=4).for_each(|seq| kept.keep(seq, Bytes::copy_from_slice(&[seq as u8])));
        kept.seen(1);
        kept.repeat();
        assert_eq!(kept.next_again().as_deref(), Some(&[2][..]));
        kept.seen(2);
        let again: Vec<u8> = std::iter::from_fn(|| kept.next_again()).map(|frame| frame[0]).collect();
        assert_eq!(again, [3, 4]);
        assert!(!kept.is_repeating() && kept.has_room());
        kept.keep(5, Bytes::from(vec![0; BYTES_MAX]));
        assert!(!kept.has_room() && !kept.is_repeating());
        kept.seen(5);
        assert!(kept.has_room());
    }
}
