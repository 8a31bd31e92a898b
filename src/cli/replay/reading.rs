//! The records of a range, slice by slice, in the order of their times.
//!
//! A slice is what has a time up to some moment, in all partitions: the brokers say at which offsets that is. It is chosen so
//! that about so many records are in it, read topic by topic, and sorted. So memory is bounded, whatever the range, and what
//! was written to one partition stays in its order.

use super::range::{Range, Span};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::consume::{OwnedRecord, Past, PastFault, PastReader, Step};
use crate::limits::{CHECK_PATIENCE, PAST_READ_WAIT, REPLAY_SLICE_RECORDS};
use std::collections::{BTreeMap, HashMap};
use std::time::{Instant, SystemTime};

/// By partition, the first offset and the one behind the last.
type Spans = HashMap<i32, (i64, i64)>;

pub(super) struct Reading {
    reader: PastReader,
    places: Vec<Place>,
    /// What is older has been read.
    reached_ms: i64,
    /// How long the next slice is.
    step_ms: i64,
    now_ms: i64,
}

/// What is still to be read of a partition: from `next` to before `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    topic: String,
    partition: i32,
    next: i64,
    end: i64,
}

impl Reading {
    pub fn open(config: &Config, range: &Range, now: SystemTime) -> Result<Reading, String> {
        let past = Past::Kafka(Box::new(config.kafka.clone()));
        let mut reader = past.reader().map_err(|fault| fault.to_string())?;
        let found = reader.partitions().map_err(told)?;
        let now_ms = unix_ms(now);
        let (reached_ms, places) = match range {
            Range::Times { topics, since_ms, until_ms } => {
                let chosen = chosen(&found, topics)?;
                (*since_ms, places_of_times(&mut reader, &chosen, *since_ms, *until_ms).map_err(told)?)
            }
            Range::Offsets(spans) => (0, places_of_spans(&mut reader, &found, spans)?),
        };
        Ok(Reading { reader, places, reached_ms, step_ms: now_ms.saturating_sub(reached_ms).max(1), now_ms })
    }

    /// Offsets that are still to be read.
    pub fn left(&self) -> u64 {
        self.places.iter().map(|place| u64::try_from(place.end - place.next).unwrap_or(0)).sum()
    }

    /// The next records; none at the end.
    pub fn next_slice(&mut self) -> Result<Option<Vec<OwnedRecord>>, String> {
        if self.left() == 0 {
            return Ok(None);
        }
        let ends = self.slice_ends().map_err(told)?;
        let mut topics: BTreeMap<String, Spans> = BTreeMap::new();
        for (place, end) in self.places.iter_mut().zip(ends) {
            if place.next < end {
                let spans = topics.entry(place.topic.clone()).or_default();
                spans.insert(place.partition, (place.next, end));
                place.next = end;
            }
        }
        let mut records = Vec::new();
        for (topic, spans) in topics {
            self.read(&topic, spans, &mut records)?;
        }
        Ok(Some(in_order(records)))
    }

    /// Where the next slice ends, in each partition.
    fn slice_ends(&mut self) -> Result<Vec<i64>, PastFault> {
        loop {
            let to_ms = self.reached_ms.saturating_add(self.step_ms);
            let ends = self.ends_at(to_ms)?;
            let count: i64 = self.places.iter().zip(&ends).map(|(place, end)| end - place.next).sum();
            if count > REPLAY_SLICE_RECORDS && self.step_ms > 1 {
                self.step_ms /= 2;
                continue;
            }
            self.reached_ms = to_ms;
            if count < REPLAY_SLICE_RECORDS / 4 {
                self.step_ms = self.step_ms.saturating_mul(4);
            }
            if count > 0 {
                return Ok(ends);
            }
        }
    }

    fn ends_at(&mut self, to_ms: i64) -> Result<Vec<i64>, PastFault> {
        // Clocks of producers go ahead at times: what claims to be of the future is the last slice.
        if to_ms > self.now_ms {
            return Ok(self.places.iter().map(|place| place.end).collect());
        }
        let partitions: Vec<_> =
            self.places.iter().map(|place| (place.topic.clone(), place.partition)).collect();
        let first = self.reader.first_since(&partitions, to_ms)?;
        let ends = self.places.iter().zip(first);
        Ok(ends.map(|(place, first)| first.unwrap_or(place.end).clamp(place.next, place.end)).collect())
    }

