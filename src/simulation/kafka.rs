//! What stands in for Kafka: topics, partitions, and records with offsets and timestamps. It is also the truth by
//! which the judge judges, so it keeps every record for ever, those of topics that were made anew, too; what an
//! instance can still read is a partition's.

use super::dice::Dice;
use crate::consume::OwnedRecord;
use crate::protocol::Protocol;
use std::collections::BTreeMap;

pub const TOPICS: [&str; 3] = ["pizza.created", "order.created", "order.condition"];

/// A topic of [`TOPICS`] and a partition's number.
pub type Place = (usize, i32);

/// A partition, and how often its topic had been made anew.
pub type Part = (Place, usize);

pub const STORES: i64 = 3;
pub const CUSTOMERS: usize = 4;

/// A record as its producer meant it.
#[derive(Debug, Clone)]
pub struct Written {
    pub place: Place,
    /// How often its topic had been made anew.
    pub generation: usize,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub store: Option<i64>,
    pub owner: Option<String>,
    pub content: Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Event {
        text_bytes: usize,
    },
    Tombstone,
    /// Cannot be decoded.
    Poison,
}

#[derive(Default)]
struct Partition {
    first: i64,
    next: i64,
    /// (offset, place in `records`)
    records: Vec<(i64, usize)>,
}

#[derive(Default)]
pub struct Log {
    /// In the order in which they were written; a record's place here is its id.
    pub records: Vec<Written>,
    /// Topics that were deleted and made anew, in that order.
    pub recreated: Vec<usize>,
    /// How far at least an instance was in a partition of such a topic when it noticed.
    read_of_gone: BTreeMap<Part, i64>,
    partitions: BTreeMap<Place, Partition>,
}

/// A point of the log's life.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Records that had been written.
    pub written: usize,
    /// Topics that had been made anew.
    pub recreated: usize,
    /// Since 1970.
    pub time_ms: i64,
}

impl Log {
    pub fn moment(&self, time_ms: i64) -> Moment {
        Moment { written: self.records.len(), recreated: self.recreated.len(), time_ms }
    }

    /// How often a topic has been made anew.
    pub fn generation(&self, topic: usize) -> usize {
        self.recreated.iter().filter(|anew| **anew == topic).count()
    }

    pub fn generation_at(&self, topic: usize, moment: Moment) -> usize {
        self.recreated[..moment.recreated].iter().filter(|anew| **anew == topic).count()
    }

    /// Deletes a topic and makes it anew, with so many partitions. What it had is gone.
    pub fn recreate(&mut self, topic: usize, partitions: usize) {
        self.partitions.retain(|place, _| place.0 != topic);
        self.recreated.push(topic);
        (0..partitions).for_each(|_| self.add_partition(topic));
    }

    pub fn places(&self) -> Vec<Place> {
        self.partitions.keys().copied().collect()
    }

    /// One more partition of a topic, which may be its first.
    pub fn add_partition(&mut self, topic: usize) {
        let number = self.partitions.keys().filter(|place| place.0 == topic).count();
        let place = (topic, i32::try_from(number).expect("few"));
        self.partitions.insert(place, Partition::default());
    }

    /// An instance has noticed that a topic was made anew. Of the one that it read it would have read these offsets
    /// next; it has read nothing of partitions that it had not met, and of topics that were there meanwhile.
    pub fn note_noticed(&mut self, topic: usize, generation: usize, next: BTreeMap<Place, i64>) {
        let gone = generation..self.generation(topic);
        let parts = self.records.iter().map(Written::part);
        for part in parts.filter(|part| part.0.0 == topic && gone.contains(&part.1)) {
            let next = next.get(&part.0).filter(|_| part.1 == generation).copied().unwrap_or(0);
            let read = self.read_of_gone.entry(part).or_insert(next);
            *read = next.min(*read);
        }
    }

    /// Up to which offset every instance that was there had read a partition that is gone.
    pub fn read_of_gone(&self, part: Part) -> i64 {
        self.read_of_gone.get(&part).copied().unwrap_or(0)
    }

    pub fn produce(&mut self, now_ms: i64, dice: &Dice) {
        let place = *dice.pick(&self.places());
        self.produce_to(place, now_ms, dice);
    }

