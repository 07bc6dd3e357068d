//! The reports of ended runs as files: `fleet/RUN.txt` for people and `fleet/RUN.json` for programs, in
//! the server's data folder. Each appears whole, and only the latest are kept. May block: the caller
//! sees to it that no socket waits for it.

use crate::files;
use hubbub_shared::fleet::Report;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Reports that are kept; the oldest go. As many as a channel's history remembers by default.
const MAX_KEPT: usize = 100;
/// Files of the folder that are looked at, so that one that is full of others' things costs little. A
/// guess: far more than are kept.
const MAX_LOOKED_AT: usize = 10_000;

/// Writes one report; where its text lies then.
pub fn write(data_dir: &Path, report: &Report) -> io::Result<PathBuf> {
    let dir = data_dir.join("fleet");
    let told = |what: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", what.display()))
    };
    files::create_private_dir(&dir).map_err(|error| told(&dir, error))?;
    let (text, json) = (dir.join(format!("{}.txt", report.run)), dir.join(format!("{}.json", report.run)));
    files::write_whole(&json, (report.to_json() + "\n").as_bytes(), 0o600).map_err(|e| told(&json, e))?;
    files::write_whole(&text, report.to_text().as_bytes(), 0o600).map_err(|e| told(&text, e))?;
    tidy(&dir);
    Ok(text)
}

/// Removes the oldest reports. What cannot be removed stays: the next report tries again.
fn tidy(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut reports = Vec::new();
    for entry in entries.take(MAX_LOOKED_AT).flatten() {
        let path = entry.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if path.extension().is_some_and(|end| end == "json") && stem.is_some_and(is_run) {
            if let Ok(changed) = entry.metadata().and_then(|about| about.modified()) {
                reports.push((changed, path));
            }
        }
    }
    reports.sort();
    for (_, json) in reports.iter().take(reports.len().saturating_sub(MAX_KEPT)) {
        let _ = fs::remove_file(json.with_extension("txt"));
        let _ = fs::remove_file(json);
    }
}

/// Whether a name ends as the coordinator names its runs: what else lies in the folder is not its own.
fn is_run(stem: &str) -> bool {
    let is_stamp = |part: &str| {
        let bytes = part.as_bytes();
        let digits = |range: std::ops::Range<usize>| bytes[range].iter().all(u8::is_ascii_digit);
        bytes.len() == 16 && bytes[8] == b'T' && bytes[15] == b'Z' && digits(0..8) && digits(9..15)
    };
    let mut parts = stem.rsplit('-');
    match parts.next() {
        Some(last) if is_stamp(last) => true,
        Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => parts.next().is_some_and(is_stamp),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn report(run: String) -> Report {
        Report {
            run,
            server: "alpha".into(),
            started_at: String::new(),
            ended_at: String::new(),
            seconds: 1.0,
            passed: 0,
            aborted: 0,
            clients: Vec::new(),
        }
    }

    #[test]
    fn the_latest_reports_are_kept_and_nothing_else_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..MAX_KEPT + 3 {
            let path = write(dir.path(), &report(format!("alpha-20260501T{n:06}Z"))).unwrap();
            assert!(fs::read_to_string(&path).unwrap().starts_with("Fleet run alpha-20260501T"));
            // Files of one tick of the clock are told apart by their names.
            fs::write(dir.path().join("fleet/notes.json"), "mine").unwrap();
        }
        let left = fs::read_dir(dir.path().join("fleet")).unwrap().count();
        assert_eq!(left, 2 * MAX_KEPT + 1);
        assert!(!dir.path().join("fleet/alpha-20260501T000002Z.txt").exists());
        assert!(dir.path().join("fleet/alpha-20260501T000003Z.json").exists());
    }

    #[test]
    fn an_unwritable_place_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("fleet"), "a file stands here").unwrap();
        let error = write(dir.path(), &report("alpha-20260501T093000Z".into())).unwrap_err();
        assert!(error.to_string().contains("fleet"), "{error}");
    }

    #[test]
    fn runs_are_known_by_their_names() {
        for run in ["alpha-20260501T093000Z", "a-b-20260501T093000Z-2"] {
            assert!(is_run(run), "{run}");
        }
        for other in ["notes", "alpha", "alpha-2", "alpha-20260501T0930Z", "20260501-093000", ""] {
            assert!(!is_run(other), "{other}");
        }
    }
}
