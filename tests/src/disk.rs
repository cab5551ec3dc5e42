//! Disks made of files: ext4 images that are mounted through a loop device, and disks in memory of a given size.
//!
//! Needs root. What is mounted is unmounted, and its loop device freed, however a test ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Longest wait for writes under way to reach the device.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program; its error output is the error.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("starting {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("folders of tests have plain names")
}

/// Makes an empty ext4 in a new sparse file.
pub fn make_ext4(image: &Path, bytes: u64) -> Result<()> {
    fs::File::create_new(image)?.set_len(bytes)?;
    // Everything is written now: later writes to the device are those of the test.
    let settled = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
    run("mkfs.ext4", &["-q", "-F", "-m", "0", "-N", "4096", "-J", "size=16", "-E", settled, text(image)])?;
    Ok(())
}

/// Copies an image, holes and all.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    run("cp", &["--sparse=always", text(from), text(to)]).map(drop)
}

/// A file of so many bytes that are really taken.
pub fn fill(file: &Path, bytes: u64) -> Result<()> {
    run("fallocate", &["-l", &bytes.to_string(), text(file)]).map(drop)
}

/// Something mounted on a folder.
#[derive(Debug)]
pub struct Mount {
    folder: PathBuf,
    device: String,
    /// The kernel's own figures, for a disk that is to be watched.
    debug: Option<Box<Mount>>,
}

impl Mount {
    /// Mounts an image on a folder, which is created.
    pub fn image(image: &Path, folder: &Path) -> Result<Self> {
        Self::on(folder, &["-t", "ext4", "-o", "loop", text(image)])
    }

    /// As [`Mount::image`]; [`Mount::unwritten_bytes`] tells more of it.
    pub fn watched_image(image: &Path, folder: &Path) -> Result<Self> {
        let mut mount = Self::image(image, folder)?;
        mount.debug =
            Self::on(&folder.with_extension("debug"), &["-t", "debugfs", "debugfs"]).ok().map(Box::new);
        Ok(mount)
    }

    /// Mounts a disk in memory on a folder, which is created.
    pub fn memory(bytes: u64, folder: &Path) -> Result<Self> {
        Self::on(folder, &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"])
    }

    fn on(folder: &Path, what: &[&str]) -> Result<Self> {
        fs::create_dir(folder)?;
        run("mount", &[what, &[text(folder)]].concat())?;
        let mut mount = Self { folder: folder.to_owned(), device: String::new(), debug: None };
        mount.device = run("findmnt", &["-no", "SOURCE", text(folder)])?.trim().to_owned();
        Ok(mount)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How much of it is free.
    pub fn free_bytes(&self) -> Result<u64> {
        let told = run("df", &["--output=avail", "-B1", text(&self.folder)])?;
        told.lines().nth(1).context("df says nothing")?.trim().parse().context("df says no number")
    }

    /// Writes to the device all that is not there yet.
    pub fn sync(&self) -> Result<()> {
        run("sync", &["-f", text(&self.folder)]).map(drop)
    }

    /// Copies the image as the device has it at one moment: again, if something was written meanwhile.
    pub fn copy_of(&self, image: &Path, to: &Path) -> Result<()> {
        let start = Instant::now();
        loop {
            let before = self.device_state()?;
            copy(image, to)?;
            let after = self.device_state()?;
            if before == after && after.1 == 0 {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "the device of {:?} does not come to rest", self.folder);
        }
    }

    /// Writes that the device has done, and requests under way.
    fn device_state(&self) -> Result<(u64, u64)> {
        let name = self.device.rsplit('/').next().unwrap_or_default();
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat"))?;
        let figure = |index: usize| {
            stat.split_whitespace().nth(index).context("an odd stat")?.parse().context("no number")
        };
        Ok((figure(4)?, figure(8)?))
    }

    /// About how much is written and not on its way to the device; none where the kernel does not tell.
    pub fn unwritten_bytes(&self) -> Option<u64> {
        let debug = self.debug.as_ref()?;
        let number =
            fs::read_to_string(format!("/sys/block/{}/dev", self.device.rsplit('/').next()?)).ok()?;
        let stats = fs::read_to_string(debug.folder.join("bdi").join(number.trim()).join("stats")).ok()?;
        let line = stats.lines().find_map(|line| line.strip_prefix("BdiReclaimable:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let folder = text(&self.folder);
        // A file that is still open keeps a file system busy: then it goes when that is closed.
        if let Err(error) = run("umount", &[folder]).or_else(|_| run("umount", &["--lazy", folder])) {
            eprintln!("{folder} stays mounted: {error}");
        }
    }
}
