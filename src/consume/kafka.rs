//! Records from Kafka, in a consumer group of this instance's own, so that every instance reads every partition.
//!
//! At the start it asks which partitions exist, where the window begins in each, and where each ends; being at
//! those ends is having caught up. Topics that tell of orders are read from farther back. Then it subscribes, and topics that appear later are read from their first
//! record. Commits tell lag tools how far the journal is; they never decide where reading starts.

use super::assignment::{Doubt, Verdict};
use super::context::Context;
use super::fence::Fence;
use super::questions::Questions;
use super::topic_ids::{self, Named};
use super::{
    Backlog, Begun, BegunPartition, Behind, ClientFault, Fetch, GroupProtocol, Handled, Headers, LossCause,
    News, Record, Settings, SourceFault, Start,
};
use crate::clock::unix_ms;
use crate::limits::{
    KAFKA_COMMIT_INTERVAL, KAFKA_LAST_COMMIT_MAX, KAFKA_RECONNECT_MAX, KAFKA_START_PAUSE,
    KAFKA_STATISTICS_INTERVAL, KAFKA_STEP_TIMEOUT, KAFKA_THROUGHPUT_FETCH_MIN_BYTES,
    KAFKA_THROUGHPUT_FETCH_WAIT,
};
use crate::metrics::Metrics;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

pub struct KafkaSource {
    /// Dropped before the consumer, whose other owner is its thread.
    questions: Questions,
    fence: Fence,
    consumer: Arc<BaseConsumer<Context>>,
    settings: Settings,
    committed_at: Instant,
    begun: Option<Begun>,
    news: Vec<News>,
}

impl KafkaSource {
    /// Fails on properties that librdkafka does not take; no broker is asked yet.
    pub fn new(settings: Settings, metrics: Metrics) -> Result<KafkaSource, ClientFault> {
        KafkaSource::create(settings, Context::new(metrics))
    }

    fn create(settings: Settings, context: Context) -> Result<KafkaSource, ClientFault> {
        let mut config = events_config(&settings);
        config.set_log_level(RDKafkaLogLevel::Debug);
        config
            .set("debug", topic_ids::DEBUG_CONTEXT)
            // Where to read on from is decided in assignment/verdict.rs, and told.
            .set("auto.offset.reset", "error");
        let created = config.create_with_context(context);
        let consumer = Arc::new(created.map_err(client_fault)?);
        let questions = Questions::start(Arc::clone(&consumer)).map_err(ClientFault::Thread)?;
        let (committed_at, fence) = (Instant::now(), Fence::default());
        Ok(KafkaSource { questions, fence, consumer, settings, committed_at, begun: None, news: Vec::new() })
    }

    pub(super) fn poll(
        &mut self,
        wait: Duration,
        handle: &mut dyn FnMut(Record<'_>) -> Handled,
    ) -> Result<bool, SourceFault> {
        if !self.consumer.context().assignment.lock().started {
            self.try_start();
            return Ok(false);
        }
        if self.consumer.context().has_forgotten_brokers() {
            self.join_anew("the kafka client has forgotten all brokers")?;
        }
        self.commit_if_due();
        self.resolve_doubts();
        if self.news.iter().any(|news| matches!(news, News::Lost(_))) {
            // What comes behind it is given when it is known.
            return Ok(false);
        }
        let begin = Instant::now();
        let polled = poll_past_the_log(&self.consumer, wait, begin);
        let is_news = note_named(self.consumer.context(), &mut self.news);
        let message = match polled {
            None => {
                let has_waited = !wait.is_zero() && begin.elapsed() >= wait;
                self.consumer.context().assignment.lock().polled_in_vain(has_waited);
                return Ok(false);
            }
            Some(Err(error)) => {
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
                    self.doubt_all();
                }
                // The context has heard of the error already, with the client's words for it.
                self.judge_fatal()?;
                return Ok(false);
            }
            Some(Ok(message)) => message,
        };
        if self.consumer.context().doubts.lock().is_anew(message.topic()) {
            // It comes again when its topic is read from the beginning.
            return Ok(!is_news);
        }
        let record = lend(&message);
        let Record { topic, partition, offset, .. } = record;
        match handle(record) {
            Handled::Done => self.handled(topic, partition, offset),
            Handled::Waits => self.consumer.context().assignment.lock().waits(topic, partition, true),
            Handled::WaitsFull => self.pause(topic, partition),
        }
        Ok(true)
    }

