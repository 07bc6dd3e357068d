//! Doors.
pub mod fleet;
