//! The subcommands that ask or set one thing: `whois`, `stats`, `create`, `topic`, `reverse`,
//! `welcome`.

use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::Failure;
use crate::table::{facts, lasted};
use clap::{Args, ValueEnum};
use hubbub_client::reply::{ClientInfo, StatsReply, TextReply, TopicReply};
use hubbub_shared::encoding::escape::shown;
use serde_json::{json, Value};

/// Show what the hub knows of a client
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub whois bob
  hubbub whois bob@alpha --json
  hubbub whois                 (this connection)")]
pub struct WhoisArgs {
    /// The client; NAME@SERVER is exact in a cluster
    #[arg(value_name = "NAME")]
    client: Option<String>,
}

/// `hubbub whois`
pub async fn whois(globals: &Globals, args: WhoisArgs) -> Result<(), Failure> {
    let (op, asked) = match args.client {
        Some(name) => ("whois", json!({ "name": name })),
        None => ("whoami", json!({})),
    };
    globals.ask(op, asked, |info: &ClientInfo, out| out.text(&facts(client_facts(info), out.style))).await
}

fn client_facts(info: &ClientInfo) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("name", info.name.clone()),
        ("server", info.server.clone()),
        ("client_id", info.client_id.clone()),
        ("ip", info.ip.clone()),
        ("port", info.port.to_string()),
        ("connected_at", info.connected_at.clone()),
        ("duration", lasted(info.duration_s)),
        ("encoding", info.encoding.clone()),
        ("channels", info.channels.join(" ")),
        ("welcome", info.welcome.clone().unwrap_or_default()),
    ];
    let optional = [
        ("client", info.client.clone()),
        ("closed_at", info.closed_at.clone()),
        ("reason", info.reason.clone()),
        ("messages_in", info.messages_in.map(|n| n.to_string())),
        ("messages_out", info.messages_out.map(|n| n.to_string())),
    ];
    facts.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
    facts
}

/// Show the counters of the server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub stats
  hubbub stats --json | jq .messages_out")]
pub struct StatsArgs {}

/// `hubbub stats`
pub async fn stats(globals: &Globals, _: StatsArgs) -> Result<(), Failure> {
    globals
        .ask("stats", (), |stats: &StatsReply, out| {
            let Ok(Value::Object(counters)) = serde_json::to_value(stats) else { return Ok(()) };
            let shown = counters.iter().map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("uptime_s", Value::Number(n)) => lasted(n.as_f64().unwrap_or_default()),
                    (_, Value::String(text)) => text.clone(),
                    (_, other) => other.to_string(),
                };
                (key.strip_suffix("_s").unwrap_or(key), value)
            });
            out.text(&facts(shown, out.style))
        })
        .await
}

/// Create a channel that stays
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub create ops
  hubbub create ops 'Builds and deployments'")]
pub struct CreateArgs {
    /// The channel
    channel: String,
    /// What it is about
    topic: Vec<String>,
}

/// `hubbub create`
pub async fn create(globals: &Globals, args: CreateArgs) -> Result<(), Failure> {
    let said = format!("created {}\n", shown(&args.channel));
    let asked = with_text(json!({ "channel": args.channel }), "topic", &args.topic);
    globals.ask("create", asked, |_: &Value, out| out.text(&said)).await
}

/// Show or set what a channel is about
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub topic ops
  hubbub topic ops 'Builds and deployments'")]
pub struct TopicArgs {
    /// The channel
    channel: String,
    /// What it is about from now on
    topic: Vec<String>,
}

/// `hubbub topic`
pub async fn topic(globals: &Globals, args: TopicArgs) -> Result<(), Failure> {
    let asked = with_text(json!({ "channel": args.channel }), "topic", &args.topic);
    globals
        .ask("topic", asked, |reply: &TopicReply, out| {
            let by = match (&reply.set_by, &reply.set_at) {
                (Some(by), Some(at)) => format!("  (set by {} at {})", shown(by), shown(at)),
                _ => String::new(),
            };
            match reply.topic.as_str() {
                "" => out.text(&format!("{}\n", out.style.dim("no topic"))),
                topic => out.text(&format!("{}{}\n", shown(topic), out.style.dim(&by))),
            }
        })
        .await
}

/// Reverse a text
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub reverse 'Grüße, Welt'")]
pub struct ReverseArgs {
    /// The text
    #[arg(required = true)]
    text: Vec<String>,
}

/// `hubbub reverse`
pub async fn reverse(globals: &Globals, args: ReverseArgs) -> Result<(), Failure> {
    let asked = json!({ "text": args.text.join(" ") });
    globals
        .ask("reverse", asked, |reply: &TextReply, out| out.text(&format!("{}\n", shown(&reply.text))))
        .await
}

/// Whose welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// What this server greets new clients with
    Server,
    /// This connection's own
    Me,
}

/// Show or set a welcome
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub welcome
  hubbub welcome 'Maintenance on Friday at 9'     (needs the operator token)

Someone's own welcome is set in the terminal: hubbub --name bob, then /welcome TEXT")]
pub struct WelcomeArgs {
    /// What to greet with from now on
    text: Vec<String>,
    /// Whose welcome
    #[arg(long, value_enum, default_value = "server")]
    scope: Scope,
}

/// `hubbub welcome`
pub async fn welcome(globals: &Globals, args: WelcomeArgs) -> Result<(), Failure> {
    let scope = if args.scope == Scope::Server { "server" } else { "me" };
    let asked = with_text(json!({ "scope": scope }), "text", &args.text);
    let client = globals.connect(Lost::End).await?;
    if args.scope == Scope::Server && !args.text.is_empty() {
        globals.become_operator(&client).await?;
    }
    globals
        .ask_on(client, "welcome", asked, |reply: &TextReply, out| match reply.text.as_str() {
            "" => out.text(&format!("{}\n", out.style.dim("no welcome is set"))),
            text => out.text(&format!("{}\n", shown(text))),
        })
        .await
}

/// Adds the words of a text to the arguments of a command, unless there are none.
fn with_text(mut args: Value, key: &str, words: &[String]) -> Value {
    if !words.is_empty() {
        args[key] = json!(words.join(" "));
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_left_out_when_there_is_none() {
        assert_eq!(with_text(json!({"a": 1}), "t", &[]), json!({"a": 1}));
        assert_eq!(with_text(json!({}), "t", &["x".into(), "y".into()]), json!({"t": "x y"}));
        // An empty word is a text: it takes a topic away.
        assert_eq!(with_text(json!({}), "t", &[String::new()]), json!({"t": ""}));
    }
}
