//! What is wrong with settings, in the words of who gave them: which setting, which value, what is allowed, and where it
//! was given.

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, Error, Result, anyhow};
use figment::{
    error::{Actual, Kind},
    value::Value,
};
use toml::de::{DeTable, DeValue};

/// The beginning of the names of variables of the environment.
const PREFIX: &str = "ENTITYGRAPH_";

/// The setting whose value no message shows.
const PASSWORD: &str = "store.neo4j.password";

/// One setting of the environment or of `--set`.
pub struct Setting {
    /// Dotted name.
    pub name: String,
    /// As it was written.
    pub value: String,
    /// What gave it, for messages.
    source: String,
}

impl Setting {
    /// A variable of the environment, if it is one of ours: `ENTITYGRAPH_STORE__URL` is `store.url`.
    pub fn variable((variable, value): (OsString, OsString)) -> Option<Self> {
        let variable = variable.into_string().ok()?;
        let name =
            variable.to_ascii_uppercase().strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
        let mut source = format!("the environment variable {variable}");
        if !name.contains('.') && name.contains('_') {
            source += &format!("; `__` stands for the dot of a name, as in {PREFIX}STORE__URL");
        }
        Some(Self { name, value: value.to_string_lossy().into_owned(), source })
    }

    /// What follows `--set`.
    pub fn flag(text: &str) -> Result<Self> {
        let (name, value) = text.split_once('=').with_context(|| {
            format!("`--set {text}`: write --set NAME=VALUE, such as --set store.retention.commits=5000")
        })?;
        // Also of one that is mistyped.
        let secret = name.starts_with(PASSWORD.trim_end_matches("password")) && name.contains("pass");
        let shown = if secret { "..." } else { &*entitygraph_store::shown_url(value) };
        Ok(Self { name: name.to_owned(), value: value.to_owned(), source: format!("--set {name}={shown}") })
    }

    /// Its value: a number where it is one, else a text. A password is a text, whatever it looks like.
    pub fn value(&self) -> Value {
        if self.name == PASSWORD {
            return Value::from(self.value.as_str());
        }
        let Ok(value) = self.value.parse::<Value>();
        value
    }
}

/// Where settings were given, from the weakest to the strongest.
pub struct Given {
    /// The file of `--config` and what is in it.
    pub file: Option<(PathBuf, String)>,
    /// The environment, then `--set`.
    pub settings: Vec<Setting>,
}

impl Given {
    /// The message of settings that cannot be read.
    pub fn explain(&self, error: figment::Error) -> Error {
        let mut name = error.path.join(".");
        let text = match error.kind {
            Kind::UnknownField(field, known) => {
                if error.path.last().is_none_or(|last| *last != field) {
                    name = [&error.path[..], &[field]].concat().join(".");
                }
                format!("there is no setting `{name}`; beside it could be {}", known.join(", "))
            }
            Kind::InvalidType(_, expected) if name == PASSWORD => {
                format!("setting `{name}` must be {}: put it in quotes", allowed(&expected))
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                format!("setting `{name}` is {}: it must be {}", value(&found), allowed(&expected))
            }
            kind => format!("setting `{name}`: {kind}"),
        };
        self.place(&name, text)
    }

    /// The message of a setting that could be read and cannot work.
    pub fn refuse(&self, name: &str, message: impl std::fmt::Display) -> Error {
        self.place(name, message.to_string())
    }

    fn place(&self, name: &str, text: String) -> Error {
        match self.source(name) {
            Some(source) => anyhow!("{text} (given by {source})"),
            None => anyhow!(text),
        }
    }

    /// What gave the setting last, and so won.
    fn source(&self, name: &str) -> Option<String> {
        let begins = |given: &str| {
            name.strip_prefix(given).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let setting = self.settings.iter().rfind(|setting| begins(&setting.name));
        setting.map(|setting| setting.source.clone()).or_else(|| self.line(name))
    }

    fn line(&self, name: &str) -> Option<String> {
        let (path, text) = self.file.as_ref()?;
        let table = DeTable::parse(text).ok()?;
        let (mut table, mut at) = (table.get_ref(), None);
        for part in name.split('.') {
            let (key, value) = table.iter().find(|(key, _)| key.get_ref() == part)?;
            at = Some(key.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        let line = text[..at?].lines().count().max(1) + usize::from(text[..at?].ends_with('\n'));
        Some(format!("{}, line {line}", path.display()))
    }
}

fn value(found: &Actual) -> String {
    match found {
        Actual::Bool(value) => value.to_string(),
        Actual::Unsigned(number) => number.to_string(),
        Actual::Signed(number) => number.to_string(),
        Actual::Float(number) => number.to_string(),
        Actual::Str(text) => format!("`{text}`"),
        Actual::Seq => String::from("a list"),
        Actual::Map => String::from("a section"),
        other => other.to_string(),
    }
}

/// What Rust calls a type, for people.
fn allowed(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "f64" => "a number",
        "a string" | "path string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "a section of settings",
        other => other,
    }
}
