//! When which connection is ended while an instance goes down: in random order, evenly over the drain time.
//!
//! Their clients come back to the other instances at the rate at which they are ended here. So a shard that was held
//! up does not make up for it in one go: it goes a quarter faster than even until it is back in time. What is left a
//! moment after the drain time is ended together. Pure: `now` comes in, ids go out.

use super::ConnectionId;
use crate::limits::DRAIN_LATE_MAX;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// What may be ended in one go, as a time at the faster rate: with it no 100 ms see twice the even share.
const BURST: Duration = Duration::from_millis(30);

pub(super) struct Drain {
    /// Those still to be ended, the next one last.
    left: Vec<ConnectionId>,
    total: u32,
    /// The first one's turn: shards do not go in step.
    first: Instant,
    over: Duration,
    late: Instant,
    /// When the next may be ended by the faster rate.
    paced: Instant,
}

impl Drain {
    pub fn new(mut connections: Vec<ConnectionId>, over: Duration, seed: u64, now: Instant) -> Drain {
        let mut random = StdRng::seed_from_u64(seed);
        connections.shuffle(&mut random);
        let total = u32::try_from(connections.len()).expect("CONNECTIONS_MAX fits");
        Drain {
            left: connections,
            total,
            first: now + over.mul_f64(random.random()) / total.max(1),
            over,
            late: now + over + DRAIN_LATE_MAX.min(over),
            paced: now,
        }
    }

    /// Those whose time has come since the last call. Some of them may have left by themselves.
    pub fn due(&mut self, now: Instant) -> Vec<ConnectionId> {
        if now >= self.late {
            return std::mem::take(&mut self.left);
        }
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            due.extend(self.left.pop());
            self.paced =
                self.paced.max(now.checked_sub(BURST).unwrap_or(now)) + self.over / self.total * 4 / 5;
        }
        due
    }

    /// When the next one's time comes, if nobody is late.
    pub fn next(&self) -> Option<Instant> {
        let ended = self.total - u32::try_from(self.left.len()).expect("not more than at the start");
        (!self.left.is_empty()).then(|| self.paced.max(self.first + self.over * ended / self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Duration = Duration::from_secs(10);

    fn ids(count: u32) -> Vec<ConnectionId> {
        (0..count).map(|slot| ConnectionId { slot, generation: 1 }).collect()
    }

    /// Runs a drain whose shard is held up for `stalls` (from, until) milliseconds; gives when each was ended.
    fn run(count: u32, seed: u64, stalls: &[(u64, u64)]) -> Vec<(u64, u32)> {
        let begun = Instant::now();
        let mut drain = Drain::new(ids(count), OVER, seed, begun);
        let mut ended = Vec::new();
        let mut millis = 0;
        while let Some(next) = drain.next() {
            // The event loop sleeps in whole milliseconds.
            let sleep = u64::try_from((next - begun).as_millis()).unwrap() + 1;
            millis = sleep.max(millis);
            millis =
                stalls.iter().find(|(from, until)| (*from..*until).contains(&millis)).map_or(millis, |s| s.1);
            let due = drain.due(begun + Duration::from_millis(millis));
            ended.extend(due.into_iter().map(|id| (millis, id.slot)));
        }
        ended
    }

    /// `ended` is in the order of time.
    fn busiest_100_ms(ended: &[(u64, u32)]) -> usize {
        let before = |at: u64| ended.partition_point(|(other, _)| *other < at);
        ended.iter().map(|(at, _)| before(at + 100) - before(*at)).max().unwrap_or(0)
    }

    #[test]
    fn each_is_ended_once_and_evenly() {
        for seed in 0..5 {
            for count in [1, 7, 1_000, 30_000] {
                let ended = run(count, seed, &[]);
                let mut slots: Vec<u32> = ended.iter().map(|(_, slot)| *slot).collect();
                slots.sort_unstable();
                assert!(slots.into_iter().eq(0..count));
                assert!(ended.iter().all(|(at, _)| *at <= 10_010), "{count} end in time");
                // An even share, and the one that stands on the border.
                assert!(
                    busiest_100_ms(&ended) <= count as usize / 95 + 2,
                    "{count}: {}",
                    busiest_100_ms(&ended)
                );
            }
        }
    }

    #[test]
    fn a_shard_that_was_held_up_ends_at_most_twice_the_even_share_at_a_time() {
        for seed in 0..20 {
            for stalls in [&[(2_000, 2_800)][..], &[(500, 900), (6_000, 6_500)], &[(9_500, 10_300)]] {
                let ended = run(10_000, seed, stalls);
                assert!(busiest_100_ms(&ended) <= 200, "{stalls:?}: {}", busiest_100_ms(&ended));
                assert!(ended.last().is_some_and(|(at, _)| *at < 12_000));
            }
        }
    }

    #[test]
    fn one_that_is_late_beyond_measure_ends_the_rest_together() {
        let ended = run(1_000, 1, &[(5_000, 60_000)]);
        assert_eq!(ended.iter().filter(|(at, _)| *at == 60_000).count(), 500);
    }

    #[test]
    fn the_order_is_the_seeds() {
        let order = |seed| run(100, seed, &[]).into_iter().map(|(_, slot)| slot).collect::<Vec<_>>();
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert!(!order(1).is_sorted());
    }

    #[test]
    fn without_time_all_are_ended_at_once() {
        let now = Instant::now();
        assert_eq!(Drain::new(ids(500), Duration::ZERO, 1, now).due(now).len(), 500);
        assert_eq!(Drain::new(ids(0), OVER, 1, now).next(), None);
    }
}
