//! Resume tokens (protocol.md, "A session"): opaque to a peer, and to be judged by any gateway that has the shard's key.

use std::fmt;

use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use entitygraph_schema::wire::{Role, control::TEXT_BYTES_MAX};

/// Fewest bytes of the shard's key.
pub const KEY_BYTES_MIN: usize = 32;

/// Layout of what is signed; another one gets another number.
const LAYOUT: u8 = 1;

/// Bytes of the numbers before the subject.
const NUMBERS_BYTES: usize = 2 + 4 * 8;

const MAC_BYTES: usize = 32;

/// The key of a shard that its resume tokens are signed with. Never printed.
#[derive(Clone)]
pub struct ShardKey(hmac::Key);

impl fmt::Debug for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShardKey")
    }
}

/// No key of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShardKeyError {
    /// A key that can be guessed.
    #[error("the key of the shard has {0} bytes, it must have at least {KEY_BYTES_MIN}")]
    Short(usize),
    /// The system gives none.
    #[error("the system gives no random numbers for the key of the shard")]
    NoRandom,
}

impl ShardKey {
    /// The key of the configuration, which all gateways of the shard have.
    ///
    /// # Errors
    /// A key that is too short.
    pub fn new(bytes: &[u8]) -> Result<Self, ShardKeyError> {
        if bytes.len() < KEY_BYTES_MIN {
            return Err(ShardKeyError::Short(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// A key of this process alone: its tokens are no good after it.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Self, ShardKeyError> {
        let mut bytes = [0; KEY_BYTES_MIN];
        SystemRandom::new().fill(&mut bytes).map_err(|_| ShardKeyError::NoRandom)?;
        Self::new(&bytes)
    }
}

/// What a resume token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which session.
    pub session: u64,
    /// Counts up with each token of the session.
    pub generation: u64,
    /// Account or server.
    pub subject: String,
    /// What it may do.
    pub role: Role,
    /// When the token runs out, in microseconds of the shard clock.
    pub expires_us: u64,
    /// When the login ends, in microseconds of the shard clock; `None` is never.
    pub until_us: Option<u64>,
}

impl Token {
    /// The bytes that a peer gets.
    pub fn signed(&self, key: &ShardKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(NUMBERS_BYTES + self.subject.len() + MAC_BYTES);
        bytes.extend_from_slice(&[LAYOUT, role_number(self.role)]);
        for number in [self.session, self.generation, self.expires_us, self.until_us.unwrap_or(u64::MAX)] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(self.subject.as_bytes());
        let mac = hmac::sign(&key.0, &bytes);
        bytes.extend_from_slice(mac.as_ref());
        bytes
    }

    /// Reads a token that this key signed; whether it has run out is not judged here.
    pub fn read(bytes: &[u8], key: &ShardKey) -> Option<Self> {
        let (said, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        // In constant time, and before anything of it is looked at.
        hmac::verify(&key.0, said, mac).ok()?;
        let (&[layout, role], rest) = said.split_first_chunk()?;
        let (session, rest) = number(rest)?;
        let (generation, rest) = number(rest)?;
        let (expires_us, rest) = number(rest)?;
        let (until_us, subject) = number(rest)?;
        let subject = std::str::from_utf8(subject).ok()?;
        if layout != LAYOUT || subject.is_empty() || subject.len() > TEXT_BYTES_MAX {
            return None;
        }
        Some(Self {
            session,
            generation,
            subject: subject.to_owned(),
            role: [Role::Server, Role::Player, Role::Viewer]
                .into_iter()
                .find(|of| role_number(*of) == role)?,
            expires_us,
            until_us: Some(until_us).filter(|us| *us != u64::MAX),
        })
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

const fn role_number(role: Role) -> u8 {
    match role {
        Role::Server => 1,
        Role::Player => 2,
        Role::Viewer => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> Token {
        Token {
            session: 1 << 40 | 7,
            generation: 3,
            subject: "ada".into(),
            role: Role::Viewer,
            expires_us: 99,
            until_us: None,
        }
    }

    fn key(byte: u8) -> ShardKey {
        ShardKey::new(&[byte; KEY_BYTES_MIN]).unwrap()
    }

    #[test]
    fn what_was_signed_is_read_again_by_whoever_has_the_key() {
        for until_us in [None, Some(5)] {
            let token = Token { until_us, ..token() };
            assert_eq!(Token::read(&token.signed(&key(1)), &key(1)), Some(token.clone()));
            assert_eq!(Token::read(&token.signed(&key(1)), &key(2)), None);
        }
    }

    #[test]
    fn a_token_with_any_bit_changed_or_any_byte_less_is_none() {
        let signed = token().signed(&key(1));
        for at in 0..signed.len() * 8 {
            let mut bytes = signed.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            assert_eq!(Token::read(&bytes, &key(1)), None, "bit {at}");
        }
        for end in 0..signed.len() {
            assert_eq!(Token::read(&signed[..end], &key(1)), None, "{end} bytes");
        }
    }

    #[test]
    fn a_key_is_long_and_never_shown() {
        assert_eq!(ShardKey::new(&[7; 31]).unwrap_err(), ShardKeyError::Short(31));
        assert_eq!(format!("{:?}", key(7)), "ShardKey");
        let (one, other) = (ShardKey::random().unwrap(), ShardKey::random().unwrap());
        assert_eq!(Token::read(&token().signed(&one), &other), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_token(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Token::read(&bytes, &key(1)), None);
        }
    }
}
