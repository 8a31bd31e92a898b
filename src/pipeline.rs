//! The first half of the story, on one page: record → fields → event → journal.
//!
//! One thread. It takes records from the source, has them mapped to events, encodes a frame per client protocol,
//! and appends these to the journal; then it wakes the shards. What cannot be decoded is counted, copied to the
//! dead letters and passed over. What cannot be handled yet waits with its partition while the others flow: for
//! the registry, which does not answer, or for the order that it is about, which is in another topic.

mod loss;
mod start;
mod waiting;

use crate::clock::{Clock, unix_ms};
use crate::consume::{Behind, Handled, OwnedRecord, Record, Source, SourceFault, Trace};
use crate::dead_letter::DeadLetters;
use crate::decode::{Poison, Writers};
use crate::event::{
    Audience, ChangeKind, CurrentCatalog, Event, OrderBook, OrderChange, OrderSettings, Owners, Shown,
};
use crate::health::Health;
use crate::journal::{Appended, Draft, Origin, Writer};
use crate::limits::{
    ORDER_SETTLES, ORDER_SETTLES_LATE, ORDER_WAIT, PIPELINE_BATCH_RECORDS, PIPELINE_PAUSE,
    PIPELINE_RETRY_WAIT, PIPELINE_WAIT, RECORD_HELD_UP_MAX, RECORD_LATE_AFTER, REGISTRY_HOLDS_READINESS_MAX,
};
use crate::mapping::{Mapped, Mapping, Passed};
use crate::metrics::{Metrics, OrderWait};
use crate::protocol::{Frames, event_frame};
use crate::shard::Shards;
use crate::staleness::{News, Staleness};
use crate::throttle::Throttle;
use crate::trace::{EVENTS, TraceParent};
use start::{LookBack, Progress};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use waiting::{Place, Queue, Reason, Waiting};

pub struct Pipeline {
    pub catalog: CurrentCatalog,
    pub writers: Writers,
    pub orders: OrderSettings,
    pub dead_letters: DeadLetters,
    pub journal: Writer,
    pub shards: Shards,
    pub health: Health,
    pub metrics: Metrics,
    pub clock: Clock,
    /// Clients may ask for the traces of events.
    pub keeps_traces: bool,
}

