//! Every question, one file a noun.

mod catalog;
mod entity;
mod space;
mod status;

use async_graphql::MergedObject;

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(entity::EntityQuery, space::SpaceQuery, catalog::CatalogQuery, status::StatusQuery);
