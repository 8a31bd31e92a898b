//! Dumbwaiter: Kafka records to browsers, each one to exactly the people entitled to it.
//!
//! The folders follow a record on its way: `consume` → `decode` → `event` → `journal` → `protocol` →
//! `shard` → `web`. ARCHITECTURE.md has the map and the rule which folder may import which.
//!
//! To have it inside a program of one's own: [`run`], with a [`Config`], a [`Source`] such as [`memory`], and [`Listeners`]; who knows its users
//! itself has an [`Authenticator`] instead of keys for JWTs. docs/library.md tells more. The other modules are public for this package's own
//! tests and benches, and may change with any version.

#[cfg(all(feature = "conformance", feature = "kafka"))]
compile_error!("the feature conformance is for examples/echo.rs: build that with --no-default-features");

pub mod causes;
pub mod clock;
pub mod fetch;
pub mod health;
pub mod limits;
mod lock;
pub mod logs;
pub mod metrics;
pub mod seats;
pub mod settings;
pub mod shutdown;
pub mod throttle;
pub mod trace;
pub mod trust;

pub mod consume;
pub mod dead_letter;
pub mod decode;
pub mod event;
pub mod journal;
pub mod mapping;
pub mod pipeline;
pub mod protocol;
pub mod staleness;

pub mod admission;
pub mod auth;
pub mod control;
pub mod shard;
pub mod web;

pub mod app;
pub mod backfill;
#[cfg(feature = "kafka")]
pub mod bench;
pub mod board;
pub mod cli;
pub mod config;
#[cfg(feature = "kafka")]
pub mod demo;
pub mod embed;
pub mod produce;

pub use auth::{Authenticator, Claims, Refusal};
pub use config::Config;
pub use consume::{OwnedRecord, Source, memory};
pub use embed::{Listeners, RunFault, run};

#[cfg(test)]
mod simulation;
