//! `hubbubd`, the server's command: flags → [`config::Config`] → [`server::run`] → exit code. Decides
//! nothing about clients or channels.

use anyhow::Context;
use clap::ArgMatches;
use hubbub_server::config::{self, Loaded, Surroundings, SPARE_DESCRIPTORS};
use hubbub_server::{control, files, logging, server};
use log::LevelFilter;
use rustix::process::{getrlimit, getuid, setrlimit, Resource, Rlimit};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Exit code: the hub could not start, or ended in error.
const FAILED: u8 = 1;
/// Exit code: wrong use or configuration; the same as the command line parser's.
const WRONG_USE: u8 = 2;

/// Open files for which room is made at the start: half a megabyte of the kernel's memory. A guess.
const MOST_DESCRIPTORS_AT_ONCE: u64 = 64 << 10;

fn main() -> ExitCode {
    let matches = config::command().get_matches();
    let around = surroundings(raise_descriptor_limit());
    let outcome = match matches.subcommand() {
        Some(("check", options)) => check(&matches, &around, options.get_flag("json")),
        Some(("status", options)) => status(&matches, &around, options.get_flag("json")),
        Some(("shutdown", options)) => shutdown(&matches, &around, options),
        _ => serve(&matches, &around),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // One line each, so that a list of mistakes can be read and searched.
            for line in format!("{error:#}").lines() {
                let _ = writeln!(io::stderr(), "hubbubd: {line}");
            }
            ExitCode::from(WRONG_USE)
        }
    }
}

fn serve(matches: &ArgMatches, around: &Surroundings) -> anyhow::Result<u8> {
    let loaded = config::load(matches, around)?;
    // On a terminal the log tells there what went wrong; elsewhere the log goes its own way.
    let logged = around.on_terminal && loaded.config.log_level != LevelFilter::Off;
    let outcome = start(loaded);
    if let Err(error) = &outcome {
        log::error!("{error:#}");
    }
    logging::finish();
    Ok(match outcome {
        Ok(()) => 0,
        Err(error) => {
            if !logged {
                let _ = writeln!(io::stderr(), "hubbubd: {error:#}");
            }
            FAILED
        }
    })
}

fn start(loaded: Loaded) -> anyhow::Result<()> {
    let Loaded { config, warnings, passing_dir, .. } = loaded;
    // Read by async-std when it is first used. Before any thread: the environment is not for several.
    std::env::set_var("ASYNC_STD_THREAD_COUNT", config.threads.to_string());
    make_room_for_descriptors(config.limits.max_clients);
    logging::start(config.log_level, config.log_format).context("cannot start the log")?;
    for warning in &warnings {
        log::warn!("{warning}");
    }
    if let Some(dir) = &passing_dir {
        files::claim_private_dir(dir)?;
    }
    server::run(config)
}

fn check(matches: &ArgMatches, around: &Surroundings, json: bool) -> anyhow::Result<u8> {
    let Loaded { settings, warnings, .. } = config::load(matches, around)?;
    let mut out = io::stdout().lock();
    if json {
        let rows = settings.iter().map(|setting| {
            let row = serde_json::json!({"value": setting.value, "from": setting.source.to_string()});
            (setting.name.to_owned(), row)
        });
        let rows: serde_json::Map<_, _> = rows.collect();
        writeln!(out, "{}", serde_json::json!({"settings": rows, "warnings": warnings}))?;
        return Ok(0);
    }
    for setting in &settings {
        writeln!(out, "{:<20} {}  ({})", setting.name, setting.value, setting.source)?;
    }
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    Ok(0)
}

fn status(matches: &ArgMatches, around: &Surroundings, json: bool) -> anyhow::Result<u8> {
    control::status(&config::find(matches, around)?, json, &mut io::stdout().lock())
}

fn shutdown(matches: &ArgMatches, around: &Surroundings, options: &ArgMatches) -> anyhow::Result<u8> {
    let limit: Duration = *options.get_one("timeout").expect("the option has a default");
    control::shutdown(&config::find(matches, around)?, limit, &mut io::stdout().lock())
}

/// Raises the limit of open files as far as this process may, and tells it: every client takes one.
fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Lets the kernel's table of open files grow now for all clients. Otherwise it grows as they come, and
/// stops a process of several threads for 10 to 20 ms each time.
fn make_room_for_descriptors(clients: usize) {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).min(MOST_DESCRIPTORS_AT_ONCE);
    let highest = most.min(clients as u64 + SPARE_DESCRIPTORS).saturating_sub(1);
    // Where it fails, the table grows later.
    drop(i32::try_from(highest).map(|highest| rustix::io::fcntl_dupfd_cloexec(io::stderr(), highest)));
}

/// The user's runtime folder. After `su`, the variable may name that of another user, or none that is
/// there.
fn runtime_dir() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    let found = std::fs::metadata(&path).ok()?;
    (path.is_absolute() && found.is_dir() && found.uid() == getuid().as_raw()).then_some(path)
}

fn surroundings(descriptors: Option<u64>) -> Surroundings {
    Surroundings {
        environment: std::env::vars_os().collect(),
        host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        temp_dir: std::env::temp_dir(),
        runtime_dir: runtime_dir(),
        user: getuid().as_raw(),
        on_terminal: io::stdout().is_terminal(),
        descriptors,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }
}
