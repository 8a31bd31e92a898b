//! Partitions whose next record cannot be handled yet: the record, and those that came behind it.
//!
//! A record waits for the registry, which has not given its schema, or for the order that it is about, which is in
//! another topic. While few records wait, their partition is read on, so that a short wait costs no fetch.

use crate::consume::{Handled, OwnedRecord, Record};
use crate::limits::{WAITING_MAX_BYTES, WAITING_RECORDS_MAX};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// What a record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Registry,
    Order,
}

/// Topic and partition.
pub(super) type Place = (String, i32);

#[derive(Debug, Default)]
pub(super) struct Waiting {
    queues: BTreeMap<Place, Queue>,
}

/// The records of one partition, oldest first.
#[derive(Debug)]
pub(super) struct Queue {
    /// What the first one waits for.
    reason: Reason,
    records: VecDeque<(OwnedRecord, Instant)>,
    weight_bytes: usize,
    /// What came before counts from here: it waited for something else so far.
    since: Instant,
    /// The first record has been tried.
    tried: bool,
}

impl Waiting {
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many partitions wait for that.
    pub fn count(&self, reason: Reason) -> usize {
        self.queues.values().filter(|queue| queue.reason == reason).count()
    }

    /// Partitions that wait for that.
    pub fn places(&self, reason: Reason) -> Vec<Place> {
        let queues = self.queues.iter().filter(|(_, queue)| queue.reason == reason);
        queues.map(|(place, _)| place.clone()).collect()
    }

    /// Topic, partition and offset of each partition's next record.
    pub fn fronts(&self) -> impl Iterator<Item = (&str, i32, i64)> {
        self.queues.iter().filter_map(|((topic, partition), queue)| {
            Some((topic.as_str(), *partition, queue.records.front()?.0.offset))
        })
    }

    /// Takes the record if one of its partition waits before it.
    pub fn follow(&mut self, record: Record<'_>, now: Instant) -> Option<Handled> {
        if self.queues.is_empty() {
            return None;
        }
        let queue = self.queues.get_mut(&(record.topic.to_owned(), record.partition))?;
        queue.push(record, now);
        Some(if queue.is_full() { Handled::WaitsFull } else { Handled::Waits })
    }

    /// The first record of its partition that waits.
    pub fn begin(&mut self, record: Record<'_>, reason: Reason, now: Instant) -> Handled {
        let mut queue = Queue { reason, records: VecDeque::new(), weight_bytes: 0, since: now, tried: true };
        queue.push(record, now);
        self.queues.insert((record.topic.to_owned(), record.partition), queue);
        Handled::Waits
    }

    /// The partition's records are of a topic that is gone.
    pub fn forget(&mut self, topic: &str, partition: i32) {
        self.queues.remove(&(topic.to_owned(), partition));
    }

    pub fn take(&mut self) -> BTreeMap<Place, Queue> {
        std::mem::take(&mut self.queues)
    }

    pub fn put_back(&mut self, place: Place, queue: Queue) {
        self.queues.insert(place, queue);
    }
}

impl Queue {
    /// The first record, and since when it waits for what it waits for now.
    pub fn first(&self) -> Option<(&OwnedRecord, Instant)> {
        self.records.front().map(|(record, came)| (record, self.since.max(*came)))
    }

    pub fn pop(&mut self) {
        if let Some((record, _)) = self.records.pop_front() {
            self.weight_bytes -= weight_bytes(&record);
        }
        self.tried = false;
    }

    /// Whether the first record waits for that, or stands behind one that did.
    pub fn waits_for(&self, reason: Reason) -> bool {
        self.reason == reason
    }

    /// Whether the first record is known to wait for that, and does not only stand behind one that did.
    pub fn first_waits_for(&self, reason: Reason) -> bool {
        self.tried && self.waits_for(reason)
    }

    /// The first record waits for this from now on.
    pub fn wait_for(&mut self, reason: Reason, now: Instant) {
        self.tried = true;
        if self.reason != reason {
            self.reason = reason;
            self.since = now;
        }
    }

    fn push(&mut self, record: Record<'_>, now: Instant) {
        let record = record.to_owned();
        self.weight_bytes += weight_bytes(&record);
        self.records.push_back((record, now));
    }

    fn is_full(&self) -> bool {
        self.records.len() >= WAITING_RECORDS_MAX || self.weight_bytes >= WAITING_MAX_BYTES
    }
}

fn weight_bytes(record: &OwnedRecord) -> usize {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter().map(|header| size_of_val(header) + header.name.len());
    size_of::<OwnedRecord>() + bytes(&record.key) + bytes(&record.value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, value_bytes: usize) -> OwnedRecord {
        OwnedRecord {
            topic: "t".to_owned(),
            offset,
            value: Some(vec![0; value_bytes]),
            ..OwnedRecord::default()
        }
    }

    #[test]
    fn what_comes_behind_a_waiting_record_waits_until_there_is_enough() {
        for (value_bytes, fills_at) in [(10, WAITING_RECORDS_MAX), (1 << 20, 4)] {
            let (mut waiting, now) = (Waiting::default(), Instant::now());
            assert_eq!(waiting.follow(record(0, value_bytes).lend(), now), None);
            waiting.begin(record(0, value_bytes).lend(), Reason::Order, now);
            let elsewhere = OwnedRecord { partition: 1, ..record(0, 0) };
            assert_eq!(waiting.follow(elsewhere.lend(), now), None);
            for offset in 1..fills_at - 1 {
                let outcome = waiting.follow(record(offset as i64, value_bytes).lend(), now);
                assert_eq!(outcome, Some(Handled::Waits));
            }
            let outcome = waiting.follow(record(fills_at as i64, value_bytes).lend(), now);
            assert_eq!(outcome, Some(Handled::WaitsFull));
            let (_, mut queue) = waiting.take().pop_first().unwrap();
            for _ in 0..fills_at {
                queue.pop();
            }
            assert!(queue.first().is_none() && queue.weight_bytes == 0);
        }
    }

    #[test]
    fn a_wait_for_something_else_begins_anew() {
        let (mut waiting, came) = (Waiting::default(), Instant::now());
        let later = came + std::time::Duration::from_secs(60);
        waiting.begin(record(0, 0).lend(), Reason::Registry, came);
        assert_eq!((waiting.count(Reason::Registry), waiting.places(Reason::Order).len()), (1, 0));
        let (_, mut queue) = waiting.take().pop_first().unwrap();
        assert_eq!(queue.first().unwrap().1, came);
        queue.wait_for(Reason::Order, later);
        queue.wait_for(Reason::Order, later + later.elapsed());
        assert_eq!(queue.first().unwrap().1, later);
    }
}
