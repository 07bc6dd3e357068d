//! What a program has written: the screen that it makes, and the waiting for it. It is filled by the
//! terminal's threads and looked at by the test.

use super::ears::Ears;
use super::lock;
use super::Keys;
use std::io::{Read, Write};
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are read at once: more than the kernel keeps for a pseudo-terminal.
const PIECE: usize = 64 << 10;
/// Pieces that wait for the parser. With it the program is at most some megabytes ahead.
const MAX_PIECES: usize = 64;
/// What parts two bursts.
const PAUSE: Duration = Duration::from_millis(1);
/// Lines that have left the screen and are kept.
const SCROLLBACK: usize = 1000;

/// What has come out of the program so far.
pub struct View {
    parser: vt100::Parser<Ears>,
    bytes: Vec<u8>,
    keeps: bool,
    written: u64,
    bursts: u64,
    read_at: Option<Instant>,
    over: bool,
}

/// What the program has switched on in its terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modes {
    /// The second screen, without scrollback.
    pub alternate_screen: bool,
    /// Reports of the mouse, of whatever kind.
    pub mouse: bool,
    /// Brackets around what is pasted.
    pub bracketed_paste: bool,
    /// No cursor is shown.
    pub cursor_hidden: bool,
    /// Other bytes for the arrow keys.
    pub application_cursor: bool,
    /// Other bytes for the keypad.
    pub application_keypad: bool,
    /// Reports of the window's coming to the front.
    pub focus: bool,
    /// Other bytes for keys with modifiers, so many times.
    pub keyboard: usize,
    /// An update that has not ended: nothing more is shown.
    pub synchronised: bool,
}

impl View {
    /// The screen.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// How many bytes were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How often something came after a pause of a millisecond and more. A program that draws frames
    /// makes one of each, also when it does not mark them.
    pub fn bursts(&self) -> u64 {
        self.bursts
    }

    /// Frames that the program has marked as one update.
    pub fn updates(&self) -> u64 {
        self.ears().updates
    }

    /// When the last piece was read, before it was parsed.
    pub fn read_at(&self) -> Option<Instant> {
        self.read_at
    }

    /// Whether the program has closed the terminal, and all of it is parsed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn ears(&self) -> &Ears {
        self.parser.callbacks()
    }

    pub(super) fn modes(&self) -> Modes {
        let (screen, ears) = (self.screen(), self.ears());
        Modes {
            alternate_screen: screen.alternate_screen(),
            mouse: screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
            bracketed_paste: screen.bracketed_paste(),
            cursor_hidden: screen.hide_cursor(),
            application_cursor: screen.application_cursor(),
            application_keypad: screen.application_keypad(),
            focus: ears.focus,
            keyboard: ears.keyboard,
            synchronised: ears.synchronised,
        }
    }
}

/// The screen's rows, without blanks at their ends.
pub fn lines(screen: &vt100::Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    screen.rows(0, columns).map(|line| line.trim_end().to_owned()).collect()
}

/// The screen between the threads that fill it and the test that looks at it.
pub struct Shared {
    view: Mutex<View>,
    changed: Condvar,
}

impl Shared {
    pub fn new(rows: u16, columns: u16, keeps: bool, light: bool) -> Shared {
        let parser = vt100::Parser::new_with_callbacks(rows, columns, SCROLLBACK, Ears::of(light));
        let view =
            View { parser, bytes: Vec::new(), keeps, written: 0, bursts: 0, read_at: None, over: false };
        Shared { view: Mutex::new(view), changed: Condvar::new() }
    }

    pub fn shown(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        self.shown().parser.screen_mut().set_size(rows, columns);
        self.changed.notify_all();
    }

    /// Looks after each piece that was parsed until there is something, or the time is over. Half an
    /// update is not looked at: no terminal shows it.
    pub fn waits<T>(&self, limit: Duration, mut look: impl FnMut(&View) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut view = self.shown();
        loop {
            let whole = !view.ears().synchronised || view.over;
            if let Some(found) = whole.then(|| look(&view)).flatten() {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            view = self.changed.wait_timeout(view, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts the two threads.
    pub fn fill(self: &Arc<Self>, output: Box<dyn Read + Send>, keys: Keys) {
        let (send, pieces) = sync_channel(MAX_PIECES);
        std::thread::spawn(move || read(output, &send));
        let shared = self.clone();
        std::thread::spawn(move || shared.parse(&pieces, &keys));
    }

    fn parse(&self, pieces: &Receiver<(Instant, Vec<u8>)>, keys: &Keys) {
        while let Ok((at, piece)) = pieces.recv() {
            let mut view = self.shown();
            view.parser.process(&piece);
            view.written += piece.len() as u64;
            view.bursts += u64::from(view.read_at.is_none_or(|before| at - before >= PAUSE));
            view.read_at = Some(at);
            if view.keeps {
                view.bytes.extend_from_slice(&piece);
            }
            let answers = std::mem::take(&mut view.parser.callbacks_mut().answers);
            drop(view);
            self.changed.notify_all();
            if !answers.is_empty() {
                let mut keys = lock(keys);
                // A program that has ended waits for no answer.
                let _ = keys.write_all(&answers).and_then(|()| keys.flush());
            }
        }
        self.shown().over = true;
        self.changed.notify_all();
    }
}

fn read(mut output: Box<dyn Read + Send>, pieces: &SyncSender<(Instant, Vec<u8>)>) {
    let mut piece = vec![0; PIECE];
    while let Ok(count @ 1..) = output.read(&mut piece) {
        if pieces.send((Instant::now(), piece[..count].to_vec())).is_err() {
            return;
        }
    }
}
