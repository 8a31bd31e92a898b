//! What the registry has answered, and what is being asked.
//!
//! A schema is immutable under its name, so it is kept for as long as there is room; the least recently
//! used goes. A refusal is kept for a while only: the schema may be registered, or put right, meanwhile.
//! Time is a parameter; who asks and how is for the parent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Poison, SchemaReference, WriterSchema};
use crate::limits;

/// An answer of the registry.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Known(Arc<WriterSchema>),
    Unknown,
    Bad(Poison),
}

/// What a look at the answers gives.
#[derive(Debug)]
pub(super) enum Found {
    Answer(Answer),
    /// It is asked for already, or too many others are: then a later look starts it.
    Pending,
    /// It is to be asked for now, by whoever gets this.
    Started,
}

pub(super) struct Answers {
    remembered: HashMap<SchemaReference, Remembered>,
    pending: HashSet<SchemaReference>,
    capacity: usize,
    refusal_remembered: Duration,
    /// Counts looks, to tell the least recently used.
    looks: u64,
}

struct Remembered {
    answer: Answer,
    /// None for a schema, which holds for ever.
    until: Option<Instant>,
    used: u64,
}

impl Answers {
    pub(super) fn new(capacity: usize, refusal_remembered: Duration) -> Answers {
        Answers {
            remembered: HashMap::new(),
            pending: HashSet::new(),
            capacity,
            refusal_remembered,
            looks: 0,
        }
    }

    pub(super) fn find(&mut self, schema: &SchemaReference, now: Instant) -> Found {
        self.looks += 1;
        if let Some(remembered) = self.remembered.get_mut(schema)
            && remembered.until.is_none_or(|until| now < until)
        {
            remembered.used = self.looks;
            return Found::Answer(remembered.answer.clone());
        }
        if self.pending.contains(schema) || self.pending.len() >= limits::REGISTRY_PENDING_MAX {
            return Found::Pending;
        }
        self.pending.insert(schema.clone());
        Found::Started
    }

    pub(super) fn settle(&mut self, schema: SchemaReference, answer: Answer, now: Instant) {
        self.pending.remove(&schema);
        let until = match answer {
            Answer::Known(_) => None,
            Answer::Unknown | Answer::Bad(_) => Some(now + self.refusal_remembered),
        };
        self.remembered.insert(schema, Remembered { answer, until, used: self.looks });
        while self.remembered.len() > self.capacity {
            self.forget_least_recently_used();
        }
    }

    /// Looks at all of them, which is cheap beside the request that made it necessary.
    fn forget_least_recently_used(&mut self) {
        let oldest = self.remembered.iter().min_by_key(|(_, remembered)| remembered.used);
        if let Some(schema) = oldest.map(|(schema, _)| schema.clone()) {
            self.remembered.remove(&schema);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::SchemaId;
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn id(id: u32) -> SchemaReference {
        SchemaId(id).into()
    }

    fn known() -> Answer {
        let schema = r#"{"type": "record", "name": "a", "fields": []}"#;
        Answer::Known(Arc::new(WriterSchema::parse(schema, &[]).unwrap()))
    }

    fn is_started(found: &Found) -> bool {
        matches!(found, Found::Started)
    }

    #[test]
    fn an_id_is_asked_for_once() {
        let (mut answers, now) = (Answers::new(8, MINUTE), Instant::now());
        assert!(is_started(&answers.find(&id(1), now)));
        assert!(matches!(answers.find(&id(1), now), Found::Pending));
        answers.settle(id(1), known(), now);
        assert!(matches!(answers.find(&id(1), now + 1000 * MINUTE), Found::Answer(Answer::Known(_))));
    }

    #[test]
    fn a_refusal_is_forgotten_after_a_while() {
        let (mut answers, now) = (Answers::new(8, MINUTE), Instant::now());
        for refusal in [Answer::Unknown, Answer::Bad(Poison::BadSchema)] {
            answers.find(&id(1), now);
            answers.settle(id(1), refusal, now);
            assert!(matches!(answers.find(&id(1), now + MINUTE / 2), Found::Answer(_)));
            assert!(is_started(&answers.find(&id(1), now + MINUTE)));
        }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let (mut answers, now) = (Answers::new(2, MINUTE), Instant::now());
        for number in [1, 2] {
            answers.find(&id(number), now);
            answers.settle(id(number), known(), now);
        }
        answers.find(&id(1), now);
        answers.find(&id(3), now);
        answers.settle(id(3), known(), now);
        assert!(matches!(answers.find(&id(1), now), Found::Answer(_)));
        assert!(matches!(answers.find(&id(3), now), Found::Answer(_)));
        assert!(is_started(&answers.find(&id(2), now)));
    }

    #[test]
    fn ids_that_are_asked_for_are_bounded() {
        let (mut answers, now) = (Answers::new(2, MINUTE), Instant::now());
        let most = u32::try_from(limits::REGISTRY_PENDING_MAX).unwrap();
        assert!((0..most).all(|number| is_started(&answers.find(&id(number), now))));
        assert!(matches!(answers.find(&id(most), now), Found::Pending));
        answers.settle(id(0), Answer::Unknown, now);
        assert!(is_started(&answers.find(&id(most), now)));
    }
}
