//! What a load did.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use entitygraph_schema::{EntityId, text::shown};

use super::item::{Missing, Problem};

/// What became of the items of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// New in the store.
    pub created: u64,
    /// Was there and was changed to what the source says.
    pub updated: u64,
    /// Was there as the source says, or was kept as it is ([`super::Existing::Keep`]).
    pub unchanged: u64,
    /// Could not go in; each is among the problems.
    pub refused: u64,
}

impl Tally {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.refused
    }

    /// Counts both together.
    pub fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.refused += other.refused;
    }
}

/// What a load did, or with `dry_run` would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Nothing was written.
    pub dry_run: bool,
    /// Component types.
    pub components: Tally,
    /// Containers.
    pub containers: Tally,
    /// Entities by kind.
    pub entities: BTreeMap<String, Tally>,
    /// Links by kind.
    pub links: BTreeMap<String, Tally>,
    /// What the source has and this program does not take over, by name.
    pub not_used: BTreeMap<String, u64>,
    /// The first problems, at most [`super::LoadOptions::problems_max`].
    pub problems: Vec<Problem>,
    /// How many problems there are, the ones not listed included.
    pub problem_count: u64,
    /// Where in `problems` it is told why something is missing; beyond their end when it is not listed.
    pub(super) told: HashMap<Missing, usize>,
    /// From the start of the load to the end.
    pub elapsed: Duration,
}

impl Report {
    /// Component types, containers, entities and links together.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for tally in [&self.components, &self.containers]
            .into_iter()
            .chain(self.entities.values())
            .chain(self.links.values())
        {
            total.add(*tally);
        }
        total
    }

    /// Whether the store was as the source says before the load.
    pub fn changed_nothing(&self) -> bool {
        let total = self.total();
        total.created == 0 && total.updated == 0
    }

    /// Items per second.
    pub fn rate(&self) -> f64 {
        self.total().total() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Takes in a problem, or counts it with the one that it comes from.
    pub(super) fn problem(&mut self, problem: Problem, max: usize) {
        let told = problem.because.as_deref().and_then(|missing| self.told.get(missing)).copied();
        let at = told.unwrap_or(self.problems.len());
        let missing = problem.because.as_deref().into_iter().chain(&problem.loses);
        self.told.extend(missing.map(|missing| (missing.clone(), at)));
        if told.is_some() {
            if let Some(first) = self.problems.get_mut(at) {
                first.also += 1 + problem.also;
            }
            return;
        }
        self.problem_count += 1;
        if self.problems.len() < max {
            self.problems.push(problem);
        }
    }

    /// Takes in the problems of another report.
    pub(super) fn problems_of(&mut self, other: Self, max: usize) {
        self.problem_count += other.problem_count - other.problems.len() as u64;
        other.problems.into_iter().for_each(|problem| self.problem(problem, max));
    }

    /// Names entities as the author did: what stores refuse names them by their ids.
    pub(crate) fn name(&mut self, key: impl Fn(EntityId) -> Option<String>) {
        for Problem { message, .. } in &mut self.problems {
            let mut named = String::with_capacity(message.len());
            for (index, word) in message.split(' ').enumerate() {
                let is_entity = named.ends_with("entity");
                named.push_str(if index > 0 { " " } else { "" });
                let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
                let id = digits.parse().ok().filter(|id| is_entity || *id >= EntityId::FIRST_NAMED);
                match id.and_then(&key) {
                    Some(key) => named += &format!("`{key}`{}", &word[digits.len()..]),
                    None => named.push_str(word),
                }
            }
            *message = named;
        }
    }
}

/// How many problems, for messages.
pub fn problems(count: u64) -> String {
    if count == 1 { String::from("1 problem") } else { format!("{count} problems") }
}

impl fmt::Display for Report {
    /// A table, what was not used, the problems and one line that sums up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [("component types", &self.components), ("containers", &self.containers)]
            .into_iter()
            .map(|(name, tally)| (name.to_owned(), tally))
            .chain(self.entities.iter().map(|(kind, tally)| (format!("entities: {kind}"), tally)))
            .chain(self.links.iter().map(|(kind, tally)| (format!("links: {kind}"), tally)));
        writeln!(f, "{:<32} {:>10} {:>10} {:>10} {:>10}", "", "created", "updated", "unchanged", "refused")?;
        for (name, Tally { created, updated, unchanged, refused }) in rows {
            writeln!(f, "{name:<32} {created:>10} {updated:>10} {unchanged:>10} {refused:>10}")?;
        }
        for (name, count) in &self.not_used {
            writeln!(f, "not used: {count} x {}", shown(name))?;
        }
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        let unlisted = self.problem_count - self.problems.len() as u64;
        if unlisted > 0 {
            writeln!(f, "and {unlisted} more problems that are not listed")?;
        }
        let (total, seconds, rate) = (self.total(), self.elapsed.as_secs_f64(), self.rate());
        match (self.dry_run, self.changed_nothing() && self.problem_count == 0) {
            (true, _) => write!(
                f,
                "dry run, nothing was written: {} would be created, {} updated, {} are unchanged",
                total.created, total.updated, total.unchanged
            )?,
            (false, true) => {
                write!(f, "nothing changed: all {} items were there as the source says", total.unchanged)?
            }
            (false, false) => write!(
                f,
                "{} created, {} updated, {} unchanged",
                total.created, total.updated, total.unchanged
            )?,
        }
        if self.problem_count > 0 {
            write!(f, ", {}", problems(self.problem_count))?;
        }
        write!(f, "; {seconds:.1} s, {rate:.0} items/s")
    }
}
