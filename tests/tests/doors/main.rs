//! The doors, spoken in the raw bytes of the older systems to the real `hubbubd`.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod blob;
mod fleet;
mod fleet_client;
mod fleet_demo;
mod opening;
mod persistent;
mod points;
mod python;

use hubbub_tests::Hub;

/// A hub with a door on a free port.
fn with_door(door: &str) -> Hub {
    with(door, &[])
}

/// The same with more options.
fn with(door: &str, options: &[&str]) -> Hub {
    let door = format!("{door}=127.0.0.1:0");
    hubbub_tests::hub::builder().args(["--door", &door]).args(options.iter().copied()).start()
}
