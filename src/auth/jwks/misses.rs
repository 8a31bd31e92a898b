//! Names of keys that tokens bear and the set does not have, and whether that is known by now.
//!
//! A name is unknown when the set was fetched after somebody first bore it. That holds as long as the set
//! may not be fetched again; then it is open once more. Time is a parameter.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use crate::limits;

/// What can be said of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The next fetch will tell.
    Open,
    /// The issuer has no such key.
    Unknown,
}

#[derive(Default)]
pub(super) struct Misses {
    /// Since when a name is borne, by its hash: a name is as long as its token likes.
    first_borne: HashMap<u64, Instant>,
    hasher: RandomState,
    /// When the last good fetch began.
    good: Option<Instant>,
    /// When the last fetch began.
    began: Option<Instant>,
    is_under_way: bool,
}

impl Misses {
    pub fn fetch_begins(&mut self, now: Instant) {
        self.began = Some(now);
        self.is_under_way = true;
    }

    pub fn fetch_ends(&mut self, began: Instant, is_good: bool) {
        self.is_under_way = false;
        if is_good {
            self.good = Some(began);
        }
    }

    /// A token without a name waits for a first set only: a further one would bring it nothing by that.
    pub fn standing(&mut self, kid: Option<&str>, now: Instant) -> Standing {
        let Some(good) = self.good else { return Standing::Open };
        let Some(kid) = kid else { return Standing::Unknown };
        let hash = self.hasher.hash_one(kid);
        let first_borne = match self.first_borne.get(&hash) {
            Some(first) if *first < good && now >= good + limits::JWKS_INTERVAL_MIN => None,
            other => other.copied(),
        };
        match first_borne {
            Some(first) if first < good => Standing::Unknown,
            Some(_) => Standing::Open,
            None => {
                self.remember(hash, now);
                Standing::Open
            }
        }
    }

    /// Whether a fetch is under way, or may begin at once.
    pub fn is_fetch_near(&self, now: Instant) -> bool {
        self.is_under_way || self.began.is_none_or(|began| now >= began + limits::JWKS_INTERVAL_MIN)
    }

    fn remember(&mut self, hash: u64, now: Instant) {
        if self.first_borne.len() >= limits::JWKS_MISSES_MAX {
            self.first_borne.clear();
        }
        self.first_borne.insert(hash, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const INTERVAL: Duration = limits::JWKS_INTERVAL_MIN;

    #[test]
    fn a_name_is_unknown_once_the_set_was_fetched_after_it_was_borne() {
        let (mut misses, start) = (Misses::default(), Instant::now());
        let second = |second| start + Duration::from_secs(second);
        assert_eq!(misses.standing(None, start), Standing::Open);
        assert_eq!(misses.standing(Some("a"), start), Standing::Open);
        misses.fetch_begins(second(1));
        misses.fetch_ends(second(1), true);
        assert_eq!(misses.standing(None, second(2)), Standing::Unknown);
        assert_eq!(
            misses.standing(Some("a"), second(2)),
            Standing::Open,
            "nothing was remembered before a set"
        );
        misses.fetch_begins(second(31));
        assert_eq!(misses.standing(Some("late"), second(32)), Standing::Open);
        misses.fetch_ends(second(31), true);
        assert_eq!(misses.standing(Some("a"), second(33)), Standing::Unknown);
        assert_eq!(
            misses.standing(Some("late"), second(33)),
            Standing::Open,
            "that fetch was already under way"
        );
    }

    #[test]
    fn a_failed_fetch_settles_nothing() {
        let (mut misses, start) = (Misses::default(), Instant::now());
        misses.fetch_ends(start, true);
        assert_eq!(misses.standing(Some("a"), start), Standing::Open);
        misses.fetch_ends(start + INTERVAL, false);
        assert_eq!(misses.standing(Some("a"), start + INTERVAL), Standing::Open);
    }

    #[test]
    fn an_unknown_name_is_open_again_when_the_set_may_be_fetched_again() {
        let (mut misses, start) = (Misses::default(), Instant::now());
        misses.fetch_ends(start, true);
        misses.standing(Some("a"), start);
        let fetched = start + INTERVAL;
        misses.fetch_ends(fetched, true);
        let soon = fetched + INTERVAL - Duration::from_nanos(1);
        assert_eq!(misses.standing(Some("a"), soon), Standing::Unknown);
        assert_eq!(misses.standing(Some("a"), fetched + INTERVAL), Standing::Open);
    }

    #[test]
    fn names_are_bounded() {
        let (mut misses, start) = (Misses::default(), Instant::now());
        misses.fetch_ends(start, true);
        for number in 0..=limits::JWKS_MISSES_MAX {
            misses.standing(Some(&number.to_string()), start);
        }
        assert_eq!(misses.first_borne.len(), 1);
    }
}
