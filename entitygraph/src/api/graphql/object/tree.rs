//! A tree in one piece.

use async_graphql::{Object, SimpleObject};

use super::entity::Node;
use crate::api::graphql::{
    page::tree_cost,
    scalar::{ChangeCursor, Int64},
    straight::rows::List,
};

/// An entity and what is below it, as they were at one moment.
pub struct Tree {
    /// The newest commit that is surely in it.
    pub cursor: ChangeCursor,
    /// Parents first.
    pub entities: Vec<Node>,
}

/// An entity and what is below it, as they were at one moment.
#[Object]
impl Tree {
    /// Every commit up to this one is in the tree: subscribe from here and miss nothing. Later ones may be in it already;
    /// revisions tell.
    async fn cursor(&self) -> ChangeCursor {
        self.cursor
    }

    /// How many entities it has.
    async fn count(&self) -> Int64 {
        (self.entities.len() as u64).into()
    }

    /// Parents first, siblings by ordinal and id.
    #[graphql(complexity = "tree_cost(child_complexity)")]
    async fn nodes(&self) -> List<'_, Node> {
        List(self.entities.iter().collect())
    }
}

/// An entity near a point.
#[derive(SimpleObject)]
pub struct Hit {
    /// Which.
    pub entity: Node,
    /// From the point to its centre in metres.
    pub distance: f64,
    /// Its bounding radius in metres.
    pub radius: f64,
}
