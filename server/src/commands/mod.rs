//! What each command does, one function a verb: it reads its arguments and asks the hub. Publishing,
//! which runs are made of, is in [`crate::session`].

mod about_channels;
mod about_clients;
mod about_server;
mod services;

pub(crate) use about_server::DEFAULT_DRAIN;

use crate::cluster::questions::{self, Answer, Asked, Question};
use crate::hub::{Batch, Hub};
use crate::lists::Merge;
use crate::session::Session;
use hubbub_shared::command::{Command, Value, Who};
use hubbub_shared::encoding::Payload;
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::{Done, Reply};
use hubbub_shared::Op;

/// What a command works with.
pub struct Call<'a> {
    /// What all share.
    pub hub: &'a Hub,
    /// The caller's conversation.
    pub session: &'a mut Session,
    /// The batch that the command is part of.
    pub batch: &'a mut Batch,
}

/// What comes of a command.
pub enum Outcome {
    /// It is answered now.
    Reply(Reply),
    /// Its answer comes by itself.
    Later,
    /// It is answered, and the connection ends.
    Close(Reply),
    /// It is refused, and the connection ends: the client is to go on elsewhere.
    Away(Refusal, Vec<String>),
}

type Result<T> = std::result::Result<T, Refusal>;
type Handler = fn(Call<'_>, &Command<'_>) -> Result<Outcome>;

/// Runs a command other than `publish`.
pub fn run(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    if command.verb.who == Who::Operator && !call.session.operator {
        let message = format!("{} is for operators; say operator TOKEN first", command.verb.name);
        return Err(Refusal::new(Code::NotAllowed, message));
    }
    let handler: Handler = match command.verb.op {
        Op::Publish => return Err(Refusal::new(Code::Internal, "publish is not run from here")),
        Op::Help => about_server::help,
        Op::Hello => about_clients::hello,
        Op::Name => about_clients::name,
        Op::Whoami => about_clients::whoami,
        Op::Ip => about_clients::ip,
        Op::Connected => about_clients::connected,
        Op::Whois => about_clients::whois,
        Op::Clients => about_clients::clients,
        Op::Msg => about_clients::msg,
        Op::Welcome => about_clients::welcome,
        Op::Servers => about_server::servers,
        Op::Quiet => about_server::quiet,
        Op::Ping => about_server::ping,
        Op::Stats => about_server::stats,
        Op::Close => about_server::close,
        Op::Operator => about_server::operator,
        Op::Drain | Op::Shutdown => about_server::drain,
        Op::Channels => about_channels::channels,
        Op::Create => about_channels::create,
        Op::Topic => about_channels::topic,
        Op::Subscribe => about_channels::subscribe,
        Op::Unsubscribe => about_channels::unsubscribe,
        Op::Who => about_channels::who,
        Op::History => about_channels::history,
        Op::Request => services::request,
        Op::Serve => services::serve,
        Op::Unserve => services::unserve,
        Op::Respond => services::respond,
        Op::Services => services::services,
        Op::Reverse => services::reverse,
    };
    handler(call, command)
}

fn done(said: impl Into<String>) -> Result<Outcome> {
    Ok(Outcome::Reply(Reply::Done(Done { said: said.into() })))
}

/// Asks linked servers, and makes the reply of what they answer, in their order, and of the names of
/// those that did not: at once where there are none to ask.
fn ask(
    call: Call<'_>,
    command: &Command<'_>,
    question: impl FnOnce() -> Question,
    to: Asked,
    finish: impl FnOnce(questions::Outcome<'_>) -> Result<Reply> + Send + 'static,
) -> Result<Outcome> {
    let Call { hub, session, batch } = call;
    if to.peers.is_empty() {
        let (client, missing) = (&session.client, to.missing);
        let outcome = questions::Outcome { hub, client, answers: Vec::new(), missing, batch };
        return finish(outcome).map(Outcome::Reply);
    }
    hub.servers.ask(&session.client, command.id, question(), to, Box::new(finish), batch);
    Ok(Outcome::Later)
}

/// Makes one list of this server's and what all others answer.
fn ask_all<L: Merge + Send + 'static>(
    call: Call<'_>,
    command: &Command<'_>,
    question: impl FnOnce() -> Question,
    mut list: L,
    limit: usize,
    read: fn(Answer) -> Option<L>,
    reply: fn(L) -> Result<Reply>,
) -> Result<Outcome> {
    let to = call.hub.servers.everyone();
    ask(call, command, question, to, move |outcome| {
        outcome.answers.into_iter().filter_map(read).for_each(|other| list.merge(other));
        // As for one server's: it must leave room in the queue of a client that reads all it is sent.
        list.finish(limit, outcome.hub.limits.max_queue / 4, outcome.missing);
        reply(list)
    })
}

/// Replies when the linked servers know what has just been subscribed to or offered, so that whoever
/// is told of it can rely on it there; those that do not answer soon are not waited for.
fn when_known(call: Call<'_>, command: &Command<'_>, reply: Reply) -> Result<Outcome> {
    let Call { hub, session, batch } = call;
    let to = hub.servers.those_that_answer(batch.now);
    if !to.peers.is_empty() {
        hub.servers.peers.tell_changes(hub, batch);
    }
    ask(Call { hub, session, batch }, command, || Question::Sync, to, |_| Ok(reply))
}

/// An argument that may hold anything.
fn payload<'a>(command: &Command<'a>, name: &str) -> Option<Payload<'a>> {
    command.value(name).map(|value| match value {
        Value::Text(text) => Payload::Text(text),
        Value::Json(raw) => Payload::Json(raw),
    })
}

/// A text of the kind that is kept: a topic, a welcome.
fn short_text(text: &str, what: &str) -> Result<String> {
    let max = hubbub_shared::limits::MAX_SHORT_TEXT;
    let text = text.trim();
    if text.len() > max {
        return Err(Refusal::new(
            Code::TooLarge,
            format!("{what} has {max} bytes at the most, not {}", text.len()),
        ));
    }
    Ok(text.to_owned())
}
