//! What a load or a move counts, and how that is said.

use std::time::Instant;

use indicatif::{HumanBytes, HumanCount};

/// What is counted.
#[derive(Debug)]
pub struct Count {
    /// Its name.
    pub stage: String,
    what: String,
    /// The stage in which it was begun to count these; none of a load, which reports what it did itself.
    began_in: Option<String>,
    /// How many there are, as far as that is known.
    pub of: Option<u64>,
    /// How many were counted.
    pub items: u64,
    /// Of the source in all, as far as is known.
    pub total_bytes: u64,
    /// Of the source that were read.
    pub bytes: u64,
    since: Instant,
}

impl Count {
    /// Nothing yet.
    pub fn new() -> Self {
        let (stage, what) = (String::from("reading"), String::from("items"));
        Self {
            stage,
            what,
            began_in: None,
            of: None,
            items: 0,
            total_bytes: 0,
            bytes: 0,
            since: Instant::now(),
        }
    }

    /// Begins to count something else; says what was counted before, if anything was.
    pub fn begin(&mut self, what: &str, of: Option<u64>) -> Option<String> {
        let ended = self.ended();
        let (stage, began_in) = (self.stage.clone(), Some(self.stage.clone()));
        *self = Self { stage, began_in, what: what.to_owned(), of, ..Self::new() };
        ended
    }

    /// How far it is: `12,000 of 244,000 entities, 40,000/s, 6 s left`.
    pub fn so_far(&self) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        let rate = self.items as f64 / seconds;
        let (items, what) = (HumanCount(self.items), &self.what);
        let of = self.of.map(|of| format!(" of {}", HumanCount(of.max(self.items)))).unwrap_or_default();
        let (done, all) = match self.of {
            Some(of) => (self.items, of),
            None => (self.bytes, self.total_bytes),
        };
        let left = match (done, all) {
            (_, 0) => String::new(),
            (0, _) => String::from(", ? left"),
            _ => format!(", {:.0} s left", all.saturating_sub(done) as f64 * seconds / done as f64),
        };
        format!("{items}{of} {what}, {}/s{left}", HumanCount(rate as u64))
    }

    /// The same with its stage, and with what was read of a source.
    pub fn line(&self) -> String {
        let (stage, so_far) = (&self.stage, self.so_far());
        match self.total_bytes {
            0 => format!("{stage}: {so_far}"),
            total => format!("{stage}: {} of {} read, {so_far}", HumanBytes(self.bytes), HumanBytes(total)),
        }
    }

    /// What was counted in the end, if anything was.
    pub fn ended(&self) -> Option<String> {
        let stage = self.began_in.as_ref().filter(|_| self.items > 0)?;
        let seconds = self.since.elapsed().as_secs_f64();
        Some(format!("{stage}: {} {} in {seconds:.1} s", HumanCount(self.items), self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_unknown_size_is_counted_in_items_alone() {
        let mut count = Count::new();
        (count.stage, count.items) = ("entities".to_owned(), 7);
        let line = count.line();
        assert!(line.starts_with("entities: 7 items, ") && !line.contains(" of "), "{line}");
        count.total_bytes = 2_048;
        let line = count.line();
        assert!(line.starts_with("entities: 0 B of 2.00 KiB read, 7 items, "), "{line}");
    }

    #[test]
    fn a_move_says_what_it_counts_of_how_many_and_in_the_end_what_it_took() {
        let mut count = Count::new();
        count.stage = "writing bolt://x".to_owned();
        assert_eq!(count.begin("entities", Some(4_000)), None);
        count.items = 1_000;
        count.stage = "writing bolt://x".to_owned();
        let line = count.line();
        assert!(line.starts_with("writing bolt://x: 1,000 of 4,000 entities, "), "{line}");
        assert!(line.ends_with(" s left"), "{line}");
        count.stage = "replaying".to_owned();
        let ended = count.begin("commits", None).unwrap();
        assert!(ended.starts_with("writing bolt://x: 1,000 entities in "), "{ended}");
        assert_eq!((count.items, count.ended()), (0, None));
        count.items = 2;
        assert!(count.line().starts_with("replaying: 2 commits, "), "{}", count.line());
    }
}
