//! What a line that was typed or piped in means. Pure: a line and the current channel in, an action
//! out. The commands and their arguments come from the hub's own table.

use hubbub_shared::command::{Command, Op, Spoken, Value as Raw, Verb, Who};
use hubbub_shared::encoding::text;
use hubbub_shared::names::{ChannelName, Pattern};
use hubbub_shared::refusal::{Code, Refusal};
use serde_json::{Map, Value};

/// How commands are told from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// By a `/` before them: a person talks.
    BySlash,
    /// By a `/`, or by being one: a script commands.
    ByVerb,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// A blank line.
    Nothing,
    /// Say a text to a channel.
    Say { channel: String, text: String },
    /// Subscribe, and talk to the last of these that is a channel.
    Join { patterns: Vec<Pattern>, group: Option<String> },
    /// Unsubscribe.
    Part { patterns: Vec<Pattern> },
    /// Offer a service.
    Serve { service: String, about: String },
    /// Offer it no longer.
    Unserve { service: String },
    /// Answer a request to a service that is offered here.
    Respond { request_id: String, text: String },
    /// Leave out the replies to publishes, or bring them back.
    Quiet(bool),
    /// Anything else: ask the hub.
    Ask(Ask),
    /// End.
    Quit,
}

/// A command that goes to the hub as it is.
#[derive(Debug, PartialEq)]
pub struct Ask {
    /// Its row in the table.
    pub op: Op,
    /// Its name on the wire.
    pub name: &'static str,
    /// Its arguments.
    pub args: Map<String, Value>,
    /// Whether only operators may.
    pub operator: bool,
}

