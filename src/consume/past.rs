//! The records of the past, for who needs more than the newest: read without a group, from given offsets, one
//! topic at a time.
//!
//! In: a topic and where to begin in each of its partitions. Out: its records, and the news that a partition has no
//! more of them. It commits nothing, and the brokers' groups do not know of it. In tests a list of records is the
//! past.

#[cfg(feature = "kafka")]
mod kafka;
mod memory;

pub use memory::MemoryPast;

use super::{ClientFault, Record, Settings};
use std::time::Duration;

/// Where the past is.
pub enum Past {
    Kafka(Box<Settings>),
    Memory(MemoryPast),
}

/// Somebody who reads it; each has a connection of its own.
pub enum PastReader {
    #[cfg(feature = "kafka")]
    Kafka(Box<kafka::KafkaReader>),
    Memory(memory::MemoryReader),
}

/// What reading on gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A record was lent.
    Record,
    /// The partition of that number has nothing more for now.
    End(i32),
    Nothing,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PastFault {
    #[error("no answer from kafka: {0}")]
    NoAnswer(String),
    /// It is no longer in Kafka.
    #[error("the records are gone from kafka")]
    Gone,
}

impl Past {
    pub fn reader(&self) -> Result<PastReader, ClientFault> {
        match self {
            #[cfg(feature = "kafka")]
            Past::Kafka(settings) => Ok(PastReader::Kafka(Box::new(kafka::KafkaReader::new(settings)?))),
            #[cfg(not(feature = "kafka"))]
            Past::Kafka(_) => Err(ClientFault::Properties("built without a kafka client".to_owned())),
            Past::Memory(past) => Ok(PastReader::Memory(past.reader())),
        }
    }
}

impl PastReader {
    /// The partitions of the topics that are subscribed to.
    pub fn partitions(&mut self) -> Result<Vec<(String, i32)>, PastFault> {
        match self {
            #[cfg(feature = "kafka")]
            PastReader::Kafka(reader) => reader.partitions(),
            PastReader::Memory(reader) => Ok(reader.partitions()),
        }
    }

    /// The first offset of a partition, and the one that its next record will have.
    pub fn bounds(&mut self, topic: &str, partition: i32) -> Result<(i64, i64), PastFault> {
        match self {
            #[cfg(feature = "kafka")]
            PastReader::Kafka(reader) => reader.bounds(topic, partition),
            PastReader::Memory(reader) => Ok(reader.bounds(topic, partition)),
        }
    }

    /// In each partition the offset of the first record of that time or later, in milliseconds since 1970; none
    /// where no record is as new.
    pub fn first_since(
        &mut self,
        partitions: &[(String, i32)],
        time_ms: i64,
    ) -> Result<Vec<Option<i64>>, PastFault> {
        match self {
            #[cfg(feature = "kafka")]
            PastReader::Kafka(reader) => reader.first_since(partitions, time_ms),
            PastReader::Memory(reader) => Ok(reader.first_since(partitions, time_ms)),
        }
    }

    /// Begins to read partitions of a topic, each at an offset; whatever was read before is left.
    pub fn begin(&mut self, topic: &str, places: &[(i32, i64)]) -> Result<(), PastFault> {
        match self {
            #[cfg(feature = "kafka")]
            PastReader::Kafka(reader) => reader.begin(topic, places),
            PastReader::Memory(reader) => {
                reader.begin(topic, places);
                Ok(())
            }
        }
    }

    /// Reads no more until the next `begin`, and lets go of what is fetched.
    pub fn rest(&mut self) -> Result<(), PastFault> {
        match self {
            #[cfg(feature = "kafka")]
            PastReader::Kafka(reader) => reader.rest(),
            PastReader::Memory(reader) => {
                reader.rest();
                Ok(())
            }
        }
    }

    /// Reads on, and lends what comes.
    pub fn read(&mut self, wait: Duration, take: &mut dyn FnMut(Record<'_>)) -> Result<Step, PastFault> {
        match self {
            #[cfg(feature = "kafka")]
            PastReader::Kafka(reader) => reader.read(wait, take),
            PastReader::Memory(reader) => Ok(reader.read(wait, take)),
        }
    }
}
