//! What a client may ask: the one table of verbs, from which the parsers, `help`, completion and
//! the documents come, and a parsed command with its arguments still in place in the read buffer.

use crate::encoding::json;
use crate::limits::MAX_JSON_DEPTH;
use crate::names::quote;
use crate::refusal::{Code, Refusal};
use std::borrow::Cow;

/// How an argument is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One word of text; a JSON string, or a number where one is meant.
    Word,
    /// One of a few words; as text it may be left out before another argument.
    Choice(&'static [&'static str]),
    /// All remaining words; a JSON string or an array of strings.
    Words,
    /// The rest of the line; a JSON string.
    Rest,
    /// The rest of the line, taken as a string; any JSON value.
    Data,
    /// `name=VALUE` among the first words of a line; a JSON string or number.
    Flag,
    /// Only in JSON and frames.
    JsonOnly,
}

/// One argument of a verb.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Its key in JSON.
    pub name: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// Whether the command is refused without it.
    pub required: bool,
}

/// Who may say a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Any client.
    Anyone,
    /// Clients that have shown the operator token.
    Operator,
}

/// Which encodings have a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// All three.
    Everywhere,
    /// Text lines alone.
    TextOnly,
    /// JSON lines and frames alone.
    JsonOnly,
}

/// One row of the table of commands.
#[derive(Debug)]
pub struct Verb {
    /// Which command it is.
    pub op: Op,
    /// Its name in every encoding.
    pub name: &'static str,
    /// Older habits that mean the same.
    pub aliases: &'static [&'static str],
    /// Its arguments, in the order of the text form.
    pub args: &'static [Arg],
    /// Whether any of them is a [`Kind::Flag`].
    pub has_flags: bool,
    /// How the text form is written, after the name.
    pub usage: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// Who may say it.
    pub who: Who,
    /// Which encodings have it.
    pub spoken: Spoken,
}

/// Arguments of one verb at the most.
pub const MAX_ARGS: usize = 6;

const fn opt(name: &'static str, kind: Kind) -> Arg {
    Arg { name, kind, required: false }
}
const fn req(name: &'static str, kind: Kind) -> Arg {
    Arg { name, kind, required: true }
}

const fn has_flags(args: &[Arg]) -> bool {
    let mut n = 0;
    while n < args.len() {
        if matches!(args[n].kind, Kind::Flag) {
            return true;
        }
        n += 1;
    }
    false
}

macro_rules! verbs {
    ($($op:ident $name:literal $aliases:tt $usage:literal $about:literal
        [$($arg:expr),*] $($who:ident $spoken:ident)?;)*) => {
        /// A command, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the table says it
        pub enum Op { $($op),* }

        /// Every verb. `publish` stands first, since it is looked up most.
        pub const VERBS: &[Verb] = &[$(Verb {
            op: Op::$op,
            name: $name,
            aliases: &$aliases,
            args: &[$($arg),*],
            has_flags: has_flags(&[$($arg),*]),
            usage: $usage,
            about: $about,
            who: verbs!(@who $($who)?),
            spoken: verbs!(@spoken $($spoken)?),
        }),*];
    };
    (@who) => { Who::Anyone };
    (@who $who:ident) => { Who::$who };
    (@spoken) => { Spoken::Everywhere };
    (@spoken $spoken:ident) => { Spoken::$spoken };
}

use Kind::{Choice, Data, Flag, JsonOnly, Rest, Word, Words};