    /// The client does not say which partition it was.
    fn doubt_all(&self) {
        let context = self.consumer.context();
        for topic in context.assignment.lock().topics() {
            context.doubts.lock().add(topic, Doubt::OutOfRange);
        }
    }

    /// Asks what has become of topics, and goes by the answer.
    fn resolve_doubts(&mut self) {
        let context = self.consumer.context();
        let asks = context.assignment.lock().asks(&mut context.doubts.lock(), Instant::now());
        if let Some(topics) = asks {
            self.questions.ask_topics(topics);
        }
        let Some(answer) = self.questions.topics() else { return };
        let Verdict { losses, gone, starts } =
            context.assignment.lock().judge(&mut context.doubts.lock(), answer);
        for topic in gone {
            tracing::warn!(topic, "a topic that was read does not exist any more");
        }
        for (topic, partition, offset) in starts {
            self.start_at(&topic, partition, offset);
        }
        for mut loss in losses {
            self.fence.forget();
            if let LossCause::Anew { id } = &mut loss.cause {
                *id = self.consumer.context().topic_id(&loss.topic);
            }
            self.news.push(News::Lost(loss));
        }
    }

    /// Taken and given anew, since a partition whose offset did not exist cannot be told to seek. What was fetched of
    /// it is thrown away with that, but not that it is paused: a topic made anew would stay so for ever.
    fn start_at(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = one_partition(topic, partition);
        // The group may have taken it just now. Then it is read from there when it is given back.
        let outcome = self.consumer.incremental_unassign(&list).and_then(|()| {
            self.consumer.resume(&list)?;
            list.set_partition_offset(topic, partition, Offset::Offset(offset))?;
            self.consumer.incremental_assign(&list)
        });
        self.note_outcome(outcome, "cannot read a partition from another place");
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn take_begun(&mut self) -> Option<Begun> {
        self.begun.take()
    }

    pub(super) fn handled(&self, topic: &str, partition: i32, offset: i64) {
        self.consumer.context().assignment.lock().handled(topic, partition, offset);
    }

    pub(super) fn resume(&self, topic: &str, partition: i32) {
        let mut assignment = self.consumer.context().assignment.lock();
        assignment.waits(topic, partition, false);
        let was_paused = assignment.is_paused(topic, partition);
        if was_paused {
            assignment.paused(topic, partition, false);
        }
        drop(assignment);
        if was_paused {
            self.note_outcome(
                self.consumer.resume(&one_partition(topic, partition)),
                "cannot resume a partition",
            );
        }
    }

    pub(super) fn has_settled(&mut self, moment: Instant, excused: impl Fn(&str, i32) -> bool) -> bool {
        if let Some((question, ends)) = self.questions.ends() {
            self.fence.answered(question, ends);
        }
        let assignment = self.consumer.context().assignment.lock();
        let settled = self.fence.is_settled(moment, |topic, partition, end| {
            excused(topic, partition) || assignment.has_passed(topic, partition, end)
        });
        let now = Instant::now();
        if !settled && self.fence.may_ask(now) {
            self.questions.ask_ends(now, assignment.partitions(|topic| self.settings.opens_orders(topic)));
        }
        settled
    }

    pub(super) fn backlog(&self) -> Backlog {
        self.consumer.context().assignment.lock().backlog()
    }

    pub(super) fn trouble(&self) -> Option<&'static str> {
        self.consumer.context().trouble()
    }

