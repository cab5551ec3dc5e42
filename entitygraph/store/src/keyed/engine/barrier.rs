//! Makes sled's sync a real one.
//!
//! On Linux sled 0.34 syncs its log with `sync_file_range`, which neither flushes the disk's cache nor writes
//! the file's length: in simulated power cuts every acknowledged commit was lost. Where that call answers
//! `ENOSYS` sled falls back to a full `fsync`, so a seccomp filter makes it answer that. No fork of sled, no
//! `unsafe` here.
//!
//! The filter is for the **whole process**, all its threads and the children it starts, and cannot be taken
//! back. What follows from that: nothing else in the process can use `sync_file_range` (nothing here wants
//! to), the process and its children can gain no privileges by setuid programs (`no_new_privs`), 32-bit
//! children are killed by the kernel, and each system call costs some tens of nanoseconds more. It is
//! installed only when a sled store is opened.

/// Installs the filter once. `false` if this system does not let us; the reason is logged.
#[cfg(target_os = "linux")]
pub(super) fn install() -> bool {
    use std::sync::OnceLock;
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| match filter().and_then(|program| seccompiler::apply_filter_all_threads(&program)) {
        Ok(()) => {
            tracing::info!("sync_file_range now answers ENOSYS in this process, so that sled syncs with fsync");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "no seccomp filter could be installed, sled's own sync stays as weak as it is");
            false
        }
    })
}

#[cfg(target_os = "linux")]
fn filter() -> Result<seccompiler::BpfProgram, seccompiler::Error> {
    use seccompiler::{SeccompAction, SeccompFilter};
    let refused = [(libc::SYS_sync_file_range, Vec::new())].into_iter().collect();
    let enosys = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(refused, SeccompAction::Allow, enosys, arch)?.try_into()?)
}

/// Elsewhere sled calls `fsync` itself.
#[cfg(not(target_os = "linux"))]
pub(super) fn install() -> bool {
    true
}
