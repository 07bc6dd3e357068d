//! The full-screen terminal. `run.rs` is the loop around the pure state in `app/`; `view/` draws the
//! state, `screen.rs` owns the terminal, `ask.rs` puts questions to the hub. Below the state:
//! conversations (`conversation.rs`, `scrollback.rs`, `entry.rs`, `draft.rs`), how they are laid in
//! rows (`lay.rs`, `place.rs`, `wrap.rs`, `safe.rs`, `json.rs`), and what is chosen by keys (`keys.rs`,
//! `completion.rs`, `picker.rs`). `config.rs` and `theme.rs` say how it is to be, `remember.rs` what
//! the next session finds.

mod app;
mod ask;
pub mod completion;
mod config;
mod conversation;
#[cfg(test)]
mod documents;
mod draft;
mod entry;
mod json;
mod keys;
mod lay;
mod mention;
mod picker;
mod place;
mod remember;
mod run;
mod safe;
mod screen;
mod scrollback;
mod theme;
mod view;
mod wrap;

pub use config::nearest;
#[cfg(test)]
pub use documents::check_part;
pub use run::run;
