//! `dumbwaiter check --online`: do the brokers answer, are the topics there, does every version of the writers' schemas
//! give the payloads of the events, can the control topic be read, and do login and Redis answer, where there are any?
//!
//! Nothing is written and no group is joined.

use super::report::Report;
use super::versions::{History, Verdict};
use crate::auth::{
    Change, Jwks, JwksSettings, RedisSettings, Refusal, Rules, SessionSettings, SessionValue, Sessions,
    TicketSettings, probe_redis,
};
use crate::cli::output::progress;
use crate::config::Config;
use crate::consume::{ControlSource, ControlTopic, Probe, ProbeFault};
use crate::decode::{RegistryAnswerFault, RegistryQuestions, RegistrySettings, SchemaVersion};
use crate::event::{Catalog, Event};
use crate::limits::{CHECK_PATIENCE, CHECK_VERSIONS_MAX, PAST_READ_WAIT};
use crate::metrics::Metrics;
use crate::settings::Url;
use std::collections::BTreeSet;
use std::time::Instant;
use tokio::runtime::Runtime;

pub(super) fn check(config: &Config, report: &mut Report) {
    let topics = check_brokers(config, report);
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report.fail("check", format!("cannot start: {error}"), "try again"),
    };
    runtime.block_on(check_registry(config, &topics, report));
    if let Some(jwks) = &config.auth.jwks {
        runtime.block_on(check_key_set(jwks, report));
    }
    if let Some(session) = &config.auth.session {
        runtime.block_on(check_login(session, &config.auth.rules, report));
    }
    if let TicketSettings::Redis(redis) = &config.auth.tickets {
        runtime.block_on(check_redis(redis, report));
    }
}

/// By the command that redeems tickets: only Redis from 6.2 on has it, and the user must be permitted to send it.
async fn check_redis(settings: &RedisSettings, report: &mut Report) {
    let url = settings.url();
    match probe_redis(settings.clone()).await {
        Ok(version) => {
            let version = version.map_or_else(String::new, |version| format!("version {version}, "));
            report.ok("redis", format!("{url} answers, {version}and takes GETDEL"));
        }
        Err(fault) => report.fail("redis", format!("{url} {fault}"), fault.way_out()),
    }
}

/// Fetches the issuer's keys as the service would.
async fn check_key_set(settings: &JwksSettings, report: &mut Report) {
    let way_out = "is auth.jwks_url right, and can it be reached from here?";
    let url = &settings.url;
    let Ok(jwks) = Jwks::new(settings.clone(), Box::new(|_| {})) else {
        return report.fail("key set", format!("{url}: no client can be set up"), way_out);
    };
    match jwks.ask().await {
        Ok(set) if set.passed_over.is_empty() => {
            report.ok("key set", format!("{url}: {} used", set.keys.len()));
        }
        Ok(set) => {
            let (used, passed_over) = (set.keys.len(), set.passed_over.join("; "));
            report.ok("key set", format!("{url}: {used} used; passed over: {passed_over}"));
        }
        Err(reason) => report.fail("key set", format!("{url}: {reason}"), way_out),
    }
}

/// Asks the login for a session that nobody has: it must answer, and it must not know it.
async fn check_login(session: &SessionSettings, rules: &Rules, report: &mut Report) {
    let way_out = "is session.url right, and can it be reached from here?";
    let made_up = SessionValue::parse(&uuid::Uuid::new_v4().to_string());
    let sessions = Sessions::new(session.clone(), rules.clone(), Box::new(|_| {}));
    let (Some(made_up), Ok(sessions)) = (made_up, sessions) else {
        return report.fail("login", format!("{}: no client can be set up", session.url), way_out);
    };
    match sessions.look_up(&made_up).await {
        Err(Refusal::UnknownSession) => {
            report.ok("login", format!("{} answers, and does not know a made-up session", session.url));
        }
        Err(refusal) => report.fail("login", format!("{}: {refusal}", session.url), way_out),
        Ok(_) => report.fail(
            "login",
            format!("{} knows a session that was made up: it would let in anybody", session.url),
            "the address must answer 401 or 404 for a cookie that is no session",
        ),
    }
}

