//! What a JWT says of its bearer: who it is, in which role, on which shard, until when (protocol.md, "A session").

use std::fmt;

use entitygraph_schema::wire::{Role, control::TEXT_BYTES_MAX};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

/// Fewest bytes of a secret: as many as SHA-256 gives (RFC 7518, 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// Somebody whose login was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Account or server.
    pub subject: String,
    /// What it may do.
    pub role: Role,
    /// When the login ends, in microseconds since 1970; never without keys.
    pub until_us: Option<u64>,
}

/// A key that signatures of tokens are judged by. What is secret of it is never printed.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A key that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An algorithm that is not taken.
    #[error(
        "`{0}` is not taken as algorithm of tokens: HS256, HS384, HS512, RS256, RS384, RS512, ES256 or ES384 are"
    )]
    Algorithm(String),
    /// A secret that can be guessed.
    #[error("the secret for {algorithm} has {bytes} bytes, it must have at least {SECRET_BYTES_MIN}")]
    Short {
        /// Of what.
        algorithm: String,
        /// How many it has.
        bytes: usize,
    },
    /// A public key that is not to be read.
    #[error("the key for {algorithm} is no public key in PEM")]
    Pem {
        /// Of what.
        algorithm: String,
    },
}

impl Key {
    /// A key of an algorithm by its name in RFC 7518: for HS the secret itself, for RS and ES the public key in PEM.
    ///
    /// # Errors
    /// What is wrong with the algorithm or the key; the key is not shown.
    pub fn new(algorithm: &str, key: &[u8]) -> Result<Self, KeyError> {
        let unknown = || KeyError::Algorithm(algorithm.chars().take(32).collect());
        let named: Algorithm = algorithm.parse().map_err(|_| unknown())?;
        let pem = |_| KeyError::Pem { algorithm: algorithm.into() };
        let key = match named {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                if key.len() < SECRET_BYTES_MIN {
                    return Err(KeyError::Short { algorithm: algorithm.into(), bytes: key.len() });
                }
                DecodingKey::from_secret(key).map_err(|_| unknown())?
            }
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => {
                DecodingKey::from_rsa_pem(key).map_err(pem)?
            }
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(key).map_err(pem)?,
            _ => return Err(unknown()),
        };
        Ok(Self { algorithm: named, key })
    }
}

/// Why a token is not taken. Says nothing of what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts with a header.
    #[error("the token is no JWT")]
    Form,
    /// Of an algorithm that no key has: `none`, most of all.
    #[error("no key is configured for the algorithm of the token")]
    Algorithm,
    /// No key made it, or its claims are not those of a login.
    #[error(
        "the token is not signed by a key of this hub, or lacks one of the claims sub, role, exp, shard: get a new one"
    )]
    Refused,
    /// Of another shard.
    #[error("the token is for another shard")]
    Shard,
    /// Too old, or not good yet.
    #[error("the token has run out, or is not good yet: get a new one")]
    Time,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: RoleName,
    /// Seconds since 1970.
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    shard: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleName {
    Server,
    Player,
    Viewer,
}

/// Seconds of a claim as microseconds: what is negative, too large or no number is as far away as can be.
fn us(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

/// Judges a token at a time in microseconds since 1970. The algorithm of its header must be that of a key; other claims than
/// `sub`, `role`, `exp`, `nbf` and `shard` are not looked at.
///
/// # Errors
/// Why it is not taken.
pub fn judged(token: &str, keys: &[Key], shard: u64, now_us: u64) -> Result<Bearer, JwtError> {
    let algorithm = decode_header(token).map_err(|_| JwtError::Form)?.alg;
    let mut validation = Validation::new(algorithm);
    // The time is that of the shard, and is compared below: a role reads no clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let mut refused = JwtError::Algorithm;
    for key in keys.iter().filter(|key| key.algorithm == algorithm) {
        refused = JwtError::Refused;
        let Ok(data) = decode::<Claims>(token, &key.key, &validation) else { continue };
        let Claims { sub, role, exp, nbf, shard: of_shard } = data.claims;
        if of_shard != shard {
            return Err(JwtError::Shard);
        }
        if us(exp) <= now_us || nbf.is_some_and(|nbf| us(nbf) > now_us) {
            return Err(JwtError::Time);
        }
        if sub.is_empty() || sub.len() > TEXT_BYTES_MAX {
            return Err(JwtError::Refused);
        }
        let role = match role {
            RoleName::Server => Role::Server,
            RoleName::Player => Role::Player,
            RoleName::Viewer => Role::Viewer,
        };
        return Ok(Bearer { subject: sub, role, until_us: Some(us(exp)) });
    }
    Err(refused)
}

#[cfg(test)]
mod tests;
