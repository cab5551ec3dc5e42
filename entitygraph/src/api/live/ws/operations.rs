//! The operations under way on a connection, polled together.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{
    StreamExt,
    stream::{self, AbortHandle, Abortable, BoxStream, SelectAll},
};

use super::Frame;

/// What an operation sends.
pub(super) enum Out {
    Frame(Frame),
    /// It is over, and no longer among the operations.
    Complete,
}

type Frames = BoxStream<'static, Frame>;
type Answers = Abortable<BoxStream<'static, (Arc<str>, Out)>>;

/// See the module. Ids are those that the client gave.
#[derive(Default)]
pub(super) struct Operations {
    /// One of them is polled by itself: a connection mostly has no other, and a queue of one would allocate for each answer.
    single: Option<(Arc<str>, Frames)>,
    others: SelectAll<Answers>,
    handles: HashMap<Arc<str>, AbortHandle>,
    /// Whose turn it is to be asked first, so that no one that always answers keeps the others from it.
    others_first: bool,
}

impl Operations {
    /// Adds an operation under an id that none has.
    pub fn begin(&mut self, id: Arc<str>, frames: Frames) {
        if self.single.is_none() {
            self.single = Some((id, frames));
            return;
        }
        let name = id.clone();
        let answers = frames.map(move |frame| (name.clone(), Out::Frame(frame)));
        let name = id.clone();
        let complete = stream::once(async move { (name, Out::Complete) });
        let (handle, registration) = AbortHandle::new_pair();
        self.others.push(Abortable::new(answers.chain(complete).boxed(), registration));
        self.handles.insert(id, handle);
    }

    /// Takes an operation away; what it still has to say is not said.
    pub fn end(&mut self, id: &str) {
        if self.single.as_ref().is_some_and(|(single, _)| **single == *id) {
            self.single = None;
        } else if let Some(handle) = self.handles.remove(id) {
            handle.abort();
        }
    }

    /// Whether there is one of this id.
    pub fn has(&self, id: &str) -> bool {
        self.single.as_ref().is_some_and(|(single, _)| **single == *id) || self.handles.contains_key(id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.single.is_some()) + self.handles.len()
    }

    /// What one of them says next. Never ready while there are none.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(Arc<str>, Out)> {
        self.others_first = !self.others_first;
        let first = if self.others_first { self.poll_others(context) } else { self.poll_single(context) };
        if first.is_ready() {
            return first;
        }
        if self.others_first { self.poll_single(context) } else { self.poll_others(context) }
    }

    fn poll_single(&mut self, context: &mut Context<'_>) -> Poll<(Arc<str>, Out)> {
        let Some((id, frames)) = &mut self.single else { return Poll::Pending };
        match frames.poll_next_unpin(context) {
            Poll::Ready(Some(frame)) => Poll::Ready((id.clone(), Out::Frame(frame))),
            Poll::Ready(None) => {
                let id = id.clone();
                self.single = None;
                Poll::Ready((id, Out::Complete))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_others(&mut self, context: &mut Context<'_>) -> Poll<(Arc<str>, Out)> {
        while !self.others.is_empty() {
            match self.others.poll_next_unpin(context) {
                Poll::Ready(Some((id, out))) => {
                    if let Out::Complete = out {
                        self.handles.remove(&id);
                    }
                    return Poll::Ready((id, out));
                }
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    fn saying(texts: &[&str]) -> Frames {
        let frames: Vec<_> = texts.iter().map(|text| Frame::Next((*text).into())).collect();
        stream::iter(frames).boxed()
    }

    fn next(operations: &mut Operations) -> Option<(Arc<str>, Out)> {
        match operations.poll_next(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(ready) => Some(ready),
            Poll::Pending => None,
        }
    }

    /// All that is ready, as `id:text` and `id.` at the end.
    fn ready(operations: &mut Operations) -> Vec<String> {
        let mut said = Vec::new();
        while let Some((id, out)) = next(operations) {
            said.push(match out {
                Out::Frame(Frame::Next(text) | Frame::Error(text)) => format!("{id}:{text}"),
                Out::Complete => format!("{id}."),
            });
        }
        said
    }

    #[test]
    fn each_says_all_and_then_that_it_is_complete() {
        let mut operations = Operations::default();
        for (id, texts) in [("a", &["1", "2"][..]), ("b", &["3"]), ("c", &[])] {
            operations.begin(id.into(), saying(texts));
        }
        assert_eq!(operations.len(), 3);
        let said = ready(&mut operations);
        for (id, expected) in [("a", &["a:1", "a:2", "a."][..]), ("b", &["b:3", "b."]), ("c", &["c."])] {
            let own: Vec<_> = said.iter().filter(|text| text.starts_with(id)).collect();
            assert_eq!(own, expected);
        }
        assert_eq!(operations.len(), 0);
    }

    #[test]
    fn one_that_was_ended_says_nothing_and_its_id_is_free() {
        let mut operations = Operations::default();
        for id in ["a", "b"] {
            operations.begin(id.into(), saying(&["1"]));
            operations.end(id);
            assert!(!operations.has(id));
            operations.begin(id.into(), saying(&["2"]));
            assert!(operations.has(id));
        }
        let mut said = ready(&mut operations);
        said.sort();
        assert_eq!(said, ["a.", "a:2", "b.", "b:2"]);
    }

    #[test]
    fn one_that_always_has_something_to_say_keeps_no_other_from_it() {
        let endless = || stream::repeat(Frame::Next("x".into())).boxed();
        let mut operations = Operations::default();
        for id in ["a", "b", "c"] {
            operations.begin(id.into(), endless());
        }
        let mut heard: HashMap<Arc<str>, u32> = HashMap::new();
        for _ in 0..300 {
            *heard.entry(next(&mut operations).unwrap().0).or_default() += 1;
        }
        assert!(["a", "b", "c"].iter().all(|id| heard[*id] >= 50), "{heard:?}");
    }
}
