//! The servers that behave as one hub: how they find each other, who is there, and what they tell
//! each other. The logic is pure (`handle`, `poll`, `deadline`; time and chance come in); sockets,
//! files and tasks are shells around it.

pub mod discovery;
pub mod lan;
pub mod member;
pub mod peer_port;
mod server_manager;

pub use member::{Load, Member};
pub use server_manager::ServerManager;
