//! The journal as its readers see it.

use super::*;
use crate::event::{ChangeKind, OrderBook, OrderChange, OrderSettings, Owner, Owners, Shown};
use crate::limits::SEGMENT_ENTRIES_MAX;
use crate::protocol::Frames;
use crate::settings::Document;
use bytes::Bytes;
use proptest::prelude::*;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
/// The time of day, which is later than any of these records'.
const NOW_MS: i64 = 1_000_000;

fn settings(max_bytes: usize) -> Settings {
    Settings { max_bytes, max_age: 15 * MINUTE, cursor_keys: Vec::new() }
}

fn draft(offset: i64, keys: &[&str]) -> Draft {
    let mut frames = Frames::default();
    frames.set(Protocol::Plain, Bytes::from(offset.to_string()));
    Draft {
        origin: Origin { topic: "t".into(), partition: 0, offset },
        timestamp_ms: None,
        event: crate::event::EventId(0),
        audience: keys.iter().map(|key| Key::new(key)).collect(),
        frames,
        trace: None,
    }
}

/// All that a reader with `keys` finds from `from` on.
fn read(journal: &Journal, keys: &[&str], from: u64) -> Vec<u64> {
    let keys: Vec<Key> = keys.iter().map(|key| Key::new(key)).collect();
    let view = journal.view();
    let mut found = Vec::new();
    let mut next = from.max(view.oldest());
    while next < view.head() {
        next = view.find(&keys, Protocol::Plain, next, view.head(), &mut found);
    }
    found
}

#[test]
fn readers_see_what_is_published_and_nothing_else() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    writer.append(draft(0, &["a"]), now, NOW_MS);
    assert_eq!((journal.head(), journal.view().entry(0).is_none()), (0, true));
    assert!(writer.publish(now));
    assert!(!writer.publish(now));
    assert_eq!(read(&journal, &["a"], 0), [0]);
    assert_eq!(read(&journal, &["b"], 0), [0; 0]);
    assert!(journal.view().entry(1).is_none());
}

#[test]
fn an_entry_weighs_what_it_holds() {
    let weight_bytes = |draft: Draft| {
        let (mut writer, journal) = open(&settings(1 << 20));
        assert_eq!(journal.max_age(), 15 * MINUTE);
        writer.append(draft, Instant::now(), NOW_MS);
        writer.weight_bytes()
    };
    let bare = weight_bytes(draft(1, &[]));
    assert_eq!(bare, size_of::<Entry>() + 1);
    assert_eq!(weight_bytes(draft(1_000, &[])), bare + 3);
    let of_keys = |keys: &[&str]| weight_bytes(draft(1, keys)) - bare;
    assert_eq!((of_keys(&["a", "bcd"]), of_keys(&["abc"])), (2 * of_keys(&["ab"]), of_keys(&["a"]) + 2));
    assert!(of_keys(&["a"]) > size_of::<Key>());
    let text = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = crate::trace::TraceParent::parse(text);
    assert_eq!(weight_bytes(Draft { trace, ..draft(1, &["a"]) }), bare + of_keys(&["a"]) + text.len());
}

#[test]
fn an_offset_that_is_not_above_the_newest_is_refused() {
    let (mut writer, _journal) = open(&settings(1 << 20));
    let now = Instant::now();
    let outcomes = [5, 5, 4, 6].map(|offset| writer.append(draft(offset, &["a"]), now, NOW_MS));
    assert_eq!(outcomes, [Appended::Stored, Appended::Repeated, Appended::Repeated, Appended::Stored]);
    let elsewhere =
        Draft { origin: Origin { topic: "t".into(), partition: 1, offset: 0 }, ..draft(0, &["a"]) };
    assert_eq!(writer.append(elsewhere, now, NOW_MS), Appended::Stored);
}

