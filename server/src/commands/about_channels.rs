//! Commands about channels: what there is, who listens, what was said.

use super::about_clients::clients_of;
use super::{ask_all, done, short_text, when_known, Call, Outcome, Result};
use crate::clock::Stamp;
use crate::cluster::questions::{Answer, Question, Since};
use crate::hub::{is_servers_own, Channel, Hub, Topic};
use crate::lists::{self, LOOK};
use hubbub_shared::command::Command;
use hubbub_shared::limits::{MAX_LIST_ROWS, MAX_NAME_BYTES};
use hubbub_shared::names::{channel_str, is_hubs_own, is_inbox, quote, ClientName, Pattern};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::{Reply, SubscribedReply, TopicReply};
use std::borrow::Cow;
use std::sync::Arc;

pub(super) fn channels(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let matching = command.text("match")?.map(|p| p.into_owned());
    let pattern = matching.as_deref().map(Pattern::parse).transpose()?;
    let here = lists::channels(call.hub, pattern.as_ref(), call.batch);
    let read = |answer| match answer {
        Answer::Channels(list) => Some(list),
        _ => None,
    };
    let question = || Question::Channels { matching };
    ask_all(call, command, question, here, MAX_LIST_ROWS, read, |list| Ok(Reply::Channels(list)))
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

pub(super) fn create(mut call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let name = command.required("channel")?;
    let name = own_channel(&name, "create")?;
    let topic = command.text("topic")?.map(|t| short_text(&t, "a topic")).transpose()?;
    let is_new = keep(&mut call, name, topic)?;
    done(format!("{} {name}", if is_new { "created" } else { "kept" }))
}

fn keep(call: &mut Call<'_>, name: &str, text: Option<String>) -> Result<bool> {
    let Call { hub, session, batch } = call;
    // Later than what it replaces, also where that was set by the clock of a server that is ahead.
    let known = hub.channels.find(name).and_then(|channel| channel.kept()).flatten();
    let at_ms = batch.now.unix_ms.max(known.map_or(0, |topic| topic.at_ms.saturating_add(1)));
    let topic = text.map(|text| Topic { text, by: session.name.to_string(), at_ms });
    let changed = hub.channels.keep(name, topic.as_ref(), batch.now)?;
    if changed {
        hub.servers.peers.topic_set(name, topic.map(Into::into).unwrap_or_default(), batch);
    }
    Ok(changed)
}

fn existing(hub: &Hub, name: &str) -> Result<Arc<Channel>> {
    let name = channel_str(name)?;
    hub.channels.find(name).ok_or_else(|| no_such_channel(name))
}

fn no_such_channel(name: &str) -> Refusal {
    Refusal::new(Code::NoSuchChannel, format!("there is no channel {name}; subscribe or create makes one"))
}

pub(super) fn topic(mut call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let name = command.required("channel")?;
    let text = command.text("topic")?.map(|t| short_text(&t, "a topic")).transpose()?;
    let channel = existing(call.hub, &name)?;
    if text.is_some() {
        own_channel(&name, "describe")?;
        keep(&mut call, &channel.name, text)?;
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
    let reply = Reply::Subscribed(SubscribedReply { channels, said: "subscribed to" });
    when_known(Call { hub, session, batch }, command, reply)
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
    let name = command.required("channel")?;
    let channel = channel_str(&name)?.to_owned();
    let here = lists::who(call.hub, &channel, call.batch);
    if here.is_none() && !call.hub.servers.peers.any() {
        return Err(no_such_channel(&channel));
    }
    let here = here.unwrap_or_default();
    let question = || Question::Who { channel };
    ask_all(call, command, question, here, MAX_LIST_ROWS, clients_of, |list| Ok(Reply::Clients(list)))
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
    let channel = channel_str(&name)?.to_owned();
    let here = lists::history(hub, &channel, limit, since, call.batch);
    // What the hub tells of itself is told, and remembered, by each server.
    if is_servers_own(&channel) || (here.is_none() && !hub.servers.peers.any()) {
        return here
            .map(|list| Outcome::Reply(Reply::History(list)))
            .ok_or_else(|| no_such_channel(&channel));
    }
    let read = |answer| match answer {
        Answer::History(list) => Some(list),
        _ => None,
    };
    let here = here.unwrap_or_default();
    let question = || Question::History { channel, limit, since };
    ask_all(call, command, question, here, limit, read, |list| Ok(Reply::History(list)))
}
