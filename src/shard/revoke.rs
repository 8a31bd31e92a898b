//! Connections whose login was revoked, or whose keys are not granted any more: found by one look through all of them
//! for all that came together, and ended a turn's share at a time, so that the others' events and pings have theirs.

use super::Shard;
use super::connection::Connection;
use super::socket::Watch;
use crate::auth::Batch;
use crate::event::Withdrawn;
use crate::limits::DISPATCH_WRITES_MAX;
use crate::protocol::Ending;
use std::time::Instant;

impl<W: Watch> Shard<W> {
    /// Who joins later is judged by all revocations in force, which these are among already.
    pub(super) fn find_revoked(&mut self, batch: &Batch) {
        self.find(Ending::Revoked, |connection| batch.revokes(&connection.login));
    }

    /// Who joins later is judged by the grants that are in force already.
    pub(super) fn find_regranted(&mut self, withdrawn: &Withdrawn) {
        self.find(Ending::Regranted, |connection| withdrawn.concerns(&connection.keys));
    }

    fn find(&mut self, ending: Ending, concerns: impl Fn(&Connection<W::Socket>) -> bool) {
        let joined = self.connections.iter().filter(|connection| connection.is_joined());
        let found = joined.filter(|connection| concerns(connection));
        self.revoked.extend(found.map(|connection| (connection.id, ending)));
    }

    pub(super) fn end_revoked(&mut self, now: Instant) {
        for _ in 0..DISPATCH_WRITES_MAX {
            let Some((id, ending)) = self.revoked.pop() else { return };
            if self.connections.get_mut(id).is_some_and(|connection| connection.is_joined()) {
                self.end(id, ending, now);
            }
        }
    }
}
