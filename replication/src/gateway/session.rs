//! How a session stands, and what becomes of it: the table of protocol.md, "A session", as one function. How far it is with
//! binding is the replicant's to know; to the gateway `session`, `binding` and `in play` are one, *live*.

use entitygraph_schema::wire::control::message::Code;

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The hub knows nothing of it: it has not begun, or another start of the hub had it.
    Unknown,
    /// It has a connection.
    Live,
    /// Its connection is lost; what is bound is kept.
    Detached,
    /// It has ended, and is known only to be refused.
    Gone,
}

/// What happens to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A good login.
    Login,
    /// A connection brings a good resume token.
    Resume,
    /// Its connection is lost, or was closed with a code after which a client may resume.
    Lost,
    /// `Goodbye`, or its connection was closed with a code after which it may not.
    Left,
    /// Its player logged in anew.
    Supplanted,
    /// `resume_ms` passed, or the login ended.
    Expired,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing: what was late.
    Nothing,
    /// `Welcome`; nothing is bound.
    Begin,
    /// `Welcome(resumed)`; then what is missing.
    GoOn,
    /// The same, and the connection that it had is closed (`SESSION_REPLACED`).
    Replace,
    /// The bound set is kept; what a server owned is orphaned.
    Keep,
    /// Memory is given back.
    Forget,
    /// The same, and the connection that it had is closed (`SESSION_REPLACED`).
    End,
    /// The new connection is closed (`SESSION_GONE`).
    Refuse,
}

/// What becomes of a session, and what is to be done.
pub const fn after(state: State, event: Event) -> (State, Act) {
    match (state, event) {
        (State::Unknown, Event::Login | Event::Resume) => (State::Live, Act::Begin),
        (State::Live, Event::Resume) => (State::Live, Act::Replace),
        (State::Live, Event::Lost) => (State::Detached, Act::Keep),
        (State::Live, Event::Left) => (State::Gone, Act::Forget),
        (State::Live, Event::Supplanted) => (State::Gone, Act::End),
        (State::Detached, Event::Resume) => (State::Live, Act::GoOn),
        (State::Detached, Event::Left | Event::Supplanted | Event::Expired) => (State::Gone, Act::Forget),
        (State::Gone, Event::Resume) => (State::Gone, Act::Refuse),
        // A login begins a session of a new number; the gateway itself closes a live one whose login ends; a connection that was
        // replaced ends later.
        (state, _) => (state, Act::Nothing),
    }
}

/// What the close of its connection with this code is to a session.
pub const fn closed(code: Code) -> Event {
    match code {
        Code::Unauthenticated | Code::Forbidden | Code::SessionReplaced | Code::SessionGone => Event::Left,
        _ => Event::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_event() {
        use {Act::*, Event::*, State::*};
        let events = [Login, Resume, Lost, Left, Supplanted, Expired];
        let table = [
            (
                Unknown,
                [
                    (Live, Begin),
                    (Live, Begin),
                    (Unknown, Nothing),
                    (Unknown, Nothing),
                    (Unknown, Nothing),
                    (Unknown, Nothing),
                ],
            ),
            (
                Live,
                [
                    (Live, Nothing),
                    (Live, Replace),
                    (Detached, Keep),
                    (Gone, Forget),
                    (Gone, End),
                    (Live, Nothing),
                ],
            ),
            (
                Detached,
                [
                    (Detached, Nothing),
                    (Live, GoOn),
                    (Detached, Nothing),
                    (Gone, Forget),
                    (Gone, Forget),
                    (Gone, Forget),
                ],
            ),
            (
                Gone,
                [
                    (Gone, Nothing),
                    (Gone, Refuse),
                    (Gone, Nothing),
                    (Gone, Nothing),
                    (Gone, Nothing),
                    (Gone, Nothing),
                ],
            ),
        ];
        for (state, row) in table {
            for (event, next) in events.into_iter().zip(row) {
                assert_eq!(after(state, event), next, "{state:?}, {event:?}");
            }
        }
    }

    #[test]
    fn a_close_ends_the_session_only_where_nobody_may_resume() {
        let left: Vec<Code> = (1..15)
            .filter_map(|number| Code::try_from(number).ok())
            .filter(|code| closed(*code) == Event::Left)
            .collect();
        assert_eq!(left, [Code::Unauthenticated, Code::Forbidden, Code::SessionReplaced, Code::SessionGone]);
    }
}
