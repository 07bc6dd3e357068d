//! The command line: what may be typed, and which file does it.

use crate::exit::{self, Exit, Failure};
use crate::{
    bench, blob, docs, drain, facts, fleet, lists, message, persistent, ping, points, publish, serve,
    subscribe, terminal,
};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  hubbub --name bob --join ops        talk in a terminal
  hubbub pub ops 'Build 512 failed'   say one thing
  make 2>&1 | hubbub pub ops -        say every line
  hubbub sub 'ops.>'                  listen
  hubbub serve upper --exec 'tr a-z A-Z'
  hubbub request upper hello
  echo '/who ops' | hubbub            the commands of the terminal, from a script";

/// Talk to a Hubbub hub
///
/// Without a command, on a terminal: a client with the whole screen; F1 there shows its keys, and /help
/// the commands. With --plain it talks line by line. When standard input is no terminal, the same
/// commands are read from it, one a line.
#[derive(Debug, Parser)]
#[command(name = "hubbub", version, after_help = EXAMPLES, after_long_help = long_help())]
#[command(args_conflicts_with_subcommands = false, max_term_width = 100)]
pub struct Cli {
    // First, since what follows is under the heading of the global options.
    #[command(flatten)]
    pub terminal: terminal::TerminalArgs,
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Option<Command>,
}

fn long_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::HELP)
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The hub's address; several, separated by commas, are tried in turn
    #[arg(long, short = 's', env = "HUBBUB_SERVER", default_value = "127.0.0.1:7411", value_name = "ADDR")]
    #[arg(global = true, hide_env_values = true)]
    pub server: String,
    /// The name to take on the hub
    #[arg(long, short = 'n', global = true, value_name = "NAME")]
    pub name: Option<String>,
    /// JSON in and out: payloads are JSON, and replies are printed as the hub wrote them
    #[arg(long, global = true)]
    pub json: bool,
    /// Time limit, such as 500ms, 5s or 2m [default: 5s to connect and 5s for each answer]
    #[arg(long, short = 't', global = true, value_name = "DURATION", value_parser = some_time)]
    pub timeout: Option<Duration>,
    /// The server's data folder, where operator.token lies [default: as the server's file in the run
    /// folder tells it, else $XDG_DATA_HOME/hubbub or ~/.local/share/hubbub]
    #[arg(long, env = "HUBBUB_DATA_DIR", global = true, value_name = "PATH", hide_short_help = true)]
    #[arg(hide_env_values = true)]
    pub data_dir: Option<PathBuf>,
    /// The folder where the servers of this machine tell of themselves [default:
    /// $XDG_RUNTIME_DIR/hubbub, or hubbub-run-UID in the folder for passing files]
    #[arg(long, env = "HUBBUB_RUN_DIR", global = true, value_name = "PATH", hide_short_help = true)]
    #[arg(hide_env_values = true)]
    pub run_dir: Option<PathBuf>,
    /// The operator token itself, for hubs on other machines
    #[arg(long, env = "HUBBUB_TOKEN", global = true, value_name = "TOKEN", hide_short_help = true)]
    #[arg(hide_env_values = true)]
    pub token: Option<String>,
}

