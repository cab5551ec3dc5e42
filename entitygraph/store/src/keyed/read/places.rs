//! What the space index reads.

use std::ops::ControlFlow;

use entitygraph_schema::{EntityId, Refusal};

use crate::{
    error::{Error, Result},
    keyed::{
        snapshot::Snapshot,
        space::{Outer, Rows, Visitor},
        tree::Tree,
    },
};

impl Rows for Snapshot<'_> {
    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<()> {
        Snapshot::scan(self, from, to, |key, value| {
            Ok(matches!(visit(key, value), ControlFlow::Continue(())))
        })
    }

    fn outer(&self, zone: EntityId) -> Result<Option<Outer>> {
        let host = self.expect(zone)?;
        if host.zone.is_none() {
            return Err(Refusal::NotAZone { entity: zone }.into());
        }
        Ok(self.seat(&host)?.map(|(zone, pose)| Outer { zone, pose }))
    }

    fn corrupt(&self, what: String) -> Error {
        self.place.corrupt(what)
    }
}
