//! Settings of the process: defaults, then a TOML file, then `ENTITYGRAPH_*` variables, then flags.

mod error;
mod listen;
mod store;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use entitygraph::config::ConfigError;
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::cli::Common;
use error::{Given, Setting};

pub use listen::Listen;
pub use store::StoreConfig;

/// Settings of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder that holds everything the service keeps.
    pub data: PathBuf,
    /// Address to listen on.
    pub listen: Listen,
    /// What to log; none is what suits the command.
    pub log: Option<String>,
    /// Where the world is kept, and within which limits.
    pub store: StoreConfig,
    /// The service.
    pub service: entitygraph::Config,
}

/// What a service logs where nothing else is set. The engine tells of each table it opens, the driver of its own ways: what an operator
/// must know of them, the store says.
const SERVICE_LOG: &str = "info,fjall=warn,lsm_tree=warn,neo4rs=off";

/// What a command logs that ends by itself: it says what it does and what fails, also that a database is away.
const COMMAND_LOG: &str = "warn,neo4rs=off,entitygraph_store::neo4j=error";

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "data".into(),
            listen: Listen::default(),
            log: None,
            store: StoreConfig::default(),
            service: entitygraph::Config::default(),
        }
    }
}

impl Config {
    /// Reads all layers and refuses what cannot work, by name.
    pub fn load(flags: &Common) -> Result<Self> {
        Self::load_from(flags, std::env::vars_os())
    }

