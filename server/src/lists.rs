//! Lists, as one server makes them of what it has, and as they are put together of what several
//! answered. Who asks is a client here (see [`crate::commands`]) or another server (see
//! [`crate::cluster::answering`]).

use crate::clock::Stamp;
use crate::cluster::questions::Since;
use crate::hub::{Batch, Client, Hub};
use hubbub_shared::encoding::json;
use hubbub_shared::limits::MAX_LIST_ROWS;
use hubbub_shared::names::{is_hubs_own, Pattern};
use hubbub_shared::reply::{
    ChannelInfo, ChannelsReply, ClientInfo, ClientsReply, HistoryReply, MessageInfo, ServiceInfo,
    ServicesReply,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Work of looking at one thing, in the batch's measure.
pub const LOOK: usize = 64;

/// Work of looking at one service, in the batch's measure: quantiles are walks through histograms.
const LOOK_AT_SERVICE: usize = 1 << 10;

/// The rows of a list, until there are too many of them for a reply: in number, or in bytes, which
/// must leave room in the queue of a client that reads all it is sent.
struct Rows<T> {
    rows: Vec<T>,
    most: usize,
    bytes: usize,
    max_bytes: usize,
    truncated: bool,
}

impl<T> Rows<T> {
    fn new(hub: &Hub, most: usize) -> Self {
        Rows { rows: Vec::new(), most, bytes: 0, max_bytes: hub.limits.max_queue / 4, truncated: false }
    }

    /// Adds one; whether there is room for another.
    fn push(&mut self, row: T, bytes: usize) -> bool {
        if self.rows.len() >= self.most || self.bytes + bytes > self.max_bytes {
            self.truncated = true;
            return false;
        }
        self.bytes += bytes;
        self.rows.push(row);
        true
    }
}

/// Clients of this server.
pub fn clients(
    hub: &Hub,
    state: &str,
    matching: Option<&str>,
    limit: usize,
    batch: &mut Batch,
) -> ClientsReply {
    let wanted = |name: &str| matching.is_none_or(|pattern| glob(pattern, name));
    let mut rows = Rows::new(hub, limit.min(MAX_LIST_ROWS));
    if state != "closed" {
        let open = hub.clients.all();
        push_clients(&mut rows, open.iter().filter(|c| wanted(c.name().as_str())), hub, batch);
    }
    if state != "open" {
        hub.clients.closed(|info| !wanted(&info.name) || rows.push(info.clone(), row_bytes(info)));
    }
    batch.worked(LOOK * hub.clients.count() + rows.bytes);
    ClientsReply { clients: rows.rows, truncated: rows.truncated, missing: Vec::new() }
}

/// Clients of this server that receive a channel's messages; `None` where there is no such channel.
pub fn who(hub: &Hub, channel: &str, batch: &mut Batch) -> Option<ClientsReply> {
    let receivers = hub.channels.receivers(channel)?;
    let mut rows = Rows::new(hub, MAX_LIST_ROWS);
    push_clients(&mut rows, receivers.iter(), hub, batch);
    batch.worked(LOOK * receivers.len() + rows.bytes);
    Some(ClientsReply { clients: rows.rows, truncated: rows.truncated, missing: Vec::new() })
}

/// Adds clients to a list, while there is room.
fn push_clients<'a>(
    rows: &mut Rows<ClientInfo>,
    clients: impl Iterator<Item = &'a Arc<Client>>,
    hub: &Hub,
    batch: &Batch,
) {
    for client in clients {
        let info = client.info(hub.name(), batch.now);
        let bytes = row_bytes(&info);
        if !rows.push(info, bytes) {
            break;
        }
    }
}

/// About how long a row is in a reply.
pub fn row_bytes(info: &ClientInfo) -> usize {
    let channels: usize = info.channels.iter().map(|c| c.len() + 3).sum();
    400 + channels
        + 2 * info.welcome.as_deref().map_or(0, str::len)
        + info.client.as_deref().map_or(0, str::len)
}

