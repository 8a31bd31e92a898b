//! What librdkafka calls back: rebalances, statistics, errors and its own log.

use super::assignment::{Assignment, Doubt, Doubts, Fetched};
use super::topic_ids::{Named, TopicIds};
use super::trouble::{Trouble, Troubles, shortened};
use crate::limits::KAFKA_SILENCE;
use crate::metrics::Metrics;
use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::statistics::{Broker, Statistics};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A client without any broker is given so many seconds to find one: it never did, but the moment between two lists
/// of brokers shall not be taken for it.
const BROKERLESS_STATISTICS_MAX: u8 = 3;

pub(super) struct Context {
    /// Written by the pipeline's thread, in `poll` and in the callbacks that `poll` makes; read by it too. A lock
    /// only because librdkafka's contexts are shared by type; it is never held across a call into the client.
    pub assignment: Mutex<Assignment>,
    /// As `assignment`, and so are the others.
    pub doubts: Mutex<Doubts>,
    ids: Mutex<TopicIds>,
    named: Mutex<Vec<Named>>,
    /// Lines of the client's log, which comes by the way of records.
    logged: AtomicU64,
    troubles: Mutex<Reported>,
    /// Statistics in a row that knew no broker. As `assignment`.
    brokerless: AtomicU8,
    metrics: Metrics,
    is_beside: bool,
}

#[derive(Default)]
struct Reported {
    troubles: Troubles,
    /// The client's last words on a connection that failed. Some failures it only logs, and then reports no more
    /// than that all brokers are down.
    last_failure: String,
}

impl Context {
    pub fn new(metrics: Metrics) -> Context {
        Context {
            assignment: Mutex::default(),
            doubts: Mutex::default(),
            ids: Mutex::default(),
            named: Mutex::default(),
            logged: AtomicU64::new(0),
            troubles: Mutex::default(),
            brokerless: AtomicU8::new(0),
            metrics,
            is_beside: false,
        }
    }

    /// For a client that goes on where that of this context was, with what is known of topics.
    pub fn following(&self) -> Context {
        self.metrics.kafka_client_renewed();
        let mut context = Context::new(self.metrics.clone());
        context.assignment = moved(&self.assignment);
        context.assignment.get_mut().begin_anew();
        context.doubts = moved(&self.doubts);
        context.doubts.get_mut().begin_anew();
        context.ids = moved(&self.ids);
        context.named = moved(&self.named);
        context
    }

    /// For a client beside the instance's own consumer. It has the same troubles at the same time, which are told
    /// once, by that one; its own are those with its topic.
    pub fn beside(metrics: Metrics) -> Context {
        Context { is_beside: true, ..Context::new(metrics) }
    }

    /// Counts an error and says it, with the way out, unless that was said of late.
    pub fn note_error(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // An offset that does not exist is no trouble with Kafka: what it means is found and told elsewhere.
        if code == RDKafkaErrorCode::AutoOffsetReset || self.is_beside && !is_with_topic(code) {
            return;
        }
        let mut reported = self.troubles.lock();
        let lost_connection =
            matches!(code, RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure);
        let is_vague = lost_connection && Trouble::of(code, reason) == Trouble::Unreachable;
        let Reported { troubles, last_failure } = &mut *reported;
        let reason = if is_vague && !last_failure.is_empty() { last_failure.as_str() } else { reason };
        let trouble = Trouble::of(code, reason);
        let row = trouble.row();
        self.metrics.kafka_error(row.code);
        if let Some(unsaid) = troubles.note(trouble, Instant::now()) {
            let reason = shortened(reason);
            tracing::warn!(code = row.code, reason, unsaid, "cannot read from kafka: {}", row.way_out);
        }
    }

    /// Lines that the client has logged so far.
    pub fn logged(&self) -> u64 {
        self.logged.load(Ordering::Relaxed)
    }

    /// What has become known of topics' ids.
    pub fn take_named(&self) -> Vec<Named> {
        std::mem::take(&mut self.named.lock())
    }

    pub fn topic_id(&self, topic: &str) -> Option<String> {
        self.ids.lock().get(topic).map(str::to_owned)
    }

