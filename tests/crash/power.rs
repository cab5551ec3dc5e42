//! Power cuts.
//!
//! The store is on an ext4 of its own, in a loop device. In the middle of a burst of writes the writer is frozen, and its
//! image is copied: that is what had reached the device, the **early** image. Then the file system is synced and the image
//! copied again: the **late** one. A disk that loses power may have written any of the pages in between, in any order, so
//! further images are mixed: each 4 KiB page of a file that differs is taken from the one or the other at random. What
//! describes the files (inodes, allocation, the journal of ext4) is taken wholly from the early or the late image: with the
//! late one, files have their full length and pages that were not written are zero, as in the `writeback` mode of ext4 and
//! in file systems that do not order data before metadata. The journal itself is not mixed: ext4 flushes the disk's cache
//! at its commits, and no disk that obeys that leaves such a mix.
//!
//! Every image is mounted, opened and examined: each acknowledged transaction has to be there, and nothing half.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use entitygraph_schema::Cursor;
use entitygraph_store::{Store, keyed::engine::EngineKind};
use entitygraph_tests::{
    crash::{self, report::Report, script::Load},
    disk::{self, Mount},
};

use crate::{judge::Judge, victim::Victim};

const IMAGE_BYTES: u64 = 2 << 30;
const PAGE: usize = 4096;
const WRITERS: u32 = 16;
/// Mixed images of each cut.
const MIXES: u64 = 4;
/// A moment at which less than this waits for the device is passed over, as long as there is patience: an engine spends
/// most of its time in `fsync`, and a process is frozen only after it.
const WORTHWHILE_BYTES: u64 = 1 << 20;
const MOMENTS: usize = 500;

#[test]
#[ignore = "needs root and a loop device; tests/run says when it cannot be run"]
fn fjall_keeps_what_it_acknowledged_when_the_power_is_cut() -> Result<()> {
    let (images, failures) = one_life_with_many_cuts(EngineKind::Fjall)?;
    ensure!(failures.is_empty(), "{} of {images} images: {failures:#?}", failures.len());
    Ok(())
}

/// What sled survives depends on the system. It has to survive what its caveat does not except; the rest is reported.
#[test]
#[ignore = "needs root and a loop device; tests/run says when it cannot be run"]
fn sled_keeps_what_it_says_it_keeps_when_the_power_is_cut() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let caveat = crash::open(EngineKind::Sled, &folder.path().join("store"))?.info().caveat;
    let (images, failures) = one_life_with_many_cuts(EngineKind::Sled)?;
    println!("sled: {} of {images} images were intact, and it says: {caveat:?}", images - failures.len());
    ensure!(failures.is_empty() || caveat.is_some(), "{} of {images} images: {failures:#?}", failures.len());
    Ok(())
}

/// One store, whose power is cut again and again as far as its images are concerned; returns how many images there were,
/// and what was wrong with some.
#[tokio::main(flavor = "current_thread")]
async fn one_life_with_many_cuts(engine: EngineKind) -> Result<(usize, Vec<String>)> {
    let seed = crate::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    // Dropped in reverse: the victim is killed, the disk is unmounted, the folder is removed.
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    disk::make_ext4(&place("live.img"), IMAGE_BYTES)?;
    let live = Mount::watched_image(&place("live.img"), &place("live"))?;
    let store = live.folder().join("store");
    let mut victim = Victim::start(engine, &store, folder.path(), seed, Load::Large, &[0; WRITERS as usize])?;
    let mut judge = Judge::new(seed, Load::Large, WRITERS);
    let (mut images, mut failures) = (0, Vec::new());
    for cut in 0..crate::cycles(3) {
        let seen = victim.report()?.bursts;
        // Three of four cuts are in a burst, the others among durable commits.
        let in_a_burst = cut % 4 != 2;
        victim.wait_until(|report| report.ready && (report.bursts > seen || !in_a_burst))?;
        std::thread::sleep(Duration::from_micros(random.u64(1_000..200_000)));
        for _ in 0..MOMENTS {
            victim.freeze()?;
            if live.unwritten_bytes().is_none_or(|bytes| bytes >= WORTHWHILE_BYTES) {
                break;
            }
            victim.thaw()?;
            std::thread::sleep(Duration::from_micros(random.u64(100..5_000)));
        }
        victim.freeze()?;
        let report = victim.report()?;
        let images_of_cut = Images::take(&live, &place("live.img"), folder.path())?;
        for (name, base, chance) in images_of_cut.plan(&mut random) {
            let told = format!("{engine}, cut {cut}, {name}");
            let (disk, pages) = images_of_cut.mixed(base, chance, &mut random)?;
            let found = examine(engine, &disk.folder().join("store"), &mut judge, &report).await;
            let outcome = match &found {
                Ok(newest) => format!("intact up to {newest}"),
                Err(error) => format!("{error:#}"),
            };
            println!(
                "{told}: {} pages differ, {} of them late; {} acknowledged, synced to {}: {outcome:.2000}",
                pages.differing,
                pages.late,
                report.acknowledged.len(),
                report.synced,
            );
            images += 1;
            if found.is_err() {
                failures.push(format!("{told}: {outcome:.2000}"));
            }
        }
        // Frozen until now, so that the store stays small enough to be examined as often as that.
        victim.thaw()?;
    }
    victim.kill()?;
    Ok((images, failures))
}

