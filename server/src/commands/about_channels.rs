//! Commands about channels: what there is, who listens, what was said.

use super::about_clients::push_clients;
use super::{done, short_text, Call, Outcome, Result, Rows};
use crate::clock::Stamp;
use crate::hub::{Channel, Hub, Topic};
use hubbub_shared::command::Command;
use hubbub_shared::encoding::json;
use hubbub_shared::limits::{MAX_LIST_ROWS, MAX_NAME_BYTES};
use hubbub_shared::names::{channel_str, is_hubs_own, is_inbox, quote, ClientName, Pattern};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::{
    ChannelInfo, ChannelsReply, ClientsReply, HistoryReply, MessageInfo, Reply, SubscribedReply, TopicReply,
};
use std::borrow::Cow;
use std::sync::Arc;

/// Work of looking at one channel, in the batch's measure.
const LOOK: usize = 64;

pub(super) fn channels(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let pattern = command.text("match")?.map(|p| Pattern::parse(&p)).transpose()?;
    let (channels, truncated) = call.hub.channels.list(MAX_LIST_ROWS, |name| match &pattern {
        Some(pattern) => pattern.matches(name),
        None => !is_hubs_own(name),
    });
    let mut rows = Rows::new(call.hub, MAX_LIST_ROWS);
    let mut looked_at = call.hub.channels.count();
    for channel in &channels {
        let receivers = channel.receivers(&call.hub.channels.matcher).len();
        looked_at += receivers;
        let row = ChannelInfo {
            name: channel.name.to_string(),
            topic: channel.topic().map(|t| t.text).unwrap_or_default(),
            subscribers: receivers as u64,
            messages: channel.messages(),
            created_at: Stamp::of(channel.created_ms).to_string(),
        };
        let bytes = 150 + row.name.len() + 2 * row.topic.len();
        if !rows.push(row, bytes) {
            break;
        }
    }
    call.batch.worked(LOOK * looked_at + rows.bytes);
    let truncated = truncated || rows.truncated;
    Ok(Outcome::Reply(Reply::Channels(ChannelsReply { channels: rows.rows, truncated, missing: Vec::new() })))
}

/// The channel's name, if clients may shape it.
fn own_channel<'a>(name: &'a str, what: &str) -> Result<&'a str> {
    let name = channel_str(name)?;
    if is_hubs_own(name) {
        let message = format!("channels that start with $ belong to the hub; you cannot {what} them");
        return Err(Refusal::new(Code::NotAllowed, message));
    }
    Ok(name)
}

pub(super) fn create(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let name = command.required("channel")?;
    let name = own_channel(&name, "create")?;
    let topic = command.text("topic")?.map(|t| short_text(&t, "a topic")).transpose()?;
    let is_new = keep(&call, name, topic)?;
    done(format!("{} {name}", if is_new { "created" } else { "kept" }))
}

fn keep(call: &Call<'_>, name: &str, text: Option<String>) -> Result<bool> {
    let Call { hub, session, batch } = call;
    let topic = text.map(|text| Topic { text, by: session.name.to_string(), at_ms: batch.now.unix_ms });
    hub.channels.keep(name, topic.as_ref(), batch.now)
}

fn existing(hub: &Hub, name: &str) -> Result<Arc<Channel>> {
    let name = channel_str(name)?;
    hub.channels.find(name).ok_or_else(|| {
        Refusal::new(
            Code::NoSuchChannel,
            format!("there is no channel {name}; subscribe or create makes one"),
        )
    })
}

pub(super) fn topic(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let name = command.required("channel")?;
    let text = command.text("topic")?.map(|t| short_text(&t, "a topic")).transpose()?;
    let channel = existing(call.hub, &name)?;
    if text.is_some() {
        own_channel(&name, "describe")?;
        keep(&call, &channel.name, text)?;
    }
    let topic = existing(call.hub, &name)?.topic();
    Ok(Outcome::Reply(Reply::Topic(TopicReply {
        channel: channel.name.to_string(),
        set_by: topic.as_ref().map(|t| t.by.clone()),
        set_at: topic.as_ref().map(|t| Stamp::of(t.at_ms).to_string()),
        topic: topic.map(|t| t.text).unwrap_or_default(),
    })))
}

/// The patterns of a `subscribe` or `unsubscribe`, which JSON may write as one or as many.
fn patterns(command: &Command<'_>, max: usize) -> Result<Vec<Pattern>> {
    let mut words: Vec<Cow<'_, str>> = command.words("channels")?;
    words.extend(command.words("channel")?);
    if words.is_empty() {
        return Err(command.missing("channel"));
    }
    if words.len() > max {
        let message = format!("one command names {max} channels at the most");
        return Err(Refusal::new(Code::TooMany, message));
    }
    words.iter().map(|word| Pattern::parse(word)).collect()
}

