//! Every write, one file a noun. Each mutation is one transaction; `commit` holds any number of them in one.

mod catalog;
mod commit;
mod entity;
mod link;
mod place;
mod plan;

use async_graphql::MergedObject;

/// Everything that can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(
    commit::CommitMutation,
    entity::EntityMutation,
    place::PlaceMutation,
    link::LinkMutation,
    catalog::CatalogMutation,
);
