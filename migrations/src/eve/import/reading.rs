//! Reading with account: every record, problem and byte is noted on the way.

use std::{collections::BTreeMap, io, ops::ControlFlow, sync::Arc};

use crate::{
    eve::{At, Entry, Export, Names, Record, Report, report},
    load::{Loader, Origin, Problem, Progress},
};

/// The export under way.
pub(super) struct Reading {
    pub export: Export,
    pub account: Account,
    progress: Arc<dyn Progress>,
    /// Bytes that the progress knows of.
    told: u64,
}

/// What was wrong, and what nobody used.
#[derive(Default)]
pub(super) struct Account {
    report: Report,
    unused: BTreeMap<&'static str, u64>,
}

impl Reading {
    pub fn new(export: Export, progress: Arc<dyn Progress>) -> Self {
        progress.total_bytes(export.total_bytes());
        let account = Account { report: Report::new(&export), unused: BTreeMap::new() };
        Self { export, account, progress, told: 0 }
    }

    /// Visits all records of a kind, in order, until the visitor breaks.
    pub fn each<R: Record>(
        &mut self,
        mut visit: impl FnMut(&mut Account, Entry<R>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        self.progress.stage(R::KIND.plural());
        for batch in self.export.read::<R>()? {
            let entries = batch.accept(&mut self.account.report);
            self.tell();
            for entry in entries {
                if visit(&mut self.account, entry).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Collects what `keep` makes of all records of a kind.
    pub fn collect<R: Record, T, C: Extend<T> + Default>(
        &mut self,
        mut keep: impl FnMut(&mut Account, Entry<R>) -> T,
    ) -> io::Result<C> {
        let mut all = C::default();
        let _always_to_the_end = self.each(|account, entry| {
            all.extend([keep(account, entry)]);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// All names.
    pub fn names(&mut self) -> io::Result<Names> {
        let names = self.export.names(&mut self.account.report);
        self.tell();
        names
    }

    fn tell(&mut self) {
        let done = self.account.report.bytes_done();
        self.progress.bytes(done - self.told);
        self.told = done;
    }
}

impl Account {
    /// Notes something wrong with the record at `at`, or its field.
    pub fn problem(&mut self, at: &At, field: &str, message: impl Into<String>) {
        self.report.add_problem(report::Problem::new(at, field, message.into()));
    }

    /// Counts something the world has no place for.
    pub fn unused(&mut self, what: &'static str, count: u64) {
        if count > 0 {
            *self.unused.entry(what).or_default() += count;
        }
    }

    /// Hands everything over to the loader's report.
    pub fn settle(self, loader: &mut Loader) {
        for (what, count) in self.unused {
            loader.not_used(what, count);
        }
        for (kind, path, field) in self.report.fields() {
            let unknown = if field.known { "" } else { " (UNKNOWN to this program)" };
            loader.not_used(format!("{}: {path}{unknown}", kind.path()), field.count);
        }
        for (path, bytes, why) in self.report.unread_files() {
            let why = why.unwrap_or("UNKNOWN to this program");
            loader.not_used(format!("{path}: the whole file, in bytes ({why})"), bytes);
        }
        for problem in self.report.problems() {
            let line = u32::try_from(problem.line).unwrap_or(u32::MAX);
            let origin = Origin::file(Arc::clone(&problem.file)).at(line, 1);
            let origin = if problem.field.is_empty() { origin } else { origin.part(&*problem.field) };
            loader.problem(Problem::new(origin, &problem.message));
        }
        loader.unlisted_problems(self.report.problem_count() - self.report.problems().len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_store::MemoryStore;

    use super::*;
    use crate::load::{LoadOptions, Silent};

    #[tokio::test]
    async fn problems_beyond_those_listed_are_counted_and_make_no_lines() {
        let mut account = Account::default();
        for line in 0..1_000 {
            account.problem(&At { file: "types.yaml".into(), line }, "mass", "is no number");
        }
        let listed = account.report.problems().len();
        let options = LoadOptions { problems_max: 10_000, ..LoadOptions::default() };
        let mut loader = Loader::open(Arc::new(MemoryStore::new()), options, Arc::new(Silent)).await.unwrap();
        account.settle(&mut loader);
        let report = loader.finish().await.unwrap();
        assert_eq!((report.problems.len(), report.problem_count), (listed, 1_000));
        assert!(report.to_string().contains(&format!("and {} more problems", 1_000 - listed)), "{report}");
    }
}
