//! Which offset each partition is read from, and whether all that was there at the start has been read.
//!
//! A partition is (re)assigned at the offset behind the newest one handled; else, if it existed at the start, at
//! the offset found for it then; else it is new, and read from its beginning. Pure: the Kafka side feeds it.

mod verdict;

pub(super) use verdict::{Answer, Bounds, Doubt, Doubts, Verdict};

use super::{Backlog, Behind};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Assignment {
    topics: HashMap<String, HashMap<i32, Progress>>,
    /// What existed at the start is known.
    pub started: bool,
    /// The group has given us partitions. A group that does not let us in gives none, and nothing would be read.
    pub joined: bool,
    /// The group counts us in, and all its brokers are heard, by the newest statistics and all errors since.
    pub settled: bool,
    /// Polls without a record, since the newest statistics, until the client is taken for drained.
    polls_until_drained: u8,
    /// Offsets from the starts to the ends found at the start.
    found: u64,
}

/// Polls without a record until what was fetched counts as given. One comes back empty-handed for an event that is no
/// record (a commit, a rebalance, statistics), and records may stand behind that; so many in a second do not.
const EMPTY_POLLS: u8 = 12;

/// What a poll counts that found nothing for all the time that it waited.
const EMPTY_WAIT: u8 = EMPTY_POLLS / 2;

/// Statistics that may still tell how far the client was before it paused, or was to read a partition anew: what it
/// had fetched it threw away, and until its next fetch, which waits for the one under way, it does not say so.
const STALE_STATISTICS: u8 = 3;

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Where to start; none for a partition first seen after the start.
    start: Option<i64>,
    /// The end of the partition when the service started: reaching it is having caught up.
    target: Option<i64>,
    /// Behind the newest offset handled.
    next: Option<i64>,
    /// Behind the newest offset that is known to be handled or to hold no record.
    passed: Option<i64>,
    /// A record of it waits, and those behind it, given by the client or not.
    waiting: bool,
    /// It does not even give records to wait; what the client says of its own progress then means nothing.
    paused: bool,
    /// How many of the next statistics say nothing.
    stale_statistics: u8,
    /// The client has fetched all there is up to here, by its newest statistics.
    fetched_to_end: Option<i64>,
    /// And has given all of that.
    drained: bool,
    /// There are records that are not handled, or there may be some that we cannot ask for.
    behind: bool,
    /// The group has taken it from us because it had not heard of us, and has not given it back yet.
    lost: bool,
    /// The group has taken it from us, whyever.
    away: bool,
    /// It does not exist any more.
    gone: bool,
    /// Where reading stood when the brokers were asked what the topic has.
    asked_at: Option<i64>,
}

impl Progress {
    /// The client throws away what it has fetched and not given.
    fn fetch_anew(&mut self) {
        (self.fetched_to_end, self.drained) = (None, false);
        self.stale_statistics = STALE_STATISTICS;
    }
}

/// What the client's statistics say of a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetched {
    /// The next offset to fetch, behind holes that hold no record.
    pub next_offset: i64,
    /// The end that a reader of committed records can reach.
    pub end: i64,
}

impl Assignment {
    /// A partition that existed at the start.
    pub fn found(&mut self, topic: &str, partition: i32, start: i64, end: i64) {
        let progress = self.progress(topic, partition);
        progress.start = Some(start);
        progress.target = Some(end).filter(|end| *end > start);
        self.found += u64::try_from(end - start).unwrap_or(0);
    }

    /// Where to read from; none is the beginning.
    pub fn offset(&self, topic: &str, partition: i32) -> Option<i64> {
        let progress = self.topics.get(topic)?.get(&partition)?;
        progress.next.or(progress.start)
    }

    pub fn handled(&mut self, topic: &str, partition: i32, offset: i64) {
        let progress = self.progress(topic, partition);
        progress.next = progress.next.max(Some(offset + 1));
        progress.drained = false;
        progress.target = progress.target.filter(|target| offset + 1 < *target);
    }