    /// All that these spans of a topic have, each from an offset to before another.
    fn read(&mut self, topic: &str, mut spans: Spans, records: &mut Vec<OwnedRecord>) -> Result<(), String> {
        let places: Vec<(i32, i64)> = spans.iter().map(|(partition, span)| (*partition, span.0)).collect();
        self.reader.begin(topic, &places).map_err(told)?;
        let mut heard = Instant::now();
        while !spans.is_empty() {
            let step = self.reader.read(PAST_READ_WAIT, &mut |record| {
                let Some((_, end)) = spans.get(&record.partition).copied() else { return };
                if record.topic != topic {
                    return;
                }
                if record.offset < end {
                    records.push(record.to_owned());
                }
                if record.offset + 1 >= end {
                    spans.remove(&record.partition);
                }
            });
            match step.map_err(told)? {
                Step::Record => heard = Instant::now(),
                Step::End(partition) => drop(spans.remove(&partition)),
                Step::Nothing if heard.elapsed() > CHECK_PATIENCE => {
                    return Err(format!(
                        "no answer from kafka about {topic}: dumbwaiter check --online tells why"
                    ));
                }
                Step::Nothing => {}
            }
        }
        Ok(())
    }
}

/// The partitions of the topics that were named, or of all.
fn chosen(found: &[(String, i32)], topics: &[String]) -> Result<Vec<(String, i32)>, String> {
    for topic in topics {
        if !found.iter().any(|(name, _)| name == topic) {
            return Err(format!("topic {topic:?} does not exist, or is not among kafka.topics"));
        }
    }
    let is_chosen = |topic: &String| topics.is_empty() || topics.contains(topic);
    Ok(found.iter().filter(|(topic, _)| is_chosen(topic)).cloned().collect())
}

fn places_of_times(
    reader: &mut PastReader,
    chosen: &[(String, i32)],
    since_ms: i64,
    until_ms: Option<i64>,
) -> Result<Vec<Place>, PastFault> {
    let first = reader.first_since(chosen, since_ms)?;
    let behind = match until_ms {
        Some(until_ms) => reader.first_since(chosen, until_ms)?,
        None => vec![None; chosen.len()],
    };
    let mut places = Vec::new();
    for (((topic, partition), first), behind) in chosen.iter().zip(first).zip(behind) {
        let (_, high) = reader.bounds(topic, *partition)?;
        let (next, end) = (first.unwrap_or(high), behind.unwrap_or(high));
        let topic = topic.clone();
        places.extend((next < end).then_some(Place { topic, partition: *partition, next, end }));
    }
    Ok(places)
}

fn places_of_spans(
    reader: &mut PastReader,
    found: &[(String, i32)],
    spans: &[Span],
) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    for Span { topic, partition, from, to } in spans {
        if !found.contains(&(topic.clone(), *partition)) {
            return Err(format!(
                "there is no partition {partition} of {topic:?}, or the topic is not among kafka.topics"
            ));
        }
        let (low, high) = reader.bounds(topic, *partition).map_err(told)?;
        let end = to.map_or(high, |to| to + 1);
        if *from < low || end > high {
            return Err(format!("partition {partition} of {topic} holds offsets {low} to {}", high - 1));
        }
        places.push(Place { topic: topic.clone(), partition: *partition, next: *from, end });
    }
    Ok(places)
}

/// By time, but never before a record of the same partition that has a lower offset.
fn in_order(mut records: Vec<OwnedRecord>) -> Vec<OwnedRecord> {
    records.sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
    let mut newest: Option<(String, i32, i64)> = None;
    let mut timed = Vec::with_capacity(records.len());
    for record in records {
        let before = newest
            .take()
            .filter(|(topic, partition, _)| (topic, *partition) == (&record.topic, record.partition));
        let time_ms = record.timestamp_ms.unwrap_or(i64::MIN).max(before.map_or(i64::MIN, |before| before.2));
        newest = Some((record.topic.clone(), record.partition, time_ms));
        timed.push((time_ms, record));
    }
    // Stable, so what is of one time stays in the order of its partition.
    timed.sort_by_key(|(time_ms, _)| *time_ms);
    timed.into_iter().map(|(_, record)| record).collect()
}

fn told(fault: PastFault) -> String {
    match fault {
        PastFault::Gone => "records of the range are gone from kafka meanwhile".to_owned(),
        fault @ PastFault::NoAnswer(_) => format!("{fault}\ndumbwaiter check --online tells why"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_but_a_partition_keeps_its_order() {
        let record = |(topic, partition, offset, time_ms): (&str, i32, i64, i64)| OwnedRecord {
            topic: topic.to_owned(),
            partition,
            offset,
            timestamp_ms: Some(time_ms),
            ..OwnedRecord::default()
        };
        let records = [
            ("a", 0, 1, 10),
            ("b", 0, 1, 15),
            ("a", 0, 3, 20),
            ("a", 0, 2, 40),
            ("b", 0, 2, 30),
            ("a", 1, 1, 12),
        ];
        let ordered = in_order(records.map(record).into());
        let places: Vec<_> = ordered.iter().map(|r| (r.topic.as_str(), r.partition, r.offset)).collect();
        assert_eq!(places, [("a", 0, 1), ("a", 1, 1), ("b", 0, 1), ("b", 0, 2), ("a", 0, 2), ("a", 0, 3)]);
    }
}
