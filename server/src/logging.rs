//! The hub's log: the `log` macros, femme, and a standard output that can neither fail nor block.
//!
//! femme prints to standard output from whichever thread logs, waits there when nobody reads, and
//! panics when it is closed (`hubbubd | head -1`). So it is given a pipe of this process instead of
//! the real one:
//!
//! ```text
//! log::info!(…) → femme → pipe → reader thread: one event, one line
//!               → bounded queue → writer thread → real output
//! ```
//!
//! The reader always reads; what the writer cannot pass on is dropped, counted, and told in one line.
//! `main` starts this first and finishes it last; nobody else touches standard output while serving.

mod render;

pub use render::LogFormat;

use chrono::Utc;
use log::LevelFilter;
use parking_lot::Mutex;
use render::{Event, Level, Style};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Lines that may wait for the real output. A guess: some seconds of a busy log; with
/// [`MAX_LINE`] it bounds the memory.
const QUEUE: usize = 1024;
/// Bytes of one event as femme writes it; a longer one is cut. A guess: what comes from outside is
/// quoted and cut where it is logged.
const MAX_LINE: usize = 16 << 10;
/// Bytes that are written at once when many lines wait. A pipe takes this much without waiting.
const BATCH: usize = 64 << 10;
/// How long the last lines may take to get out. Longer than any disk, short for whoever waits.
const FLUSH: Duration = Duration::from_millis(500);
/// Pause before another try when the real output is set not to block and is full.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// Tells when the running log's last line is written. For the whole process, as the log and standard
/// output are; so whoever ends the process, from wherever, can [`finish`] the log first.
static ENDED: Mutex<Option<Receiver<()>>> = Mutex::new(None);

/// Starts the log. Call it once, before any other thread runs and before anything is printed, and
/// [`finish`] before the process ends, or its last lines are lost.
pub fn start(level: LevelFilter, format: LogFormat) -> io::Result<()> {
    let real = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
    let style = Style { format, colour: format == LogFormat::Text && wants_colour(&real) };
    let (read_end, write_end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (lines, queue) = mpsc::sync_channel(QUEUE);
    let dropped = Arc::new(AtomicU64::new(0));
    let (end, ended) = mpsc::channel();

    let counter = dropped.clone();
    thread::Builder::new()
        .name("log-reader".into())
        .spawn(move || pass_events(File::from(read_end), &lines, &counter, style))?;
    thread::Builder::new().name("log-writer".into()).spawn(move || {
        write_lines(&queue, real, &dropped, style);
        let _ = end.send(());
    })?;

    rustix::stdio::dup2_stdout(&write_end)?;
    femme::with_level(level);
    std::panic::set_hook(Box::new(log_panic));
    *ENDED.lock() = Some(ended);
    Ok(())
}

/// Ends the log: what was logged before is written, within half a second, and what is logged later
/// goes nowhere. A second call, or one without a start, does nothing.
pub fn finish() {
    let Some(ended) = ENDED.lock().take() else { return };
    log::set_max_level(LevelFilter::Off);
    // Standard output is the pipe's last writing end: the reader sees its end, then the writer.
    let closed = File::options().write(true).open("/dev/null").and_then(|nowhere| {
        // Under the lock, so that no line of another thread is torn in two.
        let _whole = io::stdout().lock();
        rustix::stdio::dup2_stdout(&nowhere).map_err(io::Error::from)
    });
    if closed.is_ok() {
        let _ = ended.recv_timeout(FLUSH);
    }
}

fn wants_colour(output: &File) -> bool {
    // https://no-color.org: any value but an empty one.
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    output.is_terminal() && !refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A panic as a line of the log, with its place. Where the log is off, on standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| place.to_string()).unwrap_or_default();
    let payload = panic.payload();
    let text =
        payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(|s| &**s));
    let what = text.unwrap_or("a value that is no text");
    let thread = thread::current().name().unwrap_or("unnamed").to_owned();
    if log::log_enabled!(log::Level::Error) {
        log::error!(place = place, thread = thread; "panic: {what}");
    } else {
        let _ = writeln!(io::stderr(), "hubbubd: panic at {place} in thread {thread}: {what}");
    }
}

fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// The reader thread: events into lines, lines into the queue, never waiting for the queue.
fn pass_events(source: impl Read, lines: &SyncSender<String>, dropped: &AtomicU64, style: Style) {
    let mut source = BufReader::with_capacity(BATCH, source);
    let mut raw = Vec::new();
    loop {
        match read_event(&mut source, &mut raw) {
            // An error here can only be a mistake of ours; ending would close the pipe under femme.
            Ok(None) | Err(_) => return,
            Ok(Some(event)) => match lines.try_send(event.line(style)) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            },
        }
    }
}

