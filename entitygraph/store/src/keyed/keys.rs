//! The one table of stored keys.
//!
//! A key is one byte for its kind, then its parts; numbers are big-endian so that keys sort as their numbers do. An `id`
//! is 8 bytes (0 stands for "no parent", that is the whole world), a `text` ends in a zero byte, which no name contains,
//! so that texts sort as themselves and a prefix of one is a prefix of the key. Values are record forms
//! ([`entitygraph_schema::codec`]) unless said otherwise.
//!
//! | byte | row | parts of the key | value | who reads it |
//! | --- | --- | --- | --- | --- |
//! | 01 | meta | which (1) | format (4), newest cursor (8), next id to lease (8), migration under way (step 4, key it came to), operation id of the newest commit of a move | open, every read |
//! | 10 | entity | id | entity | every read, the writer |
//! | 11 | buried | id | nothing | creation, so that no id comes back |
//! | 20 | child | parent, ordinal (8, sign flipped), id | 1 when it has children, else 0 | children, subtree |
//! | 21 | child by name | parent, name in lower case (text), id | nothing | children by name |
//! | 22 | name | name in lower case (text), id | nothing | named |
//! | 23 | owner | owner (text), id | nothing | owned |
//! | 24 | port | parent, port (text) | occupant's id (8) | the writer |
//! | 30 | branch | parent, facet, child | 1 the child has it, 2 something below the child has it, 3 both | find |
//! | 31 | tally | node, facet | how many below the node have it (8) | counts, find, the writer |
//! | 40 | link | entity, kind (text), other end | cost (8, IEEE 754 bits) | links |
//! | 41 | zone link | zone, kind (text), lower end, higher end | cost (8, IEEE 754 bits), zones of the two ends (8, 8) | zone links, route |
//! | 50 | component | component id (4) | component type | open |
//! | 51 | container | container id (4) | newest container | open |
//! | 60 | placed | see `space::row` | position, radius | near |
//! | 61 | host | see `space::row` | pose, reach, bounds | near, zones at a point |
//! | 62 | reach | zone | radius in metres that holds all inside, largest radius inside (2 x 8, IEEE 754 bits) | the writer |
//! | 70 | commit | cursor (8) | bytes of the log before it (8), operation id (length, then text), commit | changes |
//! | 71 | operation | operation id | fingerprint (32), cursor (8) | retries |
//! | 72 | idle operation | cursor (8), operation id | nothing | trimming: operations that changed nothing |
//!
//! A facet is a tag byte and its value: 0 everything (tallies only), 1 kind (text), 2 container (4), 3 component (4),
//! 4 label (text), 5 zone hosts without a pose of their own (the writer moves their rows when their carrier moves).
//! Kinds from 70 on are a change log: written in order, deleted in order. 52 is not for a new row: older stores have the
//! versions of their containers there, which nobody reads.

use entitygraph_schema::{
    ComponentId, ContainerId, Cursor, Entity, EntityId, LinkKind, OperationId, OwnerId, Placement, PortName,
    query::{Facet, FacetSort},
};

/// The first byte of a key: its row in the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // the table of the module says what they are
pub enum Row {
    Meta = 0x01,
    Entity = 0x10,
    Buried = 0x11,
    Child = 0x20,
    ChildName = 0x21,
    Name = 0x22,
    Owner = 0x23,
    Port = 0x24,
    Branch = 0x30,
    Tally = 0x31,
    Link = 0x40,
    ZoneLink = 0x41,
    Component = 0x50,
    Container = 0x51,
    Placed = 0x60,
    Host = 0x61,
    Reach = 0x62,
    Commit = 0x70,
    Operation = 0x71,
    IdleOperation = 0x72,
}

/// Where an engine may begin a keyspace of its own: the change log is written and deleted in another rhythm than the rest.
pub const SPLIT_AT: [u8; 1] = [Row::Commit as u8];

/// The parent of world roots in keys.
pub const WORLD: u64 = 0;

/// The facet of every entity: its tally is the number of all that is below.
pub const EVERYTHING: [u8; 1] = [0];

