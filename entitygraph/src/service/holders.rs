//! Who still holds a value of a retired variable.

use std::sync::Arc;

use entitygraph_schema::{
    ComponentId, Entity, Value, VariableId,
    query::{Facet, Page, PageRequest},
};

use super::{Graph, Result};

/// Entities with own values of the component that one page of results may look through.
const SCAN_ROWS: usize = 20_000;

impl Graph {
    /// Entities of the whole world that hold an own value of the variable, retired or not, with that value. A page may be
    /// shorter than asked, and empty: go on from its end while there is more.
    pub async fn holders(
        &self,
        component: ComponentId,
        variable: VariableId,
        page: PageRequest,
    ) -> Result<Page<(Arc<Entity>, Value)>> {
        self.check_rows("rows in one page", page.first)?;
        let (mut rows, mut scanned) = (Vec::new(), 0);
        let mut request = page.clone();
        loop {
            let candidates = self.find(None, &[Facet::Component(component)], request).await?;
            scanned += candidates.rows.len();
            let ids: Vec<_> = candidates.rows.iter().map(|(id, _)| *id).collect();
            for (entity, (_, cursor)) in self.entities(&ids).await?.into_iter().zip(candidates.rows) {
                let value =
                    entity.as_ref().and_then(|entity| entity.components.get(component, variable).cloned());
                let Some(holder) = entity.zip(value) else { continue };
                if rows.len() == page.first {
                    return Ok(Page::of(rows, true));
                }
                rows.push((holder, cursor));
            }
            if !candidates.more || scanned >= SCAN_ROWS || rows.len() == page.first {
                let end = candidates.end.filter(|_| candidates.more);
                let last = rows.last().map(|(_, cursor)| cursor.clone());
                return Ok(Page { rows, more: candidates.more, end: end.or(last) });
            }
            // Few candidates hold one: look through more of them at once.
            request = PageRequest { first: self.config().limits.page_rows, after: candidates.end };
        }
    }
}
