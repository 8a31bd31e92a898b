//! Whether the process answers, and whether it should be given clients.
//!
//! Readiness is a set of latches, each held by a part that is still starting; a Kafka outage later does not
//! take it back, since that would take away all instances at once.

use crate::metrics::Metrics;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<State>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    caught_up: AtomicBool,
    registry_waits: AtomicBool,
    /// No token can be judged: the issuer's key set has not come yet. Holds for the start only.
    keys_awaited: AtomicBool,
    /// What keeps us from reading, as the way out of it. Written by the pipeline, read by whoever asks.
    kafka_trouble: ArcSwapOption<&'static str>,
    stopping: AtomicBool,
}

impl Health {
    pub fn new(metrics: Metrics) -> Health {
        Health { state: Arc::default(), metrics }
    }

    /// All that was in Kafka at the start is in the journal. Holds for the life of the process.
    pub fn caught_up(&self) {
        if !self.state.caught_up.swap(true, Ordering::Relaxed) {
            tracing::info!("caught up with kafka, ready for clients");
            self.metrics.ready(self.is_ready());
        }
    }

    /// The issuer's keys are being waited for, or not any more.
    pub fn keys_awaited(&self, awaited: bool) {
        if self.state.keys_awaited.swap(awaited, Ordering::Relaxed) != awaited {
            self.metrics.ready(self.is_ready());
        }
    }

    /// What keeps us from reading Kafka, if anything does.
    pub fn kafka_trouble(&self, way_out: Option<&'static str>) {
        if self.state.kafka_trouble.load().as_deref().copied() != way_out {
            self.state.kafka_trouble.store(way_out.map(Arc::new));
        }
    }

    /// Some partition waits for the schema registry.
    pub fn registry_waits(&self, waits: bool) {
        self.state.registry_waits.store(waits, Ordering::Relaxed);
    }

    pub fn stopping(&self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        self.metrics.ready(false);
    }

    pub fn is_ready(&self) -> bool {
        let is = |latch: &AtomicBool| latch.load(Ordering::Relaxed);
        is(&self.state.caught_up) && !is(&self.state.keys_awaited) && !is(&self.state.stopping)
    }

    /// One line for each thing that an operator would ask about.
    pub fn describe(&self) -> String {
        let waits = |ok: bool, good: &'static str, bad: &'static str| if ok { good } else { bad };
        let state = &self.state;
        format!(
            "{}\nkafka: {}\nregistry: {}\nkeys: {}\nshutdown: {}\n",
            waits(self.is_ready(), "ready", "not ready"),
            self.describe_kafka(),
            waits(
                !state.registry_waits.load(Ordering::Relaxed),
                "ok",
                "degraded, partitions wait for a schema"
            ),
            waits(
                !state.keys_awaited.load(Ordering::Relaxed),
                "ok",
                "auth.jwks_url has not given any yet, see the log"
            ),
            waits(!state.stopping.load(Ordering::Relaxed), "no", "stopping"),
        )
    }

    fn describe_kafka(&self) -> String {
        let caught_up = self.state.caught_up.load(Ordering::Relaxed);
        match (self.state.kafka_trouble.load().as_deref(), caught_up) {
            (Some(way_out), _) => format!("degraded, {way_out}"),
            (None, true) => "caught up".to_owned(),
            (None, false) => "reading what was there at the start".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_caught_up_until_stopping() {
        let health = Health::new(Metrics::new());
        assert!(!health.is_ready() && health.describe().starts_with("not ready\nkafka: reading"));
        health.caught_up();
        assert!(health.is_ready() && health.describe().starts_with("ready\n"));
        health.kafka_trouble(Some("check kafka.brokers"));
        assert!(health.is_ready() && health.describe().contains("kafka: degraded, check kafka.brokers\n"));
        health.kafka_trouble(None);
        assert!(health.describe().contains("kafka: caught up\n"));
        health.registry_waits(true);
        assert!(health.is_ready() && health.describe().contains("degraded"));
        health.keys_awaited(true);
        assert!(!health.is_ready() && health.describe().contains("keys: auth.jwks_url"));
        health.keys_awaited(false);
        assert!(health.is_ready());
        health.stopping();
        assert!(!health.is_ready());
    }
}
