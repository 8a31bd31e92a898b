//! New entries → live connections: found by key, each connection written once a batch, however many entries
//! and however many of its keys match.

mod batch;

use super::Shard;
use super::connection::Standing;
use super::resume::CursorWriter;
use super::socket::Watch;
use super::traced::traced;
use crate::journal::View;
use crate::limits::{DISPATCH_ENTRIES_MAX, DISPATCH_WRITES_MAX};
use crate::protocol::{Ending, Protocol};
use batch::Batch;
use bytes::Bytes;
use std::time::Instant;

/// What is found and not yet written. It outlives a turn, since a large broadcast yields to reads and pings.
#[derive(Default)]
pub(super) struct Dispatch {
    batch: Batch,
    /// The sequences and the frames of one receiver.
    waiting: Vec<u64>,
    frames: Vec<Bytes>,
    /// The batch's frames with cursors, by place and protocol, where a receiver wants one.
    cursor_frames: Vec<[Option<Bytes>; Protocol::ALL.len()]>,
}

impl Dispatch {
    pub fn is_pending(&self) -> bool {
        self.batch.is_pending()
    }
}

impl<W: Watch> Shard<W> {
    pub(super) fn dispatch_live(&mut self, now: Instant) {
        let view = self.journal.view();
        if self.oldest_undispatched() < view.oldest() {
            self.end_overtaken(now);
        }
        let mut writes = 0;
        while writes < DISPATCH_WRITES_MAX {
            if let Some(id) = self.dispatch.batch.next_receiver() {
                self.guarded(id, |shard| shard.write_to_next(&view, now));
                writes += 1;
            } else if self.next < view.head() {
                self.find_receivers(&view);
            } else {
                return;
            }
        }
    }

    fn oldest_undispatched(&self) -> u64 {
        if self.dispatch.is_pending() { self.dispatch.batch.first() } else { self.next }
    }

    /// The window moved on before this shard had dispatched it. Nothing is lost silently: its live connections
    /// are told that they were too slow, and come back.
    fn end_overtaken(&mut self, now: Instant) {
        self.next = self.journal.head();
        self.dispatch.batch.begin(self.next);
        let live = self.connections.iter().filter(|c| matches!(c.standing, Standing::Live { .. }));
        let live = live.map(|connection| connection.id).collect();
        self.end_each(live, Ending::TooSlow, now);
        // They have missed as much, and would hear of it with the next entry only.
        self.wake_guarded();
    }

    /// The next entries' receivers. Connections that join from here on begin behind these entries.
    fn find_receivers(&mut self, view: &View) {
        let dispatch = &mut self.dispatch;
        dispatch.batch.begin(self.next);
        let end = view.head().min(self.next + DISPATCH_ENTRIES_MAX);
        for entry in (self.next..end).filter_map(|sequence| view.entry(sequence)) {
            for protocol in Protocol::ALL.into_iter().filter(|protocol| entry.frames.get(*protocol).is_some())
            {
                let index = &self.indexes[protocol as usize];
                for id in entry.audience.iter().flat_map(|key| index.connections(key)) {
                    dispatch.batch.add(id, entry.sequence);
                }
            }
        }
        dispatch.cursor_frames.clear();
        if self.cursor_connections > 0 {
            self.make_cursor_frames(view, end);
        }
        self.next = end;
        self.wake_guarded();
    }

    /// For all connections with cursors together, since live ones have read the same; of events that one of them gets.
    fn make_cursor_frames(&mut self, view: &View, end: u64) {
        let dispatch = &mut self.dispatch;
        let mut wanted = vec![[false; Protocol::ALL.len()]; place(self.next, end)];
        for (id, sequences) in dispatch.batch.receivers() {
            let receiver = self.connections.get_mut(id).filter(|connection| connection.cursors.is_some());
            let Some(connection) = receiver else { continue };
            for sequence in sequences {
                wanted[place(self.next, sequence)][connection.protocol as usize] = true;
            }
        }
        let partitions = self.journal.partitions();
        let mut writer =
            CursorWriter::new(view, self.journal.codec(), &partitions, self.stale_since, self.next);
        let frames = (self.next..end).zip(wanted).map(|(sequence, wanted)| {
            Protocol::ALL.map(|protocol| {
                let entry = view.entry(sequence).filter(|_| wanted[protocol as usize])?;
                writer.frame(entry, protocol, None)
            })
        });
        dispatch.cursor_frames.extend(frames);
    }

    fn write_to_next(&mut self, view: &View, now: Instant) {
        let dispatch = &mut self.dispatch;
        dispatch.waiting.clear();
        let Some(id) = dispatch.batch.take_next(&mut dispatch.waiting) else { return };
        // Leaving connections get nothing; lagging ones read for themselves.
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let Standing::Live { from } = connection.standing else { return };
        let waiting = &dispatch.waiting[dispatch.waiting.partition_point(|sequence| *sequence < from)..];
        if waiting.is_empty() {
            // It is ahead of the batch, maybe far: where it stands is no business of this write.
            return;
        }
        let protocol = connection.protocol;
        let entries = || waiting.iter().filter_map(|sequence| view.entry(*sequence));
        dispatch.frames.clear();
        if connection.cursors.is_some() {
            let frames = waiting.iter().map(|sequence| {
                let frames = &dispatch.cursor_frames[place(dispatch.batch.first(), *sequence)];
                frames[protocol as usize].clone().expect("made for every receiver with cursors")
            });
            dispatch.frames.extend(frames);
        } else {
            dispatch.frames.extend(entries().filter_map(|entry| entry.frames.get(protocol)).cloned());
        }
        if connection.traced {
            for (frame, entry) in dispatch.frames.iter_mut().zip(entries()) {
                *frame = traced(protocol, frame, entry);
            }
        }
        match connection.write_frames(&dispatch.frames, now) {
            Ok(taken) => {
                let written_at = self.clock.wall();
                for entry in entries().take(taken.frames) {
                    self.metrics.delivered(protocol, entry.timestamp_ms, written_at);
                }
                if taken.blocked {
                    let position = waiting.get(taken.frames).copied().unwrap_or(self.next);
                    connection.standing = Standing::Lagging(position);
                    self.metrics.lagged();
                    self.schedule(id);
                }
            }
            Err(_) => self.remove(id, Ending::Gone),
        }
    }
}

/// In a batch that begins with `first`.
fn place(first: u64, sequence: u64) -> usize {
    usize::try_from(sequence - first).expect("a batch is short")
}

#[cfg(test)]
mod tests;
