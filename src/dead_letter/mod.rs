//! Dead letters: poison records copied to a topic of their own, for whoever has to put them right.
//!
//! In: a record and why it was passed over. Out: the same key and value in the dead-letter topic, with headers
//! that say why and where from. Off unless a topic is configured.
//! Nothing waits for a letter: where it can't be taken or written it is counted, and the flow goes on.

#[cfg(feature = "kafka")]
mod kafka;
mod letter;
mod settings;

use std::sync::mpsc;

use crate::consume::{OwnedRecord, Record};
use crate::decode::{Poison, SchemaReference};

#[cfg(feature = "kafka")]
pub use kafka::KafkaDeadLetters;
pub use settings::Settings;

/// Where dead letters go.
pub enum DeadLetters {
    /// Nowhere.
    Off,
    #[cfg(feature = "kafka")]
    Kafka(KafkaDeadLetters),
    /// To a test.
    Memory(mpsc::Sender<OwnedRecord>),
}

impl DeadLetters {
    /// Sends a copy of a record; `schema` tells what it names its writer's schema by, as far as it does. Returns at
    /// once in any case.
    pub fn send(&self, record: Record<'_>, poison: Poison, schema: impl FnOnce() -> Option<SchemaReference>) {
        match self {
            DeadLetters::Off => {}
            #[cfg(feature = "kafka")]
            DeadLetters::Kafka(letters) => {
                letters.send(record, letter::headers(record, poison, schema().as_ref()));
            }
            DeadLetters::Memory(letters) => {
                let headers = letter::headers(record, poison, schema().as_ref()).collect();
                // A test that has stopped listening has seen what it wanted.
                let _ = letters.send(OwnedRecord { headers, ..record.to_owned() });
            }
        }
    }

    /// Waits for what is under way, within a bound, before the process ends.
    pub fn flush(&self) {
        match self {
            #[cfg(feature = "kafka")]
            DeadLetters::Kafka(letters) => letters.flush(),
            _ => {}
        }
    }
}
