//! What the gateway wants done, done.

use std::rc::Rc;

use bytes::Bytes;
use entitygraph_schema::wire::control::message::Code;
use tokio::task::spawn_local;

use super::{
    connection::{self, Link},
    core::Core,
};
use crate::{
    gateway::{self, Effect, Refusal},
    message::Up,
    socket::{
        accept::NotAccepted,
        frame::{Opcode, ServerHeader, close},
    },
};

/// Effects that are done in one go: room for what they say to the replicant is waited for before the first of them. So a Welcome is
/// written before the replicant can have anything for the session, and the replicant knows of it before the peer can go on with
/// the token in it.
const EFFECTS_AT_ONCE: usize = 64;

impl Core {
    /// Does what the gateway wants done. It is not dropped half way: what it says to the replicant is said.
    pub async fn apply(self: &Rc<Self>, effects: gateway::Out) {
        let mut effects = effects.into_iter().peekable();
        while effects.peek().is_some() {
            let some: Vec<Effect> = effects.by_ref().take(EFFECTS_AT_ONCE.min(self.up.size())).collect();
            let ups = some.iter().filter(|effect| matches!(effect, Effect::Up(_))).count();
            let mut room = match ups {
                0 => None,
                // Without a replicant there is nobody to tell: the hub stops.
                ups => self.up.reserved(ups).await,
            };
            let mut elsewhere = Vec::new();
            for effect in some {
                match effect {
                    Effect::Up(up) => {
                        if matches!(up, Up::Resumed { .. }) {
                            self.metrics.resumed();
                        }
                        if let Some(place) = room.as_mut().and_then(Iterator::next) {
                            place.send(up);
                        }
                    }
                    Effect::Close(id, refusal) if id.core != self.number => elsewhere.push((id, refusal)),
                    here => self.does(here),
                }
            }
            drop(room);
            for (id, refusal) in elsewhere {
                if let Some(core) = self.orders.get(usize::from(id.core)) {
                    core.sent((id, refusal)).await;
                }
            }
        }
    }

    /// One effect on a connection of this core.
    fn does(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Send(id, frames) => {
                let Some(link) = self.link(id) else { return };
                self.count(std::iter::once(&frames));
                let mut bytes = ServerHeader::new(Opcode::Binary, frames.len()).as_bytes().to_vec();
                bytes.extend_from_slice(&frames);
                self.answer(&link, bytes.into());
            }
            Effect::Raw(id, bytes) => {
                if let Some(link) = self.link(id) {
                    self.answer(&link, bytes);
                }
            }
            Effect::Wait(id, us) => {
                if let Some(link) = self.link(id) {
                    link.wait_us.set(us);
                }
            }
            Effect::Budget(id, bytes_per_s) => {
                if let Some(link) = self.link(id) {
                    link.budget(self.clock.now().shard_us, bytes_per_s);
                }
            }
            Effect::Close(id, refusal) => {
                if let Some(link) = self.link(id) {
                    self.close(&link, &refusal);
                } else {
                    // Its reader noticed the end of the socket at the same time.
                    tracing::debug!(connection = ?id, code = refusal.code.name(), "was gone before it was closed");
                }
            }
            Effect::Goodbye(id) => {
                if let Some(link) = self.link(id) {
                    self.end(&link, close(1000, ""));
                }
            }
            Effect::Up(_) => {}
        }
    }

    /// Writes an answer of the gateway before all that waits.
    fn answer(self: &Rc<Self>, link: &Rc<Link>, bytes: Bytes) {
        let (before, length) = (link.writer.borrow().left_bytes(), bytes.len());
        let result = link.writer.borrow_mut().first(&link.stream, bytes);
        self.wrote(link, self.clock.now().shard_us, before, length, result);
    }

    /// Says why, and ends the connection; the gateway knows it already.
    pub fn close(self: &Rc<Self>, link: &Rc<Link>, refusal: &Refusal) {
        let Refusal { code, reason, retry_after_ms } = refusal;
        tracing::debug!(connection = ?link.id, address = %link.address, code = code.name(), reason, "closed");
        self.metrics.refused(*code);
        if !link.upgraded.get() {
            let status = if *code == Code::Flood { 429 } else { 503 };
            let refused = NotAccepted { status, reason: "no room for another connection: wait" };
            return self.end(link, refused.answer_after(*retry_after_ms).into());
        }
        let frame = refusal.frame();
        let mut bytes = ServerHeader::new(Opcode::Binary, frame.len()).as_bytes().to_vec();
        bytes.extend_from_slice(&frame);
        bytes.extend_from_slice(&close(code.close().unwrap_or(4500), reason));
        self.end(link, bytes.into());
    }

    /// Writes the last bytes; what is left is written and read by a task of its own.
    pub fn end(self: &Rc<Self>, link: &Rc<Link>, last: Bytes) {
        // Whether it can still be told is the socket's affair: the connection ends either way.
        drop(link.writer.borrow_mut().last(&link.stream, last));
        if self.unseated(link) {
            spawn_local(connection::linger(link.clone()));
        }
    }
}
