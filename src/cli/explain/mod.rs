//! `dumbwaiter explain`: what one record is to clients, and whether a user, or who of all that are connected, gets it, by
//! which key.
//!
//! ```text
//! TOPIC-PARTITION-OFFSET, or a file ──> record ──> mapping ──> event, payload, audience ──┐
//! tokens, or claims ──────────────────> identity ──> the user's keys ──────────────────┼──> delivered or not
//! `--all`: the connections of running instances, and the keys they hold ────────────────┘
//! ```
//!
//! The answer is the service's own: the same mapping, grants and meeting of keys. Whose an order is that the record does
//! not say is looked up in the order topics, as an instance has done at its start (`owner`).

mod answer;
mod everybody;
mod owner;

pub(super) use self::answer::timestamp;

use self::answer::{Answer, Place};
use self::everybody::Asked;
use self::owner::{Opened, Search};
use super::output::{Paint, put, say};
use super::users::UserArgs;
use super::{ConfigArgs, Outcome, here, instance_url, writers};
use crate::clock::unix_ms;
use crate::config::Config;
use crate::consume::{OwnedRecord, Probe, ProbeFault, Record};
use crate::decode::{Plan, ReaderSchema, Writers};
use crate::event::{Key, OpenOrders, Owners};
use crate::limits::CHECK_PATIENCE;
use crate::mapping::{Mapping, Passed, Written};
use crate::settings::{Environment, Url};
use clap::{ArgGroup, Args};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter explain --config dumbwaiter.toml order.created-2-1041 --token-file token.txt
  dumbwaiter explain --config dumbwaiter.toml pizza.created-0-7 --claims '{\"sub\": \"u1\", \"store_id\": 7}'
  dumbwaiter explain --config dumbwaiter.toml order.created-2-1041 --all
  dumbwaiter explain --config dumbwaiter.toml order.created-2-1041 --all --instance http://10.0.0.7:9100 --json
  dumbwaiter explain --config dumbwaiter.toml --file record.bin --topic order.created --json

Without a user it tells who the audience is; with --all, who of those that are connected now would get it, who would
not, and why. Exit codes: 0 answered (delivered or not), 1 no record or no schema to
be had, 2 wrong settings.")]
#[command(group = ArgGroup::new("which").required(true).args(["record", "file"]))]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The record's place in Kafka
    #[arg(value_name = "TOPIC-PARTITION-OFFSET", value_parser = place)]
    record: Option<Place>,
    /// A record's value in a file instead, byte by byte
    #[arg(long, value_name = "FILE", requires = "topic")]
    file: Option<PathBuf>,
    /// The topic that the file's record is from
    #[arg(long, conflicts_with = "record")]
    topic: Option<String>,
    #[command(flatten)]
    users: UserArgs,
    /// Everybody who is connected to the running instances
    #[arg(long)]
    all: bool,
    /// An instance's address for operators; by default web.admin_listen. May be given several times
    #[arg(long = "instance", value_name = "URL", value_parser = instance_url, requires = "all")]
    instances: Vec<Url>,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs, environment: &Environment) -> Outcome {
    let config = match args.config.load_or_say(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    match explain(args, config) {
        Ok(answer) => {
            let paint = Paint::for_stdout(environment);
            let _ = put(&if args.json { answer.json() } else { answer.text(paint) });
            Outcome::Done
        }
        Err(reason) => {
            say(&reason);
            Outcome::Failed
        }
    }
}

fn explain(args: &ExplainArgs, config: Config) -> Result<Answer, String> {
    let users = args.users.users(&config)?;
    let record = record(args, &config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let registry = writers::registry(&config, runtime.handle().clone(), |_| {})?;
    let writers = writers::open(&config, registry)?;
    let mut mapping = Mapping::new(Arc::clone(&config.catalog), writers.clone());
    runtime.block_on(wait_for_schema(&mapping, writers.clone(), record.lend()))?;
    let mut answer = Answer::new(&record, args.record.is_some(), users, args.all);
    if let Ok(written) = mapping.written(record.lend()) {
        answer.written(written.reference.as_ref(), &written.schema, fields(&written)?);
        let event = mapping.event(&record.topic, &written);
        let compiled = event.map(|event| Plan::compile(&written.schema, &event.schema, &event.captures));
        answer.incompatible = compiled.and_then(Result::err).map(|why| why.to_string());
    }
    let search = Search { config: &config, mapping: &mut mapping, writers: &writers, runtime: &runtime };
    let opened = opened(search, &record, &mut answer);
    let nobody = OpenOrders::default();
    let owners: &dyn Owners = opened.as_ref().map_or(&nobody, |opened| opened);
    match mapping.map(record.lend(), owners) {
        Ok(mapped) => answer.mapped(mapped.event, raw_json(mapped.payload)?, &mapped.audience),
        Err(passed) => answer.passed(passed),
    }
    if let Some((audience, clients)) = answer.event_for_all() {
        let instances = instances(args, &config)?;
        let asked = Asked { audience: &audience, clients: &clients };
        let connected = runtime.block_on(everybody::ask(&instances, &asked))?;
        answer.connected(connected);
    }
    Ok(answer)
}

/// Who opened the order that the record is about, if it does not say whose that is.
fn opened(mut search: Search<'_>, record: &OwnedRecord, answer: &mut Answer) -> Option<Opened> {
    let mapped = search.mapping.map(record.lend(), &OpenOrders::default()).ok()?;
    let order = mapped.order.filter(|_| mapped.audience.owner_unknown)?;
    let time_ms = record.timestamp_ms.unwrap_or_else(|| unix_ms(SystemTime::now()));
    match search.find(&order.id, time_ms) {
        Ok(opened) => opened.inspect(|opened| answer.opened_by = Some(opened.by.clone())),
        Err(reason) => {
            answer.because.push(format!("the open orders could not be looked up: {reason}"));
            None
        }
    }
}

/// Where the running instances answer operators.
fn instances(args: &ExplainArgs, config: &Config) -> Result<Vec<Url>, String> {
    if !args.instances.is_empty() {
        return Ok(args.instances.clone());
    }
    let url = format!("http://{}/", here(config.web.admin_listen));
    let url = Url::parse(&url).map_err(|fault| format!("{url}: {fault}"))?;
    Ok(vec![url])
}

fn record(args: &ExplainArgs, config: &Config) -> Result<OwnedRecord, String> {
    if let Some(Place { topic, partition, offset }) = &args.record {
        let probe = Probe::new(&config.kafka).map_err(|fault| fault.to_string())?;
        let record = probe.record(topic, *partition, *offset, CHECK_PATIENCE);
        return record.map_err(|fault| told(&fault));
    }
    let file = args.file.as_deref().unwrap_or(Path::new(""));
    let value = std::fs::read(file).map_err(|error| format!("{file:?} cannot be read: {error}"))?;
    let topic = args.topic.as_deref().unwrap_or_default();
    Ok(OwnedRecord { topic: topic.to_owned(), value: Some(value), ..OwnedRecord::default() })
}

fn told(fault: &ProbeFault) -> String {
    match fault {
        ProbeFault::NoAnswer { reason, way_out: Some(way_out) } => format!("{reason}\n{way_out}"),
        fault => fault.to_string(),
    }
}

/// Until the registry has said what it knows of the record's schema.
pub(super) async fn wait_for_schema(
    mapping: &Mapping,
    mut writers: Writers,
    record: Record<'_>,
) -> Result<(), String> {
    let deadline = Instant::now() + CHECK_PATIENCE;
    while matches!(mapping.written(record), Err(Passed::NotYet)) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err("the registry gives no answer about the record's schema: dumbwaiter check --online \
                        tells why"
                .to_owned());
        }
        let _ = tokio::time::timeout(left, writers.answered()).await;
    }
    Ok(())
}