/// The subscribed topics that exist.
fn check_brokers(config: &Config, report: &mut Report) -> Vec<String> {
    // Why there is no client stands in the report already.
    let Ok(probe) = Probe::new(&config.kafka) else { return Vec::new() };
    let cluster = match probe.cluster(CHECK_PATIENCE) {
        Ok(cluster) => cluster,
        Err(fault) => {
            report.fail("brokers", fault.to_string(), brokers_way_out(&fault));
            return Vec::new();
        }
    };
    report.ok("brokers", format!("{} at {}", cluster.brokers, config.kafka.brokers.join(",")));
    let names: BTreeSet<String> = cluster.topics.iter().map(|(topic, _)| topic.clone()).collect();
    let found = cluster.topics.into_iter().filter(|(topic, _)| config.kafka.subscribes_to(topic));
    let found: Vec<(String, usize)> = found.collect();
    for (topic, partitions) in &found {
        check_topic(&config.catalog, topic, *partitions, report);
    }
    for topic in missing_topics(config, &found) {
        report.warn(
            format!("topic {topic}"),
            "does not exist; it is read as soon as it does",
            "create it, or take it out of kafka.topics",
        );
    }
    check_control_topic(config, &names, report);
    found.into_iter().map(|(topic, _)| topic).collect()
}

/// Reads it whole, as every instance does before it is ready. Whom its records revoke is not told.
fn check_control_topic(config: &Config, topics: &BTreeSet<String>, report: &mut Report) {
    let Some(topic) = config.auth.revocation.topic.clone() else { return };
    let subject = format!("control topic {topic}");
    if !topics.contains(&topic) {
        let way_out = "create it, with cleanup.policy=compact; or set revocation.topic to \"\"";
        return report.warn(subject, "does not exist: no login can be revoked until it does", way_out);
    }
    let mut source = match ControlTopic::new(&config.kafka, topic, Metrics::new()) {
        Ok(topic) => ControlSource::topic(topic),
        Err(fault) => return report.fail(subject, fault.to_string(), "are the properties right?"),
    };
    let bar = progress("{spinner} control topic: {pos} records");
    let (mut heard, mut good, mut bad) = (Instant::now(), 0_usize, Vec::new());
    while !source.is_read() {
        source.poll(PAST_READ_WAIT, &mut |record| {
            heard = Instant::now();
            bar.inc(1);
            match Change::parse(record.key, record.value, record.timestamp_ms) {
                Ok(_) => good += 1,
                Err(fault) => {
                    bad.push(format!("partition {} offset {}: {fault}", record.partition, record.offset));
                }
            }
        });
        if heard.elapsed() > CHECK_PATIENCE {
            return report.fail(
                subject,
                "cannot be read to its end; an instance would not get ready",
                "is our user allowed to read it (docs/kafka.md)?",
            );
        }
    }
    match bad.first() {
        None => {
            let noun = if good == 1 { "record" } else { "records" };
            report.ok(subject, format!("{good} {noun}: each revokes, or takes that back"));
        }
        Some(first) => {
            let detail = format!("{} of {} records say nothing: {first}", bad.len(), good + bad.len());
            report.warn(
                subject,
                detail,
                "write them anew with dumbwaiter revoke, or as docs/authentication.md has it",
            );
        }
    }
}

fn brokers_way_out(fault: &ProbeFault) -> &'static str {
    match fault {
        ProbeFault::NoAnswer { way_out: Some(way_out), .. } => way_out,
        _ => "are kafka.brokers right, and can they be reached from here?",
    }
}

fn check_topic(catalog: &Catalog, topic: &str, partitions: usize, report: &mut Report) {
    let counted = if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") };
    let events: Vec<&str> = catalog.events_of(topic).map(|event| &*event.name).collect();
    let meaning = if events.is_empty() { "no event, passed over".to_owned() } else { events.join(", ") };
    report.ok(format!("topic {topic}"), format!("{counted}: {meaning}"));
}

