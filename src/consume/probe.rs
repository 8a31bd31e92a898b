//! Single questions to the brokers, for the tools: which topics there are, and one record by its place.
//!
//! It connects as the service does, and joins no group: a running instance does not notice. What fails is told
//! with the client's own reason ("connection refused", "authentication failed"), which its error codes leave out.

use super::context::Context;
use super::kafka::{client_config, client_fault, lend};
use super::{ClientFault, OwnedRecord, Settings};
use crate::limits::KAFKA_STEP_TIMEOUT;
use crate::metrics::Metrics;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

pub struct Probe {
    consumer: BaseConsumer<Context>,
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
    #[error("{reason}")]
    NoAnswer { reason: String, way_out: Option<&'static str> },
    #[error("topic {topic:?} does not exist")]
    NoTopic { topic: String },
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
    pub fn new(settings: &Settings) -> Result<Probe, ClientFault> {
        let mut config = client_config(settings);
        config.remove("group.instance.id");
        config.set("group.id", format!("{}-tools", settings.group)).set("statistics.interval.ms", "0");
        // Its errors are told to whoever asks, and counted for nobody.
        let consumer = config.create_with_context(Context::new(Metrics::new())).map_err(client_fault)?;
        Ok(Probe { consumer })
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
        assigned.map_err(|error| self.no_answer(&error))?;
        let message = self.next_message(patience)?;
        if message.offset() == offset {
            Ok(lend(&message).to_owned())
        } else {
            Err(ProbeFault::Hole { offset })
        }
    }

    fn check_place(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        patience: Duration,
    ) -> Result<(), ProbeFault> {
        let cluster = self.cluster(patience)?;
        let found = cluster.topics.iter().find(|(name, _)| name == topic);
        let topic = topic.to_owned();
        let Some((_, partitions)) = found else { return Err(ProbeFault::NoTopic { topic }) };
        if usize::try_from(partition).map_or(true, |partition| partition >= *partitions) {
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
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => return Ok(message),
                Some(Err(error)) => self.note(&error),
                None => {}
            }
            if Instant::now() >= deadline {
                return Err(
                    self.no_answer(&KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
                );
            }
        }
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
            if let Some(Err(event)) = self.consumer.poll(Duration::from_millis(200)) {
                self.note(&event);
            }
            if Instant::now() >= deadline {
                return Err(self.no_answer(&error));
            }
        }
    }

    fn note(&self, error: &KafkaError) {
        self.consumer.context().note_error(error, &error.to_string());
    }

    /// With the client's own reason and the way out, where they are known.
    fn no_answer(&self, error: &KafkaError) -> ProbeFault {
        let context = self.consumer.context();
        let reason = context.last_failure().unwrap_or_else(|| error.to_string());
        ProbeFault::NoAnswer { reason, way_out: context.trouble() }
    }
}
