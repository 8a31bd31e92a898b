//! Every metric of the service: names, labels and what is counted stand here and nowhere else.
//!
//! Callers use typed methods named after what happened. Labels come from closed sets or from the configured
//! topics; no user, order or connection ever becomes one. `render` gives the text that Prometheus scrapes.

mod labels;
mod reference;

pub use labels::closed_values;
pub use reference::reference;

use crate::protocol::{Ending, Protocol};
use prometheus::core::Collector;
use prometheus::local::LocalHistogram;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use reference::Described;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From a tenth of the target (milliseconds) to the end of any client's patience.
const LATENCY_BUCKETS_SECONDS: &[f64] =
    &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Cheap to clone: all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
pub struct Families {
    registry: Registry,
    described: Arc<[Described]>,
    records_consumed: IntCounterVec,
    records_decoded: IntCounterVec,
    records_poison: IntCounterVec,
    records_unmapped: IntCounterVec,
    records_tombstone: IntCounterVec,
    records_repeated: IntCounterVec,
    traceparents: IntCounterVec,
    dead_letters: IntCounterVec,
    partitions_waiting: IntGaugeVec,
    order_waits: IntCounterVec,
    partitions_lost: IntCounterVec,
    partitions_stalled: IntGauge,
    stale_seconds: Gauge,
    events: IntCounterVec,
    events_without_audience: IntCounterVec,
    events_owner_unknown: IntCounterVec,
    open_orders: IntGauge,
    open_orders_bytes: IntGauge,
    open_orders_dropped: IntCounter,
    start_records_left: IntGauge,
    start_seconds: Gauge,
    deliveries: IntCounterVec,
    event_latency: Histogram,
    connections: IntGaugeVec,
    connections_ended: IntCounterVec,
    connections_refused: IntCounterVec,
    connection_lists: IntCounterVec,
    tls_handshakes: IntCounterVec,
    certificates_read: IntCounterVec,
    certificate_ends_at: Gauge,
    lagged: IntCounter,
    caught_up: IntCounter,
    prelude_bytes: HeldBytes,
    board_requests: IntCounterVec,
    backfills_running: IntGauge,
    backfills: IntCounterVec,
    backfill_records: IntCounterVec,
    backfill_seconds: Histogram,
    cursor_checks: IntCounterVec,
    authorizations: IntCounterVec,
    keys_left_out: IntCounter,
    session_lookups: IntCounterVec,
    jwks_fetches: IntCounterVec,
    jwks_keys: IntGaugeVec,
    tickets: IntCounterVec,
    redis_requests: IntCounterVec,
    redis_request_latency: Histogram,
    revocation_records: IntCounterVec,
    revocations_in_force: IntGauge,
    consumer_lag: IntGaugeVec,
    kafka_errors: IntCounterVec,
    kafka_clients_renewed: IntCounter,
    journal_bytes: IntGauge,
    journal_entries: IntGauge,
    registry_requests: IntCounterVec,
    log_lines_dropped: IntCounter,
    reloads: IntCounterVec,
    ready: Gauge,
}

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0
    }
}

