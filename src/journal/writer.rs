//! The writing side of the journal, owned by the pipeline.
//!
//! `append` puts an event behind the others, `publish` shows all appended ones to the readers at once. An
//! offset that is not above its partition's newest is refused: after a rebalance or a restart of the consumer
//! the same record may come again, and nobody shall see it twice.
//!
//! What Kafka has lost before it was read is an entry, too, for whoever asked for cursors: so each such reader is
//! told at its place among the events, and its cursors stand before or behind it.

use super::positions::{Incarnation, Partitions, Positions, incarnation, name_hash};
use super::segment::Segment;
use super::{CursorCodec, Draft, Entry, Head, Origin, PartitionId, Reached, Settings, Shared};
use crate::event::{EventId, Key, OpenOrders};
use crate::protocol::{Frames, Gap, Protocol, Status, status_frame};
#[cfg(test)]
use crate::simulation::Broken;
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    Stored,
    /// Its offset is not above the partition's newest.
    Repeated,
}

pub struct Writer {
    shared: Arc<Shared>,
    settings: Settings,
    next: u64,
    /// The window, oldest first; the last one is open.
    segments: VecDeque<Held>,
    /// Evicted, but still read by somebody: counts against the bound.
    retired: Vec<(Weak<Segment>, usize)>,
    window_bytes: usize,
    partition_ids: HashMap<String, HashMap<i32, PartitionId>>,
    incarnations: HashMap<String, Incarnation>,
    reached: Reached,
    lost: Arc<Positions>,
    orders: OpenOrders,
    /// `reached` or `orders` has changed since it was shown.
    moved: bool,
}

#[derive(Debug)]
struct Held {
    segment: Arc<Segment>,
    weight_bytes: usize,
    opened: Instant,
    newest: Instant,
    entries: usize,
}