/// Everything in the record, as its writer named it.
fn fields(written: &Written<'_>) -> Result<Option<Box<RawValue>>, String> {
    let all = ReaderSchema::of_writer(&written.schema);
    let Ok(plan) = Plan::compile(&written.schema, &all, &[]) else { return Ok(None) };
    let (mut json, mut captured) = (Vec::new(), Vec::new());
    match plan.run(written.body, &mut json, &mut captured) {
        Ok(()) => raw_json(&json).map(Some),
        Err(_) => Ok(None),
    }
}

pub(super) fn raw_json(bytes: &[u8]) -> Result<Box<RawValue>, String> {
    let text = String::from_utf8(bytes.to_vec()).map_err(|fault| fault.to_string())?;
    RawValue::from_string(text).map_err(|fault| fault.to_string())
}

/// A topic's name may have hyphens too, so the numbers are taken from the end.
fn place(text: &str) -> Result<Place, String> {
    let mut parts = text.rsplitn(3, '-');
    let place = (|| {
        let offset = parts.next()?.parse().ok()?;
        let partition = parts.next()?.parse().ok()?;
        let topic = parts.next().filter(|topic| !topic.is_empty())?.to_owned();
        Some(Place { topic, partition, offset })
    })();
    place.ok_or_else(|| "expected TOPIC-PARTITION-OFFSET, such as order.created-2-1041".to_owned())
}

/// The texts of keys, for people who asked for them.
fn texts(keys: &[Key]) -> Vec<String> {
    keys.iter().map(|key| key.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_topic_partition_and_offset() {
        let check = |text: &str, expected: Option<(&str, i32, i64)>| {
            let place = place(text).ok();
            let parts = place.as_ref().map(|place| (place.topic.as_str(), place.partition, place.offset));
            assert_eq!(parts, expected, "{text}");
        };
        check("order.created-2-1041", Some(("order.created", 2, 1041)));
        check("a-b-0-7", Some(("a-b", 0, 7)));
        for wrong in ["order.created", "order.created-2", "-0-7", "t-x-7", "t-0-", "t-0-99999999999999999999"]
        {
            check(wrong, None);
        }
    }
}
