//! What an operation costs that was refused for it.
//!
//! The library tells the cost to extensions alone, and a schema with an extension runs every resolver more slowly. So there is
//! a second schema that only counts, made when the first operation is refused.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    Request, ServerError, ValidationResult,
    async_trait::async_trait,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
};

use super::{Schema, builder};
use crate::Graph;

/// Counts; made when it is needed.
pub struct Meter {
    graph: Graph,
    schema: OnceLock<Schema>,
}

impl Meter {
    /// Counts nothing yet.
    pub fn new(graph: Graph) -> Self {
        Self { graph, schema: OnceLock::new() }
    }

    /// The complexity of an operation; none when it has other faults as well.
    pub async fn cost(&self, request: Request) -> Option<usize> {
        let schema = self.schema.get_or_init(|| builder(self.graph.clone()).extension(Count).finish());
        schema.execute(request).await.errors.first()?.message.parse().ok()
    }
}

/// Ends each request with its cost as the message.
struct Count;

impl ExtensionFactory for Count {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for Count {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let found = next.run(ctx).await?;
        Err(vec![ServerError::new(found.complexity.to_string(), None)])
    }
}