#[test]
fn an_entry_is_found_once_however_many_keys_match_and_only_with_a_frame() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    for offset in 0..2 * SEGMENT_ENTRIES_MAX as i64 + 10 {
        writer.append(draft(offset, &["a", "b"]), now, NOW_MS);
    }
    writer.publish(now);
    assert_eq!(writer.entries(), 2 * SEGMENT_ENTRIES_MAX + 10);
    let all: Vec<u64> = (0..journal.head()).collect();
    assert_eq!(read(&journal, &["b", "a", "c"], 0), all);
    let mut found = Vec::new();
    journal.view().find(&[Key::new("a")], Protocol::SocketIo, 0, journal.head(), &mut found);
    assert!(found.is_empty());
}

#[test]
fn the_oldest_segments_leave_when_the_window_is_too_heavy() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    for offset in 0..20 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(draft(offset, &["a"]), now, NOW_MS);
        writer.publish(now);
    }
    let view = journal.view();
    assert!(view.oldest() > 0 && view.oldest() < view.head());
    assert!(writer.weight_bytes() <= (1 << 20) + 300 * SEGMENT_ENTRIES_MAX);
    assert!(view.entry(view.oldest()).is_some() && view.entry(view.oldest() - 1).is_none());
}

#[test]
fn the_oldest_segments_leave_when_they_are_too_old() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let start = Instant::now();
    for minute in 0..40 {
        writer.append(draft(i64::from(minute), &["a"]), start + minute * MINUTE, NOW_MS);
        writer.publish(start + minute * MINUTE);
    }
    let kept = read(&journal, &["a"], 0);
    assert!((15..=17).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept.last(), Some(&39));
    writer.publish(start + 333 * MINUTE);
    assert_eq!(read(&journal, &["a"], 0), [39], "the open one stays");
}

#[test]
fn a_segment_takes_what_comes_within_a_part_of_the_window() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let start = Instant::now();
    for (offset, second) in [0, 50, 56, 57, 113, 114].into_iter().enumerate() {
        writer.append(draft(offset as i64, &["a"]), start + Duration::from_secs(second), NOW_MS);
    }
    let bases: Vec<u64> = journal.view().segments.iter().map(|segment| segment.base()).collect();
    assert_eq!(bases, [0, 3, 5], "15 minutes have 16 parts of 56.25 s");
}

#[test]
fn the_window_may_weigh_what_it_is_allowed_to() {
    let fill = |max_bytes: usize| {
        let (mut writer, journal) = open(&settings(max_bytes));
        let now = Instant::now();
        for offset in 0..3 * SEGMENT_ENTRIES_MAX as i64 {
            writer.append(draft(offset, &["a"]), now, NOW_MS);
        }
        writer.publish(now);
        writer.publish(now);
        (journal.view().oldest(), writer.weight_bytes())
    };
    let (_, weight_bytes) = fill(1 << 30);
    assert_eq!(fill(weight_bytes), (0, weight_bytes));
    let (oldest, left_bytes) = fill(weight_bytes - 1);
    assert_eq!(oldest, SEGMENT_ENTRIES_MAX as u64);
    assert!(left_bytes > weight_bytes / 2 && left_bytes < weight_bytes, "{left_bytes} of {weight_bytes}");
}

#[test]
fn segments_that_a_reader_holds_count_against_the_bound() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    let mut views = Vec::new();
    for offset in 0..20 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(draft(offset, &["a"]), now, NOW_MS);
        writer.publish(now);
        if offset % 512 == 0 {
            views.push(journal.view());
        }
    }
    assert!(writer.weight_bytes() > 2 << 20);
    assert!(writer.entries() <= 2 * SEGMENT_ENTRIES_MAX);
    drop(views);
    writer.publish(now);
    assert!(writer.weight_bytes() < 1 << 20);
}

