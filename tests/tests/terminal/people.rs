//! People before the full screen, as all suites want them: in `#ops` of a hub, and what they look at.

use hubbub_tests::terminal::Builder;
use hubbub_tests::{wait, Client, Encoding, Hub, Terminal};

/// Somebody in `#ops`, on a screen of 24 rows and 100 columns, who looks at it.
pub fn person(hub: &Hub, name: &str) -> Terminal {
    in_ops(hub, name).at_ops()
}

/// The same before it is started, for those who want more.
pub fn in_ops(hub: &Hub, name: &str) -> Builder {
    Terminal::builder().hub(hub).args(["--name", name, "--join", "ops"])
}

/// Starting, and waiting until `#ops` is joined and shown.
pub trait AtOps {
    /// Starts it.
    fn at_ops(self) -> Terminal;
}

impl AtOps for Builder {
    fn at_ops(self) -> Terminal {
        let terminal = self.start();
        shows(&terminal, "ops");
        terminal
    }
}

/// Makes a folder the home of somebody whose `terminal.toml` says this.
pub fn configured(text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = home.path().join("config/hubbub");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("terminal.toml"), text))
        .expect("a configuration can be written");
    home
}

/// A script that sends and hears lines of text.
pub fn script(hub: &Hub, name: &str) -> Client {
    hub.named(Encoding::Text, name)
}

/// Waits until this conversation is shown: its name stands at the top.
#[track_caller]
pub fn shows(terminal: &Terminal, conversation: &str) {
    let start = format!(" {conversation} ");
    terminal.waits(&format!("{conversation} at the top"), |screen| {
        (line(screen, 0) + " ").starts_with(&start).then_some(())
    });
}

/// Waits until the line at the top holds this.
#[track_caller]
pub fn top_has(terminal: &Terminal, words: &str) {
    terminal.waits(&format!("{words:?} at the top"), |screen| line(screen, 0).contains(words).then_some(()));
}

/// Waits for a line of the list at the left: a number, a name, and what is unread.
#[track_caller]
pub fn lists(terminal: &Terminal, number: usize, words: &str) {
    let start = format!("{number} ");
    terminal.waits(&format!("{number} {words:?} at the left"), |screen| {
        let rows = (1..screen.size().0).map(|row| line(screen, row));
        let found = rows.filter_map(|row| row.split_once('│').map(|(left, _)| left.to_owned()));
        found
            .filter_map(|left| left.strip_prefix(&start).map(squeezed))
            .any(|rest| rest == words)
            .then_some(())
    });
}

/// Waits until the line of state holds this, and returns it.
#[track_caller]
pub fn status_has(terminal: &Terminal, words: &str) -> String {
    terminal.waits(&format!("{words:?} in the line of state"), |screen| {
        let status = status(screen);
        status.contains(words).then_some(status)
    })
}

/// The line above what is typed, on a screen where one line is typed.
pub fn status(screen: &vt100::Screen) -> String {
    line(screen, screen.size().0.saturating_sub(2))
}

/// One row of a screen, without blanks at its end.
pub fn line(screen: &vt100::Screen, row: u16) -> String {
    let (_, columns) = screen.size();
    screen.rows(0, columns).nth(usize::from(row)).unwrap_or_default().trim_end().to_owned()
}

/// The words with one blank between them.
pub fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until so many listen to a channel.
#[track_caller]
pub fn listened(hub: &Hub, channel: &str, people: usize) {
    let mut asks = hub.client(Encoding::Json);
    wait::until(&format!("{people} in {channel}"), || {
        let clients = asks.ask(&format!("who {channel}")).json()["clients"].clone();
        (clients.as_array().map(Vec::len) == Some(people)).then_some(())
    });
}
