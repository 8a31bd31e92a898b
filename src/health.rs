//! Whether the process answers, and whether it should be given clients.
//!
//! Readiness is a set of latches, each held by a part that is still starting; a Kafka outage later does not
//! take it back, since that would take away all instances at once.

use crate::metrics::Metrics;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<State>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    caught_up: AtomicBool,
    revocations_read: AtomicBool,
    registry_waits: AtomicBool,
    /// No token can be judged: the issuer's key set has not come yet. Holds for the start only.
    keys_awaited: AtomicBool,
    /// What keeps us from reading, as the way out of it. Written by the pipeline, read by whoever asks.
    kafka_trouble: ArcSwapOption<&'static str>,
    /// Partitions that stand still, if the picture is stale by that. Written by the pipeline.
    partitions_stalled: AtomicUsize,
    stopping: AtomicBool,
}

impl Health {
    pub fn new(metrics: Metrics) -> Health {
        Health { state: Arc::default(), metrics }
    }

    /// All that was in Kafka at the start is in the journal. Holds for the life of the process.
    pub fn caught_up(&self) {
        if !self.state.caught_up.swap(true, Ordering::Relaxed) {
            self.release_latch("caught up with kafka");
        }
    }

    /// All revocations that were there at the start are in force. Holds for the life of the process.
    pub fn revocations_read(&self) {
        if !self.state.revocations_read.swap(true, Ordering::Relaxed) {
            self.release_latch("revocations in force");
        }
    }

    /// The issuer's keys are being waited for, or not any more.
    pub fn keys_awaited(&self, awaited: bool) {
        if self.state.keys_awaited.swap(awaited, Ordering::Relaxed) != awaited {
            self.release_latch("the wait for the issuer's keys is over");
        }
    }

    fn release_latch(&self, done: &'static str) {
        let is_ready = self.is_ready();
        self.metrics.ready(is_ready);
        if is_ready {
            tracing::info!("{done}, ready for clients");
        }
    }

    /// What keeps us from reading Kafka, if anything does.
    pub fn kafka_trouble(&self, way_out: Option<&'static str>) {
        if self.state.kafka_trouble.load().as_deref().copied() != way_out {
            self.state.kafka_trouble.store(way_out.map(Arc::new));
        }
    }

    /// So many partitions stand still; none: clients have a current picture.
    pub fn partitions_stalled(&self, count: usize) {
        self.state.partitions_stalled.store(count, Ordering::Relaxed);
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
        let State { caught_up, revocations_read, keys_awaited, stopping, .. } = &*self.state;
        is(caught_up) && is(revocations_read) && !is(keys_awaited) && !is(stopping)
    }

    /// One line for each thing that an operator would ask about.
    pub fn describe(&self) -> String {
        let waits = |ok: bool, good: &'static str, bad: &'static str| if ok { good } else { bad };
        let state = &self.state;
        format!(
            "{}\nkafka: {}\npicture: {}\nrevocations: {}\nregistry: {}\nkeys: {}\nshutdown: {}\n",
            waits(self.is_ready(), "ready", "not ready"),
            self.describe_kafka(),
            self.describe_picture(),
            waits(state.revocations_read.load(Ordering::Relaxed), "in force", "not read yet"),
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

    fn describe_picture(&self) -> String {
        match self.state.partitions_stalled.load(Ordering::Relaxed) {
            0 => "current".to_owned(),
            count => format!("stale, partitions that stand still: {count}"),
        }
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
        assert!(!health.is_ready() && health.describe().contains("revocations: not read yet\n"));
        health.revocations_read();
        assert!(health.is_ready() && health.describe().starts_with("ready\n"));
        health.kafka_trouble(Some("check kafka.brokers"));
        assert!(health.is_ready() && health.describe().contains("kafka: degraded, check kafka.brokers\n"));
        health.kafka_trouble(None);
        assert!(health.describe().contains("kafka: caught up\n"));
        health.partitions_stalled(2);
        assert!(
            health.is_ready()
                && health.describe().contains("picture: stale, partitions that stand still: 2\n")
        );
        health.partitions_stalled(0);
        assert!(health.describe().contains("picture: current\n"));
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