proptest! {
    /// Sealed or open, by index or by scan: a reader finds exactly what a plain filter finds.
    #[test]
    fn a_reader_finds_what_a_filter_finds(
        audiences in prop::collection::vec(prop::collection::btree_set(0..6u8, 0..4), 1..3000),
        held in prop::collection::btree_set(0..6u8, 0..4),
        from in 0..3000u64,
    ) {
        let (mut writer, journal) = open(&settings(1 << 30));
        let now = Instant::now();
        for (offset, audience) in audiences.iter().enumerate() {
            let keys: Vec<String> = audience.iter().map(|key| format!("k:{key}")).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            writer.append(draft(offset as i64, &keys), now, NOW_MS);
        }
        writer.publish(now);
        let keys: Vec<String> = held.iter().map(|key| format!("k:{key}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let expected: Vec<u64> = (from..audiences.len() as u64)
            .filter(|place| audiences[*place as usize].intersection(&held).next().is_some())
            .collect();
        prop_assert_eq!(read(&journal, &keys, from), expected);
    }
}

/// The positions of a reader that has these offsets of partitions 0, 1, ...
fn at(offsets: &[i64]) -> Positions {
    let mut positions = Positions::default();
    for (offset, id) in offsets.iter().zip(0..) {
        positions.advance(PartitionId(id), *offset);
    }
    positions
}

#[test]
fn a_reader_resumes_where_nothing_before_is_missing() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    writer.begin("t", 0, 100);
    writer.publish(now);
    assert_eq!(journal.view().resume(&at(&[99])), Some(0));
    assert_eq!(journal.view().resume(&at(&[98])), None, "an event before the start may be missing");
    for offset in 100..100 + 3 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(draft(offset, &["a"]), now, NOW_MS);
    }
    writer.publish(now);
    let view = journal.view();
    assert_eq!(view.resume(&at(&[99])), Some(0));
    assert_eq!(view.resume(&at(&[100])), Some(0));
    assert_eq!(view.resume(&at(&[99 + SEGMENT_ENTRIES_MAX as i64])), Some(SEGMENT_ENTRIES_MAX as u64));
    assert_eq!(view.resume(&at(&[99 + 3 * SEGMENT_ENTRIES_MAX as i64])), Some(view.head()));
}

#[test]
fn what_is_looked_at_before_the_window_makes_no_older_cursor_good() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    writer.begin("t", 0, 100);
    for offset in 50..100 {
        writer.pass_over("t", 0, offset);
    }
    writer.publish(now);
    assert_eq!(journal.view().resume(&at(&[98])), None);
    assert_eq!(journal.view().resume(&at(&[99])), Some(0));
    assert_eq!(journal.view().positions_at(0), at(&[99]));
}

#[test]
fn a_view_has_the_open_orders_as_of_its_head() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    let orders = OrderSettings::read(&mut Document::empty());
    let mut book = OrderBook::new(&orders, [].into());
    let change = OrderChange { id: "o1".into(), kind: ChangeKind::Opens { owner: Owner::Guest } };
    writer.append(draft(0, &["a"]), now, NOW_MS);
    book.apply(&change, Shown { audience: [Key::new("a")].into(), frames: Frames::default() }, 0);
    writer.set_orders(book.orders().clone());
    let before = journal.view();
    writer.publish(now);
    let after = journal.view();
    assert_eq!((before.head(), before.orders().len()), (0, 0));
    assert_eq!((after.head(), after.orders().len()), (1, 1));
    assert_eq!(after.orders().owner("o1"), Some(&Owner::Guest));
}

#[test]
fn records_that_are_no_events_are_no_loss() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    writer.begin("t", 0, 0);
    writer.append(draft(0, &["a"]), now, NOW_MS);
    for offset in 1..50 {
        writer.pass_over("t", 0, offset);
    }
    writer.publish(now);
    let view = journal.view();
    assert_eq!(view.resume(&at(&[0])), Some(1));
    assert_eq!(view.positions_at(1), at(&[49]), "and a reader of everything is behind them");
    assert_eq!(view.positions_at(0), at(&[-1]));
}

fn timed(offset: i64, timestamp_ms: i64) -> Draft {
    Draft { timestamp_ms: Some(timestamp_ms), ..draft(offset, &["a"]) }
}

#[test]
fn the_first_entry_of_a_time_and_since_when_the_window_has_all() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    let first = |time_ms| journal.view().first_since(time_ms);
    assert_eq!((journal.view().complete_since(), first(5)), (None, 0));
    writer.begin_with(1_000);
    writer.publish(now);
    assert_eq!((journal.view().complete_since(), first(2_000)), (Some(1_000), 0));
    // Partitions are not read in the order of time: every tenth is late.
    for offset in 0..3 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(timed(offset, 1_000 + offset - if offset % 10 == 9 { 500 } else { 0 }), now, NOW_MS);
    }
    writer.publish(now);
    for (time_ms, sequence) in [(0, 0), (1_000, 0), (1_001, 1), (1_009, 10), (2_500, 1_500), (9_999, 3_072)] {
        assert_eq!(first(time_ms), sequence, "{time_ms}");
    }
}

