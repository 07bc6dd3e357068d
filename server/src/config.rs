//! The configuration: what the hub does is decided here once, before anything starts, and then only
//! read. Two stages: [`sources`] collects raw texts and their places, this file makes checked values
//! of them and tells everything that is wrong at once. It reads no clock, starts nothing and makes no
//! folder; what it needs to know of the machine comes in as [`Surroundings`].

mod cluster;
mod doors;
mod options;
mod places;
mod sources;
mod values;

pub use cluster::{ClusterConfig, JoinAddr, Secret, DEFAULT_PEER_PORT};
pub use options::command;
pub use places::{find, Finding, PID_FILE};
pub use sources::Source;

use crate::logging::LogFormat;
use clap::ArgMatches;
use hubbub_shared::limits::Limits;
use log::LevelFilter;
use options::OPTIONS;
use places::Places;
use sources::{Raw, RawValue};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use values::{bytes, count, duration, one_of, seconds, show_bytes, show_duration, Parsed};

/// File descriptors that are not for clients: listeners, log, files, the runtime's own. Protocol.
pub const SPARE_DESCRIPTORS: u64 = 64;
/// The most clients that are ever expected; stands in where the system has no limit. A guess.
const MOST_CLIENTS: usize = 1 << 20;

/// The largest bound for indexes of Fibonacci numbers. A guess: its two million digits take a worker
/// some seconds, and a quarter of a client's queue.
const MOST_FIBONACCI: u64 = 10_000_000;

const LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// A value of which the start has to know whether somebody wanted it: what was given holds exactly,
/// a default gives way to servers that run already.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<T> {
    /// What to begin with.
    pub value: T,
    /// Whether nobody said anything.
    pub is_default: bool,
}

/// What the hub runs with. `hubbubd --help` tells each option's meaning ([`options`]).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect.
    pub listen: Choice<SocketAddr>,
    /// Where other servers connect, over TCP and UDP.
    pub peer_listen: Choice<SocketAddr>,
    /// The doors for older systems' clients, and where they are.
    pub doors: doors::Doors,
    /// Whether any client of this machine may shut the server down in the persistent dialect.
    pub allow_shutdown: bool,
    /// Whether the end of standard input stops the server.
    pub until_stdin_ends: bool,
    /// The server's name, valid as a client's.
    pub name: Choice<String>,
    /// The cluster and how it is found.
    pub cluster: ClusterConfig,
    /// Threads of the executor.
    pub threads: usize,
    /// Threads for heavy work.
    pub workers: usize,
    /// The folder for what the server keeps.
    pub data_dir: Choice<PathBuf>,
    /// The pid file, where it is not the one in the data folder.
    pub pid_file: Option<PathBuf>,
    /// The ready file, where one is wanted.
    pub ready_file: Option<PathBuf>,
    /// Whether to serve beyond loopback without authentication.
    pub insecure: bool,
    /// The limits.
    pub limits: Limits,
    /// What is logged.
    pub log_level: LevelFilter,
    /// How it looks.
    pub log_format: LogFormat,
    /// How long a drain may take.
    pub drain_deadline: Duration,
}

/// What the configuration depends on besides the options.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// All variables.
    pub environment: Vec<(OsString, OsString)>,
    /// The host's name, as the system tells it.
    pub host_name: String,
    /// The folder for passing files.
    pub temp_dir: PathBuf,
    /// The user's folder for what lives as long as a session, where there is one.
    pub runtime_dir: Option<PathBuf>,
    /// The user's number.
    pub user: u32,
    /// Whether standard output is a terminal.
    pub on_terminal: bool,
    /// How many files may be open; none where there is no limit.
    pub descriptors: Option<u64>,
    /// How many threads can run at once.
    pub cores: usize,
}

/// One option's value in force.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The option.
    pub name: &'static str,
    /// The value, as it may be written.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// A configuration with its history.
#[derive(Debug)]
pub struct Loaded {
    /// What is in force.
    pub config: Config,
    /// The same, one row an option.
    pub settings: Vec<Setting>,
    /// What is allowed and still worth a word.
    pub warnings: Vec<String>,
    /// The default data folder, where it is used and lies among passing files: anybody may have been
    /// first there.
    pub passing_dir: Option<PathBuf>,
}

/// Everything that is wrong, one line each, with its place.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Wrong(pub Vec<String>);

