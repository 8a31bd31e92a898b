//! Frames for connections that asked for the traces of events: one more field, or one more argument.
//!
//! They are made from the shared frames, for each such connection alone: few ask, for a while, and nobody else pays for it.

use crate::journal::{Entry, View};
use crate::protocol::{Protocol, traced_frame};
use crate::trace::TraceParent;
use bytes::Bytes;

/// The frame of that entry, with the entry's trace. That something is missing has none.
pub(super) fn traced(protocol: Protocol, frame: &Bytes, entry: &Entry) -> Bytes {
    if entry.gap.is_some() {
        return frame.clone();
    }
    traced_frame(protocol, frame, entry.trace.as_ref().map(TraceParent::as_str))
}

/// The same of the first entries of `found`, whose frames these are.
pub(super) fn traced_share(view: &View, protocol: Protocol, frames: Vec<Bytes>, found: &[u64]) -> Vec<Bytes> {
    let entries = found.iter().map(|sequence| view.entry(*sequence));
    let frames = frames.into_iter().zip(entries);
    frames
        .map(|(frame, entry)| entry.map_or(frame.clone(), |entry| traced(protocol, &frame, entry)))
        .collect()
}
