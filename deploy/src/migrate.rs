//! `entitygraph migrate`: stores of older programs.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Result, bail};
use entitygraph_store::migrate::{self, Plan, Planned, Status, Watch};

use crate::{app::signal, cli::Migrate, config::Config};

/// Says or does what was asked for.
pub async fn run(config: &Config, migrate: &Migrate) -> Result<()> {
    let store = migrate::open(&config.store_url(), config.store.options()).await?;
    match migrate {
        Migrate::Status => println!("{}", status(&store.status().await?)),
        Migrate::Plan => print!("{}", plan(&store.plan().await?)),
        Migrate::Apply => {
            let watch = Arc::new(Shown::default());
            let stopping = tokio::spawn({
                let watch = watch.clone();
                async move {
                    if signal().await.is_ok() {
                        watch.stop.store(true, Ordering::Relaxed);
                    }
                }
            });
            let after = store.apply(watch.clone()).await?;
            stopping.abort();
            if !after.is_current() {
                bail!("interrupted; {}", status(&after));
            }
            println!("{}; {} rows were written", status(&after), watch.all.load(Ordering::Relaxed));
        }
        Migrate::Verify => {
            let faults = store.verify().await?;
            for fault in &faults {
                println!("{fault}");
            }
            let location = store.status().await?.location;
            if !faults.is_empty() {
                bail!(
                    "{location} does not hold what it should, in {} places: stop what uses it, copy it away, then restore \
                     the newest backup or ingest the last export into a new store",
                    faults.len()
                );
            }
            println!("{location} is sound: all its rows agree");
        }
    }
    Ok(())
}

fn status(status: &Status) -> String {
    let Status { location, format, known, under_way } = status;
    let at = format!("--store {location}");
    match under_way {
        _ if status.is_current() => format!("{location} has format {format}, that of this program"),
        None => format!(
            "{location} has format {format}, this program has {known}: `entitygraph migrate plan {at}` says what is to be done"
        ),
        Some(step) => format!(
            "{location} is on its way from format {format} to {step}: `entitygraph migrate apply {at}` goes on; until then no \
             program serves it"
        ),
    }
}

fn plan(plan: &Plan) -> String {
    let mut text = status(&plan.status);
    text.push('\n');
    for Planned { step, rows } in &plan.steps {
        let goes_on = if plan.status.under_way == Some(step.number) { "goes on, " } else { "" };
        let undo = match step.undo {
            None => "CANNOT BE UNDONE: only a copy made before leads back".to_owned(),
            Some(undo) => format!("can be undone: {undo}"),
        };
        text += &format!("\n  {step}: {goes_on}{rows} rows to write\n    {}\n    {undo}\n", step.what);
    }
    if !plan.steps.is_empty() {
        let location = &plan.status.location;
        text += &format!(
            "\nNothing was written. Stop what uses the store, make a copy of it, then run\n  \
             entitygraph migrate apply --store {location}\n  entitygraph migrate verify --store {location}\n"
        );
    }
    text
}

/// Tells on standard error how far a migration is, and stops it when asked.
#[derive(Default)]
struct Shown {
    stop: AtomicBool,
    /// Rows to write and rows written, of the step.
    rows: AtomicU64,
    done: AtomicU64,
    /// Rows written in all.
    all: AtomicU64,
}

impl Shown {
    /// A line of its own, or on a terminal one that the next replaces. Nobody reads it? Then nobody misses it.
    fn say(&self, line: &str, replaces: bool) {
        let mut stderr = io::stderr();
        let (begin, end) = match (stderr.is_terminal(), replaces) {
            (true, true) => ("\r", ""),
            (true, false) => ("\r", "\n"),
            (false, _) => ("", "\n"),
        };
        drop(write!(stderr, "{begin}{line}{end}"));
    }
}

impl Watch for Shown {
    fn begins(&self, Planned { step, rows }: &Planned) {
        self.rows.store(*rows, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.say(&format!("{step}: {rows} rows to write"), false);
    }

    fn written(&self, rows: u64) {
        let (all, done) =
            (self.rows.load(Ordering::Relaxed), self.done.fetch_add(rows, Ordering::Relaxed) + rows);
        self.all.fetch_add(rows, Ordering::Relaxed);
        if rows > 0 {
            self.say(&format!("  {done} of {all} rows"), done < all);
        }
    }

    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use entitygraph_store::migrate::Step;

    use super::*;

    fn told(format: u32, under_way: Option<u32>, undo: Option<&'static str>) -> String {
        let status = Status { location: "fjall:w".to_owned(), format, known: 3, under_way };
        let step = Step { number: 3, name: "wider", what: "Makes it wider.", undo };
        plan(&Plan { status, steps: vec![Planned { step, rows: 7 }] })
    }

    #[test]
    fn a_plan_says_what_happens_and_marks_what_cannot_be_undone() {
        let text = told(2, None, None);
        for part in
            ["format 2, this program has 3", "step 3 (wider): 7 rows", "Makes it wider.", "CANNOT BE UNDONE"]
        {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        let text = told(2, Some(3), Some("begin anew"));
        for part in
            ["on its way from format 2 to 3", "goes on, 7 rows", "can be undone: begin anew", "migrate apply"]
        {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn of_a_store_that_is_up_to_date_nothing_is_said_but_that() {
        let status = Status { location: "fjall:w".to_owned(), format: 3, known: 3, under_way: None };
        assert_eq!(plan(&Plan { status, steps: Vec::new() }), "fjall:w has format 3, that of this program\n");
    }
}
