//! The start: what is read back before the instance is ready, how far that is, and which part of it is only
//! looked at for its orders.

use crate::consume::{Backlog, BegunPartition, Record};
use crate::limits::START_PROGRESS_INTERVAL;
use crate::metrics::Metrics;
use std::collections::HashMap;
use std::time::Instant;

/// Tells how far reading back is, in the log and in the metrics, until it is done.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    told: Instant,
    done: bool,
}

impl Progress {
    pub fn new(now: Instant) -> Progress {
        Progress { began: now, told: now, done: false }
    }

    /// To be called every now and then until the instance is ready, and then.
    pub fn report(&mut self, backlog: impl Fn() -> Backlog, ready: bool, metrics: &Metrics, now: Instant) {
        if self.done {
            return;
        }
        let Backlog { found, left } = backlog();
        metrics.start_records_left(if ready { 0 } else { left });
        let seconds = now.duration_since(self.began).as_secs_f64();
        if ready {
            self.done = true;
            metrics.start_seconds(seconds);
            tracing::info!(records = found, seconds, "read back what was there at the start");
        } else if left > 0 && now.duration_since(self.told) >= START_PROGRESS_INTERVAL {
            self.told = now;
            // A topic that was made anew meanwhile may have more than was found.
            let done = found.saturating_sub(left);
            let per_cent = (done * 100).checked_div(found).unwrap_or(100);
            tracing::info!(done, of = found, per_cent, "reading back what was there at the start");
        }
    }
}

/// Partitions that are read from before the window.
#[derive(Debug, Default)]
pub(super) struct LookBack {
    partitions: HashMap<(String, i32), Older>,
}

#[derive(Debug)]
struct Older {
    window: i64,
    /// Behind the newest record looked at.
    next: i64,
}

impl LookBack {
    pub fn begin(&mut self, begun: &BegunPartition) {
        if begun.start < begun.window {
            let older = Older { window: begun.window, next: begun.start };
            self.partitions.insert((begun.topic.clone(), begun.partition), older);
        }
    }

    /// What came before the window is not there any more.
    pub fn forget(&mut self, topic: &str, partition: i32) {
        self.partitions.remove(&(topic.to_owned(), partition));
    }

    /// Whether a record is older than the window; if so, whether it has been looked at already.
    pub fn has_seen(&self, record: Record<'_>) -> Option<bool> {
        if self.partitions.is_empty() {
            return None;
        }
        let older = self.partitions.get(&(record.topic.to_owned(), record.partition))?;
        (record.offset < older.window).then_some(record.offset < older.next)
    }

    /// A record is done with, and those before it.
    pub fn passed(&mut self, record: Record<'_>) {
        if self.partitions.is_empty() {
            return;
        }
        let place = (record.topic.to_owned(), record.partition);
        let Some(older) = self.partitions.get_mut(&place) else { return };
        older.next = older.next.max(record.offset + 1);
        if older.next >= older.window {
            self.partitions.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::OwnedRecord;

    #[test]
    fn progress_is_told_while_there_is_something_to_read() {
        let (began, metrics) = (Instant::now(), Metrics::new());
        let now = began + START_PROGRESS_INTERVAL;
        let check = |found, left, told: bool| {
            let mut progress = Progress::new(began);
            progress.report(|| Backlog { found, left }, false, &metrics, now);
            assert_eq!(progress.told == now, told, "{left} of {found}");
        };
        check(10, 10, true);
        check(10, 1, true);
        check(10, 0, false);
        check(0, 0, false);
    }

    #[test]
    fn what_is_older_than_the_window_is_looked_at_once() {
        let mut look_back = LookBack::default();
        let begun = |partition, start| BegunPartition { topic: "t".to_owned(), partition, window: 10, start };
        look_back.begin(&begun(0, 5));
        look_back.begin(&begun(1, 10));
        let record = |partition, offset| OwnedRecord {
            topic: "t".to_owned(),
            partition,
            offset,
            ..OwnedRecord::default()
        };
        let seen =
            |look_back: &LookBack, partition, offset| look_back.has_seen(record(partition, offset).lend());
        assert_eq!(
            [seen(&look_back, 0, 9), seen(&look_back, 0, 10), seen(&look_back, 1, 9)],
            [Some(false), None, None]
        );
        look_back.passed(record(0, 7).lend());
        assert_eq!([seen(&look_back, 0, 7), seen(&look_back, 0, 8)], [Some(true), Some(false)]);
        look_back.passed(record(0, 12).lend());
        assert!(look_back.partitions.is_empty());
    }

    #[test]
    fn what_has_become_more_since_the_start_is_no_progress() {
        let now = Instant::now();
        let mut progress = Progress::new(now);
        let backlog = || Backlog { found: 10, left: 12 };
        progress.report(backlog, false, &Metrics::new(), now + START_PROGRESS_INTERVAL);
        assert_eq!(progress.told, now + START_PROGRESS_INTERVAL);
    }
}
