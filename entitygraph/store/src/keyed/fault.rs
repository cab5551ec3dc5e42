//! From faults of an engine to faults of a store, with the place in the message.

use entitygraph_schema::codec::{self, CodecError, Form};

use super::engine::EngineError;
use crate::error::{Error, Outcome, Result};

/// Where a store is, for messages.
#[derive(Debug, Clone)]
pub struct Place {
    /// As the operator named it.
    pub location: String,
}

impl Place {
    /// What an engine's failure means for the caller.
    pub fn fault(&self, operation: &'static str, error: EngineError) -> Error {
        let location = self.location.clone();
        let outcome = if error.may_have_been_applied() { Outcome::Unknown } else { Outcome::NotApplied };
        match error {
            EngineError::Busy { .. } => Error::InUse { location },
            EngineError::Foreign { found, .. } => Error::Foreign { location, found },
            EngineError::OtherEngine { found, .. } => {
                Error::Foreign { location, found: format!("a store of {found}") }
            }
            EngineError::Corrupt { what, source, .. } => {
                let what = source.map_or_else(|| what.clone(), |source| format!("{what}: {source}"));
                Error::Corrupt { location, what, outcome }
            }
            EngineError::Full { free_mib, reserve_mib, .. } => {
                Error::Full { location, free_mib, reserve_mib }
            }
            error => Error::Backend { operation, location, outcome, source: error.into() },
        }
    }

    /// The failure of a read, which applies nothing.
    pub fn read_fault(&self, error: EngineError) -> Error {
        let mut fault = self.fault("reading", error);
        if let Error::Backend { outcome, .. } | Error::Corrupt { outcome, .. } = &mut fault {
            *outcome = Outcome::NotApplied;
        }
        fault
    }

    /// Rows that do not fit together.
    pub fn corrupt(&self, what: impl Into<String>) -> Error {
        Error::Corrupt { location: self.location.clone(), what: what.into(), outcome: Outcome::NotApplied }
    }

    /// Decodes a stored record.
    pub fn decode<T: Form>(&self, what: impl std::fmt::Display, bytes: &[u8]) -> Result<T> {
        codec::decode(bytes)
            .map_err(|error: CodecError| self.corrupt(format!("{what} does not decode: {error}")))
    }

    /// Reads a stored number.
    pub fn number(&self, what: &str, bytes: &[u8]) -> Result<u64> {
        let bytes =
            bytes.try_into().map_err(|_| self.corrupt(format!("{what} has {} bytes, not 8", bytes.len())))?;
        Ok(u64::from_be_bytes(bytes))
    }
}
