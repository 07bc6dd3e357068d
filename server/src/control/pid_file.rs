//! The pid file: proof that a hub runs with this data folder, and the way to find it.
//!
//! The file holds the process id alone, for scripts that say `kill $(cat …)`; beside it stands
//! `….json` with the [`Serving`] of a hub that serves. The proof is the lock (`flock`) on the pid file,
//! which the kernel ends with the process: a file without a lock is left from a crash and counts as
//! nothing.

use super::Serving;
use crate::files;
use anyhow::{bail, Context};
use rustix::fs::{flock, FlockOperation};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a lock may be somebody's short look at it ([`look`]) and not yet another hub's. A look
/// takes microseconds; this is a guess with much room for a busy machine.
const LOOK_GRACE: Duration = Duration::from_millis(200);
/// Pause between two tries within [`LOOK_GRACE`].
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Bytes read of a pid file at most: a process id has ten digits.
const MAX_PID_FILE: u64 = 64;

/// The pid file of this process. Dropping it removes the files; the lock itself lasts until the
/// process has ended, so that who waits for the lock ([`Holder::wait_gone`]) waits for the end.
pub struct PidFile {
    path: PathBuf,
    // Never closed: see above. One descriptor for the last moments of a process.
    _locked: ManuallyDrop<File>,
}

/// What stands behind a pid file's path.
pub enum Found {
    /// Nothing runs; `stale` when a file is left from a run that crashed.
    Nobody {
        /// Whether a file is there.
        stale: bool,
    },
    /// A hub that holds the lock.
    Running(Holder),
}

/// A running hub.
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// The user who owns the pid file.
    pub owner: u32,
    /// What it told of itself; none before it serves.
    pub serving: Option<Serving>,
    file: File,
}

impl PidFile {
    /// Takes the pid file for this process, and makes the folder that it is in. Fails when another
    /// hub holds it, and tells which.
    pub fn acquire(path: &Path) -> anyhow::Result<PidFile> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            files::create_private_dir(folder)
                .with_context(|| format!("cannot make the folder {} for the pid file", folder.display()))?;
        }
        let context = || format!("cannot take the pid file {}", path.display());
        let give_up = Instant::now() + LOOK_GRACE;
        loop {
            let file = open_to_lock(path).with_context(context)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
                // Between opening and locking, the last holder may have removed it as it ended.
                Ok(()) if !is_at(&file, path) => continue,
                Ok(()) => return Self::take(path, file).with_context(context),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(error).with_context(context);
                }
                Err(_) if Instant::now() < give_up => std::thread::sleep(LOOK_PAUSE),
                Err(_) => bail!(held_by(path, &file)),
            }
        }
    }

    fn take(path: &Path, mut file: File) -> io::Result<PidFile> {
        let length = file.metadata()?.len();
        if length > MAX_PID_FILE || length > 0 && read_pid(&mut file).is_none() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the file holds something else than a process id; name another one, or remove it",
            ));
        }
        // What the crashed run told of itself must not be taken for this one's.
        let _ = fs::remove_file(serving_path(path));
        file.set_len(0)?;
        io::Seek::rewind(&mut file)?;
        file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
        Ok(PidFile { path: path.into(), _locked: ManuallyDrop::new(file) })
    }

    /// Tells where this hub serves, for `status` and for who tries to start a second one.
    pub fn write(&self, serving: &Serving) -> io::Result<()> {
        files::write_whole(&serving_path(&self.path), &serving.to_json(), 0o644)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(serving_path(&self.path));
        let _ = fs::remove_file(&self.path);
    }
}

/// Looks whether a hub holds the pid file, without disturbing it.
pub fn look(path: &Path) -> io::Result<Found> {
    let give_up = Instant::now() + LOOK_GRACE;
    loop {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Nobody { stale: false })
            }
            opened => opened?,
        };
        match flock(&file, FlockOperation::NonBlockingLockShared).map_err(io::Error::from) {
            Ok(()) => return Ok(Found::Nobody { stale: is_at(&file, path) }),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) => {}
        }
        // A hub that has just taken the lock writes its id a moment later.
        if let Some(pid) = read_pid(&mut file) {
            let owner = file.metadata()?.uid();
            return Ok(Found::Running(Holder { pid, owner, serving: read_serving(path, pid), file }));
        }
        if Instant::now() >= give_up {
            let why = format!("{} is locked and holds no process id", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        std::thread::sleep(LOOK_PAUSE);
    }
}

impl Holder {
    /// Waits until the process has ended, and calls `tick` every so often meanwhile. False when it is
    /// still there at the time limit.
    pub fn wait_gone(self, limit: Duration, every: Duration, mut tick: impl FnMut()) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        let (gone, ended) = mpsc::channel();
        // The kernel gives the lock when the process ends. A thread waits there, since a lock cannot
        // be waited for with a time limit; at the limit it is left behind and ends with this process.
        std::thread::Builder::new().name("wait".into()).spawn(move || {
            let answer = loop {
                match flock(&self.file, FlockOperation::LockShared) {
                    Err(rustix::io::Errno::INTR) => {}
                    answer => break answer,
                }
            };
            let _ = gone.send(answer);
        })?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match ended.recv_timeout(left.min(every)) {
                Ok(answer) => return answer.map(|()| true).map_err(io::Error::from),
                Err(_) if left.is_zero() => return Ok(false),
                Err(_) => tick(),
            }
        }
    }
}

