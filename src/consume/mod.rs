//! Where records come from: Kafka in a consumer group of one's own, or a channel in tests.
//!
//! A source lends one record at a time to a handler, which says what became of it. The source remembers that:
//! what was handled is where a reassigned partition goes on, and a record that has to wait pauses its partition.
//! Why nothing comes, where that has a reason, is found in `trouble`.

#[cfg(feature = "kafka")]
mod assignment;
#[cfg(feature = "kafka")]
mod context;
mod credentials;
#[cfg(feature = "kafka")]
mod embedded;
mod headers;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod past;
#[cfg(feature = "kafka")]
mod probe;
mod record;
mod settings;
#[cfg(feature = "kafka")]
mod trouble;

pub use credentials::Credentials;
#[cfg(feature = "kafka")]
pub use embedded::EmbeddedBroker;
pub use headers::{Header, Headers, OwnedHeader};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaSource, client_fault, connection_config};
pub use memory::{MemorySource, memory, memory_from};
pub use past::{MemoryPast, Past, PastFault, PastReader, Step};
#[cfg(feature = "kafka")]
pub use probe::{Cluster, Probe, ProbeFault};
pub use record::{OwnedRecord, Record};
pub use settings::{GroupProtocol, Settings, Start};

use std::time::Duration;

/// Where a source began to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The cluster's id: offsets mean nothing in another one.
    pub cluster: String,
    /// The first offset that is read of each partition that existed then; others are read from their beginning.
    pub partitions: Vec<(String, i32, i64)>,
    /// Of those the records of that time and later are read, in milliseconds since 1970; none is all there are.
    pub since_ms: Option<i64>,
}

/// What a handler made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    Done,
    /// The handler keeps it and cannot go on with its partition; the source pauses that.
    Waits,
}

/// What ends a source for good.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    #[error(
        "another process has joined as kafka.instance = {instance:?}: give each instance its own name, \
         or stop the other one"
    )]
    Fenced { instance: String },
    #[error("the Kafka client gave up: {0}")]
    Fatal(String),
}

/// Why there is no source at all. Values are left out: one of them may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    #[error("in kafka.properties.{property}: {reason}")]
    Property { property: String, reason: String },
    #[error("in kafka.properties: {0}")]
    Properties(String),
}

pub enum Source {
    #[cfg(feature = "kafka")]
    Kafka(Box<KafkaSource>),
    Memory(MemorySource),
}

impl Source {
    /// Waits for a record and lends it to `handle`; false if none came.
    pub fn poll(
        &mut self,
        wait: Duration,
        handle: &mut dyn FnMut(Record<'_>) -> Handled,
    ) -> Result<bool, SourceFault> {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.poll(wait, handle),
            Source::Memory(source) => Ok(source.poll(wait, handle)),
        }
    }

    /// Where the source began, told once, before its first record.
    pub fn take_begun(&mut self) -> Option<Begun> {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.take_begun(),
            Source::Memory(source) => source.take_begun(),
        }
    }

    /// A record that had to wait is done.
    pub fn handled(&mut self, topic: &str, partition: i32, offset: i64) {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.handled(topic, partition, offset),
            Source::Memory(source) => source.handled(topic, partition, offset),
        }
    }

    /// No record of the partition waits any more.
    pub fn resume(&mut self, topic: &str, partition: i32) {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.resume(topic, partition),
            Source::Memory(source) => source.resume(topic, partition),
        }
    }

    /// Says for the last time how far the journal is; nothing is read after that.
    pub fn finish(self) {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.finish(),
            Source::Memory(_) => {}
        }
    }

    /// What keeps it from reading, as the way out of that.
    pub fn trouble(&self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.trouble(),
            Source::Memory(_) => None,
        }
    }

    /// Whether all that was there at the start has been read, apart from partitions whose records wait.
    pub fn is_caught_up(&self) -> bool {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.is_caught_up(),
            Source::Memory(_) => true,
        }
    }
}