impl Metrics {
    pub fn new() -> Metrics {
        let registry =
            Registry::new_custom(Some("dumbwaiter".to_owned()), None).expect("the prefix is a valid name");
        let new = Kit { registry: &registry, described: RefCell::default() };
        let families = Families {
            records_consumed: new.counters("records_consumed_total", "Records read from Kafka.", &["topic"]),
            records_decoded: new.counters(
                "records_decoded_total",
                "Records that became an event's payload.",
                &["topic"],
            ),
            records_poison: new.counters(
                "records_poison_total",
                "Records that could not be decoded.",
                &["reason"],
            ),
            records_unmapped: new.counters(
                "records_unmapped_total",
                "Records that the catalog names no event for.",
                &["topic"],
            ),
            records_tombstone: new.counters(
                "records_tombstone_total",
                "Records without a value.",
                &["topic"],
            ),
            records_repeated: new.counters(
                "records_repeated_total",
                "Records that came again and were not delivered again.",
                &["topic"],
            ),
            traceparents: new.counters(
                "traceparents_total",
                "Records with a traceparent header, by whether it is one.",
                &["outcome"],
            ),
            dead_letters: new.counters(
                "dead_letters_total",
                "Copies of poison records for the dead-letter topic, by what became of them.",
                &["outcome"],
            ),
            partitions_waiting: new.gauges(
                "partitions_waiting",
                "Partitions whose next record waits, by what for: the schema registry, or the order it is about.",
                &["reason"],
            ),
            partitions_lost: new.counters(
                "partitions_lost_total",
                "Partitions that lost records before they were read: recreated with their topic, or overtaken by retention.",
                &["reason"],
            ),
            order_waits: new.counters(
                "order_waits_total",
                "Events that waited for the order they are about, by what came of it.",
                &["outcome"],
            ),
            partitions_stalled: new.gauge(
                "partitions_stalled",
                "Partitions with records, known or possible, that have stood still for 5 s.",
            ),
            stale_seconds: new.float_gauge(
                "stale_seconds",
                "For how long clients have had a stale picture; 0: it is current.",
            ),
            events: new.counters("events_total", "Events put into the journal.", &["event"]),
            events_without_audience: new.counters(
                "events_without_audience_total",
                "Events that nobody may see, because no field of their audience gave a key.",
                &["event"],
            ),
            events_owner_unknown: new.counters(
                "events_owner_unknown_total",
                "Events whose order is not among the open ones, shown to staff only.",
                &["event"],
            ),
            open_orders: new.gauge("open_orders", "Orders that are open."),
            open_orders_bytes: new
                .gauge("open_orders_bytes", "Memory held for what is shown of the open orders."),
            open_orders_dropped: new.counter(
                "open_orders_dropped_total",
                "Open orders that are not shown any more, because there were too many.",
            ),
            start_records_left: new.gauge(
                "start_records_left",
                "Offsets that are still to be read before the instance is ready.",
            ),
            start_seconds: new.float_gauge("start_seconds", "How long it took to get ready; 0 before that."),
            deliveries: new.counters("deliveries_total", "Events written to a connection.", &["protocol"]),
            event_latency: new.histogram(
                "event_latency_seconds",
                "From the Kafka timestamp of a record to the write to a socket.",
            ),
            connections: new.gauges("connections", "Open connections.", &["protocol"]),
            connections_ended: new.counters(
                "connections_ended_total",
                "Connections that ended.",
                &["protocol", "ending"],
            ),
            connections_refused: new.counters(
                "connections_refused_total",
                "Connections and requests turned away before the upgrade.",
                &["reason"],
            ),
            connection_lists: new.counters(
                "connection_lists_total",
                "Pages of the list of connections that an operator asked for, by what came of it.",
                &["outcome"],
            ),
            tls_handshakes: new.counters(
                "tls_handshakes_total",
                "TLS handshakes of clients, by what became of them.",
                &["outcome"],
            ),
            certificates_read: new.counters(
                "tls_certificates_read_total",
                "Times that a changed certificate was read: taken, or refused and the former one kept.",
                &["outcome"],
            ),
            certificate_ends_at: new.float_gauge(
                "tls_certificate_expiry_timestamp_seconds",
                "When the certificate ends; 0 where there is none.",
            ),
            lagged: new.counter(
                "connections_lagged_total",
                "Times that a connection took less than was written to it.",
            ),
            caught_up: new
                .counter("connections_caught_up_total", "Times that a lagging connection became live again."),
            prelude_bytes: HeldBytes(new.gauge(
                "prelude_bytes",
                "Frames from outside of the journal that wait for single connections.",
            )),
            board_requests: new.counters(
                "board_requests_total",
                "Requests of the board for explained events, by what was answered.",
                &["outcome"],
            ),
            backfills_running: new.gauge("backfills_running", "Clients whose past is being read from Kafka."),
            backfills: new.counters(
                "backfills_total",
                "Pasts read from Kafka for clients, by what came of it.",
                &["outcome"],
            ),
            backfill_records: new.counters(
                "backfill_records_total",
                "Records read for clients' pasts: what the client got as an event, and the rest.",
                &["outcome"],
            ),
            backfill_seconds: new.histogram("backfill_seconds", "How long reading a client's past took."),
            cursor_checks: new.counters(
                "cursor_checks_total",
                "Cursors ahead of this instance, by whether Kafka has what they name.",
                &["outcome"],
            ),
            authorizations: new.counters(
                "authorizations_total",
                "Tokens and sessions judged, by outcome.",
                &["protocol", "outcome"],
            ),
            keys_left_out: new.counter(
                "keys_left_out_total",
                "Keys that logins would give their connections beyond the 64 of each, when they connected.",
            ),
            session_lookups: new.counters(
                "session_lookups_total",
                "Sessions asked for at the login, by outcome.",
                &["outcome"],
            ),
            jwks_fetches: new.counters(
                "jwks_fetches_total",
                "Times that the issuer's key set was asked for, by outcome.",
                &["outcome"],
            ),
            jwks_keys: new.gauges(
                "jwks_keys",
                "Keys of the issuer's key set, by whether they are used or passed over.",
                &["state"],
            ),
            tickets: new.counters("tickets_total", "Tickets, by what became of them.", &["outcome"]),
            redis_requests: new.counters(
                "redis_requests_total",
                "Requests to Redis for tickets, by outcome.",
                &["command", "outcome"],
            ),
            redis_request_latency: new.histogram(
                "redis_request_seconds",
                "What a request to Redis took, connecting and failing included.",
            ),
            revocation_records: new.counters(
                "revocation_records_total",
                "Records of the control topic, by what became of them.",
                &["outcome"],
            ),
            revocations_in_force: new.gauge("revocations_in_force", "Revocations that are remembered."),
            consumer_lag: new.gauges(
                "consumer_lag_records",
                "Records of a partition that are not read yet.",
                &["topic", "partition"],
            ),
            kafka_errors: new.counters(
                "kafka_errors_total",
                "Troubles with Kafka, by what is wrong.",
                &["code"],
            ),
            kafka_clients_renewed: new.counter(
                "kafka_clients_renewed_total",
                "Kafka clients made anew, because they had forgotten all brokers.",
            ),
            journal_bytes: new.gauge("journal_bytes", "Memory held by the journal's window."),
            journal_entries: new.gauge("journal_entries", "Events in the journal's window."),
            registry_requests: new.counters(
                "registry_requests_total",
                "Schema registry requests.",
                &["outcome"],
            ),
            log_lines_dropped: new.counter(
                "log_lines_dropped_total",
                "Log lines that were not written, because standard error did not take them in time.",
            ),
            reloads: new.counters(
                "reloads_total",
                "Times that SIGHUP asked for new keys and another catalog: taken, or refused and nothing changed.",
                &["outcome"],
            ),
            ready: new.float_gauge("ready", "1 when /readyz answers 200."),
            described: new.described.take().into(),
            registry: registry.clone(),
        };
        let process = prometheus::process_collector::ProcessCollector::for_self();
        // The process metrics carry their standard names, without our prefix.
        let _ = prometheus::default_registry().register(Box::new(process));
        Metrics(Arc::new(families))
    }

