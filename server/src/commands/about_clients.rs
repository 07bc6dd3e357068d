//! Commands about clients: who one is, who others are, messages from one to another.

use super::{ask, ask_all, done, payload, short_text, Call, Outcome, Result};
use crate::clock::Stamp;
use crate::cluster::questions::{Answer, Asked, Question};
use crate::hub::{seconds, Client, SysEvent};
use crate::lists::{self, row_bytes};
use hubbub_shared::command::Command;
use hubbub_shared::encoding::{Direct, Out, Payload};
use hubbub_shared::limits::{DEFAULT_LIST_ROWS, MAX_HEARTBEAT_S, MAX_LIST_ROWS};
use hubbub_shared::names::{is_hubs_own, quote, ClientName};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::{
    ClientsReply, ConnectedReply, HelloReply, IpReply, MsgReply, NameReply, Reply, TextReply,
};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// Clients that are told of a rename, at the most: one command must not become a flood. A guess.
const MAX_TOLD: usize = 1_000;

pub(super) fn hello(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let Call { hub, session, batch } = call;
    // Everything is checked before anything is done.
    let name = command.text("name")?.map(|n| ClientName::parse(&n)).transpose()?;
    let agent = command.text("client")?.map(|a| short_text(&a, "client")).transpose()?;
    let echo = command.flag("echo")?;
    let follows = command.flag("follow")?.unwrap_or(false);
    let heartbeat = match command.number("heartbeat")? {
        None => session.heartbeat,
        Some(0) => None,
        Some(s @ 1..=MAX_HEARTBEAT_S) => Some(Duration::from_secs(s)),
        Some(_) => {
            let message = format!("heartbeat must be seconds from 1 to {MAX_HEARTBEAT_S}, or 0 for none");
            return Err(Refusal::bad_argument(message));
        }
    };
    let is_first = !std::mem::replace(&mut session.said_hello, true);
    if let Some(to) = (follows && is_first).then(|| hub.servers.place(hub.clients.count())).flatten() {
        let message =
            format!("{} has more than its share of the clients; go on at {}", hub.name(), to.join(" or "));
        return Ok(Outcome::Away(Refusal::new(Code::TooMany, message), to));
    }
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
    hub.servers.peers.client_is(&session.client, batch);
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

/// Where a name leads to.
enum Found {
    /// A client of this server.
    Here(Arc<Client>),
    /// A client of another server, by its bare name.
    There(String, Asked),
}

/// The client of a name: `bob@alpha` is exact, `bob` is the one of this server, else the only one
/// elsewhere.
fn find(call: &Call<'_>, name: &str) -> Result<Found> {
    let hub = call.hub;
    let (bare, server) = match name.split_once('@') {
        Some((bare, server)) => (bare, Some(server)),
        None => (name, None),
    };
    ClientName::parse(bare)?;
    let nobody = || {
        Refusal::new(Code::NoSuchClient, format!("nobody called {bare} is connected; clients lists who is"))
    };
    if server.is_none_or(|server| server.eq_ignore_ascii_case(hub.name())) {
        match hub.clients.find(bare) {
            Some(client) => return Ok(Found::Here(client)),
            None if server.is_some() => return Err(nobody()),
            None => {}
        }
    }
    if let Some(server) = server {
        return match hub.servers.linked(server) {
            Some(to) => Ok(Found::There(bare.to_owned(), to)),
            None => {
                let message = format!(
                    "there is no server {} within reach; servers lists those there are",
                    quote(server)
                );
                Err(Refusal::new(Code::NoSuchClient, message))
            }
        };
    }
    let mut servers = hub.servers.peers.directory().servers_of(bare);
    // A run that is gone, or out of reach, gives way to one that is there.
    if servers.iter().any(|(id, _)| hub.servers.peers.of(*id).is_some()) {
        servers.retain(|(id, _)| hub.servers.peers.of(*id).is_some());
    }
    match servers.as_slice() {
        [] => Err(nobody()),
        [(id, server)] => match hub.servers.peers.of(*id) {
            Some(peer) => Ok(Found::There(bare.to_owned(), Asked { peers: vec![peer], missing: Vec::new() })),
            None => {
                let message = format!("{bare} is on {server}, which is out of reach at the moment");
                Err(Refusal::new(Code::Timeout, message))
            }
        },
        several => {
            let names: Vec<String> = several.iter().map(|(_, server)| format!("{bare}@{server}")).collect();
            let message = format!("several servers have a client called {bare}: say {}", names.join(" or "));
            Err(Refusal::new(Code::Ambiguous, message))
        }
    }
}

/// The only answer of the only server that was asked.
fn only(answers: Vec<Answer>, missing: &[String]) -> Result<Answer> {
    match answers.into_iter().next() {
        Some(Answer::Refused(refusal)) => Err(refusal),
        Some(answer) => Ok(answer),
        None => Err(Refusal::new(Code::Timeout, format!("{} did not answer in time", missing.join(", ")))),
    }
}

pub(super) fn whois(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    match find(&call, &command.required("name")?)? {
        Found::Here(client) => {
            let info = client.info(call.hub.name(), call.batch.now);
            call.batch.worked(row_bytes(&info));
            Ok(Outcome::Reply(Reply::Whoami(Box::new(info))))
        }
        Found::There(name, to) => ask(
            call,
            command,
            || Question::Whois { name },
            to,
            |outcome| match only(outcome.answers, &outcome.missing)? {
                Answer::Whois(info) => Ok(Reply::Whoami(info)),
                _ => Err(unexpected()),
            },
        ),
    }
}

fn unexpected() -> Refusal {
    Refusal::new(Code::Internal, "the other server answered something else than it was asked")
}

pub(super) fn clients(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let state = command.choice("state", &["open", "closed", "all"])?.unwrap_or("open");
    let scope = command.choice("scope", &["server", "cluster"])?;
    let matching = command.text("match")?;
    let limit = command.number("limit")?.map_or(DEFAULT_LIST_ROWS, |n| n.min(MAX_LIST_ROWS as u64) as usize);
    let here = lists::clients(call.hub, state, matching.as_deref(), limit, call.batch);
    if scope == Some("server") {
        return Ok(Outcome::Reply(Reply::Clients(here)));
    }
    let question =
        || Question::Clients { state: state.to_owned(), matching: matching.map(|m| m.into_owned()), limit };
    ask_all(call, command, question, here, limit, clients_of, |list| Ok(Reply::Clients(list)))
}

/// The clients that another server answered with.
pub(super) fn clients_of(answer: Answer) -> Option<ClientsReply> {
    match answer {
        Answer::Clients(list) => Some(list),
        _ => None,
    }
}

pub(super) fn msg(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let found = find(&call, &command.required("to")?)?;
    let payload = payload(command, "data").ok_or_else(|| command.missing("data"))?;
    let to = match found {
        Found::Here(to) => to,
        Found::There(name, to) => return msg_there(call, command, name, to, payload),
    };
    let Call { hub, session, batch } = call;
    let stamp = batch.stamp;
    let direct = Direct { from: session.name.as_str(), origin: hub.origin(), at: stamp.as_str(), payload };
    hub.direct(&to, direct, batch)?;
    session.client.messages_in.fetch_add(1, Ordering::Relaxed);
    hub.counters.messages_in.add(1);
    if let Some(welcome) = to.welcome().filter(|_| session.client.meets(to.key)) {
        let notice = format!("{}: {welcome}", to.name());
        hub.tell(&session.client, &Out::Notice("welcome", &notice), 0, batch);
    }
    let reply = MsgReply { delivered_to: vec![to.id.to_string()], to: to.name().to_string() };
    Ok(Outcome::Reply(Reply::Msg(reply)))
}

/// A message to a client of another server, which tells whether it was delivered.
fn msg_there(
    call: Call<'_>,
    command: &Command<'_>,
    name: String,
    to: Asked,
    payload: Payload<'_>,
) -> Result<Outcome> {
    call.session.client.messages_in.fetch_add(1, Ordering::Relaxed);
    call.hub.counters.messages_in.add(1);
    let question = Question::Direct {
        to: name,
        from: call.session.name.to_string(),
        from_id: call.session.client.id.to_string(),
        at_ms: call.batch.now.unix_ms,
        payload: payload.raw().to_owned(),
        is_json: matches!(payload, Payload::Json(_)),
    };
    ask(
        call,
        command,
        || question,
        to,
        |outcome| {
            let answer = only(outcome.answers, &outcome.missing)?;
            let Answer::Delivered { client_id, name, welcome } = answer else { return Err(unexpected()) };
            if let Some(welcome) = welcome {
                let notice = format!("{name}: {welcome}");
                outcome.hub.tell(outcome.client, &Out::Notice("welcome", &notice), 0, outcome.batch);
            }
            Ok(Reply::Msg(MsgReply { delivered_to: vec![client_id], to: name }))
        },
    )
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