/// The facet of zone hosts that ride with something: their rows in the space index move with it.
pub const RIDING_ZONE: [u8; 1] = [5];

/// Flag of a branch: the child itself has the facet.
pub const SELF: u8 = 1;

/// Flag of a branch: something below the child has the facet.
pub const BELOW: u8 = 2;

/// A parent as it stands in keys.
pub fn parent_number(parent: Option<EntityId>) -> u64 {
    parent.map_or(WORLD, EntityId::get)
}

/// A key under construction.
struct Parts(Vec<u8>);

impl Parts {
    fn of(row: Row, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(1 + capacity);
        bytes.push(row as u8);
        Self(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn number(self, number: u64) -> Self {
        self.raw(&number.to_be_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.raw(text.as_bytes()).raw(&[0])
    }
}

/// Format version of the store.
pub fn format() -> Vec<u8> {
    vec![Row::Meta as u8, 1]
}

/// Newest cursor.
pub fn newest() -> Vec<u8> {
    vec![Row::Meta as u8, 2]
}

/// Next id to be leased.
pub fn lease() -> Vec<u8> {
    vec![Row::Meta as u8, 3]
}

/// The migration step under way, if one is.
pub fn migration() -> Vec<u8> {
    vec![Row::Meta as u8, 4]
}

/// Operation id of the newest commit of a move.
pub fn moved() -> Vec<u8> {
    vec![Row::Meta as u8, 5]
}

/// Record of an entity.
pub fn entity(id: EntityId) -> Vec<u8> {
    Parts::of(Row::Entity, 8).number(id.get()).0
}

/// Mark of an id that is never used again.
pub fn buried(id: EntityId) -> Vec<u8> {
    Parts::of(Row::Buried, 8).number(id.get()).0
}

/// Prefix of all children of a parent.
pub fn children(parent: u64) -> Vec<u8> {
    Parts::of(Row::Child, 24).number(parent).0
}

/// A child by ordinal.
pub fn child(parent: u64, ordinal: i64, id: EntityId) -> Vec<u8> {
    Parts::of(Row::Child, 24).number(parent).number(flip(ordinal)).number(id.get()).0
}

/// Prefix of all children of a parent by name.
pub fn children_by_name(parent: u64) -> Vec<u8> {
    Parts::of(Row::ChildName, 8).number(parent).0
}

/// A child by name; `folded` is the name in lower case.
pub fn child_name(parent: u64, folded: &str, id: EntityId) -> Vec<u8> {
    Parts::of(Row::ChildName, 17 + folded.len()).number(parent).text(folded).number(id.get()).0
}

/// Prefix of all names that start with `folded`.
pub fn names(folded: &str) -> Vec<u8> {
    Parts::of(Row::Name, folded.len()).raw(folded.as_bytes()).0
}

/// An entity by name; `folded` is the name in lower case.
pub fn name(folded: &str, id: EntityId) -> Vec<u8> {
    Parts::of(Row::Name, 9 + folded.len()).text(folded).number(id.get()).0
}

/// Prefix of an owner's entities.
pub fn owners(owner: &OwnerId) -> Vec<u8> {
    Parts::of(Row::Owner, 9 + owner.as_str().len()).text(owner.as_str()).0
}

/// An entity by owner.
pub fn owner(owner: &OwnerId, id: EntityId) -> Vec<u8> {
    Parts::of(Row::Owner, 9 + owner.as_str().len()).text(owner.as_str()).number(id.get()).0
}

/// Who is attached to a port.
pub fn port(parent: EntityId, port: &PortName) -> Vec<u8> {
    Parts::of(Row::Port, 9 + port.as_str().len()).number(parent.get()).text(port.as_str()).0
}

/// Prefix of the branches of one facet below a node; `facet` as [`put_facet`] writes it.
pub fn branches(parent: u64, facet: &[u8]) -> Vec<u8> {
    Parts::of(Row::Branch, 16 + facet.len()).number(parent).raw(facet).0
}

/// A child that has the facet or has something below that has it.
pub fn branch(parent: u64, facet: &[u8], child: EntityId) -> Vec<u8> {
    Parts::of(Row::Branch, 16 + facet.len()).number(parent).raw(facet).number(child.get()).0
}

/// Prefix of all tallies of a node.
pub fn tallies(node: u64) -> Vec<u8> {
    Parts::of(Row::Tally, 8).number(node).0
}

/// How many below a node have a facet.
pub fn tally(node: u64, facet: &[u8]) -> Vec<u8> {
    Parts::of(Row::Tally, 8 + facet.len()).number(node).raw(facet).0
}

/// Prefix of an entity's links.
pub fn links(entity: EntityId) -> Vec<u8> {
    Parts::of(Row::Link, 8).number(entity.get()).0
}

/// A link seen from one end.
pub fn link(entity: EntityId, kind: &LinkKind, other: EntityId) -> Vec<u8> {
    Parts::of(Row::Link, 17 + kind.as_str().len())
        .number(entity.get())
        .text(kind.as_str())
        .number(other.get())
        .0
}

/// Reads `(kind, other end)` back from what follows [`links`].
pub fn read_link(suffix: &[u8]) -> Option<(LinkKind, EntityId)> {
    let (kind, rest) = take_text(suffix)?;
    Some((LinkKind::new(kind).ok()?, last_id(rest)?))
}

/// Prefix of a zone's links.
pub fn zone_links(zone: EntityId) -> Vec<u8> {
    Parts::of(Row::ZoneLink, 8).number(zone.get()).0
}

/// Prefix of a zone's links of one kind.
pub fn zone_links_of(zone: EntityId, kind: &LinkKind) -> Vec<u8> {
    Parts::of(Row::ZoneLink, 9 + kind.as_str().len()).number(zone.get()).text(kind.as_str()).0
}

/// A link seen from a zone that an end is in.
pub fn zone_link(zone: EntityId, kind: &LinkKind, a: EntityId, b: EntityId) -> Vec<u8> {
    let kind = kind.as_str();
    Parts::of(Row::ZoneLink, 25 + kind.len()).number(zone.get()).text(kind).number(a.get()).number(b.get()).0
}

/// What a zone link holds.
pub fn zone_link_value(cost: f64, zones: [EntityId; 2]) -> Vec<u8> {
    let mut value = cost.to_bits().to_be_bytes().to_vec();
    zones.iter().for_each(|zone| value.extend_from_slice(&zone.get().to_be_bytes()));
    value
}

/// Reads `(cost, zones of the ends)` back.
pub fn read_zone_link_value(value: &[u8]) -> Option<(f64, [EntityId; 2])> {
    let (cost, rest) = take_number(value)?;
    let (a, rest) = take_number(rest)?;
    let b = u64::from_be_bytes(rest.try_into().ok()?);
    Some((f64::from_bits(cost), [EntityId::new(a)?, EntityId::new(b)?]))
}

/// Reads `(kind, lower end, higher end)` back from what follows [`zone_links`].
pub fn read_zone_link(suffix: &[u8]) -> Option<(LinkKind, EntityId, EntityId)> {
    let (kind, rest) = take_text(suffix)?;
    let (a, rest) = take_number(rest)?;
    Some((LinkKind::new(kind).ok()?, EntityId::new(a)?, last_id(rest)?))
}

/// How far the inside of a zone reaches.
pub fn reach(zone: EntityId) -> Vec<u8> {
    Parts::of(Row::Reach, 8).number(zone.get()).0
}

/// A component type.
pub fn component(id: ComponentId) -> Vec<u8> {
    Parts::of(Row::Component, 4).raw(&id.get().to_be_bytes()).0
}

/// The newest version of a container.
pub fn container(id: ContainerId) -> Vec<u8> {
    Parts::of(Row::Container, 4).raw(&id.get().to_be_bytes()).0
}

/// A commit of the change log.
pub fn commit(cursor: Cursor) -> Vec<u8> {
    Parts::of(Row::Commit, 8).number(cursor.number()).0
}

/// Outcome of an operation id.
pub fn operation(id: &OperationId) -> Vec<u8> {
    Parts::of(Row::Operation, id.as_str().len()).raw(id.as_str().as_bytes()).0
}

/// Prefix of operations that changed nothing, up to a cursor.
pub fn idle_operations(cursor: Cursor) -> Vec<u8> {
    Parts::of(Row::IdleOperation, 72).number(cursor.number()).0
}

/// An operation that changed nothing when `cursor` was the newest.
pub fn idle_operation(cursor: Cursor, id: &OperationId) -> Vec<u8> {
    Parts::of(Row::IdleOperation, 72).number(cursor.number()).raw(id.as_str().as_bytes()).0
}

/// The range of all keys of a row.
pub fn all(row: Row) -> (Vec<u8>, Vec<u8>) {
    (vec![row as u8], vec![row as u8 + 1])
}

/// The first key after all that start with `prefix`.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX]
}

/// The first key after `key`.
pub fn after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// What all facets of a sort begin with.
pub const fn facet_tag(sort: FacetSort) -> u8 {
    match sort {
        FacetSort::Kind => 1,
        FacetSort::Container => 2,
        FacetSort::Component => 3,
        FacetSort::Label => 4,
    }
}

/// Appends a facet.
pub fn put_facet(facet: &Facet, out: &mut Vec<u8>) {
    let tag = facet_tag(facet.sort());
    match facet {
        Facet::Kind(kind) => put_text_facet(tag, kind.as_str(), out),
        Facet::Container(id) => put_number_facet(tag, id.get(), out),
        Facet::Component(id) => put_number_facet(tag, id.get(), out),
        Facet::Label(label) => put_text_facet(tag, label.as_str(), out),
    }
}

/// Calls `each` with every facet of the entity, those that only the writer uses among them; `buffer` is scratch space.
pub fn facets_of(entity: &Entity, buffer: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let mut give = |buffer: &mut Vec<u8>| {
        each(buffer);
        buffer.clear();
    };
    buffer.clear();
    buffer.extend_from_slice(&EVERYTHING);
    give(buffer);
    put_text_facet(1, entity.kind.as_str(), buffer);
    give(buffer);
    if let Some(source) = &entity.source {
        put_number_facet(2, source.container.get(), buffer);
        give(buffer);
    }
    for component in entity.components.0.keys() {
        put_number_facet(3, component.get(), buffer);
        give(buffer);
    }
    for label in &entity.labels {
        put_text_facet(4, label.as_str(), buffer);
        give(buffer);
    }
    let Placement { parent, pose, .. } = &entity.placement;
    if entity.zone.is_some() && parent.is_some() && pose.is_none() {
        buffer.extend_from_slice(&RIDING_ZONE);
        give(buffer);
    }
}

/// Reads a facet back; the outer option is none for bytes that are none, the inner one for what only the writer uses.
pub fn read_facet(bytes: &[u8]) -> Option<Option<Facet>> {
    let (tag, rest) = bytes.split_first()?;
    let number = || Some(u32::from_be_bytes(rest.try_into().ok()?));
    let text = || std::str::from_utf8(rest.strip_suffix(&[0])?).ok();
    Some(match tag {
        0 | 5 if rest.is_empty() => None,
        1 => Some(Facet::Kind(text()?.parse().ok()?)),
        2 => Some(Facet::Container(ContainerId::new(number()?)?)),
        3 => Some(Facet::Component(ComponentId::new(number()?)?)),
        4 => Some(Facet::Label(text()?.parse().ok()?)),
        _ => return None,
    })
}

fn put_text_facet(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn put_number_facet(tag: u8, number: u32, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&number.to_be_bytes());
}

/// The number at the front of a key's rest.
pub fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

/// The id that a key ends in.
pub fn last_id(key: &[u8]) -> Option<EntityId> {
    EntityId::new(u64::from_be_bytes(*key.last_chunk::<8>()?))
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

/// Maps integers to numbers in the same order.
fn flip(ordinal: i64) -> u64 {
    (ordinal as u64) ^ (1 << 63)
}

#[cfg(test)]
mod tests;