/// Topics that are named, by the subscription or by an event that is subscribed to, and do not exist.
fn missing_topics<'c>(config: &'c Config, found: &[(String, usize)]) -> BTreeSet<&'c str> {
    let named = config.kafka.topics.iter().map(String::as_str).filter(|topic| !topic.starts_with('^'));
    let of_events = config.catalog.events().iter().filter_map(Event::topic_name);
    let wanted = named.chain(of_events.filter(|topic| config.kafka.subscribes_to(topic)));
    wanted.filter(|wanted| !found.iter().any(|(topic, _)| topic == wanted)).collect()
}

/// Asks each address by itself, since in turn a good one would hide a dead one. Gives those that answer, and all
/// subjects, or none if there is none to ask further.
async fn check_addresses(
    settings: &RegistrySettings,
    report: &mut Report,
) -> Option<(RegistrySettings, Vec<String>)> {
    let mut answers = Vec::new();
    for url in &settings.urls {
        let alone = RegistrySettings { urls: vec![url.clone()], ..settings.clone() };
        // Why there is no client stands in the report already.
        answers.push((url, RegistryQuestions::new(alone).ok()?.subjects().await));
    }
    let one_answers = answers.iter().any(|(_, answer)| answer.is_ok());
    for (url, answer) in &answers {
        match answer {
            Ok(subjects) => report.ok("registry", format!("{url}: {} subjects", subjects.len())),
            // The service goes on to the next address too.
            Err(fault @ RegistryAnswerFault::NoAnswer { .. }) if one_answers => {
                report.warn("registry", fault.to_string(), way_out(fault));
            }
            Err(fault @ RegistryAnswerFault::NoAnswer { .. }) => {
                report.fail("registry", fault.to_string(), way_out(fault));
            }
            Err(fault) => report.fail("registry", format!("{url}: {fault}"), way_out(fault)),
        }
    }
    let answering = answers.into_iter().filter_map(|(url, answer)| Some((url.clone(), answer.ok()?)));
    let (urls, subjects): (Vec<Url>, Vec<Vec<String>>) = answering.unzip();
    let subjects = subjects.into_iter().next()?;
    Some((RegistrySettings { urls, ..settings.clone() }, subjects))
}

async fn check_registry(config: &Config, topics: &[String], report: &mut Report) {
    let Some((answering, subjects)) = check_addresses(&config.registry, report).await else { return };
    let Ok(questions) = RegistryQuestions::new(answering) else { return };
    let needs_schema =
        |topic: &String| config.catalog.names_topic(topic) && config.catalog.raw_event_of(topic).is_none();
    // Schemas may be there before their topic is, and whoever writes them wants to know as well.
    let named = config.catalog.events().iter().filter_map(Event::topic_name);
    let named = named.filter(|topic| config.kafka.subscribes_to(topic)).map(str::to_owned);
    let all: BTreeSet<String> = topics.iter().cloned().chain(named).collect();
    for topic in all.iter().filter(|topic| needs_schema(topic)) {
        let of_topic: Vec<&String> =
            subjects.iter().filter(|subject| is_of_topic(&config.catalog, topic, subject)).collect();
        if of_topic.is_empty() && topics.contains(topic) {
            report.warn(
                format!("subject {topic}-value"),
                "is not in the registry; records are read if their schema is there under another subject",
                "nothing to do if no record was written yet",
            );
        }
        for subject in of_topic {
            check_subject(&config.catalog, topic, subject, &questions, report).await;
        }
    }
}

fn way_out(fault: &RegistryAnswerFault) -> &'static str {
    match fault {
        RegistryAnswerFault::Refused { .. } => {
            "set registry.username and registry.password, or registry.token"
        }
        _ => "is registry.urls right, path included, and can it be reached from here?",
    }
}

