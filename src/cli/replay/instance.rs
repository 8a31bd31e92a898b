//! The past for test clients: an instance of the service whose records are those of the range.
//!
//! Tickets, tokens, protocols, audiences are those of `serve`; records come as if they were written now. Nothing is shared
//! with running instances: tickets are in memory, dead letters are off, no group is joined. It begins when a client is
//! live, and ends when all are through, or with Ctrl-C.

use super::note_progress;
use super::pace::{Pace, Speed};
use super::reading::Reading;
use crate::app::{App, Parts};
use crate::auth::TicketSettings;
use crate::cli::output::say;
use crate::cli::serve::{control, stop_signal};
use crate::cli::writers;
use crate::clock::unix_ms;
use crate::config::Config;
use crate::consume::{OwnedRecord, Source, memory};
use crate::embed;
use crate::limits::REPLAY_LOOK_INTERVAL;
use crate::metrics::Metrics;
use crate::shutdown::{self, Stop};
use indicatif::ProgressBar;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::{Instant, SystemTime};
use tokio::runtime::Runtime;

/// What is looked at of the instance's connections.
#[derive(Deserialize)]
struct Page {
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    state: String,
    lag_events: u64,
    queued_bytes: usize,
}

pub(super) fn run(
    mut config: Config,
    address: SocketAddr,
    reading: Reading,
    speed: Speed,
    bar: &ProgressBar,
) -> Result<String, String> {
    config.web.listen = address;
    config.web.admin_listen = (Ipv4Addr::LOCALHOST, 0).into();
    config.auth.tickets = TicketSettings::Memory;
    config.shutdown = shutdown::Settings::default();
    let runtime = Runtime::new().map_err(|error| format!("cannot start: {error}"))?;
    let (records, source) = memory();
    let parts = parts(config, Source::Memory(source), &runtime)?;
    runtime.block_on(async {
        let app = App::bind(parts).map_err(|fault| fault.to_string())?;
        let (address, operators) = (app.address(), format!("http://{}", app.admin_address()));
        let stop = Stop::default();
        let running = tokio::spawn(app.run(stop.clone()));
        let http = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let feed = Feed { records, reading, pace: Pace::new(speed), http, address, operators, bar };
        let fed = tokio::select! {
            fed = feed.run() => fed,
            () = stop_signal() => Err("stopped before the end".to_owned()),
        };
        stop.ask();
        let ended = running.await.map_err(|error| error.to_string())?;
        ended.map_err(|fault| fault.to_string())?;
        fed.map(|records| format!("{records} records replayed"))
    })
}

/// As `serve` has them, without Kafka for the events.
fn parts(config: Config, source: Source, runtime: &Runtime) -> Result<Parts, String> {
    let metrics = Metrics::new();
    let registry = writers::registry(&config, runtime.handle().clone(), |_| {})?;
    let writers = writers::open(&config, registry)?;
    let control = control(&config, &metrics)?;
    Ok(Parts { control, ..embed::parts(config, source, writers, metrics) })
}

struct Feed<'b> {
    records: mpsc::Sender<OwnedRecord>,
    reading: Reading,
    pace: Pace,
    http: reqwest::Client,
    /// Where clients connect.
    address: SocketAddr,
    operators: String,
    bar: &'b ProgressBar,
}

impl Feed<'_> {
    /// How many records there were.
    async fn run(mut self) -> Result<u64, String> {
        while !self.is_ready().await {
            tokio::time::sleep(REPLAY_LOOK_INTERVAL).await;
        }
        say(&format_args!("replaying at {}: waiting for a client", self.address));
        self.until(|connections| connections.iter().any(|connection| connection.state == "live")).await?;
        let mut fed: u64 = 0;
        while let Some(records) = tokio::task::block_in_place(|| self.reading.next_slice())? {
            for record in records {
                tokio::time::sleep(self.pace.wait(record.timestamp_ms.unwrap_or(0), Instant::now())).await;
                let timestamp_ms = Some(unix_ms(SystemTime::now()));
                let _ = self.records.send(OwnedRecord { timestamp_ms, ..record });
                fed += 1;
            }
            note_progress(self.bar, &self.reading);
            self.until_through(fed).await?;
        }
        Ok(fed)
    }

    /// Until so many records are with whom they are for. A slow client is waited for slice by slice: so the window never
    /// leaves it behind, and what is fed never piles up.
    async fn until_through(&self, fed: u64) -> Result<(), String> {
        while !self.has_taken(fed).await? {
            tokio::time::sleep(REPLAY_LOOK_INTERVAL).await;
        }
        // What was taken last is in the journal by then.
        tokio::time::sleep(REPLAY_LOOK_INTERVAL).await;
        let is_through =
            |one: &Connection| one.state == "live" && one.lag_events == 0 && one.queued_bytes == 0;
        self.until(|connections| connections.iter().all(is_through)).await
    }

    /// Whether the pipeline has taken them all, and none waits for its schema or its order.
    async fn has_taken(&self, fed: u64) -> Result<bool, String> {
        let asked = self.http.get(format!("{}/metrics", self.operators)).send().await;
        let page = asked.map_err(told)?.text().await.map_err(told)?;
        let taken = sum(&page, "dumbwaiter_records_consumed_total");
        Ok(taken >= fed && sum(&page, "dumbwaiter_partitions_waiting") == 0)
    }

    async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("{}/readyz", self.operators)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn until(&self, is_so: impl Fn(&[Connection]) -> bool) -> Result<(), String> {
        loop {
            let asked = self.http.get(format!("{}/connections?limit=1000", self.operators));
            let page: Page = asked.send().await.map_err(told)?.json().await.map_err(told)?;
            if is_so(&page.connections) {
                return Ok(());
            }
            tokio::time::sleep(REPLAY_LOOK_INTERVAL).await;
        }
    }
}

fn told(error: reqwest::Error) -> String {
    format!("the instance does not tell how far it is: {error}")
}

/// All series of a metric together, on a page of Prometheus' text format.
fn sum(page: &str, name: &str) -> u64 {
    let of_metric = page.lines().filter_map(|line| line.strip_prefix(name));
    let series = of_metric.filter(|rest| rest.starts_with(['{', ' ']));
    series.filter_map(|rest| rest.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn series_of_one_metric_are_added_up() {
        let page =
            "# TYPE a_total counter\na_total{topic=\"x y\"} 3\na_total{topic=\"z\"} 4\na_total_b 9\nb 1\n";
        assert_eq!((sum(page, "a_total"), sum(page, "b"), sum(page, "c")), (7, 1, 0));
    }
}
