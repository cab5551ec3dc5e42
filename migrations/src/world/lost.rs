//! What is missing because an item could not be read, so that the mistakes of others that need it are told with that one.

use super::{
    format::{Document, Entity, Part},
    index::full_key,
    items::{Items, Lost},
    map::Map,
    names::id_of,
};
use crate::load::Missing;

/// Calls with each item that could not be read and whose name is known.
pub(super) fn each_lost(document: &Document, call: &mut dyn FnMut(&Lost, Missing)) {
    let named = |lost: &Lost| lost.name.as_deref().map(Into::into);
    for lost in document.components.lost() {
        named(lost).into_iter().for_each(|name| call(lost, Missing::Component(name)));
    }
    for lost in document.containers.lost() {
        named(lost).into_iter().for_each(|name| call(lost, Missing::Container(name)));
    }
    if let Some(world) = &document.world {
        below(&world.value, None, &document.entities, &Map::default(), call);
    }
}

fn below(
    world: &str,
    above: Option<&str>,
    children: &Items<Entity>,
    parts: &Map<Part>,
    call: &mut dyn FnMut(&Lost, Missing),
) {
    let full = |key: &String| full_key(key, above).ok();
    for lost in children.lost() {
        if let Some(key) = lost.key.as_ref().and_then(full) {
            call(lost, Missing::Entity(id_of(world, &key)));
        }
    }
    for (_, child) in children.iter() {
        let key = child.key.as_ref().and_then(|key| full(&key.value));
        below(world, key.as_deref(), &child.children, &child.parts, call);
    }
    for (name, part) in parts {
        let key = above.map(|above| format!("{above}/{name}"));
        below(world, key.as_deref(), &part.children, &part.parts, call);
    }
}