    fn load_from(
        flags: &Common,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self> {
        let file = flags.config.as_deref().map(read).transpose()?;
        let variables = environment.into_iter().filter_map(Setting::variable).map(Ok);
        let settings = variables.chain(flags.set.iter().map(|text| Setting::flag(text)));
        let given = Given { file, settings: settings.collect::<Result<_>>()? };
        if let Some(empty) = given.settings.iter().find(|setting| setting.value.trim().is_empty()) {
            let message = format!("setting `{}` is empty: give it a value, or leave it out", empty.name);
            return Err(given.refuse(&empty.name, message));
        }
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some((_, text)) = &given.file {
            figment = figment.merge(Toml::string(text));
        }
        for setting in &given.settings {
            figment = figment.merge((setting.name.as_str(), setting.value()));
        }
        let mut config: Self = figment.extract().map_err(|error| given.explain(error))?;
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(store) = &flags.store {
            entitygraph_store::check_url(store)
                .with_context(|| format!("--store {}", entitygraph_store::shown_url(store)))?;
            config.store.url = Some(store.clone());
        } else if let Some(url) = &config.store.url {
            entitygraph_store::check_url(url)
                .map_err(|error| given.refuse("store.url", format_args!("setting `store.url`: {error}")))?;
        }
        if let Some(log) = &flags.log {
            config.log = Some(log.clone());
        }
        config.validate().map_err(|wrong| given.refuse(wrong.name, &wrong))?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        if self.data.as_os_str().is_empty() {
            let reason = "it must be the path of a folder";
            return Err(ConfigError { name: "data", value: String::from("empty"), reason });
        }
        self.service.validate()?;
        self.store.validate(&self.service)
    }

    /// What to log: as set, and else what suits a service, or a command that ends by itself.
    pub fn log_filter(&self, service: bool) -> &str {
        self.log.as_deref().unwrap_or(if service { SERVICE_LOG } else { COMMAND_LOG })
    }

    /// URL of the store.
    pub fn store_url(&self) -> String {
        self.store.url.clone().unwrap_or_else(|| format!("fjall:{}", self.data.join("world").display()))
    }

    /// The same for messages, without an account.
    pub fn shown_store(&self) -> String {
        entitygraph_store::shown_url(&self.store_url())
    }

    /// The settings as a TOML file.
    pub fn dump(&self) -> Result<String> {
        toml::to_string_pretty(self).context("the settings could not be printed")
    }
}

/// The settings file and what is in it.
fn read(file: &Path) -> Result<(PathBuf, String)> {
    let name = file.display();
    if file.is_dir() {
        bail!("--config {name} is a folder: give the settings file in it");
    }
    if !file.exists() {
        bail!("settings file {name} does not exist: create it from `entitygraph serve --dump-config`");
    }
    let text =
        std::fs::read_to_string(file).with_context(|| format!("settings file {name} cannot be read"))?;
    toml::de::DeTable::parse(&text).map_err(|error| anyhow!("settings file {name} is no TOML: {error}"))?;
    Ok((file.to_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Common {
        Common { data: None, store: None, config: None, log: None, set: Vec::new(), dump_config: false }
    }

    #[test]
    fn flags_win_over_defaults_and_the_store_follows_the_data_folder() {
        let config = Config::load(&Common { data: Some("elsewhere".into()), ..flags() }).unwrap();
        assert_eq!(config.store_url(), "fjall:elsewhere/world");
    }

    fn with(settings: &[&str]) -> Result<Config> {
        Config::load(&Common { set: settings.iter().map(|&text| text.to_owned()).collect(), ..flags() })
    }

    #[test]
    fn limits_of_the_store_are_settings_and_reach_it() {
        let config = with(&[
            "store.retention.commits=5000",
            "store.engine.reserve_bytes=1048576",
            "store.engine.cache_bytes=2097152",
            "store.writer.waiting=7",
            "store.memory.retained_commits=9",
            "store.url=sled:elsewhere",
        ]);
        let config = config.unwrap();
        let options = config.store.options();
        assert_eq!(options.keyed.retention.commits, 5_000);
        let engine = &options.keyed.engine;
        assert_eq!((engine.reserve_bytes, engine.cache_bytes), (1 << 20, 2 << 20));
        assert_eq!((options.keyed.writer.waiting, options.memory.retained_commits), (7, 9));
        assert_eq!(config.store_url(), "sled:elsewhere");
        let dump = config.dump().unwrap();
        assert!(dump.contains("[store.retention]\ncommits = 5000"), "{dump}");
    }

    #[test]
    fn a_password_is_a_text_that_nothing_shows() {
        let config = with(&["store.neo4j.password=0123", "store.url=bolt://ada:0123@db"]).unwrap();
        assert_eq!(config.store.neo4j.password.0, "0123");
        assert!(config.dump().unwrap().contains("url = \"bolt://db\""));
        let told = format!("{config:?}").replace("bolt://ada:0123@db", "");
        assert!(!told.contains("0123") && !config.dump().unwrap().contains("0123"), "{told}");

        let mistyped = format!("{:#}", with(&["store.neo4j.passwort=0123"]).unwrap_err());
        assert!(mistyped.contains("store.neo4j.passwort") && !mistyped.contains("0123"), "{mistyped}");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, "[store.neo4j]\npassword = 4711").unwrap();
        let mistyped = || Some("bolt+tls://ada:4711@db".to_owned());
        for flags in [
            Common { config: Some(file), ..flags() },
            Common { store: mistyped(), ..flags() },
            Common { set: vec![format!("store.url={}", mistyped().unwrap())], ..flags() },
            Common { set: vec!["store.neo4j.password.x=4711".to_owned()], ..flags() },
        ] {
            let told = format!("{:#}", Config::load(&flags).unwrap_err());
            assert!(!told.contains("4711"), "{told}");
        }
    }

    #[test]
    fn a_store_in_neo4j_has_connections_for_a_write() {
        let told = with(&["store.neo4j.connections=3"]).unwrap_err().to_string();
        assert!(
            told.contains("`store.neo4j.connections` is 3: it must be at least 4: a write needs two"),
            "{told}"
        );
        assert_eq!(with(&["store.neo4j.connections=4"]).unwrap().store.options().neo4j.connections, 4);
    }

    #[test]
    fn the_defaults_are_those_of_the_store() {
        let (ours, theirs) = (StoreConfig::default().options(), entitygraph_store::StoreOptions::default());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    #[test]
    fn an_error_says_what_gave_which_setting_and_what_is_allowed() {
        for (setting, message) in [
            (
                "store.colour=red",
                "there is no setting `store.colour`; beside it could be url, engine, writer",
            ),
            ("colour", "write --set NAME=VALUE"),
            (
                "store.writer.waiting=many",
                "setting `store.writer.waiting` is `many`: it must be a whole number, 0 or more (given by --set \
                 store.writer.waiting=many)",
            ),
            (
                "store.writer=3",
                "setting `store.writer` is 3: it must be a section of settings (given by --set store.writer=3)",
            ),
            (
                "service.limits.page_rows=0",
                "setting `service.limits.page_rows` is 0: it must be at least 1 (given by --set",
            ),
            ("listen=0.0.0.0:4000", "setting `listen`: 0.0.0.0 is reached from other machines"),
            ("listen=localhost", "setting `listen`: it must be ADDRESS:PORT"),
            ("store.url=bogus", "(given by --set store.url=bogus)"),
        ] {
            let error = format!("{:#}", with(&[setting]).unwrap_err());
            assert!(error.contains(message), "{setting}: {error}");
        }
        let error = Config::load(&Common { store: Some("bogus".to_owned()), ..flags() }).unwrap_err();
        assert!(format!("{error:#}").starts_with("--store bogus: "), "{error:#}");
    }

    #[test]
    fn the_environment_stands_between_the_file_and_the_flags() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, "[store.writer]\nwaiting = 1\ntouched = 2\n[store.retention]\ncommits = 3")
            .unwrap();
        let flags =
            Common { config: Some(file), set: vec!["store.retention.commits=30".to_owned()], ..flags() };
        let load = |variables: &[(&str, &str)]| {
            Config::load_from(&flags, variables.iter().map(|(name, value)| (name.into(), value.into())))
        };
        let variables = [
            ("ENTITYGRAPH_STORE__WRITER__TOUCHED", "20"),
            ("ENTITYGRAPH_STORE__RETENTION__COMMITS", "20"),
            ("ENTITYGRAPH_LISTEN", "localhost:0"),
            ("HOME", "elsewhere"),
        ];
        let config = load(&variables).unwrap();
        assert_eq!((config.store.writer.waiting, config.store.writer.touched), (1, 20));
        assert_eq!(
            (config.store.retention.commits, config.listen.to_string()),
            (30, "localhost:0".to_owned())
        );

        let error = load(&[("ENTITYGRAPH_STORE__WRITER__WAITING", "-1")]).unwrap_err().to_string();
        let expected = "setting `store.writer.waiting` is -1: it must be a whole number, 0 or more (given by the environment \
                        variable ENTITYGRAPH_STORE__WRITER__WAITING)";
        assert_eq!(error, expected);
        let error = load(&[("ENTITYGRAPH_STORE_URL", "memory:")]).unwrap_err().to_string();
        assert!(error.starts_with("there is no setting `store_url`"), "{error}");
        assert!(error.contains("ENTITYGRAPH_STORE_URL; `__` stands for the dot"), "{error}");
    }

    #[test]
    fn an_empty_setting_is_refused_by_its_name() {
        for (variable, name) in [
            ("ENTITYGRAPH_DATA", "data"),
            ("ENTITYGRAPH_STORE", "store"),
            ("ENTITYGRAPH_STORE__URL", "store.url"),
        ] {
            let error = Config::load_from(&flags(), [(variable.into(), "".into())]).unwrap_err().to_string();
            let expected = format!(
                "setting `{name}` is empty: give it a value, or leave it out (given by the environment variable {variable})"
            );
            assert_eq!(error, expected);
        }
        let error = Config::load(&Common { data: Some("".into()), ..flags() }).unwrap_err().to_string();
        assert!(error.contains("`data` is empty: it must be the path of a folder"), "{error}");
    }

    #[test]
    fn an_error_in_a_file_names_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        for (text, message) in [
            (
                "\n[store.writer]\n# few\nwaiting = \"few\"\n",
                "`few`: it must be a whole number, 0 or more (given by",
            ),
            ("\n\n[store]\nwriter = { waiting = -1 }", "`store.writer.waiting` is -1: it must be"),
            ("\n[store]\n\ncolour = 1", "there is no setting `store.colour`"),
            (
                "[service.limits]\n\n\nquery_depth = 0",
                "setting `service.limits.query_depth` is 0: it must be at least 1",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let error =
                Config::load(&Common { config: Some(file.clone()), ..flags() }).unwrap_err().to_string();
            assert!(error.contains(message) && error.ends_with("settings.toml, line 4)"), "{text}: {error}");
        }
        std::fs::write(&file, "[store\n").unwrap();
        let error = Config::load(&Common { config: Some(file), ..flags() }).unwrap_err().to_string();
        assert!(error.contains("settings.toml is no TOML") && error.contains("line 1"), "{error}");
        let error = Config::load(&Common { config: Some(folder.path().into()), ..flags() }).unwrap_err();
        assert!(error.to_string().contains("is a folder: give the settings file"), "{error}");
    }

    #[test]
    fn limits_of_the_store_that_cannot_be_are_refused_by_name() {
        for (setting, name) in [
            ("store.retention.commits=0", "store.retention.commits"),
            ("store.retention.bytes=0", "store.retention.bytes"),
            ("store.writer.waiting=0", "store.writer.waiting"),
            ("store.writer.transaction_operations=0", "store.writer.transaction_operations"),
            ("store.memory.retained_commits=0", "store.memory.retained_commits"),
            // It would pass and the store refuse every transaction of that size.
            ("service.limits.transaction_operations=20001", "service.limits.transaction_operations"),
        ] {
            let error = format!("{:#}", with(&[setting]).unwrap_err());
            assert!(error.contains(&format!("setting `{name}`")), "{setting}: {error}");
        }
        let both =
            ["service.limits.transaction_operations=30000", "store.writer.transaction_operations=30000"];
        assert_eq!(with(&both).unwrap().store.options().keyed.writer.transaction_operations, 30_000);
    }

    #[test]
    fn what_is_dumped_can_be_read_back_and_unknown_settings_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        let dump = Config::default().dump().unwrap();
        std::fs::write(&file, &dump).unwrap();
        let read = Config::load(&Common { config: Some(file.clone()), ..flags() }).unwrap();
        assert_eq!(read, Config::default());
        std::fs::write(&file, format!("colour = 1\n{dump}")).unwrap();
        let error = Config::load(&Common { config: Some(file), ..flags() }).unwrap_err();
        assert!(format!("{error:#}").contains("colour"), "{error:#}");
    }
}
