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

mod entry;
mod segment;
mod settings;
mod writer;

pub use entry::{Draft, Entry, Frames, Origin};
pub use settings::Settings;
pub use writer::{Appended, Writer};

use crate::event::Key;
use crate::protocol::Protocol;
use arc_swap::ArcSwap;
use segment::Segment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The readers' side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

/// Written by the writer alone. `segments` is replaced before `head` moves past what it holds.
#[derive(Debug)]
struct Shared {
    segments: ArcSwap<Vec<Arc<Segment>>>,
    head: AtomicU64,
}

/// Empty journal: the writer and the readers' side.
pub fn open(settings: &Settings) -> (Writer, Journal) {
    let shared = Arc::new(Shared { segments: ArcSwap::default(), head: AtomicU64::new(0) });
    (Writer::new(settings.clone(), Arc::clone(&shared)), Journal { shared })
}

impl Journal {
    /// The sequence of the next event to be published.
    pub fn head(&self) -> u64 {
        self.shared.head.load(Ordering::Acquire)
    }

    /// What the journal holds now. Holding a view keeps its segments in memory, so it lives for one turn.
    pub fn view(&self) -> View {
        let head = self.head();
        View { segments: self.shared.segments.load_full(), head }
    }
}

/// A consistent picture of the journal.
#[derive(Debug)]
pub struct View {
    segments: Arc<Vec<Arc<Segment>>>,
    head: u64,
}

impl View {
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest sequence that is still here. A reader below it has fallen out of the window.
    pub fn oldest(&self) -> u64 {
        self.segments.first().map_or(self.head, |segment| segment.base())
    }

    /// The entry at `sequence`, if it is published and not evicted.
    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        if sequence >= self.head {
            return None;
        }
        self.segments[self.place(sequence)?].entry(sequence)
    }

    /// Appends to `found` the sequences of the entries in `from..to` that one of `keys` may see and that have a
    /// frame for `protocol`, in order, from one segment at a time; returns where to go on. Costs the reader's
    /// own entries where the segment is sealed.
    pub fn find(&self, keys: &[Key], protocol: Protocol, from: u64, to: u64, found: &mut Vec<u64>) -> u64 {
        let to = to.min(self.head);
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
