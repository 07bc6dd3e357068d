//! The run folder: where the servers of one user on one machine find each other with nothing
//! configured. Each has a file there that tells its addresses ([`RunFile`]) and holds a lock (`flock`)
//! on it, which the kernel ends with the process. So a file without a lock is left from a crash; it is
//! swept by whoever chooses its own place next.
//!
//! Blocking code, called before a server serves and when it ends, and by `status` and `shutdown`.
//! Whom a server connects to is not decided here.

use crate::files;
use hubbub_shared::run::{RunFile, MAX_RUN_FILE, MAX_RUN_FILES, RUN_FILE_END};
use rustix::fs::{flock, FlockOperation, Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The file that is locked while a server chooses its name, ports and data folder. It stays.
const LOCK_FILE: &str = "lock";
/// How long others may hold [`LOCK_FILE`]. A start takes milliseconds, and a dozen wait for each other
/// at most; a guess with room for a busy machine and a slow disk.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The run folder.
#[derive(Debug, Clone)]
pub struct RunDir(PathBuf);

/// The folder's lock: as long as it is held, nobody else chooses. It ends with the process at the latest.
#[derive(Debug)]
pub struct Guard {
    _locked: File,
}

/// This server's file. Dropping it takes the server out of the folder.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    _locked: File,
}

impl RunDir {
    /// Opens the folder, and makes it where it is missing. One in which others could write is refused:
    /// they would tell this server whom to talk to.
    pub fn open(path: &Path) -> io::Result<RunDir> {
        let made = files::create_private_dir(path);
        match RunDir::look(path)? {
            Some(dir) => Ok(dir),
            None => Err(made.err().unwrap_or_else(|| io::ErrorKind::NotFound.into())),
        }
    }

