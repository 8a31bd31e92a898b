//! Records → Kafka, acknowledged by all replicas, many under way at a time.
//!
//! Settings are those of the service (`[kafka]`), but for what only concerns consumers.

use crate::consume::{self, ClientFault, client_fault, connection_config};
use crate::limits::PRODUCE_TIMEOUT;
use futures_util::FutureExt;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::future_producer::{Delivery, DeliveryFuture};
use rdkafka::producer::{FutureProducer, FutureRecord};
use std::collections::VecDeque;

/// Where a record stands, as `explain` takes it: `order.created-2-1041`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

pub struct Producer {
    kafka: FutureProducer,
    /// Not acknowledged yet, oldest first.
    in_flight: VecDeque<(String, DeliveryFuture)>,
}

impl Producer {
    /// Fails on properties that librdkafka does not take; no broker is asked yet.
    pub fn new(settings: &consume::Settings) -> Result<Producer, ClientFault> {
        let mut config = connection_config(settings);
        config
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", PRODUCE_TIMEOUT.as_millis().to_string());
        Ok(Producer { kafka: config.create().map_err(client_fault)?, in_flight: VecDeque::new() })
    }

    /// Puts a record on its way; one without a value is a tombstone.
    pub fn send(&mut self, topic: &str, key: Option<&str>, value: Option<&[u8]>) -> KafkaResult<()> {
        let record = FutureRecord { key, payload: value, ..FutureRecord::to(topic) };
        let sent = self.kafka.send_result(record).map_err(|(error, _)| error)?;
        self.in_flight.push_back((topic.to_owned(), sent));
        Ok(())
    }

    /// The records acknowledged meanwhile; waits only until no more than `in_flight_max` are under way.
    pub async fn settle(&mut self, in_flight_max: usize) -> KafkaResult<Vec<Produced>> {
        let mut produced = Vec::new();
        loop {
            let must_wait = self.in_flight.len() > in_flight_max;
            let Some((topic, sent)) = self.in_flight.front_mut() else { break };
            let outcome = match sent.now_or_never() {
                Some(outcome) => outcome,
                None if must_wait => sent.await,
                None => break,
            };
            let topic = std::mem::take(topic);
            self.in_flight.pop_front();
            match outcome {
                Ok(Ok(Delivery { partition, offset, .. })) => {
                    produced.push(Produced { topic, partition, offset });
                }
                Ok(Err((error, _))) => return Err(error),
                Err(_) => return Err(KafkaError::Canceled),
            }
        }
        Ok(produced)
    }
}

impl std::fmt::Display for Produced {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}-{}", self.topic, self.partition, self.offset)
    }
}
