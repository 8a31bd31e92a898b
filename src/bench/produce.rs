//! The events of a run → Kafka, at their rate or all at once.
//!
//! Records are Avro by the payload's own schema, registered under a subject of the load test's own: the subjects of
//! the topic are its real writers'. They leave at once (`linger.ms=0`): what a producer waits for is not the
//! service's latency. They go out when it is their time, whether or not the service keeps up.

use super::books::Audience;
use super::client::Dialect;
use super::mark::{Mark, RunId};
use super::record::{NOBODY, Record, customer_id, sample};
use crate::consume::{self, client_fault, connection_config};
use crate::decode::{RegistryAnswerFault, RegistryQuestions, framing};
use crate::limits::{BENCH_PRODUCE_STEP, CHECK_PATIENCE, KAFKA_STEP_TIMEOUT, PRODUCE_TIMEOUT};
use crate::produce::Encoder;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When events leave.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many a second.
    Rate(f64),
    AtOnce,
}

/// The events that are wanted.
pub struct Wanted {
    pub dialect: Dialect,
    pub run: RunId,
    pub audience: Audience,
    pub pace: Pace,
    /// None: that of the dialect's documented event.
    pub topic: Option<String>,
}

/// Everything is ready to produce.
pub struct Producing {
    kafka: ThreadedProducer<Ledger>,
    topic: String,
    record: Record,
    run: RunId,
    audience: Audience,
    pace: Pace,
}

/// The first record that was not acknowledged.
#[derive(Default)]
struct Ledger(OnceLock<KafkaError>);

impl ClientContext for Ledger {}

impl ProducerContext for Ledger {
    type DeliveryOpaque = ();

    fn delivery(&self, delivered: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = delivered {
            // Later ones say the same.
            let _ = self.0.set(error.clone());
        }
    }
}

/// Where a dialect's events come from: their topic by default, their schema, and a sample.
struct Kind {
    topic: &'static str,
    schema: &'static str,
    sample: &'static str,
}

fn kind(dialect: Dialect) -> Kind {
    match dialect {
        Dialect::Plain => Kind {
            topic: "pizza.created",
            schema: include_str!("../../schemas/pizza.avsc"),
            sample: include_str!("pizza.json"),
        },
        Dialect::SocketIo | Dialect::WebSocket => Kind {
            topic: "order.created",
            schema: include_str!("../../schemas/populated_order.avsc"),
            sample: include_str!("order.json"),
        },
    }
}

impl Producing {
    /// Registers the schema, encodes the sample, asks for the topic.
    pub async fn prepare(
        settings: &consume::Settings,
        questions: &RegistryQuestions,
        wanted: Wanted,
    ) -> Result<Producing, String> {
        let Wanted { dialect, run, audience, pace, topic } = wanted;
        let kind = kind(dialect);
        let topic = topic.unwrap_or_else(|| kind.topic.to_owned());
        let subject = format!("dumbwaiter-bench-{}-value", kind.topic);
        let told = |fault: RegistryAnswerFault| format!("subject {subject}: {fault}");
        let id = questions.register(&subject, kind.schema).await.map_err(told)?;
        let encoder = Encoder::parse(kind.schema, &[]).map_err(|fault| fault.to_string())?;
        let sample = sample(kind.sample, run).expect("the samples are JSON");
        let body = encoder.encode(&sample).map_err(|fault| fault.to_string())?;
        let record = Record::new(run, framing::join(id, &body)).expect("Avro has texts as they are");
        let kafka = producer(settings)?;
        find_topic(&kafka, &topic)?;
        Ok(Producing { kafka, topic, record, run, audience, pace })
    }

    /// Until all events are acknowledged.
    pub fn run(mut self) -> Result<(), String> {
        let begun = Instant::now();
        for number in 0..self.audience.events {
            if let Pace::Rate(rate) = self.pace {
                wait_until(begun + Duration::from_secs_f64(number as f64 / rate));
            }
            self.send(number)?;
        }
        self.kafka.flush(PRODUCE_TIMEOUT).map_err(|error| error.to_string())?;
        match self.kafka.context().0.get() {
            Some(error) => Err(error.to_string()),
            None => Ok(()),
        }
    }

    fn send(&mut self, number: usize) -> Result<(), String> {
        let owner = self.audience.owner_of(number).map(|client| customer_id(self.run, client));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let produced_at_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.record.write(Mark { number: number as u64, produced_at_ns }, owner.as_deref().unwrap_or(NOBODY));
        loop {
            let record = BaseRecord::to(&self.topic).key(self.record.key()).payload(self.record.value());
            match self.kafka.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    std::thread::park_timeout(BENCH_PRODUCE_STEP);
                }
                Err((error, _)) => return Err(error.to_string()),
            }
        }
    }
}

fn producer(settings: &consume::Settings) -> Result<ThreadedProducer<Ledger>, String> {
    let mut config = connection_config(settings);
    // Not idempotent: with no more than five requests under way, librdkafka spins while a sixth waits, on a core that
    // the service may need. Nothing is sent twice all the same, since nothing is retried.
    config
        .set("retries", "0")
        .set("linger.ms", "0")
        .set("message.timeout.ms", PRODUCE_TIMEOUT.as_millis().to_string());
    config.create_with_context(Ledger::default()).map_err(|error| client_fault(error).to_string())
}

/// Without it the first events would wait for the topic's whereabouts. A broker that makes topics when they are asked
/// for has it a moment later.
fn find_topic(kafka: &ThreadedProducer<Ledger>, topic: &str) -> Result<(), String> {
    let deadline = Instant::now() + CHECK_PATIENCE;
    loop {
        let reason = match kafka.client().fetch_metadata(Some(topic), KAFKA_STEP_TIMEOUT) {
            Ok(metadata) => {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                match found.map(|found| (found.error(), found.partitions().len())) {
                    Some((None, 1..)) => return Ok(()),
                    _ => format!("topic {topic:?} does not exist: create it, or name another with --topic"),
                }
            }
            Err(error) => format!("the brokers do not answer: {error}"),
        };
        if Instant::now() >= deadline {
            return Err(reason);
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Rates above a thousand or so go out in small groups: sleeping is not finer than that.
fn wait_until(due: Instant) {
    while let Some(wait) = due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
        std::thread::park_timeout(wait.max(BENCH_PRODUCE_STEP));
    }
}