    /// Its next record cannot be handled yet, or can again.
    pub fn waits(&mut self, topic: &str, partition: i32, waits: bool) {
        let progress = self.progress(topic, partition);
        if progress.waiting != waits {
            progress.waiting = waits;
            progress.fetched_to_end = None;
            progress.drained = false;
        }
    }

    /// The client gives none of its records, or does again.
    pub fn paused(&mut self, topic: &str, partition: i32, paused: bool) {
        let progress = self.progress(topic, partition);
        progress.fetch_anew();
        progress.paused = paused;
    }

    pub fn is_paused(&self, topic: &str, partition: i32) -> bool {
        let progress = self.topics.get(topic).and_then(|partitions| partitions.get(&partition));
        progress.is_some_and(|progress| progress.paused)
    }

    /// The records of a partition that are not handled yet. Offsets without a record (transaction markers,
    /// compacted ones) are no lag, and a partition that ends in them is caught up nevertheless.
    pub fn lag(&mut self, topic: &str, partition: i32, fetched: Fetched) -> i64 {
        let progress = self.progress(topic, partition);
        if !progress.paused && progress.stale_statistics > 0 {
            progress.stale_statistics -= 1;
        }
        let tells = !progress.paused && progress.stale_statistics == 0;
        progress.fetched_to_end =
            Some(fetched.next_offset).filter(|_| tells && fetched.next_offset >= fetched.end);
        if progress.fetched_to_end.is_some() && progress.drained {
            return 0;
        }
        let next = progress.next.or(progress.start).unwrap_or(0);
        let records = (fetched.end - next).max(0);
        self.polls_until_drained = EMPTY_POLLS;
        records
    }

    /// By the newest statistics.
    pub fn note_behind(&mut self, topic: &str, partition: i32, is_behind: bool) {
        self.progress(topic, partition).behind = is_behind;
    }

    /// Whether the group has taken partitions from us because it had not heard of us.
    pub fn has_lost(&self) -> bool {
        self.topics.values().flat_map(HashMap::values).any(|progress| progress.lost)
    }

    /// The group takes partitions from us. What was lost without our doing has records that we do not get; what
    /// was taken in good order does not concern us any more.
    pub fn revoked(&mut self, partitions: &[(String, i32)], lost: bool) {
        for (topic, partition) in partitions {
            let progress = self.progress(topic, *partition);
            progress.behind = lost;
            progress.lost = lost;
            progress.away = true;
            progress.fetch_anew();
        }
        self.settled &= !lost;
    }

    /// The client is another one, which the group has to let in: all is lost until then, and nothing is paused.
    pub fn begin_anew(&mut self) {
        (self.joined, self.settled) = (false, false);
        let there = self.topics.values_mut().flat_map(HashMap::values_mut).filter(|progress| !progress.gone);
        for progress in there {
            (progress.behind, progress.lost, progress.away, progress.paused) = (true, true, true, false);
            (progress.fetched_to_end, progress.drained) = (None, false);
        }
    }

    /// The group gives us partitions, and with these all that we had lost, if they still exist. Returns topics that
    /// did not exist any more, and thus are others.
    pub fn assigned(&mut self, partitions: &[(String, i32)]) -> Vec<String> {
        let mut others = Vec::new();
        for (topic, partition) in partitions {
            let progress = self.progress(topic, *partition);
            progress.lost = false;
            progress.away = false;
            if std::mem::take(&mut progress.gone) {
                others.push(topic.clone());
            }
        }
        for progress in self.topics.values_mut().flat_map(HashMap::values_mut) {
            progress.behind &= !std::mem::take(&mut progress.lost);
        }
        others
    }

