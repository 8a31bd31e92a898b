//! Connections that asked for cursors or a replay: where they begin, and the frames that carry their positions.
//!
//! A client that comes back shows a cursor, maybe another instance's. It becomes the connection's guard: what the
//! guard covers is skipped, and until this instance has passed it in every partition the connection reads the
//! journal for itself and its cursors are the newer of guard and instance. Then it is live like any other, and
//! shares its cursors with all.

use super::connection::{Cursors, Since, Standing, Told};
use super::open::NO_CURSOR;
use super::past::Found;
use super::socket::Watch;
use super::{ConnectionId, Prelude, Shard};
use crate::event::{Identity, Key};
use crate::journal::{CursorCodec, Entry, Guard, Partitions, Positions, View};
use crate::limits::GUARD_UNMET_MAX;
use crate::protocol::{Action, Gap, Protocol, Recovery, Status, cursor_frame, status_frame};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use uuid::Uuid;

/// What a client asks for beyond the contracts.
pub(super) struct Wanted {
    /// Events with cursors.
    pub cursors: bool,
    /// The cursor that it came with.
    pub guard: Option<Guard>,
    /// It came with one that cannot be read.
    pub unreadable: bool,
    /// A replay, from that time on, in milliseconds since 1970. A cursor that resumes is as good and comes first.
    pub since_ms: Option<i64>,
    /// Of Socket.IO: what its library compares to see whether it was recovered.
    pub pid: Option<String>,
}

/// How such a connection begins.
pub(super) struct Begin {
    pub standing: Standing,
    guard: Option<Guard>,
    /// Of what the journal already has, older events than this are left out.
    since: Option<Since>,
    prelude: Option<Prelude>,
    /// Where it stands before its first event.
    cursor: String,
    status: Status,
}

impl<W: Watch> Shard<W> {
    /// What `STATUS` and the cursors need.
    pub(super) fn ask_for_more(&mut self, id: ConnectionId, cursors: bool, since_ms: Option<i64>) {
        if cursors || since_ms.is_some() {
            let asked = Cursors { sent: cursors, asked_since_ms: since_ms, ..Cursors::default() };
            self.connections[id].cursors = Some(Box::new(asked));
            self.cursor_connections += usize::from(cursors);
        }
    }

    /// A plain client that asked for more than the contract is told with `STATUS` where it stands, before any event.
    pub(super) fn join_plain(
        &mut self,
        id: ConnectionId,
        identity: &Identity,
        cursor: Option<&str>,
        now: Instant,
    ) {
        let Some(asked) = &self.connections[id].cursors else {
            return self.join_from_now(id, identity, now);
        };
        let wanted = Wanted {
            cursors: asked.sent,
            since_ms: asked.asked_since_ms,
            pid: None,
            ..self.came_with([cursor.filter(|cursor| !cursor.is_empty()), None])
        };
        let mut actions = std::mem::take(&mut self.actions);
        self.join_wanting(id, identity, wanted, now, &mut actions);
        self.actions = actions;
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
        let Some(asked) = &self.connections[id].cursors else {
            self.join_from_now(id, identity, now);
            return self.connections[id].session.authorized(None, None, actions);
        };
        let (cursors, since_ms) = (asked.sent, asked.asked_since_ms);
        let recovery = Some(recovery).filter(|_| cursors);
        let pid = recovery.and_then(|recovery| recovery.pid.clone());
        let offset = recovery.and_then(|recovery| recovery.offset.as_deref());
        let wanted = Wanted { cursors, since_ms, ..self.came_with([offset, pid.as_deref()]) };
        self.join_wanting(id, identity, Wanted { pid, ..wanted }, now, actions);
    }

    /// Without cursors: with the open orders if it asked for them, and then with what is new.
    fn join_from_now(&mut self, id: ConnectionId, identity: &Identity, now: Instant) {
        let (standing, prelude) = self.begin_from_now(id, &identity.keys);
        self.connections[id].prelude = prelude.map(Box::new);
        self.join(id, identity, standing, now);
    }

    fn begin_from_now(&self, id: ConnectionId, keys: &Arc<[Key]>) -> (Standing, Option<Prelude>) {
        let wanted = self.connections[id].wants_open.then(|| self.open_orders(id, keys)).flatten();
        match wanted {
            Some((prelude, then)) => (Standing::Lagging(then), Some(prelude)),
            None => (Standing::Live { from: self.position() }, None),
        }
    }

