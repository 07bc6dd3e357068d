//! The terminal of `hubbub` on real screens: what stands where, at several sizes, and what no message
//! may do to it.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod attacks;
mod cluster;
mod config;
mod ending;
mod harness;
mod hostile;
mod keys;
mod layout;
mod notifying;
mod people;
mod talking;
