//! The handle that users hold: every command of the protocol, and what this library keeps for them
//! behind it.

use crate::line::{self, Line};
use crate::outgoing::Outgoing;
use crate::queue::queue;
use crate::session::{About, Answer, Session};
use crate::{keeper, rt, service};
use crate::{Error, Events, Options, PublishBuilder, Requests, Subscription};
use futures::channel::oneshot;
use hubbub_shared::encoding::json;
use hubbub_shared::names::Pattern;
use hubbub_shared::reply::{HelloReply, MsgReply, NameReply, PublishedReply, RequestReply};
use hubbub_shared::{Code, Op, Refusal, Verb};
use parking_lot::Mutex;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::Serialize;
use serde_json::value::RawValue;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What the hub's own time limit of a request is given to arrive first, so that its words are heard.
const GRACE: Duration = Duration::from_secs(1);

/// A connection to a hub. Clones are handles to the same connection, which ends with the last of
/// them; subscriptions, services and open requests are handles, too.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// What all handles and the client's task share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) out: Outgoing,
    /// Held for no longer than one look or one read's worth of messages. Where both are needed, `out`
    /// is locked first.
    pub(crate) session: Mutex<Session>,
}

/// Closes the client when the last handle goes.
struct Handle {
    shared: Arc<Shared>,
    task: Mutex<Option<rt::JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.out.close("every handle to the client was dropped");
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hello = self.server();
        f.debug_struct("Client").field("name", &hello.name).field("server", &hello.server).finish()
    }
}

impl Client {
    /// Connects to `HOST:PORT` with all settings at their defaults; see [`Options`] for others.
    ///
    /// # Errors
    /// The same as those of [`Options::connect`].
    pub async fn connect(addr: &str) -> Result<Client, Error> {
        Options::new(addr).connect().await
    }

    pub(crate) async fn open(options: Options) -> Result<Client, Error> {
        let connection = keeper::first(&options).await?;
        let session = Session::new(connection.hello.clone(), options.name.is_some(), options.echo);
        let shared = Arc::new(Shared { options, out: Outgoing::default(), session: Mutex::new(session) });
        keeper::attach(&shared, &connection, true);
        let task = rt::spawn(keeper::keep(shared.clone(), connection));
        Ok(Client { handle: Arc::new(Handle { shared, task: Mutex::new(Some(task)) }) })
    }

    /// The uuid of the present connection.
    pub fn client_id(&self) -> String {
        self.session(|session| session.hello().client_id.clone())
    }

    /// The name that this client has now.
    pub fn name(&self) -> String {
        self.session(|session| session.hello().name.clone())
    }

    /// The hub's last answer to `hello`: which server this is, and its limits.
    pub fn server(&self) -> HelloReply {
        self.session(|session| session.hello().clone())
    }

    /// The address of the present connection, or of the last: as it was named by the user or, after
    /// moving to another server, by a hub.
    pub fn addr(&self) -> String {
        self.session(|session| session.addr().to_owned())
    }

