//! Who a server is and where it keeps things, as far as options and the machine decide it: the name,
//! the data folder, the pid file, the run folder. What of it gives way to servers that run already is
//! decided at the start (`crate::start`). `status` and `shutdown` ask here where to look.

use super::sources;
use super::{show_path, values, Choice, Stage, Surroundings, Wrong};
use clap::ArgMatches;
use hubbub_shared::names::ClientName;
use hubbub_shared::run;
use std::path::PathBuf;

/// The pid file in a data folder. Protocol.
pub const PID_FILE: &str = "hubbubd.pid";

/// Where to look for a running hub: all that `status` and `shutdown` need, so that a mistake in an
/// option of the server does not keep them from working.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The pid file: the given one, that of the data folder, or that of the default one.
    pub pid_file: PathBuf,
    /// Whether a pid file or a data folder was given: then nothing else is meant.
    pub is_exact: bool,
    /// The name that was given.
    pub name: Option<String>,
    /// The cluster that was given.
    pub cluster: Option<String>,
    /// The run folder.
    pub run_dir: Choice<PathBuf>,
}

/// What [`Stage::places`] decides.
pub(super) struct Places {
    pub name: Choice<String>,
    pub data_dir: Choice<PathBuf>,
    /// Where one was given.
    pub pid_file: Option<PathBuf>,
}

/// Reads the options that tell where a running hub is found.
pub fn find(matches: &ArgMatches, around: &Surroundings) -> Result<Finding, Wrong> {
    let raw = sources::gather(matches, &around.environment).map_err(Wrong)?;
    let mut stage = Stage::new(raw);
    let Places { name, data_dir, pid_file } = stage.places(around);
    let run_dir = stage.run_dir(around);
    let cluster = stage.cluster_name();
    if !stage.errors.is_empty() {
        return Err(Wrong(stage.errors));
    }
    Ok(Finding {
        is_exact: pid_file.is_some() || !data_dir.is_default,
        pid_file: pid_file.unwrap_or_else(|| data_dir.value.join(PID_FILE)),
        name: (!name.is_default).then_some(name.value),
        cluster: (!cluster.is_default).then_some(cluster.value),
        run_dir,
    })
}

impl Stage {
    pub(super) fn places(&mut self, around: &Surroundings) -> Places {
        let name = self.choose("name", server_name(&around.host_name), values::name, String::clone);
        let (base, passing) = data_dir(around);
        if passing && !self.is_given("data-dir") {
            self.raw.warnings.push(format!(
                "neither XDG_DATA_HOME nor HOME is set: {} is the data folder, and may be gone after a \
                 restart of the machine; give --data-dir",
                base.display()
            ));
            self.passing_dir = Some(base.clone());
        }
        // A server with a name of its own finds its things again, whoever starts first.
        let own = if name.is_default { base } else { base.join(&name.value) };
        let data_dir = self.choose("data-dir", own, values::path, |path| show_path(path));
        let in_data_dir = data_dir.value.join(PID_FILE);
        let pid_file = self.choose("pid-file", in_data_dir, values::path, |path| show_path(path));
        Places { name, data_dir, pid_file: (!pid_file.is_default).then_some(pid_file.value) }
    }

    pub(super) fn run_dir(&mut self, around: &Surroundings) -> Choice<PathBuf> {
        let own = run::default_dir(around.runtime_dir.as_deref(), &around.temp_dir, around.user);
        self.choose("run-dir", own, values::path, |path| show_path(path))
    }
}

/// A host's name as a server's: other characters become `-`, and a long name loses its domain.
fn server_name(host: &str) -> String {
    let short = if host.len() > 32 { host.split('.').next().unwrap_or(host) } else { host };
    let body: String =
        short.chars().map(|ch| if ClientName::parse(&format!("x{ch}")).is_ok() { ch } else { '-' }).collect();
    let start = body.trim_start_matches(|ch: char| !ch.is_ascii_alphanumeric() && ch != '_');
    let name: String = start.chars().take(32).collect();
    let name = name.trim_end_matches(['-', '.']);
    if ClientName::parse(name).is_ok() {
        name.into()
    } else {
        "hubbub".into()
    }
}

/// The default data folder, and whether it is only a passing one. The XDG base directory
/// specification wants relative paths ignored.
fn data_dir(around: &Surroundings) -> (PathBuf, bool) {
    let absolute = |key: &str| {
        let value = around.environment.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        value.map(PathBuf::from).filter(|path| path.is_absolute())
    };
    match (absolute("XDG_DATA_HOME"), absolute("HOME")) {
        (Some(data), _) => (data.join("hubbub"), false),
        (None, Some(home)) => (home.join(".local/share/hubbub"), false),
        (None, None) => (around.temp_dir.join(format!("hubbub-{}", around.user)), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_name_becomes_a_servers() {
        assert_eq!(server_name("alpha"), "alpha");
        assert_eq!(server_name("büro pc"), "b-ro-pc");
        assert_eq!(server_name("-.a."), "a");
        assert_eq!(server_name(&format!("web.{}", "d".repeat(40))), "web");
        assert_eq!(server_name(&"n".repeat(40)), "n".repeat(32));
        for nothing in ["", "---", "日本"] {
            assert_eq!(server_name(nothing), "hubbub");
        }
    }
}
