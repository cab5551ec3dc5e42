//! A backup from a running server.

use std::{io, path::Path};

use anyhow::{Context, Result, bail, ensure};
use entitygraph_migrations::{backup::BackupFile, load::for_terminal};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Most bytes of the head of an answer.
const HEAD_BYTES: u64 = 64 << 10;

/// Writes the backup that a server sends beside the path, and puts it there when it is whole.
pub async fn backup(url: &str, path: &Path) -> Result<()> {
    ensure!(!path.exists(), "{} exists: choose another file, or move that one away", path.display());
    let part = path.with_extension("part");
    let fetched = fetch(url, &part).await;
    let checked = match fetched {
        Ok(()) => check(&part).await,
        Err(error) => Err(error),
    };
    if let Err(error) = checked {
        // What came is of no use: a server begins anew each time.
        drop(tokio::fs::remove_file(&part).await);
        return Err(error);
    }
    tokio::fs::rename(&part, path).await.with_context(|| format!("putting {} in its place", path.display()))
}

async fn check(part: &Path) -> Result<()> {
    let file = part.to_owned();
    let opened = tokio::task::spawn_blocking(move || BackupFile::open(&file, |_| {})).await?;
    opened.map(drop).context("what the server sent is no whole backup: see its log, and ask again")
}

/// One request, and its body into a file. HTTP/1.0 has no frames of its own around the body: it ends with the connection,
/// and whether it is whole is told by the backup itself.
async fn fetch(url: &str, part: &Path) -> Result<()> {
    let Some(address) = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) else {
        bail!("{url} is no address of a server: give one such as http://127.0.0.1:4000");
    };
    let server = TcpStream::connect(address).await;
    let mut server =
        server.with_context(|| format!("no server answers at {url}: is it running, and there?"))?;
    let request = format!("POST /admin/backup HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    server.write_all(request.as_bytes()).await?;
    let mut answer = BufReader::with_capacity(1 << 20, server);
    let status =
        head(&mut answer).await.with_context(|| format!("{url} does not answer as a server does"))?;
    if status != 200 {
        let mut said = String::new();
        answer.take(1_000).read_to_string(&mut said).await.unwrap_or_default();
        bail!("{url} refuses to send a backup ({status}): {}", said.trim());
    }
    let progress = for_terminal();
    progress.stage("backup");
    let mut out =
        tokio::fs::File::create(part).await.with_context(|| format!("creating {}", part.display()))?;
    let copied = async {
        loop {
            let bytes = answer.fill_buf().await?;
            if bytes.is_empty() {
                return out.sync_all().await;
            }
            out.write_all(bytes).await?;
            let count = bytes.len();
            progress.bytes(count as u64);
            answer.consume(count);
        }
    };
    let copied: io::Result<()> = copied.await;
    progress.finish();
    copied.with_context(|| format!("writing {}", part.display()))
}

/// Reads the head of an answer; returns its status.
async fn head(answer: &mut BufReader<TcpStream>) -> Result<u16> {
    let mut head = answer.take(HEAD_BYTES);
    let mut line = String::new();
    head.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("its first line is {line:?}"))?;
    loop {
        line.clear();
        ensure!(head.read_line(&mut line).await? > 0, "the head of its answer does not end");
        if line.trim_end().is_empty() {
            return Ok(status);
        }
    }
}