/// Whether a pattern, in which `*` stands for any characters, covers a name; case does not count.
fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Channels of this server.
pub fn channels(hub: &Hub, pattern: Option<&Pattern>, batch: &mut Batch) -> ChannelsReply {
    let (channels, truncated) = hub.channels.list(MAX_LIST_ROWS, |name| match pattern {
        Some(pattern) => pattern.matches(name),
        None => !is_hubs_own(name),
    });
    let mut rows = Rows::new(hub, MAX_LIST_ROWS);
    let mut looked_at = hub.channels.count();
    for channel in &channels {
        let receivers = channel.receivers(&hub.channels.matcher).len();
        looked_at += receivers;
        let row = ChannelInfo {
            name: channel.name.to_string(),
            topic: channel.topic().map(|t| t.text).unwrap_or_default(),
            subscribers: receivers as u64,
            messages: channel.messages(),
            created_at: Stamp::of(channel.created_ms).to_string(),
        };
        let bytes = channel_bytes(&row);
        if !rows.push(row, bytes) {
            break;
        }
    }
    batch.worked(LOOK * looked_at + rows.bytes);
    let truncated = truncated || rows.truncated;
    ChannelsReply { channels: rows.rows, truncated, missing: Vec::new() }
}

/// What this server took and remembers of a channel; `None` where there is no such channel.
pub fn history(
    hub: &Hub,
    channel: &str,
    limit: usize,
    since: Since,
    batch: &mut Batch,
) -> Option<HistoryReply> {
    let channel = hub.channels.find(channel)?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    channel.past(|seq, record| {
        let wanted = match since {
            Since::Start => true,
            Since::AfterSeq(after) => seq > after,
            Since::Time(from) => record.at_ms >= from,
        };
        if !wanted {
            return;
        }
        let mut object = Vec::new();
        let at = Stamp::of(record.at_ms);
        bytes += record.bytes();
        json::push_remembered(&record.message(&channel.name, hub.origin(), seq, at.as_str()), &mut object);
        match serde_json::from_slice::<MessageInfo>(&object) {
            Ok(message) => messages.push(message),
            Err(e) => {
                log::error!(channel = &*channel.name, seq, error:% = e; "a remembered message cannot be read")
            }
        }
    });
    batch.worked(LOOK * messages.len() + bytes);
    messages.drain(..messages.len().saturating_sub(limit));
    Some(HistoryReply { messages, missing: Vec::new() })
}

/// What is offered on this server.
pub fn services(hub: &Hub, batch: &mut Batch) -> ServicesReply {
    let services = hub.services.list();
    batch.worked(LOOK_AT_SERVICE * services.len());
    ServicesReply { services, missing: Vec::new() }
}

/// Leaves out the rows at the end that are too many; whether there were any.
fn cut<T>(rows: &mut Vec<T>, limit: usize, max_bytes: usize, bytes: impl Fn(&T) -> usize) -> bool {
    let mut total = 0;
    let fits = rows.iter().take(limit).take_while(|row| {
        total += bytes(row);
        total <= max_bytes
    });
    let kept = fits.count();
    let is_cut = kept < rows.len();
    rows.truncate(kept);
    is_cut
}

/// About how long a channel is in a reply.
fn channel_bytes(channel: &ChannelInfo) -> usize {
    150 + channel.name.len() + 2 * channel.topic.len()
}

/// About how long a message is in a reply.
fn message_bytes(message: &MessageInfo) -> usize {
    let headers: usize =
        message.headers.iter().flatten().map(|(key, value)| 2 * (key.len() + value.len()) + 6).sum();
    250 + message.channel.len() + message.data.get().len() + headers
}

/// Lists that can be put together.
pub trait Merge {
    /// Adds what another server answered.
    fn merge(&mut self, other: Self);
    /// Puts the rows in order, and leaves out those beyond the limit: in number, and in bytes.
    fn finish(&mut self, limit: usize, max_bytes: usize, missing: Vec<String>);
}

impl Merge for ClientsReply {
    fn merge(&mut self, other: Self) {
        self.clients.extend(other.clients);
        self.truncated |= other.truncated;
    }

    /// Open ones first, the longest connected before others; then closed ones, the latest first.
    fn finish(&mut self, limit: usize, max_bytes: usize, missing: Vec<String>) {
        self.clients.sort_by(|a, b| match (&a.closed_at, &b.closed_at) {
            (None, None) => a.connected_at.cmp(&b.connected_at),
            (a, b) => a.is_some().cmp(&b.is_some()).then_with(|| b.cmp(a)),
        });
        self.truncated |= cut(&mut self.clients, limit, max_bytes, row_bytes);
        self.missing = missing;
    }
}

