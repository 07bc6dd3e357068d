//! A real pseudo-terminal with a screen behind it, on which a person would read what the test reads,
//! and with the keys and the mouse of that person. It runs `hubbub` or any other program; what the
//! program writes it parses on a thread of its own, and tests wait for what stands on the screen
//! without a pause in between.
//!
//! Two threads work for each terminal: one only reads, so that what is read has a time that parsing
//! does not blur; the other parses. The queue between them is bounded: a program that writes faster
//! than the screen takes it waits, as it does before a person's terminal.

mod builder;
mod ears;
mod keys;
mod normal;
mod screen;
mod snapshot;

pub use builder::Builder;
pub use keys::Button;
pub use normal::normalise;
pub use screen::{Modes, View};
pub use snapshot::assert_screen;

use crate::process::Process;
use crate::{wait, Hub};
use portable_pty::{Child, MasterPty, PtySize};
use screen::Shared;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A program in a terminal, and a person before it. The program is killed when it is dropped.
pub struct Terminal {
    shared: Arc<Shared>,
    keys: Keys,
    child: Mutex<Box<dyn Child + Send + Sync>>,
    master: Mutex<Box<dyn MasterPty + Send>>,
    pid: u32,
    home: PathBuf,
    /// The home, where it is not shared with others.
    _own_home: Option<tempfile::TempDir>,
}

/// The way to the program: shared by the person and the terminal's own answers.
type Keys = Arc<Mutex<Box<dyn Write + Send>>>;

impl Terminal {
    /// Starts to describe a terminal with `hubbub` in it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts `hubbub --server ADDR args…` in a terminal of 24 rows and 100 columns.
    pub fn start(hub: &Hub, args: &[&str]) -> Terminal {
        Terminal::builder().hub(hub).args(args.iter().copied()).start()
    }

    /// Presses the keys of these characters, one after the other.
    pub fn types(&self, keys: &str) {
        self.sends(keys.as_bytes());
    }

    /// Types a line and Enter.
    pub fn enters(&self, line: &str) {
        self.types(&format!("{line}\r"));
    }

    /// Presses one key, by its name: `a`, `enter`, `alt-1`, `ctrl-k`, `page-up`, `shift-tab`, `f1`.
    /// After `escape` something should be waited for: with what follows at once it is `alt-`.
    #[track_caller]
    pub fn presses(&self, key: &str) {
        let Some(bytes) = keys::bytes(key) else { panic!("a terminal has no key {key:?}") };
        self.types(&bytes);
    }

    /// Pastes, as a terminal does: in brackets when the program has asked for them, else as if typed.
    pub fn pastes(&self, text: &str) {
        let bytes = keys::paste(text);
        if self.modes().bracketed_paste {
            self.types(&bytes);
        } else {
            self.types(bytes.trim_start_matches("\x1b[200~").trim_end_matches("\x1b[201~"));
        }
    }

    /// Turns the wheel by one notch, with the pointer there. Rows and columns count from 0.
    pub fn wheel(&self, button: Button, row: u16, column: u16) {
        self.types(&keys::mouse(button, true, row, column));
    }

    /// Clicks with the left button. Rows and columns count from 0.
    pub fn clicks(&self, row: u16, column: u16) {
        self.types(&keys::mouse(Button::Left, true, row, column));
        self.types(&keys::mouse(Button::Left, false, row, column));
    }

    /// Sends bytes as they are.
    pub fn sends(&self, bytes: &[u8]) {
        let mut keys = lock(&self.keys);
        keys.write_all(bytes).and_then(|()| keys.flush()).unwrap_or_else(|e| panic!("typing: {e}"));
    }

    /// A way to type from another thread.
    pub fn hands(&self) -> Hands {
        Hands(self.keys.clone())
    }

