//! Two servers that behave as one: waiting until they do. Called by the works after their clients have
//! connected, before anything is measured.

use super::{Bench, PATIENCE};
use anyhow::{ensure, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a message tries to cross. A guess, far below the seconds that a link may take.
const EVERY: Duration = Duration::from_millis(5);

/// The channels that are tried, one for each direction.
const CHANNELS: [&str; 2] = ["probe-there", "probe-back"];

impl Bench<'_> {
    /// With two servers: waits until a message has crossed to a subscriber who came last, so that what
    /// those before are subscribed to is known too; servers tell it in order. `both` ways, or only to
    /// where subscribers are.
    pub fn meet(&mut self, both: bool) -> Result<()> {
        if !self.field.is_pair() {
            return Ok(());
        }
        let (here, there) = (self.here(), self.there());
        self.cross(CHANNELS[0], here, there)?;
        if both {
            self.cross(CHANNELS[1], there, here)?;
        }
        Ok(())
    }

    fn cross(&mut self, channel: &str, from: SocketAddr, to: SocketAddr) -> Result<()> {
        let dialect = self.dialect;
        let receiver = self.net.conns.len();
        self.connect(to, 1, 1, super::subscriber, |_, out| dialect.subscribe(&[channel.to_owned()], out))?;
        self.connect(from, 1, 1, |_| "p999".into(), |_, _| {})?;
        let mut probe = Vec::new();
        dialect.publish(channel, b"across", &mut probe);
        let start = Instant::now();
        let mut crossed = false;
        while !crossed {
            ensure!(start.elapsed() < PATIENCE, "the servers have not met after {} s", PATIENCE.as_secs());
            self.net.conns[receiver + 1].post(&probe)?;
            std::thread::sleep(EVERY);
            self.net.wait(Some(Duration::ZERO))?;
            self.net.take(&mut self.buffer, |index, conn, new| {
                super::units(dialect, conn, new, |_, unit| {
                    crossed |= index == receiver && dialect.payload(unit).is_some();
                    Ok(())
                })
            })?;
        }
        self.net.hang_up(receiver)?;
        self.net.hang_up(receiver + 1)?;
        Ok(())
    }
}