impl Ask {
    /// A text argument, for the words of the reply.
    pub fn text(&self, name: &str) -> &str {
        self.args.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Says what a line means.
pub fn interpret(line: &str, current: Option<&str>, marked: Marked) -> Result<Action, Refusal> {
    if line.trim().is_empty() {
        return Ok(Action::Nothing);
    }
    // As on IRC: two slashes start a text that starts with one.
    if let Some(text) = line.strip_prefix("//") {
        return say(&format!("/{text}"), current);
    }
    let is_command = match marked {
        Marked::BySlash => line.starts_with('/'),
        Marked::ByVerb => {
            let verb = Verb::find(first_word(line));
            // `hello` is no command in text, and the likeliest text of all.
            line.trim_start().starts_with('/') || verb.is_some_and(|v| v.spoken != Spoken::JsonOnly)
        }
    };
    if !is_command {
        return match (marked, current) {
            // Without a channel to talk to it can only have been meant as a command.
            (Marked::ByVerb, None) => Err(Verb::unknown(first_word(line))),
            _ => say(line, current),
        };
    }
    command(&text::parse(line)?, current)
}

fn first_word(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}

fn say(text: &str, current: Option<&str>) -> Result<Action, Refusal> {
    match current {
        Some(channel) => Ok(Action::Say { channel: channel.to_owned(), text: text.to_owned() }),
        None => Err(Refusal::new(Code::NotSubscribed, "there is no channel to talk to: /join CHANNEL first")),
    }
}

fn command(command: &Command<'_>, current: Option<&str>) -> Result<Action, Refusal> {
    let optional = |name: &str| command.text(name).map(|t| t.map(|t| t.into_owned()));
    let required = |name: &str| command.required(name).map(|t| t.into_owned());
    Ok(match command.verb.op {
        Op::Subscribe => {
            let patterns = patterns(command)?;
            if patterns.is_empty() {
                return Err(command.missing("channels"));
            }
            Action::Join { patterns, group: optional("group")? }
        }
        Op::Unsubscribe => {
            let mut patterns = patterns(command)?;
            if patterns.is_empty() {
                let current = current.ok_or_else(|| command.missing("channels"))?;
                patterns.push(Pattern::parse(current)?);
            }
            Action::Part { patterns }
        }
        Op::Serve => {
            Action::Serve { service: required("service")?, about: optional("about")?.unwrap_or_default() }
        }
        Op::Unserve => Action::Unserve { service: required("service")? },
        Op::Respond => Action::Respond {
            request_id: required("request_id")?,
            text: optional("data")?.unwrap_or_default(),
        },
        Op::Quiet => Action::Quiet(command.flag("state")?.unwrap_or(true)),
        Op::Close => Action::Quit,
        op => Action::Ask(Ask {
            op,
            name: command.verb.name,
            args: arguments(command),
            operator: command.verb.who == Who::Operator || sets_server_welcome(command),
        }),
    })
}

/// `welcome scope=server TEXT` is for operators although `welcome` is for everyone.
fn sets_server_welcome(command: &Command<'_>) -> bool {
    let given = |name| command.value(name);
    command.verb.op == Op::Welcome && given("scope") == Some(Raw::Text("server")) && given("text").is_some()
}

fn patterns(command: &Command<'_>) -> Result<Vec<Pattern>, Refusal> {
    command.words("channels")?.iter().map(|word| Pattern::parse(word)).collect()
}

/// The last of some patterns that can be talked to.
pub fn channel_of(patterns: &[Pattern]) -> Option<ChannelName> {
    patterns.iter().rev().find_map(Pattern::to_channel)
}

/// Arguments that are numbers in JSON. All others are texts: a client may be called `7`.
const NUMBERS: &[&str] = &["limit", "deadline_ms"];

fn arguments(command: &Command<'_>) -> Map<String, Value> {
    let mut args = Map::new();
    for (arg, value) in command.verb.args.iter().zip(&command.values) {
        let Some(Raw::Text(text)) = value else { continue };
        let number = text.parse::<u64>().ok().filter(|_| NUMBERS.contains(&arg.name));
        args.insert(arg.name.to_owned(), number.map_or_else(|| Value::from(*text), Value::from));
    }
    args
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hubbub_shared::command::VERBS;
    use serde_json::json;

    fn typed(line: &str) -> Action {
        interpret(line, Some("ops"), Marked::BySlash).unwrap()
    }

    fn ask(line: &str) -> (&'static str, Value, bool) {
        match typed(line) {
            Action::Ask(ask) => (ask.name, Value::Object(ask.args), ask.operator),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn said(text: &str) -> Action {
        Action::Say { channel: "ops".into(), text: text.into() }
    }

    #[test]
    fn a_person_talks_unless_there_is_a_slash() {
        assert_eq!(typed("who is there?"), said("who is there?"));
        assert_eq!(typed("//etc/passwd"), said("/etc/passwd"));
        assert_eq!(typed("  indented /who"), said("  indented /who"));
        assert_eq!(typed("  "), Action::Nothing);
        assert_eq!(typed("/quit"), Action::Quit);
        let alone = interpret("hi", None, Marked::BySlash).unwrap_err();
        assert_eq!(alone.code, Code::NotSubscribed);
    }

    #[test]
    fn a_script_commands_where_it_can() {
        let piped = |line, current| interpret(line, current, Marked::ByVerb);
        assert!(matches!(piped("who ops", None), Ok(Action::Ask(Ask { op: Op::Who, .. }))));
        assert!(matches!(piped("/who ops", None), Ok(Action::Ask(Ask { op: Op::Who, .. }))));
        assert_eq!(piped("hello all", Some("ops")), Ok(said("hello all")));
        assert_eq!(piped("subcribe ops", None).unwrap_err().code, Code::BadCommand);
        assert_eq!(piped("/nonsense", Some("ops")).unwrap_err().code, Code::BadCommand);
    }

    #[test]
    fn arguments_become_json() {
        assert_eq!(ask("/msg bob hi  there"), ("msg", json!({"to": "bob", "data": "hi  there"}), false));
        assert_eq!(ask("/history ops 5"), ("history", json!({"channel": "ops", "limit": 5}), false));
        assert_eq!(ask("/whois 7"), ("whois", json!({"name": "7"}), false));
        assert_eq!(ask("/nick bob"), ("name", json!({"name": "bob"}), false));
        assert_eq!(ask("/drain 500"), ("drain", json!({"deadline_ms": 500}), true));
        assert!(ask("/welcome scope=server hi").2);
        assert!(!ask("/welcome scope=server").2 && !ask("/welcome hi").2);
    }

    #[test]
    fn channels_are_joined_and_left() {
        let Action::Join { patterns, group } = typed("/join #a b.* group=g") else { panic!("a join") };
        assert_eq!(patterns.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["a", "b.*"]);
        assert_eq!(group.as_deref(), Some("g"));
        assert_eq!(channel_of(&patterns).unwrap().as_str(), "a");
        assert_eq!(typed("/part"), Action::Part { patterns: vec![Pattern::parse("ops").unwrap()] });
        assert_eq!(interpret("/join", None, Marked::BySlash).unwrap_err().code, Code::BadArgument);
        assert_eq!(interpret("/join a..b", None, Marked::BySlash).unwrap_err().code, Code::BadChannel);
    }

    #[test]
    fn every_verb_that_a_person_may_say_is_possible() {
        for verb in VERBS.iter().filter(|v| v.name != "hello") {
            let line = format!("/{} on a b", verb.name);
            let bare = format!("/{}", verb.name);
            let possible = [line, bare].iter().any(|l| interpret(l, Some("ops"), Marked::BySlash).is_ok());
            let one = interpret(&format!("/{} on", verb.name), Some("ops"), Marked::BySlash).is_ok();
            assert!(possible || one, "{}", verb.name);
        }
    }
}
