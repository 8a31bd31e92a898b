//! The journal: the newest window of events as finished frames. One writer (the pipeline), many readers.
//!
//! ```text
//! segments   [sealed 0..1024) [sealed 1024..2048) … [open ..head)
//! sealed     immutable, with an index key -> entries; found by readers through one atomic pointer
//! open       entries are appended; readers see those below `head`, which moves only on `publish`
//! ```
//!
//! A reader is a sequence number and a set of keys: a live shard, a lagging connection, and later a resumed
//! one. No lock and no queue stand between the writer and its readers.

mod cursor;
mod entry;
mod positions;
mod segment;
mod settings;
mod writer;

pub use cursor::{CursorCodec, Guard};
pub use entry::{Draft, Entry, Origin};
pub use positions::{PartitionId, Partitions, Positions};
pub use settings::Settings;
pub use writer::{Appended, Writer};

pub use crate::protocol::Frames;

use crate::event::{Key, OpenOrders};
use crate::protocol::{Gap, Protocol};
use arc_swap::ArcSwap;
use segment::Segment;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The readers' side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

/// Written by the writer alone: `segments` before `head`, `head` before `head_sequence`.
#[derive(Debug, Default)]
struct Shared {
    segments: ArcSwap<Vec<Arc<Segment>>>,
    head: ArcSwap<Head>,
    /// The sequence of `head`, for the many looks that find nothing new.
    head_sequence: AtomicU64,
    partitions: ArcSwap<Partitions>,
    codec: OnceLock<CursorCodec>,
    /// What is older leaves the window.
    max_age: Duration,
}

/// Where the journal is.
#[derive(Debug, Clone, Default)]
struct Head {
    /// The sequence of the next event.
    sequence: u64,
    reached: Reached,
    /// In each partition the newest offset that Kafka had lost before it was read here: whoever comes back from
    /// before it has a gap.
    lost: Arc<Positions>,
    orders: OpenOrders,
}

/// How far an instance is in Kafka, at some point of the journal.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    /// Records handled, events or not: where a reader that got everything is.
    pub handled: Arc<Positions>,
    /// Events, or before the first one the place where reading began: a reader at or behind it has missed none
    /// of the events before that point.
    pub events: Arc<Positions>,
    /// The newest Kafka timestamp of the events before that point, or where reading began: nothing that is newer
    /// stands before it. Milliseconds since 1970.
    pub newest_ms: i64,
}

/// Reading began at the beginning of all that Kafka has.
impl Default for Reached {
    fn default() -> Reached {
        Reached { handled: Arc::default(), events: Arc::default(), newest_ms: i64::MIN }
    }
}

/// Empty journal: the writer and the readers' side.
pub fn open(settings: &Settings) -> (Writer, Journal) {
    let shared = Arc::new(Shared { max_age: settings.max_age, ..Shared::default() });
    (Writer::new(settings.clone(), Arc::clone(&shared)), Journal { shared })
}

impl Journal {
    /// The sequence of the next event to be published.
    pub fn head(&self) -> u64 {
        self.shared.head_sequence.load(Ordering::Acquire)
    }

    /// Makes and reads cursors. There are none before the cluster is known, and no clients either.
    pub fn codec(&self) -> &CursorCodec {
        self.shared.codec.get().expect("set before the instance is ready for clients")
    }

    /// The partitions met so far. Load it after a view: then it has all that the view's positions name.
    pub fn partitions(&self) -> Arc<Partitions> {
        self.shared.partitions.load_full()
    }

    /// The age at which events leave the window.
    pub fn max_age(&self) -> Duration {
        self.shared.max_age
    }

    /// What the journal holds now. Holding a view keeps its segments in memory, so it lives for one turn.
    pub fn view(&self) -> View {
        let head = self.shared.head.load_full();
        View { segments: self.shared.segments.load_full(), head }
    }
}

/// A consistent picture of the journal.
#[derive(Debug)]
pub struct View {
    segments: Arc<Vec<Arc<Segment>>>,
    head: Arc<Head>,
}

impl View {
    pub fn head(&self) -> u64 {
        self.head.sequence
    }

