//! Where a hub can be reached: which of the addresses that hubs tell are of use, which are remembered,
//! and in what order all known ones are tried. Pure; [`crate::keeper`] and the session call it.

use std::net::{IpAddr, SocketAddr};

/// Addresses taken from one answer to `hello`, or from one `try`; over it the rest is passed over. The
/// clusters that hubs are made for are smaller by far.
pub(crate) const MAX_TOLD: usize = 64;
/// As long as fewer are known, addresses of earlier answers are kept beside those of the newest: a hub
/// that has just started may know no other yet. A guess; should none of them answer any more, a round
/// over so many takes no longer than two seconds.
const ENOUGH: usize = 8;
/// Bytes of an address: the longest host name (253), a colon and a port.
const MAX_BYTES: usize = 259;

/// Whether it is written as `HOST:PORT`.
pub(crate) fn has_port(addr: &str) -> bool {
    addr.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Whether an address that a hub told can lead to a hub. One that only says "on every interface" leads
/// to the machine of whoever asks.
fn leads_somewhere(addr: &str) -> bool {
    if addr.len() > MAX_BYTES || !has_port(addr) {
        return false;
    }
    match addr.parse::<SocketAddr>() {
        Ok(parsed) => parsed.port() != 0 && !is_wildcard(parsed.ip()),
        Err(_) => !addr.starts_with(':') && !addr.ends_with(":0"),
    }
}

fn is_wildcard(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_unspecified()),
    }
}

/// Those of the addresses that a hub told which are of use, each once, in the hub's order.
pub(crate) fn of_use(told: &[String]) -> Vec<String> {
    let mut addresses = Vec::new();
    push_all(
        &mut addresses,
        told.iter().map(String::as_str).filter(|addr| leads_somewhere(addr)).take(MAX_TOLD),
    );
    addresses
}

/// What the answers to `hello` have told.
#[derive(Debug, Default)]
pub(crate) struct Known {
    newest: Vec<String>,
    /// Of earlier answers, and not in the newest.
    older: Vec<String>,
}

impl Known {
    /// Remembers what the newest answer tells. One that tells nothing changes nothing.
    pub(crate) fn remember(&mut self, told: &[String]) {
        let told = of_use(told);
        if told.is_empty() {
            return;
        }
        let before = std::mem::replace(&mut self.newest, told);
        let mut older = Vec::new();
        push_all(&mut older, before.iter().chain(&self.older).map(String::as_str));
        older.retain(|addr| !self.newest.contains(addr));
        older.truncate(ENOUGH.saturating_sub(self.newest.len()));
        self.older = older;
    }

    /// The order of trying after a loss: where the hub sent us, where we were (most losses are short),
    /// what the user named, and then the rest of the cluster. The rest begins anywhere, by `chance` from
    /// 0 to 1, so that a thousand clients of a hub that died do not all ask the same one.
    pub(crate) fn in_order(
        &self,
        elsewhere: &[String],
        lost: &str,
        configured: &[String],
        chance: f64,
    ) -> Vec<String> {
        let mut addresses = of_use(elsewhere);
        push_all(&mut addresses, [lost].into_iter().chain(configured.iter().map(String::as_str)));
        let mut rest: Vec<&str> = self.newest.iter().map(String::as_str).collect();
        rest.retain(|addr| !addresses.iter().any(|known| known == addr));
        // Truncation is meant: the chance of each is the same.
        let turn = (chance.clamp(0.0, 1.0) * rest.len() as f64) as usize;
        rest.rotate_left(turn);
        push_all(&mut addresses, rest.into_iter().chain(self.older.iter().map(String::as_str)));
        addresses
    }
}

fn push_all<'a>(addresses: &mut Vec<String>, more: impl Iterator<Item = &'a str>) {
    for addr in more {
        if !addresses.iter().any(|known| known == addr) {
            addresses.push(addr.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_address_that_leads_nowhere_is_passed_over() {
        let told =
            list("0.0.0.0:7411 [::]:7411 [::ffff:0.0.0.0]:1 b:1 b :1 b:0 10.0.0.1:0 b:1 [::1]:7411 b:99999");
        assert_eq!(of_use(&told), ["b:1", "[::1]:7411"]);
        assert!(of_use(&[format!("{}:1", "x".repeat(300))]).is_empty());
    }

    #[test]
    fn what_a_hub_tells_is_bounded() {
        let many: Vec<String> = (0..1000).map(|n| format!("h{n}:1")).collect();
        assert_eq!(of_use(&many).len(), MAX_TOLD);
        let mut known = Known::default();
        known.remember(&many);
        known.remember(&many[500..]);
        assert_eq!((known.newest.len(), known.older.len()), (MAX_TOLD, 0));
    }

    #[test]
    fn the_newest_answer_counts_and_few_are_filled_up_with_earlier_ones() {
        let mut known = Known::default();
        known.remember(&list("a:1 b:1 c:1"));
        known.remember(&[]);
        assert_eq!(known.in_order(&[], "a:1", &[], 0.0), ["a:1", "b:1", "c:1"]);
        known.remember(&list("a:1"));
        assert_eq!(
            known.in_order(&[], "a:1", &[], 0.0),
            ["a:1", "b:1", "c:1"],
            "a hub that has just started"
        );
        known.remember(&list("1:1 2:1 3:1 4:1 5:1 6:1 c:1"));
        assert_eq!(known.older, ["a:1"], "enough are known");
    }

    #[test]
    fn first_where_the_hub_sent_us_then_where_we_were_then_what_was_named_then_the_rest() {
        let mut known = Known::default();
        known.remember(&list("a:1 b:1 c:1 d:1"));
        let order =
            |chance| known.in_order(&list("c:1 0.0.0.0:1"), "a:1", &list("x:1 a:1"), chance).join(" ");
        assert_eq!(order(0.0), "c:1 a:1 x:1 b:1 d:1");
        assert_eq!(order(0.5), "c:1 a:1 x:1 d:1 b:1");
        assert_eq!(order(1.0), "c:1 a:1 x:1 b:1 d:1");
    }
}
