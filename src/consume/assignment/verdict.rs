//! Topics that may not be what they were: deleted, made anew, or shorter than where reading stands.
//!
//! In: why a topic is doubted, and what the brokers say that it has now. Out: what Kafka has lost before it was read,
//! and from where its partitions are to be read on. Without an answer a topic stays in doubt, and is asked about again.

use super::{Assignment, Progress, STALE_STATISTICS};
use crate::consume::{Loss, LossCause, LostPartition};
use crate::limits::DOUBT_QUESTION_INTERVAL;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

/// The first offset of each partition of a topic that exists, and the one that its next record will have.
pub type Bounds = BTreeMap<i32, (i64, i64)>;

/// Those of the topics asked about that exist.
pub type Answer = HashMap<String, Bounds>;

/// Why a topic is doubted; the later, the surer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The group has taken partitions of it from us.
    Away,
    /// A partition of it, or of another topic, has been asked for an offset that it does not have.
    OutOfRange,
    /// It has another id than before, or was gone in between.
    Anew,
}

#[derive(Debug, Default)]
pub struct Doubts {
    topics: BTreeMap<String, Doubt>,
    /// Those that were asked about, until there is an answer.
    out: Option<BTreeMap<String, Doubt>>,
    asked: Option<Instant>,
    /// When it was last looked what is away.
    looked: Option<Instant>,
}

impl Doubts {
    pub fn add(&mut self, topic: &str, doubt: Doubt) {
        let known = self.topics.entry(topic.to_owned()).or_insert(Doubt::Away);
        *known = doubt.max(known.clone());
    }

    /// Whether what comes of the topic is of one that we have not begun to read.
    pub fn is_anew(&self, topic: &str) -> bool {
        let lists = [Some(&self.topics), self.out.as_ref()];
        lists.into_iter().flatten().any(|topics| topics.get(topic) == Some(&Doubt::Anew))
    }

    /// What is away is seen by a walk over all partitions: nothing to be done for every record.
    fn is_to_look(&mut self, now: Instant) -> bool {
        let rested = has_rested(self.looked, now);
        if rested {
            self.looked = Some(now);
        }
        rested
    }

    /// The client is another one, and what was asked by the former is never answered: it is to be asked again.
    pub fn begin_anew(&mut self) {
        for (topic, doubt) in self.out.take().into_iter().flatten() {
            self.add(&topic, doubt);
        }
        self.asked = None;
    }

    /// The topics to ask about now, if any. What is doubted from here on is asked about when there is an answer.
    pub fn due(&mut self, now: Instant) -> Option<Vec<String>> {
        if self.topics.is_empty() || self.out.is_some() || !has_rested(self.asked, now) {
            return None;
        }
        self.asked = Some(now);
        let out = self.out.insert(std::mem::take(&mut self.topics));
        Some(out.keys().cloned().collect())
    }
}

fn has_rested(last: Option<Instant>, now: Instant) -> bool {
    last.is_none_or(|last| now >= last + DOUBT_QUESTION_INTERVAL)
}

/// What became clear.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    pub losses: Vec<Loss>,
    /// Topics that do not exist any more.
    pub gone: Vec<String>,
    /// Topic, partition and the offset to read on from.
    pub starts: Vec<(String, i32, i64)>,
}

impl Assignment {
    /// A question goes out: the answer is compared with where reading stands now, since it goes on meanwhile.
    pub fn asks(&mut self, doubts: &mut Doubts, now: Instant) -> Option<Vec<String>> {
        if doubts.is_to_look(now) {
            for topic in self.away() {
                doubts.add(&topic, Doubt::Away);
            }
        }
        let topics = doubts.due(now)?;
        for progress in self.topics.values_mut().flat_map(HashMap::values_mut) {
            progress.asked_at = progress.position();
        }
        Some(topics)
    }

    /// None: there was no answer.
    pub fn judge(&mut self, doubts: &mut Doubts, answer: Option<Answer>) -> Verdict {
        let mut verdict = Verdict::default();
        for (topic, doubt) in doubts.out.take().into_iter().flatten() {
            let is_settled = answer.as_ref().is_some_and(|answer| {
                let bounds = answer.get(&topic);
                self.settle(&topic, &doubt, bounds, &mut verdict)
            });
            if !is_settled {
                doubts.add(&topic, doubt);
            }
        }
        verdict
    }

    fn settle(&mut self, topic: &str, doubt: &Doubt, bounds: Option<&Bounds>, verdict: &mut Verdict) -> bool {
        match (bounds, doubt) {
            (None, _) => self.forget(topic, verdict),
            (Some(bounds), Doubt::Anew) => self.restart(topic, bounds, verdict),
            (Some(bounds), _) if self.is_beyond(topic, bounds) => self.restart(topic, bounds, verdict),
            (Some(bounds), Doubt::OutOfRange) => self.read_on(topic, bounds, verdict),
            (Some(bounds), Doubt::Away) => self.forget_missing(topic, bounds),
        }
    }

