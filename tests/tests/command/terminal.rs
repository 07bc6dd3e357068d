//! `hubbub` in a terminal: a real pseudo-terminal with a screen behind it, on which a person would
//! read what the test reads.

use hubbub_tests::{binaries, hub, wait, Encoding, Hub};
use portable_pty::{native_pty_system, Child, CommandBuilder, MasterPty, PtySize};
use serde_json::json;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

const ROWS: u16 = 24;
const COLUMNS: u16 = 100;

/// What has come out of the program so far.
struct Shown {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

/// A program in a terminal, and a person before it.
struct Terminal {
    shown: Arc<Mutex<Shown>>,
    keys: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    /// Where the program keeps what it remembers.
    _home: Option<tempfile::TempDir>,
}

impl Terminal {
    /// Starts `hubbub --server ADDR args…` in a terminal.
    fn start(hub: &Hub, args: &[&str]) -> Terminal {
        let home = tempfile::tempdir().unwrap();
        let mut terminal = Terminal::at_home(hub, args, home.path());
        terminal._home = Some(home);
        terminal
    }

    fn at_home(hub: &Hub, args: &[&str], home: &Path) -> Terminal {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(binaries::hubbub());
        command.args(["--server", &hub.addr().to_string()]);
        command.args(args);
        command.env("TERM", "xterm-256color");
        command.env("HOME", home);
        command.env_remove("XDG_STATE_HOME");
        command.env_remove("XDG_DATA_HOME");
        command.env_remove("HUBBUB_SERVER");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let keys = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let screen = vt100::Parser::new(ROWS, COLUMNS, 1000);
        let shown = Arc::new(Mutex::new(Shown { screen, bytes: Vec::new() }));
        let (seen, answer) = (shown.clone(), keys.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut piece) {
                let mut shown = seen.lock().unwrap();
                // The question may be cut in two by the reads.
                let from = shown.bytes.len().saturating_sub(3);
                shown.bytes.extend_from_slice(&piece[..n]);
                shown.screen.process(&piece[..n]);
                let asked = shown.bytes[from..].windows(4).filter(|w| *w == b"\x1b[6n").count();
                let (row, column) = shown.screen.screen().cursor_position();
                drop(shown);
                for _ in 0..asked {
                    let mut keys = answer.lock().unwrap();
                    let _ = write!(keys, "\x1b[{};{}R", row + 1, column + 1).and_then(|()| keys.flush());
                }
            }
        });
        Terminal { shown, keys, child, master: pair.master, _home: None }
    }

    /// Presses keys.
    fn types(&self, keys: &str) {
        let mut writer = self.keys.lock().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Types a line.
    fn enters(&self, line: &str) {
        self.types(&format!("{line}\r"));
    }

    /// The screen's lines, without the empty ones at its end.
    fn lines(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap();
        let mut lines: Vec<String> = shown.screen.screen().rows(0, COLUMNS).collect();
        while lines.last().is_some_and(|l| l.trim().is_empty()) {
            lines.pop();
        }
        lines
    }

    /// Waits for a line on the screen that holds this.
    #[track_caller]
    fn sees(&self, text: &str) -> String {
        let find = || self.lines().into_iter().find(|line| line.contains(text));
        wait::within(wait::PATIENCE, find)
            .unwrap_or_else(|| panic!("no {text:?} on the screen: {:#?}", self.lines()))
    }

    /// Waits until the line of the cursor, where one types, is as given: prompt and text.
    #[track_caller]
    fn input_is(&self, text: &str) {
        let input = || {
            let shown = self.shown.lock().unwrap();
            let row = usize::from(shown.screen.screen().cursor_position().0);
            let line = shown.screen.screen().rows(0, COLUMNS).nth(row);
            line.unwrap_or_default().trim_end().to_owned()
        };
        let found = wait::within(wait::PATIENCE, || (input() == text).then_some(()));
        assert!(found.is_some(), "the input is {:?} and not {text:?}: {:#?}", input(), self.lines());
    }

    /// Waits for the program's end.
    fn exit_code(&mut self) -> u32 {
        wait::until("the end of the program", || self.child.try_wait().unwrap()).exit_code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_person_joins_talks_listens_and_leaves() {
    let hub = Hub::with(["--name", "alpha"]);
    let mut eve = hub.named(Encoding::Text, "eve");
    eve.ask("subscribe ops").ok();
    let mut terminal = Terminal::start(&hub, &["--name", "bob"]);
    terminal.sees("* alpha ");
    terminal.enters("/join ops");
    terminal.sees("ops");
    wait::until("bob to listen", || (eve.ask("who ops").rows().len() == 2).then_some(()));
    terminal.enters("hello from the terminal");
    assert_eq!(eve.line(), "[ops] bob: hello from the terminal");
    eve.ask("publish ops hello bob").ok();
    terminal.sees("[ops] eve: hello bob");
    eve.ask("msg bob psst").ok();
    terminal.sees("<eve> psst");
    terminal.enters("/who ops");
    terminal.sees("eve");
    terminal.enters("/msg eve hush");
    let told = std::iter::repeat_with(|| eve.line()).find(|l| l.starts_with('<')).unwrap();
    assert_eq!(told, "<bob> hush");
    terminal.enters("/whois nobody");
    terminal.sees("no-such-client");
    terminal.enters("/nonsense");
    terminal.sees("bad-command");
    terminal.types("\x04");
    assert_eq!(terminal.exit_code(), 0);
    wait::until("bob to be gone", || (eve.ask("who ops").rows().len() == 1).then_some(()));
}

#[test]
fn what_is_being_typed_survives_what_arrives() {
    let hub = Hub::start();
    let terminal = Terminal::start(&hub, &["--name", "bob", "--join", "ops"]);
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish ops first").json()["subscribers"] == 1).then_some(()));
    terminal.sees("[ops] eve: first");
    terminal.types("half a sen");
    let prompt = terminal.sees("half a sen").split("half").next().unwrap().to_owned();
    assert!(prompt.contains("ops"), "the prompt tells where one talks: {prompt:?}");
    for n in 0..200 {
        eve.ask(&format!("publish ops number {n}")).ok();
    }
    terminal.sees("[ops] eve: number 199");
    terminal.input_is(&format!("{prompt}half a sen"));
    terminal.enters("tence");
    eve.ask("subscribe ops").ok();
    let history = wait::until("the sentence", || {
        let history = eve.ask("history ops 1").json()["messages"][0].clone();
        (history["from"] == "bob").then_some(history)
    });
    assert_eq!(history["data"], "half a sentence");
    terminal.input_is(prompt.trim_end());
}

#[test]
fn nobody_else_moves_the_cursor_or_changes_the_screen() {
    let hub = Hub::start();
    let terminal = Terminal::start(&hub, &["--name", "bob", "--join", "ops"]);
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish ops before").json()["subscribers"] == 1).then_some(()));
    terminal.sees("eve: before");
    let attacks = [
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}]0;owned\u{7}",
        "\u{9b}2J",
        "\u{1b}c",
        "\r\nforged: line",
        "\u{202e}reversed",
        "\u{8}\u{8}\u{8}",
        "\u{1b}[6n",
        "\u{1b}P$q\"p\u{1b}\\",
    ];
    for data in attacks {
        eve.ask_object(json!({"op": "publish", "channel": "ops", "data": data})).ok();
        eve.ask_object(json!({"op": "publish", "channel": "ops", "data": {data: [data]}})).ok();
        eve.ask_object(json!({"op": "msg", "to": "bob", "data": data})).ok();
        eve.ask_object(json!({"op": "topic", "channel": "ops", "topic": data})).ok();
    }
    let before = terminal.shown.lock().unwrap().bytes.len();
    terminal.enters("/topic ops");
    terminal.enters("/channels");
    terminal.enters("/history ops 5");
    eve.ask("publish ops after").ok();
    terminal.sees("eve: after");
    assert!(terminal.shown.lock().unwrap().bytes.len() > before);
    let shown = terminal.shown.lock().unwrap();
    let text = String::from_utf8_lossy(&shown.bytes).into_owned();
    for forbidden in ["\u{1b}[2J", "\u{1b}]0;", "\u{9b}", "\u{1b}c", "\u{202e}", "\u{8}\u{8}", "\u{1b}P"] {
        assert!(!text.contains(forbidden), "{forbidden:?} reached the terminal");
    }
    assert!(!text.lines().any(|l| l.starts_with("forged")), "a message made a line of its own");
}

