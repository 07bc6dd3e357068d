//! The servers that run on this machine, as the run folder tells them: only to find the data folder of
//! the one that this client is connected to. Nothing is written there.

use hubbub_shared::run::{default_dir, RunFile, MAX_RUN_FILE, MAX_RUN_FILES, RUN_FILE_END};
use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The run folder of servers that were not told another.
pub fn run_folder() -> PathBuf {
    let user = geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // After `su`, the variable may name the folder of another user: then it does not count.
    let is_own = |path: &PathBuf| {
        path.is_absolute() && fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user)
    };
    default_dir(runtime.filter(is_own).as_deref(), &std::env::temp_dir(), user)
}

/// The data folder of the run of a server that messages call `origin`. None, where it runs elsewhere or
/// for another user.
pub fn data_folder_of(run_folder: &Path, origin: &str) -> Option<PathBuf> {
    let found = fs::symlink_metadata(run_folder).ok()?;
    // Others who could write there could have this client read where they want.
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return None;
    }
    let entries = fs::read_dir(run_folder).ok()?.take(MAX_RUN_FILES).filter_map(Result::ok);
    entries
        .filter_map(|entry| read(&entry.path(), entry.file_name().to_str()?.strip_suffix(RUN_FILE_END)?))
        .find(|run| run.serving.origin == origin)
        .map(|run| run.data_dir)
}

fn read(path: &Path, id: &str) -> Option<RunFile> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let found = file.metadata().ok()?;
    if !found.is_file() || found.uid() != geteuid().as_raw() {
        return None;
    }
    let mut content = Vec::new();
    file.take(MAX_RUN_FILE as u64 + 1).read_to_end(&mut content).ok()?;
    RunFile::parse(id, &content).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_data_folder_of_the_server_that_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let of = |id: &str, origin: &str, data_dir: &str| {
            let content = format!(
                "{{\"id\":\"{id}\",\"cluster\":\"hubbub\",\"pid\":7,\"name\":\"alpha\",\"origin\":\"{origin}\",\
                 \"client_addr\":\"127.0.0.1:7411\",\"peer_addr\":null,\"doors\":{{}},\
                 \"data_dir\":\"{data_dir}\",\"pid_file\":\"/d/hubbubd.pid\"}}"
            );
            fs::write(dir.path().join(format!("{id}.json")), content).unwrap();
        };
        of("1", "alpha-3f2a9c", "/d");
        of("2", "beta-000000", "/e");
        of("3", "gamma-000000", "relative");
        fs::write(dir.path().join("4.json"), "not JSON").unwrap();
        let link = dir.path().join("5.json");
        std::os::unix::fs::symlink(dir.path().join("1.json"), link).unwrap();
        assert_eq!(data_folder_of(dir.path(), "beta-000000"), Some("/e".into()));
        assert_eq!(data_folder_of(dir.path(), "alpha-3f2a9c"), Some("/d".into()));
        assert_eq!(data_folder_of(dir.path(), "gamma-000000"), None);
        assert_eq!(data_folder_of(dir.path(), ""), None);
        assert_eq!(data_folder_of(&dir.path().join("absent"), "beta-000000"), None);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(data_folder_of(dir.path(), "beta-000000"), None, "others can write there");
    }
}
