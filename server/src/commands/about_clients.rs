//! Commands about clients: who one is, who others are, messages from one to another.

use super::{done, payload, short_text, Call, Outcome, Result, Rows};
use crate::clock::Stamp;
use crate::hub::{seconds, Client, SysEvent};
use hubbub_shared::command::Command;
use hubbub_shared::encoding::{Direct, Out};
use hubbub_shared::limits::{DEFAULT_LIST_ROWS, MAX_HEARTBEAT_S, MAX_LIST_ROWS};
use hubbub_shared::names::{is_hubs_own, quote, ClientName};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::{
    ClientInfo, ClientsReply, ConnectedReply, HelloReply, IpReply, MsgReply, NameReply, Reply, TextReply,
};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// Clients that are told of a rename, at the most: one command must not become a flood. A guess.
const MAX_TOLD: usize = 1_000;
/// Work of looking at one client, in the batch's measure.
const LOOK: usize = 64;

pub(super) fn hello(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let Call { hub, session, batch } = call;
    // Everything is checked before anything is done.
    let name = command.text("name")?.map(|n| ClientName::parse(&n)).transpose()?;
    let agent = command.text("client")?.map(|a| short_text(&a, "client")).transpose()?;
    let echo = command.flag("echo")?;
    // Which way a client wants to be moved to another server; on a single server there is none.
    command.flag("follow")?;
    let heartbeat = match command.number("heartbeat")? {
        None => session.heartbeat,
        Some(0) => None,
        Some(s @ 1..=MAX_HEARTBEAT_S) => Some(Duration::from_secs(s)),
        Some(_) => {
            let message = format!("heartbeat must be seconds from 1 to {MAX_HEARTBEAT_S}, or 0 for none");
            return Err(Refusal::bad_argument(message));
        }
    };
    if let Some(token) = command.text("token")? {
        super::about_server::show_token(hub, session, &token)?;
    }
    let mut call = Call { hub, session, batch };
    if let Some(name) = name {
        take_name(&mut call, name)?;
    }
    let Call { hub, session, .. } = call;
    if let Some(agent) = agent {
        session.client.set_agent(agent);
    }
    session.echo = echo.unwrap_or(session.echo);
    session.heartbeat = heartbeat;
    Ok(Outcome::Reply(Reply::Hello(Box::new(HelloReply {
        client_id: session.client.id.to_string(),
        name: session.name.to_string(),
        server: hub.name().to_owned(),
        origin: hub.origin().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        limits: hub.limits.clone(),
        servers: hub.servers.client_addrs(),
    }))))
}

pub(super) fn name(mut call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    if let Some(name) = command.text("name")? {
        let name = ClientName::parse(&name)?;
        take_name(&mut call, name)?;
    }
    Ok(Outcome::Reply(Reply::Name(NameReply { name: call.session.name.to_string() })))
}

fn take_name(call: &mut Call<'_>, name: ClientName) -> Result<()> {
    let Call { hub, session, batch } = call;
    if name == session.name {
        return Ok(());
    }
    hub.clients.rename(&session.client, name.clone())?;
    let old = std::mem::replace(&mut session.name, name);
    let mut told: Vec<Arc<Client>> = Vec::new();
    for subscription in session.client.subscriptions() {
        if told.len() >= MAX_TOLD || is_hubs_own(subscription.pattern.as_str()) {
            continue;
        }
        if let Some(channel) = subscription.pattern.to_channel().and_then(|c| hub.channels.find(c.as_str())) {
            told.extend(channel.receivers(&hub.channels.matcher));
        }
    }
    told.sort_unstable_by_key(|c| c.key);
    told.dedup_by_key(|c| c.key);
    let notice = format!("{old} is now {}", session.name);
    for client in told.iter().filter(|c| c.key != session.client.key).take(MAX_TOLD) {
        hub.tell(client, &Out::Notice("rename", &notice), 0, batch);
    }
    let named = SysEvent::ClientNamed {
        client_id: session.client.id,
        old: old.as_str(),
        name: session.name.as_str(),
    };
    hub.announce(&named, batch);
    Ok(())
}

pub(super) fn whoami(call: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    let info = call.session.client.info(call.hub.name(), call.batch.now);
    call.batch.worked(row_bytes(&info));
    Ok(Outcome::Reply(Reply::Whoami(Box::new(info))))
}

pub(super) fn ip(call: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    Ok(Outcome::Reply(Reply::Ip(IpReply { ip: call.session.client.addr.ip().to_string() })))
}

pub(super) fn connected(call: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    let since = call.session.client.connected;
    Ok(Outcome::Reply(Reply::Connected(ConnectedReply {
        connected_at: Stamp::of(since.unix_ms).to_string(),
        duration_s: seconds(call.batch.now.instant.saturating_duration_since(since.instant)),
    })))
}