    pub(super) fn behind(&self) -> Vec<Behind> {
        self.consumer.context().assignment.lock().behind()
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.consumer.context().assignment.lock().is_caught_up()
    }

    pub(super) fn has_handled_start(&self) -> bool {
        self.consumer.context().assignment.lock().has_handled_start()
    }

    fn pause(&self, topic: &str, partition: i32) {
        let mut assignment = self.consumer.context().assignment.lock();
        assignment.waits(topic, partition, true);
        assignment.paused(topic, partition, true);
        drop(assignment);
        self.note_outcome(self.consumer.pause(&one_partition(topic, partition)), "cannot pause a partition");
    }

    /// Brokers may not be up yet: whatever fails is tried again by the next poll.
    fn try_start(&mut self) {
        let Err(error) = self.start() else { return };
        // The client answers at once when it knows that no broker is there; its queue is where it waits. What
        // made the start fail stands there, and is heard before what follows from it.
        let begin = Instant::now();
        while begin.elapsed() < KAFKA_START_PAUSE {
            let _ = self.consumer.poll(KAFKA_START_PAUSE);
        }
        self.consumer.context().note_error(&error, &error.to_string());
    }

    fn start(&mut self) -> KafkaResult<()> {
        let timeout = KAFKA_STEP_TIMEOUT;
        let cluster = self
            .consumer
            .client()
            .fetch_cluster_id(timeout)
            .ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut))?;
        let found = self.partitions()?;
        let since_ms = self.begin_ms(self.settings.window);
        let windows = since_ms.map(|since_ms| self.starts(&found, since_ms)).transpose()?;
        let telling: Vec<_> =
            found.iter().filter(|(topic, _)| self.settings.tells_of_orders(topic)).cloned().collect();
        let look_back = self.begin_ms(self.settings.orders.look_back.max(self.settings.window));
        let look_backs = look_back.map(|since_ms| self.starts(&telling, since_ms)).transpose()?;
        let mut begun = Begun { cluster, partitions: Vec::new(), since_ms };
        let mut ends = Vec::new();
        for (topic, partition) in found {
            let (low, high) = self.consumer.fetch_watermarks(&topic, partition, KAFKA_STEP_TIMEOUT)?;
            let offset = |starts: &Option<TopicPartitionList>| {
                let start = starts.as_ref().and_then(|starts| starts.find_partition(&topic, partition));
                start.map(|element| match element.offset() {
                    Offset::Offset(offset) => offset.max(low),
                    // No record is as new as that.
                    _ => high,
                })
            };
            let window = offset(&windows).unwrap_or(low);
            let start = offset(&look_backs).map_or(window, |look_back| look_back.min(window));
            begun.partitions.push(BegunPartition { topic, partition, window, start });
            ends.push(high);
        }
        self.subscribe()?;
        let mut state = self.consumer.context().assignment.lock();
        for (BegunPartition { topic, partition, window, start }, end) in begun.partitions.iter().zip(ends) {
            tracing::info!(topic, partition, start, window, end, "partition found");
            state.found(topic, *partition, *start, end);
        }
        state.started = true;
        self.begun = Some(begun);
        Ok(())
    }

    fn subscribe(&self) -> KafkaResult<()> {
        self.consumer.subscribe(&self.settings.topic_names())
    }

    /// The partitions that exist now and match the subscription.
    fn partitions(&self) -> KafkaResult<Vec<(String, i32)>> {
        let metadata = self.consumer.fetch_metadata(None, KAFKA_STEP_TIMEOUT)?;
        let wanted = metadata.topics().iter().filter(|topic| self.settings.subscribes_to(topic.name()));
        Ok(wanted
            .flat_map(|topic| topic.partitions().iter().map(|p| (topic.name().to_owned(), p.id())))
            .collect())
    }

    /// When what is so old begins; none if all that the brokers have is wanted.
    fn begin_ms(&self, age: Duration) -> Option<i64> {
        if self.settings.start == Start::Earliest {
            return None;
        }
        Some(unix_ms(SystemTime::now() - age))
    }

    /// Where that time begins in each partition.
    fn starts(&self, partitions: &[(String, i32)], since_ms: i64) -> KafkaResult<TopicPartitionList> {
        let mut times = TopicPartitionList::new();
        if partitions.is_empty() {
            return Ok(times);
        }
        for (topic, partition) in partitions {
            times.add_partition_offset(topic, *partition, Offset::Offset(since_ms))?;
        }
        self.consumer.offsets_for_times(times, KAFKA_STEP_TIMEOUT)
    }

    /// Commits a last time and leaves. Brokers that are not there are not waited for long: nothing depends on it.
    pub(super) fn finish(self) {
        let (done, outcome) = mpsc::channel();
        let last = move || {
            let positions = self.positions();
            let committed = match positions.count() {
                0 => Ok(()),
                _ => self.consumer.commit(&positions, CommitMode::Sync),
            };
            drop(self);
            // Nobody listens any more if it took too long.
            let _ = done.send(committed);
        };
        let begun = std::thread::Builder::new().name("last-commit".to_owned()).spawn(last);
        let outcome = begun.is_ok().then(|| outcome.recv_timeout(KAFKA_LAST_COMMIT_MAX));
        if !matches!(outcome, Some(Ok(Ok(())))) {
            tracing::warn!(?outcome, "the last positions are not committed; lag tools see older ones");
        }
    }

    /// Not while brokers are away: the client keeps a commit for them, and would send it when they are back, in the
    /// name of a member whom they have forgotten by then. That is how they know another process of the same name.
    fn commit_if_due(&mut self) {
        let settled = self.consumer.context().assignment.lock().settled;
        if !settled || self.committed_at.elapsed() < KAFKA_COMMIT_INTERVAL {
            return;
        }
        self.committed_at = Instant::now();
        let positions = self.positions();
        if positions.count() > 0 {
            let outcome = self.consumer.commit(&positions, CommitMode::Async);
            self.note_outcome(outcome, "cannot commit positions");
        }
    }

    fn positions(&self) -> TopicPartitionList {
        let mut positions = TopicPartitionList::new();
        for (topic, partition, next) in self.consumer.context().assignment.lock().positions() {
            // The only failure is an offset that is no offset, and these were read from Kafka.
            let _ = positions.add_partition_offset(topic, partition, Offset::Offset(next));
        }
        positions
    }

    fn note_outcome(&self, outcome: KafkaResult<()>, reason: &str) {
        if let Err(error) = outcome {
            self.consumer.context().note_error(&error, reason);
        }
    }

    /// Of what the client cannot recover from by itself.
    fn judge_fatal(&mut self) -> Result<(), SourceFault> {
        let Some((code, reason)) = self.consumer.client().fatal_error() else { return Ok(()) };
        match code {
            // A commit was under way when the group lost us: it was ourselves.
            RDKafkaErrorCode::FencedInstanceId if self.consumer.context().assignment.lock().has_lost() => {
                self.join_anew("the group has taken us for another process after an outage")
            }
            RDKafkaErrorCode::FencedInstanceId => {
                Err(SourceFault::Fenced { instance: self.settings.instance.clone() })
            }
            _ => Err(SourceFault::Fatal(reason)),
        }
    }

    /// By another client, which goes on behind what was handled, as after a rebalance.
    fn join_anew(&mut self, why: &str) -> Result<(), SourceFault> {
        tracing::warn!(why, "joining the group anew, with another kafka client");
        let context = self.consumer.context().following();
        let source = KafkaSource::create(self.settings.clone(), context)
            .map_err(|fault| SourceFault::Fatal(fault.to_string()))?;
        source.subscribe().map_err(|error| SourceFault::Fatal(error.to_string()))?;
        let (begun, news) = (self.begun.take(), std::mem::take(&mut self.news));
        let lost = std::mem::replace(self, KafkaSource { begun, news, ..source });
        // Closing a client that has nobody to say goodbye to may take its time.
        let closing = std::thread::Builder::new().name("kafka-lost".to_owned()).spawn(move || drop(lost));
        closing.map(drop).map_err(|error| SourceFault::Fatal(error.to_string()))
    }
}