async fn examine(engine: EngineKind, store: &Path, judge: &mut Judge, report: &Report) -> Result<Cursor> {
    let store = crash::open(engine, store).context("opening")?;
    judge.examine(&store, report).await
}

/// Which image a mix takes everything from that is not a page of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Early,
    Late,
}

/// Pages of files in which the images of a cut differ.
#[derive(Debug, Clone, Copy, Default)]
struct Pages {
    differing: usize,
    late: usize,
}

/// The two images of a cut, mounted to be read.
struct Images {
    early: Mount,
    late: Mount,
    // Removed when the mounts are gone.
    folder: tempfile::TempDir,
}

impl Images {
    fn take(live: &Mount, image: &Path, folder: &Path) -> Result<Self> {
        let folder = tempfile::tempdir_in(folder)?;
        let place = |name: &str| folder.path().join(name);
        live.copy_of(image, &place("early.img"))?;
        live.sync()?;
        live.copy_of(image, &place("late.img"))?;
        // Mounting replays the journal of ext4, so what is mounted is a copy.
        let mounted = |name: &str| {
            disk::copy(&place(&format!("{name}.img")), &place(&format!("{name}.read.img")))?;
            Mount::image(&place(&format!("{name}.read.img")), &place(name))
        };
        Ok(Self { early: mounted("early")?, late: mounted("late")?, folder })
    }

    /// Names, bases and chances of a late page: all early, all late, and some of both.
    fn plan(&self, random: &mut fastrand::Rng) -> Vec<(String, Base, f64)> {
        let mut plan = vec![
            ("nothing unsynced".to_owned(), Base::Early, 0.0),
            ("everything".to_owned(), Base::Late, 1.0),
        ];
        for mix in 0..MIXES {
            let base = if mix % 2 == 0 { Base::Late } else { Base::Early };
            let chance = [0.5, 0.9, 0.1, random.f64()][random.usize(0..4)];
            plan.push((format!("{base:?} files, {:.0} % of pages late", chance * 100.0), base, chance));
        }
        plan
    }

    /// A mounted mix of both images, where each differing page is late with the given chance.
    fn mixed(&self, base: Base, chance: f64, random: &mut fastrand::Rng) -> Result<(Mount, Pages)> {
        let place = |name: &str| self.folder.path().join(name);
        let (image, folder) = (place("mixed.img"), place("mixed"));
        if folder.exists() {
            fs::remove_dir(&folder)?;
        }
        let source = if base == Base::Early { "early.img" } else { "late.img" };
        disk::copy(&place(source), &image)?;
        let mixed = Mount::image(&image, &folder)?;
        let mut pages = Pages::default();
        let (early, late) = (self.early.folder(), self.late.folder());
        for file in files(early)?.union(&files(late)?) {
            // A file that is not in the base was not heard of yet.
            if mixed.folder().join(file).exists() {
                mix(
                    &early.join(file),
                    &late.join(file),
                    &mixed.folder().join(file),
                    chance,
                    random,
                    &mut pages,
                )?;
            }
        }
        mixed.sync()?;
        Ok((mixed, pages))
    }
}

/// Sets each page of `target` in which the files differ to that of the one or the other; its length stays.
fn mix(
    early: &Path,
    late: &Path,
    target: &Path,
    chance: f64,
    random: &mut fastrand::Rng,
    pages: &mut Pages,
) -> Result<()> {
    let (early, late) = (Pageable::open(early)?, Pageable::open(late)?);
    let target = File::options().write(true).open(target)?;
    let length = target.metadata()?.len();
    for at in (0..length).step_by(PAGE) {
        let (one, other) = (early.page(at)?, late.page(at)?);
        if one == other {
            continue;
        }
        pages.differing += 1;
        let is_late = random.f64() < chance;
        pages.late += usize::from(is_late);
        let page = if is_late { other } else { one };
        let within = PAGE.min(usize::try_from(length - at)?);
        target.write_all_at(&page[..within], at)?;
    }
    Ok(())
}

/// A file, or nothing, that is zero beyond its end.
struct Pageable(Option<File>);

impl Pageable {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self(if path.exists() { Some(File::open(path)?) } else { None }))
    }

    fn page(&self, at: u64) -> Result<[u8; PAGE]> {
        let mut page = [0; PAGE];
        let mut filled = 0;
        while let Some(file) = &self.0
            && filled < PAGE
        {
            match file.read_at(&mut page[filled..], at + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(page)
    }
}

/// All files below a folder, relative to it.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => open.push(entry.path()),
                _ => drop(found.insert(entry.path().strip_prefix(folder)?.to_owned())),
            }
        }
    }
    Ok(found)
}
