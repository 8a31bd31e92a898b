//! A past in one line: events of several partitions by time, each partition in its own order, with cursors that
//! only go forward.

use crate::journal::{CursorCodec, Guard, PartitionId, Partitions};
use crate::protocol::{Protocol, cursor_frame};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// An event that the client may see.
pub(super) struct Event {
    pub partition: PartitionId,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub frame: Bytes,
}

/// By Kafka's timestamp, but never before an event of the same partition that has a lower offset.
pub(super) fn merge(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.partition.0, event.offset));
    let mut newest: HashMap<PartitionId, i64> = HashMap::new();
    let mut timed: Vec<(i64, Event)> = Vec::with_capacity(events.len());
    for event in events {
        let newest = newest.entry(event.partition).or_insert(i64::MIN);
        *newest = event.timestamp_ms.unwrap_or(i64::MIN).max(*newest);
        timed.push((*newest, event));
    }
    // Stable, so what is of one time stays in the order of its partition.
    timed.sort_by_key(|(time_ms, _)| *time_ms);
    timed.into_iter().map(|(_, event)| event).collect()
}

/// The frames with the positions of a client that has got each, beginning at `from`.
pub(super) fn with_cursors(
    events: Vec<Event>,
    from: &Guard,
    protocol: Protocol,
    codec: &CursorCodec,
    partitions: &Partitions,
) -> VecDeque<Bytes> {
    let mut at = from.clone();
    let every = partitions.events_per_cursor();
    let frames = events.into_iter().zip(1_u64..).map(|(event, number)| {
        at.positions.advance(event.partition, event.offset);
        if number.is_multiple_of(every) {
            cursor_frame(protocol, &event.frame, &codec.encode(partitions, &at))
        } else {
            event.frame
        }
    });
    frames.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Positions;
    use proptest::prelude::*;

    fn event((partition, offset, timestamp_ms): (u32, i64, i64)) -> Event {
        let frame = crate::protocol::event_frame(Protocol::Plain, "e", b"1");
        Event { partition: PartitionId(partition), offset, timestamp_ms: Some(timestamp_ms), frame }
    }

    fn places(events: &[Event]) -> Vec<(u32, i64)> {
        events.iter().map(|event| (event.partition.0, event.offset)).collect()
    }

    #[test]
    fn by_time_but_a_partition_keeps_its_order() {
        let events = [(0, 1, 10), (0, 2, 40), (0, 3, 20), (1, 1, 15), (1, 2, 30), (1, 3, 50)];
        let merged = merge(events.map(event).into());
        assert_eq!(places(&merged), [(0, 1), (1, 1), (1, 2), (0, 2), (0, 3), (1, 3)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_offsets_rise(times in prop::collection::vec((0..4_u32, 0..100_i64), 0..200)) {
            let mut next = [0; 4];
            let events = times.iter().map(|(partition, time_ms)| {
                next[*partition as usize] += 1;
                event((*partition, next[*partition as usize], *time_ms))
            });
            let merged = places(&merge(events.collect()));
            prop_assert_eq!(merged.len(), times.len());
            for partition in 0..4 {
                let offsets: Vec<i64> =
                    merged.iter().filter(|place| place.0 == partition).map(|place| place.1).collect();
                prop_assert!(offsets.is_sorted_by(|a, b| a < b));
            }
        }
    }

    #[test]
    fn a_cursor_covers_what_was_sent_and_nothing_else() {
        let mut partitions = Partitions::default();
        partitions.push("t", 0);
        partitions.push("t", 1);
        let codec = CursorCodec::new("cluster", &[]);
        let mut from = Positions::default();
        from.advance(PartitionId(0), 4);
        let events = [(0, 7, 10), (1, 3, 20), (0, 9, 30)].map(event).into();
        let frames = with_cursors(events, &Guard::at(from), Protocol::Plain, &codec, &partitions);
        let at = |frame: &Bytes| {
            let text = String::from_utf8_lossy(frame).into_owned();
            let cursor = text.split("\"cursor\":\"").nth(1).unwrap().split('"').next().unwrap();
            let guard = codec.decode(&partitions, cursor).unwrap();
            [0, 1].map(|id| guard.positions.get(PartitionId(id)))
        };
        assert_eq!(frames.iter().map(at).collect::<Vec<_>>(), [[7, -1], [7, 3], [9, 3]]);
    }
}
