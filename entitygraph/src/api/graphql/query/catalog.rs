//! What entities are made of: containers and component types.

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

/// The name that the page goes on behind; the cursor of a row is its name.
fn behind(request: &PageRequest) -> Result<Option<&str>, Refusal> {
    match &request.after {
        Some(PageCursor(name)) => Ok(Some(std::str::from_utf8(name).map_err(|_| Refusal::BadPageCursor)?)),
        None => Ok(None),
    }
}

/// The page that rows by name begin with.
fn page_of<T>(mut rows: impl Iterator<Item = T>, name: impl Fn(&T) -> &str, first: usize) -> Page<T> {
    let page = rows.by_ref().take(first).map(|row| {
        let cursor = PageCursor(name(&row).as_bytes().to_vec());
        (row, cursor)
    });
    Page::of(page.collect(), rows.next().is_some())
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
        let found = catalog.containers_by_name(&prefix, behind(&request)?);
        let page = page_of(found.cloned(), |container| container.draft.name.as_str(), request.first);
        Ok(page::rows(&request, page, Container))
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
        let found = catalog.registry.iter_by_name(&prefix, behind(&request)?);
        let page = page_of(found.cloned(), |component| component.name.as_str(), request.first);
        Ok(page::rows(&request, page, ComponentType))
    }
}
