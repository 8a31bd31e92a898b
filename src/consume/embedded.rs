//! A Kafka broker inside this process, for a demo that needs nothing installed: librdkafka's mock cluster.
//!
//! It speaks the real protocol on a loopback port of its own, so any Kafka client can produce to it and consume
//! from it. Its log is memory: a partition keeps its newest 5 MiB or 100,000 batches and drops the oldest, so it
//! may run for days; a consumer that is milliseconds behind never notices. What it lacks decides the settings
//! that fit it: it finds no offset by time, its classic groups take most of a minute to assign anything, and a
//! fetch that waits is not woken by a new record.

use super::{GroupProtocol, Settings, Start};
use crate::settings::Document;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

/// The first and only broker of a mock cluster.
const BROKER: i32 = 1;

/// A running broker; it ends when this is dropped.
pub struct EmbeddedBroker {
    /// The client whose background thread is the broker. The cluster's own handle cannot move between threads; this
    /// can, and gives one whenever it is asked.
    host: BaseProducer<Quiet>,
    address: String,
}

impl EmbeddedBroker {
    /// Starts a broker that has these topics, of so many partitions each.
    pub fn start<'t>(
        topics: impl IntoIterator<Item = &'t str>,
        partitions: i32,
    ) -> KafkaResult<EmbeddedBroker> {
        let host: BaseProducer<Quiet> =
            ClientConfig::new().set("test.mock.num.brokers", "1").create_with_context(Quiet)?;
        let cluster = host.client().mock_cluster().ok_or(KafkaError::MockCluster(RDKafkaErrorCode::Fail))?;
        for topic in topics {
            cluster.create_topic(topic, partitions, 1)?;
        }
        let address = cluster.bootstrap_servers();
        drop(cluster);
        Ok(EmbeddedBroker { host, address })
    }

    /// Ends all connections to it and takes no new ones, or takes them again. What is in its log stays.
    pub fn set_away(&self, away: bool) -> KafkaResult<()> {
        let cluster = self.host.client().mock_cluster();
        let cluster = cluster.ok_or(KafkaError::MockCluster(RDKafkaErrorCode::Fail))?;
        if away { cluster.broker_down(BROKER) } else { cluster.broker_up(BROKER) }
    }

    /// Its host:port, for any Kafka client of this machine.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How a source has to read from it; everything else is as in production.
    pub fn settings(&self) -> Settings {
        Settings {
            brokers: vec![self.address.clone()],
            instance: "embedded".to_owned(),
            start: Start::Earliest,
            group_protocol: GroupProtocol::Consumer,
            properties: vec![("fetch.wait.max.ms".to_owned(), "10".to_owned())],
            ..Settings::read(&mut Document::empty())
        }
    }
}

/// The context of clients of such a broker: when somebody takes it away they are told by the page, not by the log.
#[derive(Clone, Copy)]
pub struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

/// The broker's own host produces nothing.
impl ProducerContext for Quiet {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::{Handled, KafkaSource};
    use crate::metrics::Metrics;
    use rdkafka::producer::BaseRecord;
    use std::time::{Duration, Instant};

    /// Reads until so many records have come.
    fn read(source: &mut KafkaSource, count: usize) -> Vec<i64> {
        let mut offsets = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        while offsets.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} records came", offsets.len());
            let mut take = |record: crate::consume::Record<'_>| {
                offsets.push(record.offset);
                Handled::Done
            };
            source.poll(Duration::from_millis(100), &mut take).unwrap();
        }
        offsets
    }

    #[test]
    fn a_reader_that_keeps_up_misses_nothing_of_a_log_that_drops_its_oldest() {
        const ROUND: usize = 16;
        let broker = EmbeddedBroker::start(["pizza.created"], 1).unwrap();
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", broker.address())
            .set("linger.ms", "0")
            .create()
            .unwrap();
        let mut source = KafkaSource::new(broker.settings(), Metrics::new()).unwrap();
        let payload = vec![7; 64 << 10];
        let mut offsets = Vec::new();
        for _ in 0..10 {
            for _ in 0..ROUND {
                producer
                    .send(BaseRecord::<(), _>::to("pizza.created").payload(&payload))
                    .map_err(|(e, _)| e)
                    .unwrap();
            }
            producer.flush(Duration::from_secs(10)).unwrap();
            offsets.extend(read(&mut source, ROUND));
        }
        assert!(offsets.iter().copied().eq(0..160));
    }
}
