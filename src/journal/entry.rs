//! One event of the journal: where it came from, who may see it, and its finished frames. That something is
//! missing between events is an entry, too.

use super::PartitionId;
use crate::event::{EventId, Key, shared};
use crate::protocol::{Frames, Gap};
use crate::trace::TraceParent;
use std::sync::Arc;

/// A record's place in Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

/// An event on its way into the journal.
#[derive(Debug)]
pub struct Draft {
    pub origin: Origin,
    /// Kafka's timestamp, milliseconds since 1970; none where the record has none.
    pub timestamp_ms: Option<i64>,
    pub event: EventId,
    pub audience: Box<[Key]>,
    pub frames: Frames,
    /// None as well where no client may ask for it.
    pub trace: Option<TraceParent>,
}

/// An event in the journal.
#[derive(Debug)]
pub struct Entry {
    pub sequence: u64,
    pub partition: PartitionId,
    pub origin: Origin,
    pub timestamp_ms: Option<i64>,
    pub event: EventId,
    pub audience: Box<[Key]>,
    pub frames: Frames,
    pub trace: Option<TraceParent>,
    /// It is no event, but tells that there is a gap.
    pub gap: Option<Gap>,
}

impl Entry {
    pub(super) fn new(sequence: u64, partition: PartitionId, draft: Draft, gap: Option<Gap>) -> Entry {
        let Draft { origin, timestamp_ms, event, audience, frames, trace } = draft;
        Entry { sequence, partition, origin, timestamp_ms, event, audience, frames, trace, gap }
    }

    /// Memory that the entry holds, near enough to bound it: itself, its frames, its keys and their place in the index.
    pub(super) fn weight_bytes(&self) -> usize {
        let keys: usize = self.audience.iter().map(|key| key.as_str().len() + KEY_OVERHEAD_BYTES).sum();
        let trace = self.trace.as_ref().map_or(0, |trace| trace.as_str().len());
        size_of::<Entry>() + self.frames.len_bytes() + keys + trace
    }

    pub(super) fn is_for(&self, keys: &[Key]) -> bool {
        shared(&self.audience, keys).next().is_some()
    }
}

/// Arc header, fat pointer in the audience, and the key's line in the segment's index.
const KEY_OVERHEAD_BYTES: usize = 96;
