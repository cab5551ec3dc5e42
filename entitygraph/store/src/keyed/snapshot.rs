//! Reading the world at one moment.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use entitygraph_schema::{Cursor, Entity, EntityId, Refusal};

use super::{engine::View, fault::Place, keys};
use crate::error::Result;

/// An engine's view with the meaning of its rows.
pub struct Snapshot<'a> {
    /// The rows.
    pub view: &'a dyn View,
    /// For messages.
    pub place: &'a Place,
}

impl Snapshot<'_> {
    /// The value of a row.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.view.get(key).map_err(|e| self.place.read_fault(e))
    }

    /// Visits the rows from `from` up to, not including, `to`; `visit` says whether to go on.
    pub fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool>,
    ) -> Result<()> {
        let mut outcome = Ok(());
        let mut step = |key: &[u8], value: &[u8]| match visit(key, value) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(error) => {
                outcome = Err(error);
                ControlFlow::Break(())
            }
        };
        self.view.scan(from, to, &mut step).map_err(|e| self.place.read_fault(e))?;
        outcome
    }

    /// Visits all rows that start with `prefix`.
    pub fn scan_prefix(&self, prefix: &[u8], visit: impl FnMut(&[u8], &[u8]) -> Result<bool>) -> Result<()> {
        self.scan(prefix, &keys::end_of(prefix), visit)
    }

    /// The last key of a range.
    pub fn last_key(&self, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut last = None;
        let mut visit = |key: &[u8], _: &[u8]| {
            last = Some(key.to_vec());
            ControlFlow::Break(())
        };
        self.view.scan_reverse(from, to, &mut visit).map_err(|e| self.place.read_fault(e))?;
        Ok(last)
    }

    /// The newest commit at this moment.
    pub fn newest(&self) -> Result<Cursor> {
        match self.get(&keys::newest())? {
            Some(bytes) => Ok(Cursor::from_number(self.place.number("the newest cursor", &bytes)?)),
            None => Ok(Cursor::ZERO),
        }
    }

    /// The entity, if it exists.
    pub fn entity(&self, id: EntityId) -> Result<Option<Arc<Entity>>> {
        match self.get(&keys::entity(id))? {
            Some(bytes) => Ok(Some(Arc::new(self.place.decode(format_args!("entity {id}"), &bytes)?))),
            None => Ok(None),
        }
    }

    /// The entity; an unknown one is refused.
    pub fn expect(&self, id: EntityId) -> Result<Arc<Entity>> {
        self.entity(id)?.ok_or_else(|| Refusal::UnknownEntity { entity: id }.into())
    }

    /// Refuses an entity that does not exist.
    pub fn check_exists(&self, id: EntityId) -> Result<()> {
        match self.get(&keys::entity(id))? {
            Some(_) => Ok(()),
            None => Err(Refusal::UnknownEntity { entity: id }.into()),
        }
    }

    /// The id that a key ends in.
    pub fn last_id(&self, key: &[u8]) -> Result<EntityId> {
        keys::last_id(key).ok_or_else(|| self.place.corrupt(format!("the key {key:02x?} ends in no id")))
    }
}
