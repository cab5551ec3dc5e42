//! An export of the EVE Online data, as large as a test wants it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// The small export that the tests of the ingest read.
pub const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/tests/eve");
const REGION: &str = "sde/universe/eve/Yon";

/// They are read by constellations of so many.
const NEIGHBOURS: u32 = 20;

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The export with so many more systems, with a star, a planet, a station and a gate each: copies of one of its systems, whose gates
/// lead from each second one to the next.
pub fn export(folder: &Path, systems: u32) -> Result<PathBuf> {
    let export = folder.join("export");
    copy(Path::new(EXPORT), &export)?;
    let region = export.join(REGION);
    let constellation = fs::read_to_string(region.join("FarGroup/constellation.yaml"))?;
    let system = fs::read_to_string(region.join("FarGroup/Cee/solarsystem.yaml"))?;
    let mut names = fs::OpenOptions::new().append(true).open(export.join("sde/bsd/invNames.yaml"))?;
    for number in 0..systems {
        let group = number / NEIGHBOURS;
        let folder = region.join(format!("Group{group}/{number}"));
        fs::create_dir_all(&folder)?;
        // Ids of the model, and those of its copy.
        let mut ids = vec![
            ("30000003", 30_001_000 + number),
            ("40000021", 40_100_000 + 2 * number),
            ("40000022", 40_100_001 + 2 * number),
            ("50000004", 50_001_000 + number),
            ("60000002", 60_001_000 + number),
        ];
        if number % NEIGHBOURS == 0 {
            ids.push(("20000002", 20_001_000 + group));
            fs::write(folder.with_file_name("constellation.yaml"), renumbered(&constellation, &ids))?;
        }
        let there = format!("destination: {}", 50_001_000 + (number ^ 1));
        let text = renumbered(&system, &ids).replace("destination: 50000003", &there);
        fs::write(folder.join("solarsystem.yaml"), text)?;
        for (_, id) in ids {
            writeln!(names, "- itemID: {id}\n  itemName: Copy {id}")?;
        }
    }
    Ok(export)
}

fn renumbered(model: &str, ids: &[(&str, u32)]) -> String {
    ids.iter().fold(model.to_owned(), |text, (from, to)| text.replace(from, &to.to_string()))
}
