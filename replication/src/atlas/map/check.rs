//! The rules of a map. Each mistake is noted where it stands, and the check goes on.

use std::collections::HashMap;

use entitygraph_schema::EntityId;

use super::{
    Gate, Jump, Map, MapFile, Mistakes, Post, PostId, World, Zone,
    file::{JumpLines, PostLines},
    lines::{At, Notes},
    world::nearest,
};

/// Which zone has which post, and the line that says so.
type Assigned = HashMap<EntityId, (PostId, usize)>;

impl MapFile {
    /// The map, if it holds for the world.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with its line: the texts are those of docs/authority.md.
    pub fn check(&self, world: &World) -> Result<Map, Mistakes> {
        let mut notes = self.notes.clone();
        let root = self.world.as_ref().and_then(|name| root(&mut notes, world, name));
        let world = Within { world, root };
        names(&mut notes, &self.posts);
        let (mut zones, assigned) = zones(&mut notes, &world, &self.posts);
        let fallbacks = fallbacks(&mut notes, &self.posts);
        let jumps = jumps(&mut notes, &world, &self.jumps, &self.posts, &assigned);
        if let Some(root) = root
            && !assigned.contains_key(&root.id)
        {
            // Answers for what is right in a root that nobody named, once all zones in it have a post.
            unassigned(&mut notes, world.world, root, &assigned);
            zones.first_mut().into_iter().for_each(|first| first.push(root.id));
        }
        if self.posts.is_empty() && self.world.is_some() {
            notes.whole("there is no [[post]]: nobody would simulate anything");
        }
        notes.done()?;
        let Some(root) = root else { return Err(Mistakes(Vec::new())) };
        let posts = self.posts.iter().zip(zones).zip(fallbacks);
        let posts = posts.map(|((lines, zones), fallback)| Post {
            name: lines.name.value.clone(),
            zones,
            players: u32::try_from(lines.players.value).unwrap_or(u32::MAX),
            fallback,
        });
        Ok(Map { world: root.id, posts: posts.collect(), jumps, hash: self.hash })
    }
}

/// The world below the root that the map names.
struct Within<'w> {
    world: &'w World,
    root: Option<&'w Zone>,
}

impl<'w> Within<'w> {
    /// What a name means, if that is in the world.
    fn find(&self, notes: &mut Notes, name: &At<String>) -> Option<&'w Zone> {
        let zone = find(notes, self.world, name)?;
        if let Some(root) = self.root
            && zone.id != root.id
            && !self.world.around(zone.id).any(|around| around.id == root.id)
        {
            notes.at(name.line, format!("\"{}\" is not in the world \"{}\"", name.value, root.key));
            return None;
        }
        Some(zone)
    }
}

fn find<'w>(notes: &mut Notes, world: &'w World, name: &At<String>) -> Option<&'w Zone> {
    let found = world.find(&name.value);
    if found.is_none() {
        let what = if name.value.bytes().all(|byte| byte.is_ascii_digit()) { "id" } else { "key" };
        let hint = world.did_you_mean(&name.value);
        notes.at(name.line, format!("no entity has the {what} \"{}\"{hint}", name.value));
    }
    found
}

fn root<'w>(notes: &mut Notes, world: &'w World, name: &At<String>) -> Option<&'w Zone> {
    let found = find(notes, world, name)?;
    if let Some(around) = found.parent {
        let around = world.get(around).map_or_else(|| around.to_string(), |zone| zone.key.clone());
        notes.at(name.line, format!("\"{}\" is no root: it is in \"{around}\"", name.value));
        return None;
    }
    Some(found)
}

fn names(notes: &mut Notes, posts: &[PostLines]) {
    for (at, PostLines { name, zones, .. }) in posts.iter().enumerate() {
        let At { value, line } = name;
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if value.is_empty() || value.len() > 64 || !value.bytes().all(allowed) {
            notes
                .at(*line, format!("a post cannot be called \"{value}\": 1 to 64 of a-z 0-9 - are possible"));
        }
        if posts.iter().take(at).any(|before| before.name.value == *value) {
            notes.at(*line, format!("two posts are called \"{value}\""));
        }
        if zones.is_empty() {
            notes.at(*line, format!("post \"{value}\" has no zones: leave it out, standbys need none"));
        }
    }
}

fn zones(notes: &mut Notes, world: &Within<'_>, posts: &[PostLines]) -> (Vec<Vec<EntityId>>, Assigned) {
    let mut assigned = Assigned::new();
    let mut zones = Vec::new();
    for (id, post) in (0..=u16::MAX).map(PostId).zip(posts) {
        let mut own = Vec::new();
        for name in &post.zones {
            let Some(zone) = world.find(notes, name) else { continue };
            if let Some((holder, line)) = assigned.get(&zone.id) {
                let holder = posts.get(usize::from(holder.0)).map_or("", |post| &post.name.value);
                let what = format!("\"{}\" belongs to \"{holder}\" already (line {line})", name.value);
                notes.at(name.line, what);
            } else if !zone.host {
                notes.at(name.line, format!("\"{}\" is no zone host", name.value));
            } else {
                assigned.insert(zone.id, (id, name.line));
                own.push(zone.id);
            }
        }
        zones.push(own);
    }
    (zones, assigned)
}

