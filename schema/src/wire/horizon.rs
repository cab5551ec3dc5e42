//! Horizons (protocol.md, "Horizon", kind 43): up to which moment nothing is missing.

use super::{Kind, frame::Open};
use crate::codec::{CodecError, Input, put_number};

/// Appends the frame; the moment is whole, in sixteenths of a tick.
pub fn put(moment: u64, out: &mut Vec<u8>) {
    let open = Open::begin(Kind::Horizon, out);
    put_number(moment, out);
    open.end(out);
}

/// Reads the body.
///
/// # Errors
/// Where and why the bytes are not a horizon.
pub fn read(body: &[u8]) -> Result<u64, CodecError> {
    let mut input = Input::new("Horizon", body);
    let moment = input.number()?;
    input.end()?;
    Ok(moment)
}
