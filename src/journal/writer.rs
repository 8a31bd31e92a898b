//! The writing side of the journal, owned by the pipeline.
//!
//! `append` puts an event behind the others, `publish` shows all appended ones to the readers at once. An
//! offset that is not above its partition's newest is refused: after a rebalance or a restart of the consumer
//! the same record may come again, and nobody shall see it twice.

use super::segment::Segment;
use super::{Draft, Entry, Settings, Shared};
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

#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    settings: Settings,
    next: u64,
    /// The window, oldest first; the last one is open.
    segments: VecDeque<Held>,
    /// Evicted, but still read by somebody: counts against the bound.
    retired: Vec<(Weak<Segment>, usize)>,
    window_bytes: usize,
    newest_offsets: HashMap<Arc<str>, HashMap<i32, i64>>,
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
            newest_offsets: HashMap::new(),
        }
    }

    /// Appends an event; readers see it after `publish`.
    pub fn append(&mut self, draft: Draft, now: Instant) -> Appended {
        let origin = &draft.origin;
        if self.newest_offset(&origin.topic, origin.partition).is_some_and(|newest| origin.offset <= newest) {
            return Appended::Repeated;
        }
        self.newest_offsets
            .entry(Arc::clone(&origin.topic))
            .or_default()
            .insert(origin.partition, origin.offset);
        let entry = Entry::new(self.next, draft);
        self.next += 1;
        let weight_bytes = entry.weight_bytes();
        self.window_bytes += weight_bytes;
        let open = self.open_segment(now);
        open.weight_bytes += weight_bytes;
        open.newest = now;
        open.entries += 1;
        open.segment.append(entry);
        Appended::Stored
    }

    /// Shows the appended events to the readers; true if there were any.
    pub fn publish(&mut self, now: Instant) -> bool {
        self.evict(now);
        self.shared.head.swap(self.next, Ordering::AcqRel) != self.next
    }

    pub fn newest_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        self.newest_offsets.get(topic)?.get(&partition).copied()
    }

    /// Memory held by the window and by evicted segments that are still read.
    pub fn weight_bytes(&self) -> usize {
        self.window_bytes + self.retired.iter().map(|(_, weight_bytes)| weight_bytes).sum::<usize>()
    }

    pub fn entries(&self) -> usize {
        self.segments.iter().map(|held| held.entries).sum()
    }

    fn open_segment(&mut self, now: Instant) -> &mut Held {
        let full = self.segments.back().is_none_or(|open| {
            open.segment.end() == self.next - 1 || now.duration_since(open.opened) > self.segment_age_max()
        });
        if full {
            if let Some(open) = self.segments.back() {
                open.segment.seal(self.next - 1);
            }
            let segment = Arc::new(Segment::new(self.next - 1));
            self.segments.push_back(Held { segment, weight_bytes: 0, opened: now, newest: now, entries: 0 });
            self.share();
        }
        self.segments.back_mut().expect("there is an open segment now")
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
