//! The other direction, for the demo and the tools: JSON → Avro by a writer's schema → Kafka.
//!
//! In: JSON as the payloads have it and a schema. Out: a record as the producers of the real systems write it, in
//! the Confluent wire format. The service itself produces nothing here and nothing of it depends on this folder.

mod encode;
#[cfg(feature = "kafka")]
mod kafka;

pub use encode::{EncodeFault, Encoder};
#[cfg(feature = "kafka")]
pub use kafka::{Produced, Producer};
