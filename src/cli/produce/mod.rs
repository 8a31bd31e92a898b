//! `dumbwaiter produce`: JSON → records in Kafka, by a writer's schema; or the events of a made-up pizzeria.
//!
//! ```text
//! file, stdin ──> input  ──┐
//! pizzeria ─────> orders ──┴─> records ──> Kafka, acknowledged ──> summary
//! ```
//!
//! Brokers and registry are those of the service's own configuration. It stops at the first value that the schema
//! does not take; what was produced before that stays.

mod input;
mod orders;

use super::output::{put, say};
use super::{ConfigArgs, Outcome};
use crate::config::Config;
use crate::decode::{RegistryAnswerFault, RegistryQuestions};
use crate::limits::{PRODUCE_IN_FLIGHT_MAX, PRODUCE_RATE};
use crate::produce::{Produced, Producer};
use crate::settings::Environment;
use clap::{ArgGroup, Args};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter produce --config dumbwaiter.toml --topic pizza.created pizzas.jsonl
  echo '{\"_id\": \"6263bda571a52b2d541ec5f7\", \"condition\": \"DONE\"}' |
      dumbwaiter produce --config dumbwaiter.toml --topic order.condition --schema schemas/order_condition.avsc
  dumbwaiter produce --config dumbwaiter.toml --orders 5 --count 100

Values are JSON as the payloads have it: one after the other, or in a list. Times are RFC 3339 or a count of their
unit, decimals are numbers. Without --schema the subject's newest schema is taken from the registry; with it, it is
registered there first, if the first value fits it.

Exit codes: 0 all acknowledged, 1 not, 2 wrong settings.")]
#[command(group = ArgGroup::new("what").required(true).args(["topic", "orders"]))]
pub(super) struct ProduceArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Topic to write to
    #[arg(long)]
    topic: Option<String>,
    /// Writer's schema (.avsc); by default the newest of the subject
    #[arg(long, value_name = "FILE", conflicts_with = "orders")]
    schema: Option<PathBuf>,
    /// Subject of the schema in the registry; by default TOPIC-value
    #[arg(long, conflicts_with = "orders")]
    subject: Option<String>,
    /// Field that is the record's key; records of one key keep their order
    #[arg(long, value_name = "FIELD", conflicts_with = "orders")]
    key: Option<String>,
    /// Makes up orders, their conditions and pizzas, so many events a second, until Ctrl-C
    #[arg(long, value_name = "RATE", value_parser = rate)]
    orders: Option<f64>,
    /// Ends after so many records
    #[arg(long, value_name = "RECORDS")]
    count: Option<u64>,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    /// JSON values; by default, or as -, standard input
    #[arg(value_name = "FILE", conflicts_with = "orders")]
    input: Option<PathBuf>,
}

/// A record ready to be sent.
struct Prepared {
    topic: String,
    key: Option<String>,
    value: Vec<u8>,
}

type Records = Box<dyn Iterator<Item = Result<Prepared, String>>>;

