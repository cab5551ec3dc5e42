//! Logging: one line an event on the standard error, filtered by `--log`.

use std::io::IsTerminal;

use anyhow::{Context, Result, ensure};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Starts logging for the whole process.
pub fn start(filter: &str) -> Result<()> {
    let filter = parse(filter)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter> {
    let refused =
        || format!("`{filter}` is no log filter: try `info`, `debug`, `off` or `entitygraph=trace,info`");
    let parsed = EnvFilter::try_new(filter).with_context(refused)?;
    // A word that is no level is taken for the name of a part: mistyped, it would turn the log off.
    let says_level =
        |directive: &str| directive.contains('=') || directive.trim().parse::<LevelFilter>().is_ok();
    ensure!(filter.split(',').any(says_level), refused());
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_is_no_filter() {
        for filter in ["info", "off", "WARN", "entitygraph=trace,info", "warn,fjall", "[request]=debug"] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
        for filter in ["ifno", "fjall,sled", "info=loud"] {
            let error = parse(filter).unwrap_err().to_string();
            assert!(error.contains("is no log filter: try `info`"), "{filter}: {error}");
        }
    }
}