/// One variant a subcommand; its arguments and its doing are in the file named beside it.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publish a message, or each line of standard input
    #[command(alias = "publish")]
    Pub(publish::PubArgs),
    /// Print the messages of channels as they arrive, or run a command for each
    #[command(alias = "subscribe")]
    Sub(subscribe::SubArgs),
    /// Send a message to one client
    Msg(message::MsgArgs),
    /// Ask a service, and print its answer
    #[command(alias = "call")]
    Request(message::RequestArgs),
    /// Offer a shell command as a service
    Serve(serve::ServeArgs),
    /// List clients that are connected, or were
    Clients(lists::ClientsArgs),
    /// List the servers of the cluster
    Servers(lists::ServersArgs),
    /// List channels
    Channels(lists::ChannelsArgs),
    /// List who receives a channel's messages
    Who(lists::WhoArgs),
    /// List the services
    Services(lists::ServicesArgs),
    /// Print a channel's last messages
    History(lists::HistoryArgs),
    /// Show what the hub knows of a client
    Whois(facts::WhoisArgs),
    /// Show the counters of the server
    Stats(facts::StatsArgs),
    /// Create a channel that stays
    Create(facts::CreateArgs),
    /// Show or set what a channel is about
    Topic(facts::TopicArgs),
    /// Reverse a text, character by character
    Reverse(facts::ReverseArgs),
    /// Show or set what the server greets new clients with
    Welcome(facts::WelcomeArgs),
    /// Measure round trips to the hub
    Ping(ping::PingArgs),
    /// Measure a hub: messages a second, and how long they take
    Bench(bench::BenchArgs),
    /// Run test clients that write files, and read what became of them
    Fleet(fleet::FleetArgs),
    /// Speak the persistent dialect: small requests over one connection
    Persistent(persistent::PersistentArgs),
    /// Ask the blob door, or keep its old server
    Blob(blob::BlobArgs),
    /// Ask the points door for two random points, or try how many clients it serves at once
    Points(points::PointsArgs),
    /// Send all clients away, then stop the server (operators)
    #[command(alias = "shutdown")]
    Drain(drain::DrainArgs),
    /// Print a completion script for a shell
    Completions(docs::CompletionsArgs),
    /// Print the manual page, for man -l -
    Man(docs::ManArgs),
}

/// Does what was typed.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    let globals = &cli.globals;
    let Some(command) = cli.command else {
        return terminal::run(globals, cli.terminal).await;
    };
    if !cli.terminal.join.is_empty() {
        return Err(Failure::local("--join is for the terminal, without a command"));
    }
    if cli.terminal.plain {
        return Err(Failure::local("--plain is for the terminal, without a command"));
    }
    match command {
        Command::Pub(args) => publish::run(globals, args).await,
        Command::Sub(args) => subscribe::run(globals, args).await,
        Command::Msg(args) => message::msg(globals, args).await,
        Command::Request(args) => message::request(globals, args).await,
        Command::Serve(args) => serve::run(globals, args).await,
        Command::Clients(args) => lists::clients(globals, args).await,
        Command::Servers(args) => lists::servers(globals, args).await,
        Command::Channels(args) => lists::channels(globals, args).await,
        Command::Who(args) => lists::who(globals, args).await,
        Command::Services(args) => lists::services(globals, args).await,
        Command::History(args) => lists::history(globals, args).await,
        Command::Whois(args) => facts::whois(globals, args).await,
        Command::Stats(args) => facts::stats(globals, args).await,
        Command::Create(args) => facts::create(globals, args).await,
        Command::Topic(args) => facts::topic(globals, args).await,
        Command::Reverse(args) => facts::reverse(globals, args).await,
        Command::Welcome(args) => facts::welcome(globals, args).await,
        Command::Ping(args) => ping::run(globals, args).await,
        Command::Bench(args) => bench::run(globals, args).await,
        Command::Fleet(args) => fleet::run(globals, args).await,
        Command::Persistent(args) => persistent::run(globals, args).await,
        Command::Blob(args) => return blob::run(globals, args).await,
        Command::Points(args) => points::run(globals, args).await,
        Command::Drain(args) => drain::run(globals, args).await,
        Command::Completions(args) => docs::completions(args),
        Command::Man(args) => docs::man(args),
    }?;
    Ok(Exit::Done)
}

/// Reads the command line. Help and the version are printed here, and whatever is wrong becomes one
/// line.
pub fn parse() -> Result<Cli, Failure> {
    read(std::env::args_os()).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // `--help | head` is a quiet end, too.
            let _ = error.print();
            Failure::quiet(Exit::Done)
        }
        ErrorKind::MissingSubcommand => Failure::local(missing_command(&error)),
        _ => Failure::local(in_one_line(&error.to_string())),
    })
}

