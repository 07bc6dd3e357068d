//! Files that others read while the hub writes them: each appears whole or not at all. Called by
//! the pid file, the ready file, the run folder and the operator token; never decides what a file holds.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How the passing name of a file ends that is not yet whole.
pub const PASSING: &str = ".tmp";

/// Writes a file under a passing name beside its place, to the disk, and then renames it: a reader
/// sees the old content or the new, never a part. `mode` holds from the first byte on.
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    write_whole_and(path, content, mode, |_| Ok(())).map(drop)
}

/// [`write_whole`], and something more that has to be true of the file before it has its name, such as
/// a lock. The open file is what the path names from then on.
pub fn write_whole_and(
    path: &Path,
    content: &[u8],
    mode: u32,
    before_named: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<File> {
    let passing = with_suffix(path, &format!(".{}{PASSING}", std::process::id()));
    // One of that name can only be left from a run that had this process id and crashed.
    let _ = fs::remove_file(&passing);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&passing)?;
        file.write_all(content)?;
        file.sync_all()?;
        before_named(&file)?;
        fs::rename(&passing, path)?;
        Ok(file)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&passing);
    }
    written
}

/// Creates a folder, and those above it, that only this user may look into. One that exists stays
/// as it is.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// [`create_private_dir`] in a place where anybody may have been first, such as the folder for passing
/// files: refuses one that is not this user's alone.
pub fn claim_private_dir(path: &Path) -> io::Result<()> {
    create_private_dir(path)?;
    let found = fs::symlink_metadata(path)?;
    let own = rustix::process::geteuid().as_raw();
    if found.is_dir() && found.uid() == own && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let why = format!("{} is not a folder of this user alone; give --data-dir another one", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// A path with a suffix behind its whole name: `hubbubd.pid` and `.json` make `hubbubd.pid.json`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "a longer old content").unwrap();
        write_whole(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // A folder stands where the file should go, so the rename fails after the write.
        let path = dir.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        assert!(write_whole(&path, b"x", 0o600).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("absent/file"), b"x", 0o600).is_err());
    }

    #[test]
    fn a_private_folder_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        create_private_dir(&path).unwrap();
        create_private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_made_is_not_claimed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hubbub-1000");
        claim_private_dir(&path).unwrap();
        claim_private_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(claim_private_dir(&path).unwrap_err().to_string().contains("--data-dir"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(claim_private_dir(&link).is_err());
    }
}
