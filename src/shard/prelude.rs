//! What a connection gets before it reads the journal: frames from outside of it, for this connection alone.
//!
//! In: finished frames in their order, and the sequence at which the journal goes on behind them. Out: the same
//! frames, in the bounded shares in which lagging connections catch up, then the journal. Who makes the frames
//! sees to it that the connection may see them, and that with the journal behind there is no gap and no double
//! (by the sequence, or by a guard). The connection lags all the while: it is closed when it takes nothing for
//! too long, and when the window leaves the sequence behind.

use super::catch_up::{Progress, within_share};
use super::socket::Watch;
use super::{ConnectionId, Shard};
use crate::limits::{PRELUDE_MAX_BYTES, PRELUDES_MAX_BYTES};
use crate::metrics::{Held, HeldBytes};
use crate::protocol::Ending;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// Frames that wait for one connection. They count as held until they are written, or the connection is gone.
#[derive(Debug)]
pub struct Prelude {
    frames: VecDeque<Bytes>,
    held: Held,
}

impl Prelude {
    /// None if that is more than one connection, or all together, may hold.
    pub fn new(frames: VecDeque<Bytes>, preludes: &HeldBytes) -> Option<Prelude> {
        let bytes = frames.iter().map(Bytes::len).sum();
        let fits = bytes <= PRELUDE_MAX_BYTES && preludes.bytes().saturating_add(bytes) <= PRELUDES_MAX_BYTES;
        fits.then(|| Prelude { frames, held: preludes.hold(bytes) })
    }

    /// The first `count` frames are written; returns their bytes.
    fn advance(&mut self, count: usize) -> usize {
        let written = self.frames.drain(..count).map(|frame| frame.len()).sum();
        self.held.release(written);
        written
    }
}

impl<W: Watch> Shard<W> {
    /// One share of a connection's prelude; what was written goes off the turn's budget.
    pub(super) fn write_prelude(
        &mut self,
        id: ConnectionId,
        mut prelude: Box<Prelude>,
        budget_bytes: &mut usize,
        now: Instant,
    ) -> Progress {
        let connection = &mut self.connections[id];
        let share = within_share(prelude.frames.iter().cloned());
        let Ok(taken) = connection.write_frames(&share, now) else {
            self.remove(id, Ending::Gone);
            return Progress::Done;
        };
        let written_at = self.clock.wall();
        for _ in 0..taken.frames {
            // They are old by intention, so they say nothing of our latency.
            self.metrics.delivered(connection.protocol, None, written_at);
        }
        *budget_bytes = budget_bytes.saturating_sub(prelude.advance(taken.frames));
        connection.prelude = Some(prelude).filter(|prelude| !prelude.frames.is_empty());
        if taken.blocked { Progress::Blocked } else { Progress::More }
    }
}

#[cfg(test)]
mod tests;
