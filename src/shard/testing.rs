//! What tests of a shard that runs without a thread have in common.

use super::handle::Inbox;
use crate::event::{EventId, Key};
use crate::journal::{self, Draft, Frames, Journal, Origin, Writer};
use crate::protocol::Protocol;
use bytes::Bytes;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

pub(super) fn small_journal() -> (Writer, Journal) {
    journal::open(&journal::Settings {
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(900),
        cursor_keys: Vec::new(),
    })
}

/// An inbox that nobody writes to.
pub(super) fn no_commands<S>() -> Inbox<S> {
    Inbox { commands: mpsc::channel().1, woken: Arc::default() }
}

/// Shows the readers the event at this offset, for whoever holds `key`, with this frame for plain clients.
pub(super) fn publish(writer: &mut Writer, offset: i64, key: &str, frame: Bytes) {
    let mut frames = Frames::default();
    frames.set(Protocol::Plain, frame);
    let origin = Origin { topic: "t".into(), partition: 0, offset };
    let draft = Draft {
        origin,
        timestamp_ms: None,
        event: EventId(0),
        audience: [Key::new(key)].into(),
        frames,
        trace: None,
    };
    writer.append(draft, Instant::now(), 0);
    writer.publish(Instant::now());
}