#[test]
fn what_is_as_old_as_is_asked_for_is_there_however_segments_end() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    for offset in 0..2 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(timed(offset, if offset < 1_000 { 1 } else { 5 }), now, NOW_MS);
    }
    writer.publish(now);
    assert_eq!(journal.view().first_since(5), 1_000);
}

#[test]
fn what_has_left_the_window_says_since_when_it_has_all() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    for offset in 0..20 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(timed(offset, offset), now, NOW_MS);
        writer.publish(now);
    }
    let view = journal.view();
    assert!(view.oldest() > 0);
    assert_eq!(view.complete_since(), Some(view.oldest() as i64));
}

#[test]
fn a_reader_of_kafka_joins_behind_the_first_quarter() {
    let (mut writer, journal) = open(&settings(1 << 30));
    let now = Instant::now();
    writer.begin("t", 0, 0);
    for offset in 0..8 * SEGMENT_ENTRIES_MAX as i64 {
        writer.append(draft(offset, &["a"]), now, NOW_MS);
    }
    writer.publish(now);
    let view = journal.view();
    assert_eq!(*view.joining(), at(&[2 * SEGMENT_ENTRIES_MAX as i64 - 1]));
    assert_eq!(view.resume(view.joining()), Some(2 * SEGMENT_ENTRIES_MAX as u64));
}

/// What somebody who asked for cursors and holds `keys` finds from `from` on: sequences, and the gaps that are told.
fn read_with_gaps(journal: &Journal, keys: &[&str], from: u64) -> Vec<(u64, Option<Gap>)> {
    let keys: Vec<Key> = keys.iter().map(|key| Key::new(key)).chain([Key::of_cursors()]).collect();
    let view = journal.view();
    let mut found = Vec::new();
    view.find(&keys, Protocol::Plain, from, view.head(), &mut found);
    found.iter().map(|sequence| (*sequence, view.entry(*sequence).unwrap().gap)).collect()
}

/// A cursor of a reader of everything before `sequence`.
fn cursor_at(journal: &Journal, sequence: u64) -> String {
    let guard = Guard::at(journal.view().positions_at(sequence));
    journal.codec().encode(&journal.partitions(), &guard)
}

#[test]
fn a_cursor_is_sealed_by_its_secret() {
    let journal = |secrets: &[&str]| {
        let cursor_keys = secrets.iter().map(|secret| secret.to_string().into()).collect();
        let (mut writer, journal) = open(&Settings { cursor_keys, ..settings(1 << 20) });
        writer.set_cluster("one");
        writer.append(draft(5, &["a"]), Instant::now(), NOW_MS);
        writer.publish(Instant::now());
        journal
    };
    let cursor = cursor_at(&journal(&["former"]), 1);
    let is_read = |secrets: &[&str]| {
        let here = journal(secrets);
        here.codec().decode(&here.partitions(), &cursor).is_some()
    };
    assert!(is_read(&["former"]) && is_read(&["new", "former"]));
    assert!(!is_read(&["new"]) && !is_read(&[]));
}

fn guard(journal: &Journal, cursor: &str) -> Guard {
    journal.codec().decode(&journal.partitions(), cursor).unwrap()
}

