//! Where a Neo4j store is: `bolt://user:password@host:port/database`.

use std::fmt;

use neo4rs::{Config, ConfigBuilder};

use super::options::Neo4jOptions;
use crate::{
    error::{Error, Result},
    keyed::engine::EngineKind,
};

/// The parts of a store's URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    scheme: String,
    user: String,
    password: String,
    /// Host and port.
    host: String,
    database: Option<String>,
}

/// Rows asked for at once. Answers are one row with lists in it; the driver sets memory aside for as many rows as this.
const FETCH_ROWS: usize = 64;

/// Schemes that name a Neo4j server; those with routing find the leader of a cluster by themselves.
const SCHEMES: [&str; 6] = ["bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc"];

impl Address {
    /// Whether the URL is one of a Neo4j server.
    pub fn is_one(url: &str) -> bool {
        url.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
    }

    /// Reads a URL. A user without a password, an empty host, a port that is none and a path of several parts are refused; the message
    /// never has the password.
    pub fn parse(url: &str) -> Result<Self> {
        let unknown = || Error::UnknownStore { url: hidden(url) };
        let (scheme, rest) = url.split_once("://").ok_or_else(unknown)?;
        if !SCHEMES.contains(&scheme) {
            return Err(unknown());
        }
        // A password may have an `@` or a slash of its own; what is behind the account has no `@`.
        let (account, place) = match rest.rsplit_once('@') {
            Some((account, place)) => (Some(account), place),
            None => (None, rest),
        };
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        let (user, password) = match account {
            Some(account) => account.split_once(':').ok_or_else(unknown)?,
            None => ("", ""),
        };
        if host.is_empty() || !has_good_port(host) || path.contains(['/', '?', '#']) {
            return Err(unknown());
        }
        let (user, password) = (decoded(user).ok_or_else(unknown)?, decoded(password).ok_or_else(unknown)?);
        let database = (!path.is_empty()).then(|| path.to_owned());
        Ok(Self { scheme: scheme.to_owned(), user, password, host: host.to_owned(), database })
    }

    /// The database asked for; none is the server's default.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Whether the driver asks a cluster who its leader is.
    pub fn is_routed(&self) -> bool {
        self.scheme.starts_with("neo4j")
    }

    /// The port of the server; none where the driver asks a cluster, whose members may have any.
    pub fn port(&self) -> Option<u16> {
        const DEFAULT: u16 = 7687;
        let named = self.host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let port = named.map_or(Some(DEFAULT), |(_, port)| port.parse().ok());
        port.filter(|_| !self.is_routed())
    }

    /// Settings of the driver. Where the URL has no account, `NEO4J_USERNAME` and `NEO4J_PASSWORD` of the options are taken.
    pub fn config(&self, options: &Neo4jOptions) -> neo4rs::Result<Config> {
        let (user, password) = if self.user.is_empty() {
            (options.user.clone(), options.password.0.clone())
        } else {
            (self.user.clone(), self.password.clone())
        };
        let mut config = ConfigBuilder::default()
            .uri(format!("{}://{}", self.scheme, self.host))
            .user(user)
            .password(password)
            .fetch_size(FETCH_ROWS)
            .max_connections(options.connections)
            .connection_timeout(options.answer_timeout);
        if let Some(database) = &self.database {
            config = config.db(database.as_str());
        }
        config.build()
    }
}

/// Without the account.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.database.iter().try_for_each(|database| write!(f, "/{database}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// The URL without what stands before an `@`, whatever the scheme: a mistyped one has an account all the same. Only the folders of
/// the embedded stores have no account.
pub fn hidden(url: &str) -> String {
    let (Some((scheme, _)), Some((_, host))) = (url.split_once(':'), url.rsplit_once('@')) else {
        return url.to_owned();
    };
    if !url.contains("://") && scheme.parse::<EngineKind>().is_ok() {
        return url.to_owned();
    }
    let slashes = if url.contains("://") { "//" } else { "" };
    format!("{scheme}:{slashes}...@{host}")
}

/// Whether what is behind the host's last colon is a port. The colons of an IPv6 address are in brackets.
fn has_good_port(host: &str) -> bool {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => !name.is_empty() && port.parse::<u16>().is_ok(),
        _ => true,
    }
}

/// Undoes percent-encoding, which passwords with a `%` need; none if it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = rest.split_first_chunk::<2>()?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_account_host_and_database() {
        let address = Address::parse("neo4j+s://ada:p%40ss@db.example:7687/shard-1").unwrap();
        assert_eq!((address.user.as_str(), address.password.as_str()), ("ada", "p@ss"));
        assert_eq!((address.host.as_str(), address.database()), ("db.example:7687", Some("shard-1")));
        assert_eq!(address.to_string(), "neo4j+s://db.example:7687/shard-1");
        let port = |url| Address::parse(url).unwrap().port();
        assert_eq!((port("bolt://[::1]"), port("bolt+s://db:7690/x")), (Some(7687), Some(7690)));
        assert_eq!(port("neo4j://db:7690"), None);
        assert_eq!(Address::parse("bolt://localhost").unwrap().to_string(), "bolt://localhost");
        let address = Address::parse("bolt://ada:S3/cr@t:1@[::1]:7687").unwrap();
        assert_eq!(
            (address.password.as_str(), address.to_string().as_str()),
            ("S3/cr@t:1", "bolt://[::1]:7687")
        );
    }

    #[test]
    fn no_message_shows_the_password() {
        let address = Address::parse("bolt://ada:secret@localhost/x").unwrap();
        assert!(!format!("{address} {address:?}").contains("secret"));
        for url in [
            "bolt://ada:secret@",
            "bolt://secret@localhost",
            "bolt://ada:sec%ret@localhost",
            "bolt://a:secret@b/c/d",
            "bolt://a:secret@b:port",
            "bolt://a:secret@:7687",
            "bolt://a/secret@b",
            "bolt+tls://ada:secret@db",
            "blot://ada:secret@db/x",
            "bolt:ada:secret@db",
            "bolt:/ada:secret@db",
            "://ada:secret@db",
        ] {
            for error in [Address::parse(url).unwrap_err(), crate::check_url(url).unwrap_err()] {
                let told = error.to_string();
                assert!(told.contains("names no store") && !told.contains("secret"), "{told}");
            }
            assert!(!crate::shown_url(url).contains("secret"), "{url}");
        }
        assert_eq!(crate::shown_url("bolt+tls://ada:secret@db/x"), "bolt+tls://...@db/x");
        assert_eq!(crate::shown_url("fjall:worlds/me@home"), "fjall:worlds/me@home");
    }
}
