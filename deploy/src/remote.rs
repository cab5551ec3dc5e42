//! The world of a running server as a source: see [`crate::admin`] for the other side.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use entitygraph_migrations::{
    backup::{
        bytes::{MAX_FRAME_BYTES, frames},
        frame::Frame,
    },
    moving::{MoveError, Result},
    source::{Cataloged, Records, Source},
};
use entitygraph_schema::{
    Cursor, EntityId,
    query::{PageRequest, Record, RecordSort},
};
use entitygraph_store::Feed;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::admin::name;

/// Most bytes of the head of an answer.
const HEAD_BYTES: u64 = 64 << 10;

/// Longest time for one answer: a page of the slowest store takes seconds.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// Whether somebody means a server by this, not a store.
pub fn is_server(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))
}

/// See the module.
pub struct Remote {
    url: String,
    /// Host and port.
    address: String,
    /// The store that the server has open.
    location: String,
}

/// What a server answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Remote {
    /// Asks a server which store it has open.
    pub async fn open(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        if url.contains('@') {
            let (url, failed) = (
                entitygraph_store::shown_url(&url),
                "has an account, and a server takes none: leave it out".to_owned(),
            );
            return Err(MoveError::Server { url, failed, retryable: false });
        }
        let address = url.strip_prefix("http://").filter(|rest| !rest.is_empty() && !rest.contains('/'));
        let Some(address) = address.map(str::to_owned) else {
            let failed = "is no address of a server: give one such as http://127.0.0.1:4000".to_owned();
            return Err(MoveError::Server { url, failed, retryable: false });
        };
        let mut remote = Self { url, address, location: String::new() };
        remote.location = remote.about(None).await?.1;
        Ok(remote)
    }

    async fn about(&self, after: Option<Cursor>) -> Result<(Cursor, String)> {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let said = self.text(&format!("/admin/source{query}")).await?;
        let (newest, location) = said.split_once(' ').ok_or_else(|| self.garbled())?;
        Ok((self.cursor(newest)?, location.to_owned()))
    }

    /// An answer that is a line of text.
    async fn text(&self, path: &str) -> Result<String> {
        let answer = self.ask(path, &[]).await?;
        String::from_utf8(self.good(answer)?).map_err(|_| self.garbled())
    }

    fn cursor(&self, text: &str) -> Result<Cursor> {
        Ok(Cursor::from_number(text.parse().map_err(|_| self.garbled())?))
    }

    /// The frames of an answer.
    fn frames(&self, answer: Answer) -> Result<Vec<Frame>> {
        let body = self.good(answer)?;
        frames(Path::new(&self.url), &body).map_err(|fault| {
            self.failed(
                format!(
                    "sent something that is not what was asked for ({fault}): is it of the same version?"
                ),
                false,
            )
        })
    }

    /// The body of an answer that is one.
    fn good(&self, answer: Answer) -> Result<Vec<u8>> {
        let Answer { status, body } = answer;
        if status == 200 {
            return Ok(body);
        }
        let said = String::from_utf8_lossy(body.get(..1_000).unwrap_or(&body)).trim().to_owned();
        Err(match status {
            404 => self.failed(
                "serves no worlds to other processes: is it an EntityGraph of this version?".to_owned(),
                false,
            ),
            _ => self.failed(
                format!("gives no part of its world ({status}): {said}"),
                matches!(status, 429 | 503),
            ),
        })
    }

    fn garbled(&self) -> MoveError {
        self.failed(
            "does not answer as a server of this version does: update the older of the two".to_owned(),
            false,
        )
    }

    fn failed(&self, failed: String, retryable: bool) -> MoveError {
        MoveError::Server { url: self.url.clone(), failed, retryable }
    }

    /// One request and its answer, over a connection of its own.
    async fn ask(&self, path: &str, body: &[u8]) -> Result<Answer> {
        let asked = tokio::time::timeout(ANSWER_TIME, ask(&self.address, path, body)).await;
        let asked = asked
            .unwrap_or_else(|_| Err(anyhow::anyhow!("there is no answer for {} s", ANSWER_TIME.as_secs())));
        asked.map_err(|error| {
            self.failed(format!("cannot be asked ({error:#}): is it running, and there?"), true)
        })
    }
}

