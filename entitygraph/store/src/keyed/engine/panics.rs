//! Engines panic on some damage that they meet; a server must not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::EngineError;

/// Runs a call into an engine and turns a panic into the error that `corrupt` makes of its message.
///
/// The engines' locks are released by unwinding, and after a panic in a write the adaptor stops writing, so
/// that no state that a panic left half done is built upon.
pub(super) fn caught<T>(
    call: impl FnOnce() -> Result<T, EngineError>,
    corrupt: impl FnOnce(String) -> EngineError,
) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(corrupt(format!("the engine panicked ({})", text.as_deref().unwrap_or("no message"))))
    })
}
