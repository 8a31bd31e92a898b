//! The control topic's thread: its records → revocations in force → connections ended.
//!
//! What comes within a tenth of a second is put in force together, first for whoever wants in, then for whoever is
//! in already. A record that says nothing is counted, located and passed over; its content is about a person and
//! is not shown.

use crate::auth::{Applied, Change, RecordFault, Revocations};
use crate::consume::{ControlSource, Record};
use crate::health::Health;
use crate::limits::{REVOCATION_BATCH, REVOCATION_BATCH_RECORDS, REVOCATION_WARN_INTERVAL};
use crate::metrics::{Metrics, RevocationOutcome};
use crate::shard::Shards;
use crate::throttle::Throttle;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio_util::sync::CancellationToken;

pub struct Control {
    pub source: ControlSource,
    pub revocations: Arc<Revocations>,
    pub shards: Shards,
    pub health: Health,
    pub metrics: Metrics,
}

impl Control {
    /// Runs until `stop`.
    pub fn run(mut self, stop: &CancellationToken) {
        if self.source.is_off() {
            return self.health.revocations_read();
        }
        let complaints = Throttle::new(10, REVOCATION_WARN_INTERVAL);
        let mut changes = Vec::new();
        while !stop.is_cancelled() {
            self.gather(&mut changes, &complaints);
            self.apply(&changes);
            changes.clear();
            if self.source.is_read() {
                self.health.revocations_read();
            }
        }
    }

    fn gather(&mut self, changes: &mut Vec<Change>, complaints: &Throttle) {
        let (begin, metrics) = (Instant::now(), &self.metrics);
        while changes.len() < REVOCATION_BATCH_RECORDS {
            let left = REVOCATION_BATCH.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return;
            }
            self.source.poll(left, &mut |record| match Change::parse(
                record.key,
                record.value,
                record.timestamp_ms,
            ) {
                Ok(change) => changes.push(change),
                Err(fault) => {
                    metrics.revocation_record(RevocationOutcome::Bad);
                    complain(record, fault, complaints);
                }
            });
        }
    }

    fn apply(&self, changes: &[Change]) {
        let now = SystemTime::now();
        let batch = self.revocations.apply(changes, now, |applied| {
            self.metrics.revocation_record(match applied {
                Applied::Revoked => RevocationOutcome::Revoked,
                Applied::Lifted => RevocationOutcome::Lifted,
                Applied::Past => RevocationOutcome::Past,
            });
        });
        let (in_force, evicted) = self.revocations.tidy(now);
        self.metrics.revocations_in_force(in_force);
        for _ in 0..evicted {
            self.metrics.revocation_record(RevocationOutcome::Evicted);
        }
        if evicted > 0 {
            tracing::error!(evicted, in_force, "too many revocations: the oldest hold no longer");
        }
        // After they are in force for newcomers: whoever joins a shard before it hears of them is found by it, and
        // whoever joins later has been judged by them.
        if !batch.is_empty() {
            self.shards.revoke(&Arc::new(batch));
        }
    }
}

fn complain(record: Record<'_>, fault: RecordFault, complaints: &Throttle) {
    if let Some(unsaid) = complaints.admit() {
        let Record { topic, partition, offset, .. } = record;
        tracing::warn!(topic, partition, offset, %fault, unsaid, "control record passed over");
    }
}
