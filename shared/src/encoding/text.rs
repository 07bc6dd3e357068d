//! Text lines, for people and one-line scripts: lines in, commands out; replies and events in,
//! lines out. Every reply ends in one line that starts with `ok` or `error`; the rows of lists come
//! before it, indented by two spaces. Whatever others wrote is escaped.

use super::escape::{is_plain, push_shown};
use super::{json, Direct, MessageRef, Payload};
use crate::command::{Command, Kind, Spoken, Value, Verb, MAX_ARGS};
use crate::names::quote;
use crate::refusal::{Code, Refusal};
use crate::reply::{ClientInfo, HelpRow, Reply};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Reads one command line, without its line end. The line is not blank.
#[inline]
pub fn parse(line: &str) -> Result<Command<'_>, Refusal> {
    let (word, mut rest) = split_word(line);
    let word = word.strip_prefix('/').unwrap_or(word);
    let verb = Verb::find(word).ok_or_else(|| Verb::unknown(word))?;
    if verb.spoken == Spoken::JsonOnly {
        let message = format!("{} is for JSON and frames; text clients say name NEW", verb.name);
        return Err(Refusal::new(Code::BadCommand, message));
    }
    let mut values = [None; MAX_ARGS];
    rest = take_flags(verb, rest, &mut values);
    for (slot, arg) in values.iter_mut().zip(verb.args) {
        let taken = match arg.kind {
            Kind::Flag | Kind::JsonOnly => continue,
            Kind::Word => {
                let (word, after) = split_word(rest);
                rest = after;
                word
            }
            Kind::Choice(choices) => {
                let (word, after) = split_word(rest);
                if !arg.required && !choices.iter().any(|c| c.eq_ignore_ascii_case(word)) {
                    continue;
                }
                rest = after;
                word
            }
            Kind::Words | Kind::Rest | Kind::Data => std::mem::take(&mut rest),
        };
        *slot = Some(taken).filter(|t| !t.is_empty()).map(Value::Text);
        if arg.required && slot.is_none() {
            let message = format!("{} needs {}: {}", verb.name, arg.name, verb.usage_line());
            return Err(Refusal::bad_argument(message));
        }
    }
    if !rest.is_empty() && !rest.trim_end().is_empty() {
        let message = format!("{} is more than {} takes: {}", quote(rest), verb.name, verb.usage_line());
        return Err(Refusal::bad_argument(message));
    }
    Ok(Command { verb, id: None, values })
}

/// The first word, and what follows the one space or tab after it (all of them, where another
/// word is to come: the caller of the next word skips them).
#[inline]
fn split_word(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let Some(start) = bytes.iter().position(|b| !matches!(b, b' ' | b'\t')) else { return ("", "") };
    match memchr::memchr2(b' ', b'\t', &bytes[start..]) {
        Some(length) => (&text[start..start + length], &text[start + length + 1..]),
        None => (&text[start..], ""),
    }
}

/// Takes `name=VALUE` words: before a text that runs to the end of the line only at its start,
/// elsewhere wherever they stand first or last.
fn take_flags<'a>(
    verb: &'static Verb,
    mut rest: &'a str,
    values: &mut [Option<Value<'a>>; MAX_ARGS],
) -> &'a str {
    if !verb.has_flags {
        return rest;
    }
    let flag = |word: &'a str| {
        let (name, value) = word.split_once('=')?;
        let index = verb.args.iter().position(|a| a.kind == Kind::Flag && a.name == name)?;
        Some((index, value))
    };
    loop {
        let (word, after) = split_word(rest);
        let Some((index, value)) = flag(word) else { break };
        values[index] = Some(Value::Text(value));
        rest = after;
    }
    if verb.args.iter().any(|a| matches!(a.kind, Kind::Rest | Kind::Data)) {
        return rest;
    }
    loop {
        let trimmed = rest.trim_end();
        let start = trimmed.rfind([' ', '\t']).map_or(0, |at| at + 1);
        let Some((index, value)) = flag(&trimmed[start..]) else { return rest };
        values[index] = Some(Value::Text(value));
        rest = &trimmed[..start];
    }
}

/// Appends a payload as it is shown to people: a text as it is, JSON compact, all on one line.
pub fn push_payload(payload: Payload<'_>, out: &mut Vec<u8>) {
    match payload {
        Payload::Text(text) => push_shown(text, out),
        Payload::Json(raw) => match json::string(raw) {
            Some(text) => push_shown(&text, out),
            None => push_shown(&json::compact(raw), out),
        },
    }
}

