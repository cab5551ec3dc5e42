//! What a writer tells about itself, line by line, in a file: a killed process cannot take back a line it has written.

use std::{collections::BTreeMap, fmt, fs, io, path::Path, str::FromStr};

use anyhow::Context;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The store is open and the writers begin.
    Ready,
    /// A transaction of a writer is durable, under this cursor.
    Acknowledged {
        /// Which writer.
        writer: u32,
        /// Which of its transactions.
        number: u64,
        /// Where it is in the change sequence.
        cursor: u64,
    },
    /// Everything up to this cursor is durable.
    Synced {
        /// The newest durable commit.
        cursor: u64,
    },
    /// Ids were leased.
    Leased {
        /// The first.
        first: u64,
        /// How many.
        count: u64,
    },
    /// From here on writers do not wait for the disk, up to the next [`Line::Synced`].
    Burst,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(f, "ready"),
            Self::Acknowledged { writer, number, cursor } => {
                write!(f, "acknowledged {writer} {number} {cursor}")
            }
            Self::Synced { cursor } => write!(f, "synced {cursor}"),
            Self::Leased { first, count } => write!(f, "leased {first} {count}"),
            Self::Burst => write!(f, "burst"),
        }
    }
}

impl FromStr for Line {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split_whitespace();
        let word = words.next();
        let mut number = || -> anyhow::Result<u64> {
            words.next().context("a number is missing")?.parse().context("no number")
        };
        Ok(match word {
            Some("ready") => Self::Ready,
            Some("acknowledged") => {
                Self::Acknowledged { writer: u32::try_from(number()?)?, number: number()?, cursor: number()? }
            }
            Some("synced") => Self::Synced { cursor: number()? },
            Some("leased") => Self::Leased { first: number()?, count: number()? },
            Some("burst") => Self::Burst,
            _ => anyhow::bail!("a writer says `{line}`"),
        })
    }
}

/// Everything that a writer said.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whether it got to work.
    pub ready: bool,
    /// Cursors of acknowledged transactions by writer and number.
    pub acknowledged: BTreeMap<(u32, u64), u64>,
    /// Newest cursor that was said to be durable with everything before it.
    pub synced: u64,
    /// Leased ids: first and count.
    pub leases: Vec<(u64, u64)>,
    /// Bursts that began.
    pub bursts: usize,
}

impl Report {
    /// Reads what has been said so far. A line that is being written is left out.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        let mut report = Self::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.parse().with_context(|| format!("reading `{line}`"))? {
                Line::Ready => report.ready = true,
                Line::Acknowledged { writer, number, cursor } => {
                    report.acknowledged.insert((writer, number), cursor);
                }
                Line::Synced { cursor } => report.synced = report.synced.max(cursor),
                Line::Leased { first, count } => report.leases.push((first, count)),
                Line::Burst => report.bursts += 1,
            }
        }
        Ok(report)
    }

    /// The last acknowledged transaction of each writer, with its cursor.
    pub fn last(&self) -> BTreeMap<u32, (u64, u64)> {
        self.acknowledged.iter().map(|((writer, number), cursor)| (*writer, (*number, *cursor))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        for line in [
            Line::Ready,
            Line::Acknowledged { writer: 3, number: 5, cursor: 8 },
            Line::Synced { cursor: 9 },
            Line::Leased { first: 10, count: 4 },
            Line::Burst,
        ] {
            assert_eq!(line.to_string().parse::<Line>().unwrap(), line);
        }
        assert!("acknowledged 3".parse::<Line>().is_err());
    }

    #[test]
    fn a_line_that_was_cut_does_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "ready\nacknowledged 1 2 3\nacknowledged 1 3 44").unwrap();
        let report = Report::read(file.path()).unwrap();
        assert!(report.ready);
        assert_eq!(report.last(), [(1, (2, 3))].into());
    }
}
