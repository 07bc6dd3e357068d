//! The experiment of the points door: the same crowd against the door and against a blocking server,
//! one after the other; what this machine's limits forbid is refused before anything starts.

use super::blocking::{Blocking, BACKLOG};
use super::crowd::{gather, Outcome};
use super::outcome::{Report, Side};
use super::{plot, PointsArgs};
use crate::bench::watch;
use crate::cli::Globals;
use crate::door::{self, make_room};
use crate::exit::Failure;
use crate::output::Output;
use hubbub_shared::doors::POINTS;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a client waits, unless `--timeout` says otherwise: TCP tries a connection that was not
/// accepted again after 1, 3, 7 and 15 seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where Linux tells from which ports connections start.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// `hubbub points --clients N`
pub async fn run(globals: &Globals, args: &PointsArgs, clients: u64) -> Result<(), Failure> {
    let at_once = args.at_once.unwrap_or(clients).min(clients);
    check_ports(at_once, std::fs::read_to_string(PORT_RANGE).ok().as_deref())?;
    make_room(at_once)?;
    let limit = globals.timeout.unwrap_or(PATIENCE);
    let mut svg = args.svg.as_deref().map(open).transpose()?;
    let addr = door::find(args.at.as_deref(), &POINTS, limit).await?;
    let mut sides = vec![Side {
        name: format!("the door at {addr}"),
        outcome: measure(addr, clients, at_once, limit).await,
    }];
    if !args.no_comparison {
        let cannot = |error| Failure::local(format!("cannot start the blocking server: {error}"));
        let blocking = Blocking::start().map_err(cannot)?;
        let outcome = measure(blocking.addr(), clients, at_once, limit).await;
        sides.push(Side { name: format!("blocking, backlog {BACKLOG}"), outcome });
    }
    let report = Report { clients, at_once, limit, sides };
    if let (Some(file), Some(path)) = (&mut svg, &args.svg) {
        let written = file.set_len(0).and_then(|()| file.write_all(plot::draw(&report).as_bytes()));
        written.map_err(|error| cannot_write(path, error))?;
    }
    let mut out = Output::new();
    match globals.json {
        true => out.text(&format!("{}\n", report.json()))?,
        false => out.text(&report.text(out.style))?,
    }
    out.flush()?;
    report.trouble().map_or(Ok(()), Err)
}

async fn measure(addr: SocketAddr, clients: u64, at_once: u64, limit: Duration) -> Outcome {
    let done = AtomicU64::new(0);
    let crowd = gather(addr, clients, at_once, limit, &done);
    watch(crowd, clients, || done.load(Ordering::Relaxed)).await
}

/// Opens the plot's file before anything is measured, so that no run is lost for it.
fn open(path: &Path) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    Failure::local(format!("cannot write {}: {error}", path.display()))
}

/// All connections of one machine to one address and port differ by their local port only.
fn check_ports(at_once: u64, range: Option<&str>) -> Result<(), Failure> {
    let Some((first, last)) = range.and_then(|range| {
        let mut ends = range.split_whitespace().map(|end| end.parse::<u64>().ok());
        Some((ends.next()??, ends.next()??))
    }) else {
        return Ok(());
    };
    let ports = (last + 1).saturating_sub(first);
    match at_once > ports {
        false => Ok(()),
        true => Err(Failure::local(format!(
            "{at_once} connections at once to one address need as many local ports, and this machine has {ports} \
             ({first} to {last}, net.ipv4.ip_local_port_range): widen that (sysctl, up to 1024 to 65535), or take \
             fewer at once; --clients may be as many as you like"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn more_at_once_than_there_are_ports_is_refused_with_what_limits() {
        let range = Some("32768\t60999\n");
        assert!(check_ports(28_232, range).is_ok());
        let failure = check_ports(28_233, range).expect_err("there are too few");
        assert_eq!(failure.exit, Exit::Usage);
        for part in ["28232", "32768 to 60999", "net.ipv4.ip_local_port_range"] {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        assert!(check_ports(1 << 40, None).is_ok() && check_ports(1 << 40, Some("what")).is_ok());
    }
}
