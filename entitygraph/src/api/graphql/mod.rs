//! GraphQL: the schema, built once, and the limits it is built with.
//!
//! Reading order: [`scalar`] and `value` say how the model looks in JSON, [`object`] what answers are made of, [`query`]
//! and [`mutation`] what can be asked and done; [`document`] keeps parsed documents and refuses those that are
//! too large, [`straight`] is the short way for what needs no resolver, [`answer`] writes what comes of it.

pub mod answer;
pub mod context;
pub mod cost;
pub mod document;
pub mod loader;
pub mod mutation;
mod natural;
pub mod object;
mod page;
pub mod query;
pub mod scalar;
pub mod straight;
pub mod subscription;
mod value;

use async_graphql::SchemaBuilder;

use self::{context::Access, mutation::Mutation, query::Query, subscription::Subscription};
use crate::Graph;

/// The schema with everything it reaches.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// Deepest recursion of the executor; the depth limit of the settings refuses before.
const RECURSION_MAX: usize = 64;
/// Most directives on one field.
const DIRECTIVES_MAX: usize = 8;

/// Builds the schema over a graph, with the limits of its settings.
pub fn schema(graph: Graph) -> Schema {
    let limits = graph.config().limits.clone();
    builder(graph).limit_depth(limits.query_depth).limit_complexity(limits.query_complexity).finish()
}

/// The schema with the limits that no setting moves.
fn builder(graph: Graph) -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_recursive_depth(RECURSION_MAX)
        .limit_directives(DIRECTIVES_MAX)
        .data(Access::new(graph))
}

/// The schema in the schema language, as it is committed at `schema/api/entitygraph.graphql`.
pub fn sdl(schema: &Schema) -> String {
    schema.sdl_with_options(async_graphql::SDLExportOptions::new().sorted_fields().sorted_enum_items())
}
