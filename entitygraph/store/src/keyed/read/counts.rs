//! How many entities below a node have a facet: its tallies.

use std::collections::BTreeSet;

use entitygraph_schema::{
    EntityId, Refusal,
    query::{Facet, FacetSort, Page, PageRequest},
};

use super::lists;
use crate::{
    error::{Error, Result},
    keyed::{keys, snapshot::Snapshot},
};

/// Tallies of other facets that are passed over before the reader jumps. A jump is a new scan and costs about as much.
const PATIENCE: usize = 24;

/// The tally of everything.
pub fn total(snapshot: &Snapshot<'_>, below: Option<EntityId>) -> Result<u64> {
    let mut key = prefix(snapshot, below)?;
    key.extend_from_slice(&keys::EVERYTHING);
    match snapshot.get(&key)? {
        Some(value) => snapshot.place.number("a tally", &value),
        None => Ok(0),
    }
}

/// Tallies of all facets.
pub fn counts(snapshot: &Snapshot<'_>, below: Option<EntityId>) -> Result<Vec<(Facet, u64)>> {
    let prefix = prefix(snapshot, below)?;
    let mut found = Vec::new();
    snapshot.scan_prefix(&prefix, |key, value| {
        found.extend(read(snapshot, &prefix, key, value)?);
        Ok(true)
    })?;
    Ok(found)
}

/// A page of the tallies of one sort of facets.
pub fn counts_by(
    snapshot: &Snapshot<'_>,
    below: Option<EntityId>,
    sort: FacetSort,
    page: &PageRequest,
) -> Result<Page<(Facet, u64)>> {
    let all = prefix(snapshot, below)?;
    let mut of_sort = all.clone();
    of_sort.push(keys::facet_tag(sort));
    lists::rows("counts", &of_sort, snapshot, page, |key, value| {
        read(snapshot, &all, key, value)?.ok_or_else(|| no_facet(snapshot, key))
    })
}

/// Refuses more facets than one question may have.
pub fn check(facets: &[Facet]) -> Result<(), Refusal> {
    let (count, max) = (facets.len() as u64, PageRequest::MAX_FIRST as u64);
    if count > max { Err(Refusal::TooMany { what: "facets to be counted", count, max }) } else { Ok(()) }
}

/// Tallies of some facets: both what is asked for and what is there are in order, so the one that lags behind jumps to
/// the other.
pub fn counts_of(
    snapshot: &Snapshot<'_>,
    below: Option<EntityId>,
    facets: &[Facet],
) -> Result<Vec<(Facet, u64)>> {
    let prefix = prefix(snapshot, below)?;
    let asked: BTreeSet<Vec<u8>> = facets.iter().map(|facet| key(&prefix, facet)).collect();
    let mut asked = asked.into_iter().peekable();
    let mut found = Vec::new();
    while let Some(next) = asked.peek().cloned() {
        let mut misses = 0;
        let mut ended = true;
        snapshot.scan(&next, &keys::end_of(&prefix), |key, value| {
            while asked.next_if(|asked| asked.as_slice() < key).is_some() {}
            if asked.next_if(|asked| asked.as_slice() == key).is_some() {
                found.extend(read(snapshot, &prefix, key, value)?);
                misses = 0;
            } else {
                misses += 1;
            }
            ended = misses < PATIENCE && asked.peek().is_some();
            Ok(ended)
        })?;
        if ended {
            break;
        }
    }
    Ok(found)
}

/// What the tallies of a node begin with; an unknown node is refused.
fn prefix(snapshot: &Snapshot<'_>, below: Option<EntityId>) -> Result<Vec<u8>> {
    if let Some(node) = below {
        snapshot.check_exists(node)?;
    }
    Ok(keys::tallies(keys::parent_number(below)))
}

fn key(prefix: &[u8], facet: &Facet) -> Vec<u8> {
    let mut key = prefix.to_vec();
    keys::put_facet(facet, &mut key);
    key
}

/// A tally; none of what only the writer uses.
fn read(snapshot: &Snapshot<'_>, prefix: &[u8], key: &[u8], value: &[u8]) -> Result<Option<(Facet, u64)>> {
    let facet = keys::read_facet(&key[prefix.len()..]).ok_or_else(|| no_facet(snapshot, key))?;
    let count = snapshot.place.number("a tally", value)?;
    Ok(facet.map(|facet| (facet, count)))
}

fn no_facet(snapshot: &Snapshot<'_>, key: &[u8]) -> Error {
    snapshot.place.corrupt(format!("the tally {key:02x?} is of no facet"))
}
