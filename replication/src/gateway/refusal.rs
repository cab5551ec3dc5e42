//! Why a connection is closed, as it is told: the last frame, and the code of the close (protocol.md, "Refusals").

use bytes::Bytes;
use entitygraph_schema::wire::{
    VERSION,
    control::{
        self,
        message::{self, Code},
    },
};

/// Milliseconds after which it is worth to try again where there was no room.
const BUSY_MS: u32 = 1_000;

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The code that stays.
    pub code: Code,
    /// For people: what, and what to do.
    pub reason: String,
    /// When it is worth to try again; 0 is not.
    pub retry_after_ms: u32,
}

impl Refusal {
    /// With the time that `BUSY` has; for all others it is not worth to try again.
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        let retry_after_ms = if code == Code::Busy { BUSY_MS } else { 0 };
        Self { code, reason: reason.into(), retry_after_ms }
    }

    /// The last frame before the close.
    pub fn frame(&self) -> Bytes {
        let Self { code, retry_after_ms, .. } = *self;
        let mut reason = self.reason.clone();
        reason.truncate(reason.floor_char_boundary(control::TEXT_BYTES_MAX));
        let (version_min, version_max) = if code == Code::Version { (VERSION, VERSION) } else { (0, 0) };
        super::frame(&message::Refused {
            code: code.into(),
            reason,
            retry_after_ms,
            version_min,
            version_max,
        })
    }
}
