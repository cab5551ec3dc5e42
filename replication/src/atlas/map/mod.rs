//! The map file: which post simulates what, and the jumps. Read whole, checked against the world, refused with all mistakes
//! at once (docs/authority.md, "The map file"). A map is constant while the hub runs.
//!
//! ```
//! use entitygraph_replication::atlas::map::{MapFile, World};
//!
//! let file = MapFile::parse("map.toml", "world = \"universe\"\n[[post]]\nname = \"all\"\nzones = [\"universe\"]\n");
//! // The shell looks up what `file.names()` has, and gives what it found:
//! let mistakes = file.check(&World::default()).unwrap_err();
//! assert!(mistakes.to_string().contains("map.toml:1: no entity has the key \"universe\""));
//! ```

mod check;
mod file;
mod lines;
#[cfg(test)]
mod tests;

mod world;

use std::fmt;

use entitygraph_schema::EntityId;

pub use self::{
    file::MapFile,
    world::{World, Zone},
};

/// A post: its place in the map. Its name is what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostId(pub u16);

/// A map that holds for its world.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// The world root.
    pub world: EntityId,
    /// At least one, in the order of the file. [`PostId`] is a place in it.
    pub posts: Vec<Post>,
    /// In the order of the file.
    pub jumps: Vec<Jump>,
    /// SHA-256 of the file: another one is another map.
    pub hash: [u8; 32],
}

/// What one server takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// 1 to 64 of `a-z 0-9 -`, once in the map.
    pub name: String,
    /// Hosts of its territories, at least one.
    pub zones: Vec<EntityId>,
    /// Players that it carries: for the share of load that is shown.
    pub players: u32,
    /// Whose server takes over when none is there for this one.
    pub fallback: Option<PostId>,
}

/// A passage between two territories.
#[derive(Debug, Clone, PartialEq)]
pub struct Jump {
    /// Its two ends.
    pub gates: [Gate; 2],
    /// Zone host; its post simulates who is inside.
    pub tunnel: EntityId,
    /// Least stay inside, in milliseconds: the other side loads meanwhile.
    pub stay_ms: u64,
    /// Ships inside at once.
    pub slots: usize,
    /// Milliseconds after which who is not out goes back to where it came from.
    pub eject_ms: u64,
}

/// One end of a jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// The gate.
    pub id: EntityId,
    /// The zone that it stands in, where ships come out.
    pub zone: EntityId,
}

impl Map {
    /// A post by its place.
    pub fn post(&self, post: PostId) -> Option<&Post> {
        self.posts.get(usize::from(post.0))
    }

    /// A post by its name.
    pub fn by_name(&self, name: &str) -> Option<PostId> {
        let at = self.posts.iter().position(|post| post.name == name)?;
        u16::try_from(at).ok().map(PostId)
    }

    /// All posts by their places.
    pub fn ids(&self) -> impl Iterator<Item = PostId> + use<> {
        (0..=u16::MAX).take(self.posts.len()).map(PostId)
    }

    /// Each zone that the map names, with its post.
    pub fn territories(&self) -> impl Iterator<Item = (EntityId, PostId)> {
        self.ids().zip(&self.posts).flat_map(|(id, post)| post.zones.iter().map(move |&zone| (zone, id)))
    }
}

/// Everything that is wrong with a map; one line each, with file and line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(Vec<Mistake>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    file: String,
    /// None: it is of the file as a whole.
    line: Option<usize>,
    what: String,
}

impl Mistakes {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Mistake { file, line, what }) in self.0.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            match line {
                Some(line) => write!(f, "{end}{file}:{line}: {what}")?,
                None => write!(f, "{end}{file}: {what}")?,
            }
        }
        Ok(())
    }
}