    /// What keeps us from reading, for whoever asks after our health.
    pub fn trouble(&self) -> Option<&'static str> {
        self.troubles.lock().troubles.obstacle(Instant::now()).map(|trouble| trouble.row().way_out)
    }

    /// The client's last words on a connection that failed, for whoever waits for an answer.
    pub fn last_failure(&self) -> Option<String> {
        let reported = self.troubles.lock();
        let words = shortened(&reported.last_failure);
        (!words.is_empty()).then(|| words.to_owned())
    }

    /// Whether the client has forgotten all brokers. An answer of a cluster that has none for a moment (all of them are just
    /// starting, or fenced) takes them away, those of its configuration too, and since it was an answer the client asks nobody
    /// again (librdkafka 2.12, its issue 5301).
    pub fn has_forgotten_brokers(&self) -> bool {
        self.brokerless.load(Ordering::Relaxed) >= BROKERLESS_STATISTICS_MAX
    }

    fn note_brokers(&self, statistics: &Statistics) {
        let knows_one = statistics
            .brokers
            .values()
            .any(|broker| matches!(broker.source.as_str(), "configured" | "learned"));
        let brokerless = self.brokerless.load(Ordering::Relaxed).saturating_add(1);
        self.brokerless.store(if knows_one { 0 } else { brokerless }, Ordering::Relaxed);
    }

    /// Brokers that are known by their id; those of the bootstrap list are forgotten once these are.
    fn note_connections(&self, statistics: &Statistics) {
        let mut states = statistics.brokers.values().filter(|broker| broker.nodeid >= 0).peekable();
        let all_connected = states.peek().is_some() && states.all(|broker| broker.state == "UP");
        if all_connected && self.troubles.lock().troubles.connected() {
            tracing::info!("connected to kafka again");
        }
    }

    /// The group gave us partitions, or told us that there are none for us.
    fn assign(&self, consumer: &BaseConsumer<Context>, partitions: &mut TopicPartitionList) {
        for (topic, partition) in names(partitions) {
            let offset =
                self.assignment.lock().offset(&topic, partition).map_or(Offset::Beginning, Offset::Offset);
            tracing::info!(topic, partition, ?offset, "partition assigned");
            if let Err(error) = partitions.set_partition_offset(&topic, partition, offset) {
                tracing::error!(topic, partition, %error, "cannot set where a partition starts");
            }
        }
        for topic in self.assignment.lock().assigned(&names(partitions)) {
            // Where topics have ids, the new one tells.
            if self.ids.lock().get(&topic).is_none() {
                self.doubts.lock().add(&topic, Doubt::Anew);
            }
        }
        self.resume_unpaused(consumer, partitions);
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            _ => consumer.assign(partitions),
        };
        match outcome {
            Ok(()) => self.assignment.lock().joined = true,
            Err(error) => self.note_error(&error, "cannot take assigned partitions"),
        }
    }

    /// The client gives a partition back as paused as it was, and meanwhile it may have become another one.
    fn resume_unpaused(&self, consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) {
        let assignment = self.assignment.lock();
        let mut unpaused = TopicPartitionList::new();
        for (topic, partition) in names(partitions) {
            if !assignment.is_paused(&topic, partition) {
                unpaused.add_partition(&topic, partition);
            }
        }
        drop(assignment);
        if let Err(error) = consumer.resume(&unpaused) {
            self.note_error(&error, "cannot resume assigned partitions");
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) {
        let names = names(partitions);
        self.assignment.lock().revoked(&names, consumer.assignment_lost());
        for (topic, partition) in &names {
            self.metrics.consumer_lag_ends(topic, *partition);
        }
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            _ => consumer.unassign(),
        };
        if let Err(error) = outcome {
            self.note_error(&error, "cannot give up revoked partitions");
        }
    }
}

fn is_with_topic(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{TopicAuthorizationFailed, UnknownTopic, UnknownTopicOrPartition};
    matches!(code, TopicAuthorizationFailed | UnknownTopic | UnknownTopicOrPartition)
}

fn moved<T: Default>(value: &Mutex<T>) -> Mutex<T> {
    Mutex::new(std::mem::take(&mut *value.lock()))
}

fn names(partitions: &TopicPartitionList) -> Vec<(String, i32)> {
    let elements = partitions.elements();
    elements.iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

/// Whether there is a connection to a broker, and words come by it. A partition that none leads for now has none: its
/// number is negative.
fn is_heard(statistics: &Statistics, broker: i32) -> bool {
    let mut brokers = statistics.brokers.values();
    broker >= 0 && brokers.any(|known| known.nodeid == broker && known.state == "UP" && !is_silent(known))
}

/// It owes us an answer, and has not said a word for so long. A network that swallows packets breaks no connection.
fn is_silent(broker: &Broker) -> bool {
    broker.waitresp_cnt > 0
        && u128::try_from(broker.rxidle).is_ok_and(|idle| idle > KAFKA_SILENCE.as_micros())
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
        self.note_brokers(&statistics);
        self.note_connections(&statistics);
        let group = statistics.cgrp.as_ref();
        let mut settled = group.is_some_and(|group| group.state == "up" && group.join_state == "steady");
        let mut assignment = self.assignment.lock();
        for (name, topic) in &statistics.topics {
            for partition in
                topic.partitions.values().filter(|p| p.partition >= 0 && p.fetch_state == "active")
            {
                let fetched = Fetched { next_offset: partition.next_offset, end: partition.ls_offset };
                let mut is_behind = !is_heard(&statistics, partition.broker);
                settled &= !is_behind;
                if fetched.end >= 0 {
                    let lag = assignment.lag(name, partition.partition, fetched);
                    self.metrics.consumer_lag(name, partition.partition, lag);
                    is_behind |= lag > 0;
                }
                assignment.note_behind(name, partition.partition, is_behind);
            }
        }
        assignment.settled = settled;
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if !error.rdkafka_error_code().is_some_and(is_with_topic) {
            self.assignment.lock().settled = false;
        }
        self.note_error(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.logged.fetch_add(1, Ordering::Relaxed);
        if matches!(level, RDKafkaLogLevel::Debug) {
            // These are many, and asked for one kind of them only.
            if let Some(named) = self.ids.lock().read(message) {
                self.named.lock().push(named);
            }
            tracing::trace!(target: "librdkafka", facility, message);
            return;
        }
        if facility == "FAIL" {
            // What comes before is the name of the client's thread.
            let failure = message.split_once("]: ").map_or(message, |(_, failure)| failure);
            failure.clone_into(&mut self.troubles.lock().last_failure);
        }
        // Its errors come as events too, which are counted and said above.
        tracing::debug!(target: "librdkafka", ?level, facility, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_goes_on_asks_what_its_predecessor_had_no_answer_to() {
        let (context, now) = (Context::new(Metrics::new()), Instant::now());
        context.doubts.lock().add("t", Doubt::Anew);
        let asks = |context: &Context| context.doubts.lock().due(now);
        assert_eq!(asks(&context), Some(vec!["t".to_owned()]));
        let next = context.following();
        assert!(next.doubts.lock().is_anew("t"));
        assert_eq!(asks(&next), Some(vec!["t".to_owned()]));
    }
}