/// A payload as [`push_payload`] writes it, where that is a part of what it is.
pub fn verbatim(payload: Payload<'_>) -> Option<&str> {
    let shown = match payload {
        Payload::Text(text) => Cow::Borrowed(text),
        Payload::Json(raw) => json::string(raw).unwrap_or_else(|| json::compact(raw)),
    };
    match shown {
        Cow::Borrowed(text) if is_plain(text.as_bytes()) => Some(text),
        _ => None,
    }
}

/// Appends the line of a channel's message.
pub fn push_message(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    push_before_payload(message, out);
    push_payload(message.payload, out);
    out.push(b'\n');
}

/// What stands before the payload in [`push_message`].
pub(super) fn push_before_payload(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    out.extend_from_slice(message.channel.as_bytes());
    out.extend_from_slice(b"] ");
    out.extend_from_slice(message.from.as_bytes());
    out.extend_from_slice(b": ");
}

/// Appends the line of a direct message.
pub fn push_direct(direct: &Direct<'_>, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(direct.from.as_bytes());
    out.extend_from_slice(b"> ");
    push_payload(direct.payload, out);
    out.push(b'\n');
}

/// Appends the line of a request to a provider.
pub fn push_request(request_id: &str, service: &str, from: &str, payload: Payload<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<{from}> {service} {request_id}: ").as_bytes());
    push_payload(payload, out);
    out.push(b'\n');
}

/// Appends the line of a notice.
pub fn push_notice(message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"* ");
    push_shown(message, out);
    out.push(b'\n');
}

/// Appends the line of the hub's last words.
pub fn push_closing(why: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"* closing: ");
    push_shown(&why.to_string(), out);
    out.push(b'\n');
}

/// Appends the reply line of a publish.
pub fn push_published(channel: &str, subscribers: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ok published ");
    out.extend_from_slice(channel.as_bytes());
    out.extend_from_slice(b" to ");
    out.extend_from_slice(itoa::Buffer::new().format(subscribers).as_bytes());
    out.push(b'\n');
}

/// Appends the reply line of a request that was answered.
pub fn push_answered(service: &str, answer: Payload<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"ok ");
    out.extend_from_slice(service.as_bytes());
    out.extend_from_slice(b": ");
    push_payload(answer, out);
    out.push(b'\n');
}

/// Appends the reply line of a command that was refused.
pub fn push_error(refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(b"error ");
    push_shown(&refusal.to_string(), out);
    out.push(b'\n');
}

