//! What entities are made of: containers and component types.

use std::{ops::Bound, sync::Arc};

use async_graphql::{Context, Object};
use entitygraph_schema::{
    Refusal,
    query::{Page, PageCursor, PageRequest},
};

use crate::api::{
    error::Fault,
    graphql::{
        context::graph,
        object::{component::ComponentType, container::Container},
        page::{self, Rows, cost},
    },
};

/// Questions about the catalog.
#[derive(Default)]
pub struct CatalogQuery;

/// A page of what is sorted by name; the name is the cursor.
fn by_name<T>(mut all: Vec<(String, T)>, request: &PageRequest) -> Result<Page<T>, Refusal> {
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let start = match &request.after {
        None => Bound::Unbounded,
        Some(PageCursor(bytes)) => {
            Bound::Excluded(String::from_utf8(bytes.clone()).map_err(|_| Refusal::BadPageCursor)?)
        }
    };
    let mut rest = all.into_iter().filter(|(name, _)| match &start {
        Bound::Excluded(after) => name > after,
        _ => true,
    });
    let rows =
        rest.by_ref().take(request.first).map(|(name, row)| (row, PageCursor(name.into_bytes()))).collect();
    Ok(Page::of(rows, rest.next().is_some()))
}

#[Object]
impl CatalogQuery {
    /// The newest version of the container of this name; null if there is none.
    async fn container(&self, ctx: &Context<'_>, name: String) -> Option<Container> {
        graph(ctx).catalog().container_by_name(&name).cloned().map(Container)
    }

    /// Containers whose name begins with the prefix, by name.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn containers(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] prefix: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Container>, Fault> {
        let request = page::request(ctx, first, after)?;
        let catalog = graph(ctx).catalog();
        let all = catalog.containers().filter(|container| container.draft.name.as_str().starts_with(&prefix));
        let all = all.map(|container| (container.draft.name.to_string(), Arc::clone(container))).collect();
        Ok(page::rows(&request, by_name(all, &request)?, Container))
    }

    /// The component type of this name; null if there is none.
    async fn component_type(&self, ctx: &Context<'_>, name: String) -> Option<ComponentType> {
        graph(ctx).catalog().registry.by_name(&name).cloned().map(ComponentType)
    }

    /// Component types whose name begins with the prefix, by name.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn component_types(
        &self,
        ctx: &Context<'_>,
        #[graphql(default)] prefix: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<ComponentType>, Fault> {
        let request = page::request(ctx, first, after)?;
        let catalog = graph(ctx).catalog();
        let all = catalog.registry.iter().filter(|component| component.name.as_str().starts_with(&prefix));
        let all = all.map(|component| (component.name.to_string(), Arc::clone(component))).collect();
        Ok(page::rows(&request, by_name(all, &request)?, ComponentType))
    }
}
