//! Every bound of the hub: its name, unit, default, where the default comes from, and what happens
//! when it is reached. What a peer can make grow has a line here.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Depth of JSON nesting in a command. Protocol; over it: `too-deep`, the connection goes on.
pub const MAX_JSON_DEPTH: usize = 32;
/// Keys of one command object. A guess, twice the longest command; over it: `bad-json`.
pub const MAX_COMMAND_KEYS: usize = 16;
/// Bytes of a command's `id` as it is written. A guess (a uuid is 38); over it: `bad-argument`.
pub const MAX_ID_BYTES: usize = 256;
/// Bytes of a client name. Protocol; over it: `bad-name`.
pub const MAX_NAME_BYTES: usize = 32;
/// Bytes of a channel name, pattern or service name. Protocol; over it: `bad-channel`.
pub const MAX_CHANNEL_BYTES: usize = 200;
/// Tokens of a channel name or pattern. Protocol; over it: `bad-channel`.
pub const MAX_CHANNEL_TOKENS: usize = 16;
/// Bytes of a topic, a welcome text or the description of a service. A guess: a long paragraph;
/// over it: `too-large`.
pub const MAX_SHORT_TEXT: usize = 1024;
/// Headers of one message. A guess; over it: `too-many`.
pub const MAX_HEADERS: usize = 64;
/// Rows of one list reply. A guess; over it, or where the rows take a quarter of the queue limit,
/// the list is cut and says so with `truncated`.
pub const MAX_LIST_ROWS: usize = 10_000;
/// Rows of `clients` when the caller names no limit. A guess.
pub const DEFAULT_LIST_ROWS: usize = 1_000;
/// Services that one client may offer. A guess; over it: `too-many`.
pub const MAX_SERVICES_PER_CLIENT: usize = 100;
/// Time limit of a request that names none. NATS's tools use 5 s too.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time limit of a request. A guess; over it: `bad-argument`.
pub const MAX_REQUEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// Wrong operator tokens before the connection is closed. Protocol.
pub const MAX_OPERATOR_ATTEMPTS: u8 = 10;
/// Silence after connecting before the hub takes the client for a person and greets it. Protocol.
pub const GREETING_DELAY: Duration = Duration::from_millis(300);
/// Heartbeats that may stay unanswered. Protocol; then: `timeout`, close.
pub const MAX_MISSED_HEARTBEATS: u8 = 3;
/// The longest heartbeat that a client may ask for, in seconds. A guess: a day.
pub const MAX_HEARTBEAT_S: u64 = 86_400;
/// Closed connections that `clients closed` remembers. Product requirement; the oldest go.
pub const MAX_CLOSED_CLIENTS: usize = 10_000;
/// Commands of one client that wait for answers from other servers; its next one is run when one of
/// these is answered. A guess: each may bring lists from every server.
pub const MAX_OPEN_QUESTIONS: u32 = 16;
/// Groups of one channel or pattern; beyond it: `too-many`. A guess: each is chosen from for each message.
pub const MAX_GROUPS: usize = 256;
/// Channels that are kept for good (`create`, `topic`), on all servers together; beyond it: `too-many`.
/// A guess: they never go by themselves, and every server has them.
pub const MAX_KEPT_CHANNELS: usize = 100_000;
/// Bytes queued to another server, beside the rows that it is told at the start. A guess at what a burst leaves within a second on a fast network
/// (twice the longest frame of a client, where that is more);
/// over it: the link is closed, made again, and what was lost shows in the counts of messages.
pub const MAX_LINK_QUEUE: usize = 64 << 20;

/// The limits that an operator may set, told to clients in the reply to `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of one text line without its line end. Protocol; over it: `too-large`, close.
    pub max_line: usize,
    /// Bytes of one JSON line or frame. Protocol; over it: `too-large`, close.
    pub max_frame: usize,
    /// Bytes queued to one client. Protocol; over it: `slow-consumer`, close.
    pub max_queue: usize,
    /// Seconds that a queue may stand without progress. Protocol; over it: `slow-consumer`, close.
    pub stall_timeout_s: u64,
    /// Subscriptions of one client. Protocol; over it: `too-many`.
    pub max_subscriptions: usize,
    /// Clients of this server. The file-descriptor limit less 64; over it: told `too-many`, closed.
    pub max_clients: usize,
    /// Channels of this server. A guess: a million and some; over it, channels that nobody
    /// subscribes to or created by name go, the longest unpublished first; else `too-many`.
    pub max_channels: usize,
    /// Messages remembered of one channel. Protocol; the oldest go.
    pub history_messages: usize,
    /// Bytes remembered of one channel. Protocol; the oldest go.
    pub history_bytes: usize,
    /// Bytes remembered of all channels together. Protocol; the oldest go.
    pub history_total_bytes: usize,
    /// Bits of a number for the service `factor`. What the hub can count with; over it: `too-large`.
    pub max_factor_bits: u32,
    /// The largest index for the service `fibonacci`. A guess: its 208,988 digits fit into a frame of the
    /// usual length; over it: `too-large`.
    pub max_fibonacci: u64,
    /// Seconds of silence before the first complete command. Protocol; over it: `timeout`, close.
    pub idle_timeout_s: u64,
    /// Seconds of silence on a connection of the persistent dialect. A guess: three of the pings that
    /// keep one; over it: told so in that dialect, close.
    pub persistent_timeout_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_line: 64 << 10,
            max_frame: 1 << 20,
            max_queue: 8 << 20,
            stall_timeout_s: 10,
            max_subscriptions: 1_000,
            max_clients: 960,
            max_channels: 1 << 20,
            history_messages: 100,
            history_bytes: 256 << 10,
            history_total_bytes: 256 << 20,
            max_factor_bits: 128,
            max_fibonacci: 1_000_000,
            idle_timeout_s: 60,
            persistent_timeout_s: 60,
        }
    }
}