pub fn client_fault(error: KafkaError) -> ClientFault {
    match error {
        KafkaError::ClientConfig(_, reason, property, _) => ClientFault::Property { property, reason },
        KafkaError::ClientCreation(reason) => creation_fault(reason),
        other => ClientFault::Properties(other.to_string()),
    }
}

/// Of a file the client says what OpenSSL says, which is nothing to go by.
fn creation_fault(reason: String) -> ClientFault {
    match reason.split_once(".location failed: ") {
        None => ClientFault::Properties(reason),
        Some((file, why)) => ClientFault::Property {
            property: format!("{file}.location"),
            reason: format!("cannot be used ({why}): is the file there, readable by the service, and PEM?"),
        },
    }
}

/// The client's log comes by the way of records, and says nothing of whether there are any.
fn poll_past_the_log(
    consumer: &BaseConsumer<Context>,
    wait: Duration,
    begin: Instant,
) -> Option<KafkaResult<BorrowedMessage<'_>>> {
    loop {
        let logged = consumer.context().logged();
        let polled = consumer.poll(whole_millis(wait.saturating_sub(begin.elapsed())));
        if polled.is_some() || consumer.context().logged() == logged {
            return polled;
        }
    }
}

/// Not less than that. The client waits by the millisecond, and without pause for what is left below one.
fn whole_millis(wait: Duration) -> Duration {
    let whole = Duration::from_millis(1);
    whole * u32::try_from(wait.as_nanos().div_ceil(whole.as_nanos())).unwrap_or(u32::MAX)
}

