//! The native protocol, clause by clause, spoken in raw bytes to the real `hubbubd`.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod channels;
mod clients;
mod commands;
mod computing;
mod encodings;
mod events;
mod groups;
mod history;
mod json;
mod logs;
mod messages;
mod names;
mod operator;
mod options;
mod services;
