//! The door `fleet`: the coordinator of test clients that write files and report on themselves.

mod archive;
mod complaints;
mod coordinator;
mod line;
