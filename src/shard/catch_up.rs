//! Lagging connections read on from the journal when their socket takes data, in turn and within bounds, until
//! they have reached their shard's position and are live again.

use super::connection::{Cursors, Standing};
use super::resume::CursorWriter;
use super::socket::Watch;
use super::traced::traced_share;
use super::{ConnectionId, Shard};
use crate::journal::View;
use crate::limits::{CATCH_UP_CONNECTION_BYTES, CATCH_UP_TURN, CATCH_UP_TURN_BYTES};
use crate::protocol::{Ending, Protocol};
use bytes::Bytes;
use std::time::Instant;

/// How a connection's share of a turn ended.
pub(super) enum Progress {
    /// It is live again, or gone.
    Done,
    /// Its socket is full; it comes back when that is writable.
    Blocked,
    /// It had its share and can take more.
    More,
}

impl<W: Watch> Shard<W> {
    pub(super) fn catch_up(&mut self, now: Instant) {
        if self.catching_up.is_empty() {
            return;
        }
        let view = self.journal.view();
        let mut budget_bytes = CATCH_UP_TURN_BYTES;
        let started = self.clock.now();
        while budget_bytes > 0 && self.clock.now() - started < CATCH_UP_TURN {
            let Some(id) = self.catching_up.pop_front() else { return };
            let progress = self.guarded(id, |shard| shard.catch_up_one(id, &view, &mut budget_bytes, now));
            match progress.unwrap_or(Progress::Done) {
                Progress::More => self.catching_up.push_back(id),
                Progress::Done | Progress::Blocked => {
                    if let Some(connection) = self.connections.get_mut(id) {
                        connection.waits_for_turn = false;
                    }
                    self.schedule(id);
                }
            }
        }
    }

    fn catch_up_one(
        &mut self,
        id: ConnectionId,
        view: &View,
        budget_bytes: &mut usize,
        now: Instant,
    ) -> Progress {
        let Some(connection) = self.connections.get_mut(id) else {
            return Progress::Done;
        };
        let Standing::Lagging(position) = connection.standing else { return Progress::Done };
        // One that was shown the open orders is ahead of its shard if there is something to dispatch.
        let live_at = self.next.max(position);
        if position < view.oldest() {
            self.end(id, Ending::TooSlow, now);
            return Progress::Done;
        }
        if let Some(prelude) = connection.prelude.take() {
            return self.write_prelude(id, prelude, budget_bytes, now);
        }
        let mut found = Vec::new();
        let read_to = view.find(&connection.keys, connection.protocol, position, live_at, &mut found);
        #[cfg(test)]
        crate::simulation::filter_after_write(view, connection.protocol, position..read_to, &mut found);
        let partitions = self.journal.partitions();
        let share = match &mut connection.cursors {
            None => share(view, connection.protocol, &found),
            Some(cursors) => {
                // Before anything is filtered: the view may have entries of a partition that is new here.
                cursors.meet(&partitions);
                found.retain(|sequence| view.entry(*sequence).is_some_and(|entry| !cursors.covers(entry)));
                if cursors.sent {
                    let (codec, stale_since) = (self.journal.codec(), self.stale_since);
                    let writer = CursorWriter::new(view, codec, &partitions, stale_since, position);
                    share_with_cursors(view, connection.protocol, &found, cursors, writer)
                } else {
                    share(view, connection.protocol, &found)
                }
            }
        };
        let share =
            if connection.traced { traced_share(view, connection.protocol, share, &found) } else { share };
        let Ok(taken) = connection.write_frames(&share, now) else {
            self.remove(id, Ending::Gone);
            return Progress::Done;
        };
        let written_at = self.clock.wall();
        for entry in found[..taken.frames].iter().filter_map(|sequence| view.entry(*sequence)) {
            self.metrics.delivered(connection.protocol, entry.timestamp_ms, written_at);
        }
        let written_bytes: usize = share[..taken.frames].iter().map(Bytes::len).sum();
        *budget_bytes = budget_bytes.saturating_sub(written_bytes);
        let position = found.get(taken.frames).copied().unwrap_or(read_to);
        connection.standing = Standing::Lagging(position);
        if taken.blocked {
            return Progress::Blocked;
        }
        if position < live_at {
            return Progress::More;
        }
        if let Some(cursors) = &mut connection.cursors {
            cursors.loosen(&view.positions_at(position), now);
            if cursors.guard.is_some() {
                self.guarded.push(id);
                return Progress::Done;
            }
            cursors.since = None;
        }
        connection.cursors.take_if(|cursors| !cursors.sent);
        self.connections[id].standing = Standing::Live { from: self.position().max(live_at) };
        self.metrics.caught_up();
        Progress::Done
    }
}

fn share(view: &View, protocol: Protocol, found: &[u64]) -> Vec<Bytes> {
    let frames = found.iter().filter_map(|sequence| view.entry(*sequence)?.frames.get(protocol).cloned());
    within_share(frames)
}

fn share_with_cursors(
    view: &View,
    protocol: Protocol,
    found: &[u64],
    cursors: &Cursors,
    mut writer: CursorWriter<'_>,
) -> Vec<Bytes> {
    let entries = found.iter().filter_map(|sequence| view.entry(*sequence));
    within_share(entries.filter_map(|entry| writer.frame(entry, protocol, cursors.guard.as_ref())))
}

/// The first of `frames`, at least one, that one connection may be written in a turn.
pub(super) fn within_share(frames: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let mut left = CATCH_UP_CONNECTION_BYTES;
    let mut share = Vec::new();
    for frame in frames {
        left = left.saturating_sub(frame.len());
        share.push(frame);
        if left == 0 {
            break;
        }
    }
    share
}
