//! Settings of the process: defaults, then a TOML file, then `ENTITYGRAPH_*` variables, then flags.

mod store;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
    value::Value,
};
use serde::{Deserialize, Serialize};

use crate::cli::Common;

pub use store::StoreConfig;

/// Settings of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder that holds everything the service keeps.
    pub data: PathBuf,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// What to log.
    pub log: String,
    /// Where the world is kept, and within which limits.
    pub store: StoreConfig,
    /// The service.
    pub service: entitygraph::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            // The engine tells of each table it opens; what an operator must know of it, the store says.
            log: "info,fjall=warn,lsm_tree=warn".to_owned(),
            store: StoreConfig::default(),
            service: entitygraph::Config::default(),
        }
    }
}

impl Config {
    /// Reads all layers and refuses what cannot work, by name.
    pub fn load(flags: &Common) -> Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = &flags.config {
            if !file.is_file() {
                bail!(
                    "settings file {} does not exist: create it from `entitygraph serve --dump-config`",
                    file.display()
                );
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        // ENTITYGRAPH_SERVICE__LIMITS__PAGE_ROWS=500
        figment = figment.merge(Env::prefixed("ENTITYGRAPH_").split("__"));
        for setting in &flags.set {
            let (name, value) = setting.split_once('=').with_context(|| {
                format!(
                    "`--set {setting}`: write --set NAME=VALUE, such as --set store.retention.commits=5000"
                )
            })?;
            // As a variable of the environment is read: a number where it is one, else a text. Never fails.
            let Ok(value) = value.parse::<Value>();
            figment = figment.merge((name, value));
        }
        let mut config: Self = figment.extract().context("the settings are wrong")?;
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(store) = &flags.store {
            config.store.url = Some(store.clone());
        }
        if let Some(listen) = flags.listen {
            config.listen = listen;
        }
        if let Some(log) = &flags.log {
            config.log.clone_from(log);
        }
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        if !self.listen.ip().is_loopback() {
            bail!(
                "setting `listen` is {}: only loopback addresses (127.0.0.1, [::1]) are allowed while there is no \
                 authentication; put a proxy that authenticates in front",
                self.listen
            );
        }
        self.service.validate()?;
        self.store.validate(&self.service)?;
        Ok(())
    }

    /// URL of the store.
    pub fn store_url(&self) -> String {
        self.store.url.clone().unwrap_or_else(|| format!("fjall:{}", self.data.join("world").display()))
    }

    /// The settings as a TOML file.
    pub fn dump(&self) -> Result<String> {
        toml::to_string_pretty(self).context("the settings could not be printed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> Common {
        Common {
            data: None,
            store: None,
            listen: None,
            config: None,
            log: None,
            set: Vec::new(),
            dump_config: false,
        }
    }

    #[test]
    fn flags_win_over_defaults_and_the_store_follows_the_data_folder() {
        let config = Config::load(&Common { data: Some("elsewhere".into()), ..flags() }).unwrap();
        assert_eq!(config.store_url(), "fjall:elsewhere/world");
    }

    #[test]
    fn addresses_beyond_loopback_are_refused_with_the_reason() {
        let error = Config::load(&Common { listen: "0.0.0.0:4000".parse().ok(), ..flags() }).unwrap_err();
        assert!(error.to_string().contains("only loopback"), "{error}");
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
    fn the_defaults_are_those_of_the_store() {
        let (ours, theirs) = (StoreConfig::default().options(), entitygraph_store::StoreOptions::default());
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
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
        for setting in ["store.colour=red", "colour", "store.writer.waiting=many"] {
            let error = format!("{:#}", with(&[setting]).unwrap_err());
            assert!(error.contains("colour") || error.contains("waiting"), "{setting}: {error}");
        }
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
