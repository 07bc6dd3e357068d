//! Commands about this server and this connection.

use super::{done, Call, Outcome, Result};
use crate::hub::Hub;
use crate::session::Session;
use hubbub_shared::command::{Command, Spoken, Verb, VERBS};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::{Done, HelpReply, HelpRow, PongReply, Reply, ServersReply, StatsReply};
use hubbub_shared::Encoding;
use std::time::Duration;

/// How long a drain may take when the operator does not say. A guess: enough for queues to empty.
pub(crate) const DEFAULT_DRAIN: Duration = Duration::from_secs(5);
/// The longest drain that may be asked for. A guess.
const MAX_DRAIN: Duration = Duration::from_secs(3600);

pub(super) fn help(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let spoken = |verb: &&Verb| match call.session.client.encoding() {
        Encoding::Text => verb.spoken != Spoken::JsonOnly,
        Encoding::Json | Encoding::Frame => verb.spoken != Spoken::TextOnly,
    };
    let row = |verb: &Verb| HelpRow {
        name: verb.name.to_owned(),
        aliases: verb.aliases.iter().map(|a| (*a).to_owned()).collect(),
        usage: verb.usage.to_owned(),
        about: verb.about.to_owned(),
        arguments: verb.args.iter().map(|a| a.name.to_owned()).collect(),
    };
    let commands = match command.text("verb")? {
        Some(word) => {
            let word = word.strip_prefix('/').unwrap_or(&word);
            vec![row(Verb::find(word).ok_or_else(|| Verb::unknown(word))?)]
        }
        None => VERBS.iter().filter(spoken).map(row).collect(),
    };
    Ok(Outcome::Reply(Reply::Help(HelpReply { commands })))
}

pub(super) fn servers(call: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    let servers = call.hub.servers.list(call.hub, call.batch.now);
    Ok(Outcome::Reply(Reply::Servers(ServersReply { servers })))
}

pub(super) fn quiet(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    call.session.quiet = command.choice("state", &["on", "off"])? == Some("on");
    done(if call.session.quiet { "quiet on" } else { "quiet off" })
}

pub(super) fn ping(call: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    let server_time = call.batch.stamp.to_string();
    Ok(Outcome::Reply(Reply::Pong(PongReply { pong: true, server_time })))
}

pub(super) fn stats(call: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    let hub = call.hub;
    let counters = &hub.counters;
    let (gossip_bytes_in, gossip_bytes_out) = hub.servers.gossip_bytes();
    let (services, requests_open, requests_total) = hub.services.counts();
    Ok(Outcome::Reply(Reply::Stats(Box::new(StatsReply {
        server: hub.name().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_s: hub.servers.uptime_s(call.batch.now),
        clients: hub.clients.count() as u64,
        clients_total: counters.clients_total.get(),
        clients_refused: counters.clients_refused.get(),
        channels: hub.channels.count() as u64,
        subscriptions: hub.channels.subscriptions(),
        patterns: hub.channels.matcher.len(),
        messages_in: counters.messages_in.get(),
        messages_out: counters.messages_out.get(),
        bytes_in: counters.bytes_in.get(),
        bytes_out: counters.bytes_out.get(),
        slow_consumers: counters.slow_consumers.get(),
        refusals: counters.refusals.get(),
        services,
        requests_open,
        requests_total,
        history_bytes: hub.channels.history_bytes(),
        peers: hub.servers.peers.all().len() as u64,
        gossip_bytes_in,
        gossip_bytes_out,
        link_bytes_in: counters.link_bytes_in.get(),
        link_bytes_out: counters.link_bytes_out.get(),
    }))))
}

pub(super) fn close(_: Call<'_>, _: &Command<'_>) -> Result<Outcome> {
    Ok(Outcome::Close(Reply::Done(Done { said: "bye".to_owned() })))
}

pub(super) fn operator(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    show_token(call.hub, call.session, &command.required("token")?)?;
    done("you are an operator")
}

/// Makes the caller an operator if it knows the token; wrong ones are counted.
pub(super) fn show_token(hub: &Hub, session: &mut Session, token: &str) -> Result<()> {
    if hub.operator.matches(token.trim()) {
        session.operator = true;
        return Ok(());
    }
    session.wrong_tokens = session.wrong_tokens.saturating_add(1);
    Err(Refusal::new(
        Code::NotAllowed,
        "that is not the token in operator.token in this server's data folder",
    ))
}

pub(super) fn drain(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let within = command.number("deadline_ms")?.map_or(DEFAULT_DRAIN, Duration::from_millis);
    if within > MAX_DRAIN {
        let message = format!("deadline_ms must be at most {}", MAX_DRAIN.as_millis());
        return Err(Refusal::bad_argument(message));
    }
    log::info!(by = call.session.name.as_str(), within_ms = within.as_millis() as u64; "drain asked for");
    call.hub.ask_drain(within);
    done(format!("draining within {} ms", within.as_millis()))
}
