//! The terminal itself: taken whole at the start, and given back as it was found, whether the end is
//! wanted, a signal or a panic. Nothing else writes to it.

use super::app::App;
use super::safe::safe_line;
use super::view;
use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture,
};
use crossterm::terminal::{
    disable_raw_mode, enable_raw_mode, BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, SetTitle,
};
use crossterm::{cursor, execute, queue, Command};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::Terminal;
use std::fmt;
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Once;

/// Bytes that are gathered before they are written: a frame of a large screen.
const BUFFER: usize = 256 << 10;

/// Whether the terminal is ours at the moment, for those who give it back.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What is asked of the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Wants {
    /// Whether it tells of the mouse.
    pub mouse: bool,
    /// Whether its title is changed.
    pub title: bool,
}

/// The terminal, while it is ours.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    wants: Wants,
    title: String,
    /// Whether the next frame is drawn on nothing.
    whole: bool,
}

impl Screen {
    /// Takes the terminal.
    pub fn open(wants: Wants) -> io::Result<Screen> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        take(wants)?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(BUFFER, io::stdout()));
        let terminal = Terminal::new(backend).inspect_err(|_| give_back())?;
        Ok(Screen { terminal, wants, title: String::new(), whole: false })
    }

    /// Shows the state.
    pub fn draw(&mut self, app: &mut App) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.whole) {
            // `clear` would ask the terminal where the cursor is, and its answer is read elsewhere.
            let size = self.terminal.size()?;
            self.terminal.resize(Rect::from((Position::ORIGIN, size)))?;
        }
        let mut places = None;
        self.terminal.draw(|frame| places = Some(view::draw(app, frame)))?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        if let Some(places) = places {
            app.screen = places;
        }
        let title = safe_line(&app.title()).into_owned();
        if self.wants.title && title != self.title {
            execute!(self.terminal.backend_mut(), SetTitle(&title))?;
            self.title = title;
        }
        Ok(())
    }

    /// Rings.
    pub fn ring(&mut self) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), Ring)
    }

    /// Puts a text on the clipboard, where the terminal lets programs do that (OSC 52).
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Lets the mouse go, so that the terminal's own selection works, or takes it.
    pub fn mouse(&mut self, on: bool) -> io::Result<()> {
        match on && self.wants.mouse {
            true => execute!(self.terminal.backend_mut(), EnableMouseCapture),
            false => execute!(self.terminal.backend_mut(), DisableMouseCapture),
        }
    }

    /// Draws everything anew with the next frame.
    pub fn redraw(&mut self) {
        self.whole = true;
    }

    /// Gives the terminal back, stops the process until somebody continues it, and takes it again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::TSTP)?;
        take(self.wants)?;
        self.title.clear();
        self.redraw();
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take(wants: Wants) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    let taken = execute!(out, KeepTitle, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)
        .and_then(|()| if wants.mouse { execute!(out, EnableMouseCapture) } else { Ok(()) });
    taken.inspect_err(|_| give_back())
}

/// Ends the process where the terminal takes no more bytes: its modes are put back, which needs none.
pub fn end_at_once() -> ! {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
    }
    std::process::exit(crate::exit::Exit::NoConnection as i32)
}

/// Leaves the terminal as it was found. Does nothing the second time.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each on its own: what one cannot do keeps no other from it.
    let mut out = io::stdout();
    let _ = execute!(out, EndSynchronizedUpdate, DisableMouseCapture);
    let _ = execute!(out, DisableFocusChange, DisableBracketedPaste);
    let _ = execute!(out, LeaveAlternateScreen, cursor::Show, BringTitleBack);
    let _ = disable_raw_mode();
    let _ = out.flush();
}

/// Rings.
struct Ring;
/// Lets the terminal keep its title (XTWINOPS).
struct KeepTitle;
/// Lets it have that title again.
struct BringTitleBack;

macro_rules! sequence {
    ($($name:ident $bytes:literal)*) => {$(
        impl Command for $name {
            fn write_ansi(&self, out: &mut impl fmt::Write) -> fmt::Result {
                out.write_str($bytes)
            }
        }
    )*};
}
sequence! {
    Ring "\x07"
    KeepTitle "\x1b[22;0t"
    BringTitleBack "\x1b[23;0t"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use portable_pty::{native_pty_system, CommandBuilder, PtySize};
    use std::io::Read;

    /// Names the terminal that the test below has made for the one that breaks down in it.
    const HERE: &str = "HUBBUB_TEST_BREAKS_DOWN";

    #[test]
    fn a_defect_leaves_the_terminal_as_it_was_found() {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "terminal::full::screen::tests::breaks_down", "--nocapture"]);
        command.env(HERE, "1");
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let (mut written, mut piece) = (Vec::new(), [0; 4096]);
        // The end of a pseudo-terminal is an error on Linux.
        while let Ok(n @ 1..) = output.read(&mut piece) {
            written.extend_from_slice(&piece[..n]);
        }
        assert!(!child.wait().unwrap().success());
        let written = String::from_utf8_lossy(&written);
        let place = |part: &str| written.find(part).unwrap_or_else(|| panic!("no {part:?} in {written:?}"));
        let (taken, back) = (place("\x1b[?1049h"), place("\x1b[?1049l"));
        let told = place("a defect, on purpose");
        assert!(taken < back && back < told, "it is told where it can be read: {written:?}");
        for part in ["\x1b[?2004l", "\x1b[?1004l", "\x1b[?1000l", "\x1b[?25h", "\x1b[23;0t"] {
            place(part);
        }
        let flags = format!("{:?}", pair.master.get_termios().unwrap().local_flags);
        assert!(flags.contains("ICANON") && flags.contains("ECHO"), "{flags}");
    }

    /// Does nothing, unless the test above runs it in a terminal of its own.
    #[test]
    fn breaks_down() {
        if std::env::var_os(HERE).is_some() {
            let _screen = Screen::open(Wants { mouse: true, title: true }).unwrap();
            panic!("a defect, on purpose");
        }
    }
}