#[test]
fn ctrl_c_warns_once_and_quits_twice() {
    let hub = Hub::start();
    let mut terminal = Terminal::start(&hub, &["--name", "bob"]);
    terminal.sees("/help");
    terminal.types("not to be sent\x03");
    terminal.sees("once more");
    terminal.types("\x03");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let hub = Hub::start();
    for quit in ["/quit\r", "\x04", "\x03\x03"] {
        let mut terminal = Terminal::start(&hub, &[]);
        terminal.sees("/help");
        terminal.types(quit);
        assert_eq!(terminal.exit_code(), 0);
        let modes = terminal.master.get_termios().unwrap().local_flags;
        let text = format!("{modes:?}");
        assert!(text.contains("ICANON") && text.contains("ECHO"), "after {quit:?}: {text}");
    }
    // And when the process is told to end.
    let mut terminal = Terminal::start(&hub, &[]);
    terminal.sees("/help");
    let pid = terminal.child.process_id().unwrap();
    hubbub_tests::process::Process(pid).signal(rustix::process::Signal::TERM);
    terminal.exit_code();
    let text = format!("{:?}", terminal.master.get_termios().unwrap().local_flags);
    assert!(text.contains("ICANON") && text.contains("ECHO"), "after SIGTERM: {text}");
}

