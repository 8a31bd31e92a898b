//! New entries → live connections: found by key, each connection written once a batch, however many entries
//! and however many of its keys match.

use super::connection::Standing;
use super::resume::CursorWriter;
use super::socket::Watch;
use super::traced::traced;
use super::{ConnectionId, Shard};
use crate::journal::View;
use crate::limits::{DISPATCH_ENTRIES_MAX, DISPATCH_WRITES_MAX};
use crate::protocol::{Ending, Protocol};
use bytes::Bytes;
use std::time::Instant;

/// What is found and not yet written. It outlives a turn, since a large broadcast yields to reads and pings.
#[derive(Default)]
pub(super) struct Dispatch {
    /// (receiver, sequence), sorted, so that what waits for one connection stands together.
    deliveries: Vec<(ConnectionId, u64)>,
    written: usize,
    /// The first sequence of the batch.
    first: u64,
    frames: Vec<Bytes>,
    /// The batch's frames with cursors, by place and protocol, where a receiver wants one.
    cursor_frames: Vec<[Option<Bytes>; Protocol::ALL.len()]>,
}

impl Dispatch {
    pub fn is_pending(&self) -> bool {
        self.written < self.deliveries.len()
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
            if self.dispatch.is_pending() {
                let id = self.dispatch.deliveries[self.dispatch.written].0;
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
        if self.dispatch.is_pending() { self.dispatch.first } else { self.next }
    }

    /// The window moved on before this shard had dispatched it. Nothing is lost silently: its live connections
    /// are told that they were too slow, and come back.
    fn end_overtaken(&mut self, now: Instant) {
        self.dispatch.deliveries.clear();
        self.dispatch.written = 0;
        self.next = self.journal.head();
        let live = self.connections.iter().filter(|c| matches!(c.standing, Standing::Live { .. }));
        let live = live.map(|connection| connection.id).collect();
        self.end_each(live, Ending::TooSlow, now);
    }

    /// The next entries' receivers. Connections that join from here on begin behind these entries.
    fn find_receivers(&mut self, view: &View) {
        let dispatch = &mut self.dispatch;
        dispatch.deliveries.clear();
        dispatch.written = 0;
        dispatch.first = self.next;
        let end = view.head().min(self.next + DISPATCH_ENTRIES_MAX);
        for entry in (self.next..end).filter_map(|sequence| view.entry(sequence)) {
            for protocol in Protocol::ALL.into_iter().filter(|protocol| entry.frames.get(*protocol).is_some())
            {
                let index = &self.indexes[protocol as usize];
                let receivers = entry.audience.iter().flat_map(|key| index.connections(key));
                dispatch.deliveries.extend(receivers.map(|id| (id, entry.sequence)));
            }
        }
        dispatch.deliveries.sort_unstable();
        dispatch.deliveries.dedup();
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
        for (id, sequence) in &dispatch.deliveries {
            let receiver = self.connections.get_mut(*id).filter(|connection| connection.cursors.is_some());
            if let Some(connection) = receiver {
                wanted[place(self.next, *sequence)][connection.protocol as usize] = true;
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
        let waiting = &dispatch.deliveries[dispatch.written..];
        let id = waiting[0].0;
        let count = waiting.iter().take_while(|(receiver, _)| *receiver == id).count();
        let waiting = &waiting[..count];
        dispatch.written += count;
        // Leaving connections get nothing; lagging ones read for themselves.
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let Standing::Live { from } = connection.standing else { return };
        let waiting = &waiting[waiting.partition_point(|(_, sequence)| *sequence < from)..];
        let protocol = connection.protocol;
        let entries = || waiting.iter().filter_map(|(_, sequence)| view.entry(*sequence));
        dispatch.frames.clear();
        if connection.cursors.is_some() {
            let frames = waiting.iter().map(|(_, sequence)| {
                let frames = &dispatch.cursor_frames[place(dispatch.first, *sequence)];
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
                    let position = waiting.get(taken.frames).map_or(self.next, |(_, sequence)| *sequence);
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
