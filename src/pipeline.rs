//! The first half of the story, on one page: record → fields → event → journal.
//!
//! One thread. It takes records from the source, decodes them by the plan of their writer's schema, finds their
//! event and audience, and appends the finished frames to the journal; then it wakes the shards. What cannot be
//! decoded is counted and passed over. What cannot be decoded yet, because the registry does not answer, waits
//! with its partition while the others flow.

use crate::consume::{Handled, OwnedRecord, Record, Source, SourceFault};
use crate::decode::{Captured, Lookup, Plan, Poison, Registry, SchemaId, WriterSchema, framing};
use crate::event::{Audience, Catalog, Event, EventId, OpenOrders};
use crate::health::Health;
use crate::journal::{Appended, Draft, Frames, Origin, Writer};
use crate::limits::{
    OPEN_ORDERS_MAX, PIPELINE_BATCH_RECORDS, PIPELINE_RETRY_WAIT, PIPELINE_WAIT, PLANS_MAX,
    REGISTRY_HOLDS_READINESS_MAX,
};
use crate::metrics::Metrics;
use crate::protocol::event_frame;
use crate::shard::Shards;
use crate::throttle::Throttle;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub struct Pipeline {
    pub catalog: Arc<Catalog>,
    pub registry: Registry,
    pub journal: Writer,
    pub shards: Shards,
    pub health: Health,
    pub metrics: Metrics,
}

/// Why a record did not become an event.
enum Passed {
    Unmapped,
    Tombstone,
    Repeated,
    Poison(Poison),
    /// The registry has not answered yet.
    NotYet,
}

impl From<Poison> for Passed {
    fn from(poison: Poison) -> Passed {
        Passed::Poison(poison)
    }
}

impl Pipeline {
    /// Runs until `stop`, or until the source gives up.
    pub fn run(self, mut source: Source, stop: &AtomicBool) -> Result<(), SourceFault> {
        let mut work = Work::new(self);
        while !stop.load(Ordering::Relaxed) {
            let mut wait = if work.waiting.is_empty() { PIPELINE_WAIT } else { PIPELINE_RETRY_WAIT };
            for _ in 0..PIPELINE_BATCH_RECORDS {
                if !source.poll(wait, &mut |record| work.take(record))? {
                    break;
                }
                wait = Duration::ZERO;
            }
            work.retry_waiting(&mut source);
            work.publish();
            work.report(&source);
        }
        Ok(())
    }
}

/// The pipeline at work: its parts, and what it remembers between records.
struct Work {
    parts: Pipeline,
    orders: OpenOrders,
    /// Compiled once per event and writer's schema; none is a pair that does not resolve.
    plans: HashMap<(EventId, SchemaId), Option<Arc<Plan>>>,
    /// The records of partitions that wait for the registry, oldest first.
    waiting: BTreeMap<(String, i32), VecDeque<OwnedRecord>>,
    waiting_since: Option<Instant>,
    topics: HashMap<String, Arc<str>>,
    poison_log: Throttle,
    json: Vec<u8>,
    captured: Vec<Captured>,
}

