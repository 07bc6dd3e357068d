//! What a line that was typed or piped in means. Pure: a line and where it is said in, an action out.
//! The commands and their arguments come from the hub's own table, and from the terminal's.

use super::full::nearest;
use super::local::{Local, LocalOp, LOCALS};
use hubbub_shared::command::{Command, Op, Spoken, Value as Raw, Verb, Who, VERBS};
use hubbub_shared::encoding::text;
use hubbub_shared::names::{quote, ChannelName, ClientName, Pattern};
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

/// Whom one talks to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Everybody in a channel.
    Channel(String),
    /// One person, as `NAME` or `NAME@SERVER`.
    Person(String),
}

/// Where a line is said.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// Whom plain lines go to.
    pub current: Option<&'a Target>,
    /// How commands are told from text.
    pub marked: Marked,
    /// What is subscribed to.
    pub joined: &'a [String],
}

impl<'a> Here<'a> {
    fn channel(self) -> Option<&'a str> {
        match self.current {
            Some(Target::Channel(name)) => Some(name),
            _ => None,
        }
    }
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
    /// Talk to somebody else from now on, and say this if there is anything to say.
    Turn { target: Target, text: Option<String> },
    /// Talk to this person no longer.
    Forget { person: String },
    /// What only the full screen knows how to do, with the rest of the line.
    Local(LocalOp, String),
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
pub fn interpret(line: &str, here: Here<'_>) -> Result<Action, Refusal> {
    if line.trim().is_empty() {
        return Ok(Action::Nothing);
    }
    // As on IRC: two slashes start a text that starts with one.
    if let Some(text) = line.strip_prefix("//") {
        return say(&format!("/{text}"), here);
    }
    let word = first_word(line);
    let is_command = match here.marked {
        Marked::BySlash => line.starts_with('/'),
        Marked::ByVerb => {
            let verb = Verb::find(word);
            // `hello` is no command in text, and the likeliest text of all.
            line.trim_start().starts_with('/') || verb.is_some_and(|v| v.spoken != Spoken::JsonOnly)
        }
    };
    if !is_command {
        return match (here.marked, here.current) {
            // Without a channel to talk to it can only have been meant as a command.
            (Marked::ByVerb, None) => Err(Verb::unknown(word)),
            _ => say(line, here),
        };
    }
    match Local::find(word.trim_start_matches('/')) {
        Some(row) => local(row, line.trim_start()[word.len()..].trim(), here),
        None if here.marked == Marked::BySlash && op_of(word).is_none() => Err(unknown(word)),
        // People give a reason when they leave.
        None if here.marked == Marked::BySlash && op_of(word) == Some(Op::Close) => Ok(Action::Quit),
        None => {
            let whole = about_here(line, here);
            command(&text::parse(whole.as_deref().unwrap_or(line))?, here)
        }
    }
}

/// The refusal of a word after a slash that is no command, neither of the hub nor of the terminal.
fn unknown(word: &str) -> Refusal {
    let verbs = VERBS.iter().filter(|verb| verb.spoken != Spoken::JsonOnly);
    let verbs = verbs.flat_map(|verb| std::iter::once(verb.name).chain(verb.aliases.iter().copied()));
    let locals = LOCALS.iter().flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()));
    let word = word.trim_start_matches('/');
    let meant = match nearest(word, verbs.chain(locals)) {
        Some(name) => format!("did you mean /{name}? "),
        None => String::new(),
    };
    let said = quote(&format!("/{word}"));
    Refusal::new(
        Code::BadCommand,
        format!("there is no command {said}; {meant}/help lists all, // starts a text"),
    )
}

fn op_of(word: &str) -> Option<Op> {
    Verb::find(word.trim_start_matches('/')).map(|verb| verb.op)
}

fn first_word(line: &str) -> &str {
    line.split_ascii_whitespace().next().unwrap_or_default()
}

fn say(text: &str, here: Here<'_>) -> Result<Action, Refusal> {
    match here.current {
        Some(target) => say_to(target, text),
        None => {
            let message = "there is nobody to talk to: /join CHANNEL or /query NAME first";
            Err(Refusal::new(Code::NotSubscribed, message))
        }
    }
}

