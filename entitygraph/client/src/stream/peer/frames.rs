//! Frames that came: read, and told to the session, the local copy and the caller.

use bytes::Bytes;
use entitygraph_schema::wire::{
    Handle, Kind,
    control::{
        Control,
        message::{self, Code, member::Member},
    },
    event, frame,
    input::{Applied, read_inputs},
    limits::Limits,
    variable::Known,
};

use super::Peer;
use crate::stream::{
    event::{Event, Loads},
    refusal::{StreamError, Why},
    session::{self, State},
    view::{Told, ViewError},
};

impl Peer {
    /// The next frame that came, whole.
    pub(super) fn next_frame(&mut self) -> Option<(Kind, Bytes)> {
        let message = self.inbox.front()?.clone();
        let limits = Limits::down(self.role());
        let read = match frame::Frames::new(&message, limits) {
            Err(error) => Err(error),
            // Offsets in errors count from the beginning of the message.
            Ok(_) => frame::Head::read(message.get(self.at..).unwrap_or_default(), self.at, &limits),
        };
        let end = |head: &frame::Head| self.at + head.bytes + head.length;
        match read {
            Ok(Some(head)) if end(&head) <= message.len() => {
                let body = message.slice(self.at + head.bytes..end(&head));
                self.at = end(&head);
                if self.at == message.len() {
                    self.inbox.pop_front();
                    self.at = 0;
                }
                Some((head.kind, body))
            }
            Ok(_) => self.refuse(Code::BadFrame, format!("byte {} of the message: half a frame", self.at)),
            Err(error) if error.is_too_large() => self.refuse(Code::TooLarge, error.to_string()),
            Err(error) => self.refuse(Code::BadFrame, error.to_string()),
        }
    }

