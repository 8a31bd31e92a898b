//! A shard: one thread with its own event loop that owns connections and drives each one's state machine.
//!
//! In: sockets handed over after their handshake, and the journal. Out: frames, by one vectored write for all
//! that waits for a connection. There is no lock and no queue between the journal and a socket: a turn of the
//! loop reads what arrived, then writes new entries to the live connections that the index finds, then lets
//! lagging ones catch up from the journal, then looks at the timers.
//!
//! ```text
//! arriving ──authorized──> live <──caught up── lagging ──out of the window, or stalled──> leaving
//!     │                     └──a write takes less──┘ ^
//!     └──wants a past that the journal lacks──> preparing
//! ```

mod catch_up;
mod connection;
mod connections;
mod dispatch;
mod drain;
#[cfg(test)]
mod driven;
mod guard;
mod handle;
mod index;
mod listing;
mod open;
mod past;
mod prelude;
mod resume;
mod revoke;
mod settings;
pub(crate) mod socket;
mod stale;
#[cfg(test)]
mod testing;
mod timers;
mod tls;
mod traced;

pub use connection::ConnectionId;
#[cfg(test)]
pub(crate) use driven::Driven;
pub use handle::{Admitted, Arrival, Shards, Shown};
pub use index::Index;
pub use listing::{AddressClass, Listed, ListedConnection, Listing, State};
pub use past::{Asks, Found, Past, Question};
pub use prelude::Prelude;
pub use settings::Settings;
pub use socket::ClientSocket;

use crate::admission::{Admission, Barred, Entrant};
use crate::clock::Clock;
use crate::event::{Identity, Key};
use crate::journal::Journal;
use crate::limits::{READ_BUFFER_BYTES, READS_PER_TURN_MAX};
use crate::metrics::ShardMetrics;
use crate::protocol::{Action, Ending, Gap, Protocol, Recovery, Session};
use bytes::Bytes;
use connection::{Connection, Readout, Standing};
use connections::Connections;
use drain::Drain;
use handle::{Command, Inbox};
use mio::Token;
use past::Archive;
use secrecy::SecretString;
use socket::{Ready, Watch};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use timers::Wheel;
use uuid::Uuid;

/// The token of the waker; connections use their slot.
const WAKER: Token = Token(usize::MAX);

struct Shard<W: Watch> {
    /// Its place among the shards.
    number: usize,
    sockets: W,
    clock: Clock,
    inbox: Inbox<W::Socket>,
    journal: Journal,
    /// Who knows what the journal does not; none where nobody does.
    archive: Option<Archive>,
    admission: Arc<Admission>,
    metrics: ShardMetrics,
    connections: Connections<W::Socket>,
    indexes: [Index; Protocol::ALL.len()],
    wheel: Wheel,
    /// The next entry to dispatch: the position of every live connection.
    next: u64,
    dispatch: dispatch::Dispatch,
    /// Connections with a guard that have read all there is: they go on when there is more.
    guarded: Vec<ConnectionId>,
    /// Open connections that asked for cursors.
    cursor_connections: usize,
    /// Lagging connections whose socket takes data again, in turn.
    catching_up: VecDeque<ConnectionId>,
    /// Connections that lost their login or their keys and have not been told yet.
    revoked: Vec<(ConnectionId, Ending)>,
    /// Since when the picture is stale, if it is.
    stale_since: Option<SystemTime>,
    /// Connections that are to be told of that, and those that are when their prelude is over.
    untold: Vec<ConnectionId>,
    untold_in_prelude: Vec<ConnectionId>,
    /// Connections that had more to read than their turn allowed.
    unread: Vec<ConnectionId>,
    actions: Vec<Action>,
    read_buffer: Box<[u8]>,
    /// Takes no new connections, and is over when the last one has left.
    stopping: bool,
    drain: Option<Drain>,
}

impl<W: Watch> Shard<W> {
    fn run(mut self) -> std::io::Result<()> {
        let mut ready = Vec::new();
        while !(self.stopping && self.connections.is_empty()) {
            let timeout = self.wait(self.clock.now());
            if let Err(error) = self.sockets.wait(&mut ready, timeout) {
                if error.kind() == std::io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            self.turn(&ready);
        }
        Ok(())
    }

    /// How long the event loop may sleep.
    fn wait(&self, now: Instant) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let drain = self.drain.as_ref().and_then(Drain::next).map(|at| at.saturating_duration_since(now));
        self.wheel.wait(now).into_iter().chain(drain).min()
    }

