//! What the last session left: which channels and people were open, what was muted, what was shown. A
//! file in the user's folder for state that only its owner can read, one entry for each `--server` that
//! was given. Who reads it gets checked names; a damaged file counts as none, and is put aside before
//! another is written. Two terminals may keep at once: each changes its own entry only, under a lock. It
//! never stops a conversation: what cannot be kept is told once.

use crate::connect::state_folder;
use crate::terminal::line::person;
use hubbub_shared::names::Pattern;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Entries of a list. A guess: more conversations than anybody reads.
pub const MAX_ENTRIES: usize = 1000;
/// Servers. A guess; those that were left longest ago go.
pub const MAX_SERVERS: usize = 100;
/// Bytes of the file. One server's longest lists take a half of it; the oldest servers go.
const MAX_BYTES: usize = 4 << 20;
/// Bytes of the name of a conversation that is muted or shown. Channel names have 200 at the most.
const MAX_CONVERSATION: usize = 256;

/// What a session leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Channels and patterns, in the order of the list.
    pub channels: Vec<Pattern>,
    /// People with whom one has talked, as `NAME@SERVER` where that is known, in the order of the list.
    pub people: Vec<String>,
    /// Conversations that are muted, as the caller names them.
    pub muted: Vec<String>,
    /// The conversation that was shown, as the caller names it.
    pub current: Option<String>,
}

/// The place where a session's end is kept.
#[derive(Debug)]
pub struct Memory {
    folder: Option<PathBuf>,
    server: String,
    /// What the file has, as far as this session knows.
    kept: Remembered,
    /// Whether it was told that nothing can be kept.
    told: bool,
}

impl Memory {
    /// What the last session with these servers left. What cannot be read was not there.
    pub fn open(server: &str) -> (Memory, Remembered) {
        Memory::open_in(state_folder(), server)
    }

    fn open_in(folder: Option<PathBuf>, server: &str) -> (Memory, Remembered) {
        let all = folder.as_deref().and_then(|folder| read(folder).ok()).flatten().unwrap_or_default();
        let own = all.servers.into_iter().find(|entry| entry.server == server);
        let kept = own.map(Entry::remembered).unwrap_or_default();
        (Memory { folder, server: server.to_owned(), kept: kept.clone(), told: false }, kept)
    }

    /// Keeps what is open now. Nothing is written when nothing changed. An error is told the first time;
    /// then it is silent until something could be kept.
    pub fn keep(&mut self, now: &Remembered) -> Result<(), String> {
        if *now == self.kept {
            return Ok(());
        }
        let Some(folder) = &self.folder else {
            return self.tell("there is no folder for it: neither XDG_STATE_HOME nor HOME is set".into());
        };
        match change(folder, Entry::new(&self.server, now)) {
            Ok(()) => {
                (self.kept, self.told) = (now.clone(), false);
                Ok(())
            }
            Err(e) => {
                let why = format!("{}: {e}", folder.join(FILE).display());
                self.tell(why)
            }
        }
    }

    fn tell(&mut self, why: String) -> Result<(), String> {
        if std::mem::replace(&mut self.told, true) {
            return Ok(());
        }
        Err(format!("this session's conversations cannot be kept for the next one: {why}"))
    }
}

const FILE: &str = "terminal.json";

/// The file. A list, since its order tells which server was left last.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
struct All {
    #[serde(default)]
    servers: Vec<Entry>,
}

/// What was left of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    server: String,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    people: Vec<String>,
    #[serde(default)]
    muted: Vec<String>,
    #[serde(default)]
    current: Option<String>,
}

impl Entry {
    fn new(server: &str, now: &Remembered) -> Entry {
        Entry {
            server: server.to_owned(),
            channels: now.channels.iter().take(MAX_ENTRIES).map(Pattern::to_string).collect(),
            people: now.people.iter().take(MAX_ENTRIES).cloned().collect(),
            muted: now.muted.iter().filter(|name| fits(name)).take(MAX_ENTRIES).cloned().collect(),
            current: now.current.clone().filter(|name| fits(name)),
        }
    }

    /// The entry with what is right of it: somebody may have written in the file.
    fn remembered(self) -> Remembered {
        let channels = self.channels.iter().filter_map(|name| Pattern::parse(name).ok());
        let people = self.people.into_iter().filter(|name| person(name).is_ok());
        Remembered {
            channels: channels.take(MAX_ENTRIES).collect(),
            people: people.take(MAX_ENTRIES).collect(),
            muted: self.muted.into_iter().filter(|name| fits(name)).take(MAX_ENTRIES).collect(),
            current: self.current.filter(|name| fits(name)),
        }
    }
}

