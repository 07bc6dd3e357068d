//! What the hub answers: one type for each shape of the `ok` object. The server writes them, the
//! client library reads them; the text form is made in [`crate::encoding::text`].

use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The result of one command.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)] // each variant is named after its command and holds that command's shape
pub enum Reply {
    Help(HelpReply),
    Hello(Box<HelloReply>),
    Name(NameReply),
    Whoami(Box<ClientInfo>),
    Ip(IpReply),
    Connected(ConnectedReply),
    Clients(ClientsReply),
    Servers(ServersReply),
    Channels(ChannelsReply),
    Topic(TopicReply),
    Subscribed(SubscribedReply),
    Published(PublishedReply),
    Msg(MsgReply),
    History(HistoryReply),
    Request(RequestReply),
    Services(ServicesReply),
    Text(TextReply),
    Pong(PongReply),
    Stats(Box<StatsReply>),
    Done(Done),
}

/// An empty `ok`, with the words that the text form says after it.
#[derive(Debug, Serialize)]
pub struct Done {
    /// For text clients, such as `created ops`.
    #[serde(skip)]
    pub said: String,
}

/// One command, as `help` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelpRow {
    /// The verb.
    pub name: String,
    /// Other words for it.
    pub aliases: Vec<String>,
    /// How it is written as text.
    pub usage: String,
    /// What it does.
    pub about: String,
    /// The keys of its JSON form.
    pub arguments: Vec<String>,
}

/// The answer to `help`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelpReply {
    /// One row a verb.
    pub commands: Vec<HelpRow>,
}

/// The answer to `hello`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelloReply {
    /// The uuid of this connection.
    pub client_id: String,
    /// The caller's name from now on.
    pub name: String,
    /// The server's name.
    pub server: String,
    /// This run of the server; the `origin` of its messages.
    pub origin: String,
    /// The server's version.
    pub version: String,
    /// What the caller may do.
    pub limits: Limits,
    /// Where clients of the cluster's servers connect, this one's first; more to try when this one goes.
    #[serde(default)]
    pub servers: Vec<String>,
}

/// The answer to `name`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NameReply {
    /// The caller's name from now on.
    pub name: String,
}

/// One client, as `whoami`, `whois`, `who` and `clients` show it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The uuid of the connection.
    pub client_id: String,
    /// Its name, without the server.
    pub name: String,
    /// The address that it comes from.
    pub ip: String,
    /// The port that it comes from.
    pub port: u16,
    /// When it connected, UTC with milliseconds.
    pub connected_at: String,
    /// Seconds since then, or from then to its end.
    pub duration_s: f64,
    /// The server that it is connected to.
    pub server: String,
    /// `text`, `json` or `frame`; `undecided` before its first byte.
    pub encoding: String,
    /// What it is subscribed to.
    pub channels: Vec<String>,
    /// Its own welcome text, where it set one.
    pub welcome: Option<String>,
    /// The agent that it named in `hello`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
    /// For closed ones: when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub closed_at: Option<String>,
    /// For closed ones: why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Messages that it published or sent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub messages_in: Option<u64>,
    /// Messages that it was sent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub messages_out: Option<u64>,
}

/// The answer to `ip`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IpReply {
    /// The address that the caller comes from.
    pub ip: String,
}

/// The answer to `connected`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectedReply {
    /// When the caller connected, UTC with milliseconds.
    pub connected_at: String,
    /// Seconds since then.
    pub duration_s: f64,
}

/// The answer to `clients` and `who`.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct ClientsReply {
    /// One row a client.
    pub clients: Vec<ClientInfo>,
    /// Whether rows were left out for a limit.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub truncated: bool,
    /// Servers that did not answer in time: what they have is missing here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
}

/// One server, as `servers` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The uuid of this run.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Where clients connect.
    pub client_addr: String,
    /// Where other servers connect; none while it is on its own.
    pub peer_addr: Option<String>,
    /// `alive`, `suspect`, `down` or `left`.
    pub state: String,
    /// Clients connected.
    pub clients: u64,
    /// Channels that exist.
    pub channels: u64,
    /// Clients as a share of the most that it accepts, 0 to 1.
    pub load: f64,
    /// Seconds since it started.
    pub uptime_s: f64,
    /// Whether this is the server that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
}

/// The answer to `servers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServersReply {
    /// One row a server.
    pub servers: Vec<ServerInfo>,
}

/// One channel, as `channels` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Its name.
    pub name: String,
    /// What it is about; empty when nobody said.
    pub topic: String,
    /// Clients that receive its messages, by wildcards too.
    pub subscribers: u64,
    /// Messages published since the server started.
    pub messages: u64,
    /// When it came to be, UTC with milliseconds.
    pub created_at: String,
}

