//! Why a connection ended, and what to do next (protocol.md, "Refusals").

use std::fmt;

use entitygraph_schema::wire::control::message;

/// What comes after the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the same would end the same way.
    Stop,
    /// A resume, or a login where there is nothing to resume.
    Again,
    /// A login.
    Login,
}

/// What ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The hub refused, with this code.
    Code(message::Code),
    /// The socket went without a word, or never opened.
    Lost,
    /// The hub closed it as after a Goodbye.
    Ended,
    /// No login was to be had.
    Login,
    /// No connection can be made like this: the address, or what answers there.
    Address,
}

/// The end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamError {
    /// What ended it.
    pub why: Why,
    /// For people: what, and what to do.
    pub reason: String,
    /// What the hub said about when to try again, in milliseconds; 0 is nothing.
    pub retry_after_ms: u32,
}

impl StreamError {
    /// An end of this kind.
    pub fn new(why: Why, reason: impl Into<String>) -> Self {
        Self { why, reason: reason.into(), retry_after_ms: 0 }
    }

    /// The error of a `Refused`.
    pub fn refused(refused: &message::Refused) -> Self {
        let why = match refused.code() {
            code if code.close().is_some() => Why::Code(code),
            // A code that this version has not: its connection is over, and that is all there is to know.
            _ => Why::Lost,
        };
        Self { why, reason: refused.reason.clone(), retry_after_ms: refused.retry_after_ms }
    }

    /// The error of a socket that closed without a `Refused`; `begun` is whether the session had begun.
    pub fn closed(close: u16, reason: &str, begun: bool) -> Self {
        let code = match close {
            1000 => return Self::new(Why::Ended, reason),
            4409 if begun => Some(message::Code::SessionReplaced),
            4409 => Some(message::Code::ResumeUsed),
            _ => (1..32)
                .filter_map(|code| message::Code::try_from(code).ok())
                .find(|code| code.close() == Some(close)),
        };
        let reason =
            if reason.is_empty() { format!("the socket closed with {close}") } else { reason.to_owned() };
        Self::new(code.map_or(Why::Lost, Why::Code), reason)
    }

    /// What comes after it.
    pub fn next(&self) -> Next {
        use message::Code;
        match self.why {
            Why::Lost => Next::Again,
            Why::Ended | Why::Login | Why::Address => Next::Stop,
            Why::Code(code) => match code {
                Code::Draining | Code::Timeout | Code::Flood | Code::Fault | Code::Busy | Code::TooSlow => {
                    Next::Again
                }
                Code::Unauthenticated | Code::ResumeUsed | Code::SessionGone => Next::Login,
                _ => Next::Stop,
            },
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Code(code) => f.write_str(code.name())?,
            Why::Lost => f.write_str("the connection was lost")?,
            Why::Ended => f.write_str("the hub ended the session")?,
            Why::Login => f.write_str("no login")?,
            Why::Address => f.write_str("no connection can be made")?,
        }
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

impl std::error::Error for StreamError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the page, with what comes next.
    const TABLE: [(&str, u16, Next); 14] = [
        ("DRAINING", 1001, Next::Again),
        ("BAD_FRAME", 4400, Next::Stop),
        ("UNAUTHENTICATED", 4401, Next::Login),
        ("FORBIDDEN", 4403, Next::Stop),
        ("VERSION", 4406, Next::Stop),
        ("TIMEOUT", 4408, Next::Again),
        ("RESUME_USED", 4409, Next::Login),
        ("SESSION_REPLACED", 4409, Next::Stop),
        ("SESSION_GONE", 4410, Next::Login),
        ("TOO_LARGE", 4413, Next::Stop),
        ("FLOOD", 4429, Next::Again),
        ("FAULT", 4500, Next::Again),
        ("BUSY", 4503, Next::Again),
        ("TOO_SLOW", 4504, Next::Again),
    ];

    #[test]
    fn each_code_says_what_comes_next_whether_it_was_told_or_read_off_the_close() {
        for (name, close, next) in TABLE {
            let code = message::Code::from_str_name(&format!("CODE_{name}")).unwrap();
            let refused =
                message::Refused { code: code.into(), reason: "a reason".into(), ..Default::default() };
            let told = StreamError::refused(&refused);
            assert_eq!(
                (told.why, told.next(), told.to_string()),
                (Why::Code(code), next, format!("{name}: a reason"))
            );
            let begun = name != "RESUME_USED";
            assert_eq!(StreamError::closed(close, "", begun).why, Why::Code(code), "{name}");
        }
        assert_eq!(StreamError::closed(1000, "", true).next(), Next::Stop);
        assert_eq!(StreamError::closed(1006, "", true).next(), Next::Again);
        let unknown = message::Refused { code: 31, ..Default::default() };
        assert_eq!(StreamError::refused(&unknown).why, Why::Lost);
    }
}