    /// Gives any command that needs no state here. `args` becomes its arguments: an object, or `()`
    /// for none. The shapes of the answers are in [`crate::reply`]; whoever does not need one asks for
    /// [`serde::de::IgnoredAny`].
    ///
    /// # Errors
    /// [`Error::BadArgument`] for `hello`, `subscribe`, `unsubscribe`, `serve`, `unserve` and
    /// `close`, which have methods of their own; otherwise as any command.
    ///
    /// ```
    /// use hubbub_client::{reply::NameReply, Client};
    /// use serde_json::json;
    ///
    /// # async_std::task::block_on(async {
    /// # let hub = hubbub_client::testing::Hub::start().await?;
    /// # let addr = hub.addr();
    /// let client = Client::connect(addr).await?;
    /// let NameReply { name } = client.command("name", json!({"name": "carol"})).await?;
    /// assert_eq!(name, client.name());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn command<T: DeserializeOwned>(&self, op: &str, args: impl Serialize) -> Result<T, Error> {
        let verb = Verb::find(op).map(|verb| verb.op);
        let instead = match verb {
            Some(Op::Hello) => Some("Options"),
            Some(Op::Subscribe) => Some("Client::subscribe"),
            Some(Op::Unsubscribe) => Some("Subscription::unsubscribe"),
            Some(Op::Serve) => Some("Client::serve"),
            Some(Op::Unserve) => Some("Requests::unserve"),
            Some(Op::Close) => Some("Client::close"),
            _ => None,
        };
        if let Some(instead) = instead {
            return Err(Error::BadArgument(format!("{op} is given by {instead}, which keeps what it needs")));
        }
        let answer = self.ask(op, Line::with_args(op, args)?).await?;
        if verb == Some(Op::Name) {
            let NameReply { name } = read(op, &answer)?;
            self.session(|session| session.rename(name));
        }
        read(op, &answer)
    }

    /// Publishes, and waits for the hub's word: where the message stands, and how many receive it.
    ///
    /// # Errors
    /// The same as those of [`PublishBuilder::send`].
    pub async fn publish(&self, channel: &str, data: impl Serialize) -> Result<PublishedReply, Error> {
        self.publish_with(channel, data).send().await
    }

    /// Starts a message that may carry headers, or need no acknowledgement.
    pub fn publish_with(&self, channel: &str, data: impl Serialize) -> PublishBuilder<'_> {
        PublishBuilder::new(self, channel, data)
    }

    /// Waits until the hub has processed everything that was sent before.
    ///
    /// # Errors
    /// What became of messages that were sent without an acknowledgement since the last flush:
    /// [`Error::Disconnected`] when some may be lost with a connection, [`Error::Refused`] with the
    /// first refusal; otherwise as any command.
    pub async fn flush(&self) -> Result<(), Error> {
        let out = &self.handle.shared.out;
        let sent = out.forgotten();
        self.ping().await?;
        if let Some(why) = out.confirm(sent) {
            return Err(Error::disconnected(format!("messages may be lost: {why}")));
        }
        match self.session(Session::take_refused) {
            Some(refusal) => Err(Error::Refused(refusal)),
            None => Ok(()),
        }
    }

    /// Receives the messages of channels; `*` in a pattern stands for one token, `>` for all that
    /// follow. What is published after this returns is received.
    ///
    /// # Errors
    /// [`Error::Refused`] for patterns against the grammar, or more than the hub allows.
    pub async fn subscribe<P>(&self, patterns: P) -> Result<Subscription, Error>
    where
        P: IntoIterator,
        P::Item: AsRef<str>,
    {
        self.subscribe_as(parse(patterns)?, None).await
    }

    /// The same as a member of a group: each message goes to one member.
    ///
    /// # Errors
    /// Beside those of [`Self::subscribe`], [`Error::BadArgument`] for a pattern that this client has
    /// subscribed to already, in another group or none: the hub keeps one subscription for each.
    pub async fn subscribe_group<P>(&self, group: &str, patterns: P) -> Result<Subscription, Error>
    where
        P: IntoIterator,
        P::Item: AsRef<str>,
    {
        self.subscribe_as(parse(patterns)?, Some(group)).await
    }

    async fn subscribe_as(&self, patterns: Vec<Pattern>, group: Option<&str>) -> Result<Subscription, Error> {
        if patterns.is_empty() {
            return Err(Error::BadArgument("name at least one channel to subscribe to".into()));
        }
        let options = &self.handle.shared.options;
        let (sender, receiver) = queue(options.queue, options.queue_bytes);
        let (id, lines) = self.session(|session| {
            let other = |p: &&Pattern| session.routes.holder(p).is_some_and(|holder| holder != group);
            if let Some(pattern) = patterns.iter().find(other) {
                let message =
                    format!("{pattern} is subscribed to by this client already, in another group or none");
                return Err(Error::BadArgument(message));
            }
            let id = session.next_id();
            let line = Line::subscribe(&patterns, group);
            session.routes.add(id, patterns, group.map(str::to_owned), sender);
            Ok((id, line))
        })?;
        // From here on, dropping it undoes what was done.
        let subscription = Subscription { client: self.clone(), id, receiver };
        let limit = options.command_timeout;
        self.exchange("subscribe", lines, About::Subscribe(id), limit).await?;
        Ok(subscription)
    }

    pub(crate) fn end_subscription(&self, id: u64) {
        let shared = &self.handle.shared;
        shared.out.send_now(|lines| shared.session.lock().unsubscribe(id, lines));
    }

    /// Sends a message to one client, `NAME` or `NAME@SERVER`.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such client, or several.
    pub async fn message(&self, to: &str, data: impl Serialize) -> Result<MsgReply, Error> {
        self.asked("msg", Line::new("msg").text("to", to).value("data", data)?).await
    }

    /// Asks a service, and waits for its answer for the client's usual time limit.
    ///
    /// # Errors
    /// The same as those of [`Self::request_timeout`].
    ///
    /// ```
    /// use hubbub_client::Client;
    ///
    /// # async_std::task::block_on(async {
    /// # let hub = hubbub_client::testing::Hub::start().await?;
    /// # let addr = hub.addr();
    /// # let provider = Client::connect(addr).await?;
    /// # let mut requests = provider.serve("reverse", "").await?;
    /// # async_std::task::spawn(async move {
    /// #     use futures::StreamExt;
    /// #     while let Some(request) = requests.next().await { request.respond("olleh").await.unwrap() }
    /// # });
    /// let client = Client::connect(addr).await?;
    /// let answer = client.request("reverse", "hello").await?;
    /// let text: String = serde_json::from_str(answer.get())?;
    /// assert_eq!(text, "olleh");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn request(&self, service: &str, data: impl Serialize) -> Result<Box<RawValue>, Error> {
        self.request_timeout(service, data, self.handle.shared.options.command_timeout).await
    }

    /// Asks a service, with a time limit of its own.
    ///
    /// # Errors
    /// [`Error::Timeout`] when there is no answer in time, [`Error::Refused`] when nobody offers the
    /// service or it answers with an error.
    pub async fn request_timeout(
        &self,
        service: &str,
        data: impl Serialize,
        limit: Duration,
    ) -> Result<Box<RawValue>, Error> {
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let line = Line::new("request").text("service", service).number("timeout_ms", ms);
        let line = line.value("data", data)?;
        match self.exchange("request", line, About::Other, limit.saturating_add(GRACE)).await {
            Ok(answer) => Ok(read::<RequestReply>("request", &answer)?.data),
            Err(Error::Refused(refusal)) if refusal.code == Code::Timeout => {
                Err(Error::Timeout { what: format!("the answer of {service}"), after: limit })
            }
            Err(why) => Err(why),
        }
    }

    /// Offers a service: its requests come in the stream that is returned. `about` says what it does,
    /// and may be empty.
    ///
    /// # Errors
    /// [`Error::BadArgument`] when this client offers it already.
    pub async fn serve(&self, service: &str, about: &str) -> Result<Requests, Error> {
        let (sender, receiver) = queue(service::MAX_REQUESTS, service::MAX_BYTES);
        if !self.session(|session| session.serve(service, about, sender)) {
            return Err(Error::BadArgument(format!("this client offers {service} already")));
        }
        // From here on, dropping it undoes what was done.
        let requests = Requests { client: self.clone(), service: service.to_owned(), receiver };
        let limit = self.handle.shared.options.command_timeout;
        self.exchange("serve", Line::serve(service, about), About::Serve(service.to_owned()), limit).await?;
        Ok(requests)
    }

    pub(crate) fn end_service(&self, service: &str) {
        self.send_now(|session| match session.unserve(service) {
            true => line::unserve(service, session.next_id()),
            false => Vec::new(),
        });
    }

    /// Everything that is no message of a subscription: direct messages, notices, gaps, and what
    /// becomes of the connection. The first stream starts with what happened since connecting,
    /// later ones with what happens from now on.
    pub fn events(&self) -> Events {
        Events(self.session(Session::listen))
    }

    /// Says goodbye after everything that was sent before has been processed, and waits until the
    /// connection is closed. All handles to it end.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the hub does not answer in time; the connection is closed all the same.
    pub async fn close(self) -> Result<(), Error> {
        let shared = &self.handle.shared;
        self.session(|session| session.leaving = true);
        let said = match shared.out.is_connected() {
            true => self.ask("close", Line::new("close")).await,
            false => Err(Error::disconnected("there is no connection")),
        };
        shared.out.close("closed by this client");
        let task = self.handle.task.lock().take();
        if let Some(task) = task {
            task.await;
        }
        match said {
            Ok(_) | Err(Error::Disconnected { .. }) => Ok(()),
            Err(why) => Err(why),
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        let _: IgnoredAny = self.asked("ping", Line::new("ping")).await?;
        Ok(())
    }

    /// Gives a command, and reads its answer.
    pub(crate) async fn asked<T: DeserializeOwned>(&self, op: &str, line: Line) -> Result<T, Error> {
        read(op, &self.ask(op, line).await?)
    }

    /// Gives a command.
    pub(crate) async fn ask(&self, op: &str, line: Line) -> Answer {
        self.exchange(op, line, About::Other, self.handle.shared.options.command_timeout).await
    }

    async fn exchange(&self, op: &str, line: Line, about: About, limit: Duration) -> Answer {
        let shared = &self.handle.shared;
        let id = self.session(Session::next_id);
        let line = line.finish(Some(id));
        self.check_length(&line)?;
        check_answerable(&line, id)?;
        let (sender, receiver) = oneshot::channel();
        let mut waiter = Some((sender, about));
        let _waiting = Waiting { shared, id };
        let answered = async {
            let expect = || {
                if let Some((sender, about)) = waiter.take() {
                    shared.session.lock().expect(id, sender, about);
                }
            };
            shared.out.send(&line, false, expect).await?;
            receiver.await.unwrap_or_else(|_| Err(Error::disconnected("the client is closed")))
        };
        rt::within(limit, answered)
            .await
            .unwrap_or_else(|| Err(Error::Timeout { what: op.to_owned(), after: limit }))
    }

    /// Sends a line that has no answer, as soon as there is room.
    pub(crate) async fn send_unanswered(&self, line: Vec<u8>) -> Result<(), Error> {
        self.check_length(&line)?;
        let shared = &self.handle.shared;
        let limit = shared.options.command_timeout;
        rt::within(limit, shared.out.send(&line, true, || ())).await.unwrap_or_else(|| {
            Err(Error::Timeout { what: "waiting for room to send".to_owned(), after: limit })
        })
    }

    /// Sends what the session makes, if there is a connection.
    pub(crate) fn send_now(&self, make: impl FnOnce(&mut Session) -> Vec<u8>) {
        let shared = &self.handle.shared;
        shared.out.send_now(|lines| lines.extend(make(&mut shared.session.lock())));
    }

    /// The hub would close the connection on a longer line.
    fn check_length(&self, line: &[u8]) -> Result<(), Error> {
        let max = self.handle.shared.out.max_line();
        if line.len() - 1 <= max {
            return Ok(());
        }
        let message = format!("a command has {max} bytes at the most, and this one has {}", line.len() - 1);
        Err(Error::Refused(Refusal::new(Code::TooLarge, message)))
    }

    fn session<T>(&self, look: impl FnOnce(&mut Session) -> T) -> T {
        look(&mut self.handle.shared.session.lock())
    }
}