fn open_to_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn serving_path(path: &Path) -> PathBuf {
    files::with_suffix(path, ".json")
}

/// Whether an open file is the one that the path names now.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

fn read_pid(file: &mut impl Read) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_FILE).read_to_string(&mut text).ok()?;
    parse_pid(&text)
}

fn parse_pid(text: &str) -> Option<u32> {
    // Positive as the kernel's type: 0 and what would turn negative mean whole groups to `kill`.
    text.trim_ascii().parse().ok().filter(|pid| (1..=i32::MAX as u32).contains(pid))
}

fn read_serving(path: &Path, pid: u32) -> Option<Serving> {
    let json = fs::read(serving_path(path)).ok()?;
    serde_json::from_slice(&json).ok().filter(|serving: &Serving| serving.pid == pid)
}

fn held_by(path: &Path, mut file: &File) -> String {
    let who = match read_pid(&mut file) {
        None => "another process holds it".to_owned(),
        Some(pid) => match read_serving(path, pid) {
            None => format!("a hub that does not serve yet holds it, pid {pid}"),
            Some(serving) => {
                format!("a hub holds it: pid {pid}, {} at {}", serving.name, serving.client_addr)
            }
        },
    };
    format!(
        "cannot take the pid file {}: {who}; end that one with `hubbubd shutdown`, or give this one \
         another --data-dir (or --pid-file)",
        path.display()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::example;
    use super::*;

    fn running(path: &Path) -> Holder {
        match look(path).unwrap() {
            Found::Running(holder) => holder,
            Found::Nobody { stale } => panic!("nobody runs, stale: {stale}"),
        }
    }

    fn nobody(path: &Path) -> Option<bool> {
        match look(path).unwrap() {
            Found::Running(_) => None,
            Found::Nobody { stale } => Some(stale),
        }
    }

    #[test]
    fn a_running_hub_is_found_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/hubbubd.pid");
        assert_eq!(nobody(&path), Some(false));

        let held = PidFile::acquire(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert!(running(&path).serving.is_none());

        held.write(&example()).unwrap();
        let holder = running(&path);
        assert_eq!((holder.pid, holder.serving), (std::process::id(), Some(example())));

        drop(held);
        assert_eq!(nobody(&path), Some(false));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        // The next hub may start, although the lock on the file that was removed still stands.
        PidFile::acquire(&path).unwrap();
    }

    #[test]
    fn a_second_hub_is_told_who_holds_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hubbubd.pid");
        let held = PidFile::acquire(&path).unwrap();
        let pid = std::process::id();
        let early = PidFile::acquire(&path).err().unwrap().to_string();
        assert!(early.contains(&format!("pid {pid}")) && early.contains("not serve yet"), "{early}");
        held.write(&example()).unwrap();
        let error = PidFile::acquire(&path).err().unwrap().to_string();
        assert!(error.contains(&format!("pid {pid}, alpha at 127.0.0.1:7411")), "{error}");
        assert!(error.contains("hubbubd shutdown"), "{error}");
        // The failed tries left the holder's files alone.
        assert_eq!(running(&path).serving, Some(example()));
    }

    #[test]
    fn what_a_crash_left_counts_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hubbubd.pid");
        fs::write(&path, "2147483647\n").unwrap();
        fs::write(serving_path(&path), example().to_json()).unwrap();
        assert_eq!(nobody(&path), Some(true));
        let _held = PidFile::acquire(&path).unwrap();
        assert_eq!(running(&path).pid, std::process::id());
        // The crashed run had this very pid in this test: its address is gone all the same.
        assert!(running(&path).serving.is_none());
    }

    #[test]
    fn a_file_that_is_no_pid_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for content in [b"listen = 1\n".to_vec(), b"1".repeat(5000), b"-1".into(), b"0".into(), vec![0xff; 9]]
        {
            let path = dir.path().join("hubbub.toml");
            fs::write(&path, &content).unwrap();
            let error = format!("{:#}", PidFile::acquire(&path).err().unwrap());
            assert!(error.contains("something else than a process id"), "{error}");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn waiting_ends_with_the_lock_and_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hubbubd.pid");
        // Not a PidFile, whose lock lasts as long as this process.
        let file = open_to_lock(&path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        fs::write(&path, "4711\n").unwrap();

        let short = Duration::from_millis(20);
        let mut ticks = 0;
        assert!(!running(&path).wait_gone(5 * short, short, || ticks += 1).unwrap());
        assert!(ticks > 0);

        let mut file = Some(file);
        let gone = running(&path).wait_gone(Duration::from_secs(10), short, || drop(file.take()));
        assert!(gone.unwrap());
    }
}
