//! Screens that are kept beside the tests: compared, and written anew when somebody asks for it.

use super::{normalise, Terminal};
use std::path::PathBuf;
use std::time::Duration;

/// How long a screen may take to become what it should be. Shorter than the usual patience, since what
/// differs mostly stays different.
const LIMIT: Duration = Duration::from_secs(5);
/// How long nothing may change before a screen is taken as the one to keep.
const QUIET: Duration = Duration::from_millis(300);
/// The variable that makes the kept screens those of now.
const UPDATE: &str = "UPDATE_SCREENS";

/// Checks that the screen becomes the one that is kept as `NAME.txt`. Whatever changes between runs is
/// [normalised](normalise). With `UPDATE_SCREENS=1` the screen of now is kept instead; the difference
/// is then for the reader of the change.
#[track_caller]
pub fn assert_screen(terminal: &Terminal, name: &str) {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "terminal", "screens", &format!("{name}.txt")].iter().collect();
    if std::env::var_os(UPDATE).is_some_and(|value| value != "0") {
        terminal.settles(QUIET);
        std::fs::create_dir_all(path.parent().expect("a file is in a folder"))
            .and_then(|()| std::fs::write(&path, normalise(&terminal.screen())))
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        return;
    }
    let kept = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; {UPDATE}=1 makes it", path.display()));
    let same = |screen: &vt100::Screen| (normalise(&whole(screen)) == kept).then_some(());
    if terminal.waits_within(LIMIT, same).is_none() {
        let now = normalise(&terminal.screen());
        panic!("{}", difference(name, &kept, &now));
    }
}

fn whole(screen: &vt100::Screen) -> String {
    super::screen::lines(screen).join("\n") + "\n"
}

/// Both screens whole, with a mark at each line that differs.
fn difference(name: &str, kept: &str, now: &str) -> String {
    let (kept, now): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), now.lines().collect());
    let marked = |these: &[&str], others: &[&str]| -> String {
        let mark = |row: usize| if these.get(row) == others.get(row) { ' ' } else { '>' };
        these.iter().enumerate().map(|(row, line)| format!("{}|{line}\n", mark(row))).collect()
    };
    format!(
        "the screen is not {name}.txt; if it should be as it is now: {UPDATE}=1\n\
         --- kept\n{}--- now\n{}---",
        marked(&kept, &now),
        marked(&now, &kept)
    )
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn lines_that_differ_are_marked_in_both_screens() {
        let text = difference("x", "same\nold\n", "same\nnew\nmore\n");
        assert!(text.contains("--- kept\n |same\n>|old\n--- now\n |same\n>|new\n>|more\n"), "{text}");
    }
}