verbs! {
    Publish "publish" ["pub", "publish_message"] "CHANNEL TEXT…"
        "send a message to everyone who is subscribed to a channel"
        [req("channel", Word), req("data", Data), opt("headers", JsonOnly), opt("reply", JsonOnly)];
    Help "help" [] "[VERB]" "list the commands, or explain one" [opt("verb", Word)];
    Hello "hello" [] "" "introduce yourself and learn the hub's limits"
        [opt("name", JsonOnly), opt("token", JsonOnly), opt("client", JsonOnly), opt("echo", JsonOnly),
         opt("heartbeat", JsonOnly), opt("follow", JsonOnly)] Anyone JsonOnly;
    Name "name" ["nick"] "[NEW]" "show your name, or take a new one" [opt("name", Word)];
    Whoami "whoami" [] "" "show what the hub knows of you" [];
    Ip "ip" [] "" "show the address that you come from" [];
    Connected "connected" [] "" "show since when and for how long you have been connected" [];
    Whois "whois" [] "NAME" "show what the hub knows of another client" [req("name", Word)];
    Clients "clients" [] "[open|closed|all] [PATTERN]"
        "list clients that are connected, or were; * in PATTERN stands for any characters"
        [opt("state", Choice(&["open", "closed", "all"])), opt("match", Word), opt("limit", Flag),
         opt("scope", Flag)];
    Servers "servers" [] "" "list the servers of the cluster" [];
    Channels "channels" ["listchannels", "list"] "[PATTERN]" "list channels" [opt("match", Word)];
    Create "create" ["createchannel"] "CHANNEL [TOPIC…]" "create a channel that stays"
        [req("channel", Word), opt("topic", Rest)];
    Topic "topic" [] "CHANNEL [TOPIC…]" "show or set what a channel is about"
        [req("channel", Word), opt("topic", Rest)];
    Subscribe "subscribe" ["join", "sub"] "CHANNEL… [group=NAME]"
        "receive a channel's messages; * stands for one token, > for all that follow; each message of a group goes to one member"
        [opt("channels", Words), opt("channel", JsonOnly), opt("group", Flag)];
    Unsubscribe "unsubscribe" ["part", "leave"] "CHANNEL…" "receive a channel's messages no longer"
        [opt("channels", Words), opt("channel", JsonOnly)];
    Who "who" ["names"] "CHANNEL" "list who receives a channel's messages" [req("channel", Word)];
    Msg "msg" [] "NAME TEXT…" "send a message to one client" [req("to", Word), req("data", Data)];
    History "history" [] "CHANNEL [N]" "show a channel's last messages"
        [req("channel", Word), opt("limit", Word), opt("since", Flag)];
    Request "request" ["call"] "SERVICE TEXT…" "ask a service, and receive its answer"
        [req("service", Word), opt("data", Data), opt("timeout_ms", JsonOnly)];
    Serve "serve" [] "SERVICE [ABOUT…]" "offer a service: its requests are sent to you from now on"
        [req("service", Word), opt("about", Rest)];
    Unserve "unserve" [] "SERVICE" "offer a service no longer" [req("service", Word)];
    Respond "respond" [] "REQUEST_ID TEXT…" "answer a request"
        [req("request_id", Word), opt("data", Data), opt("error", JsonOnly)];
    Services "services" [] "" "list the services" [];
    Reverse "reverse" [] "TEXT…" "reverse a text" [req("text", Rest)];
    Welcome "welcome" ["motd"] "[scope=server] [TEXT…]"
        "show or set your welcome, shown by whois and to whoever messages you first; with scope=server, what this server greets clients with"
        [opt("scope", Flag), opt("text", Rest)];
    Quiet "quiet" [] "on|off" "leave out the ok lines of publishes, or bring them back"
        [req("state", Choice(&["on", "off"]))] Anyone TextOnly;
    Ping "ping" [] "" "ask for a sign of life" [];
    Stats "stats" [] "" "show the counters of this server" [];
    Close "close" ["quit", "exit", "bye"] "" "end the connection" [];
    Operator "operator" [] "TOKEN" "become an operator; the token stands in operator.token in the data folder"
        [req("token", Word)];
    Drain "drain" [] "[DEADLINE_MS]" "send all clients away, then stop the server"
        [opt("deadline_ms", Word)] Operator Everywhere;
    Shutdown "shutdown" [] "[DEADLINE_MS]" "the same as drain"
        [opt("deadline_ms", Word)] Operator Everywhere;
}

impl Verb {
    /// Finds a verb by its name or an alias, in any case.
    #[inline]
    pub fn find(word: &str) -> Option<&'static Verb> {
        VERBS.iter().find(|v| v.name == word).or_else(|| VERBS.iter().find(|v| v.is_called(word)))
    }

    fn is_called(&self, word: &str) -> bool {
        self.name.eq_ignore_ascii_case(word) || self.aliases.iter().any(|a| a.eq_ignore_ascii_case(word))
    }

    /// The refusal of a word that is no verb, with the nearest verb where one is near.
    pub fn unknown(word: &str) -> Refusal {
        // Nothing that is longer is a slip of the keyboard, and looking for it would be much work.
        let short = Some(word.to_ascii_lowercase()).filter(|_| word.len() <= 20);
        let near = short.and_then(|word| {
            VERBS
                .iter()
                .flat_map(|v| std::iter::once(v.name).chain(v.aliases.iter().copied()))
                .map(|name| (edit_distance(&word, name), name))
                .min()
                .filter(|(distance, name)| *distance <= name.len() / 3)
        });
        Refusal::new(
            Code::BadCommand,
            match near {
                Some((_, name)) => {
                    format!("there is no command {}; did you mean {name}? help lists all", quote(word))
                }
                None => format!("there is no command {}; help lists all", quote(word)),
            },
        )
    }

    /// The text form, for help and error messages.
    pub fn usage_line(&self) -> String {
        match self.usage {
            "" => self.name.to_string(),
            usage => format!("{} {usage}", self.name),
        }
    }
}