    pub fn record_consumed(&self, topic: &str) {
        self.records_consumed.with_label_values(&[topic]).inc();
    }

    pub fn record_decoded(&self, topic: &str) {
        self.records_decoded.with_label_values(&[topic]).inc();
    }

    pub fn record_poison(&self, reason: &'static str) {
        self.records_poison.with_label_values(&[reason]).inc();
    }

    pub fn traceparent(&self, is_valid: bool) {
        let outcome = if is_valid { "valid" } else { "invalid" };
        self.traceparents.with_label_values(&[outcome]).inc();
    }

    pub fn dead_letter(&self, outcome: DeadLetterOutcome) {
        let label = match outcome {
            DeadLetterOutcome::Written => "written",
            DeadLetterOutcome::Failed => "failed",
            DeadLetterOutcome::Refused => "refused",
        };
        self.dead_letters.with_label_values(&[label]).inc();
    }

    pub fn record_unmapped(&self, topic: &str) {
        self.records_unmapped.with_label_values(&[topic]).inc();
    }

    pub fn record_tombstone(&self, topic: &str) {
        self.records_tombstone.with_label_values(&[topic]).inc();
    }

    pub fn record_repeated(&self, topic: &str) {
        self.records_repeated.with_label_values(&[topic]).inc();
    }

