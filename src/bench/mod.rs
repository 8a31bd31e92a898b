//! A load test of a running instance: many clients, events that are known again, and what became of them.
//!
//! ```text
//! connect ──> rest ──> events come ──> all are there, or none come any more ──> report
//!             memory    books, latency
//! ```
//!
//! One thread drives all clients with an event loop; frames are read where they lie and nothing is allocated for
//! one, so that one core serves many more clients than the service could. The client's half of the protocols
//! is written here once more: what judges the service must not share its encoder. The records come from
//! `produce`, or from whoever is called when all are connected.

mod books;
mod client;
mod crowd;
mod http;
mod line;
mod mark;
mod process;
mod produce;
mod record;
mod report;
mod storm;
mod wire;

pub use books::Audience;
pub use client::Dialect;
pub use line::Tls;
pub use mark::RunId;
pub use process::Process;
pub use produce::{Pace, Producing, Wanted};
pub use record::customer_id;
pub use report::Report;

use crate::limits::{BENCH_DOUBLES_WAIT, BENCH_FILES_SPARE, BENCH_PATIENCE, BENCH_REST, BENCH_STEP};
use crowd::Crowd;
use process::Usage;
use report::{Connect, Events, Latency, Percentiles, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use storm::Storm;

/// All that a run needs to know.
pub struct Plan {
    pub address: SocketAddr,
    /// Value of the header `Host`.
    pub host: String,
    pub dialect: Dialect,
    /// None: without TLS.
    pub tls: Option<Tls>,
    /// One a client; none where the dialect has none.
    pub tokens: Vec<SecretString>,
    pub audience: Audience,
    pub run: RunId,
    /// New connections a second; none: as fast as they are let in.
    pub connect_rate: Option<f64>,
    /// How long is listened where no events are awaited.
    pub hold: Duration,
    /// Handshakes that are begun before the clients come, and dropped when they are in.
    pub half_open: usize,
    /// Produces the events; called on a thread of its own when all clients are connected.
    pub producer: Option<Producer>,
    /// The service's process, to tell what it costs.
    pub server: Option<Process>,
}

pub type Producer = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    pub done: u64,
    /// None: not known.
    pub of: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Connecting,
    Resting,
    /// Deliveries.
    Receiving,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BenchFault {
    #[error(
        "{clients} clients need more files than the {files} that this process may open (ulimit -n): take fewer, \
         or several processes"
    )]
    Files { clients: usize, files: u64 },
    #[error("there is no process {0}")]
    NoProcess(u32),
    #[error("the service refuses the token of client {0}: it is signed by another secret, or lacks a claim")]
    Refused(usize),
    #[error("no client was let in: {0}")]
    NobodyIn(String),
    #[error("the events could not be produced: {0}")]
    Producer(String),
    #[error("the event loop failed: {0}")]
    Poll(#[from] std::io::Error),
}

