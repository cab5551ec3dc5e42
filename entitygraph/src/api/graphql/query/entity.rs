//! Entities by what they are: id, name, owner, kind, container, component, label, place in the tree.

use std::collections::BTreeSet;

use async_graphql::{Context, Object};
use entitygraph_schema::{
    EntityId, Kind, Label, OwnerId, Refusal,
    query::{ChildOrder, Extent},
};

use crate::{
    api::{
        error::Fault,
        graphql::{
            context::{Access, graph},
            natural::Natural,
            object::{
                count::Counts,
                entity::{self, ExtentName, Node},
                tree::Tree,
            },
            page::{self, Rows, SEARCH_COST, cost},
            scalar::{ChangeCursor, Id},
            value,
        },
    },
    service::Filter,
};

/// Questions about entities.
#[derive(Default)]
pub struct EntityQuery;

/// The tree below a root, or `None` when there is no such entity.
async fn tree(ctx: &Context<'_>, root: EntityId, extent: Extent) -> Result<Option<Tree>, Fault> {
    let graph = graph(ctx);
    // Taken before the tree is, so that everything up to it is in the tree.
    let cursor = ChangeCursor(*graph.applied().borrow());
    match graph.subtree(root, extent).await {
        Ok(entities) => Ok(Some(Tree { cursor, entities: entities.iter().cloned().map(Node).collect() })),
        Err(entitygraph_store::Error::Refused(Refusal::UnknownEntity { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[Object]
impl EntityQuery {
    /// The entity of this id; null if it does not exist.
    async fn entity(&self, ctx: &Context<'_>, id: Id) -> Result<Option<Node>, Fault> {
        Ok(Access::of(ctx).entity(id.0).await?.map(Node))
    }

    /// Many entities by id, in the order asked; null for those that do not exist.
    #[graphql(complexity = "ids.len() * child_complexity + 1")]
    async fn entities(&self, ctx: &Context<'_>, ids: Vec<Id>) -> Result<Vec<Option<Node>>, Fault> {
        let ids: Vec<_> = ids.into_iter().map(|id| id.0).collect();
        let found = graph(ctx).entities(&ids).await?;
        Ok(found.into_iter().map(|entity| entity.map(Node)).collect())
    }

    /// The world roots.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn roots(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).children(None, ChildOrder::Ordinal, request.clone()).await?;
        entity::rows(ctx, &request, page).await
    }

    /// An entity and what is below it, in one piece and from one moment: to a depth, or all of it. Null if it does not
    /// exist; refused when it is larger than `service.limits.subtree_entities` (read its `descendants` by pages then).
    async fn subtree(
        &self,
        ctx: &Context<'_>,
        id: Id,
        #[graphql(desc = "Levels below it; goes before `extent`.")] depth: Option<Natural>,
        #[graphql(default_with = "ExtentName::All")] extent: ExtentName,
    ) -> Result<Option<Tree>, Fault> {
        tree(ctx, id.0, extent.with_depth(depth)).await
    }

    /// The whole aggregate of any of its members; null if the entity is in none or does not exist.
    async fn aggregate(&self, ctx: &Context<'_>, id: Id) -> Result<Option<Tree>, Fault> {
        match graph(ctx).aggregate_root(id.0).await? {
            Some(root) => tree(ctx, root.id, Extent::Aggregate).await,
            None => Ok(None),
        }
    }

    /// Entities below another one (not itself), or in the whole world, for which all that is asked holds; of several
    /// kinds, containers, components or labels one suffices. Components count whether they are the entity's own or its
    /// container's. A page may be shorter than `first`: go on while `hasNextPage`.
    #[graphql(complexity = "SEARCH_COST + cost(first, child_complexity)")]
    #[allow(clippy::too_many_arguments)] // they are the arguments of the GraphQL field
    async fn find(
        &self,
        ctx: &Context<'_>,
        below: Option<Id>,
        kinds: Option<Vec<String>>,
        #[graphql(desc = "By name.")] containers: Option<Vec<String>>,
        #[graphql(desc = "By name.")] components: Option<Vec<String>>,
        labels: Option<Vec<String>>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let graph = graph(ctx);
        let catalog = graph.catalog();
        let named = |names: Option<Vec<String>>| names.unwrap_or_default().into_iter();
        let filter = Filter {
            kinds: named(kinds).map(Kind::new).collect::<Result<_, _>>().map_err(Fault::text)?,
            labels: named(labels).map(Label::new).collect::<Result<_, _>>().map_err(Fault::text)?,
            containers: named(containers)
                .map(|name| Ok(graph.container(&name)?.id))
                .collect::<Result<BTreeSet<_>, Fault>>()?,
            components: named(components)
                .map(|name| Ok(value::component(&catalog, &name)?.id))
                .collect::<Result<BTreeSet<_>, Fault>>()?,
        };
        let page = graph.find_entities(below.map(|below| below.0), &filter, request.clone()).await?;
        Ok(page::rows(&request, page, Node))
    }

    /// Entities of an owner, by id.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn owned(
        &self,
        ctx: &Context<'_>,
        owner: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let owner = OwnerId::new(owner).map_err(Fault::text)?;
        let page = graph(ctx).owned(&owner, request.clone()).await?;
        entity::rows(ctx, &request, page).await
    }

    /// Entities whose name begins with the prefix, whatever its case; by name, then id.
    #[graphql(complexity = "cost(first, child_complexity)")]
    async fn named(
        &self,
        ctx: &Context<'_>,
        prefix: String,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Rows<Node>, Fault> {
        let request = page::request(ctx, first, after)?;
        let page = graph(ctx).named(&prefix, request.clone()).await?;
        entity::rows(ctx, &request, page).await
    }

    /// How many entities of each sort are below one (not counting itself), or in the whole world.
    async fn counts(&self, below: Option<Id>) -> Counts {
        Counts(below.map(|below| below.0))
    }
}
