//! The subcommands that print a list: `clients`, `servers`, `channels`, `who`, `services`, `history`.

use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::Failure;
use crate::output::{aside, complain, push_payload, Form, Output};
use crate::show;
use crate::table::{Side, Table};
use clap::{Args, ValueEnum};
use hubbub_client::reply::{
    ChannelsReply, ClientsReply, HistoryReply, MessageInfo, ServersReply, ServicesReply,
};
use hubbub_shared::encoding::escape::shown;
use serde_json::json;
use std::io::IsTerminal;

/// Which clients.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    Open,
    Closed,
    All,
}

/// How far to look.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    Server,
    Cluster,
}

/// List clients
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub clients
  hubbub clients 'bob*'
  hubbub clients closed --limit 20
  hubbub clients --json | jq -r '.clients[].name'")]
pub struct ClientsArgs {
    /// `open`, `closed` or `all`, and a pattern of names in which * stands for any characters
    #[arg(value_name = "STATE|PATTERN", num_args = 0..=2)]
    words: Vec<String>,
    /// Print no more than so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only this server's, or the whole cluster's
    #[arg(long, value_enum)]
    scope: Option<Scope>,
}

/// `hubbub clients`
pub async fn clients(globals: &Globals, args: ClientsArgs) -> Result<(), Failure> {
    let (state, pattern) = state_and_pattern(&args.words)?;
    let mut asked = serde_json::Map::new();
    let scope = args.scope.and_then(|s| s.to_possible_value()).map(|v| v.get_name().to_owned());
    let state = state.and_then(|s| s.to_possible_value()).map(|v| v.get_name().to_owned());
    for (key, value) in [
        ("state", json!(state)),
        ("match", json!(pattern)),
        ("limit", json!(args.limit)),
        ("scope", json!(scope)),
    ] {
        if !value.is_null() {
            asked.insert(key.to_owned(), value);
        }
    }
    globals
        .ask("clients", asked, |list: &ClientsReply, out| {
            // Whoever names a limit knows that there may be more.
            let truncated = list.truncated && args.limit.is_none();
            print(out, &show::clients(&list.clients, out.style), "no clients", truncated, &list.missing)
        })
        .await
}

/// The words of `clients [open|closed|all] [PATTERN]`.
fn state_and_pattern(words: &[String]) -> Result<(Option<State>, Option<&str>), Failure> {
    match words {
        [] => Ok((None, None)),
        [one] => match State::from_str(one, true) {
            Ok(state) => Ok((Some(state), None)),
            Err(_) => Ok((None, Some(one))),
        },
        [state, pattern, ..] => match State::from_str(state, true) {
            Ok(state) => Ok((Some(state), Some(pattern))),
            Err(_) => Err(Failure::local(format!("{} is none of open, closed, all", shown(state)))),
        },
    }
}

/// List servers
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub servers
  hubbub servers --json | jq '.servers[] | select(.state != \"alive\")'")]
pub struct ServersArgs {}

/// `hubbub servers`
pub async fn servers(globals: &Globals, _: ServersArgs) -> Result<(), Failure> {
    globals
        .ask("servers", (), |list: &ServersReply, out| {
            print(out, &show::servers(&list.servers, out.style), "no servers", false, &[])
        })
        .await
}

/// List channels
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub channels
  hubbub channels 'ops.>'")]
pub struct ChannelsArgs {
    /// Only those that this pattern covers
    pattern: Option<String>,
}

/// `hubbub channels`
pub async fn channels(globals: &Globals, args: ChannelsArgs) -> Result<(), Failure> {
    let asked = args.pattern.map_or(json!({}), |p| json!({ "match": p }));
    globals
        .ask("channels", asked, |list: &ChannelsReply, out| {
            let mut table = Table::new(&[
                ("NAME", Side::Left),
                ("SUBSCRIBERS", Side::Right),
                ("MESSAGES", Side::Right),
                ("CREATED", Side::Left),
                ("TOPIC", Side::Left),
            ]);
            for c in &list.channels {
                table.row([
                    c.name.clone(),
                    c.subscribers.to_string(),
                    c.messages.to_string(),
                    c.created_at.clone(),
                    c.topic.clone(),
                ]);
            }
            print(out, &table.render(out.style), "no channels", list.truncated, &list.missing)
        })
        .await
}

/// List who receives a channel
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub who ops")]
pub struct WhoArgs {
    /// The channel
    channel: String,
}