/// Reads and checks the whole configuration.
pub fn load(matches: &ArgMatches, around: &Surroundings) -> Result<Loaded, Wrong> {
    let raw = sources::gather(matches, &around.environment).map_err(Wrong)?;
    let mut stage = Stage::new(raw);
    let config = stage.check(around);
    if !stage.errors.is_empty() {
        return Err(Wrong(stage.errors));
    }
    let Stage { raw, mut settings, passing_dir, .. } = stage;
    settings.sort_by_key(|setting| OPTIONS.iter().position(|option| option.name == setting.name));
    Ok(Loaded { config, settings, warnings: raw.warnings, passing_dir })
}

/// The second stage on its way through the options.
struct Stage {
    raw: Raw,
    settings: Vec<Setting>,
    errors: Vec<String>,
    passing_dir: Option<PathBuf>,
}

impl Stage {
    fn new(raw: Raw) -> Stage {
        Stage { raw, settings: Vec::new(), errors: Vec::new(), passing_dir: None }
    }

    /// One option: its checked value, or the default. A mistake is noted, and the default stands in
    /// so that the other options are looked at as well.
    fn take<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Parsed<T>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let (value, source) = match self.raw.values.get(name) {
            None => (default, Source::Default),
            Some(raw) => match parse(&raw.text) {
                Ok(value) => (value, raw.source.clone()),
                Err(why) => {
                    self.errors.push(format!("{}: {why}", raw.place(name)));
                    (default, Source::Default)
                }
            },
        };
        self.settings.push(Setting { name, value: show(&value), source });
        value
    }

    /// [`Stage::take`] where the start has to know whether it was given.
    fn choose<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl Fn(&str) -> Parsed<T>,
        show: impl Fn(&T) -> String,
    ) -> Choice<T> {
        let value = self.take(name, default, parse, show);
        Choice { value, is_default: !self.is_given(name) }
    }

    fn is_given(&self, name: &str) -> bool {
        self.raw.values.contains_key(name)
    }

    /// An option that is a path or nothing.
    fn take_path(&mut self, name: &'static str) -> Option<PathBuf> {
        let show = |path: &Option<PathBuf>| path.as_deref().map_or_else(|| "none".into(), show_path);
        self.take(name, None, |text| values::path(text).map(Some), show)
    }

    fn refuse(&mut self, name: &'static str, why: String) {
        let place = self.raw.values.get(name).map(|raw: &RawValue| raw.place(name));
        self.errors.push(format!("{}: {why}", place.unwrap_or_else(|| format!("--{name}"))));
    }

    fn check(&mut self, around: &Surroundings) -> Config {
        let own = SocketAddr::from(([127, 0, 0, 1], 7411));
        let listen = self.choose("listen", own, values::listen(own.port()), SocketAddr::to_string);
        let insecure = self.take("insecure", false, values::yes_no, bool::to_string);
        let doors = self.doors(insecure);
        let allow_shutdown = self.take("allow-shutdown", false, values::yes_no, bool::to_string);
        let until_stdin_ends = self.take("until-stdin-ends", false, values::yes_no, bool::to_string);
        let threads = self.take("threads", 1, count(1..=256), usize::to_string);
        // One is left to the sockets.
        let spare_cores = around.cores.saturating_sub(1).clamp(1, 256);
        let workers = self.take("workers", spare_cores, count(1..=256), usize::to_string);
        let Places { name, data_dir, pid_file } = self.places(around);
        let run_dir = self.run_dir(around);
        let (cluster, peer_listen) = self.cluster(run_dir);
        let ready_file = self.take_path("ready-file");
        let log_level =
            self.take("log-level", LevelFilter::Info, one_of(LEVELS), |level| word(LEVELS, level));
        let format = if around.on_terminal { LogFormat::Text } else { LogFormat::Json };
        let log_format = self.take("log-format", format, one_of(FORMATS), |format| word(FORMATS, format));
        let limits = self.limits(around);
        let drain = duration(Duration::ZERO..=Duration::from_secs(3600));
        let drain_deadline = self.take("drain-deadline", Duration::from_secs(5), drain, show_duration);

        if beyond(listen.value) && !insecure {
            self.refuse(
                "listen",
                format!(
                    "{} can be reached from other machines, and this hub does not authenticate its \
                     clients: whoever reaches it reads and publishes everything. Listen on 127.0.0.1 and \
                     let others in by a tunnel such as `ssh -L`, or add --insecure where you trust the \
                     whole network",
                    listen.value
                ),
            );
        }
        Config {
            listen,
            peer_listen,
            doors,
            allow_shutdown,
            until_stdin_ends,
            name,
            cluster,
            threads,
            workers,
            data_dir,
            pid_file,
            ready_file,
            insecure,
            limits,
            log_level,
            log_format,
            drain_deadline,
        }
    }

    /// The bounds are wide: they catch slips (a unit forgotten, a digit too many), not tastes.
    fn limits(&mut self, around: &Surroundings) -> Limits {
        const KIB: usize = 1 << 10;
        const MIB: usize = 1 << 20;
        const GIB: usize = 1 << 30;
        let own = Limits::default();
        let room = clients_for(around.descriptors);
        let max_clients = self.take("max-clients", room, count(1..=MOST_CLIENTS), usize::to_string);
        // 128: `operator` and its token still fit. A frame's first byte is at most 8, so its length
        // stays below 144 MiB.
        let max_line = self.take("max-line", own.max_line, bytes(128..=64 * MIB), show_bytes);
        let max_frame = self.take("max-frame", own.max_frame, bytes(128..=128 * MIB), show_bytes);
        let max_queue = self.take("max-queue", own.max_queue, bytes(KIB..=4 * GIB), show_bytes);
        let show_s = |s: &u64| show_duration(&Duration::from_secs(*s));
        let stall_timeout_s = self.take("stall-timeout", own.stall_timeout_s, seconds(1..=3600), show_s);
        let idle_timeout_s = self.take("idle-timeout", own.idle_timeout_s, seconds(1..=86_400), show_s);
        let persistent_timeout_s =
            self.take("persistent-timeout", own.persistent_timeout_s, seconds(1..=86_400), show_s);
        let max_subscriptions =
            self.take("max-subscriptions", own.max_subscriptions, count(1..=10_000_000), usize::to_string);
        let max_channels =
            self.take("max-channels", own.max_channels, count(1..=100_000_000), usize::to_string);
        let history_messages =
            self.take("history-messages", own.history_messages, count(0..=10_000_000), usize::to_string);
        let history_bytes = self.take("history-bytes", own.history_bytes, bytes(0..=64 * GIB), show_bytes);
        let history_total_bytes =
            self.take("history-total-bytes", own.history_total_bytes, bytes(0..=1024 * GIB), show_bytes);
        let max_factor_bits =
            self.take("max-factor-bits", own.max_factor_bits as usize, count(1..=128), usize::to_string)
                as u32;
        let most = MOST_FIBONACCI as usize;
        let max_fibonacci =
            self.take("max-fibonacci", own.max_fibonacci as usize, count(0..=most), usize::to_string) as u64;

        if max_clients > room {
            self.raw.warnings.push(format!(
                "max-clients is {max_clients}, and the limit of file descriptors leaves room for {room}: \
                 raise it (`ulimit -Hn`, or LimitNOFILE= of systemd)"
            ));
        }
        if max_queue < max_frame.max(max_line) {
            self.raw.warnings.push(format!(
                "max-queue ({}) is less than the longest message that max-frame ({}) and max-line ({}) let \
                 in: such a message closes whoever receives it",
                show_bytes(&max_queue),
                show_bytes(&max_frame),
                show_bytes(&max_line)
            ));
        }
        Limits {
            max_line,
            max_frame,
            max_queue,
            stall_timeout_s,
            max_subscriptions,
            max_clients,
            max_channels,
            history_messages,
            history_bytes,
            history_total_bytes,
            max_factor_bits,
            max_fibonacci,
            idle_timeout_s,
            persistent_timeout_s,
        }
    }
}

/// Clients that a limit of file descriptors has room for.
fn clients_for(descriptors: Option<u64>) -> usize {
    let room = descriptors.map_or(MOST_CLIENTS as u64, |all| all.saturating_sub(SPARE_DESCRIPTORS));
    usize::try_from(room).unwrap_or(MOST_CLIENTS).clamp(1, MOST_CLIENTS)
}

/// Whether an address can be reached from other machines.
fn beyond(addr: SocketAddr) -> bool {
    !addr.ip().to_canonical().is_loopback()
}

fn show_path(path: &Path) -> String {
    path.display().to_string()
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> String {
    words.iter().find(|(_, known)| known == value).map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
