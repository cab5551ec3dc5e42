//! Inputs (protocol.md, "Input, kind 44; Inputs, kind 45; Applied, kind 46"): what a player's hands do now. A newer one
//! replaces it.

use super::{
    Handle, Kind,
    frame::Open,
    list::{Item, List, put_list},
};
use crate::codec::{CodecError, Fault, Input, put_bytes, put_number};

/// Most bytes of the content of an input.
pub const CONTENT_BYTES_MAX: usize = 256;

/// What a player wants now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayerInput<'a> {
    /// The player's character.
    pub character: Handle,
    /// The sender's, ascending.
    pub number: u64,
    /// The game's, at most [`CONTENT_BYTES_MAX`].
    pub content: &'a [u8],
}

impl<'a> PlayerInput<'a> {
    /// Appends an Input frame.
    pub fn put_frame(&self, out: &mut Vec<u8>) {
        let Self { character, number, content } = self;
        debug_assert!(content.len() <= CONTENT_BYTES_MAX, "a content of {} bytes", content.len());
        let open = Open::begin(Kind::Input, out);
        put_number(character.get().into(), out);
        put_number(*number, out);
        out.extend_from_slice(content);
        open.end(out);
    }

    /// Reads the body of an Input frame.
    ///
    /// # Errors
    /// Where and why the bytes are none.
    pub fn read(body: &'a [u8]) -> Result<Self, CodecError> {
        let mut input = Input::new("Input", body);
        let (character, number) = (input.handle()?, input.number()?);
        let (start, left) = (input.offset(), input.left());
        if left > CONTENT_BYTES_MAX {
            let what = "length of an input's content";
            return Err(input.error(start, Fault::Range { what, number: left as u64 }));
        }
        Ok(Self { character, number, content: input.take(left)? })
    }
}

impl<'a> Item<'a> for PlayerInput<'a> {
    const BYTES_MIN: usize = 3;

    fn put(&self, out: &mut Vec<u8>) {
        let Self { character, number, content } = self;
        debug_assert!(content.len() <= CONTENT_BYTES_MAX, "a content of {} bytes", content.len());
        put_number(character.get().into(), out);
        put_number(*number, out);
        put_bytes(content, out);
    }

    fn take(input: &mut Input<'a>) -> Result<Self, CodecError> {
        Ok(Self {
            character: input.handle()?,
            number: input.number()?,
            content: input.bytes_up_to("length of an input's content", CONTENT_BYTES_MAX)?,
        })
    }
}

/// Appends an Inputs frame: the newest input of each character.
pub fn put_inputs(inputs: &[PlayerInput<'_>], out: &mut Vec<u8>) {
    let open = Open::begin(Kind::Inputs, out);
    put_list(inputs, out);
    open.end(out);
}

/// Reads the body of an Inputs frame.
///
/// # Errors
/// Where and why the bytes are none.
pub fn read_inputs(body: &[u8]) -> Result<List<'_, PlayerInput<'_>>, CodecError> {
    let mut input = Input::new("Inputs", body);
    let inputs = List::take(&mut input)?;
    input.end()?;
    Ok(inputs)
}

/// Which input the newest state contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Lower 16 bits of the moment of the state; see [`super::moment::nearest`].
    pub moment: u16,
    /// The highest input that the state of this moment contains.
    pub number: u64,
}

impl Applied {
    /// Appends an Applied frame.
    pub fn put_frame(&self, out: &mut Vec<u8>) {
        let open = Open::begin(Kind::Applied, out);
        out.extend_from_slice(&self.moment.to_le_bytes());
        put_number(self.number, out);
        open.end(out);
    }

    /// Reads the body of an Applied frame.
    ///
    /// # Errors
    /// Where and why the bytes are none.
    pub fn read(body: &[u8]) -> Result<Self, CodecError> {
        let mut input = Input::new("Applied", body);
        let applied = Self { moment: input.u16()?, number: input.number()? };
        input.end()?;
        Ok(applied)
    }
}