fn read(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    /// Where a command is missing clap would print help as an error.
    fn without_help(command: clap::Command) -> clap::Command {
        command.arg_required_else_help(false).mut_subcommands(without_help)
    }
    Cli::from_arg_matches(&without_help(Cli::command()).try_get_matches_from(words)?)
}

/// What may stand where nothing stands.
fn missing_command(error: &clap::Error) -> String {
    let mut command = Cli::command();
    if let Some(ContextValue::String(words)) = error.get(ContextKind::InvalidSubcommand) {
        for word in words.split(' ').skip(1) {
            command = command.find_subcommand(word).cloned().unwrap_or(command);
        }
    }
    let seen = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    let names: Vec<&str> = seen.map(clap::Command::get_name).filter(|name| *name != "help").collect();
    format!("a command is missing: {}; --help tells more", names.join(", "))
}

/// What Rust says of numbers, and what would have been right.
const IN_WORDS: [(&str, &str); 3] = [
    ("invalid digit found in string", "try a whole number, such as 10"),
    ("cannot parse integer from empty string", "try a whole number, such as 10"),
    ("invalid float literal", "try a number, such as 10 or 12.5"),
];

/// clap's message without its usage and its pointer to --help, which takes its place at the end.
fn in_one_line(error: &str) -> String {
    let said = error.split("\n\nUsage:").next().unwrap_or_default();
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let in_words = |part: &str| part.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts: Vec<String> = said.split("\n\n").map(in_words).collect();
    for (rust, words) in IN_WORDS {
        parts.iter_mut().for_each(|part| *part = part.replace(rust, words));
    }
    format!("{} (--help tells more)", parts.join("; "))
}

/// The longest time that may be named: ten years. A guess: more is a slip, and a moment so far away must
/// still be one that a clock can tell.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A length of time that is not nothing, for limits.
pub fn some_time(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => {
            Err("nothing is done in no time; leave it out for the default, or try 500ms, 5s or 2m".into())
        }
        time => Ok(time),
    }
}

/// A length of time: `500ms`, `2m 30s`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let time = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_nan() || seconds < 0.0 => None,
        Ok(seconds) => Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
        Err(_) => match humantime::parse_duration(text) {
            Ok(time) => Some(time),
            Err(humantime::DurationError::NumberOverflow) => Some(Duration::MAX),
            Err(_) => None,
        },
    };
    match time {
        Some(time) if time > LONGEST => Err("ten years are the most; try 500ms, 5s or 2m".into()),
        Some(time) => Ok(time),
        None => Err("try 500ms, 5s or 2m, or seconds alone, such as 0.5".into()),
    }
}

