//! Clients that do as little work as a client can.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{CONNECTIONS, ROUND};

/// The bytes of a request.
pub fn request(body: &str) -> Vec<u8> {
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Requests per second of all connections together.
pub async fn round(address: SocketAddr, body: &str) -> anyhow::Result<f64> {
    let request: Arc<[u8]> = request(body).into();
    let started = Instant::now();
    let clients = (0..CONNECTIONS).map(|_| {
        let request = request.clone();
        tokio::spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut answers = 0_u64;
            while started.elapsed() < ROUND {
                client.exchange(&request).await?;
                answers += 1;
            }
            anyhow::Ok(answers)
        })
    });
    let mut answers = 0;
    for client in clients.collect::<Vec<_>>() {
        answers += client.await??;
    }
    Ok(answers as f64 / started.elapsed().as_secs_f64())
}

/// One connection, one request at a time.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// A new connection.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads the whole answer; where its body begins.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<usize> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection"
            );
            let Some(head) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head])?;
            anyhow::ensure!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.buffer));
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let end =
                head + 4 + length.ok_or_else(|| anyhow::anyhow!("no content length"))?.parse::<usize>()?;
            while self.buffer.len() < end {
                anyhow::ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the answer ended early");
            }
            return Ok(head + 4);
        }
    }

    /// The body of the answer.
    pub async fn ask(&mut self, request: &[u8]) -> anyhow::Result<String> {
        let body = self.exchange(request).await?;
        Ok(String::from_utf8(self.buffer[body..].to_vec())?)
    }
}
