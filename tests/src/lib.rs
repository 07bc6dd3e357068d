//! The harness of Hubbub's end-to-end tests: it starts the real `hubbubd` on free ports, speaks to
//! it in raw bytes through each encoding, runs the real `hubbub`, and reads from /proc what a
//! process costs.
//!
//! The suites under `tests/` are the only callers. Nothing here knows how the hub works inside.
//! The binaries are those that `cargo test --workspace` has built beside the tests; they are built
//! once when they are missing. After a change run the whole workspace, not this package alone:
//! otherwise the binaries are those of before.

pub mod binaries;
pub mod canary;
pub mod client;
pub mod cluster;
pub mod hub;
mod nobody;
mod noise;
pub mod process;
pub mod program;
pub mod socket;
pub mod terminal;
pub mod transcript;
pub mod wait;
pub mod wire;

pub use canary::Canary;
pub use client::{Client, Event, Reply};
pub use cluster::Cluster;
pub use hub::Hub;
pub use hubbub_shared::Encoding;
pub use nobody::Nobody;
pub use noise::noise;
pub use program::{hubbub, Finished, Program};
pub use socket::Socket;
pub use terminal::{assert_screen, Terminal};

/// Makes one test a encoding out of a function that takes an [`Encoding`].
#[macro_export]
macro_rules! in_every_encoding {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn text() {
                super::$name($crate::Encoding::Text);
            }
            #[test]
            fn json() {
                super::$name($crate::Encoding::Json);
            }
            #[test]
            fn frame() {
                super::$name($crate::Encoding::Frame);
            }
        }
    )*};
}
