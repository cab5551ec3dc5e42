//! What is loading: the catalog, and batches that are here and were not shown yet.

use std::collections::BTreeMap;

use entitygraph_schema::wire::control::message;

use super::Peer;
use crate::stream::{frame, session::State};

/// What came and is not done.
#[derive(Debug, Default)]
pub(super) struct Loading {
    /// Whether the catalog is here: before it is, no batch is said to be Ready, because what is told of its variables could
    /// not be read.
    catalog: bool,
    /// What is said of batches that are not active yet, by number: said again when the session goes on.
    ready: BTreeMap<u64, message::Ready>,
}

impl Peer {
    /// Says that a batch is loaded, but for these members: after `Bound`, where the caller loads. It is sent when the catalog is
    /// here, and again when the session goes on. A batch that is not bound any more needs no word.
    pub fn ready(&mut self, batch: u64, failed: Vec<message::Failed>) {
        if self.view.loading().any(|loading| loading == batch) {
            let ready = message::Ready { batch, failed };
            if self.loading.catalog && self.state() == State::Open {
                self.put(&frame(&ready));
            }
            self.loading.ready.insert(batch, ready);
        }
    }

    /// Asks for the catalog, where the peer has none, or not that of the hub.
    pub(super) fn want_catalog(&mut self, reset: bool, hash: &[u8]) {
        let own = self.session.point.catalog_hash;
        let same = own.as_ref().is_some_and(|own| own[..] == *hash);
        // A hub that says no hash may have another one after its start.
        if self.loading.catalog && (same || (hash.is_empty() && !reset)) {
            return;
        }
        if !same {
            self.view.forget_catalog();
        }
        self.loading.catalog = false;
        let have = own.map(|own| own.to_vec()).unwrap_or_default();
        self.say(&message::CatalogWanted { have, ..Default::default() });
    }

    /// A part of the catalog came.
    pub(super) fn catalog_part(&mut self, part: &message::CatalogPart) {
        if part.last {
            self.session.point.catalog_hash = part.catalog_hash[..].try_into().ok();
            self.catalog_is_here();
        }
    }

    /// All of it is here, or the hub has none.
    pub(super) fn catalog_is_here(&mut self) {
        if !self.loading.catalog {
            self.loading.catalog = true;
            self.say_ready();
        }
    }

    /// Says again which batches are loaded and were not shown yet.
    pub(super) fn say_ready(&mut self) {
        self.forget_ready();
        if self.loading.catalog {
            let frames: Vec<Vec<u8>> = self.loading.ready.values().map(frame).collect();
            frames.iter().for_each(|frame| self.put(frame));
        }
    }

    /// What is active, or bound no more, is not loading.
    pub(super) fn forget_ready(&mut self) {
        let view = &self.view;
        self.loading.ready.retain(|batch, _| view.loading().any(|loading| loading == *batch));
    }
}