/// Levenshtein's distance, for "did you mean"; both words are short.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(ca != cb)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}

/// An argument's value, still in the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// From a text line: the words as they were typed.
    Text(&'a str),
    /// From JSON: one valid value, as it was written.
    Json(&'a str),
}

/// One parsed command. Its arguments are checked for shape (is it an object, is the verb known, are
/// the required arguments there); what they mean is checked where they are used.
#[derive(Debug, Clone, Copy)]
pub struct Command<'a> {
    /// Its row in the table.
    pub verb: &'static Verb,
    /// The `id`, as it was written; absent in text and for those who want no reply.
    pub id: Option<&'a str>,
    /// The arguments, in the order of [`Verb::args`].
    pub values: [Option<Value<'a>>; MAX_ARGS],
}

impl<'a> Command<'a> {
    /// The value of an argument. Asking for one that the verb does not have is a defect.
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        let index = self.verb.args.iter().position(|a| a.name == name);
        debug_assert!(index.is_some(), "{} has no argument {name}", self.verb.name);
        index.and_then(|i| self.values[i])
    }

    /// A text argument, without escapes.
    pub fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
        match self.value(name) {
            None | Some(Value::Json("null")) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(Value::Json(raw)) => {
                json::string(raw).map(Some).ok_or_else(|| self.wrong(name, "a string", raw))
            }
        }
    }

    /// A text argument that must be there.
    pub fn required(&self, name: &str) -> Result<Cow<'a, str>, Refusal> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.value(name) {
            None | Some(Value::Json("null")) => Ok(None),
            Some(Value::Text(raw) | Value::Json(raw)) => {
                raw.parse().map(Some).map_err(|_| self.wrong(name, "a whole number from 0", raw))
            }
        }
    }

    /// A truth value.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.value(name) {
            None | Some(Value::Json("null")) => Ok(None),
            Some(Value::Text("on" | "true") | Value::Json("true")) => Ok(Some(true)),
            Some(Value::Text("off" | "false") | Value::Json("false")) => Ok(Some(false)),
            Some(Value::Text(raw) | Value::Json(raw)) => Err(self.wrong(name, "true or false", raw)),
        }
    }

    /// One of a few words; the first that matches, without regard to case.
    pub fn choice(&self, name: &str, choices: &[&'static str]) -> Result<Option<&'static str>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = choices.iter().find(|c| c.eq_ignore_ascii_case(&text)).copied();
        found.map(Some).ok_or_else(|| self.wrong(name, &format!("one of {}", choices.join(", ")), &text))
    }

    /// A list of words: all words of a line; a JSON string or an array of strings.
    pub fn words(&self, name: &str) -> Result<Vec<Cow<'a, str>>, Refusal> {
        match self.value(name) {
            None | Some(Value::Json("null")) => Ok(Vec::new()),
            Some(Value::Text(text)) => Ok(text.split_ascii_whitespace().map(Cow::Borrowed).collect()),
            Some(Value::Json(raw)) => {
                json::strings(raw).ok_or_else(|| self.wrong(name, "a string or an array of strings", raw))
            }
        }
    }

    /// A refusal for an argument that is not there.
    pub fn missing(&self, name: &str) -> Refusal {
        Refusal::bad_argument(format!("{} needs {name}: {}", self.verb.name, self.verb.usage_line()))
    }

    fn wrong(&self, name: &str, wanted: &str, got: &str) -> Refusal {
        Refusal::bad_argument(format!("{name} must be {wanted}, not {}", quote(got)))
    }
}

/// The refusal of JSON that is nested too deep; the decoders and the checks of values share it.
pub fn too_deep() -> Refusal {
    Refusal::new(Code::TooDeep, format!("JSON may be nested {MAX_JSON_DEPTH} deep at the most"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_unique_and_no_verb_has_too_many_arguments() {
        let mut seen = std::collections::HashSet::new();
        for verb in VERBS {
            assert!(verb.args.len() <= MAX_ARGS, "{}", verb.name);
            for name in std::iter::once(&verb.name).chain(verb.aliases) {
                assert!(seen.insert(*name), "{name} stands twice");
                assert_eq!(Verb::find(&name.to_uppercase()).map(|v| v.op), Some(verb.op));
            }
        }
    }

    #[test]
    fn an_unknown_verb_names_the_nearest() {
        assert!(Verb::unknown("subcribe").message.contains("did you mean subscribe?"));
        assert!(!Verb::unknown("xyzzy").message.contains("did you mean"));
    }
}
