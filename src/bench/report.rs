//! What a run has found, as one value: JSON for programs, some lines for people.
//!
//! Durations are microseconds unless the name says otherwise; processor time is user and system together.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

#[derive(Debug, Serialize)]
pub struct Report {
    /// By which the run's events are marked.
    pub run: String,
    pub clients: usize,
    pub staff: usize,
    pub connect: Connect,
    pub events: Events,
    /// From being produced to being received.
    pub latency_us: Latency,
    /// Why connections ended that had been let in.
    pub ended: BTreeMap<String, usize>,
    /// What it cost the service, if its process was named.
    pub server: Option<Server>,
    /// Processor time of this very program while events came: near the time they took, it was the bottleneck.
    pub own_cpu_seconds: f64,
}

#[derive(Debug, Serialize)]
pub struct Connect {
    pub ready: usize,
    /// Clients that were never let in, by reason.
    pub failed: BTreeMap<String, usize>,
    pub seconds: f64,
    pub per_second: f64,
    /// From the first packet to being let in.
    pub latency_us: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
pub struct Events {
    /// Marked events of this run.
    pub produced: usize,
    pub expected: usize,
    pub deliveries: u64,
    pub missing: u64,
    /// Clients that miss something.
    pub clients_with_missing: usize,
    pub double: u64,
    /// Deliveries to clients that may not see the event.
    pub foreign: u64,
    /// Messages that are not of this run: of them nothing else is known.
    pub other: u64,
    /// From the first message to the last.
    pub seconds: f64,
    pub per_second: f64,
    pub bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Latency {
    pub staff: Option<Percentiles>,
    pub customers: Option<Percentiles>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

#[derive(Debug, Serialize)]
pub struct Server {
    pub connect_cpu_seconds: f64,
    pub connect_cpu_us_per_client: Option<f64>,
    pub cpu_seconds: f64,
    pub cpu_us_per_event: Option<f64>,
    pub cpu_us_per_delivery: Option<f64>,
    pub rss_before_kib: u64,
    /// With all clients connected and nothing to do.
    pub rss_idle_kib: u64,
    pub rss_after_kib: u64,
    /// Of its whole life.
    pub rss_peak_kib: u64,
}

impl Percentiles {
    pub fn of(histogram: &Histogram<u64>) -> Option<Percentiles> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Percentiles {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max(),
        })
    }
}

impl Report {
    /// Everybody was let in and stayed, and every event reached whom it should, once.
    pub fn is_good(&self) -> bool {
        let events = &self.events;
        self.connect.ready == self.clients
            && self.ended.is_empty()
            && (events.missing, events.double, events.foreign) == (0, 0, 0)
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("a report has no map but of texts")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connect { ready, failed, seconds, per_second, latency_us } = &self.connect;
        write!(
            formatter,
            "connected   {ready} of {} clients in {seconds:.2} s, {per_second:.0}/s",
            self.clients
        )?;
        formatter.write_str(&milliseconds(latency_us.as_ref()))?;
        formatter.write_str(&reasons(failed))?;
        let events = &self.events;
        write!(
            formatter,
            "\ndeliveries  {} of {} due, {:.0}/s",
            events.deliveries, events.expected, events.per_second
        )?;
        if events.other > 0 {
            write!(formatter, "; {} messages that are not of this run", events.other)?;
        }
        let (missing, double, foreign) = (events.missing, events.double, events.foreign);
        write!(
            formatter,
            "\nfaults      {missing} missing, {double} double, {foreign} to whom they are not for"
        )?;
        if events.clients_with_missing > 0 {
            write!(formatter, "; {} clients miss something", events.clients_with_missing)?;
        }
        for (who, latency) in [("staff", &self.latency_us.staff), ("customers", &self.latency_us.customers)] {
            if latency.is_some() {
                write!(formatter, "\nlatency     {who}{}", milliseconds(latency.as_ref()))?;
            }
        }
        if !self.ended.is_empty() {
            write!(formatter, "\nended       {}", reasons(&self.ended).trim_start_matches("; "))?;
        }
        match &self.server {
            Some(server) => write!(formatter, "\n{server}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "server      {:.2} s of processor time", self.cpu_seconds)?;
        for (cost, what) in [
            (self.connect_cpu_us_per_client, "a connect"),
            (self.cpu_us_per_event, "an event"),
            (self.cpu_us_per_delivery, "a delivery"),
        ] {
            if let Some(cost) = cost {
                write!(formatter, ", {cost:.1} us {what}")?;
            }
        }
        let (idle, before, peak) = (self.rss_idle_kib, self.rss_before_kib, self.rss_peak_kib);
        write!(
            formatter,
            "\n            {idle} KiB resident with all connected, {before} before, {peak} at most"
        )
    }
}

fn milliseconds(percentiles: Option<&Percentiles>) -> String {
    let Some(percentiles) = percentiles else { return String::new() };
    let Percentiles { p50, p90, p99, p999, max, .. } = *percentiles;
    let mut text = String::from(", ms:");
    for (name, micros) in [("p50", p50), ("p90", p90), ("p99", p99), ("p99.9", p999), ("max", max)] {
        let (whole, tenths) = (micros / 1_000, micros % 1_000 / 100);
        let _ = write!(text, " {name} {whole}.{tenths}");
    }
    text
}

fn reasons(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(reason, count)| format!("; {count} {reason}")).collect()
}