    /// The open orders as of the head: every event before it counts, and none behind.
    pub fn orders(&self) -> &OpenOrders {
        &self.head.orders
    }

    /// The positions of a reader that has read everything before `sequence`.
    pub fn positions_at(&self, sequence: u64) -> Positions {
        if sequence >= self.head() {
            return (*self.head.reached.handled).clone();
        }
        let Some(segment) = self.place(sequence).map(|place| &self.segments[place]) else {
            return Positions::default();
        };
        let mut positions = (*segment.reached().handled).clone();
        for entry in (segment.base()..sequence).filter_map(|earlier| segment.entry(earlier)) {
            positions.advance(entry.partition, entry.origin.offset);
        }
        positions
    }

    /// Where a reader that has read up to `positions` goes on: before it stands nothing that it has not got,
    /// behind it may stand some that it has. None if events that it has not got have left the window.
    pub fn resume(&self, positions: &Positions) -> Option<u64> {
        if positions.has_passed(&self.head.reached.events) {
            return Some(self.head());
        }
        let covered = |segment: &&Arc<Segment>| positions.has_passed(&segment.reached().events);
        self.segments.iter().rev().find(covered).map(|segment| segment.base())
    }

    /// What is missing for a reader that comes back at these positions and goes on here.
    pub fn gap_behind(&self, positions: &Positions) -> Option<Gap> {
        let lost = positions.behind(&self.head.lost).map(|id| self.head.lost.get(id));
        lost.max().map(|offset| if offset == Positions::ENDED { Gap::Recreated } else { Gap::TooOld })
    }

    /// How far a reader of Kafka itself has to read for `resume` to find its place: to the end of the window's
    /// first quarter, so that the window does not move on while it reads.
    pub fn joining(&self) -> &Positions {
        let place = self.segments.len() / 4;
        let reached = self.segments.get(place).map_or(&self.head.reached, |segment| segment.reached());
        &reached.events
    }

    /// Records handled, events or not: where a reader of everything is.
    pub fn handled(&self) -> &Positions {
        &self.head.reached.handled
    }

    /// The time, in milliseconds since 1970, from which on the window has every event; none if it has all that
    /// Kafka had at the start.
    pub fn complete_since(&self) -> Option<i64> {
        let reached = self.segments.first().map_or(&self.head.reached, |segment| segment.reached());
        (reached.newest_ms > i64::MIN).then(|| reached.newest_ms.saturating_add(1))
    }

    /// The first entry of that time or later. Before it stands none that is as new; behind it may stand older ones.
    pub fn first_since(&self, time_ms: i64) -> u64 {
        let old = |segment: &Arc<Segment>| segment.reached().newest_ms < time_ms;
        let Some(place) = self.segments.partition_point(old).checked_sub(1) else { return self.oldest() };
        let segment = &self.segments[place];
        let new = |entry: &Entry| entry.timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms >= time_ms);
        let end = segment.end().min(self.head());
        (segment.base()..end).find(|sequence| segment.entry(*sequence).is_some_and(new)).unwrap_or(end)
    }

    /// The oldest sequence that is still here. A reader below it has fallen out of the window.
    pub fn oldest(&self) -> u64 {
        self.segments.first().map_or(self.head(), |segment| segment.base())
    }

    /// The entry at `sequence`, if it is published and not evicted.
    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        if sequence >= self.head() {
            return None;
        }
        self.segments[self.place(sequence)?].entry(sequence)
    }

    /// Appends to `found` the sequences of the entries in `from..to` that one of `keys` may see and that have a
    /// frame for `protocol`, in order, from one segment at a time; returns where to go on. Costs the reader's
    /// own entries where the segment is sealed.
    pub fn find(&self, keys: &[Key], protocol: Protocol, from: u64, to: u64, found: &mut Vec<u64>) -> u64 {
        let to = to.min(self.head());
        let Some(segment) = self.place(from).map(|place| &self.segments[place]) else { return to.max(from) };
        let to = to.min(segment.end());
        segment.find(keys, protocol, from, to, found);
        to
    }

    fn place(&self, sequence: u64) -> Option<usize> {
        self.segments.partition_point(|segment| segment.base() <= sequence).checked_sub(1)
    }
}

#[cfg(test)]
mod tests;
