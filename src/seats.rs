//! Places that are taken and given back: so many in all, and so many for each of whoever.
//!
//! In comes who wants one (an address, a user, or nobody in particular); out comes a [`Seat`] that gives the place
//! back when it is dropped, wherever that happens, or which of the two bounds was met. Only who holds a seat is
//! remembered, so the table is as large as what it counts.

use crate::lock::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Seats {
    in_all: usize,
    for_each: usize,
    /// A mutex, because each section is one lookup; it is taken twice in a connection's life.
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    by_holder: HashMap<Arc<str>, usize>,
}

/// One place, for as long as it is kept.
pub struct Seat {
    taken: Arc<Mutex<Taken>>,
    holder: Option<Arc<str>>,
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    InAll,
    ForOne,
}

impl Seats {
    pub fn new(in_all: usize, for_each: usize) -> Seats {
        Seats { in_all, for_each, taken: Arc::default() }
    }

    /// A place for `holder`; for nobody in particular, only what there is in all counts.
    pub fn take(&self, holder: Option<&str>) -> Result<Seat, Full> {
        let mut taken = self.taken.lock();
        if taken.in_all >= self.in_all {
            return Err(Full::InAll);
        }
        let holder = holder.map(Arc::from);
        if let Some(holder) = &holder {
            let count = taken.by_holder.entry(Arc::clone(holder)).or_default();
            if *count >= self.for_each {
                return Err(Full::ForOne);
            }
            *count += 1;
        }
        taken.in_all += 1;
        Ok(Seat { taken: Arc::clone(&self.taken), holder })
    }

    /// Nobody at all would get one.
    pub fn are_taken(&self) -> bool {
        self.taken.lock().in_all >= self.in_all
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.in_all -= 1;
        let Some(holder) = &self.holder else { return };
        if let Some(count) = taken.by_holder.get_mut(holder) {
            *count -= 1;
            if *count == 0 {
                taken.by_holder.remove(holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_for_each_and_in_all_and_come_back() {
        let seats = Seats::new(4, 2);
        let take = |holder| seats.take(holder).err();
        let held = [seats.take(Some("a")), seats.take(Some("a"))];
        assert_eq!(take(Some("a")), Some(Full::ForOne));
        assert_eq!(take(Some("b")), None);
        let more = [seats.take(None), seats.take(Some("b"))];
        assert!(held.iter().chain(&more).all(Result::is_ok));
        assert!(seats.are_taken());
        assert_eq!(take(Some("c")), Some(Full::InAll));
        assert_eq!(take(None), Some(Full::InAll));
        drop(held);
        assert!(!seats.are_taken());
        assert_eq!(take(Some("a")), None);
        drop(more);
        let taken = seats.taken.lock();
        assert_eq!((taken.in_all, taken.by_holder.len()), (0, 0));
    }

    #[test]
    fn a_bound_of_none_takes_nobody_who_is_somebody() {
        let seats = Seats::new(1, 0);
        assert_eq!(seats.take(Some("a")).err(), Some(Full::ForOne));
        assert!(seats.take(None).is_ok());
    }
}
