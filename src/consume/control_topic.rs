//! The control topic: read whole by every instance, with a consumer that is in no group.
//!
//! The topic need not exist. It and its partitions are looked for as often as new topics are; each is read from its
//! first record on, and the first time that all of those there have been read to their end is when all is known.
//! What was read stays known if the topic is deleted: only a tombstone takes a record back.

use super::context::Context;
use super::kafka::{client_config, client_fault, lend};
use super::{ClientFault, Record, Settings};
use crate::limits::{CONTROL_LOOK_TIMEOUT, KAFKA_STEP_TIMEOUT};
use crate::metrics::Metrics;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::MetadataPartition;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::{Duration, Instant};

pub struct ControlTopic {
    consumer: BaseConsumer<Context>,
    topic: String,
    /// How often partitions are looked for.
    refresh: Duration,
    looked_at: Option<Instant>,
    /// The partitions that are read, and whether to their end.
    partitions: HashMap<i32, bool>,
    /// The brokers have said which partitions there are.
    is_known: bool,
}

impl ControlTopic {
    /// Fails on properties that librdkafka does not take; no broker is asked yet.
    pub fn new(settings: &Settings, topic: String, metrics: Metrics) -> Result<ControlTopic, ClientFault> {
        let mut config = client_config(settings);
        config.remove("group.instance.id");
        config
            .set("group.id", format!("{}-control", settings.group_id()))
            .set("statistics.interval.ms", "0")
            .set("enable.partition.eof", "true")
            // A single record must come at once, whatever suits the reading of events.
            .set("fetch.min.bytes", "1");
        let consumer = config.create_with_context(Context::beside(metrics)).map_err(client_fault)?;
        Ok(ControlTopic {
            consumer,
            topic,
            refresh: settings.metadata_refresh,
            looked_at: None,
            partitions: HashMap::new(),
            is_known: false,
        })
    }

    pub(super) fn poll(&mut self, wait: Duration, handle: &mut dyn FnMut(Record<'_>)) {
        if self.looked_at.is_none_or(|at| at.elapsed() >= self.refresh) {
            if let Err(error) = self.look() {
                self.consumer.context().note_error(&error, &error.to_string());
            }
            self.looked_at = Some(Instant::now());
        }
        match self.consumer.poll(wait) {
            Some(Ok(message)) => handle(lend(&message)),
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.partitions.entry(partition).and_modify(|is_read| *is_read = true);
            }
            // The context has heard of other errors already, with the client's words for them.
            Some(Err(_)) | None => {}
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_known && self.partitions.values().all(|is_read| *is_read)
    }

    /// Begins to read what has appeared, and gives up what is gone.
    fn look(&mut self) -> KafkaResult<()> {
        let found = self.find()?;
        let is_gone = |partition: &&i32| !found.contains(partition);
        let gone: Vec<i32> = self.partitions.keys().filter(is_gone).copied().collect();
        let new: Vec<i32> = found.into_iter().filter(|found| !self.partitions.contains_key(found)).collect();
        if !gone.is_empty() {
            self.consumer.incremental_unassign(&self.list(&gone)?)?;
            self.partitions.retain(|partition, _| !gone.contains(partition));
            tracing::warn!(topic = self.topic, ?gone, "control topic has lost partitions");
        }
        if !new.is_empty() {
            self.consumer.incremental_assign(&self.list(&new)?)?;
            self.partitions.extend(new.iter().map(|partition| (*partition, false)));
            tracing::info!(topic = self.topic, partitions = ?new, "reading the control topic");
        }
        self.is_known = true;
        Ok(())
    }

    /// The partitions that exist; none if the topic does not.
    fn find(&self) -> KafkaResult<Vec<i32>> {
        let timeout = if self.is_known { CONTROL_LOOK_TIMEOUT } else { KAFKA_STEP_TIMEOUT };
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), timeout)?;
        let Some(topic) = metadata.topics().first() else { return Ok(Vec::new()) };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => Ok(topic.partitions().iter().map(MetadataPartition::id).collect()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(Vec::new()),
            Some(code) => Err(KafkaError::MetadataFetch(code)),
        }
    }

    fn list(&self, partitions: &[i32]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(&self.topic, *partition, Offset::Beginning)?;
        }
        Ok(list)
    }
}