/// The action that says a text to somebody.
pub fn say_to(target: &Target, text: &str) -> Result<Action, Refusal> {
    Ok(match target {
        Target::Channel(channel) => Action::Say { channel: channel.clone(), text: text.to_owned() },
        Target::Person(name) => {
            let args = [("to", name.as_str()), ("data", text)];
            let args = args.map(|(key, value)| (key.to_owned(), Value::from(value)));
            Action::Ask(Ask { op: Op::Msg, name: "msg", args: args.into_iter().collect(), operator: false })
        }
    })
}

fn local(row: &'static Local, rest: &str, here: Here<'_>) -> Result<Action, Refusal> {
    if row.needs_words() && rest.is_empty() {
        return Err(Refusal::bad_argument(format!("say /{}", row.usage_line())));
    }
    Ok(match row.op {
        // As XEP-0245 has it: the words themselves say that it is something done, in every encoding.
        LocalOp::Me => return say(&format!("/me {rest}"), here),
        LocalOp::Query => {
            let (name, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let text = Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
            Action::Turn { target: Target::Person(person(name)?), text }
        }
        op => Action::Local(op, rest.to_owned()),
    })
}

/// A person's name, as `NAME` or `NAME@SERVER`.
pub fn person(name: &str) -> Result<String, Refusal> {
    let (own, server) = name.split_once('@').unwrap_or((name, ""));
    ClientName::parse(own)?;
    let known = server.is_empty() || server.bytes().all(|b| b.is_ascii_graphic());
    match known && !name.ends_with('@') {
        true => Ok(name.to_owned()),
        false => Err(Refusal::new(Code::BadName, format!("{} is no NAME@SERVER", quote(name)))),
    }
}

fn command(command: &Command<'_>, here: Here<'_>) -> Result<Action, Refusal> {
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
                match here.current.ok_or_else(|| command.missing("channels"))? {
                    Target::Channel(channel) => patterns.push(Pattern::parse(channel)?),
                    Target::Person(person) => return Ok(Action::Forget { person: person.clone() }),
                }
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
        // A `#` says that it is a channel.
        Op::Msg if required("to")?.starts_with('#') => Action::Say {
            channel: required("to")?.trim_start_matches('#').to_owned(),
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

/// A person who is in a channel need not name it: `/who`, `/topic`, `/topic A NEW ONE`, `/history 20`.
fn about_here(line: &str, here: Here<'_>) -> Option<String> {
    let channel = here.channel().filter(|_| here.marked == Marked::BySlash)?;
    let mut words = line.split_ascii_whitespace();
    let (verb, first) = (words.next()?, words.next());
    let op = op_of(verb)?;
    let number = first.filter(|word| op == Op::History && word.bytes().all(|b| b.is_ascii_digit()));
    match (op, first, number, words.next()) {
        (Op::Who | Op::Topic | Op::History, None, ..) => Some(format!("{verb} {channel}")),
        (_, _, Some(number), None) => Some(format!("{verb} {channel} {number}")),
        // As on IRC: `/topic We are late today` is about where one is.
        (Op::Topic, Some(first), _, Some(_))
            if !first.starts_with('#') && !here.joined.iter().any(|j| j == first) =>
        {
            Some(format!("{verb} {channel} {}", line.trim_start()[verb.len()..].trim()))
        }
        _ => None,
    }
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
    use serde_json::json;

    fn ops() -> Target {
        Target::Channel("ops".into())
    }

    fn at(current: &Target, marked: Marked) -> Here<'_> {
        Here { current: Some(current), marked, joined: &[] }
    }

    fn nowhere(marked: Marked) -> Here<'static> {
        Here { current: None, marked, joined: &[] }
    }

    fn typed(line: &str) -> Action {
        interpret(line, at(&ops(), Marked::BySlash)).unwrap()
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
        for (slip, meant) in [("/jion ops", "/join?"), ("/qurey bob", "/query?"), ("/serach x", "/search?")] {
            let refusal = interpret(slip, at(&ops(), Marked::BySlash)).unwrap_err();
            assert!(refusal.code == Code::BadCommand && refusal.message.contains(meant), "{refusal:?}");
        }
        assert_eq!(typed("  indented /who"), said("  indented /who"));
        assert_eq!(typed("  "), Action::Nothing);
        assert_eq!(typed("/quit"), Action::Quit);
        let alone = interpret("hi", nowhere(Marked::BySlash)).unwrap_err();
        assert_eq!(alone.code, Code::NotSubscribed);
    }

    #[test]
    fn a_script_commands_where_it_can() {
        let piped = |line, current: Option<&str>| match current {
            Some(_) => interpret(line, at(&ops(), Marked::ByVerb)),
            None => interpret(line, nowhere(Marked::ByVerb)),
        };
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
        assert_eq!(interpret("/join", nowhere(Marked::BySlash)).unwrap_err().code, Code::BadArgument);
        assert_eq!(interpret("/join a..b", nowhere(Marked::BySlash)).unwrap_err().code, Code::BadChannel);
    }

    #[test]
    fn in_a_channel_its_name_need_not_be_said() {
        assert_eq!(ask("/names"), ("who", json!({"channel": "ops"}), false));
        assert_eq!(ask("/topic"), ("topic", json!({"channel": "ops"}), false));
        assert_eq!(ask("/history 20"), ("history", json!({"channel": "ops", "limit": 20}), false));
        assert_eq!(ask("/history dev"), ("history", json!({"channel": "dev"}), false));
        assert_eq!(ask("/topic dev"), ("topic", json!({"channel": "dev"}), false));
        let late = json!({"channel": "ops", "topic": "we are  late"});
        assert_eq!(ask("/topic we are  late"), ("topic", late, false));
        assert_eq!(
            ask("/topic #dev is late"),
            ("topic", json!({"channel": "#dev", "topic": "is late"}), false)
        );
        let (current, joined) = (ops(), ["dev".to_owned()]);
        let here = Here { current: Some(&current), marked: Marked::BySlash, joined: &joined };
        let Ok(Action::Ask(topic)) = interpret("/topic dev is late", here) else { panic!("a topic") };
        assert_eq!(topic.text("channel"), "dev");
        assert_eq!(typed("/msg #dev hi all"), Action::Say { channel: "dev".into(), text: "hi all".into() });
        assert_eq!(typed("/quit until tomorrow"), Action::Quit);
        // A script names what it means.
        assert!(interpret("who", at(&ops(), Marked::ByVerb)).is_err());
    }

    #[test]
    fn one_person_is_talked_to_like_a_channel() {
        let bob = Target::Person("bob@beta".into());
        let to_bob = |line: &str| interpret(line, at(&bob, Marked::BySlash)).unwrap();
        let Action::Ask(hi) = to_bob("hi there") else { panic!("a message") };
        assert_eq!((hi.op, Value::Object(hi.args)), (Op::Msg, json!({"to": "bob@beta", "data": "hi there"})));
        assert_eq!(to_bob("/part"), Action::Forget { person: "bob@beta".into() });
        let turn = |name: &str, text: Option<&str>| Action::Turn {
            target: Target::Person(name.into()),
            text: text.map(str::to_owned),
        };
        assert_eq!(typed("/query eve"), turn("eve", None));
        assert_eq!(typed("/query eve@beta  psst "), turn("eve@beta", Some("psst")));
        for wrong in ["/query", "/query a/b", "/query eve@", "/me"] {
            assert!(interpret(wrong, at(&ops(), Marked::BySlash)).is_err(), "{wrong}");
        }
        assert_eq!(typed("/me waves"), said("/me waves"));
        assert_eq!(typed("/mute"), Action::Local(LocalOp::Mute, String::new()));
    }

    #[test]
    fn every_verb_that_a_person_may_say_is_possible() {
        for verb in VERBS.iter().filter(|v| v.name != "hello") {
            let line = format!("/{} on a b", verb.name);
            let bare = format!("/{}", verb.name);
            let possible = [line, bare].iter().any(|l| interpret(l, at(&ops(), Marked::BySlash)).is_ok());
            let one = interpret(&format!("/{} on", verb.name), at(&ops(), Marked::BySlash)).is_ok();
            assert!(possible || one, "{}", verb.name);
        }
    }
}
