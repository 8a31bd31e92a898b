//! The service through its one door, in process: a record source in memory, real sockets, a registry of the
//! test's own. What needs a real Kafka stands in `tests/e2e`.

// Here a panic is a failed test, which is what an unexpected value should be.
#![allow(clippy::unwrap_used)]

mod admission;
mod backfill;
mod board;
mod crowd;
mod delivery;
#[cfg(feature = "kafka")]
mod demo;
mod documents;
mod drain;
mod embed;
mod encodings;
mod imports;
mod open_orders;
mod origin;
mod resume;
mod revocation;
mod session;
mod stale;
mod support;
