//! The servers that run on this machine, as the run folder tells them: to find the data folder of the
//! one that this client is connected to, and who has a door. Nothing is written there.

use hubbub_shared::run::{default_dir, RunFile, MAX_RUN_FILE, MAX_RUN_FILES, RUN_FILE_END};
use rustix::fs::{flock, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io::{self, Read};
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

/// Bytes read of a pid file at most: a process id has ten digits.
const MAX_PID_FILE: u64 = 64;

/// The data folder of the run of a server that messages call `origin`. None, where it runs elsewhere or
/// for another user.
pub fn data_folder_of(run_folder: &Path, origin: &str) -> Option<PathBuf> {
    runs(run_folder).into_iter().find(|run| run.serving.origin == origin).map(|run| run.data_dir)
}

/// The servers that tell of themselves in a run folder. Whether they still live is told by
/// [`Living::of`].
pub fn runs(run_folder: &Path) -> Vec<RunFile> {
    // Others who could write there could have this client read where they want.
    let is_private = |found: fs::Metadata| {
        found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0
    };
    if !fs::symlink_metadata(run_folder).is_ok_and(is_private) {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(run_folder) else { return Vec::new() };
    let entries = entries.take(MAX_RUN_FILES).filter_map(Result::ok);
    let read =
        |entry: fs::DirEntry| read(&entry.path(), entry.file_name().to_str()?.strip_suffix(RUN_FILE_END)?);
    entries.filter_map(read).collect()
}

/// Proof that a server lives: the lock on its pid file, which the kernel ends with the process.
pub struct Living {
    pid_file: File,
}

impl Living {
    /// The proof for a run, if its process is there.
    pub fn of(run: &RunFile) -> Option<Living> {
        let mut pid_file = File::open(&run.pid_file).ok()?;
        match flock(&pid_file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => {}
            // Nobody holds it, or it cannot be known: then it is not that server.
            _ => return None,
        }
        let mut text = String::new();
        (&mut pid_file).take(MAX_PID_FILE).read_to_string(&mut text).ok()?;
        (text.trim_ascii().parse() == Ok(run.serving.pid)).then_some(Living { pid_file })
    }

    /// Waits until the process has ended. Blocks.
    pub fn wait_gone(self) -> io::Result<()> {
        loop {
            match flock(&self.pid_file, FlockOperation::LockShared) {
                Err(Errno::INTR) => {}
                answer => return Ok(answer?),
            }
        }
    }
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

    #[test]
    fn a_lock_proves_that_a_server_lives() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("hubbubd.pid");
        let run = |pid| {
            let content = format!(
                "{{\"id\":\"1\",\"cluster\":\"hubbub\",\"pid\":{pid},\"name\":\"alpha\",\"origin\":\"alpha-1\",\
                 \"client_addr\":\"127.0.0.1:7411\",\"peer_addr\":null,\"doors\":{{}},\
                 \"data_dir\":\"/d\",\"pid_file\":\"{}\"}}",
                pid_file.display()
            );
            RunFile::parse("1", content.as_bytes()).unwrap()
        };
        assert!(Living::of(&run(7)).is_none(), "there is no file");
        fs::write(&pid_file, "7\n").unwrap();
        assert!(Living::of(&run(7)).is_none(), "nobody holds it");
        let held = File::open(&pid_file).unwrap();
        flock(&held, FlockOperation::LockExclusive).unwrap();
        assert!(Living::of(&run(8)).is_none(), "another process holds it");
        let living = Living::of(&run(7)).unwrap();
        let waiting = std::thread::spawn(move || living.wait_gone().unwrap());
        drop(held);
        waiting.join().unwrap();
        assert!(Living::of(&run(7)).is_none());
    }
}
