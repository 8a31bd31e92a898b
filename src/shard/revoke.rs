//! Connections whose login was revoked: found by one look through all of them for all revocations that came
//! together, and ended a turn's share at a time, so that the others' events and pings have theirs.

use super::Shard;
use super::socket::Watch;
use crate::auth::Batch;
use crate::limits::DISPATCH_WRITES_MAX;
use crate::protocol::Ending;
use std::time::Instant;

impl<W: Watch> Shard<W> {
    /// Who joins later is judged by all revocations in force, which these are among already.
    pub(super) fn find_revoked(&mut self, batch: &Batch) {
        let joined = self.connections.iter().filter(|connection| connection.is_joined());
        let revoked = joined.filter(|connection| batch.revokes(&connection.login));
        self.revoked.extend(revoked.map(|connection| connection.id));
    }

    pub(super) fn end_revoked(&mut self, now: Instant) {
        for _ in 0..DISPATCH_WRITES_MAX {
            let Some(id) = self.revoked.pop() else { return };
            if self.connections.get_mut(id).is_some_and(|connection| connection.is_joined()) {
                self.end(id, Ending::Revoked, now);
            }
        }
    }
}
