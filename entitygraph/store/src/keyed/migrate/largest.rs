//! To format 2: zones know the largest thing in them, so that a question by angular size passes by those in which nothing is
//! large enough to be seen.
//!
//! The rows of zone hosts (61) and of reaches (62) get one length more behind the reach; their keys stay. So a row shows by
//! its length whether it is done.

use std::collections::HashMap;

use entitygraph_schema::{EntityId, Pose};

use super::{Rewriting, Work};
use crate::{
    error::Result,
    keyed::{
        engine::WriteBatch,
        keys::{self, Row},
        snapshot::Snapshot,
        space::{Reach, read_placed},
    },
    migrate::Step,
};

pub(super) const WORK: Work = Work {
    step: Step {
        number: 2,
        name: "largest thing in each zone",
        what: "Each zone gets to know the radius of the largest thing in it, so that questions by angular size skip zones in \
               which nothing can be seen. Rewrites the space index's rows of zones and of zone hosts; no entity is touched.",
        undo: None,
    },
    rows: count,
    begin,
};

/// Bytes of the reach within the value of a host, behind its pose of seven numbers.
const IN_HOST: std::ops::Range<usize> = 56..64;
const HOST_BEFORE: usize = 112;
const HOST_AFTER: usize = 120;
const REACH_BEFORE: usize = 8;
const REACH_AFTER: usize = 16;

fn count(snapshot: &Snapshot<'_>) -> Result<u64> {
    let mut count = 0;
    scan(snapshot, &[], |_, value| {
        count += u64::from(matches!(value.len(), HOST_BEFORE | REACH_BEFORE));
        Ok(true)
    })?;
    Ok(count)
}

/// Both kinds of rows after a key, in one order: hosts, then reaches.
fn scan(
    snapshot: &Snapshot<'_>,
    after: &[u8],
    visit: impl FnMut(&[u8], &[u8]) -> Result<bool>,
) -> Result<()> {
    let (first, _) = keys::all(Row::Host);
    let (_, to) = keys::all(Row::Reach);
    let from = if after.is_empty() { first } else { keys::after(after) };
    snapshot.scan(&from, &to, visit)
}

/// The largest bounding radius in each zone that has something inside, nested zones included.
struct Largest(HashMap<EntityId, f64>);

fn begin(snapshot: &Snapshot<'_>) -> Result<Box<dyn Rewriting>> {
    let mut inside: HashMap<EntityId, f64> = HashMap::new();
    let (from, to) = keys::all(Row::Placed);
    snapshot.scan(&from, &to, |key, value| {
        let corrupt = || snapshot.place.corrupt(format!("the place {key:02x?} is {value:02x?}"));
        let zone = zone_around(key).ok_or_else(corrupt)?;
        let (_, radius) = read_placed(value).ok_or_else(corrupt)?;
        let largest = Reach::of_entity(&Pose::IDENTITY, radius).largest();
        inside.entry(zone).and_modify(|known| *known = known.max(largest)).or_insert(largest);
        Ok(true)
    })?;
    let mut around: HashMap<EntityId, EntityId> = HashMap::new();
    let (from, to) = keys::all(Row::Host);
    snapshot.scan(&from, &to, |key, _| {
        let corrupt = || snapshot.place.corrupt(format!("the key {key:02x?} is of no zone host"));
        around.insert(snapshot.last_id(key)?, zone_around(key).ok_or_else(corrupt)?);
        Ok(true)
    })?;
    let mut all = inside.clone();
    for (mut zone, largest) in inside {
        while let Some(outer) = around.get(&zone) {
            let known = all.entry(*outer).or_insert(f64::NEG_INFINITY);
            if *known >= largest {
                break;
            }
            (*known, zone) = (largest, *outer);
        }
    }
    Ok(Box::new(Largest(all)))
}

/// The zone that a placed entity or a zone host is in, from its key.
fn zone_around(key: &[u8]) -> Option<EntityId> {
    EntityId::new(keys::take_number(key.get(1..)?)?.0)
}

impl Largest {
    /// What a zone gets that had this reach.
    fn reach(&self, snapshot: &Snapshot<'_>, zone: EntityId, metres: [u8; 8]) -> Result<Reach> {
        let metres = f64::from_be_bytes(metres);
        let reach = match self.0.get(&zone) {
            Some(largest) => Reach::of(metres, *largest),
            // What was inside is gone: the reach does not shrink.
            None if metres >= 0.0 => Reach::of(metres, 0.0),
            None => Reach::of(metres, f64::NEG_INFINITY),
        };
        reach.ok_or_else(|| snapshot.place.corrupt(format!("zone {zone} cannot reach {metres} m")))
    }
}

impl Rewriting for Largest {
    fn next(
        &self,
        snapshot: &Snapshot<'_>,
        after: &[u8],
        most: usize,
        out: &mut WriteBatch,
    ) -> Result<Option<Vec<u8>>> {
        let mut last = None;
        let mut seen = 0;
        scan(snapshot, after, |key, value| {
            let zone = snapshot.last_id(key)?;
            let is_host = key[0] == Row::Host as u8;
            match value.len() {
                HOST_BEFORE if is_host => {
                    let mut metres = [0; 8];
                    metres.copy_from_slice(&value[IN_HOST]);
                    let reach = self.reach(snapshot, zone, metres)?.to_be_bytes();
                    out.put(key, &[&value[..IN_HOST.start], &reach, &value[IN_HOST.end..]].concat());
                }
                REACH_BEFORE if !is_host => {
                    let mut metres = [0; 8];
                    metres.copy_from_slice(value);
                    out.put(key, &self.reach(snapshot, zone, metres)?.to_be_bytes());
                }
                HOST_AFTER if is_host => {}
                REACH_AFTER if !is_host => {}
                bytes => {
                    let what = format!("the row {key:02x?} of zone {zone} has {bytes} bytes");
                    return Err(snapshot.place.corrupt(what));
                }
            }
            last = Some(key.to_vec());
            seen += 1;
            Ok(seen < most)
        })?;
        Ok(last)
    }
}