/// A number of things, of which there is one at least.
pub fn some_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "try a whole number from 1 on, such as 4".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    /// All commands below one, each with its words: `hubbub bench pub`.
    fn below(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let with_those_below = |sub: &clap::Command| {
            let words = format!("{words} {}", sub.get_name());
            let deeper = below(sub, &words);
            std::iter::once((words, sub.clone())).chain(deeper).collect::<Vec<_>>()
        };
        let seen = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        seen.flat_map(with_those_below).collect()
    }

    /// clap would fill both from one value.
    #[test]
    fn no_argument_is_called_as_a_global_one() {
        let cli = Cli::command();
        let own: Vec<&str> = cli.get_arguments().map(|a| a.get_id().as_str()).collect();
        for (words, command) in below(&cli, "hubbub") {
            for argument in command.get_arguments() {
                assert!(!own.contains(&argument.get_id().as_str()), "{words} {argument}");
            }
        }
    }

    #[test]
    fn every_command_has_an_example() {
        for (words, command) in below(&Cli::command(), "hubbub") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // Examples stand as they are; paragraphs are one line each, and wrapped where they are read.
            let examples = help.lines().filter(|line| line.starts_with(' '));
            for line in examples {
                assert!(line.chars().count() <= 80, "{words} is wrapped: {line}");
            }
            assert!(help.contains(&words), "{words}");
        }
    }

    #[test]
    fn what_is_wrong_is_one_line() {
        let wrong = |words: &[&str]| {
            let error = read(words).expect_err("wrong usage");
            match error.kind() {
                ErrorKind::MissingSubcommand => missing_command(&error),
                _ => in_one_line(&error.to_string()),
            }
        };
        assert_eq!(
            wrong(&["hubbub", "fleet"]),
            "a command is missing: client, demo, report, runs; --help tells more"
        );
        let blob = wrong(&["hubbub", "blob", "--at", "127.0.0.1:9500"]);
        assert!(blob.starts_with("a command is missing: factor, palindrome, fib"), "{blob}");
        assert!(!blob.contains("in-session"), "{blob}");
        for words in [["hubbub", "bench"], ["hubbub", "persistent"]] {
            assert!(wrong(&words).starts_with("a command is missing: "), "{words:?}");
        }
        let sessions = [
            (&["hubbub", "ping", "-c", "0"][..], "try a whole number from 1 on, such as 4"),
            (&["hubbub", "persistent", "ping", "-c", "0"], "try a whole number from 1 on, such as 4"),
            (&["hubbub", "blob", "busy", "--clients", "x"], "try a whole number, such as 10"),
            (&["hubbub", "fleet", "client", "--chunk-size", "10MB"], "try a number of MB, such as 10"),
            (&["hubbub", "fleet", "client", "--runtime", "inf"], "try 500ms, 5s or 2m"),
            (&["hubbub", "fleet", "client", "--runtime", "abc"], "try 500ms, 5s or 2m"),
            (&["hubbub", "-t", ".2s", "ping"], "try 500ms, 5s or 2m"),
        ];
        for (words, right) in sessions {
            let said = wrong(words);
            assert!(said.contains(right), "{said}");
            for rust in ["literal", "expected", "non-zero", "Duration", "digit"] {
                assert!(!said.contains(rust), "{said}");
            }
        }
        assert_eq!(
            wrong(&["hubbub", "channel"]),
            "unrecognized subcommand 'channel'; tip: a similar subcommand exists: 'channels' (--help tells more)"
        );
        assert_eq!(
            wrong(&["hubbub", "who"]),
            "the following required arguments were not provided: <CHANNEL> (--help tells more)"
        );
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m 30s"), Ok(Duration::from_secs(150)));
        assert_eq!((duration("0"), some_time("1ms")), (Ok(Duration::ZERO), Ok(Duration::from_millis(1))));
        assert!(some_time("0").is_err() && some_time("0ms").is_err());
        assert!(duration("-1").is_err() && duration("soon").is_err() && duration("NaN").is_err());
        assert_eq!((duration("3650days"), duration("315360000")), (Ok(LONGEST), Ok(LONGEST)));
        for long in ["3651days", "315360001", "1e19", "1e300", "inf", "500000000000years"] {
            let why = duration(long).expect_err(long);
            assert!(why.contains("try 500ms") && why.contains("ten years"), "{why}");
        }
    }

    #[test]
    fn every_length_of_time_has_an_end() {
        let is_time =
            |arg: &&clap::Arg| arg.get_value_parser().type_id() == std::any::TypeId::of::<Duration>();
        let mut found = 0;
        for (words, command) in below(&Cli::command(), "hubbub") {
            let own = command.get_arguments().filter(is_time).filter_map(clap::Arg::get_long);
            for long in own.chain(["timeout"]) {
                let option = [format!("--{long}"), "1e19".to_owned()];
                let typed = words.split(' ').map(str::to_owned).chain(option);
                let error = Cli::try_parse_from(typed).expect_err("so long a time");
                assert!(error.to_string().contains("ten years are the most"), "{words} --{long}: {error}");
                found += 1;
            }
        }
        assert!(found > 40, "only {found} were tried");
    }
}
