//! From faults of the driver and the server to faults of a store, with the place in the message.

use neo4rs::{Neo4jClientErrorKind as Client, Neo4jErrorKind as Kind, Neo4jSecurityErrorKind as Security};

use super::{address::Address, statements as cypher};
use crate::error::{Error, Outcome};

/// Whether the same request may succeed in a moment without anybody changing anything: the server says so, or the connection broke
/// or cannot be made.
pub fn is_transient(error: &neo4rs::Error) -> bool {
    match error {
        neo4rs::Error::Neo4j(error) => {
            let full = error.code().starts_with("Neo.TransientError.General.OutOfMemory")
                || error.code().starts_with("Neo.TransientError.General.MemoryPool");
            !full
                && matches!(
                    error.kind(),
                    Kind::Transient
                        | Kind::Client(
                            Client::SessionExpired | Client::Security(Security::AuthorizationExpired)
                        )
                )
        }
        neo4rs::Error::IOError { .. }
        | neo4rs::Error::ConnectionError
        | neo4rs::Error::ConnectionClosed(_)
        | neo4rs::Error::ConnectionTimedOut
        | neo4rs::Error::IncompleteBoltExchange
        | neo4rs::Error::RequestIgnoredError
        | neo4rs::Error::Ignored(_)
        | neo4rs::Error::RoutingTableRefreshFailed(_)
        | neo4rs::Error::ServerUnavailableError(_) => true,
        _ => false,
    }
}

/// Whether a failed commit means that nobody knows what became of it: everything but a plain answer of the server, and an answer
/// that it failed itself, which it may have done after the commit was in its log.
pub fn is_uncertain(error: &neo4rs::Error) -> bool {
    match error {
        neo4rs::Error::Neo4j(said) => said.code().starts_with("Neo.DatabaseError"),
        _ => true,
    }
}

/// Whether a value was written that a constraint allows once.
pub fn is_taken(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    matches!(source, Some(neo4rs::Error::Neo4j(said)) if said.code() == "Neo.ClientError.Schema.ConstraintValidationFailed")
}

/// What a failure means for the caller. `answers_others`: whether the server answered anything while this was asked.
pub fn fault(
    address: &Address,
    operation: &'static str,
    outcome: Outcome,
    answers_others: bool,
    error: neo4rs::Error,
) -> Error {
    let location = address.to_string();
    match &error {
        neo4rs::Error::AuthenticationError(said) => {
            return Error::Denied { location, said: said.clone(), advice: advice(said) };
        }
        neo4rs::Error::Neo4j(said) => match said.kind() {
            Kind::Client(Client::Security(kind)) if kind != Security::AuthorizationExpired => {
                let advice = if kind == Security::Forbidden { GRANT } else { advice(said.message()) };
                return Error::Denied { location, said: said.message().to_owned(), advice };
            }
            Kind::Client(Client::FatalDiscovery) => {
                let database = address.database().unwrap_or("the default").to_owned();
                return Error::NoDatabase { location, database };
            }
            _ if is_halt(said.code(), said.message()) => {
                return Error::Halted { location, reason: String::new(), outcome };
            }
            kind if is_too_long(said.code()) || kind == ENDED && waits_for_lock(operation) => {
                let waited = waits_for_lock(operation) || LOCK_WAITS.contains(&said.code());
                return Error::TooLong { location, operation, waited, source: error.into() };
            }
            kind @ Kind::Client(_) if !is_transient(&error) && kind != ENDED => {
                return Error::Rejected { location, operation, source: error.into() };
            }
            _ => {}
        },
        neo4rs::Error::ConnectionTimedOut if outcome == Outcome::NotApplied => {
            return Error::Silent { location, operation, answers_others, source: error.into() };
        }
        neo4rs::Error::IOError { .. }
        | neo4rs::Error::ConnectionError
        | neo4rs::Error::ProtocolMismatch(_)
        | neo4rs::Error::UnsupportedVersion(..)
        | neo4rs::Error::ServerUnavailableError(_)
        | neo4rs::Error::RoutingTableRefreshFailed(_)
            if outcome == Outcome::NotApplied =>
        {
            return Error::Unreachable { location, source: error.into() };
        }
        _ => {}
    }
    Error::Backend { operation, location, outcome, source: error.into() }
}

const GRANT: &str =
    "give one who may read and write the database, make constraints and indexes, and run procedures";

/// A transaction was ended for another reason than what it did, such as that the server is being stopped.
const ENDED: Kind = Kind::Client(Client::TransactionTerminated);

/// What a server says of a transaction that it ended while it waited for a lock, under whichever limit.
const LOCK_WAITS: [&str; 2] = [
    "Neo.TransientError.Transaction.LockAcquisitionTimeout",
    "Neo.ClientError.Transaction.LockClientStopped",
];

/// What to do about a refused user. Where a connection is refused from the beginning the driver tells the server's words only.
fn advice(said: &str) -> &'static str {
    if said.contains("must be changed") {
        "a new server wants its first password changed: `ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO '...'` in its database \
         `system` (cypher-shell -d system), then give the new one"
    } else if said.contains("too many times") {
        "wait some seconds (dbms.security.auth_lock_time of the server, 5 by default), then give the right ones in the URL \
         (bolt://USER:PASSWORD@HOST) or in the settings store.neo4j.user and store.neo4j.password"
    } else {
        "give the right ones in the URL (bolt://USER:PASSWORD@HOST) or in the settings store.neo4j.user and store.neo4j.password"
    }
}

/// Whether the database stopped by itself and answers nothing until it is restarted.
fn is_halt(code: &str, message: &str) -> bool {
    code == "Neo.DatabaseError.Transaction.TransactionLogError"
        || code.starts_with("Neo.DatabaseError.") && message.contains("needs to be restarted")
}

/// Whether a transaction lived longer than it may.
fn is_too_long(code: &str) -> bool {
    code.starts_with("Neo.ClientError.Transaction.TransactionTimedOut") || LOCK_WAITS.contains(&code)
}

/// Whether most of the time of an operation is that of waiting for the shard's lock, where the server does not say so.
fn waits_for_lock(operation: &str) -> bool {
    [cypher::LOCK.doing, cypher::HOLD.doing, cypher::FATE.doing].contains(&operation)
}
