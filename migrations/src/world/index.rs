//! Every key of the files and the entity it means.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use entitygraph_schema::{Catalog, Container, EntityId};

use super::{
    format,
    items::Items,
    map::Map,
    marked::{Mark, Marked},
    names::{check_key, did_you_mean, id_of},
    values::Place,
};
use crate::load::Origin;

/// An entity that a file writes down under a key.
#[derive(Debug)]
struct Keyed {
    id: EntityId,
    /// What it is made from; the names of its parts follow from that.
    container: Option<Arc<str>>,
    origin: Origin,
}

/// Keys by world. What is wrong with a key is reported when its entity is built, not here.
#[derive(Debug, Default)]
pub(super) struct Index {
    worlds: HashMap<String, HashMap<String, Keyed>>,
}

impl Index {
    /// Above this many keys nobody waits for a suggestion.
    const SUGGEST_MAX: usize = 50_000;

    /// Takes in an entity's key and those below it.
    pub fn add(&mut self, world: &str, place: &Place, entity: &format::Entity) {
        each_below(entity, None, &mut |entity, key| {
            if let (Some(key), Some(Marked { mark, .. })) = (key, &entity.key) {
                let id = entity.id.as_ref().map_or_else(|| id_of(world, key), |id| id.value.0);
                self.insert(world, key, id, entity.container.as_ref(), place, *mark);
            }
        });
    }

    fn insert(
        &mut self,
        world: &str,
        key: &str,
        id: EntityId,
        container: Option<&Marked<String>>,
        place: &Place,
        mark: Mark,
    ) {
        let container = container.map(|name| name.value.as_str().into());
        let keys = self.worlds.entry(world.to_owned()).or_default();
        keys.entry(key.to_owned()).or_insert_with(|| Keyed { id, container, origin: place.point(mark) });
    }

    /// Where the first of the entities with this key is, unless it is the one at this place.
    pub fn before(&self, world: &str, key: &str, place: &Place, mark: Mark) -> Option<&Origin> {
        let first = &self.worlds.get(world)?.get(key)?.origin;
        (*first != place.point(mark)).then_some(first)
    }

    /// The entity of a key: one that is written down, or a part that comes with one.
    pub fn find(&self, world: &str, key: &str, catalog: &Catalog) -> Option<EntityId> {
        let keys = self.worlds.get(world)?;
        if let Some(keyed) = keys.get(key) {
            return Some(keyed.id);
        }
        // The longest key above it that is written down; the rest must be names of parts.
        let above =
            key.rmatch_indices('/').find_map(|(at, _)| Some((keys.get(&key[..at])?, &key[at + 1..])))?;
        let container = catalog.container_by_name(above.0.container.as_deref()?)?;
        has_part(catalog, container, above.1).then(|| id_of(world, key))
    }

    /// The key of an entity that is written down, or of a part of one.
    pub fn key_of(&self, id: EntityId, catalog: &Catalog) -> Option<String> {
        let all = || self.worlds.iter().flat_map(|(world, keys)| keys.iter().map(move |key| (world, key)));
        if let Some((_, (key, _))) = all().find(|(_, (_, keyed))| keyed.id == id) {
            return Some(key.clone());
        }
        let made = all().filter_map(|(world, (key, keyed))| {
            Some((world, key, catalog.container_by_name(keyed.container.as_deref()?)?))
        });
        made.take(Self::SUGGEST_MAX)
            .find_map(|(world, key, container)| part_of(world, key, container, id, catalog))
    }

    /// `: did you mean ...?` for an unknown key.
    pub fn hint(&self, world: &str, key: &str) -> String {
        let Some(keys) = self.worlds.get(world) else { return String::new() };
        did_you_mean(key, keys.keys().take(Self::SUGGEST_MAX).map(String::as_str))
    }
}

/// Calls with an entity and everything written below it, and the full key of each. `above` is the key of the entity around it.
pub(super) fn each_below(
    entity: &format::Entity,
    above: Option<&str>,
    call: &mut dyn FnMut(&format::Entity, Option<&str>),
) {
    let key = entity.key.as_ref().and_then(|key| full_key(&key.value, above).ok());
    call(entity, key.as_deref());
    each_in(key.as_deref(), &entity.children, &entity.parts, call);
}

fn each_in(
    above: Option<&str>,
    children: &Items<format::Entity>,
    parts: &Map<format::Part>,
    call: &mut dyn FnMut(&format::Entity, Option<&str>),
) {
    children.iter().for_each(|(_, child)| each_below(child, above, call));
    for (name, part) in parts {
        let key = above.map(|above| format!("{above}/{name}"));
        each_in(key.as_deref(), &part.children, &part.parts, call);
    }
}

/// The key in full: one that starts with `/` is appended to the one above.
pub(super) fn full_key(key: &str, above: Option<&str>) -> Result<String, String> {
    let full = match (key.starts_with('/'), above) {
        (false, _) => key.to_owned(),
        (true, Some(above)) => format!("{above}{key}"),
        (true, None) => {
            return Err(format!("the key `{key}` continues that of the entity around it, which has none"));
        }
    };
    check_key(&full).map(|()| full)
}

fn has_part(catalog: &Catalog, container: &Container, rest: &str) -> bool {
    container.draft.children.iter().any(|child| match rest.strip_prefix(child.name.as_str()) {
        Some("") => true,
        Some(deeper) if deeper.starts_with('/') => catalog
            .container_by_name(child.container.as_str())
            .is_some_and(|inner| has_part(catalog, inner, &deeper[1..])),
        _ => false,
    })
}

/// The key of the part that has this id.
fn part_of(world: &str, key: &str, container: &Container, id: EntityId, catalog: &Catalog) -> Option<String> {
    container.draft.children.iter().find_map(|child| {
        let key = format!("{key}/{}", child.name);
        if id_of(world, &key) == id {
            return Some(key);
        }
        let inner = catalog.container_by_name(child.container.as_str())?;
        part_of(world, &key, inner, id, catalog)
    })
}

/// The first of the names that the container has no child of, and what may have been meant.
pub(super) fn unknown_part<'a>(
    container: &Container,
    mut parts: impl Iterator<Item = &'a String>,
) -> Option<(&'a String, String)> {
    let known: BTreeSet<_> = container.draft.children.iter().map(|child| child.name.as_str()).collect();
    let name = parts.find(|name| !known.contains(name.as_str()))?;
    Some((name, did_you_mean(name, known)))
}
