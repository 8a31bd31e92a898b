//! The past as lines: each record's event as clients would get it, or as one user would.
//!
//! Owners of orders are those that the range itself opens; of others nobody knows here whose they are, which is said in the end.

use super::note_progress;
use super::pace::{Pace, Speed};
use super::reading::Reading;
use crate::cli::explain::{raw_json, timestamp, wait_for_schema};
use crate::cli::output::put;
use crate::cli::writers;
use crate::config::Config;
use crate::consume::OwnedRecord;
use crate::decode::Writers;
use crate::event::{Key, OrderBook, Shown, shared};
use crate::mapping::{Mapped, Mapping, Passed};
use crate::protocol::Frames;
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Runtime;

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<String>,
    event: &'a str,
    data: &'a RawValue,
    audience: Vec<&'a str>,
    /// The keys by which the user gets it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by: Vec<&'a str>,
}

struct Printer {
    mapping: Mapping,
    writers: Writers,
    orders: OrderBook,
    runtime: Runtime,
    user: Option<Vec<Key>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    records: u64,
    events: u64,
    lines: u64,
    owners_unknown: u64,
}

/// Ends early, and well, when nobody reads any more.
pub(super) fn run(
    config: &Config,
    user: Option<Vec<Key>>,
    mut reading: Reading,
    speed: Speed,
    bar: &ProgressBar,
) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let registry = writers::registry(config, runtime.handle().clone(), |_| {})?;
    let writers = writers::open(config, registry)?;
    let mut printer = Printer {
        mapping: Mapping::new(Arc::clone(&config.catalog), writers.clone()),
        writers,
        orders: OrderBook::new(&config.orders, [].into()),
        runtime,
        user,
        counts: Counts::default(),
    };
    let mut pace = Pace::new(speed);
    while let Some(records) = reading.next_slice()? {
        for record in records {
            let wait = pace.wait(record.timestamp_ms.unwrap_or(0), Instant::now());
            printer.runtime.block_on(async { tokio::time::sleep(wait).await });
            let Some(line) = printer.line(&record)? else { continue };
            if bar.suspend(|| put(&line)).is_err() {
                return Ok(printer.counts.text());
            }
        }
        note_progress(bar, &reading);
    }
    Ok(printer.counts.text())
}

impl Printer {
    /// None if the record is no event, or is not for the user.
    fn line(&mut self, record: &OwnedRecord) -> Result<Option<String>, String> {
        self.counts.records += 1;
        let waiting = wait_for_schema(&self.mapping, self.writers.clone(), record.lend());
        self.runtime.block_on(waiting)?;
        let mapped = self.mapping.map(record.lend(), self.orders.orders());
        let Mapped { event, payload, audience, order } = match mapped {
            Ok(mapped) => mapped,
            Err(Passed::Unmapped | Passed::Tombstone | Passed::Poison(_) | Passed::NotYet) => {
                return Ok(None);
            }
        };
        self.counts.events += 1;
        self.counts.owners_unknown += u64::from(audience.owner_unknown);
        if let Some(order) = &order {
            let shown = Shown { audience: [].into(), frames: Frames::default() };
            self.orders.apply(order, shown, record.timestamp_ms.unwrap_or(0));
        }
        let by: Vec<&str> = match &self.user {
            Some(keys) => shared(&audience.keys, keys).map(Key::as_str).collect(),
            None => Vec::new(),
        };
        if self.user.is_some() && by.is_empty() {
            return Ok(None);
        }
        self.counts.lines += 1;
        let data = raw_json(payload)?;
        let line = Line {
            topic: &record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp_ms.and_then(timestamp),
            event: &event.name,
            data: &data,
            audience: audience.keys.iter().map(Key::as_str).collect(),
            by,
        };
        serde_json::to_string(&line).map(Some).map_err(|fault| fault.to_string())
    }
}

impl Counts {
    fn text(&self) -> String {
        let Counts { records, events, lines, owners_unknown } = self;
        let unknown = match owners_unknown {
            0 => String::new(),
            count => format!(
                "; {count} do not say whose order they are about, and the range did not open it: begin earlier to \
                 have them for their owners"
            ),
        };
        format!("{records} records, {events} events, {lines} shown{unknown}")
    }
}