impl Merge for ChannelsReply {
    fn merge(&mut self, other: Self) {
        self.truncated |= other.truncated;
        let mut by_name: BTreeMap<String, ChannelInfo> =
            std::mem::take(&mut self.channels).into_iter().map(|c| (c.name.clone(), c)).collect();
        for channel in other.channels {
            let known = by_name.entry(channel.name.clone()).or_insert_with(|| ChannelInfo {
                subscribers: 0,
                messages: 0,
                ..channel.clone()
            });
            known.subscribers += channel.subscribers;
            known.messages += channel.messages;
            if known.topic.is_empty() {
                known.topic = channel.topic;
            }
            if channel.created_at < known.created_at {
                known.created_at = channel.created_at;
            }
        }
        self.channels = by_name.into_values().collect();
    }

    fn finish(&mut self, limit: usize, max_bytes: usize, missing: Vec<String>) {
        self.truncated |= cut(&mut self.channels, limit, max_bytes, channel_bytes);
        self.missing = missing;
    }
}

impl Merge for HistoryReply {
    fn merge(&mut self, other: Self) {
        self.messages.extend(other.messages);
    }

    /// By time; of one origin by its count, whatever its clock did.
    fn finish(&mut self, limit: usize, max_bytes: usize, missing: Vec<String>) {
        self.messages.sort_by(|a, b| (&b.at, &b.origin, b.seq).cmp(&(&a.at, &a.origin, a.seq)));
        cut(&mut self.messages, limit, max_bytes, message_bytes);
        self.messages.reverse();
        self.missing = missing;
    }
}

impl Merge for ServicesReply {
    /// Counts add up; of the times the longest stands for all.
    fn merge(&mut self, other: Self) {
        let mut by_name: BTreeMap<String, ServiceInfo> =
            std::mem::take(&mut self.services).into_iter().map(|s| (s.name.clone(), s)).collect();
        for service in other.services {
            match by_name.entry(service.name.clone()) {
                std::collections::btree_map::Entry::Vacant(vacant) => drop(vacant.insert(service)),
                std::collections::btree_map::Entry::Occupied(mut occupied) => {
                    let known = occupied.get_mut();
                    known.providers += service.providers;
                    known.requests += service.requests;
                    known.errors += service.errors;
                    known.p50_us = known.p50_us.max(service.p50_us);
                    known.p99_us = known.p99_us.max(service.p99_us);
                    if known.about.is_empty() {
                        known.about = service.about;
                    }
                }
            }
        }
        self.services = by_name.into_values().collect();
    }

    fn finish(&mut self, limit: usize, max_bytes: usize, missing: Vec<String>) {
        cut(&mut self.services, limit, max_bytes, |service| {
            150 + service.name.len() + 2 * service.about.len()
        });
        self.missing = missing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name) in
            [("bob", "BOB"), ("*", "x"), ("b*", "bob"), ("*b", "bob"), ("b*o*b", "boob"), ("**", "a")]
        {
            assert!(glob(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("bob", "bobby"), ("b*z", "bob"), ("a*a", "a"), ("", "x"), ("ab*ba", "aba")] {
            assert!(!glob(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_channel_of_several_servers_is_one_row() {
        let row = |name: &str, topic: &str, subscribers, created_at: &str| ChannelInfo {
            name: name.into(),
            topic: topic.into(),
            subscribers,
            messages: 2,
            created_at: created_at.into(),
        };
        let list = |channels| ChannelsReply { channels, truncated: false, missing: Vec::new() };
        let mut all = list(vec![row("ops", "", 1, "2026-02-01"), row("web", "w", 1, "2026-01-01")]);
        all.merge(list(vec![row("dev", "", 1, "2026-01-03"), row("ops", "builds", 3, "2026-01-02")]));
        all.finish(2, 10_000, vec!["gamma".into()]);
        let shown: Vec<_> = all
            .channels
            .iter()
            .map(|c| (&*c.name, &*c.topic, c.subscribers, c.messages, &*c.created_at))
            .collect();
        assert_eq!(shown, [("dev", "", 1, 2, "2026-01-03"), ("ops", "builds", 4, 4, "2026-01-02")]);
        assert!(all.truncated && all.missing == ["gamma"]);
    }
}