fn fits(conversation: &str) -> bool {
    !conversation.is_empty() && conversation.len() <= MAX_CONVERSATION
}

impl All {
    /// Nothing, if the text is none of ours.
    fn parse(text: &[u8]) -> Option<All> {
        // A list would do for serde, too.
        let object = text.trim_ascii_start().starts_with(b"{");
        serde_json::from_slice(text).ok().filter(|_| object)
    }

    /// Puts an entry in the place of the same server's, as the last.
    fn put(&mut self, entry: Entry) {
        self.servers.retain(|other| other.server != entry.server);
        self.servers.push(entry);
        let surplus = self.servers.len().saturating_sub(MAX_SERVERS);
        self.servers.drain(..surplus);
    }

    /// The file's text, a line a server: without the oldest ones, where all are too much.
    fn text(&self) -> io::Result<Vec<u8>> {
        const START: &[u8] = b"{\"servers\":[\n";
        const END: &[u8] = b"\n]}\n";
        let mut room = MAX_BYTES - START.len() - END.len();
        let mut lines = Vec::new();
        for entry in self.servers.iter().rev() {
            let line = serde_json::to_vec(entry)?;
            let Some(left) = room.checked_sub(line.len() + 2) else { break };
            room = left;
            lines.push(line);
        }
        if lines.is_empty() && !self.servers.is_empty() {
            return Err(io::Error::other("it is too much"));
        }
        lines.reverse();
        Ok([START, &lines.join(&b",\n"[..]), END].concat())
    }
}

/// What the file holds: no servers where there is none, and nothing where it is damaged.
fn read(folder: &Path) -> io::Result<Option<All>> {
    let mut text = Vec::new();
    let file = File::open(folder.join(FILE));
    match file.and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text)) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(All::default())),
        read => read?,
    };
    Ok(All::parse(&text).filter(|_| text.len() <= MAX_BYTES))
}

/// Reads the file, puts an entry in, and replaces the file whole: nobody finds half of it. It is not
/// forced to the disk: that would hold the screen up, and what is lost with the machine is a list.
fn change(folder: &Path, entry: Entry) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock = private(&folder.join("terminal.lock"))?;
    // Held for a moment only.
    while let Err(e) = lock.lock() {
        match e.kind() {
            ErrorKind::Interrupted => {}
            // Where a file system knows no locks, the last one wins.
            ErrorKind::Unsupported => break,
            _ => return Err(e),
        }
    }
    let path = folder.join(FILE);
    let mut all = match read(folder)? {
        Some(all) => all,
        // Under the lock, so that nobody's good file goes aside for it.
        None => {
            std::fs::rename(&path, path.with_extension("json.bad"))?;
            All::default()
        }
    };
    all.put(entry);
    let new = folder.join("terminal.json.new");
    let mut file = private(&new)?;
    file.set_len(0)?;
    file.write_all(&all.text()?)?;
    std::fs::rename(new, path)
    // The lock goes with its file.
}