/// Topics' ids that have become known; true if there are any.
fn note_named(context: &Context, news: &mut Vec<News>) -> bool {
    let named = context.take_named();
    let is_news = !named.is_empty();
    for Named { topic, id, is_anew } in named {
        tracing::debug!(topic, id, is_anew, "a topic's id is known");
        if is_anew && context.assignment.lock().knows(&topic) {
            context.doubts.lock().add(&topic, Doubt::Anew);
        } else {
            news.push(News::Named { topic, id: Some(id) });
        }
    }
    is_news
}

/// A message as a record.
pub(super) fn lend<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    Record {
        topic: message.topic(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().filter(|millis| *millis >= 0),
        key: message.key(),
        headers: Headers::of_kafka(message.headers()),
        value: message.payload(),
    }
}

fn one_partition(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}

/// What every client of ours has in common: the brokers, how to reach them, and who we are to them.
pub fn connection_config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("reconnect.backoff.max.ms", KAFKA_RECONNECT_MAX.as_millis().to_string());
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    for (name, value) in settings.credentials.expose() {
        config.set(name, value);
    }
    config.set("bootstrap.servers", settings.brokers.join(","));
    config
}

/// Of the consumer of events; what is set by its own name stays.
fn events_config(settings: &Settings) -> ClientConfig {
    let mut config = client_config(settings);
    let profile = match settings.fetch {
        Fetch::Latency => Vec::new(),
        Fetch::Throughput => vec![
            ("fetch.min.bytes", KAFKA_THROUGHPUT_FETCH_MIN_BYTES.to_string()),
            ("fetch.wait.max.ms", KAFKA_THROUGHPUT_FETCH_WAIT.as_millis().to_string()),
        ],
    };
    for (name, value) in profile {
        if config.get(name).is_none() {
            config.set(name, value);
        }
    }
    config
}

