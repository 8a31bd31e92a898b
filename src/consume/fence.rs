//! Whether all that some topics held at a moment has been handled.
//!
//! A record that may stand in another topic was written before the one that speaks of it. So once that one is
//! here, the ends of the other topic's partitions, asked for now, are behind it; and when reading has passed these
//! ends, the record has been handled or does not exist. One question is out at a time, and its answer serves all
//! who came before it was asked. Pure: the Kafka side asks, and knows how far reading is.

use crate::limits::ENDS_QUESTION_INTERVAL;
use std::time::Instant;

/// The end of each partition.
pub(super) type Ends = Vec<(String, i32, i64)>;

#[derive(Debug, Default)]
pub(super) struct Fence {
    state: State,
    /// All that was there at this moment has been handled.
    settled: Option<Instant>,
    asked: Option<Instant>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Asked(Instant),
    Known(Instant, Ends),
}

impl Fence {
    /// Whether all that was there at `moment` has been handled, as far as is known by now. `passed` says it of one
    /// partition and its end.
    pub fn is_settled(&mut self, moment: Instant, passed: impl Fn(&str, i32, i64) -> bool) -> bool {
        if let State::Known(asked, ends) = &self.state
            && ends.iter().all(|(topic, partition, end)| passed(topic, *partition, *end))
        {
            self.settled = Some(*asked);
            self.state = State::Idle;
        }
        self.settled.is_some_and(|settled| moment <= settled)
    }

    /// Whether somebody who is not settled shall ask now.
    pub fn may_ask(&mut self, now: Instant) -> bool {
        let rested = self.asked.is_none_or(|asked| now >= asked + ENDS_QUESTION_INTERVAL);
        let may = rested && matches!(self.state, State::Idle);
        if may {
            self.asked = Some(now);
            self.state = State::Asked(now);
        }
        may
    }

    /// Partitions have become others, whose ends are elsewhere: asks anew.
    pub fn forget(&mut self) {
        self.state = State::Idle;
    }

    /// None: there was no answer, and it is asked again. An answer to what was asked before `forget` is none.
    pub fn answered(&mut self, question: Instant, ends: Option<Ends>) {
        if matches!(self.state, State::Asked(asked) if asked == question) {
            self.state = ends.map_or(State::Idle, |ends| State::Known(question, ends));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_answer_serves_all_who_came_before_it_was_asked() {
        let (mut fence, start) = (Fence::default(), Instant::now());
        let later = start + ENDS_QUESTION_INTERVAL;
        let nothing = |_: &str, _, _| panic!("there is nothing to compare");
        assert!(!fence.is_settled(start, nothing) && fence.may_ask(later));
        assert!(!fence.may_ask(later + ENDS_QUESTION_INTERVAL), "one is out");
        fence.answered(later, Some(vec![("t".into(), 0, 5), ("t".into(), 1, 7)]));
        assert!(!fence.is_settled(start, |_, partition, end| (partition, end) == (0, 5)));
        assert!(!fence.may_ask(later + ENDS_QUESTION_INTERVAL), "its ends are not passed");
        assert!(fence.is_settled(start, |_, _, _| true));
        assert!(fence.is_settled(later, nothing));
        let after = later + Duration::from_nanos(1);
        assert!(!fence.is_settled(after, nothing), "who comes later needs another answer");
        assert!(!fence.may_ask(after) && fence.may_ask(later + ENDS_QUESTION_INTERVAL));
    }

    #[test]
    fn a_question_without_an_answer_is_asked_again() {
        let (mut fence, start) = (Fence::default(), Instant::now());
        assert!(fence.may_ask(start));
        fence.answered(start, None);
        assert!(!fence.is_settled(start, |_, _, _| true));
        assert!(!fence.may_ask(start) && fence.may_ask(start + ENDS_QUESTION_INTERVAL));
    }

    #[test]
    fn an_answer_to_a_question_that_was_forgotten_is_not_the_next_one_s() {
        let (mut fence, start) = (Fence::default(), Instant::now());
        let later = start + ENDS_QUESTION_INTERVAL;
        assert!(fence.may_ask(start));
        fence.forget();
        assert!(fence.may_ask(later));
        fence.answered(start, Some(vec![("t".into(), 0, 5)]));
        assert!(!fence.is_settled(start, |_, _, _| true));
        fence.answered(later, Some(vec![("t".into(), 0, 7)]));
        assert!(fence.is_settled(later, |_, _, end| end == 7));
    }
}
