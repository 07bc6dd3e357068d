//! What another process needs to find, ask and end a running hub: the pid file, the ready file, and
//! the commands `status` and `shutdown` that use them. Blocking code throughout: the server calls
//! only the short parts of it (pid file, ready file), before it serves and when it ends.

mod find;
mod pid_file;
mod shutdown;
mod status;

pub use hubbub_shared::run::Serving;
pub use pid_file::PidFile;
pub use shutdown::shutdown;
pub use status::status;

use crate::files;
use std::io;
use std::path::Path;

/// Writes the ready file: it appears whole, so who waits for it can read it at once.
pub fn write_ready_file(path: &Path, serving: &Serving) -> io::Result<()> {
    files::write_whole(path, &serving.to_json(), 0o644)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;

    pub fn example() -> Serving {
        Serving {
            pid: std::process::id(),
            name: "alpha".into(),
            origin: "alpha-3f2a9c".into(),
            client_addr: "127.0.0.1:7411".parse().unwrap(),
            peer_addr: None,
            doors: BTreeMap::from([("blob".into(), "127.0.0.1:9500".parse().unwrap())]),
        }
    }

    #[test]
    fn the_ready_file_has_the_protocols_shape() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready");
        write_ready_file(&path, &example()).unwrap();
        let written = fs::read_to_string(&path).unwrap();
        let pid = std::process::id();
        assert_eq!(
            written,
            format!(
                "{{\"pid\":{pid},\"name\":\"alpha\",\"origin\":\"alpha-3f2a9c\",\
                 \"client_addr\":\"127.0.0.1:7411\",\"peer_addr\":null,\
                 \"doors\":{{\"blob\":\"127.0.0.1:9500\"}}}}\n"
            )
        );
        assert_eq!(serde_json::from_str::<Serving>(&written).unwrap(), example());
    }
}
