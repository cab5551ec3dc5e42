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

    /// Takes in an entity's key and those below it. `above` is the key of the entity around it.
    pub fn add(&mut self, world: &str, place: &Place, entity: &format::Entity, above: Option<&str>) {
        let key = entity.key.as_ref().and_then(|key| Some((full_key(key, above).ok()?, key.mark)));
        if let Some((key, mark)) = &key {
            let id = entity.id.as_ref().map_or_else(|| id_of(world, key), |id| id.value.0);
            self.insert(world, key, id, entity.container.as_ref(), place, *mark);
        }
        let base = key.map(|(key, _)| key);
        self.add_below(world, place, base.as_deref(), &entity.children, &entity.parts);
    }

    fn add_below(
        &mut self,
        world: &str,
        place: &Place,
        base: Option<&str>,
        children: &Items<format::Entity>,
        parts: &Map<format::Part>,
    ) {
        for (_, child) in children.iter() {
            self.add(world, place, child, base);
        }
        for (name, part) in parts {
            let key = base.map(|base| format!("{base}/{name}"));
            self.add_below(world, place, key.as_deref(), &part.children, &part.parts);
        }
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

    /// `: did you mean ...?` for an unknown key.
    pub fn hint(&self, world: &str, key: &str) -> String {
        let Some(keys) = self.worlds.get(world) else { return String::new() };
        did_you_mean(key, keys.keys().take(Self::SUGGEST_MAX).map(String::as_str))
    }
}

/// The key in full: one that starts with `/` is appended to the one above.
pub(super) fn full_key(key: &Marked<String>, above: Option<&str>) -> Result<String, String> {
    let full = match (key.value.starts_with('/'), above) {
        (false, _) => key.value.clone(),
        (true, Some(above)) => format!("{above}{}", key.value),
        (true, None) => {
            return Err(format!(
                "the key `{}` continues that of the entity around it, which has none",
                key.value
            ));
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

/// The first of the names that the container has no child of, and what may have been meant.
pub(super) fn unknown_part<'a>(
    container: &Container,
    mut parts: impl Iterator<Item = &'a String>,
) -> Option<(&'a String, String)> {
    let known: BTreeSet<_> = container.draft.children.iter().map(|child| child.name.as_str()).collect();
    let name = parts.find(|name| !known.contains(name.as_str()))?;
    Some((name, did_you_mean(name, known)))
}
