//! `hubbub ping`: how long a command takes to the hub and back.

use crate::cli::{duration, some_number, Globals};
use crate::connect::Lost;
use crate::exit::Failure;
use crate::output::Output;
use async_io::Timer;
use clap::Args;
use hubbub_client::reply::PongReply;
use hubbub_shared::encoding::escape::shown;
use serde_json::json;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Measure round trips
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub ping
  hubbub ping --count 1 --timeout 1s && echo alive
  hubbub ping --json --count 100 --interval 0 | jq .rtt_us")]
pub struct PingArgs {
    /// How many round trips
    #[arg(long, short = 'c', value_name = "N", default_value = "4", value_parser = some_number::<NonZeroU64>)]
    count: NonZeroU64,
    /// Wait so long between them
    #[arg(long, short = 'i', value_name = "DURATION", default_value = "250ms", value_parser = duration)]
    interval: Duration,
}

/// `hubbub ping`
pub async fn run(globals: &Globals, args: PingArgs) -> Result<(), Failure> {
    let client = globals.connect(Lost::End).await?;
    let server = client.server();
    let mut out = Output::new();
    let mut times = Vec::new();
    for n in 1..=args.count.get() {
        let before = Instant::now();
        let pong: PongReply = client.command("ping", ()).await?;
        let time = before.elapsed();
        // A person watches: each line is handed on at once.
        if globals.json {
            let line = json!({ "n": n, "server": server.server, "rtt_us": time.as_micros() as u64,
                "server_time": pong.server_time });
            out.text(&format!("{line}\n"))?;
        } else {
            out.text(&format!("pong from {}: {}\n", shown(&server.server), short(time)))?;
        }
        out.flush()?;
        times.push(time);
        if n < args.count.get() {
            Timer::after(args.interval).await;
        }
    }
    if !globals.json && times.len() > 1 {
        out.text(&out.style.dim(&summary(times)))?;
        out.text("\n")?;
        out.flush()?;
    }
    let _ = client.close().await;
    Ok(())
}

/// Sums up several round trips.
pub fn summary(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (least, most) = (times[0], times[times.len() - 1]);
    // Of an even number there is no middle one: it is half way between the two.
    let (below, above) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
    let median = below + (above - below) / 2;
    format!(
        "{} round trips: least {}, median {}, most {}",
        times.len(),
        short(least),
        short(median),
        short(most)
    )
}

/// A length of time in the unit that suits it.
pub fn short(time: Duration) -> String {
    match time.as_micros() {
        us @ 0..=999 => format!("{us} µs"),
        us @ 1_000..=99_999 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{} ms", us / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_summed_up() {
        assert_eq!(short(Duration::from_micros(95)), "95 µs");
        assert_eq!(short(Duration::from_micros(1540)), "1.5 ms");
        assert_eq!(short(Duration::from_secs(2)), "2000 ms");
        let times = [3, 1, 2].map(Duration::from_micros).to_vec();
        assert_eq!(summary(times), "3 round trips: least 1 µs, median 2 µs, most 3 µs");
        let times = [8, 2, 1, 4].map(Duration::from_micros).to_vec();
        assert_eq!(summary(times), "4 round trips: least 1 µs, median 3 µs, most 8 µs");
    }
}
