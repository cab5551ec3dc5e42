//! What a server is started with.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

/// What a server is started with. The defaults suit tests: small, without authentication, gone when dropped.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it keeps its data. `None`: in a folder of its own that goes with it.
    pub folder: Option<PathBuf>,
    /// Port of Bolt. `None`: a free one.
    pub bolt_port: Option<u16>,
    /// Port of HTTP. `None`: a free one.
    pub http_port: Option<u16>,
    /// Largest heap of the JVM. Neo4j needs about 150 MiB to start.
    pub heap_mib: u32,
    /// Memory for pages of the store's files, outside the heap.
    pub page_cache_mib: u32,
    /// Password of the user `neo4j`. `None`: no authentication.
    pub password: Option<String>,
    /// Whether Bolt takes TLS only, with a certificate of its own.
    pub tls: bool,
    /// Further lines of `neo4j.conf`, by name; they win over those that the harness writes.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: None,
            bolt_port: None,
            http_port: None,
            heap_mib: 512,
            page_cache_mib: 256,
            password: None,
            tls: false,
            settings: Vec::new(),
        }
    }
}

impl Options {
    /// The text of `neo4j.conf`.
    pub(crate) fn configuration(&self, bolt_port: u16, http_port: u16) -> String {
        let mut settings = BTreeMap::from([
            ("server.default_listen_address", "127.0.0.1".to_owned()),
            ("server.bolt.listen_address", format!("127.0.0.1:{bolt_port}")),
            ("server.bolt.advertised_address", format!("127.0.0.1:{bolt_port}")),
            ("server.http.listen_address", format!("127.0.0.1:{http_port}")),
            ("server.http.advertised_address", format!("127.0.0.1:{http_port}")),
            ("server.https.enabled", "false".to_owned()),
            ("server.memory.pagecache.size", format!("{}m", self.page_cache_mib)),
            ("dbms.security.auth_enabled", self.password.is_some().to_string()),
            ("dbms.security.auth_minimum_password_length", "1".to_owned()),
            ("dbms.usage_report.enabled", "false".to_owned()),
            // Half a gigabyte a server otherwise, written before it answers.
            ("db.tx_log.preallocate", "false".to_owned()),
            // Seconds that Bolt waits for new clients while it stops: five otherwise, twice.
            ("internal.dbms.bolt.netty_server_shutdown_quiet_period", "0".to_owned()),
        ]);
        if self.tls {
            settings.insert("dbms.ssl.policy.bolt.enabled", "true".to_owned());
            settings.insert("server.bolt.tls_level", "REQUIRED".to_owned());
        }
        for (name, value) in &self.settings {
            settings.insert(name, value.clone());
        }
        let mut text = String::new();
        for (name, value) in settings {
            let _ = writeln!(text, "{name}={value}"); // a String takes whatever is written to it
        }
        text
    }
}
