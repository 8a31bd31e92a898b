//! The past in Kafka. The client says of a partition's end only its number, which is why one topic is read at a
//! time.

use super::{PastFault, Step};
use crate::consume::context::Context;
use crate::consume::kafka::{client_config, client_fault, lend};
use crate::consume::{ClientFault, Record, Settings};
use crate::limits::{KAFKA_STEP_TIMEOUT, PAST_FETCH_WAIT, PAST_FETCHED_MAX_BYTES};
use crate::metrics::Metrics;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

pub struct KafkaReader {
    consumer: BaseConsumer<Context>,
    settings: Settings,
}

impl KafkaReader {
    pub fn new(settings: &Settings) -> Result<KafkaReader, ClientFault> {
        let mut config = client_config(settings);
        config.remove("group.instance.id").remove("group.protocol").remove("partition.assignment.strategy");
        config
            .set("group.id", format!("{}-past", settings.group_id()))
            .set("statistics.interval.ms", "0")
            .set("enable.partition.eof", "true")
            // Records that are gone are a gap that is told, not a jump to those that are left.
            .set("auto.offset.reset", "error")
            // What is read is there: nobody waits at the end of a partition, least of all the next topic's turn.
            .set("fetch.wait.max.ms", PAST_FETCH_WAIT.as_millis().to_string())
            .set("fetch.queue.backoff.ms", PAST_FETCH_WAIT.as_millis().to_string())
            .set("queued.max.messages.kbytes", (PAST_FETCHED_MAX_BYTES >> 10).to_string());
        // Its troubles are those of the instance's own consumer, which are counted there.
        let consumer = config.create_with_context(Context::beside(Metrics::new())).map_err(client_fault)?;
        Ok(KafkaReader { consumer, settings: settings.clone() })
    }

    pub fn partitions(&self) -> Result<Vec<(String, i32)>, PastFault> {
        let metadata = self.retry(|| self.consumer.fetch_metadata(None, KAFKA_STEP_TIMEOUT))?;
        let wanted = metadata.topics().iter().filter(|topic| self.settings.subscribes_to(topic.name()));
        let of = |topic: &rdkafka::metadata::MetadataTopic| {
            let name = topic.name().to_owned();
            topic.partitions().iter().map(move |partition| (name.clone(), partition.id())).collect::<Vec<_>>()
        };
        Ok(wanted.flat_map(of).collect())
    }

    pub fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), PastFault> {
        self.retry(|| self.consumer.fetch_watermarks(topic, partition, KAFKA_STEP_TIMEOUT))
    }

    pub fn first_since(
        &self,
        partitions: &[(String, i32)],
        time_ms: i64,
    ) -> Result<Vec<Option<i64>>, PastFault> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut times = TopicPartitionList::new();
        for (topic, partition) in partitions {
            times.add_partition_offset(topic, *partition, Offset::Offset(time_ms)).map_err(no_answer)?;
        }
        let found = self.retry(|| self.consumer.offsets_for_times(times.clone(), KAFKA_STEP_TIMEOUT))?;
        let first = |(topic, partition): &(String, i32)| match found
            .find_partition(topic, *partition)
            .map(|element| element.offset())
        {
            Some(Offset::Offset(offset)) => Some(offset),
            _ => None,
        };
        Ok(partitions.iter().map(first).collect())
    }

    pub fn begin(&self, topic: &str, places: &[(i32, i64)]) -> Result<(), PastFault> {
        let mut assignment = TopicPartitionList::new();
        for (partition, from) in places {
            assignment.add_partition_offset(topic, *partition, Offset::Offset(*from)).map_err(no_answer)?;
        }
        self.consumer.assign(&assignment).map_err(no_answer)
    }

    pub fn rest(&self) -> Result<(), PastFault> {
        self.consumer.unassign().map_err(no_answer)
    }

    pub fn read(&self, wait: Duration, take: &mut dyn FnMut(Record<'_>)) -> Result<Step, PastFault> {
        match self.consumer.poll(wait) {
            None => Ok(Step::Nothing),
            Some(Ok(message)) => {
                take(lend(&message));
                Ok(Step::Record)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Step::End(partition)),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Err(PastFault::Gone)
                }
                // It tries again by itself; how long that is waited for is the caller's.
                _ => Ok(Step::Nothing),
            },
        }
    }

    /// A client that has just been made knows of no broker yet, and answers so at once.
    fn retry<T>(&self, ask: impl Fn() -> Result<T, KafkaError>) -> Result<T, PastFault> {
        let deadline = Instant::now() + KAFKA_STEP_TIMEOUT;
        loop {
            match ask() {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() >= deadline => return Err(no_answer(error)),
                // Its events are served here.
                Err(_) => drop(self.consumer.poll(Duration::from_millis(50))),
            }
        }
    }
}

fn no_answer(error: KafkaError) -> PastFault {
    PastFault::NoAnswer(error.to_string())
}
