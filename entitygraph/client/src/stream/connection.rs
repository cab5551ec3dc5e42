//! A peer on a socket: what it asks for is done, what comes is given to it. There is no task beside the caller's: whoever calls
//! [`Connection::next`] again and again keeps the session alive, and who does not read is told less, not later.

mod socket;

use std::{
    future::{Future, poll_fn},
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use entitygraph_schema::wire::{control::message::Code, limits::Limits};
use futures_util::{Sink, Stream};
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::{self, Message};

pub use self::socket::SUBPROTOCOL;
use self::socket::Socket;
use super::{
    event::Event,
    peer::{Machine, Request},
    refusal::{StreamError, Why},
    session::Login,
};

type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where logins come from.
enum Logins {
    Fixed(Login),
    Asked(Box<dyn FnMut() -> Doing<Result<Login, String>> + Send>),
}

/// A peer of some role that is connected, or will be.
///
/// It is used as the peer in it: `connection.view()`, `connection.enter(..)`. Dropping it cuts the socket; the session can then
/// be resumed by nobody and ends after `resume_ms`. [`Self::close`] ends it at once.
pub struct Connection<M> {
    machine: M,
    logins: Logins,
    started: Instant,
    login: Option<Doing<Result<Login, String>>>,
    connecting: Option<Doing<Result<Socket, StreamError>>>,
    socket: Option<Socket>,
    /// The socket has what it takes when it was flushed.
    unflushed: bool,
    closing: Option<Doing<()>>,
    timer: Pin<Box<Sleep>>,
    ended: bool,
}

impl<M: Machine> Connection<M> {
    /// A peer that logs in with this, each time that it has to.
    pub fn new(machine: M, login: Login) -> Self {
        Self::start(machine, Logins::Fixed(login))
    }

    /// A peer that asks for a login each time that it has to. With [`super::session::Options::renewable`] it asks also when a
    /// login is refused. An error ends the session.
    pub fn with_logins<F, L, E>(machine: M, mut logins: F) -> Self
    where
        F: FnMut() -> L + Send + 'static,
        L: Future<Output = Result<Login, E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let ask = move || -> Doing<Result<Login, String>> {
            let login = logins();
            Box::pin(async move { login.await.map_err(|error| error.to_string()) })
        };
        Self::start(machine, Logins::Asked(Box::new(ask)))
    }

    fn start(mut machine: M, logins: Logins) -> Self {
        machine.peer_mut().start();
        Self {
            machine,
            logins,
            started: Instant::now(),
            login: None,
            connecting: None,
            socket: None,
            unflushed: false,
            closing: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            ended: false,
        }
    }

    /// The next event; none after [`Event::Ended`]. Cancel it as you like: nothing is lost. While it is not called nothing is
    /// read or written, and no heartbeat goes out: a server calls it at least every 250 ms.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next event that is there now, without waiting. What waits to be sent is written as far as the socket takes it. For
    /// loops that have ticks of their own: take all that is there, simulate, report.
    pub async fn next_now(&mut self) -> Option<Event> {
        poll_fn(|context| match self.poll_next(context) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Ends the session: says Goodbye and waits until it is written, a second at most.
    pub async fn close(mut self) {
        self.peer_mut().stop();
        while self.next().await.is_some() {}
        if let Some(closing) = self.closing.take() {
            closing.await;
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            self.tell_time();
            self.do_requests();
            // Before events, so that whoever takes them one by one writes as well.
            self.poll_write(context);
            if let Some(event) = self.machine.next_event() {
                self.do_requests();
                self.ended = matches!(event, Event::Ended(_));
                return Poll::Ready(Some(event));
            }
            if self.do_requests() {
                continue;
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.poll_io(context).is_pending() && self.poll_timer(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Tells the machine the time, and what is due.
    fn tell_time(&mut self) {
        let now_us = self.now_us();
        self.machine.peer_mut().at(now_us);
        if self.machine.deadline_us().is_some_and(|at| at <= now_us) {
            self.machine.tick();
        }
    }

    /// Begins what the machine asked for; says whether there was something.
    fn do_requests(&mut self) -> bool {
        let mut any = false;
        while let Some(request) = self.machine.peer_mut().next_request() {
            any = true;
            match request {
                Request::Login => {
                    self.login = Some(match &mut self.logins {
                        Logins::Fixed(login) => Box::pin(std::future::ready(Ok(login.clone()))),
                        Logins::Asked(ask) => ask(),
                    });
                }
                Request::Connect(url) => {
                    let limits = Limits::down(self.machine.peer().role());
                    self.connecting = Some(Box::pin(socket::connect(url, limits)));
                }
                Request::Close(code) => {
                    self.connecting = None;
                    if let Some(socket) = self.socket.take() {
                        let left = std::iter::from_fn(|| self.machine.peer_mut().outgoing()).collect();
                        self.closing = Some(Box::pin(socket::close(socket, left, code)));
                    }
                }
            }
        }
        any
    }

    /// Ready when something was told to the machine.
    fn poll_io(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(closing) = &mut self.closing
            && closing.as_mut().poll(context).is_ready()
        {
            self.closing = None;
        }
        if let Some(login) = &mut self.login
            && let Poll::Ready(login) = login.as_mut().poll(context)
        {
            self.login = None;
            match login {
                Ok(login) => self.machine.peer_mut().logged_in(login),
                Err(reason) => self.machine.peer_mut().login_failed(reason),
            }
            return Poll::Ready(());
        }
        if let Some(connecting) = &mut self.connecting
            && let Poll::Ready(connected) = connecting.as_mut().poll(context)
        {
            self.connecting = None;
            let now_us = self.now_us();
            let peer = self.machine.peer_mut();
            peer.at(now_us);
            match connected {
                Ok(socket) => {
                    self.socket = Some(socket);
                    peer.opened();
                }
                Err(error) if error.why == Why::Lost => peer.closed(1006, &error.reason),
                Err(error) => peer.broken(error, 1000),
            }
            return Poll::Ready(());
        }
        self.poll_read(context)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(socket) = &mut self.socket else { return Poll::Pending };
            let Poll::Ready(message) = Pin::new(socket).poll_next(context) else { return Poll::Pending };
            let now_us = self.now_us();
            let peer = self.machine.peer_mut();
            peer.at(now_us);
            match message {
                Some(Ok(Message::Binary(message))) => peer.message(message),
                Some(Ok(Message::Text(_))) => {
                    peer.broken(StreamError::new(Why::Code(Code::BadFrame), "a text message came"), 4400);
                }
                Some(Ok(Message::Close(close))) => {
                    self.socket = None;
                    let (code, reason) = close.map_or((1005, String::new()), |close| {
                        (close.code.into(), close.reason.as_str().to_owned())
                    });
                    peer.closed(code, &reason);
                }
                // Pings and Pongs of the WebSocket are answered by the library.
                Some(Ok(_)) => continue,
                Some(Err(tungstenite::Error::Capacity(error))) => {
                    peer.broken(StreamError::new(Why::Code(Code::TooLarge), error.to_string()), 4413);
                }
                Some(Err(error)) => {
                    self.socket = None;
                    peer.closed(1006, &error.to_string());
                }
                None => {
                    self.socket = None;
                    peer.closed(1006, "the socket was closed without a word");
                }
            }
            return Poll::Ready(());
        }
    }

    /// Writes what waits, as far as the socket takes it. A socket that fails says so when it is read.
    fn poll_write(&mut self, context: &mut Context<'_>) {
        let Some(socket) = &mut self.socket else { return };
        let mut socket = Pin::new(socket);
        while self.machine.peer().outgoing_bytes() > 0 {
            if !matches!(socket.as_mut().poll_ready(context), Poll::Ready(Ok(()))) {
                break;
            }
            let Some(message) = self.machine.peer_mut().outgoing() else { break };
            if socket.as_mut().start_send(Message::Binary(message)).is_err() {
                break;
            }
            self.unflushed = true;
        }
        if self.unflushed && socket.as_mut().poll_flush(context).is_ready() {
            self.unflushed = false;
        }
    }

    /// Ready when the deadline has come.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline_us) = self.machine.deadline_us() else { return Poll::Pending };
        let deadline = self.started.checked_add(Duration::from_micros(deadline_us));
        let Some(deadline) = deadline.map(tokio::time::Instant::from_std) else { return Poll::Pending };
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(context)
    }
}

impl<M> std::fmt::Debug for Connection<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<M> Deref for Connection<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

/// Tells the time before: what is called counts as of now.
impl<M: Machine> DerefMut for Connection<M> {
    fn deref_mut(&mut self) -> &mut M {
        let now_us = self.now_us();
        self.machine.peer_mut().at(now_us);
        &mut self.machine
    }
}
