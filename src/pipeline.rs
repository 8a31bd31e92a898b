//! The first half of the story, on one page: record → fields → event → journal.
//!
//! One thread. It takes records from the source, has them mapped to events, encodes a frame per client protocol,
//! and appends these to the journal; then it wakes the shards. What cannot be decoded is counted, copied to the
//! dead letters and passed over. What cannot be decoded yet, because the registry does not answer, waits with its
//! partition while the others flow.

use crate::clock::Clock;
use crate::consume::{Handled, OwnedRecord, Record, Source, SourceFault};
use crate::dead_letter::DeadLetters;
use crate::decode::{Poison, Writers};
use crate::event::{Audience, Catalog, Event};
use crate::health::Health;
use crate::journal::{Appended, Draft, Frames, Origin, Writer};
use crate::limits::{
    PIPELINE_BATCH_RECORDS, PIPELINE_RETRY_WAIT, PIPELINE_WAIT, REGISTRY_HOLDS_READINESS_MAX,
};
use crate::mapping::{Mapped, Mapping, Passed};
use crate::metrics::Metrics;
use crate::protocol::event_frame;
use crate::shard::Shards;
use crate::throttle::Throttle;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub struct Pipeline {
    pub catalog: Arc<Catalog>,
    pub writers: Writers,
    pub dead_letters: DeadLetters,
    pub journal: Writer,
    pub shards: Shards,
    pub health: Health,
    pub metrics: Metrics,
    pub clock: Clock,
}

impl Pipeline {
    /// Runs until `stop`, or until the source gives up.
    pub fn run(self, mut source: Source, stop: &CancellationToken) -> Result<(), SourceFault> {
        let mut work = Work::new(self);
        while !stop.is_cancelled() {
            let wait = if work.waiting.is_empty() { PIPELINE_WAIT } else { PIPELINE_RETRY_WAIT };
            work.turn(&mut source, wait)?;
        }
        work.parts.dead_letters.flush();
        source.finish();
        Ok(())
    }
}

/// The pipeline at work: its parts, and what it remembers between records.
pub(crate) struct Work {
    parts: Pipeline,
    mapping: Mapping,
    /// The records of partitions that wait for the registry, oldest first.
    waiting: BTreeMap<(String, i32), VecDeque<OwnedRecord>>,
    waiting_since: Option<Instant>,
    topics: HashMap<String, Arc<str>>,
    poison_log: Throttle,
}

impl Work {
    pub(crate) fn new(parts: Pipeline) -> Work {
        Work {
            mapping: Mapping::new(Arc::clone(&parts.catalog), parts.writers.clone()),
            parts,
            waiting: BTreeMap::new(),
            waiting_since: None,
            topics: HashMap::new(),
            poison_log: Throttle::new(10, Duration::from_secs(1)),
        }
    }

    /// The records that are there now, at most a batch; the first is waited for.
    pub(crate) fn turn(&mut self, source: &mut Source, mut wait: Duration) -> Result<(), SourceFault> {
        self.note_begun(source);
        for _ in 0..PIPELINE_BATCH_RECORDS {
            if !source.poll(wait, &mut |record| self.take(record))? {
                break;
            }
            wait = Duration::ZERO;
        }
        self.retry_waiting(source);
        self.publish();
        self.report(source);
        Ok(())
    }

    fn take(&mut self, record: Record<'_>) -> Handled {
        self.parts.metrics.record_consumed(record.topic);
        if !self.waiting.is_empty()
            && let Some(queue) = self.waiting.get_mut(&(record.topic.to_owned(), record.partition))
        {
            queue.push_back(record.to_owned());
            return Handled::Waits;
        }
        let handled = self.handle(record);
        if handled == Handled::Waits {
            self.waiting
                .insert((record.topic.to_owned(), record.partition), VecDeque::from([record.to_owned()]));
        }
        handled
    }

    fn handle(&mut self, record: Record<'_>) -> Handled {
        let outcome = self.deliver(record);
        let metrics = &self.parts.metrics;
        match outcome {
            Ok(Appended::Stored) => {}
            Ok(Appended::Repeated) => metrics.record_repeated(record.topic),
            Err(Passed::NotYet) => return Handled::Waits,
            Err(Passed::Unmapped) => metrics.record_unmapped(record.topic),
            Err(Passed::Tombstone) => metrics.record_tombstone(record.topic),
            Err(Passed::Poison(poison)) => self.note_poison(record, poison),
        }
        self.parts.journal.pass_over(record.topic, record.partition, record.offset);
        Handled::Done
    }

