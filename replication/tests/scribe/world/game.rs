//! The replicant and what plays on it, and what must be true of what it was told.

use super::*;

impl World {
    /// What was accepted in a zone that the entity has left meanwhile means nothing.
    pub(super) fn promise(&mut self, Told { entity, number, zone }: Told) {
        if self.store.entities.get(&entity).is_some_and(|stored| stored.zone == zone) {
            let promised = self.promised.entry(entity).or_default();
            *promised = (*promised).max(number);
        }
    }

    /// The replicant hears from the scribe.
    pub(super) fn replicant(&mut self, effect: Effect) {
        match effect {
            Effect::Replayed => self.load(),
            Effect::FenceWanted(entity) => {
                let around =
                    self.store.entities[&entity].entity.placement.parent.filter(|_| entity.get() >= 100);
                let row = fence::Row { around, epoch: self.store.epoch(entity) };
                self.epochs.insert(entity, row.epoch);
                self.tell(Event::Fence { entity, row });
            }
            Effect::Durable { batch, .. } => {
                assert!(
                    batch > self.durable && batch <= self.batch,
                    "durable {batch} after {}",
                    self.durable
                );
                self.durable = batch;
                let later = self.reports.split_off(&(batch + 1));
                for (at_us, told) in std::mem::replace(&mut self.reports, later).into_values() {
                    self.lags_us.push(self.now_us - at_us);
                    for told in told {
                        self.promise(told);
                        self.check_now(told, "was said to be durable");
                    }
                }
            }
            Effect::Done { ticket, outcome } => self.moved(ticket, outcome),
            Effect::Passed { who: Asker::Area(number), .. } => {
                let Some((area, numbers)) = self.area.take() else { return };
                assert_eq!(area, number);
                self.areas_passed += 1;
                numbers.into_iter().for_each(|told| self.check_now(told, "was passed by a barrier"));
            }
            Effect::Dropped { entity, .. } => {
                self.dropped.insert(entity);
            }
            Effect::Superseded { .. } => self.superseded = true,
            Effect::Drained => self.drained = true,
            Effect::Stale { .. } | Effect::LogFull(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn check_now(&self, Told { entity, number, zone }: Told, why: &str) {
        if self.store.entities.get(&entity).is_some_and(|stored| stored.zone == zone) {
            self.check(entity, number, why);
        }
    }

    /// What was promised is in the store.
    fn check(&self, entity: EntityId, number: u64, why: &str) {
        if self.dropped.contains(&entity) || !self.store.entities.contains_key(&entity) {
            return;
        }
        let (pose, variable) = (self.store.number(entity), self.store.variable(entity));
        assert!(pose >= number, "change {number} of entity {entity} {why}, the store has {pose}");
        assert!(
            variable >= number / 3 * 3,
            "change {number} of entity {entity} {why}, variable is {variable}"
        );
    }

    /// Everything that was ever promised is in the store.
    pub fn check_promises(&self) {
        for (entity, number) in &self.promised {
            self.check(*entity, *number, "was accepted and synced, or durable");
        }
    }

    fn load(&mut self) {
        self.loading = false;
        for zone in ZONES.map(entity_id) {
            self.epochs.insert(zone, self.store.epoch(zone));
            let row = fence::Row { around: None, epoch: self.store.epoch(zone) };
            self.tell(Event::Fence { entity: zone, row });
        }
        for (root, members) in aggregates() {
            let Some(stored) = self.store.entities.get(&root) else { continue };
            let zone = stored.zone;
            let epoch = stored.entity.epoch;
            self.epochs.insert(root, epoch);
            self.tell(Event::Fence { entity: root, row: fence::Row { around: Some(zone), epoch } });
            for member in members {
                let Some(stored) = self.store.entities.get(&member).cloned() else { continue };
                let number = self.store.number(member);
                self.hot.insert(member, Hot { root, zone: stored.zone, number });
                self.tell(Event::Loaded { entity: Arc::new(stored.entity), zone: stored.zone });
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let hop = self.rng.u64(0..3_000);
        self.later(hop, Later::Scribe(self.incarnation, event));
    }

    /// A tick: a report, and what else happens.
    pub(super) fn game(&mut self) {
        self.tick += 1;
        if self.loading || self.hot.is_empty() {
            return;
        }
        self.report();
        let happens = |rng: &mut Rng, chance: u64| rng.u64(0..1_000) < chance;
        if happens(&mut self.rng, self.weather.commands) {
            match self.rng.u8(0..3) {
                0 => self.raise_zone(),
                _ => self.command(),
            }
        }
        if happens(&mut self.rng, self.weather.edits) {
            self.edit();
        }
        if self.area.is_none() && self.rng.u8(0..20) == 0 {
            let area = self.tick;
            let roots: Vec<EntityId> =
                aggregates().map(|(root, _)| root).filter(|_| self.rng.bool()).collect();
            let member = |(_, hot): &(&EntityId, &Hot)| roots.contains(&hot.root);
            let told =
                |(id, hot): (&EntityId, &Hot)| Told { entity: *id, number: hot.number, zone: hot.zone };
            let numbers = self.hot.iter().filter(member).map(told).collect();
            self.area = Some((area, numbers));
            self.tell(Event::Barrier { who: Asker::Area(area), roots });
        }
    }

    fn report(&mut self) {
        self.batch += 1;
        let mut rows: BTreeMap<EntityId, Vec<Row>> = BTreeMap::new();
        let mut told = vec![];
        for (id, hot) in &mut self.hot {
            // Of a root that a command moves nothing is told until it has.
            if self.rng.u8(0..3) == 0 || self.moving.values().any(|(root, _)| root == id) {
                continue;
            }
            // Some say the same again.
            if self.rng.u8(0..4) > 0 {
                hot.number = self.next_number;
                self.next_number += 1;
            }
            let row = Row { root: hot.root, entity: *id, values: values(hot.number, hot.zone) };
            rows.entry(hot.zone).or_default().push(row);
            told.push(Told { entity: *id, number: hot.number, zone: hot.zone });
        }
        self.reports.insert(self.batch, (self.now_us, told));
        for (zone, rows) in rows {
            self.tell(Event::Accepted { tick: self.tick, zone, rows });
        }
        self.tell(Event::Reported { session: SESSION, batch: self.batch });
    }

    fn raise_zone(&mut self) {
        let zone = entity_id(ZONES[self.rng.usize(0..2)]);
        let epoch = self.store.epoch(zone).next();
        self.store.raise(zone, epoch);
        self.epochs.insert(zone, epoch);
        // Atlas hears of its own commit a little later.
        let late_us = self.rng.u64(0..400_000);
        let event = Event::Fence { entity: zone, row: fence::Row { around: None, epoch } };
        self.later(late_us, Later::Scribe(self.incarnation, event));
    }

    fn command(&mut self) {
        let (root, _) = aggregates().nth(self.rng.usize(0..6)).unwrap();
        let Some(hot) = self.hot.get(&root) else { return };
        if self.moving.values().any(|(of, _)| *of == root) {
            return;
        }
        let zone = hot.zone;
        let to = entity_id(if zone.get() == ZONES[0] { ZONES[1] } else { ZONES[0] });
        self.ticket += 1;
        let flip = self.rng.bool();
        let epoch = self.epochs[&root];
        let operation = Operation::Reparent {
            entity: root,
            parent: to,
            port: None,
            pose: NewPose::At(pose(self.next_number, to)),
        };
        let mut variable = values(self.next_number, to).patch();
        variable.pose = None;
        self.next_number += 1;
        let preconditions = if flip { vec![Precondition::Epoch(root, epoch.next())] } else { vec![] };
        let command = Command {
            ticket: self.ticket,
            operation_id: name(&format!("game/{}/{}", self.incarnation, self.ticket)),
            preconditions,
            operations: vec![operation, Operation::Change(root, variable)],
            roots: vec![root],
            fenced: vec![to],
            left: Some(zone),
        };
        self.moving.insert(self.ticket, (root, flip.then_some(to)));
        self.tell(Event::Command(Box::new(command)));
    }

    fn moved(&mut self, ticket: u64, outcome: Result<Receipt, GraphError>) {
        let Some((root, flip)) = self.moving.remove(&ticket) else { return };
        match outcome {
            Ok(_) => {
                self.done += 1;
                let zone = self.store.entities[&root].zone;
                for (id, hot) in self.hot.iter_mut().filter(|(_, hot)| hot.root == root) {
                    // Poses that were accepted in the old zone meanwhile mean nothing.
                    let (left, number) = (hot.zone, self.store.number(*id));
                    let void = |told: &Told| told.entity == *id && told.zone == left && told.number > number;
                    self.reports.values_mut().for_each(|(_, told)| told.retain(|told| !void(told)));
                    self.accepted.retain(|(_, told)| !void(told));
                    self.area.iter_mut().for_each(|(_, told)| told.retain(|told| !void(told)));
                    (hot.zone, hot.number) = (zone, number);
                }
                let epoch = self.epochs.get_mut(&root).unwrap();
                if flip.is_some() {
                    *epoch = epoch.next();
                }
                let row = fence::Row { around: Some(zone), epoch: *epoch };
                self.tell(Event::Fence { entity: root, row });
                self.tell(Event::Took(ticket));
            }
            Err(_) => self.refused += 1,
        }
    }

    fn edit(&mut self) {
        let ids: Vec<EntityId> = self.hot.keys().copied().collect();
        let id = ids[self.rng.usize(0..ids.len())];
        let hot = self.hot[&id].clone();
        let Some(stored) = self.store.entities.get_mut(&id) else { return };
        if stored.zone != hot.zone {
            return;
        }
        let values = {
            let number = self.next_number;
            self.next_number += 1;
            self.hot.get_mut(&id).unwrap().number = number;
            values(number, hot.zone)
        };
        self.store.edited = true;
        values.patch().apply(&mut stored.entity);
        self.store.cursor = self.store.cursor.next();
        let cursor = self.store.cursor;
        self.tell(Event::Edited {
            cursor,
            tick: self.tick,
            zone: hot.zone,
            row: Row { root: hot.root, entity: id, values },
        });
    }
}
