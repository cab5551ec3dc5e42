//! Counts below a node, by everything that entities are found by.

use async_graphql::{Context, Object, SimpleObject};
use entitygraph_schema::query::Facet;

use super::{component::ComponentType, container::Container};
use crate::api::graphql::{
    context::graph,
    page::{cost, tree_cost},
    scalar::Int64,
};

/// How many entities there are below a node, not counting itself.
pub struct Counts(pub Vec<(Facet, u64)>);

/// How many entities have a name in common: that of a kind or label.
#[derive(SimpleObject)]
pub struct NamedCount {
    /// The kind or label.
    name: String,
    /// How many.
    count: Int64,
}

/// How many instances a container has.
#[derive(SimpleObject)]
pub struct ContainerCount {
    /// The container.
    container: Container,
    /// How many.
    count: Int64,
}

/// How many entities have own values of a component.
#[derive(SimpleObject)]
pub struct ComponentCount {
    /// Its type.
    component: ComponentType,
    /// How many.
    count: Int64,
}

impl Counts {
    /// All entities: each has exactly one kind.
    pub fn total(&self) -> u64 {
        self.0.iter().filter(|(facet, _)| matches!(facet, Facet::Kind(_))).map(|(_, count)| count).sum()
    }

    fn named<'a>(&'a self, name: impl Fn(&'a Facet) -> Option<&'a str>) -> Vec<NamedCount> {
        let rows = self.0.iter().filter_map(|(facet, count)| Some((name(facet)?, count)));
        rows.map(|(name, count)| NamedCount { name: name.to_owned(), count: (*count).into() }).collect()
    }
}

/// How many entities there are below a node, not counting itself.
#[Object]
impl Counts {
    /// All of them.
    #[graphql(name = "total")]
    async fn all(&self) -> Int64 {
        self.total().into()
    }

    /// By kind.
    #[graphql(complexity = "cost(None, child_complexity)")]
    async fn kinds(&self) -> Vec<NamedCount> {
        self.named(|facet| if let Facet::Kind(kind) = facet { Some(kind.as_str()) } else { None })
    }

    /// By label.
    #[graphql(complexity = "cost(None, child_complexity)")]
    async fn labels(&self) -> Vec<NamedCount> {
        self.named(|facet| if let Facet::Label(label) = facet { Some(label.as_str()) } else { None })
    }

    /// By container.
    #[graphql(complexity = "tree_cost(child_complexity)")]
    async fn containers(&self, ctx: &Context<'_>) -> Vec<ContainerCount> {
        let catalog = graph(ctx).catalog();
        let rows = self.0.iter().filter_map(|(facet, count)| match facet {
            Facet::Container(id) => {
                let container = Container(catalog.container(*id)?.clone());
                Some(ContainerCount { container, count: (*count).into() })
            }
            _ => None,
        });
        rows.collect()
    }

    /// By component, of those with own values of it.
    #[graphql(complexity = "tree_cost(child_complexity)")]
    async fn components(&self, ctx: &Context<'_>) -> Vec<ComponentCount> {
        let catalog = graph(ctx).catalog();
        let rows = self.0.iter().filter_map(|(facet, count)| match facet {
            Facet::Component(id) => {
                let component = ComponentType(catalog.registry.get(*id)?.clone());
                Some(ComponentCount { component, count: (*count).into() })
            }
            _ => None,
        });
        rows.collect()
    }
}
