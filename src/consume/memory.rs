//! A record source without Kafka: tests put records into a channel.

use super::{Begun, Handled, News, OwnedRecord, Record};
use std::collections::HashSet;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub struct MemorySource {
    records: mpsc::Receiver<OwnedRecord>,
    news: Option<mpsc::Receiver<News>>,
    begun: Option<Begun>,
    /// Partitions whose records wait with the handler.
    waiting: HashSet<(String, i32)>,
}

/// A channel whose far end is a source.
pub fn memory() -> (mpsc::Sender<OwnedRecord>, MemorySource) {
    memory_from(Begun { cluster: "memory".to_owned(), partitions: Vec::new(), since_ms: None })
}

/// One that began to read somewhere.
pub fn memory_from(begun: Begun) -> (mpsc::Sender<OwnedRecord>, MemorySource) {
    let (sender, records) = mpsc::channel();
    (sender, MemorySource { records, news: None, begun: Some(begun), waiting: HashSet::new() })
}

/// What is put into a source.
pub struct MemoryFeed {
    pub records: mpsc::Sender<OwnedRecord>,
    /// Taken at the end of a turn, behind the records that came before.
    pub news: mpsc::Sender<News>,
}

/// One that also tells what becomes of its topics.
pub fn memory_with_news(begun: Begun) -> (MemoryFeed, MemorySource) {
    let (records, source) = memory_from(begun);
    let (news, receiver) = mpsc::channel();
    (MemoryFeed { records, news }, MemorySource { news: Some(receiver), ..source })
}

impl MemorySource {
    pub(super) fn poll(&mut self, wait: Duration, handle: &mut dyn FnMut(Record<'_>) -> Handled) -> bool {
        match self.records.recv_timeout(wait) {
            Ok(record) => {
                if handle(record.lend()) != Handled::Done {
                    self.waiting.insert((record.topic, record.partition));
                }
                true
            }
            Err(mpsc::RecvTimeoutError::Timeout) => false,
            // The far end is gone: there is nothing more to come, and no reason to ask at once again.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                std::thread::park_timeout(wait);
                false
            }
        }
    }

    pub(super) fn take_begun(&mut self) -> Option<Begun> {
        self.begun.take()
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        self.news.iter().flat_map(mpsc::Receiver::try_iter).collect()
    }

    /// A channel gives each record once and cannot be paused: what comes meanwhile waits with the handler.
    pub(super) fn handled(&self, _topic: &str, _partition: i32, _offset: i64) {}

    pub(super) fn resume(&mut self, topic: &str, partition: i32) {
        self.waiting.remove(&(topic.to_owned(), partition));
    }

    /// A channel has one order for all: what was put in before has come before, and is handled or waits.
    pub(super) fn has_settled(&self, _moment: Instant, excused: impl Fn(&str, i32) -> bool) -> bool {
        self.waiting.iter().all(|(topic, partition)| excused(topic, *partition))
    }
}
