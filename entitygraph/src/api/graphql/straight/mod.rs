//! Entities straight to JSON.
//!
//! The executor resolves each field of each row as a future and keeps its value in a map until all is serialised. That is
//! what fields with a read behind them need; most fields have none. A selection of such *plain* fields is compiled once
//! to an [`EntityWriter`], which writes row after row. It is used in two places, and changes no answer in either:
//!
//! - lists ([`rows`]) write their nodes with it when the selection allows;
//! - whole documents of the commonest questions ([`Plan`]) are answered from the cache with it, or not at all: what
//!   is not in the cache, or is asked in any other way, goes to the executor.
//!
//! Tests compare each plain field and each plan with the executor's answer, byte by byte.

mod entity;
mod plan;
pub mod rows;

pub use entity::{EntityWriter, PLAIN_FIELDS};
pub use plan::Plan;

use std::collections::HashSet;

use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

/// Marks, in the data of a request, a document without fragments and repeated response keys: no two answers are ever merged,
/// so that lists may be written as JSON text.
pub struct Flat;

impl Flat {
    /// Whether that can be said of the document.
    pub fn says(document: &ExecutableDocument) -> bool {
        document.fragments.is_empty()
            && document.operations.iter().all(|(_, operation)| flat(&operation.node.selection_set.node))
    }
}

fn flat(set: &SelectionSet) -> bool {
    let mut keys = HashSet::with_capacity(set.items.len());
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            keys.insert(&field.node.response_key().node) && flat(&field.node.selection_set.node)
        }
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => false,
    })
}

/// A response key as it stands in JSON: `"name":`. GraphQL names need no escape.
fn key(name: &str) -> Box<[u8]> {
    format!("\"{name}\":").into_bytes().into()
}
