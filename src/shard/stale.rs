//! Whoever asked for cursors is told when the picture gets stale, and when it is current again: a `STATUS` between
//! events, with the cursor of where the connection stands, since a client may keep the newest cursor it gets. The same
//! is said to a connection whose cursor would grow old, because it gets few events or none.

use super::connection::{Standing, Told};
use super::socket::Watch;
use super::{ConnectionId, Shard};
use crate::journal::{Guard, Journal, View};
use crate::limits::{CURSOR_RENEWED_PARTS, CURSOR_TOLD_EVERY_MAX, DISPATCH_WRITES_MAX};
use crate::protocol::{Action, Status, status_frame};
use std::time::{Instant, SystemTime};

impl<W: Watch> Shard<W> {
    /// Whoever joins later is told when it joins.
    pub(super) fn handle_stale(&mut self, since: Option<SystemTime>) {
        self.stale_since = since;
        let joined = self.connections.iter().filter(|connection| connection.is_joined());
        let told =
            joined.filter(|connection| connection.cursors.as_ref().is_some_and(|cursors| cursors.sent));
        self.untold = told.map(|connection| connection.id).collect();
        self.untold_in_prelude.clear();
    }

    /// At a ping: a connection that has been told nothing for a good part of the window is told where it stands.
    pub(super) fn renew_cursor(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(cursors) = connection.cursors.as_mut().filter(|cursors| cursors.sent) else { return };
        let Some(told) = &mut cursors.told else { return };
        if is_old(*told, self.next, &self.journal, now) {
            *told = Told { at: now, sequence: self.next };
            self.untold.push(id);
        }
    }

    /// A turn's share of them. While a batch is under way, some live connections have got its entries and others
    /// have not, so there is no saying where one stands; the batch is done in a turn or two.
    pub(super) fn tell_stale(&mut self, now: Instant) {
        if self.dispatch.is_pending() {
            return;
        }
        self.untold.append(&mut self.untold_in_prelude);
        if self.untold.is_empty() {
            return;
        }
        let view = self.journal.view();
        let live_cursor = self.encode(&Guard::at(view.positions_at(self.next)));
        for _ in 0..DISPATCH_WRITES_MAX {
            let Some(id) = self.untold.pop() else { return };
            self.tell_one(id, &view, &live_cursor, now);
        }
    }

    fn tell_one(&mut self, id: ConnectionId, view: &View, live_cursor: &str, now: Instant) {
        let partitions = self.journal.partitions();
        let Some(connection) = self.connections.get_mut(id) else { return };
        let protocol = connection.protocol;
        let Some(cursors) = &mut connection.cursors else { return };
        if connection.prelude.is_some() {
            // It stands at no place of the journal yet.
            self.untold_in_prelude.push(id);
            return;
        }
        let here = match connection.standing {
            // One that was shown the open orders may be ahead of its shard.
            Standing::Live { from } => (from > self.next).then(|| Guard::at(view.positions_at(from))),
            Standing::Lagging(position) if position >= view.oldest() => {
                cursors.meet(&partitions);
                let positions = view.positions_at(position);
                Some(match &cursors.guard {
                    Some(guard) => guard.or_newer(&positions),
                    None => Guard::at(positions),
                })
            }
            // It has fallen out of the window and is about to end, or is ending.
            _ => return,
        };
        let status = Status { resumed: true, gap: None, stale_since: self.stale_since, since: None };
        let cursor = here.map(|here| self.encode(&here));
        let frame = status_frame(protocol, status, Some(cursor.as_deref().unwrap_or(live_cursor)));
        self.actions.push(Action::Send(frame));
        self.apply_actions(id, now);
    }
}

/// By age, or where bytes bound the window by the events that have come since. A window that nothing has left yet has no end that a cursor could fall off.
fn is_old(told: Told, next: u64, journal: &Journal, now: Instant) -> bool {
    let view = journal.view();
    let come = next.saturating_sub(told.sequence);
    let age_max = (journal.max_age() / CURSOR_RENEWED_PARTS).min(CURSOR_TOLD_EVERY_MAX);
    let by_events = view.oldest() > 0
        && come > 0
        && come >= (view.head() - view.oldest()) / u64::from(CURSOR_RENEWED_PARTS);
    now >= told.at + age_max || by_events
}