/// The client of a name, which may be written with this server's name: `bob@alpha`.
fn find(call: &Call<'_>, name: &str) -> Result<Arc<Client>> {
    let (bare, server) = match name.split_once('@') {
        Some((bare, server)) => (bare, Some(server)),
        None => (name, None),
    };
    if let Some(server) = server.filter(|s| !s.eq_ignore_ascii_case(call.hub.name())) {
        let message = format!("there is no server {} here; servers lists those there are", quote(server));
        return Err(Refusal::new(Code::NoSuchClient, message));
    }
    ClientName::parse(bare)?;
    call.hub.clients.find(bare).ok_or_else(|| {
        Refusal::new(Code::NoSuchClient, format!("nobody called {bare} is connected; clients lists who is"))
    })
}

pub(super) fn whois(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let client = find(&call, &command.required("name")?)?;
    let info = client.info(call.hub.name(), call.batch.now);
    call.batch.worked(row_bytes(&info));
    Ok(Outcome::Reply(Reply::Whoami(Box::new(info))))
}

pub(super) fn clients(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let state = command.choice("state", &["open", "closed", "all"])?.unwrap_or("open");
    command.choice("scope", &["server", "cluster"])?;
    let pattern = command.text("match")?;
    let limit = command.number("limit")?.map_or(DEFAULT_LIST_ROWS, |n| n.min(MAX_LIST_ROWS as u64) as usize);
    let wanted = |name: &str| pattern.as_deref().is_none_or(|p| glob(p, name));
    let mut rows = Rows::new(call.hub, limit);
    if state != "closed" {
        let open = call.hub.clients.all();
        push_clients(&mut rows, open.iter().filter(|c| wanted(c.name().as_str())), &call);
    }
    if state != "open" {
        call.hub.clients.closed(|info| !wanted(&info.name) || rows.push(info.clone(), row_bytes(info)));
    }
    call.batch.worked(LOOK * call.hub.clients.count() + rows.bytes);
    Ok(Outcome::Reply(Reply::Clients(ClientsReply {
        clients: rows.rows,
        truncated: rows.truncated,
        missing: Vec::new(),
    })))
}

/// Adds clients to a list, while there is room.
pub(super) fn push_clients<'a>(
    rows: &mut Rows<ClientInfo>,
    clients: impl Iterator<Item = &'a Arc<Client>>,
    call: &Call<'_>,
) {
    for client in clients {
        let info = client.info(call.hub.name(), call.batch.now);
        let bytes = row_bytes(&info);
        if !rows.push(info, bytes) {
            break;
        }
    }
}

/// About how long a row is in a reply.
fn row_bytes(info: &ClientInfo) -> usize {
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

pub(super) fn msg(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let to = find(&call, &command.required("to")?)?;
    let payload = payload(command, "data").ok_or_else(|| command.missing("data"))?;
    let Call { hub, session, batch } = call;
    let stamp = batch.stamp;
    let direct = Direct { from: session.name.as_str(), origin: hub.origin(), at: stamp.as_str(), payload };
    if !hub.tell(&to, &Out::Direct(direct), 1, batch) {
        let message = format!("{} is about to be gone: it does not read what it is sent", to.name());
        return Err(Refusal::new(Code::NoSuchClient, message));
    }
    session.client.messages_in.fetch_add(1, Ordering::Relaxed);
    hub.counters.messages_in.add(1);
    hub.counters.messages_out.add(1);
    if let Some(welcome) = to.welcome().filter(|_| session.client.meets(to.key)) {
        let notice = format!("{}: {welcome}", to.name());
        hub.tell(&session.client, &Out::Notice("welcome", &notice), 0, batch);
    }
    let reply = MsgReply { delivered_to: vec![to.id.to_string()], to: to.name().to_string() };
    Ok(Outcome::Reply(Reply::Msg(reply)))
}

pub(super) fn welcome(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let scope = command.choice("scope", &["me", "server"])?.unwrap_or("me");
    let text = command.text("text")?.map(|t| short_text(&t, "a welcome")).transpose()?;
    let Call { hub, session, .. } = call;
    let text = match (scope, text) {
        ("me", None) => session.client.welcome().unwrap_or_default(),
        ("me", Some(text)) => {
            session.client.set_welcome(&text);
            text
        }
        (_, None) => hub.welcome.lock().clone(),
        (_, Some(_)) if !session.operator => {
            let message = "only operators set the server's welcome; say operator TOKEN first";
            return Err(Refusal::new(Code::NotAllowed, message));
        }
        (_, Some(text)) => {
            hub.welcome.lock().clone_from(&text);
            text
        }
    };
    if text.is_empty() && command.id.is_none() {
        return done("no welcome is set");
    }
    Ok(Outcome::Reply(Reply::Text(TextReply { text })))
}

#[cfg(test)]
mod tests {
    use super::glob;

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
}
