//! The file as it is written: texts, numbers and lines. What they mean is for [`super::check`].

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use super::lines::{At, Notes, Table};

/// A map that was read and not yet checked against a world.
#[derive(Debug, Clone, PartialEq)]
pub struct MapFile {
    /// Name of the world that ids of keys are made from (docs/world-format.md); none where the map has ids only.
    pub keys: Option<String>,
    pub(super) world: Option<At<String>>,
    pub(super) posts: Vec<PostLines>,
    pub(super) jumps: Vec<JumpLines>,
    pub(super) hash: [u8; 32],
    pub(super) notes: Notes,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct PostLines {
    pub name: At<String>,
    pub zones: Vec<At<String>>,
    pub players: At<u64>,
    pub fallback: Option<At<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct JumpLines {
    pub line: usize,
    /// None where there are not two.
    pub gates: Option<[At<String>; 2]>,
    pub tunnel: Option<At<String>>,
    pub stay_ms: At<u64>,
    pub slots: At<u64>,
    pub eject_ms: At<u64>,
}

/// Possible times of a jump, in milliseconds.
const TIMES_MS: [u64; 2] = [1_000, 600_000];
/// Most posts, so that [`super::PostId`] has room for them.
const POSTS_MAX: usize = 10_000;

impl MapFile {
    /// Reads a map. `file` is its name in messages. Mistakes are kept and told by [`Self::check`], with those that only the
    /// world shows; of a text that is no TOML at all there is one.
    pub fn parse(file: &str, text: &str) -> Self {
        let mut notes = Notes::new(file, text);
        let parsed = DeTable::parse(text);
        let empty = DeTable::new();
        let fields = match &parsed {
            Ok(fields) => fields.get_ref(),
            Err(error) => {
                let line = notes.line(error.span().unwrap_or_default());
                notes.at(line, error.message());
                &empty
            }
        };
        let mut top = Table::new("the map", fields, 1);
        let keys = top.text(&mut notes, "keys").map(|keys| keys.value);
        let world = if parsed.is_ok() { top.needed(&mut notes, "world") } else { None };
        let posts = top.tables(&mut notes, "post", "a post");
        if posts.len() > POSTS_MAX {
            notes.whole(format!("there are {} posts, {POSTS_MAX} are possible", posts.len()));
        }
        let posts = posts.into_iter().take(POSTS_MAX).filter_map(|table| post(&mut notes, table)).collect();
        let jumps = top.tables(&mut notes, "jump", "a jump");
        let jumps = jumps.into_iter().map(|table| jump(&mut notes, table)).collect();
        if parsed.is_ok() {
            top.end(&mut notes);
        }
        Self { keys, world, posts, jumps, hash: Sha256::digest(text).into(), notes }
    }
}

fn post(notes: &mut Notes, mut table: Table<'_, '_>) -> Option<PostLines> {
    let name = table.needed(notes, "name");
    let zones = table.texts(notes, "zones");
    let players = table.number(notes, "players", [1, 10_000], 100);
    let fallback = table.text(notes, "fallback");
    table.end(notes);
    Some(PostLines { name: name?, zones, players, fallback })
}

fn jump(notes: &mut Notes, mut table: Table<'_, '_>) -> JumpLines {
    let line = table.line;
    let gates = table.texts(notes, "gates");
    let count = gates.len();
    let gates = <[_; 2]>::try_from(gates).ok();
    if gates.is_none() {
        notes.at(line, format!("a jump has two gates, this one has {count}"));
    }
    let tunnel = table.needed(notes, "tunnel");
    let stay_ms = table.number(notes, "stay_ms", TIMES_MS, 20_000);
    let slots = table.number(notes, "slots", [1, 1_000], 8);
    let eject_ms = table.number(notes, "eject_ms", TIMES_MS, 60_000);
    table.end(notes);
    JumpLines { line, gates, tunnel, stay_ms, slots, eject_ms }
}
