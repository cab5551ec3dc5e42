//! What a person sees while a load runs.

use std::{
    io::IsTerminal,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

/// Told how far a load is, from any thread; calls are cheap and never block on a terminal for long.
///
/// Bytes of the source that were read are the measure of how far it is, because they are known beforehand; items are
/// those that settled in the store.
pub trait Progress: Send + Sync {
    /// A new stage begins: `reading`, `entities`...
    fn stage(&self, name: &str);
    /// The source has this many bytes in all, as far as is known by now.
    fn total_bytes(&self, bytes: u64);
    /// This many more bytes of the source were read.
    fn bytes(&self, more: u64);
    /// This many more items are settled.
    fn items(&self, more: u64);
    /// The load ended, well or not.
    fn finish(&self);
    /// Something that a person is to know now, such as why nothing goes on.
    fn note(&self, _line: &str) {}
}

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &str) {}
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn items(&self, _: u64) {}
    fn finish(&self) {}
}

/// A bar with rate and time left on a terminal, lines elsewhere; both on standard error.
pub fn for_terminal() -> Arc<dyn Progress> {
    if std::io::stderr().is_terminal() { Arc::new(Bar::new()) } else { Arc::new(Lines::new()) }
}

/// A bar on standard error with rate and time left.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    items: AtomicU64,
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar {
    const KNOWN: &str =
        "{prefix:>10} [{bar:32}] {bytes}/{total_bytes} {binary_bytes_per_sec}, {eta} left, {msg}";
    /// Without an end that is known beforehand.
    const OPEN: &str = "{prefix:>10} {spinner} {msg}";

    /// An empty bar.
    pub fn new() -> Self {
        let bar = Self { bar: ProgressBar::new(0), items: AtomicU64::new(0) };
        bar.show(Self::OPEN);
        bar
    }

    fn show(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }
}

impl Progress for Bar {
    fn stage(&self, name: &str) {
        // A copy is a backup, then a restore: each ends the bar.
        if self.bar.is_finished() {
            self.bar.reset();
            self.items.store(0, Ordering::Relaxed);
        }
        self.bar.set_prefix(name.to_owned());
    }

    fn total_bytes(&self, bytes: u64) {
        self.show(Self::KNOWN);
        self.bar.set_length(bytes);
    }

    fn bytes(&self, more: u64) {
        self.bar.inc(more);
    }

    fn items(&self, more: u64) {
        let items = self.items.fetch_add(more, Ordering::Relaxed) + more;
        let per_second = items as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        self.bar.set_message(format!("{} items, {per_second:.0}/s", HumanCount(items)));
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn note(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

/// A line on standard error every few seconds, for logs.
#[derive(Debug)]
pub struct Lines {
    started: Instant,
    total: AtomicU64,
    bytes: AtomicU64,
    items: AtomicU64,
    /// Stage and time of the last line.
    last: Mutex<(String, Instant)>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

impl Lines {
    const EVERY: Duration = Duration::from_secs(5);

    /// Nothing done yet.
    pub fn new() -> Self {
        let started = Instant::now();
        Self {
            started,
            total: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            items: AtomicU64::new(0),
            last: Mutex::new((String::from("reading"), started)),
        }
    }

    fn line(&self, stage: &str) -> String {
        let [total, bytes, items] =
            [&self.total, &self.bytes, &self.items].map(|n| n.load(Ordering::Relaxed));
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = items as f64 / seconds;
        if total == 0 {
            return format!("{stage}: {items} items, {rate:.0} items/s");
        }
        let left = match bytes {
            0 => String::from("?"),
            _ => format!("{:.0} s", total.saturating_sub(bytes) as f64 * seconds / bytes as f64),
        };
        format!(
            "{stage}: {} of {}, {items} items, {rate:.0} items/s, {left} left",
            HumanBytes(bytes),
            HumanBytes(total),
        )
    }
}

impl Progress for Lines {
    fn stage(&self, name: &str) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).0 = name.to_owned();
    }

    fn total_bytes(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    fn bytes(&self, more: u64) {
        self.bytes.fetch_add(more, Ordering::Relaxed);
    }

    fn items(&self, more: u64) {
        self.items.fetch_add(more, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.1.elapsed() >= Self::EVERY {
            last.1 = Instant::now();
            eprintln!("{}", self.line(&last.0));
        }
    }

    fn finish(&self) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("{}", self.line(&last.0));
    }

    fn note(&self, line: &str) {
        eprintln!("{line}");
    }
}

/// Passes on what a person is to know and nothing else: for work beside that which is shown.
pub struct NotesOnly(pub Arc<dyn Progress>);

impl Progress for NotesOnly {
    fn stage(&self, _: &str) {}
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn items(&self, _: u64) {}
    fn finish(&self) {}
    fn note(&self, line: &str) {
        self.0.note(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_unknown_size_is_counted_in_items_alone() {
        let lines = Lines::new();
        lines.items(7);
        let line = lines.line("entities");
        assert!(line.starts_with("entities: 7 items, ") && !line.contains(" of "), "{line}");
        lines.total_bytes(2_048);
        assert!(lines.line("entities").starts_with("entities: 0 B of 2.00 KiB, 7 items, "));
    }
}
