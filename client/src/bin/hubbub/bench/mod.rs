//! `hubbub bench`: how fast one's own hub is, with messages and requests like one's own. What all
//! kinds share is here: how numbers are typed, how many clients connect, how a run is watched. It
//! measures what clients see, this process included: on a machine that is busy with both, the hub
//! alone is faster than what is shown.

mod account;
mod hearing;
mod progress;
mod publishing;
pub mod report;
mod requesting;
mod schedule;
mod stamp;
mod subscribing;
mod window;

use crate::board::REFRESH;
use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::Failure;
use async_io::Timer;
use clap::{Args, Subcommand};
use futures::{pin_mut, select_biased, FutureExt};
use hubbub_client::Client;
use std::future::Future;
use std::time::{Duration, Instant};

/// How long silence is borne where something must come, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// More clients than this are a slip of the finger: the hub's own default is fewer.
const MAX_CLIENTS: u64 = 10_000;

/// Measure a hub: messages a second, and how long they take
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub bench pub test --subs 1              as fast as one subscriber takes it
  hubbub bench pub test --subs 4 --rate 10k   how long they take at that load
  hubbub bench pub test --ack --pubs 8        the hub's word on each message
  hubbub bench sub 'test.>' --msgs 1M         what others publish, as it arrives
  hubbub bench request echo --callers 4 --in-flight 16

The clients of a run share the machine with whatever else it does, the hub perhaps included. When \
something was lost the exit code is 1, whatever the figures say.")]
pub struct BenchArgs {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Pub(publishing::PubArgs),
    Sub(subscribing::SubArgs),
    Request(requesting::RequestArgs),
}

/// `hubbub bench`
pub async fn run(globals: &Globals, args: BenchArgs) -> Result<(), Failure> {
    match args.kind {
        Kind::Pub(args) => publishing::run(globals, args).await,
        Kind::Sub(args) => subscribing::run(globals, args).await,
        Kind::Request(args) => requesting::run(globals, args).await,
    }
}

/// A number of at least 1: `5000`, `100_000`, `10k`, `2M`.
pub fn amount(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.replace('_', "").parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
    number.filter(|n| *n > 0).ok_or_else(|| "try a number such as 5000, 10k or 2M".to_owned())
}

/// Bytes of a payload.
fn size(text: &str) -> Result<usize, String> {
    let size = text.parse::<usize>().ok().filter(|size| (stamp::SIZE..1 << 30).contains(size));
    size.ok_or_else(|| format!("try a number from {}, since each carries a stamp", stamp::SIZE))
}

/// Connects one of several clients; a name that was asked for is numbered.
async fn connect(globals: &Globals, role: &str, number: u64) -> Result<Client, Failure> {
    let name = globals.name.as_ref().map(|name| format!("{name}-{role}{number}"));
    Globals { name, ..globals.clone() }.connect(Lost::End).await
}

/// Runs something on another thread where one is free.
fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> {
    // The client library's own executor.
    async_std::task::spawn(work)
}

/// Waits for the end of a run, and shows meanwhile how far it is.
pub async fn watch<T>(run: impl Future<Output = T>, total: u64, done: impl Fn() -> u64) -> T {
    let mut bar = progress::Bar::new(total);
    let run = run.fuse();
    pin_mut!(run);
    loop {
        select_biased! {
            end = run => {
                bar.clear();
                return end;
            }
            _ = FutureExt::fuse(Timer::after(REFRESH)) => bar.show(done()),
        }
    }
}

/// Waits until a moment, if it is still to come.
async fn until(moment: Instant) {
    if moment > Instant::now() {
        Timer::at(moment).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_typed_as_people_say_them() {
        assert_eq!(amount("5000"), Ok(5_000));
        assert_eq!(amount("100_000"), Ok(100_000));
        assert_eq!(amount("10k"), Ok(10_000));
        assert_eq!(amount("2M"), Ok(2_000_000));
        for wrong in ["", "0", "-1", "k", "1.5", "99999999999999999999", "99999999999999M"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
    }
}