/// The next event, or none at the end. `raw` is only lent, to be used again.
fn read_event(source: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Option<Event>> {
    raw.clear();
    if source.by_ref().take(MAX_LINE as u64).read_until(b'\n', raw)? == 0 {
        return Ok(None);
    }
    if raw.len() < MAX_LINE || raw.ends_with(b"\n") {
        return Ok(Some(Event::read(raw, now_ms())));
    }
    source.skip_until(b'\n')?;
    raw.truncate(200);
    let start = String::from_utf8_lossy(raw).into_owned();
    let message = format!("an event of over {MAX_LINE} bytes was cut");
    Ok(Some(Event::new(now_ms(), Level::Warn, message, vec![("start".into(), start.into())])))
}

/// The writer thread: lines from the queue to the real output, many at once when many wait. It alone
/// waits for a slow reader, and a closed output only makes it drop what comes.
fn write_lines(queue: &Receiver<String>, mut output: impl Write, dropped: &AtomicU64, style: Style) {
    let mut torn = false;
    while let Ok(first) = queue.recv() {
        let (mut batch, mut count) = (first, 1);
        while batch.len() < BATCH {
            let Ok(line) = queue.try_recv() else { break };
            batch.push_str(&line);
            count += 1;
        }
        write_or_count(&mut output, &batch, count, dropped, &mut torn);

        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let message = "log lines were dropped because nobody took them from standard output";
            let fields = vec![("dropped".into(), lost.into())];
            let line = Event::new(now_ms(), Level::Warn, message.into(), fields).line(style);
            write_or_count(&mut output, &line, lost, dropped, &mut torn);
        }
    }
}

/// Writes lines, or counts them as dropped where that fails. `torn` tells that a part was written, so
/// that the next line starts on its own.
fn write_or_count(output: &mut impl Write, lines: &str, count: u64, dropped: &AtomicU64, torn: &mut bool) {
    let lead = if *torn { "\n" } else { "" };
    match write_patiently(output, lead.as_bytes()).and_then(|()| write_patiently(output, lines.as_bytes())) {
        Ok(()) => *torn = false,
        Err(_) => {
            *torn = true;
            dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// `write_all` that also waits for an output that is set not to block: a terminal may be, by whoever
/// shares it.
fn write_patiently(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: Style = Style { format: LogFormat::Text, colour: false };

    fn femme(message: &str) -> String {
        format!("{{\"level\":30,\"time\":0,\"msg\":\"{message}\"}}\n")
    }

    /// An output that can be read by the test, and fails as long as it is told to.
    #[derive(Clone, Default)]
    struct Output {
        written: Arc<Mutex<String>>,
        errors: Arc<Mutex<Vec<io::ErrorKind>>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(kind) = self.errors.lock().pop() {
                return Err(kind.into());
            }
            // Small bites, as a pipe that is nearly full takes them.
            let bite = &bytes[..bytes.len().min(7)];
            self.written.lock().push_str(&String::from_utf8_lossy(bite));
            Ok(bite.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_get_through_in_order_and_a_full_queue_drops_and_tells() {
        let (lines, queue) = mpsc::sync_channel(3);
        let dropped = AtomicU64::new(0);
        let events: String = (1..=5).map(|n| femme(&format!("event {n}"))).collect();
        pass_events(events.as_bytes(), &lines, &dropped, TEXT);
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
        drop(lines);

        let output = Output::default();
        write_lines(&queue, output.clone(), &dropped, TEXT);
        let written = output.written.lock();
        let got: Vec<&str> = written.lines().map(|line| line.split_at(31).1).collect();
        assert_eq!(got[..3], ["event 1", "event 2", "event 3"]);
        assert!(got[3].ends_with("dropped=2") && got.len() == 4, "{got:?}");
    }

    #[test]
    fn an_output_that_fails_and_comes_back() {
        let (lines, queue) = mpsc::sync_channel(9);
        let output = Output::default();
        use io::ErrorKind::{BrokenPipe, Interrupted, StorageFull, WouldBlock};
        // Popped from the end: the batch fails, then the notice, then all is well but slow.
        *output.errors.lock() = vec![WouldBlock, Interrupted, BrokenPipe, StorageFull];
        let to = output.clone();
        let writer = thread::spawn(move || write_lines(&queue, to, &AtomicU64::new(0), TEXT));
        lines.send("lost\n".into()).unwrap();
        while output.errors.lock().len() > 2 {
            thread::yield_now();
        }
        lines.send("kept\n".into()).unwrap();
        drop(lines);
        writer.join().unwrap();
        let written = output.written.lock();
        assert!(written.starts_with("\nkept\n") && written.ends_with("dropped=1\n"), "{written:?}");
    }

    #[test]
    fn an_event_without_end_is_cut_and_the_next_one_is_whole() {
        let text = format!("{}{}", femme(&"x".repeat(3 * MAX_LINE)), femme("next"));
        let mut source = BufReader::new(text.as_bytes());
        let mut raw = Vec::new();
        let mut next = || read_event(&mut source, &mut raw).unwrap().map(|event| event.line(TEXT));
        let cut = next().unwrap();
        assert!(cut.contains("WARN  an event of over 16384 bytes was cut") && cut.len() < 500, "{cut}");
        assert!(next().unwrap().ends_with("next\n"));
        assert_eq!(next(), None);
    }

    #[test]
    fn an_event_without_a_line_end_is_still_told() {
        let mut raw = Vec::new();
        let event = read_event(&mut BufReader::new(&b"half"[..]), &mut raw).unwrap().unwrap();
        assert!(event.line(TEXT).ends_with("half\n"));
    }
}