    pub fn produce_to(&mut self, place: Place, now_ms: i64, dice: &Dice) {
        let generation = self.generation(place.0);
        let partition = self.partitions.get_mut(&place).expect("picked among them");
        // Offsets without a record, as transactions and compaction leave them.
        partition.next += if dice.one_in(10) { dice.within(1..4) } else { 0 };
        let content = match dice.below(20) {
            0 => Content::Tombstone,
            1 => Content::Poison,
            _ => Content::Event { text_bytes: dice.below(if dice.one_in(10) { 2_000 } else { 100 }) },
        };
        let owner = (!dice.one_in(4)).then(|| customer(dice.below(CUSTOMERS)));
        let store = (!dice.one_in(3)).then(|| dice.within(0..STORES));
        let offset = partition.next;
        // Producers' clocks do not agree.
        let timestamp_ms = now_ms + dice.within(-300..300);
        partition.records.push((offset, self.records.len()));
        partition.next += 1;
        self.records.push(Written { place, generation, offset, timestamp_ms, store, owner, content });
    }

    /// The first offset that can be read.
    pub fn first(&self, place: Place) -> i64 {
        self.partitions[&place].first
    }

    /// The offset of the next record.
    pub fn next(&self, place: Place) -> i64 {
        self.partitions[&place].next
    }

    /// The offset of the first record that is not older, or of the next.
    pub fn offset_for(&self, place: Place, timestamp_ms: i64) -> i64 {
        let partition = &self.partitions[&place];
        let mut kept = partition.records.iter().filter(|(offset, _)| *offset >= partition.first);
        let found = kept.find(|(_, id)| self.records[*id].timestamp_ms >= timestamp_ms);
        found.map_or(partition.next, |(offset, _)| *offset)
    }

    /// Deletes what lies before an offset.
    pub fn delete_before(&mut self, place: Place, offset: i64) {
        let partition = self.partitions.get_mut(&place).expect("it is there");
        partition.first = partition.first.max(offset);
    }

    /// The next records from `offset` on, as a consumer gets them.
    pub fn fetch(&self, place: Place, offset: i64, count: usize) -> Vec<OwnedRecord> {
        let records = &self.partitions[&place].records;
        let begin = records.partition_point(|(stored, _)| *stored < offset);
        records[begin..].iter().take(count).map(|(_, id)| self.as_consumed(*id)).collect()
    }

    fn as_consumed(&self, id: usize) -> OwnedRecord {
        let written = &self.records[id];
        OwnedRecord {
            topic: TOPICS[written.place.0].to_owned(),
            partition: written.place.1,
            offset: written.offset,
            timestamp_ms: Some(written.timestamp_ms),
            value: match written.content {
                Content::Event { text_bytes } => Some(encode(id, written, text_bytes)),
                Content::Tombstone => None,
                Content::Poison => Some(vec![0xFF; 5]),
            },
            ..OwnedRecord::default()
        }
    }
}

/// What Kafka calls a topic besides its name: another one each time that it is made.
pub fn topic_id(topic: usize, generation: usize) -> String {
    format!("{} no. {generation}", TOPICS[topic])
}

impl Written {
    pub fn part(&self) -> Part {
        (self.place, self.generation)
    }

    pub fn is_event_for(&self, protocol: Protocol) -> bool {
        let shown = match self.place.0 {
            0 => protocol == Protocol::Plain,
            1 => protocol == Protocol::SocketIo,
            _ => true,
        };
        shown && matches!(self.content, Content::Event { .. })
    }
}

pub fn customer(number: usize) -> String {
    format!("customer-{number}")
}

/// Avro's binary encoding of record.avsc.
fn encode(id: usize, written: &Written, text_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    put_long(&mut body, i64::try_from(id).expect("few"));
    put_long(&mut body, written.store.is_some().into());
    if let Some(store) = written.store {
        put_long(&mut body, store);
    }
    put_long(&mut body, written.owner.is_some().into());
    if let Some(owner) = &written.owner {
        put_text(&mut body, owner);
    }
    put_text(&mut body, &"x".repeat(text_bytes));
    body
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    put_long(body, i64::try_from(text.len()).expect("short"));
    body.extend_from_slice(text.as_bytes());
}

fn put_long(body: &mut Vec<u8>, value: i64) {
    let mut zigzag = (value << 1) ^ (value >> 63);
    while zigzag >= 0x80 {
        body.push((zigzag & 0x7F) as u8 | 0x80);
        zigzag >>= 7;
    }
    body.push(zigzag as u8);
}