    /// Opens the folder where there is one, to look into it only.
    pub fn look(path: &Path) -> io::Result<Option<RunDir>> {
        let found = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let refuse = |why: &str| {
            let why = format!("{} {why}; give --run-dir another folder", path.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
        };
        if !found.is_dir() {
            return refuse("is no folder");
        }
        if found.uid() != own_user() {
            return refuse("belongs to another user");
        }
        if found.mode() & 0o022 != 0 {
            return refuse("can be written by other users");
        }
        // From the root: what is registered is removed from there, whatever the working folder is then.
        Ok(Some(RunDir(std::path::absolute(path)?)))
    }

    /// Waits until nobody else chooses, and keeps others from it as long as the guard lives.
    pub fn lock(&self) -> io::Result<Guard> {
        let path = self.0.join(LOCK_FILE);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR)?);
        let give_up = Instant::now() + LOCK_PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(io::Error::from) {
                Ok(()) => return Ok(Guard { _locked: file }),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(_) if Instant::now() < give_up => std::thread::sleep(LOCK_PAUSE),
                Err(_) => {
                    let why = format!(
                        "{} has been locked for {} s: a server that starts hangs or is stopped",
                        path.display(),
                        LOCK_PATIENCE.as_secs()
                    );
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
            }
        }
    }

    /// The servers that run, of all clusters, by name.
    pub fn running(&self) -> io::Result<Vec<RunFile>> {
        let mut running: Vec<RunFile> = self.entries()?.iter().filter_map(|entry| self.read(entry)).collect();
        running.sort_by(|a, b| (&a.serving.name, &a.id).cmp(&(&b.serving.name, &b.id)));
        Ok(running)
    }

    /// The servers of a cluster that run.
    pub fn others(&self, cluster: &str) -> io::Result<Vec<RunFile>> {
        let mut running = self.running()?;
        running.retain(|run| run.cluster.eq_ignore_ascii_case(cluster));
        Ok(running)
    }

    /// Removes what crashed servers left. Needs the lock: who registers at this moment has not locked
    /// its file yet.
    pub fn sweep(&self, _guard: &Guard) -> io::Result<()> {
        for entry in self.entries()? {
            let path = self.0.join(&entry.file);
            if open(&path).is_ok_and(|file| is_locked(&file).is_ok_and(|locked| !locked)) {
                log::debug!(file:% = path.display(); "left from a server that crashed: removed");
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }

    /// Tells the others of this server, until what this returns is dropped.
    pub fn register(&self, run: &RunFile, _guard: &Guard) -> io::Result<Registered> {
        let path = self.0.join(format!("{}{RUN_FILE_END}", run.id));
        // Locked before it has its name: nobody ever sees it without.
        let lock = |file: &File| Ok(flock(file, FlockOperation::NonBlockingLockExclusive)?);
        let locked = files::write_whole_and(&path, &run.to_json(), 0o600, lock)?;
        Ok(Registered { path, _locked: locked })
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let names = fs::read_dir(&self.0)?.take(MAX_RUN_FILES).filter_map(Result::ok);
        Ok(names.filter_map(|entry| Entry::parse(entry.file_name().to_str()?)).collect())
    }

    /// The server behind a file, if it lives.
    fn read(&self, entry: &Entry) -> Option<RunFile> {
        if entry.is_passing {
            return None;
        }
        let path = self.0.join(&entry.file);
        let skip = |why: String| {
            log::debug!(file:% = path.display(), why; "a file of the run folder is passed over");
            None
        };
        let file = match open(&path) {
            Ok(file) => file,
            // It ended at this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return skip(error.to_string()),
        };
        match is_locked(&file) {
            Ok(true) => {}
            Ok(false) => return skip("its server is gone".into()),
            Err(error) => return skip(error.to_string()),
        }
        let mut content = Vec::new();
        if let Err(error) = file.take(MAX_RUN_FILE as u64 + 1).read_to_end(&mut content) {
            return skip(error.to_string());
        }
        match RunFile::parse(&entry.id, &content) {
            Ok(run) => Some(run),
            Err(why) => skip(why),
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A file of the folder that belongs to a run.
struct Entry {
    file: String,
    id: String,
    /// Whether it is on the way to its name, or was when its server crashed.
    is_passing: bool,
}

impl Entry {
    fn parse(file: &str) -> Option<Entry> {
        let (id, rest) = file.split_once(RUN_FILE_END)?;
        // One spelling: a run has one file.
        let known = Uuid::parse_str(id).is_ok_and(|uuid| uuid.to_string() == id);
        let passing = rest.ends_with(files::PASSING);
        (known && (rest.is_empty() || passing)).then(|| Entry {
            file: file.into(),
            id: id.into(),
            is_passing: passing,
        })
    }
}

/// Opens a file of this user's; nothing else that may stand there is waited for or followed.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != own_user() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file of this user's"));
    }
    Ok(file)
}

/// Whether a living process holds the lock of a file. Two who look do not disturb each other.
fn is_locked(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockShared).map_err(io::Error::from) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hubbub_shared::run::Serving;
    use std::collections::BTreeSet;
    use std::os::unix::fs::{symlink, PermissionsExt};
    use std::sync::Barrier;

    fn run(name: &str, cluster: &str) -> RunFile {
        RunFile {
            id: Uuid::now_v7().to_string(),
            cluster: cluster.into(),
            serving: Serving {
                pid: std::process::id(),
                name: name.into(),
                origin: format!("{name}-3f2a9c"),
                client_addr: "127.0.0.1:7411".parse().unwrap(),
                peer_addr: Some("127.0.0.1:7412".parse().unwrap()),
                doors: Default::default(),
            },
            data_dir: "/d".into(),
            pid_file: "/d/hubbubd.pid".into(),
        }
    }

    fn names(runs: &[RunFile]) -> Vec<&str> {
        runs.iter().map(|run| run.serving.name.as_str()).collect()
    }

    #[test]
    fn a_server_is_seen_as_long_as_it_is_registered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("made/run");
        assert!(RunDir::look(&path).unwrap().is_none(), "who only looks makes nothing");
        let runs = RunDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let guard = runs.lock().unwrap();
        let beta = runs.register(&run("beta", "hubbub"), &guard).unwrap();
        let alpha = run("alpha", "hubbub");
        let _alpha = runs.register(&alpha, &guard).unwrap();
        let _blue = runs.register(&run("alpha", "blue"), &guard).unwrap();
        runs.sweep(&guard).unwrap();
        drop(guard);

        let seen = RunDir::look(&path).unwrap().unwrap();
        assert_eq!(names(&seen.running().unwrap()), ["alpha", "alpha", "beta"]);
        let others = seen.others("Hubbub").unwrap();
        assert_eq!((names(&others), &others[0]), (vec!["alpha", "beta"], &alpha));
        drop(beta);
        assert_eq!(names(&seen.others("hubbub").unwrap()), ["alpha"]);
    }

    #[test]
    fn what_a_crash_left_is_passed_over_and_swept() {
        let dir = tempfile::tempdir().unwrap();
        let runs = RunDir::open(dir.path()).unwrap();
        let (live, dead) = (run("alpha", "hubbub"), run("beta", "hubbub"));
        let guard = runs.lock().unwrap();
        let _alpha = runs.register(&live, &guard).unwrap();
        let left = dir.path().join(format!("{}.json", dead.id));
        fs::write(&left, dead.to_json()).unwrap();
        let passing = dir.path().join(format!("{}.json.1.tmp", dead.id));
        fs::write(&passing, "{").unwrap();
        let foreign = dir.path().join("notes.json");
        fs::write(&foreign, "mine").unwrap();

        assert_eq!(names(&runs.running().unwrap()), ["alpha"]);
        assert!(left.exists(), "who looks removes nothing");
        runs.sweep(&guard).unwrap();
        assert!(!left.exists() && !passing.exists());
        assert!(foreign.exists(), "what is not a run's is nobody's business");
        assert_eq!(names(&runs.running().unwrap()), ["alpha"]);
    }

    #[test]
    fn what_is_not_as_it_should_be_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let runs = RunDir::open(dir.path()).unwrap();
        let guard = runs.lock().unwrap();
        let mut held = Vec::new();
        let mut place = |content: &[u8]| {
            let path = dir.path().join(format!("{}.json", Uuid::now_v7()));
            fs::write(&path, content).unwrap();
            let file = File::open(&path).unwrap();
            flock(&file, FlockOperation::LockExclusive).unwrap();
            held.push(file);
        };
        place(b"");
        place(b"not JSON");
        place(&run("alpha", "hubbub").to_json());
        place(&[b'['; MAX_RUN_FILE + 7]);
        place(&[0xff; 40]);
        let fine = run("alpha", "hubbub");
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, fine.to_json()).unwrap();
        symlink(&elsewhere, dir.path().join(format!("{}.json", fine.id))).unwrap();
        fs::create_dir(dir.path().join(format!("{}.json", Uuid::now_v7()))).unwrap();
        let pipe = dir.path().join(format!("{}.json", Uuid::now_v7()));
        let node = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, node, Mode::RUSR, 0).unwrap();
        assert_eq!(names(&runs.running().unwrap()), [""; 0]);
        runs.sweep(&guard).unwrap();
        assert!(pipe.exists() && elsewhere.exists());
    }

    #[test]
    fn a_folder_in_which_others_could_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        for (mode, fine) in [(0o700, true), (0o755, true), (0o775, false), (0o777, false), (0o1777, false)] {
            RunDir::open(&path).unwrap_or_else(|_| RunDir(path.clone()));
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match RunDir::open(&path) {
                Ok(_) => assert!(fine, "{mode:o}"),
                Err(error) => assert!(!fine && error.to_string().contains("--run-dir"), "{error}"),
            }
        }
        let link = dir.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(RunDir::open(&link).unwrap_err().to_string().contains("is no folder"));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(RunDir::open(&file).is_err());
    }

    #[test]
    fn those_who_start_at_once_choose_one_after_the_other() {
        const STARTING: usize = 8;
        let dir = tempfile::tempdir().unwrap();
        let (start, registered) = (Barrier::new(STARTING), Barrier::new(STARTING));
        let chosen: BTreeSet<String> = std::thread::scope(|scope| {
            let each = || {
                let runs = RunDir::open(&dir.path().join("run")).unwrap();
                start.wait();
                let guard = runs.lock().unwrap();
                runs.sweep(&guard).unwrap();
                let name = format!("server-{}", runs.others("hubbub").unwrap().len());
                let _registered = runs.register(&run(&name, "hubbub"), &guard).unwrap();
                drop(guard);
                registered.wait();
                name
            };
            let all: Vec<_> = (0..STARTING).map(|_| scope.spawn(each)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(chosen.len(), STARTING, "{chosen:?}");
    }
}