/// Whether the hub's answer would find its way back. A command that it cannot read to the end is refused
/// without its `id`, which comes last: that would be waited for until the time limit. What is refused with
/// its `id` is the hub's business.
fn check_answerable(line: &[u8], id: u64) -> Result<(), Error> {
    let text = std::str::from_utf8(line).map_err(|why| Refusal::new(Code::NotUtf8, why.to_string()))?;
    match json::parse(text) {
        Err(misread) if misread.id != Some(id.to_string().as_str()) => Err(misread.refusal.into()),
        _ => Ok(()),
    }
}

/// Somebody waits for an answer; when they go, nobody does.
struct Waiting<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.session.lock().forget(self.id);
    }
}

fn parse<P>(patterns: P) -> Result<Vec<Pattern>, Error>
where
    P: IntoIterator,
    P::Item: AsRef<str>,
{
    let mut parsed = Vec::new();
    for pattern in patterns {
        let pattern = Pattern::parse(pattern.as_ref())?;
        if !parsed.contains(&pattern) {
            parsed.push(pattern);
        }
    }
    Ok(parsed)
}

fn read<T: DeserializeOwned>(op: &str, answer: &RawValue) -> Result<T, Error> {
    serde_json::from_str(answer.get()).map_err(|why| Error::BadReply(format!("{op}: {why}")))
}