    fn refuse<T>(&mut self, code: Code, reason: String) -> Option<T> {
        self.broken(StreamError::new(Why::Code(code), reason), code.close().unwrap_or(4400));
        None
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// Why it is none that a hub sends.
    pub(super) fn frame(&mut self, kind: Kind, body: &Bytes) -> Result<(), String> {
        if !kind.down().has(self.role()) {
            return Err(format!("no {kind} is sent to a {:?}", self.role()));
        }
        let begins = matches!(kind, Kind::Welcome | Kind::Refused);
        if self.state() == State::Greeting && !begins {
            return Err(format!("{kind} before Welcome"));
        }
        match kind {
            Kind::State | Kind::Horizon => self.world(kind, body),
            Kind::Events => self.happened(body),
            Kind::Inputs => self.inputs(body),
            Kind::Applied => {
                let applied = Applied::read(body).map_err(|error| error.to_string())?;
                self.events.push_back(Event::Applied { input: applied.number });
                Ok(())
            }
            Kind::Bind | Kind::Activate | Kind::Pause | Kind::Unbind => {
                if self.is_next(kind, body)? {
                    self.world(kind, body)
                } else {
                    Ok(())
                }
            }
            Kind::Changed | Kind::Followed | Kind::Unfollowed | Kind::Owners => {
                if self.is_next(kind, body)? {
                    self.control(kind, body)
                } else {
                    Ok(())
                }
            }
            Kind::CatalogPart => {
                self.world(kind, body)?;
                self.control(kind, body)
            }
            _ => self.control(kind, body),
        }
    }

    /// Whether a numbered frame did not come before; notes how far they came. All of them have `seq` in the field where `Seen` has it.
    fn is_next(&mut self, kind: Kind, body: &[u8]) -> Result<bool, String> {
        let Ok(Control::Seen(message::Seen { seq })) = Control::read(Kind::Seen, body) else {
            return Err(format!("the {kind} is no message"));
        };
        let seen = self.session.point.seen;
        if seq == seen + 1 {
            self.session.point.seen = seq;
        }
        Ok(seq == 0 || seq > seen)
    }

    /// A frame for the local copy.
    fn world(&mut self, kind: Kind, body: &[u8]) -> Result<(), String> {
        let moment = self.moment();
        self.view.clock(moment);
        let ready = match self.view.take(kind, body) {
            // What cannot be made is a failed batch, not a failed session.
            Err(error @ ViewError::Instance) => return self.failed(body, &error.to_string()),
            taken => taken.map_err(|error| format!("{kind}: {error}"))?,
        };
        if let Some(ready) = ready {
            let handles = self.view.batch(ready.batch).to_vec();
            self.events.push_back(Event::Bound { batch: ready.batch, handles });
            if self.loads == Loads::AtOnce {
                self.ready(ready.batch, ready.failed);
            }
        } else {
            self.forget_ready();
        }
        let why = match (kind, Control::read(kind, body)) {
            (Kind::Unbind, Ok(Control::Unbind(unbind))) => unbind.why(),
            _ => message::unbind::Why::Unspecified,
        };
        self.tell(Some(why));
        if kind == Kind::Horizon {
            self.session.point.horizon = self.view.horizon();
            self.events.push_back(Event::Horizon(self.view.horizon()));
        }
        Ok(())
    }

    /// Says that a batch cannot be loaded, and why; the hub takes it back.
    fn failed(&mut self, body: &[u8], reason: &str) -> Result<(), String> {
        let Ok(Control::Bind(bind)) = Control::read(Kind::Bind, body) else { return Ok(()) };
        let first = |member: message::Member| match member.member {
            Some(Member::Single(single)) => single.handle,
            Some(Member::Instance(instance)) => instance.first_handle,
            None => 0,
        };
        let failed = bind
            .members
            .into_iter()
            .map(|member| message::Failed { handle: first(member), reason: reason.into() });
        self.say(&message::Ready { batch: bind.batch, failed: failed.collect() });
        Ok(())
    }

    /// Tells what the local copy took: one event for all that is to be shown or forgotten in one step.
    pub(super) fn tell(&mut self, why: Option<message::unbind::Why>) {
        let (mut activated, mut paused, mut unbound) = (Vec::new(), Vec::new(), Vec::new());
        let all: Vec<Told> = self.view.told().collect();
        for told in all {
            match told {
                Told::Activated(handle) => activated.push(handle),
                Told::Moved(handle) => self.events.push_back(Event::Moved(handle)),
                Told::Set(handle, number) => {
                    let known = self.view.variables().get(number).copied();
                    if let Some(Known { component, variable, .. }) = known {
                        self.events.push_back(Event::Set { handle, component, variable });
                    }
                }
                Told::Paused(handle) => paused.push(handle),
                Told::Unbound(handle, id) => unbound.push((handle, id)),
            }
        }
        if !activated.is_empty() {
            self.events.push_back(Event::Activated(activated));
        }
        if !paused.is_empty() {
            self.events.push_back(Event::Paused(paused));
        }
        if !unbound.is_empty() {
            self.events.push_back(Event::Unbound { entities: unbound, why });
        }
    }

    fn happened(&mut self, body: &Bytes) -> Result<(), String> {
        let happened = event::Events::read(body).map_err(|error| error.to_string())?;
        for event::Event { source, kind, content } in happened.events {
            // Rule 2 of protocol.md holds here too: what is not shown makes no sound.
            if self.view.entity(source).is_some_and(|seen| seen.active) {
                let content = body.slice_ref(content);
                self.events.push_back(Event::Happened { source, kind, content });
            }
        }
        Ok(())
    }

    fn inputs(&mut self, body: &Bytes) -> Result<(), String> {
        for input in read_inputs(body).map_err(|error| error.to_string())? {
            let content = body.slice_ref(input.content);
            self.events.push_back(Event::Input { character: input.character, number: input.number, content });
        }
        Ok(())
    }

    fn control(&mut self, kind: Kind, body: &[u8]) -> Result<(), String> {
        let event = match Control::read(kind, body).map_err(|error| error.to_string())? {
            Control::Welcome(welcome) => return self.own(session::Event::Welcome(welcome)),
            Control::Refused(refused) => return self.own(session::Event::Refused(refused)),
            Control::Token(token) => return self.own(session::Event::Token(token)),
            Control::Ping(ping) => return self.own(session::Event::Ping(ping)),
            Control::Pong(pong) => return self.own(session::Event::Pong(pong)),
            Control::Goodbye(goodbye) => return self.own(session::Event::Goodbye(goodbye)),
            Control::ActionResult(result) if !self.actions.end(result.number) => return Ok(()),
            Control::ActionResult(result) => Event::Result(result),
            Control::Entered(entered) => match Handle::new(entered.handle) {
                Some(handle) => Event::Entered(handle),
                None => return Err("an Entered without a character".into()),
            },
            Control::CatalogPart(part) => {
                self.catalog_part(&part);
                Event::Message(Box::new(part.into()))
            }
            Control::Durable(durable) => Event::Durable(durable.batch),
            Control::Notice(notice) if notice.kind == u32::from(Kind::CatalogWanted.number()) => {
                self.catalog_is_here();
                Event::Notice(notice)
            }
            Control::Notice(notice) => Event::Notice(notice),
            other => Event::Message(Box::new(other)),
        };
        self.events.push_back(event);
        Ok(())
    }

    /// A frame of the session's.
    fn own(&mut self, event: session::Event) -> Result<(), String> {
        self.session(event);
        Ok(())
    }
}
