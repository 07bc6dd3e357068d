//! The folder of one test client: its own from the first to the last moment, with everything in it. It
//! goes when this is dropped, and when its writer finds itself alone.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a folder is tried to be removed in which somebody may still write. A guess.
const TRIES: u32 = 50;

/// A folder that goes with this.
pub struct Folder(PathBuf);

/// How the names of the folders of test clients begin.
pub const PREFIX: &str = "hubbub-fleet";

impl Folder {
    /// Makes a folder of its own in another one.
    pub fn make(within: &Path, prefix: &str) -> io::Result<Folder> {
        loop {
            let path = within.join(format!("{prefix}-{:08x}", fastrand::u32(..)));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Leaves it where it is: to remove it would last for ever.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Whether this is a folder that [`Folder::make`] has just made, of this user: what is in it may go.
pub fn is_fresh(path: &Path) -> io::Result<bool> {
    let about = fs::symlink_metadata(path)?;
    let is_named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    let is_own = about.is_dir() && about.uid() == geteuid().as_raw();
    Ok(is_named && is_own && fs::read_dir(path)?.next().is_none())
}

/// Removes a folder with all that is in it, also while somebody makes more.
pub fn remove(path: &Path) {
    for _ in 0..TRIES {
        match fs::remove_dir_all(path) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Bytes that this user may still write where a path is.
pub fn free(path: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(path)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_goes_with_all_that_is_in_it() {
        let within = tempfile::tempdir().unwrap();
        let folder = Folder::make(within.path(), PREFIX).unwrap();
        assert!(is_fresh(folder.path()).unwrap());
        fs::write(folder.path().join("file"), "x").unwrap();
        assert!(!is_fresh(folder.path()).unwrap(), "somebody's files are in it");
        assert!(!is_fresh(within.path()).unwrap(), "it has another name");
        assert!(free(folder.path()).unwrap() > 0);
        drop(folder);
        assert_eq!(fs::read_dir(within.path()).unwrap().count(), 0);
        assert!(Folder::make(&within.path().join("absent"), "fleet").is_err());
    }
}
