//! The writer of a test client: a process of its own, so that its processor time and memory are its
//! own. It tells on standard output how it fares and listens on standard input: first it writes a trial
//! chunk, at `go` it begins, each byte after that acknowledges a chunk. When its run time is over it writes no
//! more, says so, and can be measured until its input ends; it ends with its input, or when its parent dies.
//! Then its folder goes. It is a few chunks ahead of its parent at the most: where that stands still
//! (Ctrl-Z), nothing is written.
//!
//! ```text
//! trial MICROSECONDS      a chunk was written in this time
//! wrote BYTES             a chunk more, bytes in all
//! roll FILES              a file is full, so many by now
//! over MICROSECONDS       the run time is over; so long it was
//! failed MESSAGE          the end
//! ```

use super::folder;
use crate::exit::{Exit, Failure};
use async_signal::{Signal, Signals};
use clap::Args;
use futures::StreamExt;
use rustix::process::set_parent_process_death_signal;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Bytes that are written at once. A guess: large enough that the calls cost nothing.
const BLOCK: usize = 1 << 20;

/// Chunks that are written and not acknowledged, at the most. A guess: the parent acknowledges at once, and
/// on a disk in memory this is some 25 ms of its time; it is 80 MB of the smallest chunks.
const AHEAD: usize = 8;
/// What acknowledges a chunk.
pub const ACKNOWLEDGED: u8 = b'.';

/// Write files (what `hubbub fleet client` runs)
#[derive(Debug, Args)]
pub struct WriterArgs {
    /// The folder, which goes at the end
    folder: PathBuf,
    /// Bytes of a chunk
    chunk: u64,
    /// Bytes of a file
    file: u64,
    /// How long to write, in microseconds
    runtime: u64,
}

/// `hubbub fleet writer`
pub fn run(args: &WriterArgs) -> Result<(), Failure> {
    // It is removed with all that is in it.
    if !folder::is_fresh(&args.folder).unwrap_or(false) {
        let message = "the writer takes a fresh folder of `hubbub fleet client`, which starts it";
        return Err(Failure::local(message));
    }
    // What asks for an end removes the folder: so it is in place before anything can.
    let told = end_with_signal(args.folder.clone());
    // The parent's death is told by a signal, and by the end of the input, whichever is first; one that has
    // died before this line, by the input alone.
    let parent = set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
    told.and(parent.map_err(io::Error::from))
        .map_err(|error| Failure::local(format!("cannot watch over the parent process: {error}")))?;
    let mut writer = Writer::new(args);
    let mut stdin = io::stdin().lock();
    let ended = (|| {
        let began = Instant::now();
        writer.chunk(args.chunk.min(args.file), None)?;
        let took = began.elapsed();
        writer.discard()?;
        say(&format!("trial {}", took.as_micros()))?;
        let mut line = String::new();
        if stdin.read_line(&mut line)? == 0 {
            return Ok(());
        }
        drop(stdin);
        let began = Instant::now();
        let acknowledged = acknowledged(args.folder.clone())?;
        writer.write_until(began + Duration::from_micros(args.runtime), &acknowledged)?;
        say(&format!("over {}", began.elapsed().as_micros()))?;
        // What it took is still to be looked at.
        while acknowledged.recv().is_ok() {}
        Ok(())
    })();
    if let Err(error) = ended {
        let message = writer.in_words(&error);
        // Who hears it removes the folder too; nobody may be there to hear it.
        let _ = say(&format!("failed {message}"));
        folder::remove(&args.folder);
        return Err(Failure::quiet(Exit::Usage));
    }
    folder::remove(&args.folder);
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Removes the folder and ends the process at a signal.
fn end_with_signal(folder: PathBuf) -> io::Result<()> {
    let mut signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup])?;
    thread("signals", move || {
        futures::executor::block_on(signals.next());
        folder::remove(&folder);
        std::process::exit(0);
    })
}

