//! The world that the demo shows and that a world builder copies: the real Solar System, and a few made-up ships.

use rust_embed::RustEmbed;

use super::WorldFiles;

/// Name of the sample world, for [`super::entity_id`].
pub const SAMPLE_WORLD: &str = "solar-system";

#[derive(RustEmbed)]
#[folder = "worlds/solar-system"]
struct Files;

/// The files of `worlds/solar-system`, which are part of the program.
pub fn sample_world() -> WorldFiles {
    let text = |name: &str| Files::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    WorldFiles::in_memory(names.into_iter().filter_map(|name| Some((name.to_string(), text(&name)?))))
}
