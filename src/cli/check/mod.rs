//! `dumbwaiter check`: would the service start with this configuration, and (`--online`) find what it needs?
//!
//! It opens no port and joins no group. All that is wrong with settings and catalog is told at once; with
//! `--online` so is what brokers and registry say. For those who write records there is `--schema`: would records of
//! this schema be events?

#[cfg(feature = "kafka")]
mod online;
mod report;
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "only --online asks for versions"))]
mod versions;

use self::report::Report;
use self::versions::Verdict;
use super::output::{Paint, put};
use super::{ConfigArgs, Outcome, writers};
use crate::config::{Config, ConfigFault, effective, unsubscribed};
use crate::decode::{RegistryQuestions, WriterSchema};
use crate::event::Event;
use crate::settings::{Environment, Faults, Origin, did_you_mean};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter check --config dumbwaiter.toml
  dumbwaiter check --config dumbwaiter.toml --online
  dumbwaiter check --config dumbwaiter.toml --online --strict --json > check.json
  dumbwaiter check --config dumbwaiter.toml --schema order.avsc --topic order.created
  dumbwaiter check --config dumbwaiter.toml --print-config

As a job of those who write the records: --schema before a schema is registered, --online --strict afterwards.

Exit codes: 0 good (warnings included, unless --strict), 1 something asked by --online or --schema is not as it should
be, 2 wrong settings.")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also asks brokers, registry, login and Redis: topics, and whether every version of their schemas gives the
    /// events' payloads
    #[cfg(feature = "kafka")]
    #[arg(long)]
    online: bool,
    /// Would records of --topic with this writer's schema (.avsc) be events? Nobody is asked
    #[arg(long, value_name = "FILE", requires = "topic")]
    schema: Option<PathBuf>,
    /// The topic that such records are written to
    #[arg(long, requires = "schema")]
    topic: Option<String>,
    /// Warnings are failures
    #[arg(long)]
    strict: bool,
    /// Prints the settings in use, and where each comes from, instead of the report
    #[arg(long, conflicts_with = "json")]
    print_config: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs, environment: &Environment) -> Outcome {
    let mut report = Report::default();
    match args.config.load(environment) {
        Ok(config) if args.print_config => {
            let _ = put(&effective(&config.described).trim_end());
            return Outcome::Done;
        }
        Ok(config) => {
            offline(&config, &mut report);
            if let (Some(file), Some(topic)) = (&args.schema, &args.topic) {
                check_schema(&config, file, topic, &mut report);
            }
            #[cfg(feature = "kafka")]
            if args.online {
                online::check(&config, &mut report);
            }
        }
        Err(ConfigFault::Settings(faults)) => wrong_settings(&faults, &mut report),
        Err(fault @ ConfigFault::Read { .. }) => report.wrong("settings", fault.to_string()),
    }
    let paint = Paint::for_stdout(environment);
    let _ = put(&if args.json { report.json() } else { report.text(paint) });
    report.outcome(args.strict)
}

/// A schema that may not be registered anywhere yet.
fn check_schema(config: &Config, file: &Path, topic: &str, report: &mut Report) {
    let subject = format!("schema {}", file.display());
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            return report.fail(
                subject,
                format!("cannot be read: {error}"),
                "is the path after --schema right?",
            );
        }
    };
    let verdict = match WriterSchema::parse(&text, &[]) {
        Ok(writer) => Verdict::of(&config.catalog, topic, &writer),
        Err(fault) => Verdict::unusable(fault.to_string()),
    };
    verdict.tell(subject, report);
    check_topic(config, topic, report);
}

/// Whatever a schema gives, nobody gets records of a topic that is not read, or that the catalog has no event of.
fn check_topic(config: &Config, topic: &str, report: &mut Report) {
    let subject = format!("topic {topic}");
    if !config.catalog.names_topic(topic) {
        let names: Vec<&str> = config.catalog.events().iter().filter_map(Event::topic_name).collect();
        let detail = format!("no event of the catalog is of it{}", did_you_mean(topic, &names));
        report.warn(subject, detail, "is the name after --topic right? If so, add an event to the catalog");
    } else if !config.kafka.subscribes_to(topic) {
        report.warn(subject, "is not among kafka.topics: it is not read", "add the topic to kafka.topics");
    }
}

