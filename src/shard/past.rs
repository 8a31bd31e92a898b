//! What a connection wants of the past and the journal alone does not know. It is asked of other threads, which
//! read Kafka, while the connection waits: it is in the index, is pinged, can expire, and gets no event.
//!
//! ```text
//! join ──the journal knows──────────────────────────────> live / lagging
//!  └──question──> preparing ──found──> told, prelude, then the journal behind a guard
//!                     └──a gap, or nobody answers in time──> told, what the journal has
//! ```

use super::connection::Standing;
use super::resume::{Begin, Wanted};
use super::socket::Watch;
use super::{ConnectionId, Prelude, Shard};
use crate::event::{Identity, Key};
use crate::journal::{Guard, View};
use crate::limits::PAST_ENDS_TIMEOUT;
use crate::protocol::{Action, Gap, Protocol};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Where the past is asked for. A queue that is full is an answer, too.
#[derive(Clone)]
pub struct Past {
    pub ends: SyncSender<Question>,
    /// None where only the window is there.
    pub readings: Option<SyncSender<Question>>,
    /// How long a connection waits for a reading.
    pub timeout: Duration,
}

/// How an answer comes back to the shard that asked.
pub(super) type Reply = Arc<dyn Fn(ConnectionId, Result<Found, Gap>) + Send + Sync>;

/// The past as one shard sees it.
pub(super) struct Archive {
    pub past: Past,
    pub reply: Reply,
}

/// What one connection wants to know.
pub struct Question {
    pub asks: Asks,
    pub protocol: Protocol,
    /// What it may see.
    pub keys: Arc<[Key]>,
    /// Its frames carry cursors.
    pub cursors: bool,
    /// Its frames carry traces.
    pub traced: bool,
    /// When an answer comes too late.
    pub until: Instant,
    id: ConnectionId,
    reply: Reply,
    waits: Weak<()>,
}

#[derive(Clone)]
pub enum Asks {
    /// Whether what this cursor names exists: an instance that has read less may be behind, or Kafka begun anew.
    Ends(Guard),
    /// All behind this cursor, up to the window.
    Behind(Guard),
    /// All of that time and later, in milliseconds since 1970, up to the window.
    Since(i64),
}

/// A past, and where the journal goes on.
pub struct Found {
    pub prelude: Option<Prelude>,
    /// Where it begins.
    pub from: Guard,
    /// Where it ends; the journal has all that is not behind it.
    pub to: Guard,
    /// The journal's place for that.
    pub then: u64,
}

/// What waits with a connection.
pub(super) struct Preparing {
    wanted: Wanted,
    until: Instant,
    /// Gone with the connection: then nobody has to read on.
    _waits: Arc<()>,
}

impl Question {
    /// Whether the connection is still there and has time.
    pub fn is_wanted(&self) -> bool {
        self.waits.strong_count() > 0 && Instant::now() < self.until
    }

    pub fn answer(self, outcome: Result<Found, Gap>) {
        (self.reply)(self.id, outcome);
    }
}

impl Preparing {
    pub fn until(&self) -> Instant {
        self.until
    }
}

impl<W: Watch> Shard<W> {
    /// Asks for what the journal does not know; then the connection waits. Gives `wanted` back if the journal has
    /// to do, with the gap that this may mean.
    pub(super) fn prepare(
        &mut self,
        id: ConnectionId,
        identity: &Identity,
        wanted: Wanted,
        now: Instant,
    ) -> Result<(), (Wanted, Gap)> {
        let Some(Archive { past, reply }) = &self.archive else { return Err((wanted, Gap::TooOld)) };
        let view = self.journal.view();
        if let Some(gap) = self.lost_behind(&wanted, &view) {
            return Err((wanted, gap));
        }
        let Some(asks) = asks(&wanted, &view) else { return Err((wanted, Gap::TooOld)) };
        let (queue, timeout) = match asks {
            Asks::Ends(_) => (Some(&past.ends), PAST_ENDS_TIMEOUT),
            Asks::Behind(_) | Asks::Since(_) => (past.readings.as_ref(), past.timeout),
        };
        let Some(queue) = queue else { return Err((wanted, Gap::TooOld)) };
        let (waits, until) = (Arc::new(()), now + timeout);
        let question = Question {
            asks,
            protocol: self.connections[id].protocol,
            keys: Arc::clone(&identity.keys),
            cursors: wanted.cursors,
            traced: self.connections[id].traced,
            until,
            id,
            reply: Arc::clone(reply),
            waits: Arc::downgrade(&waits),
        };
        match queue.try_send(question) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err((wanted, Gap::Busy)),
            Err(TrySendError::Disconnected(_)) => return Err((wanted, Gap::Unavailable)),
        }
        let connection = &mut self.connections[id];
        connection.session.answers_by(until);
        connection.preparing = Some(Box::new(Preparing { wanted, until, _waits: waits }));
        self.join(id, identity, Standing::Preparing, now);
        Ok(())
    }

    /// The answer is there, or too late. A connection that left meanwhile, or was told already, is none of ours.
    pub(super) fn handle_past(&mut self, id: ConnectionId, outcome: Result<Found, Gap>, now: Instant) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(preparing) = connection.preparing.take() else { return };
        let wanted = preparing.wanted;
        // Kafka may have lost something meanwhile.
        let begin = match outcome
            .and_then(|found| self.lost_behind(&wanted, &self.journal.view()).map_or(Ok(found), Err))
        {
            Ok(found) => self.begin_with(&wanted, found),
            Err(gap) => {
                let keys = Arc::clone(&self.connections[id].keys);
                self.begin_now(id, &keys, &wanted, gap)
            }
        };
        let mut actions: Vec<Action> = std::mem::take(&mut self.actions);
        self.tell(id, &wanted, &begin, &mut actions);
        self.actions = actions;
        let Begin { standing, .. } = self.keep(id, &wanted, begin, now);
        self.stand(id, standing);
        self.apply_actions(id, now);
    }
}

/// The question to be asked for `wanted`; none where the journal knows by itself.
fn asks(wanted: &Wanted, view: &View) -> Option<Asks> {
    match &wanted.guard {
        Some(guard) => match view.resume(&guard.positions) {
            None => Some(Asks::Behind(guard.clone())),
            Some(_) => guard.is_ahead_of(view.handled()).then(|| Asks::Ends(guard.clone())),
        },
        None => {
            let older = |since_ms: &i64| view.complete_since().is_some_and(|complete| *since_ms < complete);
            wanted.since_ms.filter(older).map(Asks::Since)
        }
    }
}