impl Writer {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>) -> Writer {
        Writer {
            shared,
            settings,
            next: 0,
            segments: VecDeque::new(),
            retired: Vec::new(),
            window_bytes: 0,
            partition_ids: HashMap::new(),
            incarnations: HashMap::new(),
            reached: Reached::default(),
            lost: Arc::default(),
            orders: OpenOrders::default(),
            moved: false,
        }
    }

    /// Appends an event; readers see it after `publish`. `now_ms` is the time of day, in milliseconds since 1970.
    pub fn append(&mut self, draft: Draft, now: Instant, now_ms: i64) -> Appended {
        let offset = draft.origin.offset;
        let partition = self.partition_id(&draft.origin.topic, draft.origin.partition);
        let repeated = offset <= self.reached.handled.get(partition);
        #[cfg(test)]
        let repeated = repeated && !Broken::TakesRepeated.is_on();
        if repeated {
            return Appended::Repeated;
        }
        // A producer whose clock is ahead must not make the window look empty for all times until then.
        let timestamp_ms = draft.timestamp_ms.unwrap_or(i64::MIN).min(now_ms);
        self.put(partition, draft, None, now);
        self.reached.newest_ms = self.reached.newest_ms.max(timestamp_ms);
        Appended::Stored
    }

    fn put(&mut self, partition: PartitionId, draft: Draft, gap: Option<Gap>, now: Instant) {
        let offset = draft.origin.offset;
        self.next += 1;
        self.open_segment(now);
        let entry = Entry::new(self.next - 1, partition, draft, gap);
        let weight_bytes = entry.weight_bytes();
        self.window_bytes += weight_bytes;
        let open = self.segments.back_mut().expect("a segment is open");
        open.weight_bytes += weight_bytes;
        open.newest = now;
        open.entries += 1;
        open.segment.append(entry);
        Arc::make_mut(&mut self.reached.events).advance(partition, offset);
        self.advance(partition, offset);
    }

    /// A topic's id in Kafka is known. Partitions that are met later are of that one, too.
    pub fn name_topic(&mut self, topic: &str, id: Option<&str>) {
        let incarnation = incarnation(id);
        self.incarnations.insert(topic.to_owned(), incarnation);
        self.change_partitions(|partitions| partitions.set_incarnation(name_hash(topic), incarnation));
    }

    /// A topic was deleted and made anew, with that id. `partitions` are all that it had, each with the first offset
    /// that it has now, if it still exists: what comes from there on is of a partition that nobody has read before.
    pub fn recreate(
        &mut self,
        topic: &str,
        id: Option<&str>,
        partitions: &[(i32, Option<i64>)],
        now: Instant,
        now_ms: i64,
    ) {
        for (place, (partition, _)) in partitions.iter().enumerate() {
            let old = self.partition_id(topic, *partition);
            self.change_partitions(|partitions| partitions.end(old, now_ms));
            // One telling will do, when all of them have ended.
            let told = (place + 1 == partitions.len()).then_some(Gap::Recreated);
            #[cfg(test)]
            let told = told.filter(|_| !Broken::HidesRecreated.is_on());
            let end = Origin { topic: topic.into(), partition: *partition, offset: Positions::ENDED };
            self.lose(end, old, told, now);
            #[cfg(test)]
            if Broken::RefusesRecreated.is_on() {
                continue;
            }
            if let Some(ids) = self.partition_ids.get_mut(topic) {
                ids.remove(partition);
            }
        }
        self.incarnations.insert(topic.to_owned(), incarnation(id));
        for (partition, first) in partitions {
            if let Some(first) = first {
                self.begin(topic, *partition, *first);
            }
        }
    }

    /// Kafka has dropped what lies before `first` and was not read yet.
    pub fn skip(&mut self, topic: &str, partition: i32, first: i64, now: Instant) {
        let id = self.partition_id(topic, partition);
        let newest = Origin { topic: topic.into(), partition, offset: first - 1 };
        self.lose(newest, id, Some(Gap::TooOld), now);
    }

    /// What is at or before that place and was not read is lost.
    fn lose(&mut self, place: Origin, id: PartitionId, told: Option<Gap>, now: Instant) {
        let mut frames = Frames::default();
        for protocol in Protocol::ALL.into_iter().filter(|_| told.is_some()) {
            let status = Status { resumed: false, gap: told, stale_since: None, since: None };
            frames.set(protocol, status_frame(protocol, status, None));
        }
        let audience = told.map(|_| Key::of_cursors()).into_iter().collect();
        Arc::make_mut(&mut self.lost).advance(id, place.offset);
        let draft =
            Draft { origin: place, timestamp_ms: None, event: EventId::NONE, audience, frames, trace: None };
        self.put(id, draft, told, now);
    }

    /// Which cluster the offsets are of; before it is known, there are no cursors.
    pub fn set_cluster(&mut self, id: &str) {
        let keys: Vec<_> = self.settings.cursor_keys.iter().map(cursor_key).collect();
        // Once for the life of the process: a consumer does not change its cluster.
        let _ = self.shared.codec.set(CursorCodec::new(id, &keys));
    }

    /// Reading begins with the records of that time, in milliseconds since 1970: older ones were never here.
    pub fn begin_with(&mut self, time_ms: i64) {
        self.reached.newest_ms = self.reached.newest_ms.max(time_ms.saturating_sub(1));
        self.moved = true;
    }

    /// Reading of a partition begins at `offset`: what is before it was never here.
    pub fn begin(&mut self, topic: &str, partition: i32, offset: i64) {
        let partition = self.partition_id(topic, partition);
        Arc::make_mut(&mut self.reached.events).advance(partition, offset - 1);
        self.advance(partition, offset - 1);
    }

    /// A record was handled that is no event.
    pub fn pass_over(&mut self, topic: &str, partition: i32, offset: i64) {
        let partition = self.partition_id(topic, partition);
        self.advance(partition, offset);
    }

    /// The open orders as of the newest event; readers see them after `publish`, together with that.
    pub fn set_orders(&mut self, orders: OpenOrders) {
        self.orders = orders;
        self.moved = true;
    }

    /// Shows the appended events to the readers; true if there were any.
    pub fn publish(&mut self, now: Instant) -> bool {
        self.evict(now);
        if std::mem::take(&mut self.moved) {
            let (reached, orders) = (self.reached.clone(), self.orders.clone());
            let lost = Arc::clone(&self.lost);
            let head = Head { sequence: self.next, reached, lost, orders };
            self.shared.head.store(Arc::new(head));
        }
        self.shared.head_sequence.swap(self.next, Ordering::AcqRel) != self.next
    }

    fn advance(&mut self, partition: PartitionId, offset: i64) {
        Arc::make_mut(&mut self.reached.handled).advance(partition, offset);
        self.moved = true;
    }

    fn partition_id(&mut self, topic: &str, partition: i32) -> PartitionId {
        if let Some(id) = self.partition_ids.get(topic).and_then(|ids| ids.get(&partition)) {
            return *id;
        }
        let incarnation = self.incarnations.get(topic).copied().unwrap_or_default();
        let id = self.change_partitions(|met| met.push_of(name_hash(topic), partition, incarnation));
        self.partition_ids.entry(topic.to_owned()).or_default().insert(partition, id);
        id
    }

    fn change_partitions<T>(&mut self, change: impl FnOnce(&mut Partitions) -> T) -> T {
        let mut partitions = (*self.shared.partitions.load_full()).clone();
        let outcome = change(&mut partitions);
        self.shared.partitions.store(Arc::new(partitions));
        outcome
    }

    /// Memory held by the window and by evicted segments that are still read.
    pub fn weight_bytes(&self) -> usize {
        self.window_bytes + self.retired.iter().map(|(_, weight_bytes)| weight_bytes).sum::<usize>()
    }

    pub fn entries(&self) -> usize {
        self.segments.iter().map(|held| held.entries).sum()
    }

    /// Makes sure that the entry before `next` has a segment to go into.
    fn open_segment(&mut self, now: Instant) {
        let full = self.segments.back().is_none_or(|open| {
            open.segment.end() == self.next - 1 || now.duration_since(open.opened) > self.segment_age_max()
        });
        if full {
            if let Some(open) = self.segments.back() {
                open.segment.seal(self.next - 1);
            }
            let segment = Arc::new(Segment::new(self.next - 1, self.reached.clone()));
            self.segments.push_back(Held { segment, weight_bytes: 0, opened: now, newest: now, entries: 0 });
            self.share();
        }
    }

    /// A segment leaves the window whole, so a quiet one is sealed early enough to leave it about on time.
    fn segment_age_max(&self) -> Duration {
        self.settings.max_age / 16
    }

    /// Drops the oldest sealed segments while the window is too old or too heavy. What readers still hold
    /// counts, so a reader that never lets go cannot make the window grow.
    fn evict(&mut self, now: Instant) {
        self.retired.retain(|(segment, _)| segment.strong_count() > 0);
        let still_read = self.weight_bytes() - self.window_bytes;
        let mut evicted = false;
        while self.segments.len() > 1 && (self.too_old(now) || self.is_over(still_read)) {
            let oldest = self.segments.pop_front().expect("there are at least two");
            self.window_bytes -= oldest.weight_bytes;
            self.retired.push((Arc::downgrade(&oldest.segment), oldest.weight_bytes));
            evicted = true;
        }
        if evicted {
            self.share();
        }
    }

    fn is_over(&self, still_read_bytes: usize) -> bool {
        self.window_bytes + still_read_bytes > self.settings.max_bytes
    }

    fn too_old(&self, now: Instant) -> bool {
        self.segments.front().is_some_and(|oldest| now.duration_since(oldest.newest) > self.settings.max_age)
    }

    fn share(&self) {
        let segments = self.segments.iter().map(|held| Arc::clone(&held.segment)).collect();
        self.shared.segments.store(Arc::new(segments));
    }
}

/// A key of the right size from a secret of any length above it.
fn cursor_key(secret: &SecretString) -> [u8; 32] {
    let hash = digest(&SHA256, secret.expose_secret().as_bytes());
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}
