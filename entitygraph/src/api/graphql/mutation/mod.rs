//! Every write, one file a noun. Each mutation is one transaction; `commit` holds any number of them in one.

mod catalog;
mod commit;
mod entity;
mod link;
mod place;
mod plan;

use async_graphql::MergedObject;
use entitygraph_schema::Label;

use crate::api::error::Fault;

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    commit::CommitMutation,
    entity::EntityMutation,
    place::PlaceMutation,
    link::LinkMutation,
    catalog::CatalogMutation,
);

/// Labels of an input.
fn labels<T: FromIterator<Label>>(names: Vec<String>) -> Result<T, Fault> {
    names.into_iter().map(Label::new).collect::<Result<T, _>>().map_err(Fault::text)
}
