//! The example operations of the playground: one file each in `entitygraph/web/examples`.
//!
//! A file is named `<order>-<name>.graphql` and holds one named operation that runs as it is (a variable has a
//! default or may be null), below a comment: the title on the first line, what it shows on the next ones.
//!
//! ```graphql
//! # Find a star system
//! # Names are indexed: the answer takes as long in a world of ten or ten million entities.
//! query FindByName { ... }
//! ```

use async_graphql::parser::{parse_query, types::OperationType};
use rust_embed::Embed;
use serde::Serialize;

#[derive(Embed)]
#[folder = "web/examples"]
struct Files;

/// An operation that the playground offers, ready to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// What `/playground?example=` takes: the file name without its order and ending.
    pub name: String,
    /// A few words for the menu.
    pub title: String,
    /// One sentence for the menu: what to look at in the answer.
    pub description: String,
    /// `query`, `mutation` or `subscription`.
    pub kind: String,
    /// The name of the operation.
    pub operation: String,
    /// The whole file, with its comment.
    pub query: String,
}

/// An example file that breaks the rules of this module.
#[derive(Debug, thiserror::Error)]
#[error("web/examples/{file}: {problem}")]
pub struct ExampleError {
    /// The file name inside `entitygraph/web/examples`.
    pub file: String,
    /// What is wrong with it and what it should be.
    pub problem: String,
}

/// All examples, in the order of their file names.
///
/// # Errors
/// Names the first file that breaks the rules. The files are part of the binary and a test reads all of them,
/// so a released server never sees this.
pub fn examples() -> Result<Vec<Example>, ExampleError> {
    let mut files: Vec<_> = Files::iter().collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &str) -> Result<Example, ExampleError> {
    let fault = |problem: &str| ExampleError { file: file.to_owned(), problem: problem.to_owned() };
    let embedded = Files::get(file).ok_or_else(|| fault("is not embedded; build again"))?;
    let text = std::str::from_utf8(&embedded.data).map_err(|_| fault("is not UTF-8"))?;
    parse(file, text).map_err(|problem| fault(&problem))
}

/// The error is the problem alone; the caller knows where.
fn parse(file: &str, text: &str) -> Result<Example, String> {
    let name = file
        .strip_suffix(".graphql")
        .and_then(|stem| stem.split_once('-'))
        .filter(|(order, name)| !name.is_empty() && order.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|(_, name)| name)
        .ok_or("is not named <order>-<name>.graphql, for example 010-find-by-name.graphql")?;

    let mut comment = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
    let title =
        comment.next().filter(|title| !title.is_empty()).ok_or("does not begin with a comment: # title")?;
    let description = comment.collect::<Vec<_>>().join(" ");
    if description.is_empty() {
        return Err("has no second comment line that says what it shows".to_owned());
    }

    let document = parse_query(text).map_err(|error| format!("is not valid GraphQL: {error}"))?;
    let mut operations = document.operations.iter();
    let (Some((Some(operation), definition)), None) = (operations.next(), operations.next()) else {
        return Err("must hold exactly one operation, with a name".to_owned());
    };
    let needs = definition
        .node
        .variable_definitions
        .iter()
        .find(|variable| !variable.node.var_type.node.nullable && variable.node.default_value.is_none());
    if let Some(variable) = needs {
        return Err(format!("needs a value for ${}; give it a default", variable.node.name));
    }
    let kind = match definition.node.ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    Ok(Example {
        name: name.to_owned(),
        title: title.to_owned(),
        description,
        kind: kind.to_owned(),
        operation: operation.to_string(),
        query: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    const GOOD: &str = "# Find\n# By name,\n# with an index.\nquery Find($n: Int! = 3) { a(n: $n) }\n";

    #[test]
    fn a_file_gives_its_name_title_description_and_kind() {
        let example = parse("010-find-by-name.graphql", GOOD).unwrap();
        assert_eq!(example.name, "find-by-name");
        assert_eq!(example.title, "Find");
        assert_eq!(example.description, "By name, with an index.");
        assert_eq!((example.kind.as_str(), example.operation.as_str()), ("query", "Find"));
        assert_eq!(example.query, GOOD);
    }

    #[test]
    fn each_broken_file_is_refused_with_its_reason() {
        let cases = [
            ("find.graphql", GOOD, "is not named"),
            ("x1-find.graphql", GOOD, "is not named"),
            ("1-find.graphql", "query A { a }", "does not begin with a comment"),
            ("1-find.graphql", "# title\nquery A { a }", "no second comment line"),
            ("1-find.graphql", "# t\n# d\nquery A { a ", "not valid GraphQL"),
            ("1-find.graphql", "# t\n# d\n{ a }", "exactly one operation, with a name"),
            ("1-find.graphql", "# t\n# d\nquery A { a } query B { b }", "exactly one operation"),
            ("1-find.graphql", "# t\n# d\nquery A($id: ID!) { a(id: $id) }", "needs a value for $id"),
        ];
        for (file, text, reason) in cases {
            let problem = parse(file, text).unwrap_err();
            assert!(problem.contains(reason), "{file}: {text:?} gave {problem:?}, expected {reason:?}");
        }
    }
}
