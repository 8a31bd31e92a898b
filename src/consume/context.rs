//! What librdkafka calls back: rebalances, statistics, errors and its own log.

use super::assignment::{Assignment, Fetched};
use crate::metrics::Metrics;
use crate::throttle::Throttle;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

pub(super) struct Context {
    /// Written by the pipeline's thread, in `poll` and in the callbacks that `poll` makes; read by it too. A lock
    /// only because librdkafka's contexts are shared by type; it is never held across a call into the client.
    pub assignment: Mutex<Assignment>,
    metrics: Metrics,
    errors: Throttle,
}

impl Context {
    pub fn new(metrics: Metrics) -> Context {
        // With all brokers down the client reports an error every 50 ms.
        Context { assignment: Mutex::default(), metrics, errors: Throttle::new(1, Duration::from_secs(60)) }
    }

    /// Counts an error and says it at most once a minute.
    pub fn note_error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
        self.metrics.kafka_error(&code);
        if let Some(unsaid) = self.errors.admit() {
            tracing::warn!(code, reason, unsaid, "kafka reports an error");
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Context>, partitions: &mut TopicPartitionList) {
        let assigned: Vec<(String, i32)> = partitions
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        for (topic, partition) in assigned {
            let offset =
                self.assignment.lock().offset(&topic, partition).map_or(Offset::Beginning, Offset::Offset);
            tracing::info!(topic, partition, ?offset, "partition assigned");
            if let Err(error) = partitions.set_partition_offset(&topic, partition, offset) {
                tracing::error!(topic, partition, %error, "cannot set where a partition starts");
            }
        }
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            _ => consumer.assign(partitions),
        };
        if let Err(error) = outcome {
            self.note_error(&error, "cannot take assigned partitions");
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) {
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            _ => consumer.unassign(),
        };
        if let Err(error) = outcome {
            self.note_error(&error, "cannot give up revoked partitions");
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assign(consumer, partitions),
            _ => self.revoke(consumer, partitions),
        }
    }

    /// Statistics and errors are served while no record comes, so this bounds how old they are.
    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(Duration::from_millis(100))
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        let mut assignment = self.assignment.lock();
        for (name, topic) in &statistics.topics {
            for partition in
                topic.partitions.values().filter(|p| p.partition >= 0 && p.fetch_state == "active")
            {
                let fetched = Fetched {
                    next_offset: partition.next_offset,
                    queued: partition.fetchq_cnt,
                    end: partition.ls_offset,
                };
                if fetched.end >= 0 {
                    let lag = assignment.lag(name, partition.partition, fetched);
                    self.metrics.consumer_lag(name, partition.partition, lag);
                }
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_error(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Its errors come as events too, which are counted and said above.
        tracing::debug!(target: "librdkafka", ?level, facility, message);
    }
}