    /// The first that is a cursor counts: the library takes any text at an event's end for one.
    fn came_with(&self, shown: [Option<&str>; 2]) -> Wanted {
        let cursors = shown.into_iter().flatten().filter(|cursor| !cursor.starts_with(NO_CURSOR));
        let guard = cursors.clone().find_map(|cursor| self.decode(cursor));
        let unreadable = guard.is_none() && cursors.count() > 0;
        Wanted { cursors: false, guard, unreadable, since_ms: None, pid: None }
    }

    /// At once where the journal knows, or else when the past is found.
    fn join_wanting(
        &mut self,
        id: ConnectionId,
        identity: &Identity,
        wanted: Wanted,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Err((wanted, gap)) = self.prepare(id, identity, wanted, now) else { return };
        let begin = self.begin_now(id, &identity.keys, &wanted, gap);
        self.tell(id, &wanted, &begin, actions);
        let Begin { standing, .. } = self.keep(id, &wanted, begin, now);
        self.join(id, identity, standing, now);
    }

    /// Says where the connection stands. Events come behind it.
    pub(super) fn tell(
        &mut self,
        id: ConnectionId,
        wanted: &Wanted,
        begin: &Begin,
        actions: &mut Vec<Action>,
    ) {
        let Begin { status, cursor, .. } = begin;
        let cursor = Some(cursor.as_str()).filter(|_| wanted.cursors);
        let connection = &mut self.connections[id];
        let knows_by_its_pid = connection.protocol == Protocol::SocketIo
            && wanted.since_ms.is_none()
            && status.gap.is_none()
            && status.stale_since.is_none();
        if connection.protocol == Protocol::SocketIo {
            let pid = match (wanted.pid.as_deref(), cursor) {
                (Some(pid), _) if status.resumed => Some(pid.to_owned()),
                // Like none before it, or the library would take the open orders that come again for a recovery.
                (_, Some(NO_CURSOR)) => Some(format!("{NO_CURSOR}{}", Uuid::new_v4().simple())),
                (_, cursor) => cursor.map(str::to_owned),
            };
            connection.session.authorized(pid.as_deref(), cursor, actions);
        }
        if !knows_by_its_pid {
            actions.push(Action::Send(status_frame(connection.protocol, *status, cursor)));
        }
    }

    /// What the connection needs from here on goes into it.
    pub(super) fn keep(
        &mut self,
        id: ConnectionId,
        wanted: &Wanted,
        mut begin: Begin,
        now: Instant,
    ) -> Begin {
        let guard = begin.guard.take();
        let unmet_until = guard.as_ref().is_some_and(Guard::has_unmet).then(|| now + GUARD_UNMET_MAX);
        let told = match begin.standing {
            Standing::Live { from: sequence } | Standing::Lagging(sequence) => {
                Some(Told { at: now, sequence })
            }
            Standing::Arriving | Standing::Preparing | Standing::Leaving { .. } => None,
        };
        let (sent, since) = (wanted.cursors, begin.since);
        let cursors = Cursors { sent, asked_since_ms: None, guard, unmet_until, since, told };
        let is_live = matches!(begin.standing, Standing::Live { .. });
        let connection = &mut self.connections[id];
        connection.cursors = Some(Box::new(cursors)).filter(|cursors| cursors.sent || !is_live);
        connection.prelude = begin.prelude.take().map(Box::new);
        begin
    }

    /// With what the journal has. `gap` is why that may be less than was wanted. A resume or a replay needs no open
    /// orders: what the client has of them is brought up to date, or told.
    pub(super) fn begin_now(&self, id: ConnectionId, keys: &Arc<[Key]>, wanted: &Wanted, gap: Gap) -> Begin {
        let view = self.journal.view();
        let lost = self.lost_behind(wanted, &view);
        let gap = lost.unwrap_or(gap);
        let guard = wanted.guard.as_ref().filter(|_| gap != Gap::Recreated && lost.is_none());
        let start = |guard: &Guard| {
            let start = view.resume(&guard.positions);
            #[cfg(test)]
            let start = start.or_else(|| crate::simulation::Broken::HidesGap.is_on().then(|| view.oldest()));
            #[cfg(test)]
            let start = start.filter(|_| !crate::simulation::Broken::TellsNeedlessGap.is_on());
            start
        };
        if let Some((guard, start)) = guard.and_then(|guard| Some((guard, start(guard)?))) {
            return Begin {
                standing: Standing::Lagging(start.min(self.position())),
                cursor: self.encode(guard),
                guard: Some(guard.clone()),
                since: None,
                prelude: None,
                status: self.status(true, None, None),
            };
        }
        let complete = view.complete_since().unwrap_or(i64::MIN);
        let is_short = wanted.guard.is_some() || wanted.since_ms.is_some_and(|since_ms| since_ms < complete);
        let gap = if wanted.unreadable { Some(Gap::Unreadable) } else { Some(gap).filter(|_| is_short) };
        let status = self.status(false, gap, wanted.since_ms.map(|since_ms| since_ms.max(complete)));
        let Some(time_ms) = wanted.since_ms else {
            let (standing, prelude) = self.begin_from_now(id, keys);
            let cursor = match &prelude {
                Some(_) => NO_CURSOR.to_owned(),
                None => self.encode(&Guard::at(view.positions_at(self.position()))),
            };
            return Begin { standing, guard: None, since: None, prelude, cursor, status };
        };
        let start = view.first_since(time_ms).min(self.position());
        Begin {
            standing: Standing::Lagging(start),
            guard: None,
            since: Some(Since { time_ms, end: self.position() }),
            prelude: None,
            cursor: self.encode(&Guard::at(view.positions_at(start))),
            status,
        }
    }

