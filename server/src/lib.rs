//! The Hubbub server as a library: the binary `hubbubd` is a thin shell around [`server::run`], and
//! the benchmarks reach its parts from here. Not an interface for other programs.

#![allow(rustdoc::private_intra_doc_links)] // whoever reads these documents reads the code

pub mod block;
pub mod buffers;
pub mod clock;
pub mod cluster;
mod commands;
mod complaints;
pub mod config;
pub mod connection;
pub mod control;
mod conversation;
pub mod doors;
pub mod files;
pub mod hub;
mod listener;
mod lists;
pub mod logging;
pub mod operator;
pub mod outbox;
mod rt;
pub mod server;
pub mod services;
pub mod session;
mod start;
mod writer;
