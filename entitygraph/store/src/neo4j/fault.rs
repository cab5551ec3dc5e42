//! From faults of the driver and the server to faults of a store, with the place in the message.

use neo4rs::{Neo4jClientErrorKind as Client, Neo4jErrorKind as Kind, Neo4jSecurityErrorKind as Security};

use super::address::Address;
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

/// What a failure means for the caller.
pub fn fault(address: &Address, operation: &'static str, outcome: Outcome, error: neo4rs::Error) -> Error {
    let location = address.to_string();
    match &error {
        neo4rs::Error::AuthenticationError(said) => return Error::Denied { location, said: said.clone() },
        neo4rs::Error::Neo4j(said) => match said.kind() {
            Kind::Client(Client::Security(Security::Authentication | Security::Forbidden)) => {
                return Error::Denied { location, said: said.message().to_owned() };
            }
            Kind::Client(Client::FatalDiscovery) => {
                let database = address.database().unwrap_or("the default").to_owned();
                return Error::NoDatabase { location, database };
            }
            _ => {}
        },
        neo4rs::Error::IOError { .. }
        | neo4rs::Error::ConnectionError
        | neo4rs::Error::ConnectionTimedOut
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