    /// Topics of which partitions were taken from us and have not been given back.
    fn away(&self) -> BTreeSet<String> {
        let is_away = |progress: &Progress| progress.away && !progress.gone;
        let topics = self.topics.iter().filter(|(_, partitions)| partitions.values().any(is_away));
        topics.map(|(topic, _)| topic.clone()).collect()
    }

    pub fn topics(&self) -> impl Iterator<Item = &String> {
        self.topics.keys()
    }

    pub fn knows(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// The topic does not exist.
    fn forget(&mut self, topic: &str, verdict: &mut Verdict) -> bool {
        let is_settled = self.forget_missing(topic, &Bounds::new());
        if is_settled {
            verdict.gone.push(topic.to_owned());
        }
        is_settled
    }

    /// Nothing is to come of partitions that do not exist. Given to us again, they are others. What the group has not
    /// taken from us yet, it will, or it has given it to us since.
    fn forget_missing(&mut self, topic: &str, bounds: &Bounds) -> bool {
        let mut is_settled = true;
        let partitions = self.topics.get_mut(topic).into_iter().flatten();
        for (_, progress) in partitions.filter(|(partition, _)| !bounds.contains_key(partition)) {
            is_settled &= progress.away;
            if progress.away {
                progress.gone = true;
                progress.target = None;
                progress.behind = false;
                progress.lost = false;
            }
        }
        is_settled
    }

    /// Whether reading stands behind the end of one of its partitions.
    fn is_beyond(&self, topic: &str, bounds: &Bounds) -> bool {
        self.topics.get(topic).into_iter().flatten().any(|(partition, progress)| {
            bounds.get(partition).is_some_and(|(_, end)| progress.asked_at.is_some_and(|at| at > *end))
        })
    }

    /// All of a topic's partitions are others now.
    fn restart(&mut self, topic: &str, bounds: &Bounds, verdict: &mut Verdict) -> bool {
        let mut partitions = Vec::new();
        for (partition, progress) in self.topics.get_mut(topic).into_iter().flatten() {
            let range = bounds.get(partition).copied();
            let position = progress.position().unwrap_or(0);
            partitions.push(LostPartition { partition: *partition, position, range });
            if let (Some((low, _)), false) = (range, progress.away) {
                verdict.starts.push((topic.to_owned(), *partition, low));
            }
            *progress = progress.anew(range);
        }
        partitions.sort_unstable_by_key(|lost| lost.partition);
        verdict.losses.push(Loss {
            topic: topic.to_owned(),
            cause: LossCause::Anew { id: None },
            partitions,
        });
        true
    }

    /// What begins behind our position, or has none yet, goes on at its beginning, the others where they are. Where
    /// records wait, the client is farther than our position: that has to wait as well.
    fn read_on(&mut self, topic: &str, bounds: &Bounds, verdict: &mut Verdict) -> bool {
        let mut is_settled = true;
        let mut partitions = Vec::new();
        for (partition, progress) in self.topics.get_mut(topic).into_iter().flatten() {
            let Some((low, end)) = bounds.get(partition) else { continue };
            if progress.waiting || progress.away {
                is_settled &= !progress.waiting;
                continue;
            }
            if let Some(position) = progress.position().filter(|position| position < low) {
                partitions.push(LostPartition { partition: *partition, position, range: Some((*low, *end)) });
                progress.next = Some(*low);
                progress.target = progress.target.filter(|target| low < target);
            }
            progress.fetch_anew();
            verdict.starts.push((topic.to_owned(), *partition, progress.position().unwrap_or(*low)));
        }
        partitions.sort_unstable_by_key(|lost| lost.partition);
        if !partitions.is_empty() {
            verdict.losses.push(Loss { topic: topic.to_owned(), cause: LossCause::Overtaken, partitions });
        }
        is_settled
    }
}

impl Progress {
    /// Where reading stands; none before the first record of a partition that came later.
    fn position(&self) -> Option<i64> {
        self.next.or(self.start)
    }

