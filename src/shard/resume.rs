//! Connections that asked for cursors: where they begin, and the frames that carry their positions.
//!
//! A client that comes back shows a cursor, maybe another instance's. It becomes the connection's guard: what the
//! guard covers is skipped, and until this instance has passed it in every partition the connection reads the
//! journal for itself and its cursors are the newer of guard and instance. Then it is live like any other, and
//! shares its cursors with all.

use super::connection::{Cursors, Standing};
use super::open::NO_CURSOR;
use super::socket::Watch;
use super::{ConnectionId, Prelude, Shard};
use crate::event::Identity;
use crate::journal::{CursorCodec, Entry, Guard, Partitions, Positions, View};
use crate::limits::{CURSOR_EVERY_EVENT_PARTITIONS_MAX, GUARD_UNMET_MAX};
use crate::protocol::{Action, Gap, Protocol, Recovery, Status, cursor_frame, status_frame};
use bytes::Bytes;
use std::time::Instant;

/// How a connection with cursors begins.
struct Begin {
    standing: Standing,
    guard: Option<Guard>,
    prelude: Option<Prelude>,
    /// Where it stands before its first event.
    cursor: String,
    status: Status,
}

impl<W: Watch> Shard<W> {
    pub(super) fn ask_for_cursors(&mut self, id: ConnectionId) {
        self.connections[id].cursors = Some(Box::default());
        self.cursor_connections += 1;
    }

    /// A plain client that asked for cursors is told with `STATUS` where it stands, before any event.
    pub(super) fn join_plain(
        &mut self,
        id: ConnectionId,
        identity: &Identity,
        cursor: Option<String>,
        now: Instant,
    ) {
        let Some(cursor) = cursor else {
            return self.join_from_now(id, identity, now);
        };
        self.ask_for_cursors(id);
        let begin = self.begin(id, identity, Some(&*cursor).filter(|cursor| !cursor.is_empty()));
        self.actions.push(Action::Send(status_frame(Protocol::Plain, begin.status, &begin.cursor)));
        self.join_at(id, identity, begin, now);
    }

    /// The official client says that it was recovered when it gets its own `pid` again; a new one tells it that
    /// it was not. Both are cursors, so that a client that has seen no event has one, too.
    pub(super) fn join_socket_io(
        &mut self,
        id: ConnectionId,
        identity: &Identity,
        recovery: &Recovery,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        if self.connections[id].cursors.is_none() {
            self.join_from_now(id, identity, now);
            return self.connections[id].session.authorized(None, None, actions);
        }
        let offset = recovery.offset.as_deref().filter(|offset| self.decode(offset).is_some());
        let begin = self.begin(id, identity, offset.or(recovery.pid.as_deref()));
        let pid = recovery.pid.as_deref().filter(|_| begin.status.resumed).unwrap_or(&begin.cursor);
        let session = &mut self.connections[id].session;
        session.authorized(Some(pid), Some(&begin.cursor), actions);
        if begin.status.gap.is_some() || begin.status.stale_since.is_some() {
            actions.push(Action::Send(status_frame(Protocol::SocketIo, begin.status, &begin.cursor)));
        }
        self.join_at(id, identity, begin, now);
    }

    /// Without cursors: with the open orders if it asked for them, and then with what is new.
    fn join_from_now(&mut self, id: ConnectionId, identity: &Identity, now: Instant) {
        let (standing, prelude) = self.begin_from_now(id, identity);
        self.connections[id].prelude = prelude.map(Box::new);
        self.join(id, identity, standing, now);
    }

    fn begin_from_now(&self, id: ConnectionId, identity: &Identity) -> (Standing, Option<Prelude>) {
        let wanted = self.connections[id].wants_open.then(|| self.open_orders(id, &identity.keys)).flatten();
        match wanted {
            Some((prelude, then)) => (Standing::Lagging(then), Some(prelude)),
            None => (Standing::Live { from: self.position() }, None),
        }
    }

    fn join_at(&mut self, id: ConnectionId, identity: &Identity, begin: Begin, now: Instant) {
        let unmet_until = begin.guard.as_ref().is_some_and(Guard::has_unmet).then(|| now + GUARD_UNMET_MAX);
        let cursors = Cursors { guard: begin.guard, unmet_until };
        self.connections[id].cursors = Some(Box::new(cursors));
        self.connections[id].prelude = begin.prelude.map(Box::new);
        self.join(id, identity, begin.standing, now);
    }