/// A file for its owner alone, made where it is missing.
fn private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // A file that was there before may be open to others.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn left(channels: &[&str], people: &[&str]) -> Remembered {
        Remembered {
            channels: channels.iter().map(|name| Pattern::parse(name).unwrap()).collect(),
            people: people.iter().map(|name| name.to_string()).collect(),
            muted: vec!["build.>".into()],
            current: Some("@bob".into()),
        }
    }

    fn open(folder: &Path, server: &str) -> (Memory, Remembered) {
        Memory::open_in(Some(folder.to_owned()), server)
    }

    #[test]
    fn what_a_session_leaves_comes_back_to_the_same_server_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state/hubbub");
        let (mut memory, last) = open(&folder, "alpha:7411");
        assert_eq!(last, Remembered::default());
        let now = left(&["ops", "build.>"], &["bob"]);
        memory.keep(&now).unwrap();
        assert_eq!(open(&folder, "alpha:7411").1, now);
        assert_eq!(open(&folder, "beta:7411").1, Remembered::default());
        for file in ["terminal.json", "terminal.lock"] {
            let mode = std::fs::metadata(folder.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!folder.join("terminal.json.new").exists());
    }

    #[test]
    fn two_terminals_keep_beside_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let terminals = ["alpha", "beta", "gamma", "delta"].map(|server| {
            let (mut memory, _) = open(folder.path(), server);
            std::thread::spawn(move || {
                for n in 0..20 {
                    memory.keep(&left(&[&format!("{}-{n}", memory.server)], &[])).unwrap();
                }
            })
        });
        terminals.into_iter().for_each(|terminal| terminal.join().unwrap());
        for server in ["alpha", "beta", "gamma", "delta"] {
            assert_eq!(open(folder.path(), server).1.channels[0].as_str(), format!("{server}-19"));
        }
    }

    #[test]
    fn a_damaged_file_is_as_none_and_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let too_long = format!("{{\"servers\":[]}}{}", " ".repeat(MAX_BYTES));
        for damaged in
            ["", "{", "[]", "{\"servers\":7}", "{\"servers\":[{\"server\":\"a\",\"people\":{}}]}", &too_long]
        {
            std::fs::write(&path, damaged).unwrap();
            let (mut memory, last) = open(folder.path(), "alpha");
            assert_eq!(last, Remembered::default());
            memory.keep(&left(&["ops"], &[])).unwrap();
            assert_eq!(std::fs::read(folder.path().join("terminal.json.bad")).unwrap(), damaged.as_bytes());
            assert_eq!(open(folder.path(), "alpha").1, left(&["ops"], &[]));
        }
    }

    #[test]
    fn what_newer_versions_write_is_skipped_and_wrong_names_are_left_out() {
        let text = br##"{"version":2,"servers":[{"server":"a","colour":"red","channels":["#ops","a b",""],
            "people":["bob","b b","eve@beta","@x"],"muted":["","x"]}]}"##;
        let entry = All::parse(text).unwrap().servers.remove(0);
        let got = entry.remembered();
        assert_eq!(got.channels.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["ops"]);
        assert_eq!(got.people, ["bob", "eve@beta"]);
        assert_eq!((got.muted, got.current), (vec!["x".to_owned()], None));
    }

    #[test]
    fn the_oldest_servers_and_the_surplus_go() {
        let mut all = All::default();
        for n in 0..MAX_SERVERS + 5 {
            all.put(Entry { server: n.to_string(), ..Entry::default() });
        }
        all.put(Entry { server: "5".into(), ..Entry::default() });
        assert_eq!((all.servers.len(), all.servers[0].server.as_str()), (MAX_SERVERS, "6"));
        assert_eq!(all.servers.last().unwrap().server, "5", "the one that was used last");

        let mut many = left(&[], &[]);
        many.channels = (0..MAX_ENTRIES + 9).map(|n| Pattern::parse(&format!("c{n}")).unwrap()).collect();
        many.muted = vec!["\u{1}".repeat(MAX_CONVERSATION); MAX_ENTRIES + 9];
        let entry = Entry::new("x", &many);
        assert_eq!((entry.channels.len(), entry.muted.len()), (MAX_ENTRIES, MAX_ENTRIES));
        for n in 0..MAX_SERVERS {
            all.put(Entry { server: format!("long-{n}"), ..entry.clone() });
        }
        let text = all.text().unwrap();
        let kept = All::parse(&text).unwrap().servers;
        assert!(text.len() <= MAX_BYTES && (1..MAX_SERVERS).contains(&kept.len()));
        assert_eq!(kept.last().unwrap().server, format!("long-{}", MAX_SERVERS - 1));
    }

    #[test]
    fn what_cannot_be_kept_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "no folder").unwrap();
        let (mut memory, last) = open(&file, "alpha");
        assert_eq!(last, Remembered::default());
        let why = memory.keep(&left(&["a"], &[])).unwrap_err();
        assert!(
            why.starts_with("this session's conversations cannot be kept") && why.contains("file"),
            "{why}"
        );
        assert_eq!(memory.keep(&left(&["b"], &[])), Ok(()));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(memory.keep(&left(&["b"], &[])), Ok(()));
        assert_eq!(open(&file, "alpha").1, left(&["b"], &[]), "kept as soon as it can be");

        let (mut memory, _) = Memory::open_in(None, "alpha");
        assert!(memory.keep(&left(&["a"], &[])).unwrap_err().contains("XDG_STATE_HOME"));
        assert_eq!(memory.keep(&left(&["a"], &[])), Ok(()));
    }

    #[test]
    fn nothing_is_written_when_nothing_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut memory, last) = open(folder.path(), "alpha");
        memory.keep(&last).unwrap();
        assert!(!folder.path().join(FILE).exists());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}|\\{\"servers\":\\[\\{\"server\":\"a\",\"muted\":\\[\"\\PC{0,9}\"\\]\\}\\]\\}") {
            if let Some(all) = All::parse(text.as_bytes()) {
                prop_assert_eq!(All::parse(&all.text().unwrap()), Some(all.clone()));
                all.servers.into_iter().for_each(|entry| drop(entry.remembered()));
            }
        }
    }
}
