//! The command `hubbub`, run as people and scripts run it: every subcommand, its output in words
//! and in JSON, its exit codes, and the terminal.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod asking;
mod doors_blob;
mod doors_points;
mod drawing;
mod listening;
mod measuring;
mod plain;
mod publishing;
mod reconnecting;
mod script;
mod serving;
mod trial;
mod usage;
