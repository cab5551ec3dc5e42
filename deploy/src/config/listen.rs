//! The address to listen on, which may be a name.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// An address of this machine and a port; loopback only. A name is looked up once, so that what was checked is what is bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listen {
    text: String,
    addresses: Vec<SocketAddr>,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not the form of an address.
    #[error("it must be ADDRESS:PORT, such as 127.0.0.1:4000, [::1]:4000 or localhost:4000")]
    Form,
    /// A port that is none.
    #[error("`{0}` is no port: it must be a number from 0 to 65535, such as 4000 (0 is any that is free)")]
    Port(String),
    /// A name that means nothing here.
    #[error("the name has no address on this machine: use 127.0.0.1, [::1] or localhost")]
    Unknown,
    /// An address that others reach.
    #[error(
        "{0} is reached from other machines, and only loopback addresses (127.0.0.1, [::1], localhost) are allowed while there \
         is no authentication: put a proxy that authenticates in front"
    )]
    NotLoopback(std::net::IpAddr),
}

impl Listen {
    /// What to bind: the first that can be. IPv4 comes first, which more programs try.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Default for Listen {
    fn default() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 4000));
        Self { text: address.to_string(), addresses: vec![address] }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let (name, port) = text.rsplit_once(':').ok_or(ListenError::Form)?;
        if name.is_empty() || port.is_empty() || name.contains("//") {
            return Err(ListenError::Form);
        }
        if port.parse::<u16>().is_err() {
            return Err(ListenError::Port(port.to_owned()));
        }
        let mut addresses: Vec<_> = text.to_socket_addrs().map_err(|_| ListenError::Unknown)?.collect();
        if let Some(other) = addresses.iter().find(|address| !address.ip().is_loopback()) {
            return Err(ListenError::NotLoopback(other.ip()));
        }
        addresses.sort();
        if addresses.is_empty() {
            Err(ListenError::Unknown)
        } else {
            Ok(Self { text: text.to_owned(), addresses })
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.text
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_the_loopback_are_taken() {
        for text in ["127.0.0.1:4000", "[::1]:0", "127.8.9.10:80", "localhost:4000"] {
            let listen: Listen = text.parse().unwrap();
            assert!(listen.addresses().iter().all(|address| address.ip().is_loopback()), "{listen:?}");
            assert_eq!(listen.to_string(), text);
        }
    }

    #[test]
    fn all_others_are_refused_with_what_to_write() {
        for (text, reason) in [
            ("0.0.0.0:4000", "0.0.0.0 is reached from other machines"),
            ("[::]:4000", "only loopback"),
            ("192.168.1.2:4000", "only loopback"),
            ("localhost", "ADDRESS:PORT"),
            (":4000", "ADDRESS:PORT"),
            ("localhost:", "ADDRESS:PORT"),
            ("localhost:many", "`many` is no port"),
            ("127.0.0.1:99999", "`99999` is no port: it must be a number from 0 to 65535"),
            ("http://localhost:4000", "ADDRESS:PORT"),
            ("no such name:4000", "has no address"),
        ] {
            let error = text.parse::<Listen>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
