//! Single questions to the brokers, for the tools: which topics there are, and one record by its place.
//!
//! It connects as the service does, and joins no group: a running instance does not notice. What fails is told
//! with the client's own reason ("connection refused", "authentication failed"), which its error codes leave out.

use super::kafka::client_config;
use super::{OwnedRecord, Record, Settings};
use crate::limits::KAFKA_STEP_TIMEOUT;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

pub struct Probe {
    consumer: BaseConsumer<Reasons>,
}

/// What the brokers say of themselves.
#[derive(Debug)]
pub struct Cluster {
    pub brokers: usize,
    /// Topics and how many partitions each has, by name.
    pub topics: Vec<(String, usize)>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeFault {
    #[error("{0}")]
    NoAnswer(String),
    #[error("topic {topic:?} has no partition {partition}")]
    NoPartition { topic: String, partition: i32 },
    #[error("partition {partition} of {topic} holds offsets {low} to {}, not {offset}", high - 1)]
    OutsideOfLog { topic: String, partition: i32, offset: i64, low: i64, high: i64 },
    #[error("partition {partition} of {topic} holds no record")]
    Empty { topic: String, partition: i32 },
    #[error("offset {offset} holds no record: it was compacted away, or belongs to a transaction")]
    Hole { offset: i64 },
}

impl Probe {
    /// Fails on properties that librdkafka does not take; no broker is asked yet.
    pub fn new(settings: &Settings) -> KafkaResult<Probe> {
        let mut config = client_config(settings);
        config.remove("group.instance.id");
        config.set("group.id", format!("{}-tools", settings.group)).set("statistics.interval.ms", "0");
        Ok(Probe { consumer: config.create_with_context(Reasons::default())? })
    }

    pub fn cluster(&self, patience: Duration) -> Result<Cluster, ProbeFault> {
        let metadata = self.retry(patience, || self.consumer.fetch_metadata(None, KAFKA_STEP_TIMEOUT))?;
        let topics =
            metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len()));
        let mut topics: Vec<_> = topics.collect();
        topics.sort();
        Ok(Cluster { brokers: metadata.brokers().len(), topics })
    }

    /// The record at an offset.
    pub fn record(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        patience: Duration,
    ) -> Result<OwnedRecord, ProbeFault> {
        self.check_place(topic, partition, offset, patience)?;
        let mut place = TopicPartitionList::new();
        let assigned = place
            .add_partition_offset(topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&place));
        assigned.map_err(|error| ProbeFault::NoAnswer(error.to_string()))?;
        let message = self.next_message(patience)?;
        if message.offset() == offset { Ok(owned(&message)) } else { Err(ProbeFault::Hole { offset }) }
    }

    fn check_place(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        patience: Duration,
    ) -> Result<(), ProbeFault> {
        let cluster = self.cluster(patience)?;
        let partitions = cluster.topics.iter().find(|(name, _)| name == topic).map_or(0, |(_, count)| *count);
        let topic = topic.to_owned();
        if usize::try_from(partition).map_or(true, |partition| partition >= partitions) {
            return Err(ProbeFault::NoPartition { topic, partition });
        }
        let (low, high) =
            self.retry(patience, || self.consumer.fetch_watermarks(&topic, partition, KAFKA_STEP_TIMEOUT))?;
        match offset {
            _ if low == high => Err(ProbeFault::Empty { topic, partition }),
            _ if offset < low || offset >= high => {
                Err(ProbeFault::OutsideOfLog { topic, partition, offset, low, high })
            }
            _ => Ok(()),
        }
    }

    fn next_message(&self, patience: Duration) -> Result<BorrowedMessage<'_>, ProbeFault> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) {
                return Ok(message);
            }
        }
        Err(ProbeFault::NoAnswer(self.reason("no record came in time".to_owned())))
    }

    /// The client gives up at once where it knows of no broker yet; what fails is asked again until `patience` ends.
    fn retry<T>(&self, patience: Duration, ask: impl Fn() -> KafkaResult<T>) -> Result<T, ProbeFault> {
        let deadline = Instant::now() + patience;
        loop {
            let error = match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // Its reasons come as events, which are served here.
            let _ = self.consumer.poll(Duration::from_millis(200));
            if Instant::now() >= deadline {
                return Err(ProbeFault::NoAnswer(self.reason(error.to_string())));
            }
        }
    }

    /// The client's newest reason, or the error that led here.
    fn reason(&self, error: String) -> String {
        self.consumer.context().newest.lock().take().unwrap_or(error)
    }
}

fn owned(message: &BorrowedMessage<'_>) -> OwnedRecord {
    let timestamp_ms = message.timestamp().to_millis().filter(|millis| *millis >= 0);
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    Record { topic, partition, offset, timestamp_ms, value: message.payload() }.to_owned()
}

/// Keeps the newest reason that the client gave for an error.
#[derive(Default)]
struct Reasons {
    /// A lock only because librdkafka's contexts are shared by type; written and read by the asking thread.
    newest: Mutex<Option<String>>,
}

impl ConsumerContext for Reasons {}

impl ClientContext for Reasons {
    fn error(&self, error: KafkaError, reason: &str) {
        // "All brokers are down" follows each of the errors that say why.
        let all_down = error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::AllBrokersDown);
        let mut newest = self.newest.lock();
        if !all_down || newest.is_none() {
            *newest = Some(reason.to_owned());
        }
    }

    /// The tools tell what went wrong themselves.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
}