/// The same when the input ends; each byte that comes before is passed on.
fn acknowledged(folder: PathBuf) -> io::Result<Receiver<()>> {
    // More are not under way.
    let (to, from) = sync_channel(AHEAD);
    thread("input", move || {
        for byte in io::stdin().lock().bytes() {
            if byte.is_err() || to.send(()).is_err() {
                break;
            }
        }
        folder::remove(&folder);
        std::process::exit(0);
    })?;
    Ok(from)
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

struct Writer<'a> {
    args: &'a WriterArgs,
    /// What is written again and again: nothing that a disk could make smaller.
    block: Vec<u8>,
    open: Option<(File, u64)>,
    /// Files that are full.
    full: u64,
    written: u64,
}

impl<'a> Writer<'a> {
    fn new(args: &'a WriterArgs) -> Self {
        let mut block = vec![0; BLOCK];
        fastrand::fill(&mut block);
        Writer { args, block, open: None, full: 0, written: 0 }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.args.folder.join(format!("file-{number}"))
    }

    /// Fills one file after the other until the time is over; never far ahead of what is acknowledged.
    fn write_until(&mut self, end: Instant, acknowledged: &Receiver<()>) -> io::Result<()> {
        let mut ahead = 0;
        loop {
            ahead -= acknowledged.try_iter().count().min(ahead);
            if ahead == AHEAD {
                match acknowledged.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(()) => ahead -= 1,
                    Err(RecvTimeoutError::Timeout) => return Ok(()),
                    // Where its input has ended, the process ends, too.
                    Err(RecvTimeoutError::Disconnected) => return Err(ErrorKind::UnexpectedEof.into()),
                }
            }
            ahead += 1;
            let in_file = self.open.as_ref().map_or(0, |(_, bytes)| *bytes);
            if !self.chunk(self.args.chunk.min(self.args.file - in_file), Some(end))? {
                return Ok(());
            }
            say(&format!("wrote {}", self.written))?;
            if self.open.as_ref().is_some_and(|(_, bytes)| *bytes >= self.args.file) {
                self.open = None;
                self.full += 1;
                // Two files are on the disk at the most: the last full one, and the next.
                if let Some(before) = self.full.checked_sub(2) {
                    remove_file(&self.path(before))?;
                }
                say(&format!("roll {}", self.full))?;
            }
        }
    }

    /// Writes one chunk to the disk. One that is begun when the time is over stays a part, which counts for
    /// nothing: then it is not whole.
    fn chunk(&mut self, bytes: u64, end: Option<Instant>) -> io::Result<bool> {
        if self.open.is_none() {
            let file = OpenOptions::new().write(true).create_new(true).open(self.path(self.full))?;
            self.open = Some((file, 0));
        }
        let Some((file, in_file)) = &mut self.open else { return Ok(false) };
        let mut left = bytes;
        while left > 0 {
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(false);
            }
            let stamp = self.written.to_le_bytes();
            self.block[..stamp.len()].copy_from_slice(&stamp);
            let piece = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            file.write_all(&self.block[..piece])?;
            left -= piece as u64;
            *in_file += piece as u64;
            self.written += piece as u64;
        }
        file.sync_data()?;
        Ok(true)
    }

    /// Forgets what was written for a trial.
    fn discard(&mut self) -> io::Result<()> {
        (self.open, self.written) = (None, 0);
        remove_file(&self.path(0))
    }

    fn in_words(&self, error: &io::Error) -> String {
        let folder = self.args.folder.parent().unwrap_or(&self.args.folder).display();
        if !matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            return format!("cannot write in {folder}: {error}");
        }
        let in_file = self.open.as_ref().map_or(0, |(_, bytes)| *bytes);
        let mb = |bytes: u64| bytes as f64 / super::plan::MB;
        let free =
            folder::free(&self.args.folder).map_or_else(|e| e.to_string(), |b| format!("{:.1} MB", mb(b)));
        format!(
            "the disk is full: file {} needed {:.1} MB more, and {free} were free in {folder}",
            self.full + 1,
            mb(self.args.file - in_file.min(self.args.file)),
        )
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
