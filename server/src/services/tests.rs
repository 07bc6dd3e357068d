//! How the hub answers its own services: at once, or by its pool.

use super::own::Own;
use super::*;
use crate::clock::Now;
use crate::cluster::ServerManager;
use crate::operator::Token;
use std::net::SocketAddr;

/// A service with a defect.
pub(super) const BROKEN: Own = Own {
    name: "test.broken",
    about: "fails",
    is_light: |_| false,
    answer: |_| panic!("as it should"),
    replaceable: false,
};

/// A service that the hub answers as long as nobody else does.
pub(super) const STAND_IN: Own = Own {
    name: "test.stand-in",
    about: "the hub's own",
    is_light: |task| task.payload.raw().len() < 3,
    answer: |task| Ok(format!("\"{}\"", task.payload.raw())),
    replaceable: true,
};