impl Pipeline {
    /// Runs until `stop`, or until the source gives up.
    pub fn run(self, mut source: Source, stop: &CancellationToken) -> Result<(), SourceFault> {
        let mut work = Work::new(self);
        while !stop.is_cancelled() {
            let wait = if work.waiting.is_empty() { PIPELINE_WAIT } else { PIPELINE_RETRY_WAIT };
            if work.turn(&mut source, wait)? {
                std::thread::park_timeout(PIPELINE_PAUSE);
            }
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
    orders: OrderBook,
    /// The journal does not show them as they are now.
    orders_changed: bool,
    waiting: Waiting,
    registry_waits_since: Option<Instant>,
    look_back: LookBack,
    progress: Progress,
    /// What is older was there at the start, in milliseconds since 1970; none once all of that is in the journal.
    old_before_ms: Option<i64>,
    /// From when on a record waits for its order only so long: before, all orders are still being read.
    patience_from: Option<Instant>,
    /// When a record last came that had been held up on its way; not while what was there at the start is read.
    late_at: Option<Instant>,
    topics: HashMap<String, Arc<str>>,
    poison_log: Throttle,
    dropped_log: Throttle,
    staleness: Staleness,
}

/// Why a record is not in the journal.
enum Undelivered {
    Passed(Passed),
    /// Its order is not known, and may yet be.
    OrderNotYet,
    /// It is older than the window, and told of an order at most.
    Older,
}

impl From<Passed> for Undelivered {
    fn from(passed: Passed) -> Undelivered {
        Undelivered::Passed(passed)
    }
}

impl Work {
    pub(crate) fn new(parts: Pipeline) -> Work {
        let progress = Progress::new(parts.clock.now());
        let old_before_ms = Some(unix_ms(parts.clock.wall() - RECORD_HELD_UP_MAX));
        let catalog = parts.catalog.get();
        Work {
            orders: OrderBook::new(&parts.orders, catalog.keys_of_every_order()),
            mapping: Mapping::new(catalog, parts.writers.clone()),
            orders_changed: false,
            parts,
            waiting: Waiting::default(),
            registry_waits_since: None,
            look_back: LookBack::default(),
            progress,
            old_before_ms,
            patience_from: None,
            late_at: None,
            topics: HashMap::new(),
            poison_log: Throttle::new(10, Duration::from_secs(1)),
            dropped_log: Throttle::new(1, Duration::from_secs(60)),
            staleness: Staleness::default(),
        }
    }

    /// The records that are there now, at most a batch; the first is waited for. True if events were shown, and
    /// no more are there.
    pub(crate) fn turn(&mut self, source: &mut Source, mut wait: Duration) -> Result<bool, SourceFault> {
        self.note_begun(source);
        let mut is_drained = false;
        for _ in 0..PIPELINE_BATCH_RECORDS {
            if !source.poll(wait, &mut |record| self.take(record))? {
                is_drained = true;
                break;
            }
            wait = Duration::ZERO;
        }
        self.note_news(source);
        self.retry_waiting(source);
        let has_shown = self.publish();
        self.report(source);
        self.watch(source);
        Ok(is_drained && has_shown)
    }

    fn take(&mut self, record: Record<'_>) -> Handled {
        self.parts.metrics.record_consumed(record.topic);
        let now = self.parts.clock.now();
        self.note_late(record, now);
        if let Some(handled) = self.waiting.follow(record, now) {
            return handled;
        }
        match self.handle(record, self.waits_for_orders()) {
            Ok(()) => Handled::Done,
            Err(reason) => self.waiting.begin(record, reason, now),
        }
    }

    fn note_late(&mut self, record: Record<'_>, now: Instant) {
        let in_time_ms = || unix_ms(self.parts.clock.wall() - RECORD_LATE_AFTER);
        if self.old_before_ms.is_none() && record.timestamp_ms.is_some_and(|at_ms| at_ms < in_time_ms()) {
            self.late_at = Some(now);
        }
    }

    /// Whether a condition waits for its order at all: by the settings, or because orders are still being read.
    fn waits_for_orders(&self) -> bool {
        !self.parts.orders.wait.is_zero() || self.patience_from.is_none()
    }

    /// Done with the record, or what it waits for. `order_may_come`: it is worth waiting for.
    fn handle(&mut self, record: Record<'_>, order_may_come: bool) -> Result<(), Reason> {
        let outcome = self.deliver(record, order_may_come);
        let metrics = &self.parts.metrics;
        match outcome {
            Ok(Appended::Stored) | Err(Undelivered::Older) => {}
            Ok(Appended::Repeated) => metrics.record_repeated(record.topic),
            Err(Undelivered::OrderNotYet) => return Err(Reason::Order),
            Err(Undelivered::Passed(Passed::NotYet)) => return Err(Reason::Registry),
            Err(Undelivered::Passed(Passed::Unmapped)) => metrics.record_unmapped(record.topic),
            Err(Undelivered::Passed(Passed::Tombstone)) => metrics.record_tombstone(record.topic),
            Err(Undelivered::Passed(Passed::Poison(poison))) => self.note_poison(record, poison),
        }
        self.look_back.passed(record);
        self.parts.journal.pass_over(record.topic, record.partition, record.offset);
        Ok(())
    }

    /// Partitions that the source has begun to read. A reader's cursor counts from the window's beginning: what is
    /// read before it was never in the journal.
    fn note_begun(&mut self, source: &mut Source) {
        if let Some(begun) = source.take_begun() {
            self.parts.journal.set_cluster(&begun.cluster);
            if let Some(since_ms) = begun.since_ms {
                self.parts.journal.begin_with(since_ms);
            }
            for partition in begun.partitions {
                self.parts.journal.begin(&partition.topic, partition.partition, partition.window);
                self.look_back.begin(&partition);
            }
        }
    }

    /// One record into the journal.
    fn deliver(&mut self, record: Record<'_>, order_may_come: bool) -> Result<Appended, Undelivered> {
        let topic = self.topic(record.topic);
        let older = self.look_back.has_seen(record);
        if older == Some(true) {
            return Err(Undelivered::Older);
        }
        self.mapping.follow(&self.parts.catalog);
        let Mapped { event, payload, audience, order } = self.mapping.map(record, self.orders.orders())?;
        let Pipeline { metrics, journal, clock, keeps_traces, .. } = &mut self.parts;
        if order_may_come && is_unknown(order.as_ref(), &self.orders) {
            // While orders are being read, also what names its owner waits: it may be what closes its order.
            if audience.owner_unknown || self.patience_from.is_none() {
                return Err(Undelivered::OrderNotYet);
            }
        }
        metrics.record_decoded(record.topic);
        let trace = trace(metrics, record);
        let mut frames = Frames::default();
        for protocol in &event.clients {
            frames.set(*protocol, event_frame(*protocol, &event.name, payload));
        }
        let Record { partition, offset, timestamp_ms, .. } = record;
        let shown = order.as_ref().map(|_| Shown { audience: audience.keys.clone(), frames: frames.clone() });
        let appended = if older.is_some() {
            Err(Undelivered::Older)
        } else {
            note_audience(metrics, event, &audience);
            let origin = Origin { topic, partition, offset };
            let (id, kept) = (event.id, trace.clone().filter(|_| *keeps_traces));
            let draft =
                Draft { origin, timestamp_ms, event: id, audience: audience.keys, frames, trace: kept };
            let appended = journal.append(draft, clock.now(), unix_ms(clock.wall()));
            if appended == Appended::Stored {
                metrics.event(&event.name);
                note_event(record, &event.name, trace.as_ref());
            }
            Ok(appended)
        };
        // A record that comes again has done to its order what it does.
        if let (Some(order), Some(shown), false) = (order, shown, matches!(appended, Ok(Appended::Repeated)))
        {
            self.orders.apply(&order, shown, timestamp_ms.unwrap_or_else(|| unix_ms(clock.wall())));
            self.orders_changed = true;
        }
        appended
    }

    /// Where it is, and why; never what is in it. The record itself goes to the dead letters.
    fn note_poison(&self, record: Record<'_>, poison: Poison) {
        self.parts.metrics.record_poison(poison.label());
        if self.look_back.has_seen(record).is_some() {
            // It was told when it was new.
            return;
        }
        // What the mapping has panicked over it is not asked about again.
        let is_readable = poison != Poison::Panic;
        let reference = || is_readable.then(|| self.mapping.reference(record)).flatten();
        self.parts.dead_letters.send(record, poison, reference);
        if let Some(unsaid) = self.poison_log.admit() {
            let Record { topic, partition, offset, .. } = record;
            let trace = record.trace().parent();
            tracing::warn!(
                topic,
                partition,
                offset,
                trace_id = trace.as_ref().map(TraceParent::trace_id),
                parent_id = trace.as_ref().map(TraceParent::parent_id),
                reason = poison.label(),
                unsaid,
                "record passed over as poison"
            );
        }
    }

    /// What records waited for may have come: goes on with their partitions, in order.
    fn retry_waiting(&mut self, source: &mut Source) {
        let order_waits = self.waiting.places(Reason::Order);
        for (place, mut queue) in self.waiting.take() {
            self.retry(&mut queue, source, &order_waits);
            if queue.first().is_none() {
                source.resume(&place.0, place.1);
            } else {
                self.waiting.put_back(place, queue);
            }
        }
    }

    /// Partitions that wait for orders themselves are not waited for: where orders and conditions share a topic, an
    /// order stands before its conditions in the same partition.
    fn retry(&mut self, queue: &mut Queue, source: &mut Source, order_waits: &[Place]) {
        while let Some((record, since)) = queue.first() {
            let waited = queue.first_waits_for(Reason::Order);
            let excused = |topic: &str, partition: i32| {
                order_waits.iter().any(|(name, number)| *number == partition && name == topic)
            };
            let (now, settles) = (self.parts.clock.now(), self.settles(record, since));
            let outcome = match self.handle(record.lend(), self.waits_for_orders()) {
                Ok(()) => waited.then_some(OrderWait::Found),
                // So far it waited for the registry: its time begins now, and that of those behind it.
                Err(Reason::Order) if !queue.waits_for(Reason::Order) => {
                    return queue.wait_for(Reason::Order, now);
                }
                Err(Reason::Order) if now >= settles && source.has_settled(settles, excused) => {
                    Some(OrderWait::Unknown)
                }
                Err(Reason::Order) if self.is_out_of_patience(since) => Some(OrderWait::GivenUp),
                Err(reason) => return queue.wait_for(reason, now),
            };
            if matches!(outcome, Some(OrderWait::Unknown | OrderWait::GivenUp))
                && let Err(reason) = self.handle(record.lend(), false)
            {
                return queue.wait_for(reason, now);
            }
            if let Some(outcome) = outcome {
                self.parts.metrics.order_waited(outcome);
            }
            source.handled(&record.topic, record.partition, record.offset);
            queue.pop();
        }
    }

    /// From when on an order that is not in Kafka is not expected, for a record that has waited since then. One that
    /// was there at the start stood behind its order, or has none; the timestamps tell which, since new ones come while
    /// a partition that had to wait is still read.
    fn settles(&self, record: &OwnedRecord, since: Instant) -> Instant {
        let was_there = |old_before_ms| record.timestamp_ms.is_some_and(|at_ms| at_ms < old_before_ms);
        if self.patience_from.is_none_or(|from| since < from) || self.old_before_ms.is_some_and(was_there) {
            return since;
        }
        let in_trouble = self.late_at.is_some_and(|at| at + ORDER_SETTLES_LATE >= since);
        since + if in_trouble { ORDER_SETTLES_LATE } else { ORDER_SETTLES }
    }

    fn is_out_of_patience(&self, since: Instant) -> bool {
        let Some(from) = self.patience_from else { return false };
        // What came while orders were still being read waits even where that is off: for the end of it.
        let wait = if since < from { ORDER_WAIT } else { self.parts.orders.wait };
        self.parts.clock.now() >= since.max(from) + wait
    }

    /// True if there was anything to show.
    fn publish(&mut self) -> bool {
        let clock = &self.parts.clock;
        self.orders_changed |= self.orders.expire(unix_ms(clock.wall()));
        if std::mem::take(&mut self.orders_changed) {
            self.parts.journal.set_orders(self.orders.orders().clone());
        }
        let has_shown = self.parts.journal.publish(self.parts.clock.now());
        if has_shown {
            self.parts.shards.wake();
        }
        has_shown
    }

    fn report(&mut self, source: &Source) {
        self.report_orders();
        let Pipeline { metrics, journal, health, .. } = &self.parts;
        metrics.journal(journal.weight_bytes(), journal.entries());
        let [registry, orders] = [Reason::Registry, Reason::Order].map(|reason| self.waiting.count(reason));
        metrics.partitions_waiting(registry, orders);
        health.registry_waits(registry > 0);
        health.kafka_trouble(source.trouble());
        let now = self.parts.clock.now();
        self.registry_waits_since = (registry > 0).then(|| self.registry_waits_since.unwrap_or(now));
        let registry_is_down = self
            .registry_waits_since
            .is_some_and(|since| now.duration_since(since) >= REGISTRY_HOLDS_READINESS_MAX);
        let has_read_all = source.is_caught_up();
        if has_read_all && (registry == 0 || registry_is_down) {
            self.patience_from.get_or_insert(now);
        }
        // What has come since the start may always have something that waits.
        let none_waits = self.waiting.is_empty() || source.has_handled_start();
        if has_read_all && (none_waits || registry_is_down) {
            if !health.is_ready() {
                // What stood still while it was read back, and moves now, is no news to the first clients.
                self.look_for_stalls(source);
            }
            self.parts.health.caught_up();
            self.old_before_ms = None;
        }
        let Pipeline { metrics, health, .. } = &self.parts;
        self.progress.report(|| source.backlog(), health.is_ready(), metrics, now);
    }

    fn report_orders(&mut self) {
        let (metrics, orders) = (&self.parts.metrics, self.orders.orders());
        metrics.open_orders(orders.len(), orders.weight_bytes());
        let dropped = self.orders.take_dropped();
        if dropped > 0 {
            metrics.open_orders_dropped(dropped);
            if let Some(unsaid) = self.dropped_log.admit() {
                tracing::warn!(
                    dropped,
                    unsaid,
                    "too many open orders: those opened first are not shown any more"
                );
            }
        }
    }

    /// Clients that asked for cursors are told when what they see is no longer what there is.
    fn watch(&mut self, source: &Source) {
        if self.staleness.is_due(self.parts.clock.now()) {
            self.look_for_stalls(source);
        }
    }

    fn look_for_stalls(&mut self, source: &Source) {
        let now = self.parts.clock.now();
        let waiting = self.waiting.fronts().map(|(topic, partition, position)| Behind {
            topic: topic.to_owned(),
            partition,
            position,
        });
        let behind = source.behind().into_iter().chain(waiting);
        let news = self.staleness.look(behind, now, self.parts.clock.wall());
        let Pipeline { metrics, health, shards, .. } = &self.parts;
        metrics.stale(self.staleness.stalled(now), self.staleness.stale_for(now));
        health.partitions_stalled(self.staleness.stalled(now));
        match news {
            None => {}
            Some(News::Stale { since, topic, partition }) => {
                let partitions = self.staleness.stalled(now);
                tracing::warn!(
                    topic,
                    partition,
                    partitions,
                    "partitions stand still: clients see a stale picture"
                );
                shards.stale(Some(since));
            }
            Some(News::Current { stale_for }) => {
                tracing::info!(seconds = stale_for.as_secs(), "no partition stands still any more");
                shards.stale(None);
            }
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

/// The record's trace. One that is invalid is none, and is counted.
fn trace(metrics: &Metrics, record: Record<'_>) -> Option<TraceParent> {
    let trace = record.trace();
    if trace != Trace::None {
        metrics.traceparent(trace != Trace::Invalid);
    }
    trace.parent()
}

/// Written where `log.events` is on. Where it came from and its trace; never what is in it.
fn note_event(record: Record<'_>, event: &str, trace: Option<&TraceParent>) {
    let Record { topic, partition, offset, .. } = record;
    let (trace_id, parent_id) = (trace.map(TraceParent::trace_id), trace.map(TraceParent::parent_id));
    tracing::info!(target: EVENTS, topic, partition, offset, event, trace_id, parent_id, "event");
}

fn note_audience(metrics: &Metrics, event: &Event, audience: &Audience) {
    if audience.keys.is_empty() {
        metrics.event_without_audience(&event.name);
    }
    if audience.owner_unknown {
        metrics.event_owner_unknown(&event.name);
    }
}

/// Whether it changes an order that was never opened, as far as is known.
fn is_unknown(order: Option<&OrderChange>, orders: &OrderBook) -> bool {
    order.is_some_and(|order| {
        matches!(order.kind, ChangeKind::Changes { .. }) && orders.orders().owner(&order.id).is_none()
    })
}

#[cfg(test)]
mod tests;
