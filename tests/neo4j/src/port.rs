//! Ports for servers.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// A port that nobody listens on, outside the range that the kernel takes for connections: none of those can be on it when the
/// server comes to listen, seconds later or after a restart.
pub fn free() -> Result<u16> {
    for _ in 0..100 {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port in a hundred tries between 10000 and 32000")
}
