//! What the parser has to say, in the words of who wrote the file.

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter, budget::BudgetBreach};

use super::{files::Text, names::did_you_mean};

/// What is wrong, and what was expected instead.
pub(super) fn in_words(error: &Error) -> String {
    match error {
        Error::AliasError { error, .. } => in_words(error),
        Error::Unexpected { expected, .. } => format!("{} was expected here", sort(expected)),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            format!("{} was expected here, not {}", sort(expected), found(unexpected))
        }
        Error::InvalidScalar { ty: "floating point", .. } => {
            "it takes a number, and one that is not infinite".into()
        }
        Error::InvalidScalar { ty, .. } => format!("{} was expected here", sort(ty)),
        Error::InvalidBooleanStrict { .. } => format!("{} was expected here", sort("boolean")),
        Error::NullIntoString { .. } => "a text was expected here, not nothing".into(),
        Error::SerdeInvalidLength { len, expected, .. } => {
            format!("{} was expected here, not {len}", sort(expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("`{variant}` is none of {}", expected.join(", "))
                + &did_you_mean(variant, expected.iter().copied())
        }
        Error::SerdeUnknownField { field, expected, .. } => {
            match &*did_you_mean(field, expected.iter().copied()) {
                "" => format!("unknown field `{field}`: there can be {}", expected.join(", ")),
                hint => format!("unknown field `{field}`{hint}"),
            }
        }
        Error::SerdeMissingField { field, .. } => format!("the field `{field}` is missing"),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            format!("lists and maps are nested more than {} deep: use `parent`", Text::DEPTH_MAX)
        }
        Error::Eof { .. } => "the document ends here, and more was expected".into(),
        other => {
            let message = UserMessageFormatter.format_message(other);
            match message.strip_prefix("duplicate field ") {
                Some(field) => format!("the field {field} is given twice: leave one out"),
                None => message.into_owned(),
            }
        }
    }
}

/// What should have been there.
fn sort(expected: &str) -> &str {
    match expected {
        "sequence start" => "a list",
        "mapping start" => "a map (`field: value`)",
        "scalar" | "value" => "a value",
        "string scalar" | "a string" => "a text",
        "boolean" => "`true` or `false`",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number from 0 to 18446744073709551615",
        "i64" => "a whole number from -9223372036854775808 to 9223372036854775807",
        "f64" => "a number",
        "an array of length 2" | "a tuple of size 2" => "a list of 2",
        "an array of length 3" | "a tuple of size 3" => "a list of 3",
        "an array of length 4" | "a tuple of size 4" => "a list of 4",
        _ if expected.starts_with("struct ") => "a map (`field: value`)",
        _ => expected,
    }
}

/// What is there; the parser says `string "x"`, `unit value`, `sequence`.
fn found(unexpected: &str) -> String {
    match unexpected.split_once(' ') {
        Some(("string", text)) => format!("the text {text}"),
        Some(("unit", _)) => "nothing".into(),
        None if unexpected == "sequence" => "a list".into(),
        None if unexpected == "map" => "a map".into(),
        _ => unexpected.to_owned(),
    }
}