    /// Of the partition that took its place, if there is one.
    fn anew(&self, range: Option<(i64, i64)>) -> Progress {
        let target = range.filter(|(low, end)| low < end).map(|(_, end)| end);
        Progress {
            start: range.map(|(low, _)| low),
            // Only what is not caught up yet has to be.
            target: target.filter(|_| self.target.is_some()),
            stale_statistics: STALE_STATISTICS,
            away: self.away,
            gone: range.is_none(),
            ..Progress::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::assignment::Fetched;

    fn reading(positions: &[(i32, i64)]) -> Assignment {
        let mut assignment = Assignment { started: true, joined: true, ..Assignment::default() };
        for (partition, position) in positions {
            assignment.found("t", *partition, 0, 0);
            assignment.handled("t", *partition, position - 1);
        }
        assignment
    }

    /// What is found when the topic is doubted for that reason and has these bounds, if it exists.
    fn judged(
        assignment: &mut Assignment,
        doubt: Doubt,
        bounds: Option<&[(i32, i64, i64)]>,
    ) -> (Verdict, Doubts) {
        let mut doubts = Doubts::default();
        doubts.add("t", doubt);
        assignment.asks(&mut doubts, Instant::now()).unwrap();
        let bounds =
            bounds.map(|list| list.iter().map(|(partition, low, end)| (*partition, (*low, *end))).collect());
        let answer = bounds.into_iter().map(|bounds| ("t".to_owned(), bounds)).collect();
        (assignment.judge(&mut doubts, Some(answer)), doubts)
    }

    fn starts(verdict: &Verdict) -> Vec<(i32, i64)> {
        let mut starts: Vec<_> =
            verdict.starts.iter().map(|(_, partition, offset)| (*partition, *offset)).collect();
        starts.sort_unstable();
        starts
    }

    fn lost(verdict: &Verdict) -> Vec<(bool, Vec<(i32, i64)>)> {
        let partitions =
            |loss: &Loss| loss.partitions.iter().map(|lost| (lost.partition, lost.position)).collect();
        verdict.losses.iter().map(|loss| (loss.cause != LossCause::Overtaken, partitions(loss))).collect()
    }

    #[test]
    fn a_topic_with_another_id_is_read_from_its_beginning_however_long_it_is() {
        for end in [0, 3, 10, 99] {
            let mut assignment = reading(&[(0, 10), (1, 7)]);
            let (verdict, _) = judged(&mut assignment, Doubt::Anew, Some(&[(0, 0, end), (1, 2, end.max(2))]));
            assert_eq!(starts(&verdict), [(0, 0), (1, 2)]);
            assert_eq!(lost(&verdict), [(true, vec![(0, 10), (1, 7)])]);
            assert_eq!(assignment.offset("t", 0), Some(0));
        }
    }

    #[test]
    fn a_topic_that_ends_before_our_position_is_another_one() {
        let mut assignment = reading(&[(0, 10), (1, 7)]);
        let (verdict, _) = judged(&mut assignment, Doubt::OutOfRange, Some(&[(0, 0, 9), (1, 0, 7)]));
        assert_eq!(
            (starts(&verdict), lost(&verdict)),
            (vec![(0, 0), (1, 0)], vec![(true, vec![(0, 10), (1, 7)])])
        );
    }

    #[test]
    fn what_retention_has_taken_is_lost_and_the_rest_goes_on() {
        let mut assignment = reading(&[(0, 10), (1, 7)]);
        let (verdict, _) = judged(&mut assignment, Doubt::OutOfRange, Some(&[(0, 40, 50), (1, 7, 8)]));
        assert_eq!((starts(&verdict), lost(&verdict)), (vec![(0, 40), (1, 7)], vec![(false, vec![(0, 10)])]));
        assert_eq!(assignment.offset("t", 0), Some(40));
        let (verdict, _) = judged(&mut assignment, Doubt::OutOfRange, Some(&[(0, 40, 50), (1, 0, 8)]));
        assert_eq!(lost(&verdict), [], "once");
    }

    #[test]
    fn what_was_fetched_before_reading_went_on_elsewhere_does_not_count() {
        let mut assignment = reading(&[(0, 10)]);
        assignment.lag("t", 0, Fetched { next_offset: 50, end: 50 });
        let (verdict, _) = judged(&mut assignment, Doubt::OutOfRange, Some(&[(0, 0, 50)]));
        assert_eq!(starts(&verdict), [(0, 10)]);
        assignment.polled_in_vain(true);
        assignment.polled_in_vain(true);
        assert!(!assignment.has_passed("t", 0, 50), "its records are fetched again");
    }

    #[test]
    fn a_partition_of_which_nothing_was_handled_yet_goes_on_at_its_beginning() {
        let mut assignment = reading(&[(0, 10)]);
        assignment.assigned(&[("t".to_owned(), 1)]);
        let (verdict, _) = judged(&mut assignment, Doubt::OutOfRange, Some(&[(0, 0, 10), (1, 5, 8)]));
        assert_eq!((starts(&verdict), lost(&verdict)), (vec![(0, 10), (1, 5)], vec![]));
        assert_eq!(assignment.offset("t", 1), None, "it is found anew if it is taken from us now");
    }

    #[test]
    fn where_records_wait_the_client_may_be_farther_and_is_asked_about_again() {
        let mut assignment = reading(&[(0, 10)]);
        assignment.waits("t", 0, true);
        let (verdict, mut doubts) = judged(&mut assignment, Doubt::OutOfRange, Some(&[(0, 40, 50)]));
        assert_eq!(verdict, Verdict::default());
        assert_eq!(doubts.due(Instant::now() + DOUBT_QUESTION_INTERVAL), Some(vec!["t".to_owned()]));
    }

    #[test]
    fn a_topic_that_is_gone_is_not_behind_not_waited_for_and_another_one_when_it_is_back() {
        let mut assignment = reading(&[(0, 10)]);
        assignment.found("t", 0, 0, 50);
        assignment.revoked(&[("t".to_owned(), 0)], true);
        assert_eq!((assignment.behind().len(), assignment.is_caught_up()), (1, false));
        assert_eq!(assignment.away(), BTreeSet::from(["t".to_owned()]));
        let (verdict, _) = judged(&mut assignment, Doubt::Away, None);
        assert_eq!(verdict, Verdict { gone: vec!["t".to_owned()], ..Verdict::default() });
        assert_eq!((assignment.behind().len(), assignment.is_caught_up()), (0, true));
        assert!(assignment.away().is_empty() && assignment.partitions(|_| true).is_empty());
        assert_eq!(assignment.positions().count(), 0, "nothing is committed of it");
        assert_eq!(assignment.assigned(&[("t".to_owned(), 0)]), ["t"]);
        assert_eq!(assignment.assigned(&[("t".to_owned(), 0)]), [""; 0]);
    }

    #[test]
    fn what_is_away_is_asked_about_by_itself_and_looked_for_now_and_then() {
        let (mut assignment, mut doubts, now) = (reading(&[(0, 10)]), Doubts::default(), Instant::now());
        assert_eq!(assignment.asks(&mut doubts, now), None);
        assignment.revoked(&[("t".to_owned(), 0)], false);
        assert_eq!(assignment.asks(&mut doubts, now), None, "it was looked just now");
        let later = now + DOUBT_QUESTION_INTERVAL;
        assert_eq!(assignment.asks(&mut doubts, later), Some(vec!["t".to_owned()]));
    }

    #[test]
    fn what_was_only_taken_from_us_stays_as_it_was() {
        let mut assignment = reading(&[(0, 10)]);
        assignment.revoked(&[("t".to_owned(), 0)], false);
        let (verdict, _) = judged(&mut assignment, Doubt::Away, Some(&[(0, 0, 10)]));
        assert_eq!((verdict, assignment.offset("t", 0)), (Verdict::default(), Some(10)));
    }

    #[test]
    fn what_was_read_while_the_question_was_out_is_not_beyond_the_answer() {
        let (mut assignment, mut doubts) = (reading(&[(0, 10)]), Doubts::default());
        doubts.add("t", Doubt::OutOfRange);
        assignment.asks(&mut doubts, Instant::now()).unwrap();
        assignment.handled("t", 0, 14);
        let answer = Answer::from([("t".to_owned(), Bounds::from([(0, (0, 12))]))]);
        let verdict = assignment.judge(&mut doubts, Some(answer));
        assert_eq!((starts(&verdict), lost(&verdict)), (vec![(0, 15)], vec![]));
    }

    #[test]
    fn a_topic_that_was_not_there_when_it_was_asked_about_and_is_ours_is_asked_about_again() {
        let mut assignment = reading(&[(0, 10)]);
        let (verdict, doubts) = judged(&mut assignment, Doubt::Anew, None);
        assert_eq!(verdict, Verdict::default());
        assert!(doubts.is_anew("t"));
    }

    #[test]
    fn without_an_answer_it_is_asked_again_but_not_at_once() {
        let (mut assignment, mut doubts, now) = (reading(&[(0, 10)]), Doubts::default(), Instant::now());
        doubts.add("t", Doubt::Anew);
        doubts.add("t", Doubt::Away);
        assignment.asks(&mut doubts, now).unwrap();
        assert_eq!(doubts.due(now + DOUBT_QUESTION_INTERVAL), None, "one question is out");
        assert!(doubts.is_anew("t"), "while it is asked about as well");
        doubts.add("t", Doubt::OutOfRange);
        assert_eq!(assignment.judge(&mut doubts, None), Verdict::default());
        assert_eq!(doubts.due(now), None);
        assert!(doubts.is_anew("t") && doubts.due(now + DOUBT_QUESTION_INTERVAL).is_some());
    }
}