    fn has_work(&self) -> bool {
        self.dispatch.is_pending()
            || self.next < self.journal.head()
            || !self.catching_up.is_empty()
            || !self.revoked.is_empty()
            || !self.untold.is_empty()
            || !self.unread.is_empty()
    }

    fn turn(&mut self, ready: &[Ready]) {
        let now = self.clock.now();
        for id in std::mem::take(&mut self.unread) {
            self.guarded(id, |shard| shard.handle_readable(id, now));
        }
        for ready in ready {
            let Some(connection) = self.connections.in_slot(ready.slot) else { continue };
            let id = connection.id;
            if ready.readable {
                self.guarded(id, |shard| shard.handle_readable(id, now));
            }
            if ready.writable {
                self.guarded(id, |shard| shard.handle_writable(id, now));
            }
        }
        self.inbox.awake();
        // Taken before the journal is looked at: whoever arrives begins behind all that was published before,
        // and the window that was read back at the start is news to nobody.
        let commands = self.inbox.take();
        self.dispatch_live(now);
        for command in commands {
            match command {
                Command::Arrive(arrival) => self.handle_arrival(*arrival, now),
                Command::Drain { over, seed } => self.begin_drain(over, seed, now),
                Command::Revoke(batch) => self.find_revoked(&batch),
                Command::Withdraw(withdrawn) => self.find_regranted(&withdrawn),
                Command::Stale(since) => self.handle_stale(since),
                Command::List(listing, answer) => {
                    // Whoever asked may have waited long enough.
                    let _ = answer.send(self.list(&listing, now));
                }
                Command::Past(id, outcome) => {
                    self.guarded(id, |shard| shard.handle_past(id, *outcome, now));
                }
                Command::Stop => self.handle_stop(now),
            }
        }
        self.end_revoked(now);
        self.catch_up(now);
        self.tell_stale(now);
        self.handle_timers(now);
        self.end_drained(now);
        self.metrics.flush();
    }

    fn handle_arrival(&mut self, arrival: Arrival<W::Socket>, now: Instant) {
        let Arrival { socket, received, response, admitted, wants_open, traced, address, seats } = arrival;
        let (session, opening) = match &admitted {
            Admitted::Plain { .. } => (Session::plain(now), Bytes::new()),
            Admitted::SocketIo { .. } => Session::socket_io(Uuid::new_v4(), now),
        };
        let Some(id) = self.insert(socket, session) else { return };
        let connection = &mut self.connections[id];
        connection.wants_open = wants_open;
        connection.traced = traced;
        connection.seats = seats;
        connection.address = address;
        connection.queue(response);
        connection.queue(opening);
        self.guarded(id, |shard| shard.welcome(id, admitted, received, now));
    }

    fn welcome(&mut self, id: ConnectionId, admitted: Admitted, mut received: Vec<u8>, now: Instant) {
        let connection = &mut self.connections[id];
        match admitted {
            Admitted::Plain { identity, cursor, since_ms } => {
                match identity.and_then(|identity| self.admission.recheck(identity)) {
                    Ok(identity) => {
                        self.ask_for_more(id, cursor.is_some(), since_ms);
                        self.join_plain(id, &identity, cursor.as_deref(), now);
                    }
                    Err(ending) => connection.session.end(ending, now, &mut self.actions),
                }
            }
            Admitted::SocketIo { shown, recovers, since_ms } => {
                connection.shown = Some(Box::new(shown));
                self.ask_for_more(id, recovers, since_ms);
            }
        }
        self.receive(id, &mut received, now);
        self.apply_actions(id, now);
    }

    /// A place for a new connection; none while stopping, or if the socket cannot be watched.
    fn insert(&mut self, mut socket: W::Socket, session: Session) -> Option<ConnectionId> {
        if self.stopping {
            return None;
        }
        let id = self.connections.next_id();
        if let Err(error) = self.sockets.watch(&mut socket, id.slot as usize) {
            tracing::warn!(%error, "cannot watch a new connection");
            return None;
        }
        self.metrics.connection_opened(session.protocol());
        self.connections.insert(Connection::new(id, socket, session, self.clock.now()));
        Some(id)
    }