    /// Gives the terminal another size, as a person does with the corner of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        // The screen first: what the program draws for the new size must not meet the old one.
        self.shared.resize(rows, columns);
        lock(&self.master).resize(pty_size(rows, columns)).unwrap_or_else(|e| panic!("resizing: {e}"));
    }

    /// The screen's lines without blanks at their ends, and without the empty ones at its end.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.look(screen::lines);
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// The whole screen, a line for each of its rows, without blanks at their ends.
    pub fn screen(&self) -> String {
        self.look(screen::lines).join("\n") + "\n"
    }

    /// What `look` makes of the screen as it is now.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.shared.shown().screen())
    }

    /// Waits for a line on the screen that holds this, and returns it.
    #[track_caller]
    pub fn sees(&self, text: &str) -> String {
        self.waits(&format!("{text:?}"), |screen| {
            screen::lines(screen).into_iter().find(|line| line.contains(text))
        })
    }

    /// Waits until no line of the screen holds this.
    #[track_caller]
    pub fn sees_not(&self, text: &str) {
        self.waits(&format!("{text:?} to go"), |screen| {
            (!screen::lines(screen).iter().any(|line| line.contains(text))).then_some(())
        });
    }

    /// Waits for this text, and returns the row where it stands, counted from 0.
    #[track_caller]
    pub fn row_of(&self, text: &str) -> u16 {
        self.waits(&format!("{text:?}"), |screen| {
            let row = screen::lines(screen).iter().position(|line| line.contains(text))?;
            u16::try_from(row).ok()
        })
    }

    /// Waits until the line of the cursor, where one types, is as given: prompt and text.
    #[track_caller]
    pub fn input_is(&self, text: &str) {
        self.waits(&format!("the cursor in {text:?}"), |screen| {
            let row = usize::from(screen.cursor_position().0);
            screen::lines(screen).get(row).is_some_and(|line| line == text).then_some(())
        });
    }

    /// Looks at each new state of the screen until there is something.
    #[track_caller]
    pub fn waits<T>(&self, what: &str, look: impl FnMut(&vt100::Screen) -> Option<T>) -> T {
        match self.waits_within(wait::PATIENCE, look) {
            Some(found) => found,
            None => panic!("waited {:?} for {what}:\n{}", wait::PATIENCE, self.framed()),
        }
    }

    /// [`Terminal::waits`] for so long at the most.
    pub fn waits_within<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&vt100::Screen) -> Option<T>,
    ) -> Option<T> {
        self.shared.waits(limit, |view| look(view.screen()))
    }

    /// [`Terminal::waits_within`] with all that the terminal knows, not the screen alone.
    pub fn views_within<T>(&self, limit: Duration, look: impl FnMut(&View) -> Option<T>) -> Option<T> {
        self.shared.waits(limit, look)
    }

    /// Waits until the program has written nothing for so long.
    pub fn settles(&self, quiet: Duration) {
        let mut written = self.written();
        while let Some(more) =
            self.shared.waits(quiet, |view| Some(view.written()).filter(|now| *now > written))
        {
            written = more;
        }
    }

    /// One cell: its text and how that looks. Rows and columns count from 0.
    #[track_caller]
    pub fn cell(&self, row: u16, column: u16) -> vt100::Cell {
        match self.look(|screen| screen.cell(row, column).cloned()) {
            Some(cell) => cell,
            None => panic!("there is no cell at row {row}, column {column}"),
        }
    }

    /// Where the cursor stands: row and column, counted from 0.
    pub fn cursor(&self) -> (u16, u16) {
        self.look(vt100::Screen::cursor_position)
    }

    /// Rows and columns.
    pub fn size(&self) -> (u16, u16) {
        self.look(vt100::Screen::size)
    }

    /// The title of the window.
    pub fn title(&self) -> String {
        self.shared.shown().ears().title.clone()
    }

    /// How often the bell has rung.
    pub fn bells(&self) -> usize {
        self.shared.shown().ears().bells
    }

    /// What the program has put on the clipboard last.
    pub fn clipboard(&self) -> Option<String> {
        self.shared.shown().ears().clipboard.clone()
    }

    /// What the program has switched on. [`Modes::default`] is a terminal as a shell wants it.
    pub fn modes(&self) -> Modes {
        self.shared.shown().modes()
    }

    /// Frames that the program has marked as one update.
    pub fn updates(&self) -> u64 {
        self.shared.shown().ears().updates
    }

    /// The local flags of the line discipline by name: `ICANON` and `ECHO` are there when the program
    /// has left it as a shell wants it.
    pub fn line_flags(&self) -> String {
        let termios = lock(&self.master).get_termios().expect("a pseudo-terminal has a line discipline");
        format!("{:?}", termios.local_flags)
    }

    /// Checks that the terminal is as a shell wants it.
    #[track_caller]
    pub fn is_restored(&self) {
        let flags = self.line_flags();
        assert!(flags.contains("ICANON") && flags.contains("ECHO"), "left in raw mode: {flags}");
        let left = self.modes();
        assert_eq!(left, Modes::default(), "not all modes were taken back");
    }

    /// All that the program has written so far. Of a terminal that forgets, nothing.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.shown().bytes().to_vec()
    }

    /// How many bytes the program has written so far.
    pub fn written(&self) -> u64 {
        self.shared.shown().written()
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process(self.pid)
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder that the program takes for its user's.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Waits for the program's end, and until all that it wrote is on the screen.
    #[track_caller]
    pub fn exit_code(&self) -> u32 {
        let status =
            wait::within(wait::PATIENCE, || lock(&self.child).try_wait().expect("a child can be waited for"));
        let Some(status) = status else { panic!("the program has not ended:\n{}", self.framed()) };
        self.shared.waits(wait::PATIENCE, |view| view.is_over().then_some(()));
        status.exit_code()
    }

    /// Whether the program still runs.
    pub fn is_running(&self) -> bool {
        lock(&self.child).try_wait().expect("a child can be waited for").is_none()
    }

    /// The screen with a frame around it, for the messages of failures.
    pub fn framed(&self) -> String {
        let (_, columns) = self.size();
        let edge = "-".repeat(usize::from(columns));
        let lines: String = self.look(screen::lines).iter().map(|line| format!("|{line}\n")).collect();
        let (row, column) = self.cursor();
        format!("+{edge}\n{lines}+{edge}\ncursor at row {row}, column {column}; {:?}", self.modes())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the terminal of process {} showed:\n{}\n---", self.pid, self.framed());
        }
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A person's hands on the keyboard of a terminal, for another thread.
#[derive(Clone)]
pub struct Hands(Keys);

impl Hands {
    /// Presses the keys of these characters. Whether the program still took them.
    pub fn types(&self, keys: &str) -> bool {
        let mut writer = lock(&self.0);
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).is_ok()
    }
}

/// A test that failed while it held the lock has nothing half done under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pty_size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
