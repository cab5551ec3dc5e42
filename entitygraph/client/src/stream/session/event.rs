//! What happens to a session, what it wants, and what it is made with.

use entitygraph_schema::wire::{Role, control::message};

use crate::stream::refusal::StreamError;

/// How a new session begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// With a JWT.
    Token(String),
    /// With a name, where the hub has no keys.
    Subject(String),
}

/// What is new when a connection is through.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// What the hub said.
    pub welcome: message::Welcome,
    /// The session went on: nothing of what is bound has changed but what comes now.
    pub resumed: bool,
    /// Something may have been bound, and is void.
    pub reset: bool,
}

/// What a session wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Get a login, then `LoggedIn` or `LoginFailed`.
    Login,
    /// Open a socket to this URL, then `Opened` or `Closed`.
    Connect(String),
    /// Send this frame.
    Send(Vec<u8>),
    /// Close the socket with this code; nothing of it is heard any more.
    Close(u16),
    /// A session began or went on.
    Begun(Begun),
    /// It goes on by itself after this time.
    Lost {
        /// Why.
        error: StreamError,
        /// When, in milliseconds.
        retry_in_ms: u64,
    },
    /// It does not go on; without an error because it was to stop.
    Ended(Option<StreamError>),
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is to begin.
    Start,
    /// What `Login` asked for.
    LoggedIn(Login),
    /// There is no login, and why.
    LoginFailed(String),
    /// The socket is open.
    Opened,
    /// A message came, whatever is in it.
    Heard,
    /// A frame of its own came.
    Welcome(message::Welcome),
    /// A frame of its own came.
    Refused(message::Refused),
    /// A frame of its own came.
    Token(message::Token),
    /// A frame of its own came.
    Ping(message::Ping),
    /// A frame of its own came.
    Pong(message::Pong),
    /// A frame of its own came.
    Goodbye(message::Goodbye),
    /// The socket closed with this code, or never opened.
    Closed(u16, String),
    /// What came was not to be read, or broke a rule: that is not repeated. The socket is closed with this code.
    Broken(StreamError, u16),
    /// It is to end for good.
    Stop,
    /// The deadline has come.
    Tick,
}

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was not started.
    Idle,
    /// Waits for a login.
    Login,
    /// Waits for a socket.
    Connecting,
    /// Said Hello.
    Greeting,
    /// Has a session.
    Open,
    /// Waits until it tries again.
    Waiting,
    /// Is over.
    Ended,
}

/// What a session is made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Of the stream, such as `ws://127.0.0.1:8080/stream`.
    pub url: String,
    /// What the login says it is.
    pub role: Role,
    /// Name and version, for the log of the hub.
    pub software: String,
    /// Whether another login may come when the old one is refused.
    pub renewable: bool,
    /// The first wait, in milliseconds; each other is twice as long.
    pub backoff_first_ms: u64,
    /// The longest wait, in milliseconds.
    pub backoff_most_ms: u64,
    /// Where the chance of its waits begins: peers with different seeds do not come back all at once.
    pub seed: u64,
}

impl Options {
    /// For a peer of this role at this URL.
    pub fn new(url: impl Into<String>, role: Role) -> Self {
        Self {
            url: url.into(),
            role,
            software: concat!("entitygraph-client ", env!("CARGO_PKG_VERSION")).into(),
            renewable: false,
            backoff_first_ms: 500,
            backoff_most_ms: 30_000,
            seed: 0,
        }
    }
}

/// How far a peer is: what a resume begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Point {
    /// Highest number of load frames that came without a gap.
    pub seen: u64,
    /// Moment of the last Horizon.
    pub horizon: u64,
    /// SHA-256 of the catalog, if the peer has one.
    pub catalog_hash: Option<[u8; 32]>,
}