#[test]
fn earlier_lines_come_back_with_the_arrow_and_after_a_restart_and_secrets_do_not() {
    let hub = Hub::start();
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::at_home(&hub, &["--join", "ops"], home.path());
    terminal.sees("/help");
    terminal.enters("/topic ops a memorable line");
    terminal.sees("a memorable line");
    terminal.enters(&format!("/operator {}", hub.token()));
    terminal.enters("/ping");
    terminal.sees("pong");
    terminal.types("\x04");
    assert_eq!(terminal.exit_code(), 0);
    let token = hub.token();
    let kept =
        walk(home.path()).iter().map(|p| std::fs::read_to_string(p).unwrap_or_default()).collect::<String>();
    assert!(kept.contains("a memorable line") && !kept.contains(&token), "{kept}");
    let again = Terminal::at_home(&hub, &[], home.path());
    again.sees("/help");
    again.types("\x1b[A");
    again.sees("/ping");
    again.types("\x1b[A");
    again.sees("/topic ops a memorable line");
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_person_sees_the_hub_go_and_come_back() {
    let data = tempfile::tempdir().unwrap();
    let hub = hub::builder().data_dir(data.path()).start();
    let terminal = Terminal::start(&hub, &["--name", "bob", "--join", "ops"]);
    terminal.sees("/help");
    let mut eve = hub.client(Encoding::Json);
    wait::until("bob to listen", || (eve.ask("publish ops hi").json()["subscribers"] == 1).then_some(()));
    let (addr, _) = hub.kill();
    terminal.sees("disconnected");
    let hub = hub::builder().data_dir(data.path()).listen(addr).start();
    terminal.sees("connected again");
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen again", || {
        (eve.ask("publish ops welcome back").json()["subscribers"] == 1).then_some(())
    });
    terminal.sees("eve: welcome back");
    terminal.enters("thank you");
    wait::until("his word", || {
        (eve.ask("history ops 1").json()["messages"][0]["data"] == "thank you").then_some(())
    });
}

#[test]
fn a_flood_does_not_take_the_keyboard_away() {
    let hub = Hub::start();
    let mut terminal = Terminal::start(&hub, &["--name", "bob", "--join", "flood"]);
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish flood hi").json()["subscribers"] == 1).then_some(()));
    for n in 0..5_000 {
        eve.say(&format!("publish flood message number {n}"));
    }
    terminal.enters("/name robert");
    for _ in 0..5_000 {
        eve.reply("publish").ok();
    }
    wait::until("the new name", || {
        eve.ask("whois robert").lines().last().unwrap().starts_with("ok").then_some(())
    });
    terminal.sees("eve: message number 4999");
    terminal.types("\x04");
    assert_eq!(terminal.exit_code(), 0);
}