pub(super) fn client_config(settings: &Settings) -> ClientConfig {
    let mut config = connection_config(settings);
    // Why a connection failed is told at this level; whether it is shown is decided by our own log's.
    config.set_log_level(RDKafkaLogLevel::Info);
    config
        .set("group.id", settings.group_id())
        .set("group.instance.id", &settings.instance)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("statistics.interval.ms", KAFKA_STATISTICS_INTERVAL.as_millis().to_string())
        .set("topic.metadata.refresh.interval.ms", settings.metadata_refresh.as_millis().to_string());
    match settings.group_protocol {
        GroupProtocol::Classic => config.set("partition.assignment.strategy", "cooperative-sticky"),
        GroupProtocol::Consumer => config.set("group.protocol", "consumer"),
    };
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::EmbeddedBroker;
    use rdkafka::consumer::ConsumerContext;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::types::RDKafkaRespErr;

    const TOPIC: &str = "pizza.created";

    #[test]
    fn a_file_that_cannot_be_used_is_told_with_the_way_out() {
        let mut config = ClientConfig::new();
        config.set("security.protocol", "ssl").set("ssl.ca.location", "/nonexistent/ca.pem");
        let fault = config.create::<BaseProducer>().map(drop).map_err(client_fault).unwrap_err().to_string();
        assert!(fault.starts_with("in kafka.properties.ssl.ca.location: cannot be used ("), "{fault}");
        assert!(fault.ends_with("is the file there, readable by the service, and PEM?"), "{fault}");
    }

    /// Polls until that has come of which `is_it` says so: a record's offset or news.
    fn poll_until(source: &mut KafkaSource, handled: Handled, is_it: impl Fn(Option<i64>, &[News]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut has_come = false;
        while !has_come {
            assert!(Instant::now() < deadline, "nothing comes");
            let mut offset = None;
            let mut handle = |record: Record<'_>| {
                offset = Some(record.offset);
                handled
            };
            source.poll(Duration::from_millis(100), &mut handle).unwrap();
            has_come = is_it(offset, &source.take_news());
        }
    }

    /// A topic whose one partition is paused is made anew, and its first record comes.
    fn check_is_read_anew(is_taken_meanwhile: bool) {
        let broker = EmbeddedBroker::start([TOPIC], 1).unwrap();
        let mut config = ClientConfig::new();
        let producer: BaseProducer = config.set("bootstrap.servers", broker.address()).create().unwrap();
        producer.send(BaseRecord::<(), _>::to(TOPIC).payload("pizza")).map_err(|(e, _)| e).unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();
        let mut source = KafkaSource::new(broker.settings(), Metrics::new()).unwrap();
        let rebalance = |source: &KafkaSource, kind| {
            let mut partitions = one_partition(TOPIC, 0);
            source.consumer.context().rebalance(&source.consumer, kind, &mut partitions);
        };

        poll_until(&mut source, Handled::WaitsFull, |offset, _| offset == Some(0));
        if is_taken_meanwhile {
            rebalance(&source, RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS);
        }
        source.consumer.context().doubts.lock().add(TOPIC, Doubt::Anew);
        let is_lost = |news: &News| matches!(news, News::Lost(_));
        poll_until(&mut source, Handled::Done, |_, news| news.iter().any(is_lost));
        if is_taken_meanwhile {
            rebalance(&source, RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS);
        }
        poll_until(&mut source, Handled::Done, |offset, _| offset == Some(0));
    }

    #[test]
    fn a_paused_partition_of_a_topic_made_anew_is_read() {
        check_is_read_anew(false);
    }

    #[test]
    fn a_paused_partition_of_a_topic_made_anew_is_read_when_the_group_gives_it_back() {
        check_is_read_anew(true);
    }

    #[test]
    fn a_wait_ends_on_a_millisecond_and_not_before_its_time() {
        let waits = [0, 1, 999_999, 1_000_000, 4_999_900, 99_000_001];
        let millis = waits.map(|nanos| whole_millis(Duration::from_nanos(nanos)).as_micros());
        assert_eq!(millis, [0, 1_000, 1_000, 1_000, 5_000, 100_000]);
    }
}