    pub fn behind(&self) -> Vec<Behind> {
        let partitions = self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, progress)| (topic, *partition, progress))
        });
        let behind = partitions.filter(|(_, _, progress)| progress.behind);
        let named = behind.map(|(topic, partition, progress)| Behind {
            topic: topic.clone(),
            partition,
            position: progress.next.or(progress.start).unwrap_or(0),
        });
        named.collect()
    }

    /// The client had no record to give: of partitions fetched to their end, all has been handled. What it has
    /// fetched and not given yet is not in its statistics, so only this tells holes from records to come.
    pub fn polled_in_vain(&mut self, has_waited: bool) {
        if self.polls_until_drained == 0 {
            return;
        }
        let counts = if has_waited { EMPTY_WAIT } else { 1 };
        self.polls_until_drained = self.polls_until_drained.saturating_sub(counts);
        if self.polls_until_drained > 0 {
            return;
        }
        let partitions = self.topics.values_mut().flat_map(HashMap::values_mut);
        for progress in partitions.filter(|progress| !progress.waiting && !progress.paused) {
            if let Some(end) = progress.fetched_to_end {
                progress.target = None;
                progress.drained = true;
                progress.passed = progress.passed.max(Some(end));
            }
        }
    }

    /// Whether everything below `end` has been handled.
    pub fn has_passed(&self, topic: &str, partition: i32, end: i64) -> bool {
        let progress = self.topics.get(topic).and_then(|partitions| partitions.get(&partition));
        let progress = progress.copied().unwrap_or_default();
        progress.next.or(progress.start).max(progress.passed).unwrap_or(0) >= end
    }

    /// The partitions met so far of the topics that are `wanted`.
    pub fn partitions(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, i32)> {
        let topics = self.topics.iter().filter(|(topic, _)| wanted(topic));
        let of = |(topic, partitions): (&String, &HashMap<i32, Progress>)| {
            let there = partitions.iter().filter(|(_, progress)| !progress.gone);
            there.map(|(partition, _)| (topic.clone(), *partition)).collect::<Vec<_>>()
        };
        topics.flat_map(of).collect()
    }

    pub fn backlog(&self) -> Backlog {
        let left =
            self.topics.values().flat_map(HashMap::values).filter_map(|progress| {
                u64::try_from(progress.target? - progress.next.or(progress.start)?).ok()
            });
        Backlog { found: self.found, left: left.sum() }
    }

    /// Apart from partitions whose records wait, for something that is not this client.
    pub fn is_caught_up(&self) -> bool {
        self.has_begun() && self.all(|progress| progress.waiting || progress.target.is_none())
    }

    pub fn has_handled_start(&self) -> bool {
        self.has_begun() && self.all(|progress| progress.target.is_none())
    }

    fn has_begun(&self) -> bool {
        self.started && (self.joined || self.topics.is_empty())
    }

    fn all(&self, has: impl Fn(&Progress) -> bool) -> bool {
        self.topics.values().flat_map(HashMap::values).all(has)
    }

    /// Behind the newest offset handled, for commits.
    pub fn positions(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            let there = partitions.iter().filter(|(_, progress)| !progress.gone);
            there.filter_map(move |(partition, progress)| Some((topic.as_str(), *partition, progress.next?)))
        })
    }

    fn progress(&mut self, topic: &str, partition: i32) -> &mut Progress {
        if !self.topics.contains_key(topic) {
            self.topics.insert(topic.to_owned(), HashMap::new());
        }
        let partitions = self.topics.get_mut(topic).expect("inserted above");
        partitions.entry(partition).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_END: Fetched = Fetched { next_offset: 50, end: 50 };

    fn started() -> Assignment {
        Assignment { started: true, joined: true, ..Assignment::default() }
    }

    #[test]
    fn a_partition_is_read_from_the_start_found_for_it_then_from_behind_what_was_handled() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assert_eq!(assignment.offset("t", 0), Some(40));
        assignment.handled("t", 0, 44);
        assert_eq!(assignment.offset("t", 0), Some(45));
        assignment.handled("t", 0, 42);
        assert_eq!(assignment.offset("t", 0), Some(45));
    }

    #[test]
    fn a_partition_first_seen_later_is_read_from_its_beginning() {
        let mut assignment = started();
        assert_eq!(assignment.offset("new", 3), None);
        assignment.handled("new", 3, 0);
        assert_eq!(assignment.offset("new", 3), Some(1));
    }

    #[test]
    fn caught_up_is_when_every_partition_reached_the_end_it_had_at_the_start() {
        let mut assignment = Assignment::default();
        assert!(!assignment.is_caught_up());
        assignment.started = true;
        assert!(assignment.is_caught_up(), "there was nothing at the start");
        assignment.found("t", 0, 40, 40);
        assert!(!assignment.is_caught_up(), "the group has not let us in");
        assignment.joined = true;
        assert!(assignment.is_caught_up());
        assignment.found("t", 0, 40, 50);
        assignment.found("t", 1, 7, 7);
        assignment.handled("t", 0, 48);
        assert!(!assignment.is_caught_up());
        assignment.handled("t", 0, 49);
        assert!(assignment.is_caught_up());
    }

    #[test]
    fn offsets_without_a_record_are_neither_lag_nor_in_the_way() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.handled("t", 0, 48);
        assert_eq!(assignment.lag("t", 0, AT_END), 1);
        assignment.polled_in_vain(true);
        assert!(!assignment.is_caught_up(), "a commit was told, and a record may still come");
        assignment.polled_in_vain(true);
        assert!(assignment.is_caught_up());
        assert_eq!(assignment.lag("t", 0, AT_END), 0);
    }

    #[test]
    fn a_few_events_that_are_no_records_do_not_tell_that_there_are_none() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.lag("t", 0, AT_END);
        for _ in 1..EMPTY_POLLS {
            assignment.polled_in_vain(false);
            assert!(!assignment.is_caught_up());
        }
        assignment.polled_in_vain(false);
        assert!(assignment.is_caught_up(), "on a busy instance no poll waits");
    }

    #[test]
    fn what_is_fetched_and_not_handled_is_lag() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assert_eq!(assignment.lag("t", 0, AT_END), 10);
        assignment.handled("t", 0, 45);
        assert_eq!(assignment.lag("t", 0, AT_END), 4);
        assert!(!assignment.is_caught_up());
    }

    #[test]
    fn a_paused_partition_has_lag_whatever_the_client_fetched() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.paused("t", 0, true);
        assert_eq!(assignment.lag("t", 0, AT_END), 10);
        for _ in 0..3 {
            assignment.polled_in_vain(true);
        }
        assert_eq!(assignment.lag("t", 0, AT_END), 10);
    }

    #[test]
    fn statistics_from_before_a_pause_are_not_believed() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.paused("t", 0, true);
        assignment.paused("t", 0, false);
        for _ in 1..STALE_STATISTICS {
            assert_eq!(assignment.lag("t", 0, AT_END), 10);
            assignment.polled_in_vain(true);
            assignment.polled_in_vain(true);
            assert!(!assignment.is_caught_up(), "its records are fetched again");
        }
        assignment.lag("t", 0, AT_END);
        assignment.polled_in_vain(true);
        assignment.polled_in_vain(true);
        assert!(assignment.is_caught_up(), "there are only holes");
    }

    #[test]
    fn what_was_fetched_before_a_partition_was_taken_from_us_does_not_count_when_it_is_back() {
        let mut assignment = started();
        let partition = [("t".to_owned(), 0)];
        assignment.found("t", 0, 40, 50);
        assignment.lag("t", 0, AT_END);
        assignment.revoked(&partition, false);
        assignment.assigned(&partition);
        for _ in 0..STALE_STATISTICS {
            assignment.polled_in_vain(true);
            assignment.polled_in_vain(true);
            assert!(!assignment.has_passed("t", 0, 50), "its records are fetched again");
            assert_eq!(assignment.lag("t", 0, AT_END), 10);
        }
        assignment.polled_in_vain(true);
        assignment.polled_in_vain(true);
        assert!(assignment.has_passed("t", 0, 50), "there are only holes");
    }

    fn behind(assignment: &Assignment) -> Vec<(i32, i64)> {
        let mut behind: Vec<_> = assignment.behind().iter().map(|b| (b.partition, b.position)).collect();
        behind.sort_unstable();
        behind
    }

    #[test]
    fn what_was_lost_is_behind_until_it_is_given_back_or_is_gone() {
        let mut assignment = started();
        let partition = |number: i32| ("t".to_owned(), number);
        for number in 0..3 {
            assignment.found("t", number, 40, 50);
            assignment.note_behind("t", number, number == 0);
        }
        assignment.handled("t", 0, 41);
        assert_eq!(behind(&assignment), [(0, 42)]);
        assignment.revoked(&[partition(0), partition(1)], true);
        assignment.revoked(&[partition(2)], false);
        assert_eq!(behind(&assignment), [(0, 42), (1, 40)]);
        assignment.assigned(&[partition(0)]);
        assert_eq!(behind(&assignment), [(0, 42)], "its statistics have not told otherwise; 1 is gone");
        assignment.note_behind("t", 0, false);
        assert_eq!(behind(&assignment), []);
    }

    #[test]
    fn a_waiting_partition_does_not_keep_the_others_from_having_caught_up() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.found("t", 1, 40, 50);
        assignment.waits("t", 0, true);
        assert!(!assignment.is_caught_up());
        assignment.handled("t", 1, 49);
        assert!(assignment.is_caught_up() && !assignment.has_handled_start());
        assignment.waits("t", 0, false);
        assert!(!assignment.is_caught_up());
    }

    #[test]
    fn what_has_come_since_the_start_may_wait() {
        let mut assignment = started();
        assert!(assignment.has_handled_start(), "there is nothing");
        assignment.found("t", 0, 40, 50);
        assignment.handled("t", 0, 48);
        assignment.waits("t", 0, true);
        assert!(!assignment.has_handled_start());
        assignment.handled("t", 0, 49);
        assert!(assignment.has_handled_start());
    }

    #[test]
    fn a_waiting_partition_has_not_passed_what_the_client_has_given_of_it() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.lag("t", 0, AT_END);
        assignment.waits("t", 0, true);
        for _ in 0..2 {
            assert_eq!(assignment.lag("t", 0, AT_END), 10);
            assignment.polled_in_vain(true);
            assignment.polled_in_vain(true);
        }
        assert_eq!((assignment.backlog().left, assignment.has_passed("t", 0, 50)), (10, false));
        assignment.waits("t", 0, false);
        assignment.polled_in_vain(true);
        assignment.polled_in_vain(true);
        assert!(!assignment.is_caught_up(), "the statistics are from before");
        assignment.lag("t", 0, AT_END);
        assignment.polled_in_vain(true);
        assignment.polled_in_vain(true);
        assert!(assignment.is_caught_up());
    }

    #[test]
    fn an_end_is_passed_by_records_or_by_holes() {
        let mut assignment = started();
        assert!(assignment.has_passed("new", 0, 0) && !assignment.has_passed("new", 0, 1));
        assignment.found("t", 0, 40, 50);
        assert!(assignment.has_passed("t", 0, 40) && !assignment.has_passed("t", 0, 41));
        assignment.handled("t", 0, 48);
        assert!(assignment.has_passed("t", 0, 49) && !assignment.has_passed("t", 0, 50));
        assignment.lag("t", 0, AT_END);
        assignment.polled_in_vain(true);
        assignment.polled_in_vain(true);
        assert!(assignment.has_passed("t", 0, 50) && !assignment.has_passed("t", 0, 51));
    }

    #[test]
    fn the_backlog_shrinks_to_nothing() {
        let mut assignment = started();
        assignment.found("t", 0, 40, 50);
        assignment.found("t", 1, 7, 7);
        assert_eq!(assignment.backlog(), Backlog { found: 10, left: 10 });
        assignment.handled("t", 0, 43);
        assert_eq!(assignment.backlog(), Backlog { found: 10, left: 6 });
        assignment.handled("t", 0, 49);
        assert_eq!(assignment.backlog(), Backlog { found: 10, left: 0 });
    }
}
