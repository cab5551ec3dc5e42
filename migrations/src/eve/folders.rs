//! Which region and constellation a file belongs to.
//!
//! The files do not say it: a `solarsystem.yaml` has no id of its constellation. The folders do:
//! `universe/eve/TheForge/Kimotoro/Jita/solarsystem.yaml` lies below the folder of `constellation.yaml`, which lies below
//! the folder of `region.yaml`.

use std::collections::HashMap;

use super::batches::Entry;
use super::record::Record;

/// Ids of regions and constellations by their folders, filled while they are read.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    by_folder: HashMap<Box<str>, u64>,
}

impl Folders {
    /// Remembers a region or a constellation.
    pub fn insert<R: Record>(&mut self, entry: &Entry<R>) {
        self.by_folder.insert(folder(&entry.at.file).into(), entry.id);
    }

    /// The id of the place around the place that `entry` describes: the constellation of a system, the region of a
    /// constellation. `None` when the file that should give it is missing or could not be read.
    #[must_use]
    pub fn around<R: Record>(&self, entry: &Entry<R>) -> Option<u64> {
        self.by_folder.get(folder(folder(&entry.at.file))).copied()
    }
}

/// The part of the universe a file belongs to: `eve`, `wormhole`, `abyssal` or `void`.
#[must_use]
pub fn universe(file: &str) -> Option<&str> {
    file.strip_prefix("universe/")?.split_once('/').map(|(universe, _)| universe)
}

/// The path of the folder that `path` lies in.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eve::{At, Name};

    fn entry(file: &str, id: u64) -> Entry<Name> {
        Entry { id, record: Name { id, name: "".into() }, at: At { file: file.into(), line: 1 } }
    }

    #[test]
    fn a_system_lies_in_the_constellation_of_the_folder_above() {
        let mut folders = Folders::default();
        folders.insert(&entry("universe/eve/TheForge/region.yaml", 10_000_002));
        folders.insert(&entry("universe/eve/TheForge/Kimotoro/constellation.yaml", 20_000_020));
        let around = |file| folders.around(&entry(file, 0));
        assert_eq!(around("universe/eve/TheForge/Kimotoro/Jita/solarsystem.yaml"), Some(20_000_020));
        assert_eq!(around("universe/eve/TheForge/Kimotoro/constellation.yaml"), Some(10_000_002));
        assert_eq!(around("universe/eve/TheForge/Mivora/Inaro/solarsystem.yaml"), None);
        assert_eq!(around("universe/eve/TheForge/region.yaml"), None);
    }

    #[test]
    fn the_universe_is_the_first_folder() {
        assert_eq!(universe("universe/void/VR-01/region.yaml"), Some("void"));
        assert_eq!(universe("fsd/types.yaml"), None);
    }
}