fn may_subscribe(pattern: &Pattern, client_id: &str) -> Result<()> {
    let Some(own) = pattern.as_str().strip_prefix('$') else { return Ok(()) };
    let mut tokens = own.split('.');
    let refused = match tokens.next() {
        Some("sys") => return Ok(()),
        Some("inbox") if tokens.next() == Some(client_id) && tokens.next().is_some() => return Ok(()),
        Some("inbox") => format!("a client may subscribe to its own inbox alone: $inbox.{client_id}.>"),
        _ => "of the hub's own channels there are $sys and $inbox".to_owned(),
    };
    Err(Refusal::new(Code::NotAllowed, refused))
}

pub(super) fn subscribe(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let Call { hub, session, batch } = call;
    let patterns = patterns(command, hub.limits.max_subscriptions)?;
    let group: Option<Arc<str>> = match command.text("group")? {
        Some(group) => Some(group_name(&group)?),
        None => None,
    };
    let id = session.client.id.to_string();
    patterns.iter().try_for_each(|pattern| may_subscribe(pattern, &id))?;
    // All or nothing: where one is refused for a limit, those before it are taken back, unless
    // they stood before: then they are as they were.
    let before = session.client.subscriptions();
    batch.worked(patterns.len() * (LOOK + before.len()));
    for (n, pattern) in patterns.iter().enumerate() {
        let max = hub.limits.max_subscriptions;
        let entered = hub.channels.subscribe(&session.client, pattern.clone(), group.clone(), max, batch.now);
        if let Err(refusal) = entered {
            for pattern in &patterns[..n] {
                match before.iter().find(|s| s.pattern == *pattern) {
                    Some(old) => {
                        let (pattern, group) = (pattern.clone(), old.group.clone());
                        let _ = hub.channels.subscribe(&session.client, pattern, group, max, batch.now);
                    }
                    None => drop(hub.channels.unsubscribe(&session.client, pattern)),
                }
            }
            return Err(refusal);
        }
    }
    let channels = patterns.iter().map(Pattern::to_string).collect();
    Ok(Outcome::Reply(Reply::Subscribed(SubscribedReply { channels, said: "subscribed to" })))
}

fn group_name(text: &str) -> Result<Arc<str>> {
    ClientName::parse(text).map(|name| name.shared()).map_err(|_| {
        let message = format!(
            "the group {} must be named like a client: up to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ - .",
            quote(text)
        );
        Refusal::new(Code::BadName, message)
    })
}

pub(super) fn unsubscribe(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let patterns = patterns(command, call.hub.limits.max_subscriptions)?;
    let before = call.session.client.subscriptions();
    call.batch.worked(patterns.len() * (LOOK + before.len()));
    if let Some(pattern) = patterns.iter().find(|p| !before.iter().any(|s| s.pattern == **p)) {
        let message = format!("you are not subscribed to {pattern}; whoami lists what you are subscribed to");
        return Err(Refusal::new(Code::NotSubscribed, message));
    }
    for pattern in &patterns {
        call.hub.channels.unsubscribe(&call.session.client, pattern);
    }
    let channels = patterns.iter().map(Pattern::to_string).collect();
    Ok(Outcome::Reply(Reply::Subscribed(SubscribedReply { channels, said: "unsubscribed from" })))
}

pub(super) fn who(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let channel = existing(call.hub, &command.required("channel")?)?;
    let receivers = channel.receivers(&call.hub.channels.matcher);
    let mut rows = Rows::new(call.hub, MAX_LIST_ROWS);
    push_clients(&mut rows, receivers.iter(), &call);
    call.batch.worked(LOOK * receivers.len() + rows.bytes);
    Ok(Outcome::Reply(Reply::Clients(ClientsReply {
        clients: rows.rows,
        truncated: rows.truncated,
        missing: Vec::new(),
    })))
}

/// From which message on history is wanted.
enum Since {
    Start,
    AfterSeq(u64),
    Time(i64),
}

fn since(command: &Command<'_>, now_ms: i64) -> Result<Since> {
    let Ok(text) = command.text("since") else {
        return Ok(command.number("since")?.map_or(Since::Start, Since::AfterSeq));
    };
    let Some(text) = text else { return Ok(Since::Start) };
    if let Ok(seq) = text.parse() {
        return Ok(Since::AfterSeq(seq));
    }
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(&text) {
        return Ok(Since::Time(time.timestamp_millis()));
    }
    if let Ok(ago) = humantime::parse_duration(&text) {
        return Ok(Since::Time(now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))));
    }
    let wanted =
        "since must be a seq (messages after it), a time such as 2026-05-01T09:30:00Z, or an age such as 10m";
    Err(Refusal::bad_argument(format!("{wanted}, not {}", quote(&text))))
}

pub(super) fn history(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let hub = call.hub;
    let limit = command.number("limit")?.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
    let since = since(command, call.batch.now.unix_ms)?;
    let name = command.required("channel")?;
    if is_inbox(&name) {
        return Err(Refusal::new(Code::NotAllowed, "inboxes have no history"));
    }
    let channel = existing(hub, &name)?;
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
    call.batch.worked(LOOK * messages.len() + bytes);
    messages.drain(..messages.len().saturating_sub(limit));
    Ok(Outcome::Reply(Reply::History(HistoryReply { messages, missing: Vec::new() })))
}
