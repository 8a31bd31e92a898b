//! What a connection gets before it reads the journal: frames from outside of it, for this connection alone.
//!
//! In: finished frames in their order, and the sequence at which the journal goes on behind them. Out: the same
//! frames, in the bounded shares in which lagging connections catch up, then the journal. Who makes the frames
//! sees to it that the connection may see them, and that with the journal behind there is no gap and no double
//! (by the sequence, or by a guard). The connection lags all the while: it is closed when it takes nothing for
//! too long, and when the window leaves the sequence behind.

use super::catch_up::{Progress, within_share};
use super::open::OpenWalk;
use super::socket::Watch;
use super::{ConnectionId, Shard};
use crate::limits::{PRELUDE_MAX_BYTES, PRELUDES_MAX_BYTES};
use crate::metrics::{Held, HeldBytes};
use crate::protocol::Ending;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// What waits for one connection.
#[derive(Debug)]
pub struct Prelude(Content);

#[derive(Debug)]
enum Content {
    /// They count as held until they are written, or the connection is gone.
    Frames { frames: VecDeque<Bytes>, held: Held },
    /// Shared with the journal and with all others who see the same.
    Orders(OpenWalk),
}

impl Prelude {
    /// None if that is more than one connection, or all together, may hold.
    pub fn new(frames: VecDeque<Bytes>, preludes: &HeldBytes) -> Option<Prelude> {
        let bytes = frames.iter().map(Bytes::len).sum();
        let fits = bytes <= PRELUDE_MAX_BYTES && preludes.bytes().saturating_add(bytes) <= PRELUDES_MAX_BYTES;
        fits.then(|| Prelude(Content::Frames { frames, held: preludes.hold(bytes) }))
    }

    pub(super) fn of_orders(walk: OpenWalk) -> Prelude {
        Prelude(Content::Orders(walk))
    }

    /// What of it nobody else holds.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.0 {
            Content::Frames { held, .. } => held.bytes(),
            Content::Orders(_) => 0,
        }
    }

    fn share(&mut self) -> Vec<Bytes> {
        match &mut self.0 {
            Content::Frames { frames, .. } => within_share(frames.iter().cloned()),
            Content::Orders(walk) => within_share(walk.frames().cloned()),
        }
    }

    fn is_done(&self) -> bool {
        match &self.0 {
            Content::Frames { frames, .. } => frames.is_empty(),
            Content::Orders(walk) => walk.is_done(),
        }
    }

    /// The first `count` frames are written; returns their bytes.
    fn advance(&mut self, count: usize) -> usize {
        match &mut self.0 {
            Content::Frames { frames, held } => {
                let written = frames.drain(..count).map(|frame| frame.len()).sum();
                held.release(written);
                written
            }
            Content::Orders(walk) => walk.advance(count),
        }
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
        let share = prelude.share();
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
        connection.prelude = Some(prelude).filter(|prelude| !prelude.is_done());
        if taken.blocked { Progress::Blocked } else { Progress::More }
    }
}

#[cfg(test)]
mod tests;
