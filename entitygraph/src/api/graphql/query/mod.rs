//! Every question, one file a noun.

mod catalog;
mod entity;
pub(in crate::api::graphql) mod space;
mod status;

use async_graphql::MergedObject;

/// Everything that can be asked.
#[derive(MergedObject, Default)]
pub struct Query(entity::EntityQuery, space::SpaceQuery, catalog::CatalogQuery, status::StatusQuery);
