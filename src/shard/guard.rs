//! A fault of ours that one connection meets costs that connection, not its shard.
//!
//! Whatever concerns one connection alone runs under this guard. A panic in it is counted, and the connection is
//! dropped without a word, since its state cannot be trusted; its client comes back. Where it happened is told by the
//! log's panic hook, without what the panic says: that may quote what a client sent.

use super::socket::Watch;
use super::{ConnectionId, Shard};
use crate::limits::READ_BUFFER_BYTES;
use crate::protocol::Ending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

impl<W: Watch> Shard<W> {
    /// None if it panicked; the connection is gone then.
    pub(super) fn guarded<T>(&mut self, id: ConnectionId, work: impl FnOnce(&mut Self) -> T) -> Option<T> {
        // What the shard keeps between connections is put right below.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self)));
        if outcome.is_err() {
            self.bury(id);
        }
        outcome.ok()
    }

    /// Ends connections for a reason of ours.
    pub(super) fn end_each(&mut self, ids: Vec<ConnectionId>, ending: Ending, now: Instant) {
        for id in ids {
            self.guarded(id, |shard| shard.end(id, ending, now));
        }
    }

    fn bury(&mut self, id: ConnectionId) {
        self.actions.clear();
        if self.read_buffer.is_empty() {
            self.read_buffer = vec![0; READ_BUFFER_BYTES].into();
        }
        if let Some(connection) = self.connections.get_mut(id) {
            // Also of one that was about to leave for another reason.
            connection.leave(Ending::Panic);
        }
        // The panic may have come from removing it. It is out of its slot then, and whatever still names it finds
        // nobody.
        let _ = catch_unwind(AssertUnwindSafe(|| self.remove(id, Ending::Panic)));
    }
}

#[cfg(test)]
mod tests;