/// The answer to `channels`.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct ChannelsReply {
    /// One row a channel.
    pub channels: Vec<ChannelInfo>,
    /// Whether rows were left out for a limit.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub truncated: bool,
    /// Servers that did not answer in time: what they have is missing here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
}

/// The answer to `topic`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TopicReply {
    /// The channel.
    #[serde(skip)]
    pub channel: String,
    /// The topic; empty when nobody set one.
    pub topic: String,
    /// Who set it.
    pub set_by: Option<String>,
    /// When, UTC with milliseconds.
    pub set_at: Option<String>,
}

/// The answer to `subscribe` and `unsubscribe`: what that command was about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SubscribedReply {
    /// The patterns, as the hub understood them.
    pub channels: Vec<String>,
    /// For text clients: `subscribed to` or `unsubscribed from`.
    #[serde(skip)]
    pub said: &'static str,
}

/// The answer to `publish`: together with the channel, `origin` and `seq` name the message for ever.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublishedReply {
    /// The run of the server that took it.
    pub origin: String,
    /// The count of that origin's messages of this channel.
    pub seq: u64,
    /// Clients that it was queued to.
    pub subscribers: u64,
}

/// The answer to `msg`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MsgReply {
    /// Client ids.
    pub delivered_to: Vec<String>,
    /// For text clients: the name.
    #[serde(skip)]
    pub to: String,
}

/// One remembered message: the same shape as the event, without `event`.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageInfo {
    /// The channel.
    pub channel: String,
    /// The publisher's name when it published.
    pub from: String,
    /// The origin's count.
    pub seq: u64,
    /// The run of a server.
    pub origin: String,
    /// When, UTC with milliseconds.
    pub at: String,
    /// The payload.
    pub data: Box<RawValue>,
    /// Headers, where given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub headers: Option<BTreeMap<String, String>>,
    /// The channel to answer on, where given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reply: Option<String>,
}

/// The answer to `history`.
#[derive(Debug, Serialize, Deserialize, Default)]
pub struct HistoryReply {
    /// The oldest first.
    pub messages: Vec<MessageInfo>,
    /// Servers that did not answer in time: what they have is missing here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
}

/// The answer to `request`. The hub itself passes on what it was given, without this type.
#[derive(Debug, Serialize, Deserialize)]
pub struct RequestReply {
    /// The service.
    #[serde(skip)]
    pub service: String,
    /// Whatever the service answered.
    pub data: Box<RawValue>,
}

/// One service, as `services` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// Its name.
    pub name: String,
    /// What it does.
    pub about: String,
    /// Clients that offer it; the hub counts as one.
    pub providers: u64,
    /// Requests since it is offered.
    pub requests: u64,
    /// Those that ended in an error.
    pub errors: u64,
    /// Half of the answers took no longer, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 answers took no longer, in microseconds.
    pub p99_us: u64,
}

/// The answer to `services`.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
pub struct ServicesReply {
    /// One row a service.
    pub services: Vec<ServiceInfo>,
    /// Servers that did not answer in time: what they have is missing here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
}

/// The answer to `reverse` and `welcome`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TextReply {
    /// The text.
    pub text: String,
}

/// The answer to `ping`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PongReply {
    /// Always true.
    pub pong: bool,
    /// The server's clock, UTC with milliseconds.
    pub server_time: String,
}

/// The answer to `stats`: counters since the start unless said otherwise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StatsReply {
    /// The server's name.
    pub server: String,
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: f64,
    /// Clients now.
    pub clients: u64,
    /// Clients ever.
    pub clients_total: u64,
    /// Connections refused since the server was full or short of descriptors.
    pub clients_refused: u64,
    /// Channels now.
    pub channels: u64,
    /// Subscriptions now, wild ones included.
    pub subscriptions: u64,
    /// Wild subscriptions' distinct patterns now.
    pub patterns: u64,
    /// Messages published.
    pub messages_in: u64,
    /// Messages queued to clients.
    pub messages_out: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Clients closed because they did not read.
    pub slow_consumers: u64,
    /// Commands refused.
    pub refusals: u64,
    /// Services offered now.
    pub services: u64,
    /// Requests that wait for an answer now.
    pub requests_open: u64,
    /// Requests ever.
    pub requests_total: u64,
    /// Bytes of remembered messages now.
    pub history_bytes: u64,
    /// Links to other servers in use now.
    #[serde(default)]
    pub peers: u64,
    /// Bytes of membership packets that arrived.
    #[serde(default)]
    pub gossip_bytes_in: u64,
    /// Bytes of membership packets that were sent.
    #[serde(default)]
    pub gossip_bytes_out: u64,
    /// Bytes read from links to other servers; also in `bytes_in`.
    #[serde(default)]
    pub link_bytes_in: u64,
    /// Bytes written to links to other servers; also in `bytes_out`.
    #[serde(default)]
    pub link_bytes_out: u64,
}