/// Appends the lines of a reply.
pub fn push_ok(reply: &Reply, out: &mut Vec<u8>) {
    if let Reply::Request(answer) = reply {
        return push_answered(&answer.service, Payload::Json(answer.data.get()), out);
    }
    let mut rows = Rows { out };
    let said = match reply {
        Reply::Help(help) => {
            match help.commands.as_slice() {
                [one] => rows.help_of_one(one),
                all => all.iter().for_each(|row| rows.help_row(row)),
            }
            count(help.commands.len(), "command")
        }
        Reply::Hello(hello) => format!("hello {}", hello.name),
        Reply::Name(name) => format!("name {}", name.name),
        Reply::Whoami(info) => {
            rows.client_lines(info);
            info.name.clone()
        }
        Reply::Ip(ip) => {
            rows.row(&format!("ip: {}", ip.ip));
            "ip".into()
        }
        Reply::Connected(c) => {
            rows.row(&format!("connected_at: {} ({:.1} s)", c.connected_at, c.duration_s));
            "connected".into()
        }
        Reply::Clients(list) => {
            for info in &list.clients {
                rows.client_row(info);
            }
            more(count(list.clients.len(), "client"), list.truncated, &list.missing)
        }
        Reply::Servers(list) => {
            for s in &list.servers {
                rows.row(&format!(
                    "{} {} pid={} clients={} channels={} load={:.2} addr={} uptime={:.0}s{}",
                    s.name,
                    s.state,
                    s.pid,
                    s.clients,
                    s.channels,
                    s.load,
                    s.client_addr,
                    s.uptime_s,
                    if s.is_self { " (this one)" } else { "" }
                ));
            }
            count(list.servers.len(), "server")
        }
        Reply::Channels(list) => {
            for c in &list.channels {
                let topic = if c.topic.is_empty() { String::new() } else { format!(" — {}", c.topic) };
                rows.row(&format!("{} subscribers={} messages={}{topic}", c.name, c.subscribers, c.messages));
            }
            more(count(list.channels.len(), "channel"), list.truncated, &list.missing)
        }
        Reply::Topic(t) if t.topic.is_empty() => format!("{} has no topic", t.channel),
        Reply::Topic(t) => {
            let by = t.set_by.as_deref().map(|by| format!(" (set by {by})")).unwrap_or_default();
            format!("topic of {}: {}{by}", t.channel, t.topic)
        }
        Reply::Subscribed(s) => format!("{} {}", s.said, s.channels.join(" ")),
        Reply::Published(p) => format!("published to {}", p.subscribers),
        Reply::Msg(m) => format!("sent to {}", m.to),
        Reply::History(h) => {
            for m in &h.messages {
                let mut line = Vec::new();
                let payload = Payload::Json(m.data.get());
                push_payload(payload, &mut line);
                let shown = String::from_utf8_lossy(&line);
                rows.row(&format!("{} [{}] {}: {shown}", m.at, m.channel, m.from));
            }
            more(count(h.messages.len(), "message"), false, &h.missing)
        }
        Reply::Request(_) => String::new(), // written above
        Reply::Services(list) => {
            for s in &list.services {
                let about = if s.about.is_empty() { String::new() } else { format!(" — {}", s.about) };
                rows.row(&format!(
                    "{} providers={} requests={} errors={} p50={}us p99={}us{about}",
                    s.name, s.providers, s.requests, s.errors, s.p50_us, s.p99_us
                ));
            }
            more(count(list.services.len(), "service"), false, &list.missing)
        }
        Reply::Text(t) => t.text.clone(),
        Reply::Pong(_) => "pong".into(),
        Reply::Stats(stats) => {
            if let Ok(serde_json::Value::Object(map)) = serde_json::to_value(stats) {
                for (key, value) in map {
                    rows.row(&format!(
                        "{key}: {}",
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
                    ));
                }
            }
            "stats".into()
        }
        Reply::Done(done) => done.said.clone(),
    };
    out.extend_from_slice(b"ok");
    if !said.is_empty() {
        out.push(b' ');
        push_shown(&said, out);
    }
    out.push(b'\n');
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn more(mut said: String, truncated: bool, missing: &[String]) -> String {
    if truncated {
        said.push_str(", and more that were left out; a PATTERN narrows the list");
    }
    if !missing.is_empty() {
        said.push_str(&format!("; no answer from {}", missing.join(", ")));
    }
    said
}

/// A text in lines of so many characters, broken between words; longer words stand alone.
fn wrapped(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut end, mut used) = (0, 0, 0);
    for word in text.split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if used > 0 && used + length > width {
            lines.push(text[start..end].trim_end());
            (start, used) = (end, 0);
        }
        used += word.chars().count();
        end += word.len();
    }
    lines.push(text[start..].trim_end());
    lines
}

struct Rows<'a> {
    out: &'a mut Vec<u8>,
}

