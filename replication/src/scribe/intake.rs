//! What the replicant says: taken into the log and the backlog.

use entitygraph_schema::{Cursor, EntityId};
use hashbrown::HashSet;

use super::{
    Scribe,
    backlog::{Arrival, Entry, Held},
    fence::Row as FenceRow,
    log::Row,
    message::{Asker, Out},
    values::Values,
};

impl Scribe {
    pub(super) fn accepted(
        &mut self,
        now_us: u64,
        tick: u64,
        zone: EntityId,
        mut rows: Vec<Row>,
        out: &mut Out,
    ) {
        if self.stopped {
            return;
        }
        if !self.leaving.is_empty() {
            // The replicant did not know yet that they left.
            for row in &mut rows {
                if self.leaving.get(&row.root).is_some_and(|(_, left)| *left == zone) {
                    row.values.pose = None;
                }
            }
            rows.retain(|row| !row.values.is_empty());
        }
        self.number += 1;
        self.counts.accepted += rows.len() as u64;
        let logged = self.journal.accepted(tick, zone, &rows, &mut out.log);
        let arrival = Arrival { number: self.number, now_us, logged };
        for Row { root, entity, values } in rows {
            let entry = Entry { root, zone, tick, values };
            if !self.backlog.accept(entity, entry, arrival) {
                self.counts.older += 1;
            }
        }
        let ripe_us = now_us + self.wait_us();
        self.ripe_us = Some(self.ripe_us.map_or(ripe_us, |at| at.min(ripe_us)));
        self.clean(out);
    }

    /// What others wrote is the newest: it goes the same way, and is not written again if the store has it.
    pub(super) fn edited(&mut self, entity: EntityId, values: &Values, zone: EntityId, cursor: Cursor) {
        // What is under way may be written over it: then it is written once more.
        if !self.busy_entities.contains(&entity)
            && let Some(known) = self.known.get_mut(&entity)
        {
            known.wrote(values.clone(), zone, cursor);
        }
    }

    pub(super) fn buried(&mut self, entity: EntityId, out: &mut Out) {
        self.known.remove(&entity);
        let root = self.backlog.entry(entity).map(|entry| entry.root);
        self.backlog.forget(entity);
        if let Some(root) = root {
            self.settled(&[root], out);
        }
    }

    pub(super) fn cold(&mut self, entity: EntityId) {
        self.known.remove(&entity);
        // Something was accepted after all: it is written, under its fence.
        if self.backlog.aggregate(entity).is_none() && !self.busy_roots.contains_key(&entity) {
            self.fence.forget(entity);
        }
    }

    pub(super) fn fence(&mut self, now_us: u64, entity: EntityId, row: FenceRow, out: &mut Out) {
        self.fence.put(entity, row);
        let Some(roots) = self.fenced.remove(&entity) else { return };
        for root in roots {
            match self.backlog.aggregate(root).and_then(|waiting| waiting.held) {
                Some(held) if held.on == entity && held.epoch > row.epoch => {
                    self.fenced.entry(entity).or_default().push(root);
                }
                Some(held) if held.on == entity => self.backlog.hold(root, None),
                _ => {}
            }
        }
        self.fill(now_us, out);
    }

    /// Holds an aggregate back until a row of the fence is there.
    pub(super) fn hold(&mut self, root: EntityId, held: Held) {
        if self.backlog.aggregate(root).is_some() {
            self.backlog.hold(root, Some(held));
            self.fenced.entry(held.on).or_default().push(root);
        }
    }

    pub(super) fn barrier(&mut self, now_us: u64, who: Asker, roots: Vec<EntityId>, out: &mut Out) {
        let waits = |root: &EntityId| self.first_of(*root).is_some();
        let waiting: HashSet<EntityId> = roots.into_iter().filter(waits).collect();
        waiting.iter().for_each(|root| self.backlog.hurry(*root));
        self.watermark.ask(who, self.number, waiting, &mut out.effects);
        self.fill(now_us, out);
    }
}