#[async_trait]
impl Source for Remote {
    fn location(&self) -> String {
        self.location.clone()
    }

    async fn newest(&self) -> Result<Cursor> {
        Ok(self.about(None).await?.0)
    }

    async fn newest_after(&self, cursor: Cursor) -> Result<Cursor> {
        Ok(self.about(Some(cursor)).await?.0)
    }

    async fn total(&self) -> Result<Option<u64>> {
        let answer = self.ask("/admin/source/total", &[]).await?;
        // Older servers do not say.
        if answer.status == 404 {
            return Ok(None);
        }
        let said = String::from_utf8(self.good(answer)?).map_err(|_| self.garbled())?;
        match said.as_str() {
            "" => Ok(None),
            said => said.parse().map(Some).map_err(|_| self.garbled()),
        }
    }

    async fn catalog(&self) -> Result<Cataloged> {
        let mut all = Cataloged::default();
        for frame in self.frames(self.ask("/admin/source/catalog", &[]).await?)? {
            let Frame::Catalog(components, containers) = frame else { return Err(self.garbled()) };
            all.components.extend(components);
            all.containers.extend(containers);
        }
        Ok(all)
    }

    async fn records(&self, sort: RecordSort, page: PageRequest) -> Result<Records> {
        let path = format!("/admin/source/records?sort={}&first={}", name(sort), page.first);
        let after = page.after.map(|after| after.0).unwrap_or_default();
        let frame = self.frames(self.ask(&path, &after).await?)?.pop();
        let (records, mark): (Vec<_>, _) = match frame {
            Some(Frame::Entities(entities, mark)) => {
                (entities.into_iter().map(Record::Entity).collect(), mark)
            }
            Some(Frame::Buried(ids, mark)) => (ids.into_iter().map(Record::Buried).collect(), mark),
            Some(Frame::Links(links, mark)) => (links.into_iter().map(Record::Link).collect(), mark),
            _ => return Err(self.garbled()),
        };
        Ok(Records { cursor: mark.cursor, records, next: mark.next })
    }

    async fn changes(&self, after: Cursor, limit: usize) -> Result<Feed> {
        let answer = self.ask(&format!("/admin/source/commits?after={after}&limit={limit}"), &[]).await?;
        if answer.status == 410 {
            let said = String::from_utf8(answer.body).map_err(|_| self.garbled())?;
            let (oldest, newest) = said.split_once(' ').ok_or_else(|| self.garbled())?;
            return Ok(Feed::Resync { oldest: self.cursor(oldest)?, newest: self.cursor(newest)? });
        }
        let mut all = Vec::new();
        for frame in self.frames(answer)? {
            let Frame::Commits(commits) = frame else { return Err(self.garbled()) };
            all.extend(commits);
        }
        Ok(Feed::Commits(all))
    }

    async fn lease(&self) -> Result<EntityId> {
        let id = self.text("/admin/source/lease").await?;
        id.parse().map_err(|_| self.garbled())
    }
}

/// HTTP/1.0 has no frames of its own around the body: it ends with the connection.
async fn ask(address: &str, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
    let mut server = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n");
    server.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = BufReader::with_capacity(1 << 20, server);
    let (status, length) = head_of(&mut answer).await?;
    let mut body = Vec::new();
    answer.take(u64::from(MAX_FRAME_BYTES)).read_to_end(&mut body).await?;
    ensure!(length.is_none_or(|length| length == body.len()), "the answer ended early");
    Ok(Answer { status, body })
}

/// Reads the head of an answer: its status, and how long it says that its body is.
async fn head_of(answer: &mut BufReader<TcpStream>) -> anyhow::Result<(u16, Option<usize>)> {
    let mut head = answer.take(HEAD_BYTES);
    let mut line = String::new();
    head.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("its first line is {line:?}"))?;
    let mut length = None;
    loop {
        line.clear();
        ensure!(head.read_line(&mut line).await? > 0, "the head of its answer does not end");
        if line.trim_end().is_empty() {
            return Ok((status, length));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse().context("the length of its answer is no number")?);
        }
    }
}
