//! A list of records as the past, for tests that have no Kafka.

use super::Step;
use crate::consume::{OwnedRecord, Record};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Cheap to clone; all clones are one. The lock is for tests that add records while they are read.
#[derive(Clone, Default)]
pub struct MemoryPast {
    records: Arc<Mutex<Vec<OwnedRecord>>>,
}

/// What is to be read yet.
pub struct MemoryReader {
    past: MemoryPast,
    steps: VecDeque<Result<OwnedRecord, i32>>,
}

impl MemoryPast {
    pub fn push(&self, record: OwnedRecord) {
        self.records.lock().push(record);
    }

    /// As a broker that drops old records, or a topic that is made anew.
    pub fn retain(&self, keep: impl FnMut(&OwnedRecord) -> bool) {
        self.records.lock().retain(keep);
    }

    pub(super) fn reader(&self) -> MemoryReader {
        MemoryReader { past: self.clone(), steps: VecDeque::new() }
    }

    fn of(&self, topic: &str, partition: i32) -> Vec<OwnedRecord> {
        let records = self.records.lock();
        let of = |record: &&OwnedRecord| record.topic == topic && record.partition == partition;
        records.iter().filter(of).cloned().collect()
    }
}

impl MemoryReader {
    pub fn partitions(&self) -> Vec<(String, i32)> {
        let records = self.past.records.lock();
        let partitions: BTreeSet<_> = records.iter().map(|r| (r.topic.clone(), r.partition)).collect();
        partitions.into_iter().collect()
    }

    pub fn bounds(&self, topic: &str, partition: i32) -> (i64, i64) {
        let offsets: Vec<i64> = self.past.of(topic, partition).iter().map(|record| record.offset).collect();
        let next = offsets.iter().max().map_or(0, |newest| newest + 1);
        (offsets.into_iter().min().unwrap_or(0), next)
    }

    pub fn first_since(&self, partitions: &[(String, i32)], time_ms: i64) -> Vec<Option<i64>> {
        let is_new =
            |record: &OwnedRecord| record.timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms >= time_ms);
        let first = |(topic, partition): &(String, i32)| {
            let new = self.past.of(topic, *partition).into_iter().find(is_new);
            new.map(|record| record.offset)
        };
        partitions.iter().map(first).collect()
    }

    pub fn begin(&mut self, topic: &str, places: &[(i32, i64)]) {
        self.steps.clear();
        for (partition, from) in places {
            let records = self.past.of(topic, *partition).into_iter();
            self.steps.extend(records.filter(|record| record.offset >= *from).map(Ok));
            self.steps.push_back(Err(*partition));
        }
    }

    pub fn rest(&mut self) {
        self.steps.clear();
    }

    pub fn read(&mut self, wait: Duration, take: &mut dyn FnMut(Record<'_>)) -> Step {
        match self.steps.pop_front() {
            None => {
                std::thread::park_timeout(wait);
                Step::Nothing
            }
            Some(Err(partition)) => Step::End(partition),
            Some(Ok(record)) => {
                take(record.lend());
                Step::Record
            }
        }
    }
}
