//! Names: short checked texts, cheap to clone, one type for each meaning.

use std::{borrow::Borrow, collections::BTreeMap, fmt, ops::Bound, str::FromStr, sync::Arc};

/// A text that cannot be the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// What the text should be.
        what: &'static str,
    },
    /// Longer than the limit.
    #[error("{what} is {length} bytes long, the limit is {max}: `{start}...`")]
    TooLong {
        /// What the text should be.
        what: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
        /// The first characters of the text.
        start: String,
    },
    /// A character that is not allowed.
    #[error("{what} `{text}` has {character:?}: allowed are {allowed}")]
    Character {
        /// What the text should be.
        what: &'static str,
        /// The whole text.
        text: String,
        /// The first character that is refused.
        character: char,
        /// What would be accepted.
        allowed: &'static str,
    },
}

fn check(
    what: &'static str,
    text: &str,
    max: usize,
    may_be_empty: bool,
    allowed: &'static str,
    accepts: fn(char) -> bool,
) -> Result<(), TextError> {
    if text.is_empty() && !may_be_empty {
        return Err(TextError::Empty { what });
    }
    if text.len() > max {
        let start: String = text.chars().take(24).collect();
        return Err(TextError::TooLong { what, length: text.len(), max, start: shown(&start).to_string() });
    }
    match text.chars().find(|&c| !accepts(c)) {
        Some(character) => {
            Err(TextError::Character { what, text: shown(text).to_string(), character, allowed })
        }
        None => Ok(()),
    }
}

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/')
}

/// Anything but controls, line breaks, and what turns the direction of the text around it (a name of `exe.\u{202e}gpj`
/// reads `exe.jpg`). Letters and marks of scripts from right to left are as good as any.
fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text that somebody else wrote, for a terminal or a log: what could steer it, break the line or turn it around is
/// escaped (`\u{1b}`), everything else is as it was.
pub fn shown(text: &str) -> impl fmt::Display + '_ {
    Shown(text)
}

struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !printable(*c)) {
            write!(f, "{}{}", &rest[..at], c.escape_default())?;
            rest = &rest[at + c.len_utf8()..];
        }
        f.write_str(rest)
    }
}

const WORD: &str = "letters, digits and _ - . : /";
const PRINTABLE: &str =
    "printable characters: no controls, line breaks or overrides of the writing direction";

/// The part of an index by name whose names begin with the prefix, in order; from behind the name `after` on, where one is
/// given. Costs what it gives, not what the index has.
pub(crate) fn starting_with<'a, N: Borrow<str> + Ord, T>(
    index: &'a BTreeMap<N, T>,
    prefix: &'a str,
    after: Option<&'a str>,
) -> impl Iterator<Item = &'a T> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let rest = index.range::<str, _>((from, Bound::Unbounded));
    rest.take_while(move |(name, _)| (*name).borrow().starts_with(prefix)).map(|(_, row)| row)
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $empty:literal, $allowed:ident, $accepts:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest text in bytes.
            pub const MAX_BYTES: usize = $max;

            /// Checks the text and keeps it; [`TextError`] says what is wrong with it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, TextError> {
                let text = text.as_ref();
                check($what, text, $max, $empty, $allowed, $accepts)?;
                Ok(Self(text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &self.0)
            }
        }

        impl FromStr for $name {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

impl EntityName {
    /// Refuses what is longer than any name that could begin with it.
    pub fn check_prefix(prefix: &str) -> Result<(), TextError> {
        check("the beginning of a name", prefix, 200, true, PRINTABLE, |_| true)
    }
}

impl Default for EntityName {
    /// The empty name.
    fn default() -> Self {
        Self(Arc::default())
    }
}

text!(
    /// What people call an entity; may be empty, need not be unique.
    EntityName, "an entity name", 200, true, PRINTABLE, printable
);
text!(
    /// What sort of thing an entity is (`planet`, `ship`, `item`): the unit of counting.
    Kind, "a kind", 64, false, WORD, word
);
text!(
    /// A mark set on an entity to find it by.
    Label, "a label", 64, false, WORD, word
);
text!(
    /// Who owns an entity (`player:4711`): an account of another system, opaque here.
    OwnerId, "an owner id", 64, false, WORD, word
);
text!(
    /// Unique name of an object container, by convention a path such as `ship/freighter`.
    ContainerName, "a container name", 128, false, WORD, word
);
text!(
    /// Name of a child within its container.
    ChildName, "a child name", 64, false, WORD, word
);
text!(
    /// Unique name of a component type.
    ComponentName, "a component name", 64, false, WORD, word
);
text!(
    /// Name of a variable within its component type.
    VariableName, "a variable name", 64, false, WORD, word
);
text!(
    /// Variables of one group are always sent together (AC 2.3.1).
    GroupName, "a group name", 64, false, WORD, word
);
text!(
    /// Where on its parent an entity is attached.
    PortName, "a port name", 64, false, WORD, word
);
text!(
    /// What a link between zones is (`jump`).
    LinkKind, "a link kind", 64, false, WORD, word
);
text!(
    /// Chosen by the caller of a write; the same id again returns the first outcome (design: commit).
    OperationId, "an operation id", 64, false, WORD, word
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_controls_or_excess_are_refused_with_the_reason() {
        assert_eq!(Kind::new("").unwrap_err().to_string(), "a kind is empty");
        assert!(Kind::new("a b").unwrap_err().to_string().contains("' '"));
        assert!(EntityName::new("line\nbreak").unwrap_err().to_string().contains("\\n"));
        assert!(
            Label::new("x".repeat(65)).unwrap_err().to_string().contains("65 bytes long, the limit is 64")
        );
    }

    #[test]
    fn names_that_would_turn_or_break_the_line_are_refused_and_not_repeated() {
        for bad in ['\u{202e}', '\u{202a}', '\u{2066}', '\u{2069}', '\u{2028}', '\u{85}', '\u{7f}', '\0'] {
            let error = EntityName::new(format!("Jita {bad}VI")).unwrap_err().to_string();
            let escaped = bad.escape_default();
            assert!(error.starts_with(&format!("an entity name `Jita {escaped}VI` has '\\")), "{error}");
            assert!(
                error.contains("no controls, line breaks or overrides") && !error.contains(bad),
                "{error}"
            );
            assert!(Kind::new(format!("a{bad}")).is_err());
        }
    }

    #[test]
    fn a_long_name_is_refused_without_what_it_would_do_to_the_line() {
        let error = EntityName::new("\u{1b}[2J".repeat(99)).unwrap_err().to_string();
        assert!(error.contains("`\\u{1b}[2J\\u{1b}[2J") && !error.contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_text_is_shown_with_what_steers_a_terminal_escaped() {
        let text = shown("a\u{1b}[31m\nб\u{202e}`\u{9b}").to_string();
        assert_eq!(text, r"a\u{1b}[31m\nб\u{202e}`\u{9b}");
        assert_eq!(shown(&text).to_string(), text, "once is enough");
    }

    #[test]
    fn entity_names_are_any_printable_text() {
        for name in ["", "Jita IV - Moon 4", "Орбита", "月", "قمر\u{200f} 1", "ירח", "👩\u{200d}🚀"]
        {
            assert_eq!(EntityName::new(name).unwrap().as_str(), name);
        }
    }
}