fn wrong_settings(faults: &Faults, report: &mut Report) {
    for fault in faults.iter() {
        let subject = if fault.key.is_empty() { "settings" } else { &fault.key };
        let place = (fault.origin != Origin::Default).then(|| fault.origin.to_string());
        report.wrong_at(place, subject, &fault.text);
    }
}

const IN_THE_CLEAR: &str = "set web.tls_certificate_file; or web.tls_in_front, if proxies do it";

/// What the settings say, without asking anybody.
fn offline(config: &Config, report: &mut Report) {
    report.ok("settings", written(config));
    let events: Vec<&str> = config.catalog.events().iter().map(|event| &*event.name).collect();
    report.ok("catalog", events.join(", "));
    for (event, topic) in unsubscribed(config) {
        let detail =
            format!("comes from topic {topic}, which is not among kafka.topics: it will never occur");
        report.warn(format!("event {event}"), detail, "add the topic to kafka.topics");
    }
    if config.web.is_in_the_clear() {
        report.warn("web.listen", "is heard by other machines without TLS", IN_THE_CLEAR);
    }
    let mut keys = config.auth.algorithms();
    keys.extend(config.auth.jwks.as_ref().map(|jwks| format!("those at {}", jwks.url)));
    let keys = if keys.is_empty() { "none: sessions of the login only".to_owned() } else { keys.join(", ") };
    report.ok("keys", keys);
    #[cfg(feature = "kafka")]
    if let Err(fault) = crate::consume::Probe::new(&config.kafka) {
        report.wrong("kafka.properties", fault.to_string());
    }
    if writers::asks_registry(config)
        && let Err(fault) = RegistryQuestions::new(config.registry.clone())
    {
        report.wrong("registry", format!("{:#}", anyhow::Error::from(fault)));
    }
    if let Err(fault) = writers::open(config, None) {
        report.wrong("schemas", fault);
    }
}

/// How many settings are written, and in how many places of which kind.
fn written(config: &Config) -> String {
    let keys = || config.described.iter().flat_map(|section| &section.keys);
    let count = |of_kind: fn(&Origin) -> bool| keys().filter(|key| of_kind(&key.origin)).count();
    let counts = [
        (count(|origin| matches!(origin, Origin::File { .. })), "from the file"),
        (count(|origin| matches!(origin, Origin::Environment(_))), "from the environment"),
        (count(|origin| *origin == Origin::CommandLine), "from the command line"),
        (count(|origin| *origin == Origin::Default), "by default"),
    ];
    let parts =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, source)| format!("{count} {source}"));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Document;

    const PIZZA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/pizza.avsc");

    fn check(settings: &str, file: &str, topic: &str, expected: &[&str]) {
        let text = format!("[auth]\nsecret = \"{}\"\n{settings}", "s".repeat(64));
        let config = Config::from_document(Document::parse("dumbwaiter.toml", &text)).unwrap();
        let mut report = Report::default();
        check_schema(&config, Path::new(file), topic, &mut report);
        let told = report.text(Paint::PLAIN);
        assert!(expected.iter().all(|expected| told.contains(expected)), "{told}");
    }

    #[test]
    fn a_topic_whose_records_reach_nobody_is_a_warning() {
        check("", PIZZA, "pizza.created", &["ok  ", "gives "]);
        check(
            "",
            PIZZA,
            "pizza.craeted",
            &["warn", "no event of the catalog", "did you mean pizza.created?"],
        );
        check("[kafka]\ntopics = [\"^order\"]", PIZZA, "pizza.created", &["warn", "kafka.topics"]);
    }

    #[test]
    fn a_schema_file_that_is_not_there_is_no_matter_of_the_writer() {
        check("", "/nonexistent/no.avsc", "pizza.created", &["fail", "cannot be read", "--schema"]);
    }
}
