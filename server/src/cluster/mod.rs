//! The servers that behave as one hub: how they find each other, who is there, and what they tell
//! each other. The logic is pure (`handle`, `poll`, `deadline`; time and chance come in); sockets,
//! files and tasks are shells around it.

pub mod answering;
pub mod balance;
pub mod directory;
pub mod discovery;
pub mod frame;
pub mod handshake;
pub mod joining;
pub mod lan;
pub mod link;
pub mod member;
pub mod membership;
pub mod node;
pub mod peer;
pub mod peer_port;
pub mod peers;
pub mod questions;
pub mod record;
pub mod sealed;
pub mod server_manager;
pub mod settlement;
pub mod shell;
pub mod tables;

pub use member::{Load, Member};
pub use peer::Peer;
pub use server_manager::ServerManager;