impl Rows<'_> {
    fn row(&mut self, text: &str) {
        self.out.extend_from_slice(b"  ");
        push_shown(text, self.out);
        self.out.push(b'\n');
    }

    /// A verb in the list of all: its usage, and beside it what it does, within 80 columns. Where the
    /// usage is too long for that, what it does stands below.
    fn help_row(&mut self, help: &HelpRow) {
        const USAGE: usize = 26;
        const ABOUT: usize = 78 - USAGE - 1;
        let mut usage = format!("{} {}", help.name, help.usage);
        usage.truncate(usage.trim_end().len());
        if usage.chars().count() > USAGE {
            self.row(&std::mem::take(&mut usage));
        }
        for line in wrapped(&help.about, ABOUT) {
            self.row(&format!("{:<USAGE$} {line}", std::mem::take(&mut usage)));
        }
    }

    fn help_of_one(&mut self, help: &HelpRow) {
        self.row(format!("{} {}", help.name, help.usage).trim_end());
        for line in wrapped(&help.about, 78) {
            self.row(line);
        }
        if !help.aliases.is_empty() {
            self.row(&format!("also: {}", help.aliases.join(", ")));
        }
    }

    fn client_lines(&mut self, info: &ClientInfo) {
        self.row(&format!("client_id: {}", info.client_id));
        self.row(&format!("name: {}", info.name));
        self.row(&format!("ip: {}", info.ip));
        self.row(&format!("port: {}", info.port));
        self.row(&format!("connected_at: {} ({:.1} s)", info.connected_at, info.duration_s));
        self.row(&format!("server: {}", info.server));
        self.row(&format!("encoding: {}", info.encoding));
        self.row(&format!("channels: {}", info.channels.join(" ")));
        self.row(&format!("welcome: {}", info.welcome.as_deref().unwrap_or_default()));
    }

    fn client_row(&mut self, info: &ClientInfo) {
        let ClientInfo { name, ip, port, encoding, duration_s, server, .. } = info;
        let mut line = format!("{name} {ip}:{port} {encoding} {duration_s:.1}s server={server}");
        if !info.channels.is_empty() {
            let _ = write!(line, " channels={}", info.channels.join(","));
        }
        if let Some(reason) = &info.reason {
            let _ = write!(line, " closed={reason}");
        }
        if let (Some(messages_in), Some(messages_out)) = (info.messages_in, info.messages_out) {
            let _ = write!(line, " in={messages_in} out={messages_out}");
        }
        self.row(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Op;
    use crate::reply::HelpReply;
    use proptest::prelude::*;

    fn args(line: &str) -> Vec<(&'static str, &str)> {
        let command = parse(line).expect(line);
        let named = command.verb.args.iter().zip(command.values);
        named
            .filter_map(|(arg, value)| match value {
                Some(Value::Text(text)) => Some((arg.name, text)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn arguments_are_taken_in_their_order() {
        assert_eq!(
            args("publish ops  Build 512 failed "),
            [("channel", "ops"), ("data", " Build 512 failed ")]
        );
        assert_eq!(args("/JOIN a b.* group=g"), [("channels", "a b.* "), ("group", "g")]);
        assert_eq!(args("sub group=g a"), [("channels", "a"), ("group", "g")]);
        assert_eq!(args("clients closed bob*"), [("state", "closed"), ("match", "bob*")]);
        assert_eq!(args("clients bob*"), [("match", "bob*")]);
        assert_eq!(args("history ops 5"), [("channel", "ops"), ("limit", "5")]);
        assert_eq!(args("welcome scope=server hi all"), [("scope", "server"), ("text", "hi all")]);
        assert_eq!(args("msg bob a=b c"), [("to", "bob"), ("data", "a=b c")]);
    }

    #[test]
    fn a_refusal_says_what_would_have_been_right() {
        let refused = |line: &str| parse(line).expect_err(line).to_string();
        assert_eq!(refused("publish ops"), "bad-argument: publish needs data: publish CHANNEL TEXT…");
        assert!(refused("ping 3").starts_with("bad-argument: \"3\" is more than ping takes"));
        assert!(refused("hello bob").starts_with("bad-command: hello is for JSON"));
        assert!(refused("quiet maybe off").starts_with("bad-argument"));
        assert!(parse("QUIET off").is_ok_and(|c| c.verb.op == Op::Quiet));
    }

    #[test]
    fn help_fits_into_80_columns() {
        let row = |verb: &Verb| HelpRow {
            name: verb.name.to_owned(),
            aliases: Vec::new(),
            usage: verb.usage.to_owned(),
            about: verb.about.to_owned(),
            arguments: Vec::new(),
        };
        let all: Vec<HelpRow> = crate::command::VERBS.iter().map(row).collect();
        let shown = |commands: &[HelpRow]| {
            let mut out = Vec::new();
            push_ok(&Reply::Help(HelpReply { commands: commands.to_vec() }), &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        let list = shown(&all);
        assert!(list.lines().all(|line| line.chars().count() <= 80 && line.trim_end() == line), "{list}");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for help in &all {
            assert!(
                words(&list).contains(&words(&format!("{} {} {}", help.name, help.usage, help.about))),
                "{list}"
            );
            assert!(shown(std::slice::from_ref(help)).lines().all(|line| line.chars().count() <= 80));
        }
        assert!(list.contains("\n  ping                       ask for a sign of life\n"), "{list}");
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrapped("grüße abcdefgh i", 5), ["grüße", "abcdefgh", "i"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "(/?[a-z]{0,9})( [a-z=#*>.]{0,6}){0,4}|\\PC{0,60}") {
            if !line.trim().is_empty() {
                let _ = parse(&line);
            }
        }
    }
}
