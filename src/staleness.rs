//! Whether what clients see is what there is: finds partitions that have records and stand still.
//!
//! Looked at once a second. In: the partitions that are behind, each with its position, and the time. Out: the
//! news that the picture is stale, or current again. A partition that is behind and moves is busy, not stalled.
//! Why it stands (no schema, no broker) is for others to say.

use crate::consume::Behind;
use crate::limits::{STALE_AFTER, STALE_LOOK_INTERVAL};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Default)]
pub struct Staleness {
    /// The partitions that were behind at the newest look.
    behind: BTreeMap<(String, i32), Still>,
    looked_at: Option<Instant>,
    stale_since: Option<Instant>,
}

/// Where a partition stands, and since when at the earliest.
#[derive(Debug, Clone, Copy)]
struct Still {
    position: i64,
    since: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What is older than `since` is complete. The partition is the one that has stood longest.
    Stale {
        since: SystemTime,
        topic: String,
        partition: i32,
    },
    Current {
        stale_for: Duration,
    },
}

impl Staleness {
    pub fn is_due(&self, now: Instant) -> bool {
        self.looked_at.is_none_or(|at| now.duration_since(at) >= STALE_LOOK_INTERVAL)
    }

    pub fn look(
        &mut self,
        behind: impl Iterator<Item = Behind>,
        now: Instant,
        wall: SystemTime,
    ) -> Option<News> {
        // What is seen to stand for the first time may have stood since just after the look before.
        let earliest = self.looked_at.replace(now).unwrap_or(now);
        let before = std::mem::take(&mut self.behind);
        for Behind { topic, partition, position } in behind {
            let key = (topic, partition);
            let stood = before.get(&key).filter(|still| still.position == position);
            let since = stood.map_or(earliest, |still| still.since);
            self.behind.insert(key, Still { position, since });
        }
        self.judge(now, wall)
    }

    /// Stale until nothing stands still any more: which partition does may change meanwhile.
    fn judge(&mut self, now: Instant, wall: SystemTime) -> Option<News> {
        let longest = self.still_for_long(now).min_by_key(|(_, still)| still.since);
        match (longest, self.stale_since) {
            (Some(((topic, partition), still)), None) => {
                let since = still.since;
                let news = News::Stale {
                    since: wall - now.duration_since(since),
                    topic: topic.clone(),
                    partition: *partition,
                };
                self.stale_since = Some(since);
                Some(news)
            }
            (None, Some(since)) => {
                self.stale_since = None;
                Some(News::Current { stale_for: now.duration_since(since) })
            }
            _ => None,
        }
    }

    /// How many partitions stand still.
    pub fn stalled(&self, now: Instant) -> usize {
        self.still_for_long(now).count()
    }

    pub fn stale_for(&self, now: Instant) -> Duration {
        self.stale_since.map_or(Duration::ZERO, |since| now.duration_since(since))
    }

    fn still_for_long(&self, now: Instant) -> impl Iterator<Item = (&(String, i32), &Still)> {
        let longest = STALE_AFTER + STALE_LOOK_INTERVAL;
        self.behind.iter().filter(move |(_, still)| now.duration_since(still.since) >= longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second, from second 0 on, each time at these (partition, position); gives the second and the
    /// partition of each news, none where it became current.
    fn check(looks: impl IntoIterator<Item = Vec<(i32, i64)>>, expected: &[(u64, Option<i32>, u64)]) {
        let (start, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
        let mut staleness = Staleness::default();
        let mut news = Vec::new();
        for (second, behind) in (0..).zip(looks) {
            let after = Duration::from_secs(second);
            let behind = behind.into_iter().map(|(partition, position)| Behind {
                topic: "t".to_owned(),
                partition,
                position,
            });
            match staleness.look(behind, start + after, wall + after) {
                None => {}
                Some(News::Stale { since, partition, .. }) => {
                    let since = since.duration_since(wall).unwrap().as_secs();
                    assert_eq!(staleness.stale_for(start + after).as_secs(), second - since);
                    news.push((second, Some(partition), since));
                }
                Some(News::Current { stale_for }) => news.push((second, None, stale_for.as_secs())),
            }
        }
        assert_eq!(news, expected);
    }

    fn same(seconds: usize, behind: &[(i32, i64)]) -> Vec<Vec<(i32, i64)>> {
        vec![behind.to_vec(); seconds]
    }

    #[test]
    fn a_partition_that_stands_still_is_told_once_and_its_recovery_too() {
        let looks = [same(3, &[]), same(9, &[(0, 7)]), same(3, &[])].concat();
        // First seen at 3, current at 2, told when it has stood for more than 5 s.
        check(looks, &[(8, Some(0), 2), (12, None, 10)]);
    }

    #[test]
    fn less_than_the_limit_is_nothing() {
        check([same(3, &[]), same(5, &[(0, 7)]), same(9, &[])].concat(), &[]);
    }

    #[test]
    fn a_backlog_that_moves_is_no_standstill() {
        check((0..30).map(|position| vec![(0, position)]), &[]);
        check((0..30).map(|second| vec![(0, second / 4)]), &[]);
    }

    #[test]
    fn stale_lasts_until_no_partition_stands_still() {
        let looks = [
            same(1, &[]),
            same(4, &[(0, 7)]),
            same(6, &[(0, 7), (1, 3)]),
            same(3, &[(1, 3)]),
            same(2, &[(1, 4)]),
        ];
        check(looks.concat(), &[(6, Some(0), 0), (14, None, 14)]);
    }

    #[test]
    fn it_is_looked_at_once_a_second() {
        let (mut staleness, now) = (Staleness::default(), Instant::now());
        assert!(staleness.is_due(now));
        staleness.look(std::iter::empty(), now, SystemTime::now());
        assert!(!staleness.is_due(now + STALE_LOOK_INTERVAL - Duration::from_millis(1)));
        assert!(staleness.is_due(now + STALE_LOOK_INTERVAL));
    }
}
