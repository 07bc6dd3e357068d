//! The lines that were typed, kept between runs in a file that only its owner can read. Lines that
//! hold a secret are not kept.

use crate::connect::state_folder;
use hubbub_shared::command::{Op, Verb};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Lines that are kept. As many as the line editor keeps.
const MAX_LINES: usize = 1000;
/// Bytes that are read of the file. A guess: a thousand long lines.
const MAX_BYTES: u64 = 1 << 20;

/// The file, or nothing where it cannot be used: then the lines are forgotten.
pub struct History {
    file: Option<File>,
}

impl History {
    /// Opens the file and reads what earlier runs left.
    pub fn open() -> (History, Vec<String>) {
        match state_folder().map(|folder| open_in(&folder)) {
            Some(Ok((file, lines))) => (History { file: Some(file) }, lines),
            _ => (History { file: None }, Vec::new()),
        }
    }

    /// Keeps a line.
    pub fn add(&mut self, line: &str) {
        if line.trim().is_empty() || is_secret(line) {
            return;
        }
        // A full disk costs the history, not the conversation.
        let written = self.file.as_mut().map(|file| file.write_all(format!("{line}\n").as_bytes()));
        if matches!(written, Some(Err(_))) {
            self.file = None;
        }
    }
}

/// Whether a line shows the operator token.
pub fn is_secret(line: &str) -> bool {
    let word = line.trim_start().trim_start_matches('/').split_ascii_whitespace().next();
    word.and_then(Verb::find).is_some_and(|verb| verb.op == Op::Operator)
}

fn open_in(folder: &Path) -> io::Result<(File, Vec<String>)> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = folder.join("history");
    let mut lines = read(&path);
    let surplus = lines.len().saturating_sub(MAX_LINES);
    lines.drain(..surplus);
    if surplus > 0 {
        rewrite(&path, &lines)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    // A file that was there before may be open to others.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok((file, lines))
}

/// The lines of a file; of a huge one those at its end.
fn read(path: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    // What cannot be read is not there.
    let _ = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_BYTES)))?;
        file.read_to_end(&mut bytes)
    });
    String::from_utf8_lossy(&bytes).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Replaces the file whole, so that nobody finds half of it.
fn rewrite(path: &Path, lines: &[String]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    for line in lines {
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
    }
    std::fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_come_back_and_secrets_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state/hubbub");
        let (file, lines) = open_in(&folder).unwrap();
        assert!(lines.is_empty());
        let mut history = History { file: Some(file) };
        for line in ["/join ops", "hello", "", " /OPERATOR s3cret", "operator x"] {
            history.add(line);
        }
        let (_, lines) = open_in(&folder).unwrap();
        assert_eq!(lines, ["/join ops", "hello"]);
        let mode = std::fs::metadata(folder.join("history")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_oldest_lines_go() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..MAX_LINES + 5).map(|n| format!("{n}\n")).collect();
        std::fs::write(folder.path().join("history"), text).unwrap();
        let (_, lines) = open_in(folder.path()).unwrap();
        assert_eq!((lines.len(), lines[0].as_str()), (MAX_LINES, "5"));
        assert_eq!(read(&folder.path().join("history")).len(), MAX_LINES);
    }
}
