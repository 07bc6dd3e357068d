//! How messages, events and replies look to people. Pure: values in, lines out. What other clients
//! wrote is escaped.

use crate::output::{push_json, push_payload, Form};
use crate::style::Style;
use crate::table::{lasted, Side, Table};
use hubbub_client::{Event, Gap, Message};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::{json, MessageRef, Payload};
use hubbub_shared::reply::{ClientInfo, PublishedReply, ServerInfo};

/// `1 message`, `2 messages`.
pub fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The line after a publish.
pub fn published(channel: &str, reply: &PublishedReply) -> String {
    let receivers = count(reply.subscribers, "subscriber");
    format!("published to {}, {receivers} (seq {})\n", shown(channel), reply.seq)
}

/// Appends the line of a channel's message.
pub fn push_message(message: &Message, form: Form, style: Style, out: &mut Vec<u8>) {
    match form {
        Form::Raw => push_payload(&message.data, form, out),
        Form::Json => {
            let headers = message.headers.as_ref().map(|h| serde_json::json!(h).to_string());
            let message = MessageRef {
                channel: &message.channel,
                from: &message.from,
                seq: message.seq,
                origin: &message.origin,
                at: &message.at,
                payload: Payload::Json(message.data.get()),
                via: message.via.as_deref(),
                headers: headers.as_deref(),
                reply: message.reply.as_deref(),
            };
            let mut object = Vec::new();
            json::push_message(&message, &mut object);
            push_json(&String::from_utf8_lossy(&object), out);
        }
        Form::People => {
            let channel = style.channel(&format!("[{}]", shown(&message.channel)));
            let from = style.name(&format!("{}:", shown(&message.from)));
            out.extend_from_slice(format!("{channel} {from} ").as_bytes());
            push_payload(&message.data, form, out);
        }
    }
    out.push(b'\n');
}

/// An event as the text that follows `* ` or, for direct messages, stands alone. `None` for what
/// need not be told.
pub fn event(event: &Event, style: Style) -> Option<String> {
    let star = |text: &str| Some(style.dim(&format!("* {}", shown(text))));
    match event {
        Event::Direct(direct) => {
            let mut payload = Vec::new();
            push_payload(&direct.data, Form::People, &mut payload);
            let payload = String::from_utf8_lossy(&payload);
            Some(format!("{} {payload}", style.name(&format!("<{}>", shown(&direct.from)))))
        }
        Event::Notice(notice) => star(&notice.message),
        Event::Refused(refusal) => Some(style.bad(&format!("error {}", shown(&refusal.to_string())))),
        Event::Closing(closing) => star(&format!("closing: {}", closing.why)),
        Event::Disconnected { why } => star(&format!("disconnected: {why}")),
        Event::Reconnected { name, server, before, .. } if server == before => {
            star(&format!("connected again to {server} as {name}"))
        }
        Event::Reconnected { name, server, addr, .. } => {
            star(&format!("connected to {server} at {addr} as {name}"))
        }
        Event::Lost(n) => star(&format!("{} not shown", count(*n, "event"))),
        // Told where the messages are missing: by the subscription.
        Event::Gap(_) => None,
        _ => None,
    }
}

/// An event as what stands after `* ` on standard error.
pub fn event_aside(event: &Event) -> Option<String> {
    let words = self::event(event, Style::PLAIN)?;
    Some(words.strip_prefix("* ").unwrap_or(&words).to_owned())
}

/// An event as the code and words of a notice, for readers of JSON.
pub fn event_as_notice(event: &Event) -> Option<(&str, String)> {
    let code = match event {
        Event::Notice(notice) => notice.code.as_str(),
        Event::Direct(_) => "direct",
        Event::Refused(_) => "error",
        Event::Closing(_) => "closing",
        Event::Disconnected { .. } => "disconnected",
        Event::Reconnected { .. } => "reconnected",
        _ => "lost",
    };
    let words = event_aside(event)?;
    // The code is told beside the words.
    let bare = words.strip_prefix(&format!("{code}: ")).map(str::to_owned);
    Some((code, bare.unwrap_or(words)))
}

/// A gap in words.
pub fn gap(gap: &Gap) -> String {
    let missed = count(gap.missed, "message");
    match gap.channel.as_str() {
        ">" => format!("gap: {missed} missed"),
        channel => format!("gap: {missed} of {channel} missed"),
    }
}

/// The servers from which there was no answer, if there are any.
pub fn missing(servers: &[String]) -> Option<String> {
    (!servers.is_empty()).then(|| format!("no answer from {}: what they have is missing", servers.join(", ")))
}