pub(super) fn run(args: &ProduceArgs, environment: &Environment) -> Outcome {
    let config = match args.config.load_to_write(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format_args!("cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    let mut summary = Summary::default();
    let outcome = runtime.block_on(produce(args, config, &mut summary));
    if let Err(reason) = &outcome {
        say(reason);
    }
    let _ = put(&if args.json { summary.json() } else { summary.text() });
    if outcome.is_ok() { Outcome::Done } else { Outcome::Failed }
}

async fn produce(args: &ProduceArgs, config: Config, summary: &mut Summary) -> Result<(), String> {
    let mut producer = Producer::new(&config.kafka).map_err(|fault| fault.to_string())?;
    let questions = RegistryQuestions::new(config.registry)
        .map_err(|fault| format!("registry: {:#}", anyhow::Error::from(fault)))?;
    let records = match &args.topic {
        Some(topic) => input::records(args, topic, &questions).await?,
        None => orders::records(&questions).await?,
    };
    let records =
        records.take(args.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX));
    let sent = send(records, args.orders, &mut producer, summary).await;
    // What is under way is waited for even after a fault: it will be in Kafka.
    let settled = settle(&mut producer, 0, summary).await;
    sent.and(settled)
}

async fn send(
    records: impl Iterator<Item = Result<Prepared, String>>,
    rate: Option<f64>,
    producer: &mut Producer,
    summary: &mut Summary,
) -> Result<(), String> {
    let mut pace = rate.map(Pace::new);
    for record in records {
        if let Some(pace) = &mut pace
            && pace.next().await.is_err()
        {
            return Ok(());
        }
        let Prepared { topic, key, value } = record?;
        producer.send(&topic, key.as_deref(), Some(&value)).map_err(|error| error.to_string())?;
        settle(producer, PRODUCE_IN_FLIGHT_MAX, summary).await?;
    }
    Ok(())
}

async fn settle(producer: &mut Producer, in_flight_max: usize, summary: &mut Summary) -> Result<(), String> {
    let produced = producer.settle(in_flight_max).await;
    let produced = produced.map_err(|error| format!("a record was not acknowledged: {error}"))?;
    produced.into_iter().for_each(|produced| summary.note(produced));
    Ok(())
}

/// So many a second, until Ctrl-C.
struct Pace {
    interval: Duration,
    next: Instant,
}

struct Interrupted;

impl Pace {
    fn new(rate: f64) -> Pace {
        Pace { interval: Duration::from_secs_f64(1.0 / rate), next: Instant::now() }
    }

    async fn next(&mut self) -> Result<(), Interrupted> {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Err(Interrupted),
            () = tokio::time::sleep_until(self.next.into()) => {}
        }
        self.next += self.interval;
        Ok(())
    }
}

/// What became of it.
struct Summary {
    started: Instant,
    by_topic: BTreeMap<String, u64>,
    last: Option<Produced>,
    /// On standard error, and only on a terminal.
    progress: ProgressBar,
}

impl Default for Summary {
    fn default() -> Summary {
        let progress = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} records, {per_sec}") {
            progress.set_style(style);
        }
        Summary { started: Instant::now(), by_topic: BTreeMap::new(), last: None, progress }
    }
}

impl Summary {
    fn note(&mut self, produced: Produced) {
        *self.by_topic.entry(produced.topic.clone()).or_default() += 1;
        self.last = Some(produced);
        self.progress.inc(1);
    }

    fn records(&self) -> u64 {
        self.by_topic.values().sum()
    }

    fn text(&self) -> String {
        self.progress.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        let topics: Vec<String> =
            self.by_topic.iter().map(|(topic, records)| format!("\n  {topic}: {records}")).collect();
        let last = self.last.as_ref().map(|last| format!("\n  the last: {last}")).unwrap_or_default();
        let records = self.records();
        let noun = if records == 1 { "record" } else { "records" };
        format!("{records} {noun} acknowledged in {seconds:.1} s{}{last}", topics.concat())
    }

    fn json(&self) -> String {
        self.progress.finish_and_clear();
        serde_json::json!({
            "records": self.records(),
            "seconds": self.started.elapsed().as_secs_f64(),
            "topics": self.by_topic,
            "last": self.last.as_ref().map(ToString::to_string),
        })
        .to_string()
    }
}

/// What the registry said, with the way out where there is one.
fn registry_fault(subject: &str, fault: &RegistryAnswerFault) -> String {
    let way_out = match fault {
        RegistryAnswerFault::Missing => "; register a schema, or name one with --schema FILE",
        RegistryAnswerFault::Refused { .. } => {
            "; set registry.username and registry.password, or registry.token"
        }
        _ => "",
    };
    format!("subject {subject}: {fault}{way_out}")
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    let fits = PRODUCE_RATE.contains(&rate);
    fits.then_some(rate).ok_or_else(|| format!("expected {} to {}", PRODUCE_RATE.start(), PRODUCE_RATE.end()))
}