/// By the registry's naming strategies: topic, topic and record, or record.
fn is_of_topic(catalog: &Catalog, topic: &str, subject: &str) -> bool {
    if subject.strip_prefix(topic) == Some("-value") {
        return true;
    }
    let record = subject.strip_prefix(topic).and_then(|rest| rest.strip_prefix('-')).unwrap_or(subject);
    let record = record.rsplit('.').next().unwrap_or(record);
    catalog.events_of(topic).any(|event| event.record_name() == Some(record))
}

/// Every version that it has, newest last; of very many the newest.
async fn check_subject(
    catalog: &Catalog,
    topic: &str,
    subject: &str,
    questions: &RegistryQuestions,
    report: &mut Report,
) {
    let line = format!("subject {subject}");
    let versions = match questions.versions(subject).await {
        Ok(versions) => versions,
        Err(fault) => return report.fail(line, fault.to_string(), way_out(&fault)),
    };
    let unread = versions.len().saturating_sub(CHECK_VERSIONS_MAX);
    let bar = progress("{spinner} {msg}: version {pos} of {len}").with_message(line.clone());
    bar.set_length(versions.len().try_into().unwrap_or(0));
    let mut verdicts = Vec::new();
    for version in versions.into_iter().skip(unread) {
        bar.inc(1);
        match questions.version(subject, version).await {
            Ok(found) => verdicts.push((version, found.id.0, judge(catalog, topic, &found))),
            // Deleted between the two questions.
            Err(RegistryAnswerFault::Missing) => {}
            Err(fault @ RegistryAnswerFault::Unusable(_)) => {
                verdicts.push((version, 0, Verdict::unusable(fault.to_string())));
            }
            Err(fault) => return report.fail(line, fault.to_string(), way_out(&fault)),
        }
    }
    History::new(verdicts).tell(line, unread, report);
}

fn judge(catalog: &Catalog, topic: &str, version: &SchemaVersion) -> Verdict {
    match version.parse() {
        Ok(writer) => Verdict::of(catalog, topic, &writer),
        Err(fault) => Verdict::unusable(fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Paint;
    use crate::settings::read_text;
    use axum::Json;
    use axum::routing::get;

    /// An address that gives the subjects, or one where nobody is.
    async fn registry(answers: bool) -> String {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        if answers {
            let router = axum::Router::new().route("/subjects", get(async || Json(["a-value"])));
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        format!("http://{address}/")
    }

    #[tokio::test]
    async fn each_address_of_the_registry_is_asked() {
        let check = async |all: &[bool], expected: &[&str], further: Option<usize>| {
            let mut urls = Vec::new();
            for answers in all {
                urls.push(registry(*answers).await);
            }
            let settings =
                read_text(&format!("[registry]\nurls = {urls:?}"), RegistrySettings::read).unwrap();
            let mut report = Report::default();
            let answering = check_addresses(&settings, &mut report).await;
            let told = report.text(Paint::PLAIN);
            let mut lines = told.lines().filter(|line| line.contains("registry  "));
            for (status, url) in expected.iter().zip(&urls) {
                let line = lines.next().unwrap_or_default();
                assert!(line.starts_with(status) && line.contains(url.as_str()), "{all:?}: {told}");
            }
            assert_eq!(answering.map(|(settings, _)| settings.urls.len()), further, "{all:?}");
        };
        check(&[true], &["ok"], Some(1)).await;
        check(&[true, false], &["ok", "warn"], Some(1)).await;
        check(&[false, true, true], &["warn", "ok", "ok"], Some(2)).await;
        check(&[false, false], &["fail", "fail"], None).await;
    }

    #[test]
    fn a_topics_subjects_are_found_by_each_naming_strategy() {
        let catalog = Catalog::built_in();
        let check = |subject: &str, expected: bool| {
            assert_eq!(is_of_topic(&catalog, "order.created", subject), expected, "{subject}");
        };
        check("order.created-value", true);
        check("order.created-key", false);
        check("order.created-shop.PopulatedOrder", false);
        check("order.created.archive-value", false);
    }
}
