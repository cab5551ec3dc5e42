//! The HTTP request that becomes a WebSocket (RFC 6455, 4.2).

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

/// The subprotocol of the stream (protocol.md, "Versions").
pub const SUBPROTOCOL: &str = "entitygraph.stream";

/// Where the stream is served.
pub const PATH: &str = "/stream";

/// Most bytes of the request, its headers included.
pub const REQUEST_BYTES_MAX: usize = 8 << 10;

const HEADERS_MAX: usize = 64;
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request did not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}")]
pub struct NotAccepted {
    /// HTTP status.
    pub status: u16,
    /// For people.
    pub reason: &'static str,
}

impl NotAccepted {
    const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }

    /// The answer, after which the connection is closed.
    pub fn answer(&self) -> Vec<u8> {
        self.answer_after(0)
    }

    /// The same, and in how many milliseconds it is worth to try again; 0 does not say.
    pub fn answer_after(&self, retry_after_ms: u32) -> Vec<u8> {
        let Self { status, reason } = self;
        let retry = match retry_after_ms {
            0 => String::new(),
            ms => format!("Retry-After: {}\r\n", ms.div_ceil(1_000)),
        };
        let upgrade = if *status == 426 { "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status} Refused\r\n{upgrade}{retry}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{reason}",
            reason.len()
        )
        .into_bytes()
    }
}

/// A request that is accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Bytes of the request; what follows them are WebSocket frames already.
    pub request_bytes: usize,
    /// The answer.
    pub answer: Vec<u8>,
}

/// Judges what came of a connection so far; `None` as long as the request is not whole. `is_local`: whoever is not on this machine is
/// refused, and pages that were called by another name of it.
///
/// # Errors
/// What is no request for the stream: 400, 403 for a page of another site, 404, 405, 426 or 431.
pub fn accept(bytes: &[u8], is_local: bool) -> Result<Option<Accepted>, NotAccepted> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let request_bytes = match request.parse(bytes) {
        Ok(httparse::Status::Complete(count)) => count,
        Ok(httparse::Status::Partial) if bytes.len() < REQUEST_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(NotAccepted::new(431, "the request is too long"));
        }
        Err(_) => return Err(NotAccepted::new(400, "not HTTP")),
    };
    if request.method != Some("GET") {
        return Err(NotAccepted::new(405, "the stream is asked for with GET"));
    }
    if request.path.map(|path| path.split_once('?').map_or(path, |(path, _)| path)) != Some(PATH) {
        return Err(NotAccepted::new(404, "the stream is at /stream"));
    }
    if request.version != Some(1) {
        return Err(NotAccepted::new(426, "the stream is a WebSocket"));
    }
    let headers: Vec<_> = request.headers.iter().map(|header| (header.name, header.value)).collect();
    if is_local && !Headers(&headers).one("host").is_some_and(is_this_machine) {
        return Err(NotAccepted::new(
            403,
            "without keys the stream answers to names of this machine only: localhost, 127.0.0.1",
        ));
    }
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\n");
    for (name, value) in judged(&headers)? {
        answer.extend([name, ": ", value.as_str(), "\r\n"]);
    }
    answer.push_str("\r\n");
    Ok(Some(Accepted { request_bytes, answer: answer.into_bytes() }))
}

/// Judges the headers of a GET in HTTP/1.1 for [`PATH`], whoever read them; gives the headers of the answer, 101.
///
/// A client that asks for another subprotocol than [`SUBPROTOCOL`], or for none, is answered without one and has to stop. No
/// extension is ever agreed on.
///
/// # Errors
/// What is no request for a WebSocket: 400, 403 for a page of another site, or 426.
pub fn judged(headers: &[(&str, &[u8])]) -> Result<Vec<(&'static str, String)>, NotAccepted> {
    let headers = Headers(headers);
    if !headers.lists("upgrade", "websocket") || !headers.lists("connection", "upgrade") {
        return Err(NotAccepted::new(426, "the stream is a WebSocket"));
    }
    if headers.one("sec-websocket-version") != Some("13") {
        return Err(NotAccepted::new(426, "the version of WebSocket is 13"));
    }
    let Some(key) = headers.one("sec-websocket-key").filter(|key| is_key(key)) else {
        return Err(NotAccepted::new(400, "the key is 16 bytes in base64, once"));
    };
    if headers.all("origin").any(|origin| !same_site(origin, headers.one("host"))) {
        return Err(NotAccepted::new(403, "the stream is not for pages of other sites"));
    }
    let mut answer = vec![
        ("Upgrade", "websocket".to_owned()),
        ("Connection", "Upgrade".to_owned()),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ];
    if headers.lists_exactly("sec-websocket-protocol", SUBPROTOCOL) {
        answer.push(("Sec-WebSocket-Protocol", SUBPROTOCOL.to_owned()));
    }
    Ok(answer)
}

fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn is_key(key: &str) -> bool {
    STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)
}

/// Whether a `Host` is a name of this machine: one of another may lead here, for a page that has it.
fn is_this_machine(host: &str) -> bool {
    let with_port = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let name = with_port.map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn same_site(origin: &str, host: Option<&str>) -> bool {
    let site = origin.split_once("://").map(|(_, site)| site);
    site.is_some() && site.map(str::to_ascii_lowercase) == host.map(str::to_ascii_lowercase)
}

struct Headers<'h>(&'h [(&'h str, &'h [u8])]);

impl<'h> Headers<'h> {
    fn all(&self, wanted: &str) -> impl Iterator<Item = &'h str> {
        self.0
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
            // What is no text is none that is looked for.
            .map(|(_, value)| std::str::from_utf8(value).unwrap_or_default().trim())
    }

    /// The value of a header that may stand only once.
    fn one(&self, name: &str) -> Option<&'h str> {
        let mut all = self.all(name);
        let first = all.next()?;
        if all.next().is_some() { None } else { Some(first) }
    }

    fn lists(&self, name: &str, wanted: &str) -> bool {
        self.all(name).flat_map(|list| list.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
    }

    fn lists_exactly(&self, name: &str, wanted: &str) -> bool {
        self.all(name).flat_map(|list| list.split(',')).any(|item| item.trim() == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "GET /stream HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, entitygraph.stream\r\n\r\n";

    fn refused(request: &str) -> u16 {
        accept(request.as_bytes(), false).expect_err("is refused").status
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let accepted = accept(REQUEST.as_bytes(), false).unwrap().unwrap();
        let answer = String::from_utf8(accepted.answer).unwrap();
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(answer.contains("Sec-WebSocket-Protocol: entitygraph.stream\r\n"));
        assert_eq!(accepted.request_bytes, REQUEST.len());
    }

    #[test]
    fn a_request_that_is_not_whole_is_waited_for_up_to_its_bound() {
        for end in 0..REQUEST.len() {
            assert_eq!(accept(&REQUEST.as_bytes()[..end], false), Ok(None), "{end} bytes");
        }
        let endless = format!("GET /stream HTTP/1.1\r\nX: {}", "x".repeat(REQUEST_BYTES_MAX));
        assert_eq!(refused(&endless), 431);
    }

    #[test]
    fn without_keys_only_names_of_this_machine_are_answered() {
        let asked = |host: &str| accept(REQUEST.replace("example.org", host).as_bytes(), true);
        for own in ["localhost", "LocalHost:4000", "127.0.0.1:80", "127.1.2.3", "[::1]:9", "[::1]"] {
            assert!(asked(own).is_ok(), "{own}");
        }
        for other in
            ["example.org", "127.0.0.1.evil.example:80", "localhost.evil.example", "10.0.0.1", "[::2]:9", ""]
        {
            assert_eq!(asked(other).expect_err(other).status, 403);
        }
        // A page whose name leads to this machine.
        let rebound = REQUEST.replace("Host:", "Origin: http://example.org\r\nHost:");
        assert_eq!(accept(rebound.as_bytes(), true).expect_err("is refused").status, 403);
    }

    #[test]
    fn what_is_no_request_for_the_stream_is_refused_by_name() {
        assert_eq!(refused("\u{1}\u{2}\r\n\r\n"), 400);
        assert_eq!(refused(&REQUEST.replace("GET", "POST")), 405);
        assert_eq!(refused(&REQUEST.replace("/stream", "/streams")), 404);
        assert_eq!(refused(&REQUEST.replace("Upgrade: websocket", "Upgrade: h2c")), 426);
        assert_eq!(refused(&REQUEST.replace("Version: 13", "Version: 8")), 426);
        assert_eq!(refused(&REQUEST.replace("dGhl", "")), 400);
        assert_eq!(refused(&REQUEST.replace("Host:", "Origin: http://evil.example\r\nHost:")), 403);
        let twice = "Origin: http://example.org\r\nOrigin: http://evil.example\r\nHost:";
        assert_eq!(refused(&REQUEST.replace("Host:", twice)), 403);
        assert!(
            accept(REQUEST.replace("Host:", "Origin: http://example.org\r\nHost:").as_bytes(), false).is_ok()
        );
    }

    #[test]
    fn another_subprotocol_is_answered_without_one() {
        let request = REQUEST.replace(SUBPROTOCOL, "entitygraph.stream2");
        let answer = accept(request.as_bytes(), false).unwrap().unwrap().answer;
        assert!(!String::from_utf8(answer).unwrap().contains("-Protocol"));
    }
}