/// A list of servers. The one that answers has a star.
pub fn servers(servers: &[ServerInfo], style: Style) -> String {
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("STATE", Side::Left),
        ("CLIENTS", Side::Right),
        ("CHANNELS", Side::Right),
        ("LOAD", Side::Right),
        ("UP", Side::Right),
        ("PID", Side::Right),
        ("ADDRESS", Side::Left),
        ("PEER ADDRESS", Side::Left),
    ]);
    for s in servers {
        table.row([
            format!("{}{}", s.name, if s.is_self { "*" } else { "" }),
            s.state.clone(),
            s.clients.to_string(),
            s.channels.to_string(),
            format!("{:.0}%", s.load * 100.0),
            lasted(s.uptime_s),
            s.pid.to_string(),
            s.client_addr.clone(),
            s.peer_addr.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.render(style)
}

/// A list of clients.
pub fn clients(clients: &[ClientInfo], style: Style) -> String {
    let closed = clients.iter().any(|c| c.closed_at.is_some());
    let row = |c: &ClientInfo| {
        let name = format!("{}@{}", c.name, c.server);
        let from =
            std::net::SocketAddr::new(c.ip.parse().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()), c.port);
        (name, from.to_string(), c.encoding.clone(), lasted(c.duration_s))
    };
    if closed {
        let mut table = Table::new(&[
            ("NAME", Side::Left),
            ("FROM", Side::Left),
            ("SPEAKS", Side::Left),
            ("FOR", Side::Right),
            ("IN", Side::Right),
            ("OUT", Side::Right),
            ("CLOSED", Side::Left),
        ]);
        for c in clients {
            let (name, from, encoding, duration) = row(c);
            let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
            let closed = match (&c.closed_at, &c.reason) {
                (Some(at), Some(reason)) => format!("{at} {reason}"),
                _ => "open".to_owned(),
            };
            let (sent, received) = (number(c.messages_in), number(c.messages_out));
            table.row([name, from, encoding, duration, sent, received, closed]);
        }
        return table.render(style);
    }
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("FROM", Side::Left),
        ("SPEAKS", Side::Left),
        ("FOR", Side::Right),
        ("CHANNELS", Side::Left),
    ]);
    for c in clients {
        let (name, from, encoding, duration) = row(c);
        table.row([name, from, encoding, duration, c.channels.join(" ")]);
    }
    table.render(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(form: Form) -> String {
        let message: Message = serde_json::from_value(json!({
            "channel": "ops", "from": "bob", "seq": 3, "origin": "a-1", "at": "T", "data": "x\u{1b}\ny",
            "via": "*", "headers": {"k": "v"},
        }))
        .expect("a message");
        let mut out = Vec::new();
        push_message(&message, form, Style::PLAIN, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_message_in_its_three_forms() {
        assert_eq!(message(Form::People), "[ops] bob: x\\x1b⏎y\n");
        assert_eq!(message(Form::Raw), "x\u{1b}\ny\n");
        assert_eq!(
            message(Form::Json),
            concat!(
                r#"{"event":"message","channel":"ops","from":"bob","seq":3,"origin":"a-1","at":"T","#,
                r#""data":"x\u001b\ny","via":"*","headers":{"k":"v"}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_return_says_where_to_if_it_is_another_server() {
        let back = |server: &str| {
            let (name, addr) = ("bob".to_owned(), "10.0.0.2:7411".to_owned());
            let event = Event::Reconnected { name, server: server.into(), addr, before: "alpha".into() };
            self::event(&event, Style::PLAIN).expect("it is told")
        };
        assert_eq!(back("alpha"), "* connected again to alpha as bob");
        assert_eq!(back("beta"), "* connected to beta at 10.0.0.2:7411 as bob");
    }

    #[test]
    fn every_server_has_a_row_with_its_state_its_addresses_and_its_load() {
        let row = |name: &str, state: &str, peer_addr: Option<&str>, load: f64| ServerInfo {
            id: String::new(),
            name: name.into(),
            pid: 7,
            client_addr: format!("{name}:7411"),
            peer_addr: peer_addr.map(str::to_owned),
            state: state.into(),
            clients: 12,
            channels: 3,
            load,
            uptime_s: 302.0,
            is_self: name == "alpha",
        };
        let rows = [row("alpha", "alive", Some("alpha:7412"), 0.5), row("beta", "suspect", None, 0.0)];
        assert_eq!(
            servers(&rows, Style::PLAIN),
            "NAME    STATE    CLIENTS  CHANNELS  LOAD     UP  PID  ADDRESS     PEER ADDRESS\n\
             alpha*  alive         12         3   50%  5m 2s    7  alpha:7411  alpha:7412\n\
             beta    suspect       12         3    0%  5m 2s    7  beta:7411   -\n"
        );
    }

    #[test]
    fn who_did_not_answer_is_named() {
        assert_eq!(missing(&[]), None);
        assert_eq!(
            missing(&["beta".into(), "gamma".into()]).as_deref(),
            Some("no answer from beta, gamma: what they have is missing")
        );
    }

    #[test]
    fn gaps_are_told_in_one_line() {
        let told =
            |channel: &str, missed| gap(&Gap { channel: channel.into(), origin: "a-1".into(), missed });
        assert_eq!(told("ops", 1), "gap: 1 message of ops missed");
        assert_eq!(told(">", 7), "gap: 7 messages missed");
    }
}
