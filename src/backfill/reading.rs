//! One reading: from where a client was, in every partition, to where the journal begins.
//!
//! What lies between is mapped as the pipeline does it, and kept where the audience meets the client's keys. The
//! window moves on meanwhile, so the reading goes on until the journal has all that comes behind it. Topics are read
//! one after the other, those that open orders first, so that owners are known.

use super::ends::Ends;
use super::merge::{Event, merge, with_cursors};
use super::owners::{OwnedMapping, may_own};
use super::{Parts, gap};
use crate::consume::{PastReader, Record, Step};
use crate::event::{Catalog, shared};
use crate::journal::{Guard, PartitionId, Partitions, Positions, View};
use crate::limits::{BACKFILL_HOLES_MAX, PAST_READ_WAIT, PIPELINE_RETRY_WAIT, PRELUDE_MAX_BYTES};
use crate::mapping::Mapped;
use crate::protocol::{Gap, event_frame, traced_frame};
use crate::shard::{Asks, Found, Prelude, Question};
use crate::trace::TraceParent;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

pub(super) struct Reading<'w> {
    parts: &'w Parts,
    reader: &'w mut PastReader,
    ends: &'w mut Ends,
    gathered: Gathered<'w>,
}

/// What has been read, and what of it is for the client.
struct Gathered<'w> {
    parts: &'w Parts,
    mapping: &'w mut OwnedMapping,
    catalog: Arc<Catalog>,
    question: &'w Question,
    /// Older events are not wanted.
    since_ms: i64,
    records: usize,
    bytes: usize,
    events: Vec<Event>,
    event_bytes: usize,
}

/// What is to be read of a partition.
struct Span {
    partition: i32,
    id: PartitionId,
    /// The first offset, and the last.
    from: i64,
    to: i64,
}

impl<'w> Reading<'w> {
    pub fn new(
        parts: &'w Parts,
        reader: &'w mut PastReader,
        mapping: &'w mut OwnedMapping,
        ends: &'w mut Ends,
        question: &'w Question,
    ) -> Reading<'w> {
        let since_ms = match question.asks {
            Asks::Since(since_ms) => since_ms,
            Asks::Behind(_) | Asks::Ends(_) => i64::MIN,
        };
        mapping.begin(parts);
        let gathered = Gathered {
            parts,
            catalog: mapping.catalog(),
            mapping,
            question,
            since_ms,
            records: 0,
            bytes: 0,
            events: Vec::new(),
            event_bytes: 0,
        };
        Reading { parts, reader, ends, gathered }
    }

    pub fn run(mut self) -> Result<Found, Gap> {
        let places = self.reader.partitions().map_err(gap)?;
        let from = self.begin(&places)?;
        let mut to = from.clone();
        let then = loop {
            let view = self.parts.journal.view();
            let partitions = self.parts.journal.partitions();
            if let Some(then) = view.resume(&to.positions) {
                break then;
            }
            let target = view.joining().clone();
            let topics = self.spans(&places, &partitions, &to.positions, &target)?;
            // A view keeps its segments in memory, and reading takes a while.
            drop(view);
            for (topic, spans) in topics {
                self.read_topic(&topic, &spans)?;
            }
            to.positions = to.positions.or_newer(&target);
        };
        let prelude = self.gathered.prelude(&from)?;
        Ok(Found { prelude, from, to, then })
    }

    /// Where the client is.
    fn begin(&mut self, places: &[(String, i32)]) -> Result<Guard, Gap> {
        let (view, partitions) = self.picture();
        match &self.gathered.question.asks {
            Asks::Behind(guard) | Asks::Ends(guard) => {
                let is_ahead = self.ends.is_ahead(self.reader, guard, &partitions, view.handled());
                if is_ahead.map_err(gap)? { Err(Gap::Recreated) } else { Ok(guard.clone()) }
            }
            Asks::Since(since_ms) => {
                // Where nothing is as new, nothing is to be read; what comes meanwhile is in the journal.
                let mut positions = Positions::default();
                for (id, ended_ms) in partitions.ended() {
                    if ended_ms >= *since_ms {
                        return Err(Gap::Recreated);
                    }
                    positions.advance(id, Positions::ENDED);
                }
                let first = self.reader.first_since(places, *since_ms).map_err(gap)?;
                for ((topic, partition), first) in places.iter().zip(first) {
                    let Some(id) = partitions.find(topic, *partition) else { continue };
                    positions.advance(id, first.map_or(view.handled().get(id), |first| first - 1));
                }
                Ok(Guard::at(positions))
            }
        }
    }

    fn picture(&self) -> (View, Arc<Partitions>) {
        let view = self.parts.journal.view();
        (view, self.parts.journal.partitions())
    }

    /// What lies between `from` and `to`, by topic, in the order in which it is to be read.
    fn spans(
        &mut self,
        places: &[(String, i32)],
        partitions: &Partitions,
        from: &Positions,
        to: &Positions,
    ) -> Result<Vec<(String, Vec<Span>)>, Gap> {
        let named: HashMap<PartitionId, &(String, i32)> =
            places.iter().filter_map(|place| Some((partitions.find(&place.0, place.1)?, place))).collect();
        let mut topics: BTreeMap<(bool, String), Vec<Span>> = BTreeMap::new();
        let mut offsets = 0;
        for id in from.behind(to) {
            // A topic that is gone has taken its records with it.
            let (topic, partition) = named.get(&id).ok_or(Gap::TooOld)?;
            let span = self.span(topic, *partition, id, from.get(id), to.get(id))?;
            offsets += usize::try_from(span.to + 1 - span.from).unwrap_or(0);
            let order = (!self.gathered.mapping.opens_orders(topic), topic.clone());
            topics.entry(order).or_default().push(span);
        }
        // Hopeless from the start: that many offsets hold too many records, whatever the compaction.
        if offsets / BACKFILL_HOLES_MAX > self.parts.settings.max_records {
            return Err(Gap::TooMuch);
        }
        Ok(topics.into_iter().map(|((_, topic), spans)| (topic, spans)).collect())
    }

    fn span(&mut self, topic: &str, partition: i32, id: PartitionId, at: i64, to: i64) -> Result<Span, Gap> {
        let (low, _) = self.reader.bounds(topic, partition).map_err(gap)?;
        // A partition that the cursor does not know is read from its first record.
        if at != Positions::NONE && at + 1 < low {
            return Err(Gap::TooOld);
        }
        Ok(Span { partition, id, from: (at + 1).max(low), to })
    }

    fn read_topic(&mut self, topic: &str, spans: &[Span]) -> Result<(), Gap> {
        let mut open: HashMap<i32, &Span> =
            spans.iter().filter(|span| span.from <= span.to).map(|span| (span.partition, span)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let places: Vec<(i32, i64)> = open.values().map(|span| (span.partition, span.from)).collect();
        self.reader.begin(topic, &places).map_err(gap)?;
        while !open.is_empty() {
            if !self.gathered.question.is_wanted() {
                return Err(Gap::Timeout);
            }
            let mut outcome = Ok(());
            let gathered = &mut self.gathered;
            let step = self.reader.read(PAST_READ_WAIT, &mut |record| {
                let Some(span) = open.get(&record.partition).filter(|_| record.topic == topic) else {
                    return;
                };
                let (id, to) = (span.id, span.to);
                if record.offset >= to {
                    open.remove(&record.partition);
                }
                if record.offset <= to {
                    outcome = gathered.take(record, id);
                }
            });
            if let Step::End(partition) = step.map_err(gap)? {
                open.remove(&partition);
            }
            outcome?;
        }
        Ok(())
    }
}

