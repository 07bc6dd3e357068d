//! What a running server tells other processes of its machine: the shape of the ready file, and of
//! the file in the run folder by which servers, `hubbubd` and `hubbub` find it. Protocol. Nothing here
//! reads or writes files: each program does that itself.

use crate::names::ClientName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bytes of a file in the run folder at most. It holds a few addresses and two paths, each of 4 KiB at
/// most by the system's own bound.
pub const MAX_RUN_FILE: usize = 64 << 10;
/// Entries of a run folder that are looked at. A guess: far more servers than a machine has cores.
pub const MAX_RUN_FILES: usize = 4096;
/// How the name of a file in the run folder ends; before it stands the run's uuid.
pub const RUN_FILE_END: &str = ".json";

/// What a serving hub tells of itself: the shape of the ready file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// The process.
    pub pid: u32,
    /// The server's name.
    pub name: String,
    /// This run of it, as messages carry it.
    pub origin: String,
    /// Where clients connect, with the port that was taken.
    pub client_addr: SocketAddr,
    /// Where other servers connect, over TCP and UDP.
    pub peer_addr: Option<SocketAddr>,
    /// Where the doors for other dialects listen.
    pub doors: BTreeMap<String, SocketAddr>,
}

/// A running server, as its file in the run folder tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// The uuid of the run, as in the file's name.
    pub id: String,
    /// The cluster that it belongs to.
    pub cluster: String,
    /// What it tells of itself.
    #[serde(flatten)]
    pub serving: Serving,
    /// Its data folder, from the root.
    pub data_dir: PathBuf,
    /// Its pid file, from the root.
    pub pid_file: PathBuf,
}

impl Serving {
    /// One line of JSON.
    pub fn to_json(&self) -> Vec<u8> {
        line(self)
    }
}

impl RunFile {
    /// One line of JSON. The paths have to be UTF-8.
    pub fn to_json(&self) -> Vec<u8> {
        line(self)
    }

    /// Reads the content of the file of a run. The error says what is wrong with it.
    pub fn parse(id: &str, content: &[u8]) -> Result<RunFile, String> {
        if content.len() > MAX_RUN_FILE {
            return Err(format!("it is over {MAX_RUN_FILE} bytes"));
        }
        let file: RunFile = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        if file.id != id {
            return Err("it is about another run than its name says".into());
        }
        for name in [&file.serving.name, &file.cluster] {
            ClientName::parse(name).map_err(|refusal| refusal.message.into_owned())?;
        }
        if !file.data_dir.is_absolute() || !file.pid_file.is_absolute() {
            return Err("its paths do not start at the root".into());
        }
        Ok(file)
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut json = serde_json::to_vec(value).expect("names, addresses and paths of UTF-8 become JSON");
    json.push(b'\n');
    json
}

/// The run folder unless told otherwise: in the user's runtime folder, where there is one, else in the
/// one for passing files.
pub fn default_dir(runtime: Option<&Path>, temp: &Path, user: u32) -> PathBuf {
    match runtime {
        Some(runtime) => runtime.join("hubbub"),
        None => temp.join(format!("hubbub-run-{user}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> RunFile {
        RunFile {
            id: "0192".into(),
            cluster: "hubbub".into(),
            serving: Serving {
                pid: 7,
                name: "alpha".into(),
                origin: "alpha-3f2a9c".into(),
                client_addr: SocketAddr::from(([127, 0, 0, 1], 7411)),
                peer_addr: Some(SocketAddr::from(([127, 0, 0, 1], 7412))),
                doors: BTreeMap::new(),
            },
            data_dir: "/d".into(),
            pid_file: "/d/hubbubd.pid".into(),
        }
    }

    #[test]
    fn a_run_file_is_one_flat_object() {
        let written = String::from_utf8(example().to_json()).expect("JSON is UTF-8");
        assert_eq!(
            written,
            "{\"id\":\"0192\",\"cluster\":\"hubbub\",\"pid\":7,\"name\":\"alpha\",\
             \"origin\":\"alpha-3f2a9c\",\"client_addr\":\"127.0.0.1:7411\",\
             \"peer_addr\":\"127.0.0.1:7412\",\"doors\":{},\"data_dir\":\"/d\",\
             \"pid_file\":\"/d/hubbubd.pid\"}\n"
        );
        assert_eq!(RunFile::parse("0192", written.as_bytes()), Ok(example()));
    }

    #[test]
    fn what_is_not_right_is_told() {
        let told = |change: &dyn Fn(&mut RunFile)| {
            let mut file = example();
            change(&mut file);
            RunFile::parse("0192", &file.to_json()).expect_err("it is wrong")
        };
        assert!(told(&|file| file.id = "0193".into()).contains("another run"));
        assert!(told(&|file| file.serving.name = "a b".into()).contains("a b"));
        assert!(told(&|file| file.cluster = "\u{1b}[2J".into()).contains("1 to 32"));
        assert!(told(&|file| file.data_dir = "d".into()).contains("root"));
        assert!(RunFile::parse("0192", b"").is_err() && RunFile::parse("0192", b"{}").is_err());
        assert!(RunFile::parse("0192", &vec![b' '; MAX_RUN_FILE + 1]).is_err());
    }

    #[test]
    fn the_default_folder() {
        let temp = Path::new("/tmp");
        assert_eq!(default_dir(Some(Path::new("/run/user/7")), temp, 7), Path::new("/run/user/7/hubbub"));
        assert_eq!(default_dir(None, temp, 7), Path::new("/tmp/hubbub-run-7"));
    }
}
