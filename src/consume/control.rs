//! Where control records come from: a topic of their own, or a channel in tests. Unlike the records of events they
//! are few, every instance reads them whole, and where it stands in them is nobody's business.

#[cfg(feature = "kafka")]
use super::ControlTopic;
use super::{OwnedRecord, Record};
use std::sync::mpsc;
use std::time::Duration;

pub enum ControlSource {
    /// Nothing ever comes.
    Off,
    #[cfg(feature = "kafka")]
    Topic(Box<ControlTopic>),
    /// From a test. `is_read`: what was in the channel at the start has been taken.
    Memory { records: mpsc::Receiver<OwnedRecord>, is_read: bool },
}

impl ControlSource {
    #[cfg(feature = "kafka")]
    pub fn topic(topic: ControlTopic) -> ControlSource {
        ControlSource::Topic(Box::new(topic))
    }

    pub fn memory(records: mpsc::Receiver<OwnedRecord>) -> ControlSource {
        ControlSource::Memory { records, is_read: false }
    }

    pub fn is_off(&self) -> bool {
        matches!(self, ControlSource::Off)
    }

    /// Waits for a record, and lends it to `handle` if one comes.
    pub fn poll(&mut self, wait: Duration, handle: &mut dyn FnMut(Record<'_>)) {
        match self {
            ControlSource::Off => std::thread::park_timeout(wait),
            #[cfg(feature = "kafka")]
            ControlSource::Topic(topic) => topic.poll(wait, handle),
            ControlSource::Memory { records, is_read } => match records.recv_timeout(wait) {
                Ok(record) => handle(record.lend()),
                Err(error) => {
                    *is_read = true;
                    if error == mpsc::RecvTimeoutError::Disconnected {
                        std::thread::park_timeout(wait);
                    }
                }
            },
        }
    }

    /// Whether all that was there at the start has been lent.
    pub fn is_read(&self) -> bool {
        match self {
            ControlSource::Off => true,
            #[cfg(feature = "kafka")]
            ControlSource::Topic(topic) => topic.is_read(),
            ControlSource::Memory { is_read, .. } => *is_read,
        }
    }
}
