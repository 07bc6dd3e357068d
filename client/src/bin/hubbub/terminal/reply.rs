//! Replies for the terminal: read from JSON by the command that they answer, and written as the hub's
//! text encoding writes them. Pure.

use super::line::Ask;
use hubbub_client::reply::{Done, HelpReply, PublishedReply, Reply};
use hubbub_shared::command::{Op, Spoken, Verb};
use hubbub_shared::encoding::text;
use serde_json::value::RawValue;

/// Appends the lines of a reply.
pub fn push_reply(ask: &Ask, raw: &RawValue, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    if ask.op == Op::Publish {
        let published: PublishedReply = serde_json::from_str(raw.get())?;
        text::push_published(ask.text("channel").trim_start_matches('#'), published.subscribers, out);
    } else {
        text::push_ok(&read(ask, raw)?, out);
    }
    Ok(())
}

/// Appends the line of something that was done here.
pub fn push_done(said: impl Into<String>, out: &mut Vec<u8>) {
    text::push_ok(&Reply::Done(Done { said: said.into() }), out);
}

fn read(ask: &Ask, raw: &RawValue) -> Result<Reply, serde_json::Error> {
    let raw = raw.get();
    let done = |said: String| Ok(Reply::Done(Done { said }));
    Ok(match ask.op {
        Op::Help => Reply::Help(help(serde_json::from_str(raw)?)),
        Op::Name => Reply::Name(serde_json::from_str(raw)?),
        Op::Whoami | Op::Whois => Reply::Whoami(serde_json::from_str(raw)?),
        Op::Ip => Reply::Ip(serde_json::from_str(raw)?),
        Op::Connected => Reply::Connected(serde_json::from_str(raw)?),
        Op::Clients | Op::Who => Reply::Clients(serde_json::from_str(raw)?),
        Op::Servers => Reply::Servers(serde_json::from_str(raw)?),
        Op::Channels => Reply::Channels(serde_json::from_str(raw)?),
        Op::History => Reply::History(serde_json::from_str(raw)?),
        Op::Services => Reply::Services(serde_json::from_str(raw)?),
        Op::Reverse | Op::Welcome => match serde_json::from_str::<hubbub_client::reply::TextReply>(raw)? {
            none if ask.op == Op::Welcome && none.text.is_empty() => return done("no welcome is set".into()),
            reply => Reply::Text(reply),
        },
        Op::Ping => Reply::Pong(serde_json::from_str(raw)?),
        Op::Stats => Reply::Stats(serde_json::from_str(raw)?),
        // These three name what they are about, which JSON does not repeat.
        Op::Topic => {
            let mut reply: hubbub_client::reply::TopicReply = serde_json::from_str(raw)?;
            reply.channel = ask.text("channel").to_owned();
            Reply::Topic(reply)
        }
        Op::Msg => {
            let mut reply: hubbub_client::reply::MsgReply = serde_json::from_str(raw)?;
            reply.to = ask.text("to").to_owned();
            Reply::Msg(reply)
        }
        Op::Request => {
            let mut reply: hubbub_client::reply::RequestReply = serde_json::from_str(raw)?;
            reply.service = ask.text("service").to_owned();
            Reply::Request(reply)
        }
        Op::Create => return done(format!("created {}", ask.text("channel"))),
        Op::Operator => return done("you are an operator".into()),
        Op::Drain | Op::Shutdown => return done("draining".into()),
        // Done without words; or, for those that the terminal does itself, never asked.
        Op::Hello
        | Op::Publish
        | Op::Subscribe
        | Op::Unsubscribe
        | Op::Serve
        | Op::Unserve
        | Op::Respond
        | Op::Quiet
        | Op::Close => return done(String::new()),
    })
}

/// The list of commands without those that cannot be typed here.
fn help(mut help: HelpReply) -> HelpReply {
    if help.commands.len() > 1 {
        let json_only = |name: &str| Verb::find(name).is_some_and(|verb| verb.spoken == Spoken::JsonOnly);
        help.commands.retain(|row| !json_only(&row.name));
    }
    help
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::line::{interpret, Action, Here, Marked};
    use super::*;

    fn shown(line: &str, ok: &str) -> String {
        let Action::Ask(ask) =
            interpret(line, Here { current: None, marked: Marked::BySlash, joined: &[] }).unwrap()
        else {
            panic!("{line}")
        };
        let mut out = Vec::new();
        push_reply(&ask, &RawValue::from_string(ok.to_owned()).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn replies_read_as_the_hub_would_write_them() {
        assert_eq!(
            shown("/pub ops hi", r#"{"origin":"a-1","seq":4,"subscribers":3}"#),
            "ok published ops to 3\n"
        );
        assert_eq!(shown("/msg bob hi", r#"{"delivered_to":["x"]}"#), "ok sent to bob\n");
        assert_eq!(shown("/request up x", r#"{"data":"a\u001bb"}"#), "ok up: a\\x1bb\n");
        assert_eq!(
            shown("/topic ops", r#"{"topic":"builds","set_by":"bob","set_at":"T"}"#),
            "ok topic of ops: builds (set by bob)\n"
        );
        assert_eq!(shown("/create ops", "{}"), "ok created ops\n");
        assert_eq!(shown("/reverse abc", r#"{"text":"cba"}"#), "ok cba\n");
        assert_eq!(shown("/clients", r#"{"clients":[]}"#), "ok 0 clients\n");
    }

    #[test]
    fn help_leaves_out_what_cannot_be_typed() {
        let row =
            |name| format!(r#"{{"name":"{name}","aliases":[],"usage":"","about":"does it","arguments":[]}}"#);
        let list = format!(r#"{{"commands":[{},{},{}]}}"#, row("hello"), row("ip"), row("later"));
        let help = shown("/help", &list);
        assert!(
            help.contains("  ip ") && help.contains("  later ") && help.ends_with("ok 2 commands\n"),
            "{help}"
        );
    }
}