    /// A resume needs no open orders: what the client has of them is brought up to date.
    fn begin(&self, id: ConnectionId, identity: &Identity, cursor: Option<&str>) -> Begin {
        let cursor = cursor.filter(|cursor| *cursor != NO_CURSOR);
        let view = self.journal.view();
        let guard = cursor.and_then(|cursor| self.decode(cursor));
        let start = guard.as_ref().and_then(|guard| view.resume(&guard.positions));
        #[cfg(test)]
        let start = start.or_else(|| crate::simulation::Broken::HidesGap.is_on().then(|| view.oldest()));
        match (guard, start) {
            (Some(guard), Some(start)) => Begin {
                standing: Standing::Lagging(start.min(self.position())),
                cursor: self.journal.codec().encode(&self.journal.partitions(), &guard),
                guard: Some(guard),
                prelude: None,
                status: Status { resumed: true, gap: None, stale_since: self.stale_since },
            },
            (guard, _) => {
                let reason = if guard.is_some() { Gap::TooOld } else { Gap::Unreadable };
                let (standing, prelude) = self.begin_from_now(id, identity);
                let cursor_now = match &prelude {
                    Some(_) => NO_CURSOR.to_owned(),
                    None => {
                        let here = Guard::at(view.positions_at(self.position()));
                        self.journal.codec().encode(&self.journal.partitions(), &here)
                    }
                };
                Begin {
                    standing,
                    guard: None,
                    prelude,
                    cursor: cursor_now,
                    status: Status {
                        resumed: false,
                        gap: cursor.map(|_| reason),
                        stale_since: self.stale_since,
                    },
                }
            }
        }
    }

    /// From where on whoever is live from now on is served: behind what this shard has dispatched, though the journal may hold more.
    pub(super) fn position(&self) -> u64 {
        #[cfg(test)]
        if crate::simulation::Broken::JoinsBeforePosition.is_on() {
            return self.journal.head();
        }
        self.next
    }

    fn decode(&self, cursor: &str) -> Option<Guard> {
        self.journal.codec().decode(&self.journal.partitions(), cursor)
    }

    /// New entries are there: connections that had read all there was go on.
    pub(super) fn wake_guarded(&mut self) {
        for id in std::mem::take(&mut self.guarded) {
            if let Some(connection) = self.connections.get_mut(id)
                && !connection.waits_for_turn
                && connection.is_flushed()
            {
                connection.waits_for_turn = true;
                self.catching_up.push_back(id);
            }
        }
    }
}

impl Cursors {
    /// Takes in the partitions that this instance has met.
    pub(super) fn meet(&mut self, partitions: &Partitions) {
        if let Some(guard) = &mut self.guard {
            guard.meet(partitions);
        }
    }

    /// Drops the guard once the instance has passed it.
    pub(super) fn loosen(&mut self, here: &Positions, now: Instant) {
        let Some(guard) = &mut self.guard else { return };
        if self.unmet_until.is_some_and(|until| now >= until) {
            guard.forget_unmet();
        }
        if !guard.has_unmet() && here.has_passed(&guard.positions) {
            self.guard = None;
        }
    }

    pub(super) fn covers(&self, entry: &Entry) -> bool {
        #[cfg(test)]
        if crate::simulation::Broken::NoGuard.is_on() {
            return false;
        }
        self.guard.as_ref().is_some_and(|guard| guard.covers(entry.partition, entry.origin.offset))
    }
}

/// Makes the frames with cursors, entry by entry.
pub(super) struct CursorWriter<'a> {
    view: &'a View,
    codec: &'a CursorCodec,
    partitions: &'a Partitions,
    /// What a reader of everything before `at` has.
    here: Positions,
    at: u64,
    /// Every so many entries have one.
    every: u64,
}

impl<'a> CursorWriter<'a> {
    pub(super) fn new(view: &'a View, codec: &'a CursorCodec, partitions: &'a Partitions, at: u64) -> Self {
        let every = partitions.len().div_ceil(CURSOR_EVERY_EVENT_PARTITIONS_MAX).max(1) as u64;
        CursorWriter { view, codec, partitions, here: view.positions_at(at), at, every }
    }

    /// The entry's frame for a connection with this guard; entries come in order.
    pub(super) fn frame(
        &mut self,
        entry: &Entry,
        protocol: Protocol,
        guard: Option<&Guard>,
    ) -> Option<Bytes> {
        self.advance_behind(entry.sequence);
        let frame = entry.frames.get(protocol)?;
        if !entry.sequence.is_multiple_of(self.every) {
            return Some(frame.clone());
        }
        #[cfg(test)]
        let guard = guard.filter(|_| !crate::simulation::Broken::CursorGoesBack.is_on());
        let here = match guard {
            None => Guard::at(self.here.clone()),
            Some(guard) => guard.or_newer(&self.here),
        };
        Some(cursor_frame(protocol, frame, &self.codec.encode(self.partitions, &here)))
    }

    fn advance_behind(&mut self, sequence: u64) {
        for entry in (self.at..=sequence).filter_map(|at| self.view.entry(at)) {
            self.here.advance(entry.partition, entry.origin.offset);
        }
        self.at = self.at.max(sequence + 1);
    }
}