#[test]
fn a_topic_made_anew_is_read_anew_and_told_in_between() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    writer.set_cluster("cluster");
    writer.name_topic("t", Some("first"));
    for offset in 0..5 {
        writer.append(draft(offset, &["a"]), now, NOW_MS);
    }
    writer.publish(now);
    let before = cursor_at(&journal, 5);
    writer.recreate("t", Some("second"), &[(0, Some(0))], now, NOW_MS);
    for offset in 0..3 {
        assert_eq!(
            writer.append(draft(offset, &["a"]), now, NOW_MS),
            Appended::Stored,
            "it is another topic"
        );
    }
    assert_eq!(writer.append(draft(2, &["a"]), now, NOW_MS), Appended::Repeated);
    writer.publish(now);
    assert_eq!(read(&journal, &["a"], 4), [4, 6, 7, 8], "who asked for no cursors gets the records");
    let told = [(4, None), (5, Some(Gap::Recreated)), (6, None), (7, None), (8, None)];
    assert_eq!(read_with_gaps(&journal, &["a"], 4), told);
    assert_eq!(cursor_at(&journal, 5), before, "before that place nothing has changed");
    let gap = |cursor: &str| journal.view().gap_behind(&guard(&journal, cursor).positions);
    assert_eq!((gap(&before), gap(&cursor_at(&journal, 6))), (Some(Gap::Recreated), None));
    for sequence in [6, 8, 9] {
        let guard = guard(&journal, &cursor_at(&journal, sequence));
        assert!(!guard.is_ahead_of(journal.view().handled()), "at {sequence}");
        let start = journal.view().resume(&guard.positions).unwrap();
        let covered =
            |at: &u64| journal.view().entry(*at).is_some_and(|e| guard.covers(e.partition, e.origin.offset));
        assert_eq!((start..9).find(|at| !covered(at)).unwrap_or(9), sequence);
    }
}

#[test]
fn cursors_of_another_topic_of_that_name_are_known_by_its_id() {
    let journal_of = |id| {
        let (mut writer, journal) = open(&settings(1 << 20));
        writer.set_cluster("cluster");
        writer.name_topic("t", id);
        for offset in 0..5 {
            writer.append(draft(offset, &["a"]), Instant::now(), NOW_MS);
        }
        writer.publish(Instant::now());
        journal
    };
    let cursor = |id| cursor_at(&journal_of(id), 3);
    let is_of_another = |here, cursor: &str| {
        let journal = journal_of(here);
        guard(&journal, cursor).is_of_another(&journal.partitions())
    };
    assert!(is_of_another(Some("new"), &cursor(Some("old"))));
    for (here, there) in [(Some("new"), Some("new")), (None, Some("old")), (Some("new"), None), (None, None)]
    {
        assert!(!is_of_another(here, &cursor(there)), "{here:?} {there:?}");
    }
}

#[test]
fn what_was_lost_before_it_was_read_is_a_gap_for_whoever_is_before_it() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    writer.set_cluster("cluster");
    for offset in 0..5 {
        writer.append(draft(offset, &["a"]), now, NOW_MS);
    }
    writer.skip("t", 0, 100, now);
    writer.append(draft(100, &["a"]), now, NOW_MS);
    writer.publish(now);
    assert_eq!(read_with_gaps(&journal, &["a"], 4), [(4, None), (5, Some(Gap::TooOld)), (6, None)]);
    for (offset, gap) in
        [(-1, Some(Gap::TooOld)), (4, Some(Gap::TooOld)), (98, Some(Gap::TooOld)), (99, None)]
    {
        assert_eq!(journal.view().gap_behind(&at(&[offset])), gap, "at {offset}");
    }
}

#[test]
fn a_topic_made_anew_with_fewer_partitions_is_told_once() {
    let (mut writer, journal) = open(&settings(1 << 20));
    let now = Instant::now();
    writer.set_cluster("cluster");
    for partition in 0..3 {
        let origin = Origin { topic: "t".into(), partition, offset: 7 };
        writer.append(Draft { origin, ..draft(7, &["a"]) }, now, NOW_MS);
    }
    writer.recreate("t", Some("id"), &[(0, Some(4)), (1, None), (2, None)], now, NOW_MS);
    writer.publish(now);
    let told: Vec<_> = read_with_gaps(&journal, &[], 0).into_iter().filter_map(|(_, gap)| gap).collect();
    assert_eq!(told, [Gap::Recreated]);
    let here = guard(&journal, &cursor_at(&journal, journal.head()));
    assert_eq!(journal.view().gap_behind(&here.positions), None);
    let partitions = journal.partitions();
    assert_eq!(here.get(&partitions, "t", 0), 3);
    assert_eq!((partitions.find("t", 1), partitions.find("t", 2)), (None, None));
}