    /// With a past from outside of the journal.
    pub(super) fn begin_with(&self, wanted: &Wanted, found: Found) -> Begin {
        let resumed = wanted.guard.is_some();
        let since_ms = wanted.since_ms.filter(|_| !resumed);
        Begin {
            standing: Standing::Lagging(found.then.min(self.position())),
            guard: Some(found.to),
            since: since_ms.map(|time_ms| Since { time_ms, end: self.position() }),
            prelude: found.prelude,
            cursor: self.encode(&found.from),
            status: self.status(resumed, wanted.unreadable.then_some(Gap::Unreadable), since_ms),
        }
    }

    /// Why whoever comes back with this cursor can't have all that is behind it, as far as is known without a question.
    pub(super) fn lost_behind(&self, wanted: &Wanted, view: &View) -> Option<Gap> {
        let guard = wanted.guard.as_ref()?;
        let is_of_another = guard.is_of_another(&self.journal.partitions());
        if is_of_another { Some(Gap::Recreated) } else { view.gap_behind(&guard.positions) }
    }

    fn status(&self, resumed: bool, gap: Option<Gap>, since: Option<i64>) -> Status {
        Status { resumed, gap, stale_since: self.stale_since, since }
    }

    pub(super) fn encode(&self, guard: &Guard) -> String {
        self.journal.codec().encode(&self.journal.partitions(), guard)
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

    /// Whether the connection shall not get an entry: it has it, or did not ask for anything that old.
    pub(super) fn covers(&self, entry: &Entry) -> bool {
        #[cfg(test)]
        if crate::simulation::Broken::NoGuard.is_on() {
            return false;
        }
        let has = |guard: &Guard| guard.covers(entry.partition, entry.origin.offset);
        let is_older = |since: &Since| {
            entry.sequence < since.end && entry.timestamp_ms.is_some_and(|time_ms| time_ms < since.time_ms)
        };
        self.guard.as_ref().is_some_and(has) || self.since.as_ref().is_some_and(is_older)
    }
}

/// Makes the frames with cursors, entry by entry.
pub(super) struct CursorWriter<'a> {
    view: &'a View,
    codec: &'a CursorCodec,
    partitions: &'a Partitions,
    stale_since: Option<SystemTime>,
    /// What a reader of everything before `at` has.
    here: Positions,
    at: u64,
    /// Every so many entries have one.
    every: u64,
}

impl<'a> CursorWriter<'a> {
    pub(super) fn new(
        view: &'a View,
        codec: &'a CursorCodec,
        partitions: &'a Partitions,
        stale_since: Option<SystemTime>,
        at: u64,
    ) -> Self {
        let every = partitions.events_per_cursor();
        CursorWriter { view, codec, partitions, stale_since, here: view.positions_at(at), at, every }
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
        if entry.gap.is_none() && !entry.sequence.is_multiple_of(self.every) {
            return Some(frame.clone());
        }
        #[cfg(test)]
        let guard = guard.filter(|_| !crate::simulation::Broken::CursorGoesBack.is_on());
        let here = match guard {
            None => Guard::at(self.here.clone()),
            Some(guard) => guard.or_newer(&self.here),
        };
        let cursor = self.codec.encode(self.partitions, &here);
        if entry.gap.is_some() {
            let Self { stale_since, .. } = *self;
            let status = Status { resumed: false, gap: entry.gap, stale_since, since: None };
            return Some(status_frame(protocol, status, Some(&cursor)));
        }
        Some(cursor_frame(protocol, frame, &cursor))
    }

    fn advance_behind(&mut self, sequence: u64) {
        for entry in (self.at..=sequence).filter_map(|at| self.view.entry(at)) {
            self.here.advance(entry.partition, entry.origin.offset);
        }
        self.at = self.at.max(sequence + 1);
    }
}
