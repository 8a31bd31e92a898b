//! A pipeline turn by turn, whose records come from a channel.

use super::*;
use crate::clock::Simulated;
use crate::consume::memory;
use crate::event::OrderSettings;
use crate::journal;
use crate::mapping::tests::{raw_catalog, raw_condition};
use std::sync::mpsc;

const UNKNOWN: &str = "dumbwaiter_order_waits_total{outcome=\"unknown\"} ";

struct Bench {
    time: Arc<Simulated>,
    work: Work,
    source: Source,
    records: mpsc::Sender<OwnedRecord>,
    next_offset: i64,
}

impl Bench {
    fn new() -> Bench {
        let (catalog, writers) = raw_catalog();
        let (time, metrics) = (Simulated::begin(), Metrics::new());
        let (records, source) = memory();
        let window = Duration::from_secs(900);
        let orders =
            OrderSettings { look_back: Duration::ZERO, max_bytes: 1 << 20, wait: ORDER_WAIT, window };
        let journal = journal::Settings { max_bytes: 1 << 20, max_age: window, cursor_keys: Vec::new() };
        let work = Work::new(Pipeline {
            catalog: CurrentCatalog::new(catalog),
            writers,
            orders,
            dead_letters: DeadLetters::Off,
            journal: journal::open(&journal).0,
            shards: Shards::none(),
            health: Health::new(metrics.clone()),
            metrics,
            clock: time.clock(),
            keeps_traces: false,
        });
        Bench { time, work, source: Source::Memory(source), records, next_offset: 0 }
    }

    fn come(&mut self, count: usize, topic: &str) {
        for _ in 0..count {
            self.come_after(Duration::ZERO, topic);
        }
    }

    /// One that was written so long ago.
    fn come_after(&mut self, age: Duration, topic: &str) {
        let timestamp_ms = Some(unix_ms(self.time.clock().wall() - age));
        let (topic, offset) = (topic.to_owned(), self.next_offset);
        self.records.send(OwnedRecord { topic, offset, timestamp_ms, ..raw_condition() }).unwrap();
        self.next_offset += 1;
    }

    /// What has come waits for the registry, as if that had not answered.
    fn wait_for_registry(&mut self) {
        let (waiting, now) = (&mut self.work.waiting, self.time.clock().now());
        let mut keep = |record: Record<'_>| {
            waiting.follow(record, now).unwrap_or_else(|| waiting.begin(record, Reason::Registry, now))
        };
        while self.source.poll(Duration::ZERO, &mut keep).unwrap() {}
    }

    /// Conditions whose order is not in Kafka, as far as that is clear by now.
    fn waited_in_vain(&self) -> usize {
        let metrics = self.work.parts.metrics.render();
        metrics.lines().find_map(|line| line.strip_prefix(UNKNOWN)).unwrap().parse().unwrap()
    }

    fn turn(&mut self) -> bool {
        self.work.turn(&mut self.source, Duration::ZERO).unwrap()
    }
}

#[test]
fn there_is_time_to_rest_once_all_there_is_was_shown() {
    let mut bench = Bench::new();
    bench.work.parts.orders.wait = Duration::ZERO;
    assert!(!bench.turn(), "nothing has come");
    bench.come(1, "order.unknown");
    assert!(!bench.turn(), "nothing was shown");
    bench.come(1, "order.condition");
    assert!(bench.turn());
    bench.come(PIPELINE_BATCH_RECORDS + 1, "order.condition");
    assert!(!bench.turn(), "more is there");
    assert!(bench.turn());
}

#[test]
fn a_condition_waits_a_little_for_an_order_that_is_not_there_at_all() {
    let mut bench = Bench::new();
    assert!(!bench.turn(), "what was there at the start has been read");
    bench.come(1, "order.condition");
    assert!(!bench.turn());
    bench.time.pass(ORDER_SETTLES - Duration::from_millis(1));
    assert!(!bench.turn());
    bench.time.pass(Duration::from_millis(1));
    assert!(bench.turn(), "it is shown to staff");
}

#[test]
fn while_records_come_late_a_condition_waits_longer_for_an_order_that_is_not_there() {
    let check = |late: Duration, later: Duration, expected: Duration| {
        let mut bench = Bench::new();
        assert!(!bench.turn(), "what was there at the start has been read");
        bench.come_after(late, "order.unknown");
        assert!(!bench.turn());
        bench.time.pass(later);
        bench.come(1, "order.condition");
        assert!(!bench.turn());
        bench.time.pass(expected - Duration::from_millis(1));
        assert!(!bench.turn(), "{late:?} {later:?}");
        bench.time.pass(Duration::from_millis(1));
        assert!(bench.turn(), "{late:?} {later:?}");
    };
    let little = Duration::from_millis(1);
    check(RECORD_LATE_AFTER, Duration::ZERO, ORDER_SETTLES);
    check(RECORD_LATE_AFTER + little, Duration::ZERO, ORDER_SETTLES_LATE);
    check(RECORD_LATE_AFTER + little, ORDER_SETTLES_LATE - little, ORDER_SETTLES_LATE);
    check(RECORD_LATE_AFTER + little, ORDER_SETTLES_LATE + little, ORDER_SETTLES);
}

#[test]
fn a_condition_that_waited_for_the_registry_waits_for_its_order_from_then_on() {
    let mut bench = Bench::new();
    assert!(!bench.turn(), "what was there at the start has been read");
    bench.come(3, "order.condition");
    bench.wait_for_registry();
    bench.time.pass(10 * ORDER_WAIT);
    assert!(!bench.turn(), "the registry has answered");
    bench.time.pass(ORDER_SETTLES - Duration::from_millis(1));
    assert!(!bench.turn());
    bench.time.pass(Duration::from_millis(1));
    assert!(bench.turn());
    assert!(bench.work.waiting.is_empty(), "those behind it have waited with it");
    assert_eq!(bench.waited_in_vain(), 3);
}

#[test]
fn until_all_is_read_that_was_there_at_the_start_only_what_is_new_waits_for_orders_to_be_written() {
    let mut bench = Bench::new();
    bench.come_after(Duration::from_secs(3_600), "order.condition");
    bench.wait_for_registry();
    assert!(!bench.turn(), "the orders have been read, and this partition stands");
    bench.come_after(Duration::from_secs(3_600), "order.condition");
    let little = Duration::from_secs(1);
    bench.come_after(RECORD_HELD_UP_MAX + little, "order.condition");
    bench.come_after(RECORD_HELD_UP_MAX - little, "order.condition");
    assert!(bench.turn());
    assert_eq!(bench.waited_in_vain(), 3, "what is old is shown to staff");
    bench.time.pass(ORDER_SETTLES - Duration::from_millis(1));
    assert!(!bench.turn());
    bench.time.pass(Duration::from_millis(1));
    assert!(bench.turn(), "at the start no record tells that others are held up");
}