    /// Into the index and at a position in one step: no event is missed and none comes twice. The position is
    /// the shard's, or an earlier one that the connection catches up from.
    fn join(&mut self, id: ConnectionId, identity: &Identity, standing: Standing, now: Instant) {
        let connection = &mut self.connections[id];
        let left = identity.expires_at.duration_since(self.clock.wall()).unwrap_or_default();
        let has_cursors = connection.cursors.as_ref().is_some_and(|cursors| cursors.sent);
        let keys = if has_cursors {
            identity.keys.iter().cloned().chain([Key::of_cursors()]).collect()
        } else {
            Arc::clone(&identity.keys)
        };
        self.indexes[connection.protocol as usize].insert(id, &keys);
        connection.join(keys, now + left);
        connection.login = identity.login;
        self.stand(id, standing);
    }

    /// One that lags has its turn at once.
    fn stand(&mut self, id: ConnectionId, standing: Standing) {
        let connection = &mut self.connections[id];
        connection.standing = standing;
        if matches!(standing, Standing::Lagging(_)) {
            connection.waits_for_turn = true;
            self.catching_up.push_back(id);
        }
    }

    fn handle_readable(&mut self, id: ConnectionId, now: Instant) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        for _ in 0..READS_PER_TURN_MAX {
            let Some(connection) = self.connections.get_mut(id) else { break };
            if connection.session.is_flooded() {
                break;
            }
            match connection.read(&mut buffer) {
                Readout::Bytes(count) => {
                    self.receive(id, &mut buffer[..count], now);
                    self.apply_actions(id, now);
                }
                Readout::Empty => {
                    self.read_buffer = buffer;
                    return;
                }
                Readout::Closed => {
                    let ending = connection.leaving().unwrap_or(Ending::Gone);
                    self.remove(id, ending);
                }
            }
        }
        self.read_buffer = buffer;
        if self.connections.get_mut(id).is_some_and(|connection| !connection.session.is_flooded()) {
            self.unread.push(id);
        }
    }

    fn receive(&mut self, id: ConnectionId, bytes: &mut [u8], now: Instant) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.session.receive(bytes, now, &mut self.actions);
    }

    fn handle_writable(&mut self, id: ConnectionId, now: Instant) {
        self.flush(id, now);
        if let Some(connection) = self.connections.get_mut(id)
            && matches!(connection.standing, Standing::Lagging(_))
            && connection.is_flushed()
            && !connection.waits_for_turn
        {
            connection.waits_for_turn = true;
            self.catching_up.push_back(id);
        }
    }

    /// Carries out what the protocol asked for, then writes what it queued.
    fn apply_actions(&mut self, id: ConnectionId, now: Instant) {
        let mut actions = std::mem::take(&mut self.actions);
        let mut next = 0;
        while next < actions.len() {
            let action = actions[next].clone();
            next += 1;
            let Some(connection) = self.connections.get_mut(id) else { break };
            match action {
                Action::Send(frame) => connection.queue(frame),
                Action::Authenticate { token, recovery } => {
                    self.authenticate(id, token, &recovery, now, &mut actions);
                }
                Action::Finish(ending) => {
                    let ConnectionId { slot, generation } = id;
                    tracing::debug!(slot, generation, ending = ending.row().label, "ending a connection");
                    connection.leave(ending);
                    self.indexes[connection.protocol as usize].remove(id);
                }
                Action::Close(ending) => {
                    // A farewell of the same read may not be out yet.
                    self.flush(id, now);
                    self.remove(id, ending);
                }
            }
        }
        actions.clear();
        self.actions = actions;
        self.flush(id, now);
        self.schedule(id);
    }

    fn authenticate(
        &mut self,
        id: ConnectionId,
        token: Option<SecretString>,
        recovery: &Recovery,
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| connection.session.is_open())
        else {
            return;
        };
        // One CONNECT is all that a connection may send, so it is there.
        let Some(shown) = connection.shown.take() else { return };
        let Shown { credentials, bad_key } = *shown;
        match self.admission.admit(token, credentials, self.clock.wall()) {
            Ok(Entrant { identity, seat }) => {
                self.connections[id].seats.extend(seat);
                self.join_socket_io(id, &identity, recovery, now, actions);
            }
            Err(Barred { ending, is_bad_key }) => {
                if is_bad_key {
                    bad_key();
                }
                let session = &mut self.connections[id].session;
                match ending {
                    Ending::Unauthorized => session.refused(now, actions),
                    ending => session.end(ending, now, actions),
                }
            }
        }
    }

    fn flush(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.flush(now).is_err() {
            let ending = connection.leaving().unwrap_or(Ending::Gone);
            self.remove(id, ending);
        } else if connection.owes_too_much() {
            self.end(id, Ending::TooSlow, now);
        }
    }

    /// Ends a connection for a reason of ours.
    fn end(&mut self, id: ConnectionId, ending: Ending, now: Instant) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.leaving().is_some() {
            return self.remove(id, ending);
        }
        connection.session.end(ending, now, &mut self.actions);
        self.apply_actions(id, now);
    }

    fn handle_timers(&mut self, now: Instant) {
        for (id, tick) in self.wheel.advance(now) {
            let Some(connection) = self.connections.get_mut(id) else {
                continue;
            };
            if connection.timer != tick {
                continue;
            }
            connection.timer = u64::MAX;
            self.guarded(id, |shard| shard.handle_timer(id, now));
        }
    }

    fn handle_timer(&mut self, id: ConnectionId, now: Instant) {
        let connection = &mut self.connections[id];
        match connection.overdue(now) {
            Some(connection::Overdue::Session) => {
                connection.session.handle_deadline(now, &mut self.actions);
                self.apply_actions(id, now);
                self.renew_cursor(id, now);
            }
            Some(connection::Overdue::Expired) => self.end(id, Ending::TokenExpired, now),
            Some(connection::Overdue::Stalled) => self.remove_stalled(id, now),
            Some(connection::Overdue::Prepared) => self.handle_past(id, Err(Gap::Timeout), now),
            None => self.schedule(id),
        }
    }

    /// A stalled connection takes no Close frame either: it is told if its socket has room, and dropped.
    fn remove_stalled(&mut self, id: ConnectionId, now: Instant) {
        self.end(id, Ending::TooSlow, now);
        self.remove(id, Ending::TooSlow);
    }

    fn schedule(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let deadline = connection.deadline();
        let tick = self.wheel.tick_of(deadline);
        if tick < connection.timer {
            connection.timer = tick;
            self.wheel.schedule(id, tick);
        }
    }

    fn begin_drain(&mut self, over: Duration, seed: u64, now: Instant) {
        self.stopping = true;
        self.drain = Some(Drain::new(self.connections.ids(), over, seed, now));
    }

    fn end_drained(&mut self, now: Instant) {
        let mut due = self.drain.as_mut().map(|drain| drain.due(now)).unwrap_or_default();
        // One that is about to leave has a deadline of its own.
        due.retain(|id| {
            self.connections.get_mut(*id).is_some_and(|connection| connection.leaving().is_none())
        });
        self.end_each(due, Ending::Restart, now);
    }

    fn handle_stop(&mut self, now: Instant) {
        self.stopping = true;
        self.end_each(self.connections.ids(), Ending::Restart, now);
    }

    fn remove(&mut self, id: ConnectionId, ending: Ending) {
        let Some(mut connection) = self.connections.remove(id) else { return };
        self.cursor_connections -=
            usize::from(connection.cursors.as_ref().is_some_and(|cursors| cursors.sent));
        self.indexes[connection.protocol as usize].remove(id);
        self.metrics.connection_ended(connection.protocol, connection.leaving().unwrap_or(ending));
        self.sockets.forget(connection.socket());
    }
}

impl<W: Watch> Shard<W> {
    fn new(
        sockets: W,
        clock: Clock,
        inbox: Inbox<W::Socket>,
        journal: Journal,
        admission: Arc<Admission>,
        metrics: ShardMetrics,
    ) -> Shard<W> {
        let next = journal.head();
        Shard {
            number: 0,
            sockets,
            inbox,
            journal,
            archive: None,
            admission,
            metrics,
            connections: Connections::new(),
            indexes: Default::default(),
            wheel: Wheel::new(clock.now()),
            next,
            dispatch: dispatch::Dispatch::default(),
            guarded: Vec::new(),
            cursor_connections: 0,
            catching_up: VecDeque::new(),
            revoked: Vec::new(),
            stale_since: None,
            untold: Vec::new(),
            untold_in_prelude: Vec::new(),
            unread: Vec::new(),
            actions: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_BYTES].into(),
            clock,
            stopping: false,
            drain: None,
        }
    }
}
