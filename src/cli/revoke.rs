//! `dumbwaiter revoke`: writes one record to the control topic: a login holds no longer, or does again.
//!
//! Brokers and topic are those of the service's own configuration; every instance that reads them has it in force
//! within a second. The topic is not made here: it wants to be compacted, and whose it is is for the operator to say.

use super::output::{put, say};
use super::{ConfigArgs, Outcome};
use crate::auth::Change;
use crate::config::Config;
use crate::consume::{Probe, ProbeFault};
use crate::limits::CHECK_PATIENCE;
use crate::produce::{Produced, Producer};
use crate::settings::Environment;
use clap::{ArgGroup, Args};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter revoke --config dumbwaiter.toml --user 4920737570657261646d696e
  dumbwaiter revoke --config dumbwaiter.toml --token 8a7d1c
  dumbwaiter revoke --config dumbwaiter.toml --issued-before 2026-11-22T12:00:00Z
  dumbwaiter revoke --config dumbwaiter.toml --user 4920737570657261646d696e --lift

Without --issued-before, a user's or everybody's logins until now are revoked. Prints where the record stands.

Exit codes: 0 acknowledged, 1 not, 2 wrong settings.")]
// A group's error names every way: whoever followed one that named only --everybody would end all logins.
#[command(group = ArgGroup::new("whose").required(true).multiple(true).args(["user", "token", "issued_before", "everybody"]))]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// All logins of a user (its sub, or what revocation.user_claim says)
    #[arg(long, value_name = "ID", value_parser = name, conflicts_with_all = ["token", "everybody"])]
    user: Option<String>,
    /// One token (its jti)
    #[arg(long, value_name = "JTI", value_parser = name, conflicts_with_all = ["everybody", "issued_before"])]
    token: Option<String>,
    /// All logins of everybody
    #[arg(long)]
    everybody: bool,
    /// Only logins that were issued before that (RFC 3339); alone: everybody's
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued_before: Option<SystemTime>,
    /// When the revocation may be forgotten (RFC 3339), because what it is about has expired
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<SystemTime>,
    /// Takes the revocation back
    #[arg(long, conflicts_with_all = ["issued_before", "until"])]
    lift: bool,
    /// Where the record stands, as JSON: topic, partition, offset
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RevokeArgs, environment: &Environment) -> Outcome {
    let config = match args.config.load_to_write(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    match revoke(args, &config) {
        Ok(place) => {
            let Produced { topic, partition, offset } = &place;
            let json = || serde_json::json!({"topic": topic, "partition": partition, "offset": offset});
            let _ = if args.json { put(&json()) } else { put(&place) };
            Outcome::Done
        }
        Err(reason) => {
            say(&reason);
            Outcome::Failed
        }
    }
}

fn revoke(args: &RevokeArgs, config: &Config) -> Result<Produced, String> {
    let topic = config.auth.revocation.topic.as_deref();
    let topic = topic.ok_or("revocation is switched off: revocation.topic is empty")?;
    let now = SystemTime::now();
    args.check_until(now)?;
    let (key, value) = (args.key(), args.value(now));
    // What the service would pass over is not written.
    Change::parse(Some(key.as_bytes()), value.as_deref().map(str::as_bytes), None)
        .map_err(|fault| fault.to_string())?;
    check_topic(config, topic)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(write(config, topic, &key, value.as_deref()))
}

/// A broker may make a topic of which only the name is right, and forget revocations after some days.
fn check_topic(config: &Config, topic: &str) -> Result<(), String> {
    let cluster = Probe::new(&config.kafka)
        .map_err(|fault| fault.to_string())?
        .cluster(CHECK_PATIENCE)
        .map_err(|fault| match fault {
            ProbeFault::NoAnswer { reason, way_out: Some(way_out) } => format!("{reason}\n{way_out}"),
            fault => fault.to_string(),
        })?;
    let exists = cluster.topics.iter().any(|(name, _)| name == topic);
    exists.then_some(()).ok_or_else(|| {
        format!(
            "there is no topic {topic}; make it, compacted: kafka-topics.sh --create --topic {topic} \
             --partitions 1 --config cleanup.policy=compact"
        )
    })
}

async fn write(config: &Config, topic: &str, key: &str, value: Option<&str>) -> Result<Produced, String> {
    let mut producer = Producer::new(&config.kafka).map_err(|fault| fault.to_string())?;
    producer.send(topic, Some(key), value.map(str::as_bytes)).map_err(|error| error.to_string())?;
    let produced = producer.settle(0).await;
    let produced = produced.map_err(|error| format!("the record was not acknowledged: {error}"))?;
    produced.into_iter().next().ok_or_else(|| "the record was not acknowledged".to_owned())
}

impl RevokeArgs {
    fn key(&self) -> String {
        match (&self.user, &self.token) {
            (Some(user), _) => format!("user:{user}"),
            (None, Some(token)) => format!("token:{token}"),
            (None, None) => "everybody".to_owned(),
        }
    }

    /// Instances would forget it as soon as they read it, and whoever wrote it would believe the logins ended.
    fn check_until(&self, now: SystemTime) -> Result<(), String> {
        match self.until.filter(|until| *until <= now) {
            None => Ok(()),
            Some(until) => Err(format!(
                "--until {} is past: nothing would be revoked; name the time when the last of these tokens expires, \
                 or leave it out",
                humantime::format_rfc3339(until)
            )),
        }
    }

    /// None is a tombstone.
    fn value(&self, now: SystemTime) -> Option<String> {
        if self.lift {
            return None;
        }
        let mut value = Map::new();
        if self.token.is_none() {
            let before = self.issued_before.unwrap_or_else(|| next_second(now));
            value.insert("issued_before".to_owned(), seconds(before));
        }
        value.extend(self.until.map(|until| ("until".to_owned(), seconds(until))));
        Some(Value::Object(value).to_string())
    }
}

/// Tokens have the second in which they were issued, so those of the running one are older than the next.
fn next_second(now: SystemTime) -> SystemTime {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(now.as_secs() + 1)
}

fn seconds(time: SystemTime) -> Value {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    match since.subsec_nanos() {
        0 => since.as_secs().into(),
        _ => since.as_secs_f64().into(),
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
}

fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text).map_err(|error| format!("{error} (such as 2026-11-22T12:00:00Z)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: RevokeArgs,
    }

    fn check(arguments: &[&str], expected: Option<(&str, Option<&str>)>) {
        let command = Command::try_parse_from(["revoke"].iter().chain(arguments));
        let now = UNIX_EPOCH + Duration::from_millis(1_790_000_000_250);
        let record = command.ok().map(|command| (command.args.key(), command.args.value(now)));
        let expected = expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
        assert_eq!(record, expected, "{arguments:?}");
    }

    #[test]
    fn arguments_become_a_record() {
        let until_now = Some(r#"{"issued_before":1790000001}"#);
        let time = "2026-11-22T12:00:00Z";
        check(&["--user", "u1"], Some(("user:u1", until_now)));
        check(&["--everybody"], Some(("everybody", until_now)));
        check(
            &["--user", "u1", "--issued-before", time],
            Some(("user:u1", Some(r#"{"issued_before":1795348800}"#))),
        );
        check(&["--issued-before", time], Some(("everybody", Some(r#"{"issued_before":1795348800}"#))));
        check(&["--token", "t1"], Some(("token:t1", Some("{}"))));
        check(&["--token", "t1", "--until", time], Some(("token:t1", Some(r#"{"until":1795348800}"#))));
        check(&["--token", "t1", "--lift"], Some(("token:t1", None)));
        check(&["--everybody", "--lift"], Some(("everybody", None)));
        check(&[], None);
        check(&["--lift"], None);
        check(&["--user", "u1", "--token", "t1"], None);
        check(&["--token", "t1", "--issued-before", time], None);
        check(&["--user", "u1", "--issued-before", "soon"], None);
    }

    #[test]
    fn what_would_be_forgotten_at_once_is_not_written() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_348_800);
        let check = |until: &str, expected: bool| {
            let command = Command::parse_from(["revoke", "--user", "u1", "--until", until]);
            let checked = command.args.check_until(now);
            assert_eq!(checked.is_ok(), expected, "{until}");
            assert!(checked.err().is_none_or(|told| told.contains(until)), "{until}");
        };
        check("2026-11-22T12:00:01Z", true);
        check("2026-11-22T12:00:00Z", false);
        check("2020-01-01T00:00:00Z", false);
    }

    #[test]
    fn an_empty_name_is_told_as_such() {
        for option in ["--user", "--token"] {
            let told = Command::try_parse_from(["revoke", option, ""]).err().unwrap().to_string();
            assert!(told.contains("is empty"), "{told}");
        }
    }
}
