//! Settings of the process: defaults, then a TOML file, then `ENTITYGRAPH_*` variables, then flags.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::{Context, Result, bail};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::cli::Common;

/// Settings of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder that holds everything the service keeps.
    pub data: PathBuf,
    /// Where the world is kept; none is `fjall:` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// What to log.
    pub log: String,
    /// The service.
    pub service: entitygraph::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: "data".into(),
            store: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            log: "info".to_owned(),
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
        let mut config: Self = figment.extract().context("the settings are wrong")?;
        if let Some(data) = &flags.data {
            config.data.clone_from(data);
        }
        if let Some(store) = &flags.store {
            config.store = Some(store.clone());
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
        Ok(())
    }

    /// URL of the store.
    pub fn store_url(&self) -> String {
        self.store.clone().unwrap_or_else(|| format!("fjall:{}", self.data.join("world").display()))
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
        Common { data: None, store: None, listen: None, config: None, log: None, dump_config: false }
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
