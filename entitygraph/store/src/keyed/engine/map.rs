//! An engine in memory, for tests of the layers above: a map that is copied when it is written while a view is open.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Durability, Engine, EngineError, View, Visitor, WriteBatch, batch::Entry};

type Map = BTreeMap<Vec<u8>, Bytes>;

/// See the module.
#[derive(Default)]
pub struct MapEngine(RwLock<Arc<Map>>);

impl Engine for MapEngine {
    fn name(&self) -> &'static str {
        "map"
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(MapView(self.0.read().clone()))
    }

    fn write(&self, batch: WriteBatch, _: Durability) -> Result<(), EngineError> {
        let mut map = self.0.write();
        let map = Arc::make_mut(&mut map);
        for entry in batch.entries() {
            match entry {
                Entry::Put { key, stored } => {
                    map.insert(key.to_vec(), Bytes::copy_from_slice(&stored[..stored.len() - 1]));
                }
                Entry::Delete { key } => drop(map.remove(key)),
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn compact(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn room(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn caveat(&self) -> Option<&'static str> {
        Some("nothing survives the end of the process")
    }
}

struct MapView(Arc<Map>);

impl View for MapView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        if from < to {
            let _ = self.0.range::<[u8], _>(range(from, to)).try_for_each(|(key, value)| visit(key, value));
        }
        Ok(())
    }

    fn scan_reverse(&self, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        if from < to {
            let _ =
                self.0.range::<[u8], _>(range(from, to)).rev().try_for_each(|(key, value)| visit(key, value));
        }
        Ok(())
    }
}

fn range<'a>(from: &'a [u8], to: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(from), Bound::Excluded(to))
}
