//! Occurrences → Kafka: registers the writers' schemas at the registry, encodes by them, and produces.
//!
//! As a producer of the real system would: Avro by the writers' own schemas (`forms`), Confluent's wire format,
//! librdkafka. So what arrives at the page has been through schema resolution.

use super::forms::Form;
use super::pizzeria::Occurrence;
use crate::consume::Quiet;
use crate::decode::{SchemaId, framing};
use crate::limits::DEMO_PRODUCE_TIMEOUT;
use crate::produce::{EncodeFault, Encoder};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;

/// Where revocations are; the others hold what happens in the pizzeria.
pub(super) const CONTROL_TOPIC: &str = "dumbwaiter.control";

pub(super) const TOPICS: [&str; 4] = ["pizza.created", "order.created", "order.condition", CONTROL_TOPIC];

/// Why an occurrence does not become a record.
#[derive(Debug, thiserror::Error)]
pub enum ProducerFault {
    #[error("cannot register a schema: {0}")]
    Register(#[from] reqwest::Error),
    #[error("cannot encode a record: {0}")]
    Encode(#[from] EncodeFault),
    #[error("cannot produce a record: {0}")]
    Produce(#[from] KafkaError),
}

pub(super) struct Producer {
    kafka: FutureProducer<Quiet>,
    writers: HashMap<Form, Writer>,
}

/// A record on its way.
pub(super) struct Sent(DeliveryFuture);

impl Sent {
    /// Returns when the broker has it.
    pub async fn arrived(self) -> Result<(), ProducerFault> {
        match self.0.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, _))) => Err(error.into()),
            // The producer ends with the demo.
            Err(_) => Err(KafkaError::Canceled.into()),
        }
    }
}

/// A writer's schema, and its id in the registry.
struct Writer {
    encoder: Encoder,
    id: SchemaId,
}

impl Producer {
    /// Registers the schemas of all forms.
    pub async fn start(broker: &str, registry: SocketAddr) -> Result<Producer, ProducerFault> {
        let kafka = ClientConfig::new()
            .set("bootstrap.servers", broker)
            .set("linger.ms", "0")
            .set("message.timeout.ms", DEMO_PRODUCE_TIMEOUT.as_millis().to_string())
            // A broker that was away is found again at once.
            .set("reconnect.backoff.max.ms", "200")
            .create_with_context(Quiet)?;
        // The registry is in this process: no proxy has anything to do with it, nor has TLS.
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
        let mut writers = HashMap::new();
        for form in Form::ALL {
            let url = format!("http://{registry}/subjects/{}-value/versions", form.topic());
            let id = register(&http, &url, form.schema()).await?;
            writers.insert(form, Writer { encoder: Encoder::parse(form.schema(), &[])?, id });
        }
        Ok(Producer { kafka, writers })
    }

    /// Puts a record into the queue, which keeps the order of calls.
    pub fn enqueue(&self, occurrence: &Occurrence) -> Result<Sent, ProducerFault> {
        let writer = self.writers.get(&occurrence.form).expect("every form was registered");
        let value = framing::join(writer.id, &writer.encoder.encode(&occurrence.fields)?);
        self.put(occurrence.form.topic(), &occurrence.key, &value)
    }

    /// The same for a record of the control topic.
    pub fn enqueue_control(&self, key: &str, value: &str) -> Result<Sent, ProducerFault> {
        self.put(CONTROL_TOPIC, key, value.as_bytes())
    }

    fn put(&self, topic: &str, key: &str, value: &[u8]) -> Result<Sent, ProducerFault> {
        let record = FutureRecord::to(topic).key(key).payload(value);
        self.kafka.send_result(record).map(Sent).map_err(|(error, _)| error.into())
    }
}

async fn register(http: &reqwest::Client, url: &str, schema: &str) -> Result<SchemaId, reqwest::Error> {
    #[derive(Deserialize)]
    struct Registered {
        id: u32,
    }
    let response = http.post(url).json(&json!({"schema": schema})).send().await?.error_for_status()?;
    Ok(SchemaId(response.json::<Registered>().await?.id))
}

#[cfg(test)]
mod tests {
    use super::super::pizzeria::Pizzeria;
    use super::*;
    use crate::decode::{Plan, WriterSchema};
    use crate::event::Catalog;

    /// Each form's records become the documented payload of its topic's event.
    #[test]
    fn what_is_written_decodes_to_a_payload() {
        let catalog = Catalog::built_in();
        let mut pizzeria = Pizzeria::new(7);
        let mut seen = HashMap::new();
        for n in 0..200 {
            let occurrence = pizzeria.next(1_763_800_000_000 + n);
            let text = occurrence.form.schema();
            let body = Encoder::parse(text, &[]).unwrap().encode(&occurrence.fields).unwrap();
            let writer = WriterSchema::parse(text, &[]).unwrap();
            let event = catalog.event_of(occurrence.form.topic(), writer.record_name()).unwrap();
            let plan = Plan::compile(&writer, &event.schema, &event.captures).unwrap();
            let (mut json, mut captured) = (Vec::new(), Vec::new());
            plan.run(&body, &mut json, &mut captured).unwrap();
            let payload = String::from_utf8(json).unwrap();
            assert!(!payload.contains("till"), "{payload}");
            seen.insert(occurrence.form, payload);
        }
        assert_eq!(seen.len(), Form::ALL.len());
        let pizza: serde_json::Value = serde_json::from_str(&seen[&Form::Pizza]).unwrap();
        assert!(pizza["price"].as_f64().unwrap() > 100.0 && pizza["price"].as_f64().unwrap() < 2_000.0);
        let order: serde_json::Value = serde_json::from_str(&seen[&Form::Order]).unwrap();
        assert_eq!(order.as_object().unwrap().len(), 20);
    }
}