    pub fn partitions_waiting(&self, registry: usize, orders: usize) {
        self.partitions_waiting.with_label_values(&["registry"]).set(gauge_value(registry));
        self.partitions_waiting.with_label_values(&["order"]).set(gauge_value(orders));
    }

    pub fn order_waited(&self, outcome: OrderWait) {
        let label = match outcome {
            OrderWait::Found => "found",
            OrderWait::Unknown => "unknown",
            OrderWait::GivenUp => "given_up",
        };
        self.order_waits.with_label_values(&[label]).inc();
    }

    pub fn partition_lost(&self, is_overtaken: bool) {
        let reason = if is_overtaken { "overtaken" } else { "recreated" };
        self.partitions_lost.with_label_values(&[reason]).inc();
    }

    pub fn stale(&self, partitions_stalled: usize, stale_for: Duration) {
        self.partitions_stalled.set(gauge_value(partitions_stalled));
        self.stale_seconds.set(stale_for.as_secs_f64());
    }

    pub fn event(&self, name: &str) {
        self.events.with_label_values(&[name]).inc();
    }

    /// Their series are there before the first of them occurs, as for labels that are a closed set.
    pub fn events_are<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            for counters in [&self.events, &self.events_without_audience, &self.events_owner_unknown] {
                counters.with_label_values(&[name]);
            }
        }
    }

    pub fn event_without_audience(&self, name: &str) {
        self.events_without_audience.with_label_values(&[name]).inc();
    }

    pub fn event_owner_unknown(&self, name: &str) {
        self.events_owner_unknown.with_label_values(&[name]).inc();
    }

    pub fn open_orders(&self, count: usize, bytes: usize) {
        self.open_orders.set(gauge_value(count));
        self.open_orders_bytes.set(gauge_value(bytes));
    }

    pub fn open_orders_dropped(&self, count: u64) {
        self.open_orders_dropped.inc_by(count);
    }

    pub fn start_records_left(&self, count: u64) {
        self.start_records_left.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn start_seconds(&self, seconds: f64) {
        self.start_seconds.set(seconds);
    }

    pub fn journal(&self, bytes: usize, entries: usize) {
        self.journal_bytes.set(gauge_value(bytes));
        self.journal_entries.set(gauge_value(entries));
    }

    pub fn consumer_lag(&self, topic: &str, partition: i32, records: i64) {
        self.consumer_lag.with_label_values(&[topic, &partition.to_string()]).set(records);
    }

    /// The partition is another's, or no more.
    pub fn consumer_lag_ends(&self, topic: &str, partition: i32) {
        // One that never had a lag is as good.
        let _ = self.consumer_lag.remove_label_values(&[topic, &partition.to_string()]);
    }

    pub fn kafka_error(&self, code: &'static str) {
        self.kafka_errors.with_label_values(&[code]).inc();
    }

    pub fn kafka_client_renewed(&self) {
        self.kafka_clients_renewed.inc();
    }

    pub fn registry_request(&self, outcome: &'static str) {
        self.registry_requests.with_label_values(&[outcome]).inc();
    }

    pub fn authorization(&self, protocol: Protocol, outcome: &'static str) {
        self.authorizations.with_label_values(&[protocol.label(), outcome]).inc();
    }

    pub fn keys_left_out(&self, count: usize) {
        self.keys_left_out.inc_by(count as u64);
    }

    pub fn session_lookup(&self, outcome: &'static str) {
        self.session_lookups.with_label_values(&[outcome]).inc();
    }

    pub fn jwks_fetch(&self, outcome: &'static str) {
        self.jwks_fetches.with_label_values(&[outcome]).inc();
    }

    pub fn jwks_keys(&self, used: usize, passed_over: usize) {
        self.jwks_keys.with_label_values(&["used"]).set(gauge_value(used));
        self.jwks_keys.with_label_values(&["passed_over"]).set(gauge_value(passed_over));
    }

    pub fn board_request(&self, outcome: &'static str) {
        self.board_requests.with_label_values(&[outcome]).inc();
    }

    pub fn ticket(&self, outcome: &'static str) {
        self.tickets.with_label_values(&[outcome]).inc();
    }

    pub fn redis_request(&self, command: &'static str, outcome: &'static str, took: Duration) {
        self.redis_requests.with_label_values(&[command, outcome]).inc();
        self.redis_request_latency.observe(took.as_secs_f64());
    }

    pub fn revocation_record(&self, outcome: RevocationOutcome) {
        let label = match outcome {
            RevocationOutcome::Revoked => "revoked",
            RevocationOutcome::Lifted => "lifted",
            RevocationOutcome::Past => "past",
            RevocationOutcome::Bad => "bad",
            RevocationOutcome::Evicted => "evicted",
        };
        self.revocation_records.with_label_values(&[label]).inc();
    }

    pub fn revocations_in_force(&self, count: usize) {
        self.revocations_in_force.set(gauge_value(count));
    }

    pub fn connection_refused(&self, reason: &'static str) {
        self.connections_refused.with_label_values(&[reason]).inc();
    }

    pub fn connections_listed(&self, outcome: &'static str) {
        self.connection_lists.with_label_values(&[outcome]).inc();
    }

    pub fn tls_handshake(&self, outcome: TlsHandshake) {
        let label = match outcome {
            TlsHandshake::Full => "full",
            TlsHandshake::Resumed => "resumed",
            TlsHandshake::Failed => "failed",
            TlsHandshake::Late => "late",
        };
        self.tls_handshakes.with_label_values(&[label]).inc();
    }

    pub fn certificate_read(&self, outcome: &'static str) {
        self.certificates_read.with_label_values(&[outcome]).inc();
    }

    pub fn certificate_ends_at(&self, time: Option<SystemTime>) {
        let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        self.certificate_ends_at.set(since.as_secs_f64());
    }

    pub fn reload(&self, outcome: &'static str) {
        self.reloads.with_label_values(&[outcome]).inc();
    }

    pub fn log_line_dropped(&self) {
        self.log_lines_dropped.inc();
    }

    pub fn ready(&self, ready: bool) {
        self.ready.set(if ready { 1.0 } else { 0.0 });
    }

    /// All connections of the instance, of both protocols.
    pub fn open_connections(&self) -> usize {
        let open = |protocol: Protocol| self.connections.with_label_values(&[protocol.label()]).get();
        usize::try_from(Protocol::ALL.into_iter().map(open).sum::<i64>()).unwrap_or(0)
    }

    pub fn prelude_bytes(&self) -> &HeldBytes {
        &self.prelude_bytes
    }

    /// A reading is under way until that is dropped.
    pub fn backfill_runs(&self) -> Held {
        HeldBytes(self.backfills_running.clone()).hold(1)
    }

    pub fn backfill(&self, outcome: &'static str, took: Duration) {
        self.backfills.with_label_values(&[outcome]).inc();
        self.backfill_seconds.observe(took.as_secs_f64());
    }

    /// The client was gone before its turn came, or had waited too long.
    pub fn backfill_abandoned(&self) {
        self.backfills.with_label_values(&["abandoned"]).inc();
    }

    pub fn backfill_record(&self, is_event: bool) {
        self.backfill_records.with_label_values(&[if is_event { "event" } else { "passed" }]).inc();
    }

    pub fn cursor_checked(&self, outcome: &'static str) {
        self.cursor_checks.with_label_values(&[outcome]).inc();
    }

    /// A shard's own handle, with what is counted per delivery kept local until `flush`.
    pub fn shard(&self) -> ShardMetrics {
        let of = |protocol: Protocol| PerProtocol {
            deliveries: self.deliveries.with_label_values(&[protocol.label()]),
            counted: 0,
            connections: self.connections.with_label_values(&[protocol.label()]),
        };
        ShardMetrics {
            per_protocol: Protocol::ALL.map(of),
            latency: self.event_latency.local(),
            ended: self.connections_ended.clone(),
            lagged: self.lagged.clone(),
            caught_up: self.caught_up.clone(),
            prelude_bytes: self.prelude_bytes.clone(),
        }
    }

    /// The page for Prometheus, in its text format.
    pub fn render(&self) -> String {
        let mut families = self.registry.gather();
        families.extend(prometheus::gather());
        let mut page = Vec::new();
        TextEncoder::new().encode(&families, &mut page).expect("gathered families have names and values");
        String::from_utf8(page).expect("the text format is UTF-8")
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

/// What became of a TLS handshake.
#[derive(Clone, Copy, Debug)]
pub enum TlsHandshake {
    Full,
    /// It went on with a session of before, which costs less.
    Resumed,
    /// The client left, or could not be agreed with.
    Failed,
    /// It took too long.
    Late,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterOutcome {
    Written,
    /// The brokers did not take it, or not in time.
    Failed,
    /// The queue was full, or the letter can't be one.
    Refused,
}

/// What came of an event's wait for its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderWait {
    Found,
    /// All orders that could be it are read, and it is not among them.
    Unknown,
    /// The time was over.
    GivenUp,
}

/// What became of a record of the control topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationOutcome {
    Revoked,
    Lifted,
    /// All that it revokes has expired.
    Past,
    /// It says nothing.
    Bad,
    /// There were too many.
    Evicted,
}

/// What one shard counts, without touching shared memory for each delivery.
#[derive(Debug)]
pub struct ShardMetrics {
    per_protocol: [PerProtocol; Protocol::ALL.len()],
    latency: LocalHistogram,
    ended: IntCounterVec,
    lagged: IntCounter,
    caught_up: IntCounter,
    prelude_bytes: HeldBytes,
}

#[derive(Debug)]
struct PerProtocol {
    deliveries: IntCounter,
    counted: u64,
    connections: IntGauge,
}

impl ShardMetrics {
    pub fn delivered(&mut self, protocol: Protocol, timestamp_ms: Option<i64>, written_at: SystemTime) {
        self.per_protocol[protocol as usize].counted += 1;
        if let Some(produced_ms) = timestamp_ms {
            let now = written_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            // A producer's clock may be ahead of ours; a latency is never negative.
            self.latency.observe((now - produced_ms as f64 / 1e3).max(0.0));
        }
    }

    pub fn connection_opened(&self, protocol: Protocol) {
        self.per_protocol[protocol as usize].connections.inc();
    }

    pub fn connection_ended(&self, protocol: Protocol, ending: Ending) {
        self.per_protocol[protocol as usize].connections.dec();
        self.ended.with_label_values(&[protocol.label(), ending.row().label]).inc();
    }

    pub fn lagged(&self) {
        self.lagged.inc();
    }

    pub fn caught_up(&self) {
        self.caught_up.inc();
    }

    pub fn prelude_bytes(&self) -> &HeldBytes {
        &self.prelude_bytes
    }

    pub fn flush(&mut self) {
        for counts in &mut self.per_protocol {
            counts.deliveries.inc_by(std::mem::take(&mut counts.counted));
        }
        self.latency.flush();
    }
}

/// Memory that some of the parts hold, told by those parts.
#[derive(Clone, Debug)]
pub struct HeldBytes(IntGauge);

impl HeldBytes {
    /// Counted until it is released or dropped.
    pub fn hold(&self, bytes: usize) -> Held {
        let bytes = gauge_value(bytes);
        self.0.add(bytes);
        Held { gauge: self.0.clone(), bytes }
    }

    pub fn bytes(&self) -> usize {
        usize::try_from(self.0.get()).unwrap_or(0)
    }
}

/// One share of what is held.
#[derive(Debug)]
pub struct Held {
    gauge: IntGauge,
    bytes: i64,
}

impl Held {
    pub fn bytes(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(0)
    }

    /// Part of it is let go.
    pub fn release(&mut self, bytes: usize) {
        let bytes = gauge_value(bytes).min(self.bytes);
        self.gauge.sub(bytes);
        self.bytes -= bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.sub(self.bytes);
    }
}

/// Makes and registers one metric. All names are literals of this file, so a failure is a bug that every test meets.
struct Kit<'a> {
    registry: &'a Registry,
    described: RefCell<Vec<Described>>,
}

