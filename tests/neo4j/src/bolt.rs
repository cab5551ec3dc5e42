//! The first bytes of Bolt, which show that a server speaks it.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::certificate::Certificate;

/// Magic, then four versions that a client speaks: 5.0 to 5.4, 4.4, and no others.
const HANDSHAKE: [u8; 20] = *b"\x60\x60\xb0\x17\0\x04\x04\x05\0\0\x04\x04\0\0\0\0\0\0\0\0";

/// Shakes hands with the server on a loopback port; over TLS, if it has a certificate.
pub async fn shake_hands(port: u16, certificate: Option<&Certificate>) -> Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    match certificate {
        Some(certificate) => shake(certificate.connect(stream).await?).await,
        None => shake(stream).await,
    }
}

async fn shake(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    stream.write_all(&HANDSHAKE).await?;
    stream.flush().await?;
    let mut version = [0; 4];
    stream.read_exact(&mut version).await?;
    ensure!(version[3] == 5 || version[3] == 4, "no version of Bolt: {version:?}");
    Ok(())
}
