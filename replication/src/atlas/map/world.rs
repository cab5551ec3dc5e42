//! What a map is checked against.

use std::collections::{BTreeMap, HashMap, HashSet};

use entitygraph_schema::EntityId;

use super::MapFile;

/// An entity of the world that the map is about: every zone host, and whatever else the map names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Which.
    pub id: EntityId,
    /// How the map may call it; the digits of its id where no key is known.
    pub key: String,
    /// The zone host around it; none for a world root.
    pub parent: Option<EntityId>,
    /// Whether it is a zone host itself.
    pub host: bool,
}

/// The zones of a world as they were read, with the links of the kind `jump` between what the map names.
#[derive(Debug, Clone, Default)]
pub struct World {
    zones: BTreeMap<EntityId, Zone>,
    keys: HashMap<String, EntityId>,
    links: HashSet<[EntityId; 2]>,
}

impl World {
    /// The world of these zones. Links have no direction.
    pub fn new(
        zones: impl IntoIterator<Item = Zone>,
        links: impl IntoIterator<Item = [EntityId; 2]>,
    ) -> Self {
        let zones: BTreeMap<_, _> = zones.into_iter().map(|zone| (zone.id, zone)).collect();
        let keys = zones.values().map(|zone| (zone.key.clone(), zone.id)).collect();
        let links = links.into_iter().map(sorted).collect();
        Self { zones, keys, links }
    }

    /// What a text of the map means: a key, or the digits of an id.
    pub fn find(&self, text: &str) -> Option<&Zone> {
        let id = self.keys.get(text).copied().or_else(|| text.parse().ok())?;
        self.zones.get(&id)
    }

    /// By id.
    pub fn get(&self, id: EntityId) -> Option<&Zone> {
        self.zones.get(&id)
    }

    /// All of it, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.zones.values()
    }

    /// The zone host around an entity, then the one around that, up to the root.
    pub fn around(&self, id: EntityId) -> impl Iterator<Item = &Zone> {
        let above = |zone: &Zone| zone.parent.and_then(|parent| self.zones.get(&parent));
        // A circle in what was read ends with it: nothing is deeper than the world is large.
        std::iter::successors(self.get(id).and_then(above), move |zone| above(zone)).take(self.zones.len())
    }

    /// Whether two are linked.
    pub fn linked(&self, ends: [EntityId; 2]) -> bool {
        self.links.contains(&sorted(ends))
    }

    /// What somebody meant who wrote `text`, as the end of a message: `; did you mean "x"?`, or nothing.
    pub(super) fn did_you_mean(&self, text: &str) -> String {
        nearest(text, self.keys.keys().map(String::as_str))
    }
}

impl MapFile {
    /// What is to be looked up in the graph before the map can be checked: keys and ids as they are written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let zones = self.posts.iter().flat_map(|post| &post.zones);
        let jumps = self.jumps.iter().flat_map(|jump| jump.gates.iter().flatten().chain(&jump.tunnel));
        self.world.iter().chain(zones).chain(jumps).map(|name| name.value.as_str())
    }
}

/// `; did you mean "x"?` for the known name nearest to `name`, or nothing.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    match known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min() {
        Some((distance, known)) if distance <= 1 + name.chars().count() / 4 => {
            format!("; did you mean \"{known}\"?")
        }
        _ => String::new(),
    }
}

fn sorted([a, b]: [EntityId; 2]) -> [EntityId; 2] {
    if a <= b { [a, b] } else { [b, a] }
}
