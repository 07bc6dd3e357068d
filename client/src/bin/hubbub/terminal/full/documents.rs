//! For tests: a part of `docs/terminal.md` that comes from the code, between two marks.

use std::path::Path;
use std::sync::Mutex;

/// Two tests renew parts of one file.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Compares the part between `<!-- name -->` and `<!-- /name -->` with what it should be. With
/// `UPDATE_DOCS=1` the file gets it instead.
pub fn check_part(name: &str, wanted: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/terminal.md");
    let text = std::fs::read_to_string(&path).expect("docs/terminal.md is there");
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&start).expect("the part's start is marked");
    let (now, after) = rest.split_once(&end).expect("the part's end is marked");
    if now == format!("{wanted}\n") {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "the part `{name}` of docs/terminal.md is old: renew it with\n  \
         UPDATE_DOCS=1 cargo test -p hubbub-client --bin hubbub full::"
    );
    std::fs::write(&path, format!("{before}{start}{wanted}\n{end}{after}"))
        .expect("docs/terminal.md is written");
}