    /// Partitions that the source has begun to read.
    fn note_begun(&mut self, source: &mut Source) {
        if let Some(begun) = source.take_begun() {
            self.parts.journal.set_cluster(&begun.cluster);
            if let Some(since_ms) = begun.since_ms {
                self.parts.journal.begin_with(since_ms);
            }
            for (topic, partition, offset) in begun.partitions {
                self.parts.journal.begin(&topic, partition, offset);
            }
        }
    }

    /// One record into the journal.
    fn deliver(&mut self, record: Record<'_>) -> Result<Appended, Passed> {
        let topic = self.topic(record.topic);
        let Mapped { event, payload, audience } = self.mapping.map(record)?;
        let Pipeline { metrics, journal, clock, .. } = &mut self.parts;
        metrics.record_decoded(record.topic);
        note_audience(metrics, event, &audience);
        let mut frames = Frames::default();
        for protocol in &event.clients {
            frames.set(*protocol, event_frame(*protocol, &event.name, payload));
        }
        let Record { partition, offset, timestamp_ms, .. } = record;
        let origin = Origin { topic, partition, offset };
        let draft = Draft { origin, timestamp_ms, event: event.id, audience: audience.keys, frames };
        let appended = journal.append(draft, clock.now());
        if appended == Appended::Stored {
            metrics.event(&event.name);
        }
        Ok(appended)
    }

    /// Where it is, and why; never what is in it. The record itself goes to the dead letters.
    fn note_poison(&self, record: Record<'_>, poison: Poison) {
        self.parts.metrics.record_poison(poison.label());
        // What the mapping has panicked over it is not asked about again.
        let is_readable = poison != Poison::Panic;
        let reference = || is_readable.then(|| self.mapping.reference(record)).flatten();
        self.parts.dead_letters.send(record, poison, reference);
        if let Some(unsaid) = self.poison_log.admit() {
            let Record { topic, partition, offset, .. } = record;
            tracing::warn!(
                topic,
                partition,
                offset,
                reason = poison.label(),
                unsaid,
                "record passed over as poison"
            );
        }
    }

    /// The registry may have answered: goes on with the partitions that waited for it, in their order.
    fn retry_waiting(&mut self, source: &mut Source) {
        for (partition, mut queue) in std::mem::take(&mut self.waiting) {
            while let Some(record) = queue.front() {
                if self.handle(record.lend()) == Handled::Waits {
                    break;
                }
                source.handled(&record.topic, record.partition, record.offset);
                queue.pop_front();
            }
            if queue.is_empty() {
                source.resume(&partition.0, partition.1);
            } else {
                self.waiting.insert(partition, queue);
            }
        }
    }

    fn publish(&mut self) {
        if self.parts.journal.publish(self.parts.clock.now()) {
            self.parts.shards.wake();
        }
    }

    fn report(&mut self, source: &Source) {
        let Pipeline { metrics, journal, health, .. } = &self.parts;
        metrics.journal(journal.weight_bytes(), journal.entries());
        metrics.open_orders(self.mapping.open_orders());
        metrics.partitions_waiting(self.waiting.len());
        health.registry_waits(!self.waiting.is_empty());
        health.kafka_trouble(source.trouble());
        let now = self.parts.clock.now();
        self.waiting_since = (!self.waiting.is_empty()).then(|| self.waiting_since.unwrap_or(now));
        let waited_enough =
            self.waiting_since.is_none_or(|since| now - since >= REGISTRY_HOLDS_READINESS_MAX);
        if source.is_caught_up() && waited_enough {
            health.caught_up();
        }
    }

    fn topic(&mut self, name: &str) -> Arc<str> {
        if let Some(topic) = self.topics.get(name) {
            return Arc::clone(topic);
        }
        let topic: Arc<str> = name.into();
        self.topics.insert(name.to_owned(), Arc::clone(&topic));
        topic
    }
}

fn note_audience(metrics: &Metrics, event: &Event, audience: &Audience) {
    if audience.keys.is_empty() {
        metrics.event_without_audience(&event.name);
    }
    if audience.owner_unknown {
        metrics.event_owner_unknown(&event.name);
    }
}