/// A root without a post: all zones right in it have one, or they are named.
fn unassigned(notes: &mut Notes, world: &World, root: &Zone, assigned: &Assigned) {
    let without =
        |zone: &&Zone| zone.host && zone.parent == Some(root.id) && !assigned.contains_key(&zone.id);
    let mut without = world.iter().filter(without);
    let Some(first) = without.next() else { return };
    let others = match without.count() {
        0 => "belongs".to_owned(),
        1 => "and 1 other belong".to_owned(),
        count => format!("and {count} others belong"),
    };
    let Zone { id, key, .. } = first;
    notes.whole(format!(
        "zone \"{key}\" ({id}) {others} to no post: assign them or the root \"{}\"",
        root.key
    ));
}

fn fallbacks(notes: &mut Notes, posts: &[PostLines]) -> Vec<Option<PostId>> {
    let place = |name: &str| posts.iter().position(|post| post.name.value == name);
    let next = |at: usize| posts.get(at)?.fallback.as_ref().and_then(|name| place(&name.value));
    let mut found = Vec::new();
    for (at, post) in posts.iter().enumerate() {
        let Some(name) = &post.fallback else {
            found.push(None);
            continue;
        };
        let to = place(&name.value);
        if to.is_none() {
            let hint = nearest(&name.value, posts.iter().map(|post| post.name.value.as_str()));
            notes.at(name.line, format!("no post is called \"{}\"{hint}", name.value));
        }
        let mut way = std::iter::successors(to, |&at| next(at)).take(posts.len());
        if way.any(|reached| reached == at) {
            let own = &post.name.value;
            notes.at(name.line, format!("fallback of \"{own}\" leads back to \"{own}\""));
        }
        found.push(to.and_then(|to| u16::try_from(to).ok()).map(PostId));
    }
    found
}

fn jumps(
    notes: &mut Notes,
    world: &Within<'_>,
    jumps: &[JumpLines],
    posts: &[PostLines],
    assigned: &Assigned,
) -> Vec<Jump> {
    let mut tunnels: HashMap<EntityId, usize> = HashMap::new();
    let mut found = Vec::new();
    for jump in jumps {
        let JumpLines { stay_ms, slots, eject_ms, line, .. } = jump;
        if eject_ms.value <= stay_ms.value {
            let (stay, eject) = (stay_ms.value, eject_ms.value);
            notes.at(
                eject_ms.line.max(*line),
                format!("eject_ms is {eject}, it must be above stay_ms, {stay}"),
            );
        }
        let gates = jump.gates.as_ref().and_then(|names| gates(notes, world, names));
        let tunnel = jump.tunnel.as_ref().and_then(|name| Some((name, world.find(notes, name)?)));
        let Some((name, tunnel)) = tunnel else { continue };
        let shown = &name.value;
        if !tunnel.host {
            notes.at(name.line, format!("\"{shown}\" is no zone host"));
            continue;
        }
        if let Some(line) = tunnels.insert(tunnel.id, name.line) {
            notes.at(
                name.line,
                format!("the tunnel \"{shown}\" is that of another jump already (line {line})"),
            );
        }
        let Some(gates) = gates else { continue };
        let of = |id: EntityId| post_of(world.world, assigned, id);
        if let Some(holder) = of(tunnel.id)
            && !gates.iter().any(|gate| of(gate.id) == Some(holder))
        {
            let holder = posts.get(usize::from(holder.0)).map_or("", |post| &post.name.value);
            let what = format!("the tunnel \"{shown}\" belongs to \"{holder}\", none of its gates does");
            notes.at(name.line, what);
        }
        let slots = usize::try_from(slots.value).unwrap_or(usize::MAX);
        let (stay_ms, eject_ms) = (stay_ms.value, eject_ms.value);
        found.push(Jump { gates, tunnel: tunnel.id, stay_ms, slots, eject_ms });
    }
    found
}

fn gates(notes: &mut Notes, world: &Within<'_>, names: &[At<String>; 2]) -> Option<[Gate; 2]> {
    let [a, b] = names;
    let (first, second) = (world.find(notes, a), world.find(notes, b));
    let (first, second) = (first?, second?);
    if !world.world.linked([first.id, second.id]) {
        let what = format!("no link of kind \"jump\" between \"{}\" and \"{}\"", a.value, b.value);
        notes.at(a.line, what);
    }
    let mut gate = |name: &At<String>, zone: &Zone| match zone.parent {
        Some(around) => Some(Gate { id: zone.id, zone: around }),
        None => {
            notes.at(name.line, format!("the gate \"{}\" is in no zone", name.value));
            None
        }
    };
    let (first, second) = (gate(a, first), gate(b, second));
    Some([first?, second?])
}

/// The territory rule: the post of the nearest zone that has one, itself first.
fn post_of(world: &World, assigned: &Assigned, id: EntityId) -> Option<PostId> {
    let own = std::iter::once(id).chain(world.around(id).map(|zone| zone.id));
    own.filter_map(|id| assigned.get(&id)).map(|(post, _)| *post).next()
}