/// To be called before a run: a client is a file, and the shell's limit is often far below what the process may ask for.
pub fn raise_file_limit(clients: usize) -> Result<(), BenchFault> {
    let limit = getrlimit(Resource::Nofile);
    let files = limit.maximum.unwrap_or(u64::MAX);
    if (clients as u64).saturating_add(BENCH_FILES_SPARE) > files {
        return Err(BenchFault::Files { clients, files });
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(std::io::Error::from)?;
    Ok(())
}

/// Carries the plan out. `watch` is told now and then how far it is.
pub fn run(mut plan: Plan, watch: &mut dyn FnMut(Progress)) -> Result<Report, BenchFault> {
    let producer = plan.producer.take();
    let mut meter = Meter::new(plan.server)?;
    let mut crowd = Crowd::new(&plan)?;

    let storm = Storm::begin(plan.address, plan.half_open)?;
    let connect_time = crowd.connect(watch)?;
    drop(storm);
    meter.connected = meter.take();
    let events_are_due = producer.is_some();
    crowd.stay(if events_are_due { BENCH_REST } else { Duration::ZERO }, Stage::Resting, watch)?;
    meter.rested = meter.take();
    let own_cpu = own_cpu();
    match producer {
        Some(producer) => receive(&mut crowd, std::thread::spawn(producer), watch)?,
        None => crowd.stay(plan.hold, Stage::Receiving, watch)?,
    }
    meter.ended = meter.take();
    let own_cpu = own_cpu.abs_diff(self::own_cpu());
    if events_are_due {
        crowd.stay(BENCH_DOUBLES_WAIT, Stage::Receiving, watch)?;
    }
    Ok(report(&plan, &crowd, &meter, connect_time, own_cpu))
}

/// Until all has come, or nothing has for a while after the last event was produced.
fn receive(
    crowd: &mut Crowd<'_>,
    producer: JoinHandle<Result<(), String>>,
    watch: &mut dyn FnMut(Progress),
) -> Result<(), BenchFault> {
    let mut producer = Some(producer);
    let mut news = Instant::now();
    let mut received = 0;
    loop {
        crowd.stay(BENCH_STEP, Stage::Receiving, watch)?;
        if let Some(finished) = producer.take_if(|producer| producer.is_finished()) {
            let outcome = finished.join().unwrap_or_else(|_| Err("its thread ended badly".to_owned()));
            outcome.map_err(BenchFault::Producer)?;
            news = Instant::now();
        }
        if producer.is_some() {
            continue;
        }
        let tally = crowd.books().tally();
        if tally.deliveries != received {
            (received, news) = (tally.deliveries, Instant::now());
        }
        if crowd.books().is_complete() || news.elapsed() > BENCH_PATIENCE || crowd.is_empty() {
            return Ok(());
        }
    }
}

/// Of the service, at the turns of a run.
struct Meter {
    process: Option<Process>,
    begun: Usage,
    connected: Usage,
    rested: Usage,
    ended: Usage,
}

impl Meter {
    fn new(process: Option<Process>) -> Result<Meter, BenchFault> {
        let begun = match process {
            Some(process) => process.usage().ok_or(BenchFault::NoProcess(process.0))?,
            None => Usage::default(),
        };
        Ok(Meter { process, begun, connected: begun, rested: begun, ended: begun })
    }

    fn take(&self) -> Usage {
        self.process.and_then(Process::usage).unwrap_or_default()
    }

    fn server(&self, ready: usize, events: usize, deliveries: u64) -> Option<Server> {
        self.process?;
        let connect_cpu = self.connected.cpu.saturating_sub(self.begun.cpu);
        let cpu = self.ended.cpu.saturating_sub(self.rested.cpu);
        Some(Server {
            connect_cpu_seconds: connect_cpu.as_secs_f64(),
            connect_cpu_us_per_client: micros_per(connect_cpu, ready as u64),
            cpu_seconds: cpu.as_secs_f64(),
            cpu_us_per_event: micros_per(cpu, events as u64),
            cpu_us_per_delivery: micros_per(cpu, deliveries),
            rss_before_kib: self.begun.rss_kib,
            rss_idle_kib: if events > 0 { self.rested.rss_kib } else { self.ended.rss_kib },
            rss_after_kib: self.ended.rss_kib,
            rss_peak_kib: self.ended.rss_peak_kib,
        })
    }
}

fn micros_per(cpu: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| cpu.as_secs_f64() * 1e6 / count as f64)
}

fn own_cpu() -> Duration {
    Process::this().usage().unwrap_or_default().cpu
}

fn report(
    plan: &Plan,
    crowd: &Crowd<'_>,
    meter: &Meter,
    connect_time: Duration,
    own_cpu: Duration,
) -> Report {
    let books = crowd.books();
    let tally = books.tally();
    let messages = tally.deliveries + tally.double + tally.foreign + tally.other;
    let ready = crowd.let_in();
    Report {
        run: plan.run.to_string(),
        clients: plan.audience.clients,
        staff: plan.audience.staff,
        connect: Connect {
            ready,
            failed: crowd.failed().clone(),
            seconds: connect_time.as_secs_f64(),
            per_second: per_second(ready as u64, connect_time),
            latency_us: Percentiles::of(crowd.connect_latency()),
        },
        events: Events {
            produced: plan.audience.events,
            expected: plan.audience.deliveries(),
            deliveries: tally.deliveries,
            missing: books.missing(),
            clients_with_missing: books.clients_with_missing(),
            double: tally.double,
            foreign: tally.foreign,
            other: tally.other,
            seconds: books.span().as_secs_f64(),
            per_second: per_second(messages, books.span()),
            bytes: tally.bytes,
        },
        latency_us: Latency { staff: books.staff_latency(), customers: books.customer_latency() },
        ended: crowd.ended().clone(),
        server: meter.server(ready, plan.audience.events, tally.deliveries + tally.other),
        own_cpu_seconds: own_cpu.as_secs_f64(),
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}
