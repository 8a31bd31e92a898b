//! `open=1`: each open order that a connection may see, as its `order:new` and its newest condition, then the journal.
//!
//! A view of the journal gives the open orders together with the sequence that they are as of, so the journal goes
//! on behind them with no gap and no double, whatever comes meanwhile. The picture is walked in shares; nothing is
//! copied. Only the last frame has a cursor, as of that sequence: whoever breaks off before it has none, and gets
//! the orders again.

use super::prelude::Prelude;
use super::socket::Watch;
use super::{ConnectionId, Shard};
use crate::event::{Key, OpenOrder, OpenOrders, Shown, Turn, shared};
use crate::journal::Guard;
use crate::limits::OPEN_ORDERS_SHARE;
use crate::protocol::{Protocol, cursor_frame};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// What stands for a cursor while there is none yet. Unlike an empty one, the official Socket.IO client keeps it. No
/// cursor begins with it: a cursor's first letter is its version's.
pub(super) const NO_CURSOR: &str = "-";

/// The open orders of one connection, as far as they are not written yet.
#[derive(Debug)]
pub(super) struct OpenWalk {
    orders: OpenOrders,
    keys: Arc<[Key]>,
    protocol: Protocol,
    after: Option<Turn>,
    /// The last order is among the frames, or written.
    exhausted: bool,
    frames: VecDeque<Bytes>,
    /// For the last frame.
    cursor: Option<String>,
}

impl<W: Watch> Shard<W> {
    /// What shows the open orders to a connection with these keys, and where the journal goes on behind it; none if
    /// there are none that it may see.
    pub(super) fn open_orders(&self, id: ConnectionId, keys: &Arc<[Key]>) -> Option<(Prelude, u64)> {
        let connection = &self.connections[id];
        let view = self.journal.view();
        let mut walk = OpenWalk {
            orders: view.orders().clone(),
            keys: Arc::clone(keys),
            protocol: connection.protocol,
            after: None,
            exhausted: false,
            frames: VecDeque::new(),
            cursor: None,
        };
        walk.fill();
        if walk.frames.is_empty() {
            return None;
        }
        if connection.cursors.as_ref().is_some_and(|cursors| cursors.sent) {
            let here = Guard::at(view.positions_at(view.head()));
            walk.end_with(self.journal.codec().encode(&self.journal.partitions(), &here));
        }
        Some((Prelude::of_orders(walk), view.head()))
    }
}

impl OpenWalk {
    /// Frames that can be written now. The last of all waits until it is known to be that.
    pub fn frames(&mut self) -> impl Iterator<Item = &Bytes> {
        self.fill();
        let ready = if self.exhausted { self.frames.len() } else { self.frames.len().saturating_sub(1) };
        self.frames.iter().take(ready)
    }

    /// The first `count` frames are written; returns their bytes.
    pub fn advance(&mut self, count: usize) -> usize {
        self.frames.drain(..count).map(|frame| frame.len()).sum()
    }

    pub fn is_done(&self) -> bool {
        self.exhausted && self.frames.is_empty()
    }

    fn end_with(&mut self, cursor: String) {
        self.cursor = Some(cursor);
        self.mark_last();
    }

    fn fill(&mut self) {
        while !self.exhausted && self.frames.len() < 2 {
            let found = self.orders.find(&self.keys, self.after, OPEN_ORDERS_SHARE);
            self.after = found.last().map(|order| order.turn);
            // Where clients of this protocol get no orders, the first one tells: that is the catalog's, not the order's.
            let is_shown = |order: &&OpenOrder| order.opened.frames.get(self.protocol).is_some();
            self.exhausted = found.len() < OPEN_ORDERS_SHARE || !found.first().is_some_and(is_shown);
            let shown = found.into_iter().filter(is_shown);
            let shown = shown.flat_map(|order| [Some(&order.opened), order.newest.as_ref()]).flatten();
            let may_see = |shown: &&Shown| shared(&shown.audience, &self.keys).next().is_some();
            let frames = shown.filter(may_see).filter_map(|shown| shown.frames.get(self.protocol).cloned());
            self.frames.extend(frames);
        }
        self.mark_last();
    }

    fn mark_last(&mut self) {
        if self.exhausted
            && let Some(last) = self.frames.back_mut()
            && let Some(cursor) = self.cursor.take()
        {
            *last = cursor_frame(self.protocol, last, &cursor);
        }
    }
}
