//! The table of options and the command line made from it. An option is one row: flag, environment
//! variable, key of the configuration file, `--help` and `check` all come from here. What a value
//! means is decided in [`super`].

use clap::{Arg, ArgAction, Command};

/// One option, however it is given.
pub struct Opt {
    /// The flag without its dashes, and the key in the file.
    pub name: &'static str,
    /// What the value is called in `--help`.
    pub value: &'static str,
    /// What it does, and what goes wrong at either extreme.
    pub about: &'static str,
    /// The default as `--help` tells it.
    pub default: &'static str,
    /// Whether `status` and `shutdown` take it too: it says where the running hub is found.
    pub finds: bool,
    /// Whether it may be given several times, or as an array in the file. The values are joined by
    /// commas, as they stand in an environment variable.
    pub many: bool,
}

impl Opt {
    /// The environment variable.
    pub fn variable(&self) -> String {
        variable(self.name)
    }
}

/// The environment variable of a flag.
pub fn variable(name: &str) -> String {
    format!("HUBBUB_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The flag, and variable, that names the configuration file. It is no key of that file.
pub const CONFIG: &str = "config";

macro_rules! options {
    (@has $wanted:ident) => { false };
    (@has finds finds $($word:ident)*) => { true };
    (@has many many $($word:ident)*) => { true };
    (@has $wanted:ident $other:ident $($word:ident)*) => { options!(@has $wanted $($word)*) };
    ($($name:literal $value:literal [$default:literal] $(($($word:ident)+))? $about:literal;)*) => {
        /// Every option, in the order of `--help`.
        pub const OPTIONS: &[Opt] = &[$(Opt {
            name: $name,
            value: $value,
            about: $about,
            default: $default,
            finds: options!(@has finds $($($word)+)?),
            many: options!(@has many $($($word)+)?),
        }),*];
    };
}

options! {
    "listen" "ADDR" ["127.0.0.1:7411"]
        "Where clients connect: an IP address and a port; port 0 takes a free one. When the default is \
         taken, the next free one of 7413, 7415 and so on";
    "peer-listen" "ADDR" ["127.0.0.1:7412"]
        "Where other servers connect, over TCP and UDP. When the default is taken, the next free one of \
         7414, 7416 and so on; the default is on all addresses where --lan or --join reach beyond this \
         machine";
    "name" "NAME" ["the host's name"] (finds)
        "This server's name, 1 to 32 of A-Z a-z 0-9 _ - . [ ] { } ^ |. When the default is taken, it gets \
         a number";
    "cluster" "NAME" ["hubbub"] (finds)
        "The cluster that this server belongs to; servers of other clusters are strangers";
    "join" "ADDR" ["none"] (many)
        "A server of the cluster on another machine, HOST or HOST:PORT; several separated by commas, or \
         the option several times";
    "cluster-secret-file" "PATH" ["none"]
        "The file with the cluster's secrets, one a line, readable by its user alone: the first seals what \
         servers tell each other, all of them open it";
    "cluster-secret" "TEXT" ["none"]
        "The cluster's secret itself. Flags are seen by all users of this machine: a file is better";
    "lan" "BOOL" ["false"]
        "Find the cluster's servers on the local network by multicast";
    "run-dir" "PATH" ["$XDG_RUNTIME_DIR/hubbub, or hubbub-run-UID in the folder for passing files"] (finds)
        "The folder where the servers of one user on this machine find each other";
    "door" "NAME[=ADDR]" ["none"] (many)
        "A port for the unchanged clients of an older system (blob, fleet or points), at the address \
         that it is known by or another; several separated by commas, or the option several times";
    "doors" "all|none" ["none"]
        "All doors at once, each at the address that it is known by";
    "allow-shutdown" "BOOL" ["false"]
        "Let any client of this machine that speaks the persistent dialect shut the server down, as its \
         old server did";
    "until-stdin-ends" "BOOL" ["false"]
        "Stop when standard input ends: for a program that starts a server for itself, and is not to leave \
         it behind however it ends";
    "insecure" "BOOL" ["false"]
        "Serve beyond this machine although nobody has to authenticate: for trusted networks only";
    "threads" "N" ["1"]
        "Threads that serve clients. One is fastest for most loads; more pay off only with cores to spare";
    "workers" "N" ["the machine's cores less one, at least 1"]
        "Threads for heavy requests, beside those that serve clients and of a low priority. More than \
         the cores gain nothing; with few, heavy requests wait for each other";
    "data-dir" "PATH" ["$XDG_DATA_HOME/hubbub, or ~/.local/share/hubbub"] (finds)
        "The folder for what this server keeps, such as the operator token; one for each server. The \
         default of a server that was given a name, or is not the first, is NAME in that folder";
    "pid-file" "PATH" ["hubbubd.pid in the data folder"] (finds)
        "The file that is locked while the server runs and holds its process id";
    "ready-file" "PATH" ["none"]
        "A file that appears, whole, when the server serves, and tells its addresses as JSON";
    "log-level" "LEVEL" ["info"]
        "What is logged: off, error, warn, info, debug or trace, each with those before it";
    "log-format" "FORMAT" ["text on a terminal, else json"]
        "How a log line looks on standard output: text or json";
    "max-clients" "N" ["the limit of file descriptors less 64"]
        "Clients at once. Over it they are told so and closed";
    "max-line" "BYTES" ["64KiB"]
        "The longest text line of a client. Over it: closed. Large ones cost memory for each sender";
    "max-frame" "BYTES" ["1MiB"]
        "The longest JSON line or frame of a client. Over it: closed";
    "max-queue" "BYTES" ["8MiB"]
        "What may wait for one client that does not read. Over it: closed as a slow consumer. Times \
         max-clients, this is the memory that stalled readers can take";
    "stall-timeout" "DURATION" ["10s"]
        "How long a queue may stand still before its client is closed as a slow consumer";
    "idle-timeout" "DURATION" ["60s"]
        "How long a new client may stay silent before its first command";
    "persistent-timeout" "DURATION" ["60s"]
        "How long a client of the persistent dialect may stay silent. Over it: closed; shorter than the \
         pings of such clients closes those that live";
    "max-subscriptions" "N" ["1000"]
        "Subscriptions of one client. Over it they are refused";
    "max-channels" "N" ["1048576"]
        "Channels at once. Over it those that nobody uses go, the longest unpublished first";
    "history-messages" "N" ["100"]
        "Messages remembered of each channel; 0 remembers none";
    "history-bytes" "BYTES" ["256KiB"]
        "Bytes remembered of each channel; 0 remembers none";
    "history-total-bytes" "BYTES" ["256MiB"]
        "Bytes remembered of all channels together; the oldest go";
    "max-factor-bits" "N" ["128"]
        "How many bits a number may have that is to be factored. Up to 64 take about a millisecond; those \
         of 128 may keep a worker busy for a second. Too few refuse what clients need";
    "max-fibonacci" "N" ["1000000"]
        "The largest index of a Fibonacci number. Large ones keep a worker busy (ten million: some \
         seconds), and their answers are long; too small a bound refuses what clients need";
    "drain-deadline" "DURATION" ["5s"]
        "How long a server that ends waits for what its clients have still to be sent";
}

const ABOUT: &str =
    "Hubbub's server: clients publish to channels and subscribe to them, over one port, as text, JSON \
                     lines or frames.";

const SOURCES: &str = "\
Every option can be given in three ways; the first that is there counts:
  a flag                    --max-queue 16MiB
  an environment variable   HUBBUB_MAX_QUEUE=16MiB (an empty one counts as not given)
  a key in the TOML file    max-queue = \"16MiB\" (the file of --config PATH or HUBBUB_CONFIG)
BYTES are such as 65536, 64KiB (65,536) or 64kB (64,000); a DURATION is such as 10s, 500ms or 1h 30m.

Examples:
  hubbubd                                        serve on 127.0.0.1:7411
  hubbubd --listen 127.0.0.1:0 --ready-file up   take a free port and tell it in the file `up`
  hubbubd --name beta                            one more server on this machine
  hubbubd --config /etc/hubbub.toml check        tell what is in force, and from where
  hubbubd status --json                          tell how the running hub is
  hubbubd shutdown                               end it, and wait until it has

Exit codes: 0 ended as asked, 1 failed, 2 wrong use or configuration.";

/// The command line.
pub fn command() -> Command {
    Command::new("hubbubd")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_long_help(SOURCES)
        .after_help("`hubbubd --help` tells more: environment variables, the file, and examples.")
        .args(args(|_| true))
        .subcommand_help_heading("Commands (none: serve)")
        .subcommand(
            Command::new("check")
                .about("Check the configuration and print every value with where it comes from")
                .after_help("Exit codes: 0 all is well, 2 it is not.")
                .arg(flag("json", "Print JSON"))
                .args(args(|_| true)),
        )
        .subcommand(
            Command::new("status")
                .about("Tell whether a hub runs, and how it is; of several, how each is")
                .after_help("Exit codes: 0 it runs, 1 none runs, 2 wrong use, 3 it runs and does not answer.")
                .arg(flag("json", "Print JSON"))
                .args(args(|option| option.finds)),
        )
        .subcommand(
            Command::new("shutdown")
                .about("End the hub that runs, and wait until it has ended; of several, the one of --name")
                .after_help("Exit codes: 0 it has ended, 1 none ran, 2 wrong use, 4 it is still there.")
                .arg(
                    Arg::new("timeout")
                        .long("timeout")
                        .value_name("DURATION")
                        .value_parser(|text: &str| super::values::duration_text(text))
                        .default_value("15s")
                        .help("How long to wait for its end"),
                )
                .args(args(|option| option.finds)),
        )
}

fn args(wanted: impl Fn(&Opt) -> bool) -> Vec<Arg> {
    let file = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("PATH")
        .help("A TOML file with any of these options")
        .long_help(format!("A TOML file with any of these options\n[env: {}]", variable(CONFIG)));
    let options = OPTIONS.iter().filter(|option| wanted(option)).map(|option| {
        let arg = Arg::new(option.name)
            .long(option.name)
            .value_name(option.value)
            .help(format!("{} [default: {}]", option.about, option.default))
            .long_help(format!(
                "{}\n[default: {}] [env: {}]",
                option.about,
                option.default,
                option.variable()
            ));
        if option.value == "BOOL" {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true")
        } else if option.many {
            arg.allow_hyphen_values(true).action(ArgAction::Append)
        } else {
            // A value such as `-1` is told what is wrong with it instead of being taken for a flag.
            arg.allow_hyphen_values(true)
        }
    });
    std::iter::once(file).chain(options).collect()
}

fn flag(name: &'static str, about: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn help_tells_every_flag_variable_and_default() {
        let help = command().render_long_help().to_string();
        for option in OPTIONS {
            for part in [format!("--{}", option.name), option.variable(), option.default.to_owned()] {
                assert!(help.contains(&part), "{part} is missing in:\n{help}");
            }
        }
    }
}
