//! The service through its one door, in process: a record source in memory, real sockets, a registry of the
//! test's own. What needs a real Kafka stands in `tests/e2e`.

mod admission;
mod delivery;
mod imports;
mod support;