impl Kit<'_> {
    fn register<C: Collector + Clone + 'static>(
        &self,
        kind: &'static str,
        metric: prometheus::Result<C>,
    ) -> C {
        let metric = metric.expect("a valid name");
        self.registry.register(Box::new(metric.clone())).expect("a name that is used once");
        let description = metric.desc()[0];
        self.described.borrow_mut().push(Described {
            name: description.fq_name.clone(),
            kind,
            help: description.help.clone(),
            labels: description.variable_labels.clone(),
        });
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register("counter", IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let counters = self.register("counter", IntCounterVec::new(Opts::new(name, help), labels));
        for values in labels::combinations(name, labels) {
            counters.with_label_values(&values);
        }
        counters
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register("gauge", IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let gauges = self.register("gauge", IntGaugeVec::new(Opts::new(name, help), labels));
        for values in labels::combinations(name, labels) {
            gauges.with_label_values(&values);
        }
        gauges
    }

    fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.register("gauge", Gauge::new(name, help))
    }

    fn histogram(&self, name: &str, help: &str) -> Histogram {
        let options = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS_SECONDS.to_vec());
        self.register("histogram", Histogram::with_opts(options))
    }
}

fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_counted_when_a_shard_flushes() {
        let metrics = Metrics::new();
        let mut shard = metrics.shard();
        shard.delivered(Protocol::Plain, Some(1_000), UNIX_EPOCH + Duration::from_millis(1_004));
        shard.delivered(Protocol::Plain, None, UNIX_EPOCH);
        assert!(!metrics.render().contains("dumbwaiter_deliveries_total{protocol=\"plain\"} 2"));
        shard.flush();
        let page = metrics.render();
        assert!(page.contains("dumbwaiter_deliveries_total{protocol=\"plain\"} 2"), "{page}");
        assert!(page.contains("dumbwaiter_event_latency_seconds_bucket{le=\"0.005\"} 1"), "{page}");
        assert!(page.contains("dumbwaiter_event_latency_seconds_count 1"), "{page}");
    }

    #[test]
    fn a_partition_of_which_nothing_is_read_any_more_has_no_lag() {
        let metrics = Metrics::new();
        metrics.consumer_lag("pizza.created", 0, 7);
        metrics.consumer_lag("pizza.created", 1, 7);
        metrics.consumer_lag_ends("pizza.created", 1);
        metrics.consumer_lag_ends("pizza.created", 2);
        let page = metrics.render();
        assert_eq!(page.matches("\ndumbwaiter_consumer_lag_records{").count(), 1, "{page}");
    }

    #[test]
    fn connections_rise_and_fall() {
        let metrics = Metrics::new();
        let shard = metrics.shard();
        shard.connection_opened(Protocol::SocketIo);
        shard.connection_opened(Protocol::Plain);
        assert_eq!(metrics.open_connections(), 2);
        shard.connection_ended(Protocol::Plain, Ending::Gone);
        assert_eq!(metrics.open_connections(), 1);
    }
}
