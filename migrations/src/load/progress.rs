//! What a person sees while a load or a move runs.

use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::count::Count;

/// Told how far a load or a move is, from any thread; calls are cheap and never block on a terminal for long.
///
/// A load measures itself by the bytes of its source, because they are known beforehand, and counts items that settled in the
/// store. A move counts what it says by [`Progress::counts`].
pub trait Progress: Send + Sync {
    /// A new stage begins: `reading`, `writing bolt://localhost:7687`...
    fn stage(&self, name: &str);
    /// From here on items are these, `entities` or `commits`, counted from none, of so many as far as that is known.
    fn counts(&self, what: &str, of: Option<u64>);
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
    fn counts(&self, _: &str, _: Option<u64>) {}
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
    /// Held to count and to draw, never over a wait.
    count: Mutex<Count>,
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Bar {
    const BYTES: &str = "{prefix}: [{bar:24}] {bytes} of {total_bytes} read, {msg}";
    const ITEMS: &str = "{prefix}: [{bar:24}] {msg}";
    /// Without an end that is known beforehand.
    const OPEN: &str = "{prefix}: {spinner} {msg}";

    /// An empty bar.
    pub fn new() -> Self {
        let bar = Self { bar: ProgressBar::new(0), count: Mutex::new(Count::new()) };
        bar.show(Self::OPEN);
        bar
    }

    fn show(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bar {
    fn stage(&self, name: &str) {
        self.count().stage = name.to_owned();
        self.bar.set_prefix(name.to_owned());
    }

    fn counts(&self, what: &str, of: Option<u64>) {
        let ended = self.count().begin(what, of);
        // A copy is a backup, then a restore: each ends the bar.
        self.bar.reset();
        self.bar.set_message("");
        if let Some(ended) = ended {
            self.note(&ended);
        }
        self.bar.set_length(of.unwrap_or(0));
        self.show(if of.is_some() { Self::ITEMS } else { Self::OPEN });
    }

    fn total_bytes(&self, bytes: u64) {
        self.count().total_bytes = bytes;
        self.show(Self::BYTES);
        self.bar.set_length(bytes);
    }

    fn bytes(&self, more: u64) {
        self.count().bytes += more;
        self.bar.inc(more);
    }

    fn items(&self, more: u64) {
        let mut count = self.count();
        count.items += more;
        if count.of.is_some() {
            self.bar.inc(more);
        }
        self.bar.set_message(count.so_far());
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
        let ended = std::mem::replace(&mut *self.count(), Count::new()).ended();
        if let Some(ended) = ended {
            eprintln!("{ended}");
        }
    }

    fn note(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

/// A line on standard error every few seconds, for logs.
#[derive(Debug)]
pub struct Lines {
    /// And when the last line was. Held to count and to write a line, never over a wait.
    count: Mutex<(Count, Instant)>,
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
        Self { count: Mutex::new((Count::new(), Instant::now())) }
    }

    fn count(&self) -> MutexGuard<'_, (Count, Instant)> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Lines {
    fn stage(&self, name: &str) {
        self.count().0.stage = name.to_owned();
    }

    fn counts(&self, what: &str, of: Option<u64>) {
        if let Some(ended) = self.count().0.begin(what, of) {
            eprintln!("{ended}");
        }
    }

    fn total_bytes(&self, bytes: u64) {
        self.count().0.total_bytes = bytes;
    }

    fn bytes(&self, more: u64) {
        self.count().0.bytes += more;
    }

    fn items(&self, more: u64) {
        let (count, last) = &mut *self.count();
        count.items += more;
        if last.elapsed() >= Self::EVERY {
            *last = Instant::now();
            eprintln!("{}", count.line());
        }
    }

    fn finish(&self) {
        let ended = std::mem::replace(&mut self.count().0, Count::new()).ended();
        if let Some(ended) = ended {
            eprintln!("{ended}");
        }
    }

    fn note(&self, line: &str) {
        eprintln!("{line}");
    }
}

/// Passes on what a person is to know and nothing else: for work beside that which is shown.
pub struct NotesOnly(pub Arc<dyn Progress>);

impl Progress for NotesOnly {
    fn stage(&self, _: &str) {}
    fn counts(&self, _: &str, _: Option<u64>) {}
    fn total_bytes(&self, _: u64) {}
    fn bytes(&self, _: u64) {}
    fn items(&self, _: u64) {}
    fn finish(&self) {}
    fn note(&self, line: &str) {
        self.0.note(line);
    }
}
