//! Writes dead letters to Kafka, with the brokers and properties that the records are read with.
//!
//! The client's own thread sends them and tells what became of each. Its queue is bounded, by letters and by
//! bytes: a letter that finds it full is not sent.

use crate::consume::{self, ClientFault, OwnedHeader, Record};
use crate::limits::{
    DEAD_LETTER_MAX_BYTES, DEAD_LETTER_QUEUE_MAX, DEAD_LETTER_QUEUE_MAX_BYTES, DEAD_LETTERS_FLUSH_MAX,
};
use crate::metrics::{DeadLetterOutcome, Metrics};
use crate::throttle::Throttle;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Producer, ProducerContext, ThreadedProducer,
};
use std::time::Duration;

pub struct KafkaDeadLetters {
    producer: ThreadedProducer<Context>,
    topic: String,
}

impl KafkaDeadLetters {
    /// Fails on properties that librdkafka does not take; no broker is asked yet.
    pub fn new(
        kafka: &consume::Settings,
        topic: String,
        metrics: Metrics,
    ) -> Result<KafkaDeadLetters, ClientFault> {
        let mut config = consume::connection_config(kafka);
        config
            .set("message.max.bytes", DEAD_LETTER_MAX_BYTES.to_string())
            .set("queue.buffering.max.messages", DEAD_LETTER_QUEUE_MAX.to_string())
            .set("queue.buffering.max.kbytes", (DEAD_LETTER_QUEUE_MAX_BYTES >> 10).to_string());
        let context = Context { metrics, faults: Throttle::new(1, Duration::from_secs(60)) };
        let producer = config.create_with_context(context).map_err(consume::client_fault)?;
        Ok(KafkaDeadLetters { producer, topic })
    }

    pub(super) fn send(&self, record: Record<'_>, letter_headers: impl Iterator<Item = OwnedHeader>) {
        let mut headers = OwnedHeaders::new();
        for header in letter_headers {
            headers = headers.insert(Header { key: &header.name, value: header.value.as_deref() });
        }
        let mut letter: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).headers(headers);
        letter.key = record.key;
        letter.payload = record.value;
        if let Err((error, _)) = self.producer.send(letter) {
            self.producer.context().note_failure(DeadLetterOutcome::Refused, &error);
        }
    }

    pub(super) fn flush(&self) {
        // What is not written by then is lost with the process; each one under way counts as such above.
        let _ = self.producer.flush(DEAD_LETTERS_FLUSH_MAX);
    }
}

struct Context {
    metrics: Metrics,
    faults: Throttle,
}

impl Context {
    fn note_failure(&self, outcome: DeadLetterOutcome, error: &KafkaError) {
        self.metrics.dead_letter(outcome);
        if let Some(unsaid) = self.faults.admit() {
            tracing::warn!(%error, unsaid, "a dead letter is not written");
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, outcome: &DeliveryResult<'_>, _: ()) {
        match outcome {
            Ok(_) => self.metrics.dead_letter(DeadLetterOutcome::Written),
            Err((error, _)) => self.note_failure(DeadLetterOutcome::Failed, error),
        }
    }
}

impl ClientContext for Context {
    /// The consumer of the same brokers tells of them.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka reports an error to the writer of dead letters");
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, message);
    }
}
