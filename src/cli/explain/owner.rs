//! Whose order a record is about that does not say so: looked up in Kafka, as far back as an instance knows its orders.
//!
//! In: the order's id, and when it was spoken of. Out: its owner and the record that opened it, if one did within
//! `orders.look_back` before. A running instance has read the same records at its start and since then. No group is
//! joined and nothing is committed.

use super::answer::Place;
use super::wait_for_schema;
use crate::cli::output::progress;
use crate::config::Config;
use crate::consume::{OwnedRecord, Past, PastFault, PastReader, Step};
use crate::decode::Writers;
use crate::event::{ChangeKind, OpenOrders, Owner, Owners};
use crate::limits::{CHECK_PATIENCE, PAST_READ_WAIT};
use crate::mapping::Mapping;
use std::collections::BTreeMap;
use std::time::Instant;
use tokio::runtime::Runtime;

/// What is known of one order.
pub(super) struct Opened {
    pub order: Box<str>,
    pub owner: Owner,
    pub by: Place,
}

impl Owners for Opened {
    fn owner(&self, id: &str) -> Option<&Owner> {
        (*id == *self.order).then_some(&self.owner)
    }
}

/// Who looks it up.
pub(super) struct Search<'s> {
    pub config: &'s Config,
    pub mapping: &'s mut Mapping,
    pub writers: &'s Writers,
    pub runtime: &'s Runtime,
}

impl Search<'_> {
    /// The record that opened the order, among those within the look-back before `time_ms` and all since then.
    pub fn find(&mut self, order: &str, time_ms: i64) -> Result<Option<Opened>, String> {
        let past = Past::Kafka(Box::new(self.config.kafka.clone()));
        let mut reader = past.reader().map_err(|fault| fault.to_string())?;
        let look_back = self.config.orders.look_back.max(self.config.orders.window);
        let since_ms = time_ms.saturating_sub(i64::try_from(look_back.as_millis()).unwrap_or(i64::MAX));
        let spans = self.spans(&mut reader, since_ms).map_err(|fault| fault.to_string())?;
        let bar = progress("{spinner} looking for the order among {pos} records");
        for (topic, ends) in spans {
            let places: Vec<(i32, i64)> = ends.iter().map(|(partition, span)| (*partition, span.0)).collect();
            reader.begin(&topic, &places).map_err(|fault| fault.to_string())?;
            let found = self.search(&mut reader, &topic, ends, order, &bar)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// By topic that opens orders: each partition's first offset to be read, and the one behind its last.
    #[expect(clippy::type_complexity, reason = "it is taken apart at once")]
    fn spans(
        &self,
        reader: &mut PastReader,
        since_ms: i64,
    ) -> Result<BTreeMap<String, BTreeMap<i32, (i64, i64)>>, PastFault> {
        let Some(rules) = self.config.catalog.order_rules() else { return Ok(BTreeMap::new()) };
        let opens =
            |topic: &str| self.config.catalog.events_of(topic).any(|event| event.name == rules.opened_by);
        let mut places = reader.partitions()?;
        places.retain(|(topic, _)| opens(topic));
        let first = reader.first_since(&places, since_ms.max(0))?;
        let mut spans: BTreeMap<String, BTreeMap<i32, (i64, i64)>> = BTreeMap::new();
        for ((topic, partition), from) in places.into_iter().zip(first) {
            let (_, end) = reader.bounds(&topic, partition)?;
            let from = from.filter(|from| *from < end);
            spans.entry(topic).or_default().extend(from.map(|from| (partition, (from, end))));
        }
        spans.retain(|_, ends| !ends.is_empty());
        Ok(spans)
    }

    fn search(
        &mut self,
        reader: &mut PastReader,
        topic: &str,
        mut ends: BTreeMap<i32, (i64, i64)>,
        order: &str,
        bar: &indicatif::ProgressBar,
    ) -> Result<Option<Opened>, String> {
        let mut heard = Instant::now();
        while !ends.is_empty() {
            let mut lent: Option<OwnedRecord> = None;
            let step = reader.read(PAST_READ_WAIT, &mut |record| lent = Some(record.to_owned()));
            match step.map_err(|fault| fault.to_string())? {
                Step::End(partition) => drop(ends.remove(&partition)),
                Step::Nothing if heard.elapsed() > CHECK_PATIENCE => {
                    return Err("no answer from kafka".to_owned());
                }
                Step::Nothing | Step::Record => {}
            }
            let Some(record) = lent.filter(|record| record.topic == topic) else { continue };
            heard = Instant::now();
            bar.inc(1);
            if ends.get(&record.partition).is_some_and(|(_, end)| record.offset + 1 >= *end) {
                ends.remove(&record.partition);
            }
            if let Some(owner) = self.opens(&record, order)? {
                let OwnedRecord { topic, partition, offset, .. } = record;
                let by = Place { topic, partition, offset };
                return Ok(Some(Opened { order: order.into(), owner, by }));
            }
        }
        Ok(None)
    }

    /// The owner, if this record opens that order. What cannot be decoded opens none.
    fn opens(&mut self, record: &OwnedRecord, order: &str) -> Result<Option<Owner>, String> {
        let waiting = wait_for_schema(self.mapping, self.writers.clone(), record.lend());
        self.runtime.block_on(waiting)?;
        let Ok(mapped) = self.mapping.map(record.lend(), &OpenOrders::default()) else { return Ok(None) };
        let change = mapped.order.filter(|change| *change.id == *order);
        Ok(change.and_then(|change| match change.kind {
            ChangeKind::Opens { owner } => Some(owner),
            ChangeKind::Changes { .. } => None,
        }))
    }
}