impl Gathered<'_> {
    fn take(&mut self, record: Record<'_>, id: PartitionId) -> Result<(), Gap> {
        self.records += 1;
        self.bytes += record.value.map_or(0, <[u8]>::len);
        if self.records > self.parts.settings.max_records || self.bytes > self.parts.settings.max_bytes {
            return Err(Gap::TooMuch);
        }
        let frame = self.frame(record)?;
        self.parts.metrics.backfill_record(frame.is_some());
        let Some(frame) = frame else { return Ok(()) };
        self.event_bytes += frame.len();
        if self.event_bytes > PRELUDE_MAX_BYTES {
            return Err(Gap::TooMuch);
        }
        let Record { offset, timestamp_ms, .. } = record;
        self.events.push(Event { partition: id, offset, timestamp_ms, frame });
        Ok(())
    }

    /// The client's frame of a record; none if it is not for the client. What cannot be decoded was told as such
    /// when it was new, and is passed over.
    fn frame(&mut self, record: Record<'_>) -> Result<Option<Bytes>, Gap> {
        let Gathered { parts, question, .. } = *self;
        while self.mapping.waits_for_schema(record) {
            if !question.is_wanted() {
                return Err(Gap::Timeout);
            }
            std::thread::park_timeout(PIPELINE_RETRY_WAIT);
        }
        let view = parts.journal.view();
        let Ok(Mapped { event, payload, audience, .. }) = self.mapping.map(record, view.orders()) else {
            return Ok(None);
        };
        let is_old = record.timestamp_ms.is_some_and(|timestamp_ms| timestamp_ms < self.since_ms);
        if is_old || !event.clients.contains(&question.protocol) {
            return Ok(None);
        }
        if shared(&audience.keys, &question.keys).next().is_some() {
            let frame = event_frame(question.protocol, &event.name, payload);
            if !question.traced {
                return Ok(Some(frame));
            }
            let trace = record.trace().parent();
            return Ok(Some(traced_frame(
                question.protocol,
                &frame,
                trace.as_ref().map(TraceParent::as_str),
            )));
        }
        if audience.owner_unknown && may_own(&self.catalog, event, &question.keys) {
            return Err(Gap::OwnerUnknown);
        }
        Ok(None)
    }

    fn prelude(self, from: &Guard) -> Result<Option<Prelude>, Gap> {
        if self.events.is_empty() {
            return Ok(None);
        }
        let (journal, events) = (&self.parts.journal, merge(self.events));
        let frames: VecDeque<Bytes> = if self.question.cursors {
            with_cursors(events, from, self.question.protocol, journal.codec(), &journal.partitions())
        } else {
            events.into_iter().map(|event| event.frame).collect()
        };
        Prelude::new(frames, self.parts.metrics.prelude_bytes()).map(Some).ok_or(Gap::TooMuch)
    }
}
