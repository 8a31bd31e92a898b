//! Where records come from: Kafka in a consumer group of one's own, or a channel in tests.
//!
//! A source lends one record at a time to a handler, which says what became of it. The source remembers that:
//! what was handled is where a reassigned partition goes on, and where too many records wait it pauses their partition.
//! Why nothing comes, where that has a reason, is found in `trouble`.

#[cfg(feature = "kafka")]
mod assignment;
#[cfg(feature = "kafka")]
mod context;
mod control;
#[cfg(feature = "kafka")]
mod control_topic;
mod credentials;
#[cfg(feature = "kafka")]
mod embedded;
#[cfg(feature = "kafka")]
mod fence;
mod headers;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
mod past;
#[cfg(feature = "kafka")]
mod probe;
#[cfg(feature = "kafka")]
mod questions;
mod record;
mod settings;
#[cfg(feature = "kafka")]
mod topic_ids;
#[cfg(feature = "kafka")]
mod trouble;

pub use control::ControlSource;
#[cfg(feature = "kafka")]
pub use control_topic::ControlTopic;
pub use credentials::Credentials;
#[cfg(feature = "kafka")]
pub use embedded::{EmbeddedBroker, Quiet};
pub use headers::{Header, Headers, OwnedHeader};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaSource, client_fault, connection_config};
pub use memory::{MemoryFeed, MemorySource, memory, memory_from, memory_with_news};
pub use past::{MemoryPast, Past, PastFault, PastReader, Step};
#[cfg(feature = "kafka")]
pub use probe::{Cluster, Probe, ProbeFault};
pub use record::{OwnedRecord, Record, Trace};
pub use settings::{Fetch, GroupProtocol, OrderTopics, Settings, Start};

use std::time::{Duration, Instant};

/// Where a source began to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The cluster's id: offsets mean nothing in another one.
    pub cluster: String,
    /// The partitions that existed then; others are read from their beginning.
    pub partitions: Vec<BegunPartition>,
    /// Of those the records of that time and later are in the window, in milliseconds since 1970; none is all there are.
    pub since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunPartition {
    pub topic: String,
    pub partition: i32,
    /// The first offset of the window. What is read before it is the look-back: it tells of orders only.
    pub window: i64,
    /// The first offset that is read.
    pub start: i64,
}

/// What a source finds out about topics that it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A topic's id in Kafka is known; none where the brokers give topics no ids.
    Named {
        topic: String,
        id: Option<String>,
    },
    Lost(Loss),
}

/// What Kafka does not have any more and was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub topic: String,
    pub cause: LossCause,
    pub partitions: Vec<LostPartition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossCause {
    /// The topic was deleted and made anew: its partitions are others. With its id now, if that is known.
    Anew { id: Option<String> },
    /// Kafka has dropped what we had not read yet.
    Overtaken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostPartition {
    pub partition: i32,
    /// The offset that was to be read next.
    pub position: i64,
    /// The first offset now, and the one that the next record will have; none if there is no such partition any more.
    pub range: Option<(i64, i64)>,
}

/// How far reading has come of what was there at the start, in offsets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub found: u64,
    pub left: u64,
}

/// A partition that has records which are not handled, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    pub topic: String,
    pub partition: i32,
    /// The first offset that is not handled.
    pub position: i64,
}

/// What a handler made of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    Done,
    /// The handler keeps it, as it cannot go on with its partition, and takes what comes behind it all the same.
    Waits,
    /// The same, and it has enough of them: the source pauses the partition.
    WaitsFull,
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
    #[error("cannot start a thread of the Kafka client: {0}")]
    Thread(std::io::Error),
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

    /// What is new about its topics. What comes behind a loss is given only when that was taken.
    pub fn take_news(&mut self) -> Vec<News> {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.take_news(),
            Source::Memory(source) => source.take_news(),
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

    /// Whether all records in which orders are opened and which were there at `moment` have been handled, as far as
    /// is known by now; if not, the source sees to it that it will be known. Partitions that are `excused` do not count.
    pub fn has_settled(&mut self, moment: Instant, excused: impl Fn(&str, i32) -> bool) -> bool {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.has_settled(moment, excused),
            Source::Memory(source) => source.has_settled(moment, excused),
        }
    }

    pub fn backlog(&self) -> Backlog {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.backlog(),
            Source::Memory(_) => Backlog::default(),
        }
    }

    /// Partitions that have, or may have, records that are not handled. What waits with the handler need not be
    /// among them.
    pub fn behind(&self) -> Vec<Behind> {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.behind(),
            Source::Memory(_) => Vec::new(),
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

    /// Whether all that was there at the start has been handled: what waits now is newer.
    pub fn has_handled_start(&self) -> bool {
        match self {
            #[cfg(feature = "kafka")]
            Source::Kafka(source) => source.has_handled_start(),
            // It has no start of its own.
            Source::Memory(_) => false,
        }
    }
}
