//! The judge is judged: the decisions on which the promises rest, each of which can be taken wrongly in a test.
//!
//! The product's code asks [`Broken::is_on`] where such a decision is taken, in builds for tests only.

use crate::journal::View;
use crate::protocol::Protocol;
use std::cell::Cell;
use std::ops::Range;

/// Something that the product could get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// What a resumed client has got already, from an instance with another order, is not skipped.
    NoGuard,
    /// Whoever goes live stands in the index already, and then takes the journal's newest position, not the shard's.
    JoinsBeforePosition,
    /// Whether a client may see what it catches up on is asked when it is written.
    FiltersAfterWrite,
    /// An instance that is behind its client gives it its own position.
    CursorGoesBack,
    /// A client that is older than the window is told that it goes on where it was.
    HidesGap,
    /// Records that come again after a rebalance are events again.
    TakesRepeated,
    /// Clients that are there when a topic is made anew are not told.
    HidesRecreated,
    /// A topic that was made anew keeps its old partitions, which have ended: its records are refused.
    RefusesRecreated,
    /// A cursor of a topic that was is one of the topic that is.
    ForgetsTopicIds,
    /// Whoever comes back is told of a gap, whatever lies behind the cursor.
    TellsNeedlessGap,
}

thread_local! {
    /// By thread, since tests run side by side.
    static BROKEN: Cell<Option<Broken>> = const { Cell::new(None) };
}

impl Broken {
    pub const ALL: [Broken; 10] = [
        Broken::NoGuard,
        Broken::JoinsBeforePosition,
        Broken::FiltersAfterWrite,
        Broken::CursorGoesBack,
        Broken::HidesGap,
        Broken::TakesRepeated,
        Broken::HidesRecreated,
        Broken::RefusesRecreated,
        Broken::ForgetsTopicIds,
        Broken::TellsNeedlessGap,
    ];

    pub fn is_on(self) -> bool {
        BROKEN.get() == Some(self)
    }

    /// Breaks that, or nothing, in this thread.
    pub fn set(broken: Option<Broken>) {
        BROKEN.set(broken);
    }
}

/// Instead of what a reader may see, all that there is.
pub(crate) fn filter_after_write(view: &View, protocol: Protocol, read: Range<u64>, found: &mut Vec<u64>) {
    if Broken::FiltersAfterWrite.is_on() {
        let has_frame = |at: &u64| view.entry(*at).is_some_and(|entry| entry.frames.get(protocol).is_some());
        *found = read.filter(has_frame).collect();
    }
}