impl Work {
    fn new(parts: Pipeline) -> Work {
        Work {
            parts,
            orders: OpenOrders::new(OPEN_ORDERS_MAX),
            plans: HashMap::new(),
            waiting: BTreeMap::new(),
            waiting_since: None,
            topics: HashMap::new(),
            poison_log: Throttle::new(10, Duration::from_secs(1)),
            json: Vec::new(),
            captured: Vec::new(),
        }
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
            Ok(()) => {}
            Err(Passed::NotYet) => return Handled::Waits,
            Err(Passed::Unmapped) => metrics.record_unmapped(record.topic),
            Err(Passed::Tombstone) => metrics.record_tombstone(record.topic),
            Err(Passed::Repeated) => metrics.record_repeated(record.topic),
            Err(Passed::Poison(poison)) => self.note_poison(record, poison),
        }
        Handled::Done
    }

    /// One record into the journal.
    fn deliver(&mut self, record: Record<'_>) -> Result<(), Passed> {
        let catalog = Arc::clone(&self.parts.catalog);
        if !catalog.names_topic(record.topic) {
            return Err(Passed::Unmapped);
        }
        let (schema_id, body) = framing::split(record.value.ok_or(Passed::Tombstone)?)?;
        let schema = self.schema(schema_id)?;
        let event = catalog.event_of(record.topic, schema.record_name()).ok_or(Passed::Unmapped)?;
        let plan = self.plan(event, schema_id, &schema)?;
        self.json.clear();
        plan.run(body, &mut self.json, &mut self.captured)?;
        self.parts.metrics.record_decoded(record.topic);
        self.append(record, event)
    }

    fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Passed> {
        match self.parts.registry.lookup(id) {
            Lookup::Known(schema) => Ok(schema),
            Lookup::Waiting => Err(Passed::NotYet),
            Lookup::Unknown => Err(Poison::UnknownSchema.into()),
            Lookup::Bad(poison) => Err(poison.into()),
        }
    }

    fn plan(&mut self, event: &Event, id: SchemaId, schema: &WriterSchema) -> Result<Arc<Plan>, Passed> {
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
        }
        let plan = self.plans.entry((event.id, id)).or_insert_with(|| {
            Plan::compile(schema, &event.schema, &event.capture_names())
                .inspect_err(|why| {
                    tracing::warn!(event = &*event.name, schema_id = id.0, %why, "a writer's schema does not resolve");
                })
                .ok()
                .map(Arc::new)
        });
        plan.clone().ok_or(Passed::Poison(Poison::IncompatibleSchema))
    }

    /// The decoded record in `self.json` and `self.captured`, as an event.
    fn append(&mut self, record: Record<'_>, event: &Event) -> Result<(), Passed> {
        let origin =
            Origin { topic: self.topic(record.topic), partition: record.partition, offset: record.offset };
        let audience =
            Audience::of(event, &self.captured, self.parts.catalog.order_rules(), &mut self.orders);
        self.note_audience(event, &audience);
        let mut frames = Frames::default();
        for protocol in &event.clients {
            frames.set(*protocol, event_frame(*protocol, &event.name, &self.json));
        }
        let timestamp_ms = record.timestamp_ms;
        let draft = Draft { origin, timestamp_ms, event: event.id, audience: audience.keys, frames };
        match self.parts.journal.append(draft, Instant::now()) {
            Appended::Stored => self.parts.metrics.event(&event.name),
            Appended::Repeated => return Err(Passed::Repeated),
        }
        Ok(())
    }

    fn note_audience(&self, event: &Event, audience: &Audience) {
        if audience.keys.is_empty() {
            self.parts.metrics.event_without_audience(&event.name);
        }
        if audience.owner_unknown {
            self.parts.metrics.event_owner_unknown(&event.name);
        }
    }

    /// Where it is, and why; never what is in it.
    fn note_poison(&self, record: Record<'_>, poison: Poison) {
        self.parts.metrics.record_poison(poison.label());
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
        if self.parts.journal.publish(Instant::now()) {
            self.parts.shards.wake();
        }
    }

    fn report(&mut self, source: &Source) {
        let Pipeline { metrics, journal, health, .. } = &self.parts;
        metrics.journal(journal.weight_bytes(), journal.entries());
        metrics.open_orders(self.orders.len());
        metrics.partitions_waiting(self.waiting.len());
        health.registry_waits(!self.waiting.is_empty());
        health.kafka_trouble(source.trouble());
        self.waiting_since =
            (!self.waiting.is_empty()).then(|| self.waiting_since.unwrap_or_else(Instant::now));
        let caught_up = match self.waiting_since {
            None => source.is_caught_up(),
            Some(since) => since.elapsed() >= REGISTRY_HOLDS_READINESS_MAX,
        };
        if caught_up {
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