/// `hubbub who`
pub async fn who(globals: &Globals, args: WhoArgs) -> Result<(), Failure> {
    globals
        .ask("who", json!({ "channel": args.channel }), |list: &ClientsReply, out| {
            print(out, &show::clients(&list.clients, out.style), "nobody", list.truncated, &list.missing)
        })
        .await
}

/// List services
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub services")]
pub struct ServicesArgs {}

/// `hubbub services`
pub async fn services(globals: &Globals, _: ServicesArgs) -> Result<(), Failure> {
    globals
        .ask("services", (), |list: &ServicesReply, out| {
            let mut table = Table::new(&[
                ("NAME", Side::Left),
                ("PROVIDERS", Side::Right),
                ("REQUESTS", Side::Right),
                ("ERRORS", Side::Right),
                ("P50 µs", Side::Right),
                ("P99 µs", Side::Right),
                ("ABOUT", Side::Left),
            ]);
            for s in &list.services {
                table.row([
                    s.name.clone(),
                    s.providers.to_string(),
                    s.requests.to_string(),
                    s.errors.to_string(),
                    s.p50_us.to_string(),
                    s.p99_us.to_string(),
                    s.about.clone(),
                ]);
            }
            print(out, &table.render(out.style), "no services", false, &list.missing)
        })
        .await
}

/// Print a channel's last messages
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub history ops
  hubbub history ops 5 --raw
  hubbub history ops --since 10m
  hubbub history ops --json | jq -c '.messages[].data'")]
pub struct HistoryArgs {
    /// The channel
    channel: String,
    /// How many of the last
    #[arg(value_name = "N")]
    limit: Option<u64>,
    /// Only what came after this: a seq, a time such as 2026-05-01T09:30:00Z, or an age such as 10m
    #[arg(long, value_name = "SEQ|TIME|AGE")]
    since: Option<String>,
    /// Print the payloads alone, as they are
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// `hubbub history`
pub async fn history(globals: &Globals, args: HistoryArgs) -> Result<(), Failure> {
    let mut asked = serde_json::Map::new();
    asked.insert("channel".into(), json!(args.channel));
    if let Some(limit) = args.limit {
        asked.insert("limit".into(), json!(limit));
    }
    if let Some(since) = args.since {
        asked.insert("since".into(), json!(since));
    }
    let form = globals.form(args.raw);
    let client = globals.connect(Lost::End).await?;
    globals
        .ask_on(client, "history", asked, |list: &HistoryReply, out| {
            let mut lines = Vec::new();
            for message in &list.messages {
                push_remembered(message, form, out, &mut lines);
            }
            let empty = lines.is_empty();
            out.bytes(&lines)?;
            tell_missing(&list.missing);
            tell_empty(empty, "no messages")
        })
        .await
}

fn push_remembered(message: &MessageInfo, form: Form, out: &Output, lines: &mut Vec<u8>) {
    if form == Form::People {
        let style = out.style;
        let at = style.dim(&shown(&message.at));
        let channel = style.channel(&format!("[{}]", shown(&message.channel)));
        let from = style.name(&format!("{}:", shown(&message.from)));
        lines.extend_from_slice(format!("{at} {channel} {from} ").as_bytes());
    }
    push_payload(&message.data, form, lines);
    lines.push(b'\n');
}

fn print(
    out: &mut Output,
    table: &str,
    none: &str,
    truncated: bool,
    missing: &[String],
) -> Result<(), Failure> {
    out.text(table)?;
    tell_missing(missing);
    if truncated {
        aside("more rows were left out; a pattern narrows the list");
    }
    tell_empty(table.is_empty(), none)
}

/// Tells that the list is not the whole one: what is there is right all the same, so that this is no
/// failure.
fn tell_missing(servers: &[String]) {
    if let Some(words) = show::missing(servers) {
        complain(&words);
    }
}

/// Tells a person that there is nothing; a script sees it from the lack of lines.
fn tell_empty(empty: bool, none: &str) -> Result<(), Failure> {
    if empty && std::io::stdout().is_terminal() {
        aside(none);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_clients() {
        let words = |w: &[&str]| {
            let words: Vec<String> = w.iter().map(|w| (*w).to_owned()).collect();
            state_and_pattern(&words).map(|(s, p)| (s.is_some(), p.map(str::to_owned))).ok()
        };
        assert_eq!(words(&[]), Some((false, None)));
        assert_eq!(words(&["closed"]), Some((true, None)));
        assert_eq!(words(&["bob*"]), Some((false, Some("bob*".into()))));
        assert_eq!(words(&["ALL", "bob*"]), Some((true, Some("bob*".into()))));
        assert_eq!(words(&["bob*", "all"]), None);
    }
}
