//! The latest answers of the login, each for some seconds, and what is being asked.
//!
//! A session has one cell, which the first who asks fills and all others wait for. Time is a parameter;
//! asking, and how long an answer may count, is for the parent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::super::by_age::ByAge;
use super::super::{Claims, Refusal};
use super::SessionValue;

pub(super) type Cell = Arc<OnceCell<Settled>>;

/// What the login has said of a session.
pub(super) struct Settled {
    pub verdict: Result<Arc<Claims>, Refusal>,
    until: Instant,
}

/// A mutex, because each section is a lookup and an insertion; nothing is awaited while it is held.
pub(super) struct Cache {
    slots: Mutex<ByAge<SessionValue, Slot>>,
    capacity: usize,
    ttl: Duration,
    /// After so long a cell is over whatever is in it: an answer has been settled and is too old by then.
    kept: Duration,
}

struct Slot {
    cell: Cell,
    since: Instant,
}

impl Cache {
    /// For `capacity` sessions. `timeout` is the longest that an answer takes, `ttl` how long it counts then.
    pub fn new(capacity: usize, ttl: Duration, timeout: Duration) -> Cache {
        Cache { slots: Mutex::default(), capacity, ttl, kept: timeout + ttl }
    }

    /// The session's cell: filled, being filled, or to be filled by whoever gets it.
    pub fn find(&self, session: &SessionValue, now: Instant) -> Cell {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(session)
            && slot.cell.get().is_none_or(|settled| now < settled.until)
        {
            return Arc::clone(&slot.cell);
        }
        slots.remove(session);
        slots.remove_oldest_while(|held, oldest| {
            held >= self.capacity || now.duration_since(oldest.since) >= self.kept
        });
        let cell = Cell::default();
        slots.insert(session.clone(), Slot { cell: Arc::clone(&cell), since: now });
        cell
    }

    /// An answer that counts for the cache's time to live, or for `most` if that is shorter.
    pub fn settle(&self, verdict: Result<Arc<Claims>, Refusal>, most: Duration, now: Instant) -> Settled {
        Settled { verdict, until: now + self.ttl.min(most) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(5);
    const TIMEOUT: Duration = Duration::from_secs(2);

    fn session(value: &str) -> SessionValue {
        SessionValue::parse(value).unwrap()
    }

    fn refusal(cell: &Cell) -> Option<Refusal> {
        cell.get().map(|settled| settled.verdict.clone().unwrap_err())
    }

    #[test]
    fn an_answer_counts_for_a_while() {
        let (cache, start) = (Cache::new(8, TTL, TIMEOUT), Instant::now());
        for (value, most, expected) in [("a", Duration::MAX, TTL), ("b", TTL / 2, TTL / 2)] {
            let settled = cache.settle(Err(Refusal::UnknownSession), most, start);
            assert!(cache.find(&session(value), start).set(settled).is_ok());
            let soon = start + expected - Duration::from_nanos(1);
            assert_eq!(refusal(&cache.find(&session(value), soon)), Some(Refusal::UnknownSession));
            assert_eq!(refusal(&cache.find(&session(value), start + expected)), None);
        }
        let failed = cache.settle(Err(Refusal::LookupFailed), Duration::ZERO, start);
        assert!(cache.find(&session("c"), start).set(failed).is_ok());
        assert_eq!(refusal(&cache.find(&session("c"), start)), None);
    }

    #[test]
    fn whoever_asks_meanwhile_waits_for_the_same_answer() {
        let (cache, start) = (Cache::new(8, TTL, TIMEOUT), Instant::now());
        let first = cache.find(&session("a"), start);
        assert!(Arc::ptr_eq(&first, &cache.find(&session("a"), start + TIMEOUT)));
        assert!(!Arc::ptr_eq(&first, &cache.find(&session("b"), start)));
    }

    #[test]
    fn sessions_are_bounded_and_old_ones_forgotten() {
        let (cache, start) = (Cache::new(3, TTL, TIMEOUT), Instant::now());
        let held = |cache: &Cache| cache.slots.lock().keys();
        for value in ["a", "b", "c", "a", "d"] {
            cache.find(&session(value), start);
        }
        assert_eq!(held(&cache), ["b", "c", "d"].map(session));
        cache.find(&session("e"), start + TIMEOUT + TTL);
        assert_eq!(held(&cache), ["e"].map(session));
    }
}
