//! Work in processes of their own: each measures its own memory, and can be killed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use entitygraph_store::keyed::engine::EngineKind;

use crate::{Result, load, reopen};

const FINISHED: &str = "finished";

/// Runs a task in a process of its own, and kills it as soon as it says that it has finished. What it printed comes back,
/// as words by their first one.
pub fn run(task: &str, engine: EngineKind, path: &Path, entities: u64) -> Result<Figures> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", task, engine.name()])
        .arg(path)
        .arg(entities.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut figures = Vec::new();
    let mut finished = false;
    for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
        let line = line?;
        match line.split_once(' ') {
            Some((name, figure)) => figures.push((name.to_owned(), figure.parse()?)),
            None if line == FINISHED => {
                finished = true;
                child.kill()?;
            }
            None => return Err(format!("the {task} process says `{line}`").into()),
        }
    }
    child.wait()?;
    if finished { Ok(Figures(figures)) } else { Err(format!("the {task} process of {engine} failed").into()) }
}

/// What a process measured.
#[derive(Debug)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    /// A figure by its name.
    pub fn get(&self, name: &str) -> Result<f64> {
        let figure = self.0.iter().find(|(known, _)| known == name);
        Ok(figure.ok_or_else(|| format!("no figure {name}"))?.1)
    }
}

/// Tells the parent a figure.
pub fn tell(name: &str, figure: f64) {
    println!("{name} {figure}");
}

/// The child's side.
pub async fn task(task: &str, engine: EngineKind, path: &Path, entities: u64) -> Result {
    match task {
        "load-store" => load::load_store(engine, path, entities).await?,
        "record" => load::record(engine, path, entities).await?,
        "load-raw" => load::load_raw(engine, path)?,
        "write-until-killed" => reopen::write(engine, path, entities).await?,
        "open" => reopen::open(engine, path, entities).await?,
        other => return Err(format!("unknown task {other}").into()),
    }
    Ok(())
}

/// Says that all is measured, and waits to be killed.
pub fn finished() -> Result {
    println!("{FINISHED}");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
