//! The half of an instance that reads: the real pipeline, and a source that is filled from the log.
//!
//! A topic that was made anew gives nothing until that is noticed, some time later. Then it is told as Kafka's source tells
//! it: all partitions of the old one are lost, and the new one is read from its beginning.

use super::dice::Dice;
use super::instance::{COMMON, WINDOW};
use super::kafka::{Log, Place, TOPICS, topic_id};
use crate::clock::Simulated;
use crate::consume::{
    Begun, BegunPartition, Loss, LossCause, LostPartition, MemoryFeed, News, Source, memory_with_news,
};
use crate::dead_letter::DeadLetters;
use crate::event::{CurrentCatalog, OrderSettings};
use crate::health::Health;
use crate::journal;
use crate::pipeline::{Pipeline, Work};
use crate::settings::Document;
use crate::shard::Shards;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub struct Feed {
    log: Rc<RefCell<Log>>,
    dice: Dice,
    work: Work,
    source: Source,
    memory: MemoryFeed,
    /// Of each topic, which one it reads of those that had that name. Another one's records it does not get.
    pub generations: Vec<usize>,
    /// It notices that a topic is another one at every so many looks.
    slowness: usize,
    /// The offset to read next.
    next: BTreeMap<Place, i64>,
    /// Where partitions ended when it started: the instance is ready when it is there.
    until: BTreeMap<Place, i64>,
}

impl Feed {
    pub fn new(log: &Rc<RefCell<Log>>, time: &Arc<Simulated>, dice: &Dice, journal: journal::Writer) -> Feed {
        let now_ms = i64::try_from(time.since_epoch().as_millis()).expect("it is not so late");
        let window_ms = i64::try_from(WINDOW.as_millis()).expect("it is short");
        let places = log.borrow().places();
        let begin = |place: &Place| (*place, log.borrow().offset_for(*place, now_ms - window_ms));
        let next: BTreeMap<Place, i64> = places.iter().map(begin).collect();
        let until = places.iter().map(|place| (*place, log.borrow().next(*place))).collect();
        let name = |((topic, partition), offset): (&Place, &i64)| BegunPartition {
            topic: TOPICS[*topic].to_owned(),
            partition: *partition,
            window: *offset,
            start: *offset,
        };
        let begun = Begun {
            cluster: "simulated".to_owned(),
            partitions: next.iter().map(name).collect(),
            since_ms: None,
        };
        let (memory, source) = memory_with_news(begun);
        let generations: Vec<usize> = (0..TOPICS.len()).map(|topic| log.borrow().generation(topic)).collect();
        for (topic, generation) in generations.iter().enumerate() {
            let id = Some(topic_id(topic, *generation));
            let named = News::Named { topic: TOPICS[topic].to_owned(), id };
            memory.news.send(named).expect("the source is here");
        }
        let work = Work::new(Pipeline {
            catalog: CurrentCatalog::new(Arc::clone(&COMMON.catalog)),
            writers: COMMON.writers.clone(),
            dead_letters: DeadLetters::Off,
            journal,
            shards: Shards::none(),
            health: Health::new(COMMON.metrics.clone()),
            metrics: COMMON.metrics.clone(),
            clock: time.clock(),
            keeps_traces: false,
            orders: OrderSettings::read(&mut Document::empty()),
        });
        let mut feed = Feed {
            log: Rc::clone(log),
            dice: dice.clone(),
            work,
            source: Source::Memory(source),
            memory,
            generations,
            slowness: *dice.pick(&[4, 20, 300]),
            next,
            until,
        };
        feed.turn();
        feed
    }

    /// The offset to be read next of a partition as it is now.
    pub fn next(&self, place: Place) -> i64 {
        let next = self.next.get(&place).filter(|_| !self.is_late(place.0));
        next.copied().unwrap_or_default()
    }

    pub fn is_caught_up(&self) -> bool {
        self.until.iter().all(|(place, until)| self.next.get(place).is_some_and(|next| next >= until))
    }

    pub fn read_some(&mut self) {
        let places = self.log.borrow().places();
        let (place, count) = (*self.dice.pick(&places), 1 + self.dice.below(8));
        if !self.is_late(place.0) {
            self.read(place, count);
        } else if self.dice.one_in(self.slowness) {
            self.notice(place.0);
        }
        self.turn();
    }

    pub fn read_all(&mut self) -> bool {
        let late: Vec<usize> = (0..TOPICS.len()).filter(|topic| self.is_late(*topic)).collect();
        for topic in &late {
            self.notice(*topic);
        }
        let places = self.log.borrow().places();
        let read = places.into_iter().fold(false, |any, place| self.read(place, 100) | any);
        self.turn();
        read || !late.is_empty()
    }

    /// Whether a topic was made anew, and that was not noticed yet.
    pub fn is_late(&self, topic: usize) -> bool {
        self.generations[topic] != self.log.borrow().generation(topic)
    }

    /// A topic is another one: it is told, and read from its beginning.
    fn notice(&mut self, topic: usize) {
        let was_caught_up = self.is_caught_up();
        let log = self.log.borrow();
        let is_of_it = |place: &Place| place.0 == topic;
        let places: Vec<Place> = log.places().into_iter().filter(is_of_it).collect();
        let generation = self.generations[topic];
        let old: BTreeMap<Place, i64> =
            self.next.extract_if((topic, 0)..(topic + 1, 0), |_, _| true).collect();
        let lost = |(place, position): (&Place, &i64)| LostPartition {
            partition: place.1,
            position: *position,
            range: places.contains(place).then(|| (log.first(*place), log.next(*place))),
        };
        let partitions = old.iter().map(lost).collect();
        self.generations[topic] = log.generation(topic);
        let cause = LossCause::Anew { id: Some(topic_id(topic, self.generations[topic])) };
        let loss = News::Lost(Loss { topic: TOPICS[topic].to_owned(), cause, partitions });
        self.memory.news.send(loss).expect("the source is here");
        self.next.extend(places.iter().map(|place| (*place, log.first(*place))));
        self.until.retain(|place, _| place.0 != topic);
        if !was_caught_up {
            self.until.extend(places.iter().map(|place| (*place, log.next(*place))));
        }
        drop(log);
        self.log.borrow_mut().note_noticed(topic, generation, old);
        // What comes behind it is given only when that was taken.
        self.turn();
    }

    fn read(&mut self, place: Place, count: usize) -> bool {
        let log = self.log.borrow();
        // A partition that was not there at the start is read from its first record.
        let next = self.next.entry(place).or_insert_with(|| log.first(place));
        let records = log.fetch(place, *next, count);
        *next = records.last().map_or_else(|| log.next(place), |record| record.offset + 1);
        let any = !records.is_empty();
        for record in records {
            self.memory.records.send(record).expect("the source is here");
        }
        any
    }

    fn turn(&mut self) {
        // A batch may be shorter than what has come.
        for _ in 0..4 {
            self.work.turn(&mut self.source, Duration::ZERO).expect("memory does not fail");
        }
    }

    pub fn rebalance(&mut self) {
        let log = self.log.borrow();
        for (place, next) in &mut self.next {
            let is_late = self.generations[place.0] != log.generation(place.0);
            if !is_late && self.dice.one_in(2) {
                let first = log.first(*place);
                *next -= self.dice.within(0..12).min((*next - first).max(0));
            }
        }
    }
}
