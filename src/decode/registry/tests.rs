//! The client against a stand-in on the loopback address that answers as told, mostly badly.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use parking_lot::Mutex;
use reqwest::Url;
use secrecy::SecretString;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::*;
use crate::decode::SchemaId;

const RECORD: &str = r#"{"type": "record", "name": "Pizza", "fields": [{"name": "uuid", "type": "string"}]}"#;
const SEVEN: SchemaReference = SchemaReference::Id(SchemaId(7));

/// What the stand-in says: status, headers and body.
#[derive(Clone)]
struct Reply(u16, Option<(&'static str, &'static str)>, String);

fn found(answer: &serde_json::Value) -> Reply {
    Reply(200, None, answer.to_string())
}

fn schema() -> Reply {
    found(&json!({"schema": RECORD, "schemaType": "AVRO", "maxId": 9, "guid": "extra keys are ignored"}))
}

fn missing() -> Reply {
    Reply(404, None, json!({"error_code": 40403, "message": "Schema 7 not found"}).to_string())
}

fn status(status: u16) -> Reply {
    Reply(status, None, String::new())
}

/// A registry of scripted replies: by path with query, one after the other, the last one for ever.
#[derive(Clone, Default)]
struct StandIn {
    script: Arc<Mutex<HashMap<String, Vec<Reply>>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    delay: Duration,
}

#[derive(Clone, Debug)]
struct Seen {
    path: String,
    authorization: Option<String>,
    accept: String,
}

impl StandIn {
    fn new(replies: Vec<Reply>) -> StandIn {
        StandIn::default().at("/schemas/ids/7", replies)
    }

    fn at(self, path: &str, replies: Vec<Reply>) -> StandIn {
        self.script.lock().insert(path.to_owned(), replies);
        self
    }

    async fn start(&self) -> Url {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Url::parse(&format!("http://{address}")).unwrap()
    }

    fn requests(&self) -> usize {
        self.seen.lock().len()
    }
}

async fn answer(State(stand_in): State<StandIn>, request: Request) -> Response<Body> {
    let path = request.uri().to_string();
    stand_in.seen.lock().push(seen(&request));
    tokio::time::sleep(stand_in.delay).await;
    let reply = stand_in.script.lock().get_mut(&path).map_or(status(404), next_reply);
    let mut response = Response::builder().status(reply.0);
    if let Some((name, value)) = reply.1 {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.2)).unwrap()
}

fn seen(request: &Request) -> Seen {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    Seen {
        path: request.uri().to_string(),
        authorization: header("authorization"),
        accept: header("accept").unwrap_or_default(),
    }
}

fn next_reply(replies: &mut Vec<Reply>) -> Reply {
    if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() }
}

const FAST: Pace = Pace {
    backoff_first: Duration::from_millis(2),
    backoff_max: Duration::from_millis(10),
    lag_max: Duration::from_millis(400),
    refusal_remembered: Duration::from_secs(60),
};

fn settings(urls: Vec<Url>) -> Settings {
    Settings { urls, credentials: Credentials::None, timeout: Duration::from_secs(1), cache_max: 16 }
}

type Outcomes = Arc<Mutex<Vec<Outcome>>>;

fn registry(settings: Settings) -> (Registry, Outcomes) {
    let outcomes = Outcomes::default();
    let observed = Arc::clone(&outcomes);
    let observer: Observer = Box::new(move |outcome| observed.lock().push(outcome));
    (Registry::with_pace(settings, Handle::current(), observer, FAST).unwrap(), outcomes)
}

/// Looks until there is an answer.
async fn answer_of(registry: &mut Registry, schema: SchemaReference) -> Lookup {
    let answered = async {
        loop {
            match registry.lookup(&schema) {
                Lookup::Waiting => registry.answered().await,
                answer => return answer,
            }
        }
    };
    timeout(Duration::from_secs(10), answered).await.expect("an answer in time")
}

/// What comes out for the replies of one registry, as a word, and how the requests ended.
async fn check(replies: Vec<Reply>, expected: &str, outcomes: &[Outcome]) {
    let url = StandIn::new(replies).start().await;
    let (mut registry, observed) = registry(settings(vec![url]));
    let lookup = answer_of(&mut registry, SEVEN).await;
    let word = match &lookup {
        Lookup::Known(schema) => schema.record_name().to_owned(),
        Lookup::Unknown => "unknown".to_owned(),
        Lookup::Bad(poison) => poison.label().to_owned(),
        Lookup::Waiting => "waiting".to_owned(),
    };
    assert_eq!(word, expected);
    assert_eq!(&observed.lock()[..outcomes.len()], outcomes);
    assert_eq!(registry.failing_since(), None);
}

/// Replies that are no answer: the id waits, the registry counts as failing.
async fn check_waits(reply: Reply, outcome: Outcome) {
    let stand_in = StandIn::new(vec![reply]);
    let (registry, observed) = registry(settings(vec![stand_in.start().await]));
    assert!(matches!(registry.lookup(&SEVEN), Lookup::Waiting));
    let retried = async {
        while stand_in.requests() < 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), retried).await.unwrap();
    assert!(matches!(registry.lookup(&SEVEN), Lookup::Waiting));
    assert!(registry.failing_since().is_some());
    assert!(observed.lock().iter().all(|&observed| observed == outcome), "{observed:?}");
}

#[tokio::test]
async fn a_schema_is_found() {
    check(vec![schema()], "Pizza", &[Outcome::Found]).await;
    check(vec![found(&json!({"schema": RECORD}))], "Pizza", &[Outcome::Found]).await;
}

#[tokio::test]
async fn a_schema_that_comes_late_is_found() {
    check(
        vec![missing(), missing(), schema()],
        "Pizza",
        &[Outcome::Missing, Outcome::Missing, Outcome::Found],
    )
    .await;
}

#[tokio::test]
async fn a_schema_that_stays_missing_is_unknown() {
    check(vec![missing()], "unknown", &[Outcome::Missing, Outcome::Missing]).await;
    let other_registry = json!({"error_code": 404, "message": "No content with id 7 was found."});
    check(vec![Reply(404, None, other_registry.to_string())], "unknown", &[Outcome::Missing]).await;
}

#[tokio::test]
async fn an_outage_is_waited_for() {
    let garbage = Reply(200, None, "<html>log in</html>".to_owned());
    let wrong_path =
        Reply(404, None, json!({"error_code": 404, "message": "HTTP 404 Not Found"}).to_string());
    check(
        vec![status(500), status(503), schema()],
        "Pizza",
        &[Outcome::Failed, Outcome::Failed, Outcome::Found],
    )
    .await;
    check_waits(status(500), Outcome::Failed).await;
    check_waits(status(401), Outcome::Refused).await;
    check_waits(status(403), Outcome::Refused).await;
    check_waits(status(404), Outcome::Failed).await;
    check_waits(wrong_path, Outcome::Failed).await;
    check_waits(garbage, Outcome::Failed).await;
    check_waits(found(&json!({"schema": 7})), Outcome::Failed).await;
    check_waits(Reply(302, Some(("location", "/schemas/ids/8")), String::new()), Outcome::Failed).await;
    check_waits(status(429), Outcome::Throttled).await;
}

#[tokio::test]
async fn a_registry_that_asks_for_time_gets_it() {
    let throttled = Reply(429, Some(("retry-after", "1")), String::new());
    let start = Instant::now();
    check(vec![throttled, schema()], "Pizza", &[Outcome::Throttled, Outcome::Found]).await;
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_schema_that_cannot_be_used_is_bad() {
    check(vec![found(&json!({"schema": "{\"type\": \"nonsense\"}"}))], "bad_schema", &[Outcome::Found]).await;
    check(vec![found(&json!({"schema": "\"string\""}))], "bad_schema", &[Outcome::Found]).await;
    check(vec![found(&json!({"schema": "{}", "schemaType": "JSON"}))], "bad_schema", &[Outcome::Found]).await;
    let huge = "x".repeat(limits::REGISTRY_ANSWER_MAX_BYTES + 1);
    check(vec![Reply(200, None, huge)], "bad_schema", &[Outcome::TooLarge]).await;
}

#[tokio::test]
async fn references_are_fetched_in_the_order_of_their_dependencies() {
    let order = json!({"schema": r#"{"type": "record", "name": "Order", "fields": [{"name": "product", "type": "Product"}]}"#,
        "references": [{"name": "Product", "subject": "product/value", "version": 2}]});
    let product = json!({"schema": r#"{"type": "record", "name": "Product", "fields": [{"name": "kind", "type": "Kind"}]}"#,
        "references": [{"name": "Kind", "subject": "kind", "version": 1}]});
    let kind = json!({"schema": r#"{"type": "enum", "name": "Kind", "symbols": ["A"]}"#});
    let stand_in = StandIn::new(vec![found(&order)])
        .at("/subjects/product%2Fvalue/versions/2?deleted=true", vec![found(&product)])
        .at("/subjects/kind/versions/1?deleted=true", vec![found(&kind)]);
    let (mut registry, _) = registry(settings(vec![stand_in.start().await]));
    let lookup = answer_of(&mut registry, SEVEN).await;
    assert!(matches!(&lookup, Lookup::Known(schema) if schema.record_name() == "Order"), "{lookup:?}");
}

#[tokio::test]
async fn references_that_lead_on_and_on_make_a_schema_bad() {
    let reference = |version: u32| {
        let references = json!([{"name": "x", "subject": "x", "version": version}]);
        found(
            &json!({"schema": r#"{"type": "enum", "name": "x", "symbols": ["A"]}"#, "references": references}),
        )
    };
    let mut stand_in = StandIn::new(vec![reference(0)]);
    for version in 0..64 {
        stand_in = stand_in
            .at(&format!("/subjects/x/versions/{version}?deleted=true"), vec![reference(version + 1)]);
    }
    let (mut registry, _) = registry(settings(vec![stand_in.start().await]));
    assert!(matches!(answer_of(&mut registry, SEVEN).await, Lookup::Bad(Poison::BadSchema)));
    assert!(stand_in.requests() <= limits::REGISTRY_REFERENCE_DEPTH_MAX + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_request_serves_many_lookups() {
    let stand_in = StandIn { delay: Duration::from_millis(50), ..StandIn::new(vec![schema()]) };
    let (registry, _) = registry(settings(vec![stand_in.start().await]));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let mut registry = registry.clone();
            tokio::spawn(async move { matches!(answer_of(&mut registry, SEVEN).await, Lookup::Known(_)) })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(stand_in.requests(), 1);
    registry.lookup(&SEVEN);
    assert_eq!(stand_in.requests(), 1);
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_fails() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closed = Url::parse(&format!("http://{closed}")).unwrap();
    let slow = StandIn { delay: Duration::from_secs(60), ..StandIn::new(vec![schema()]) };
    let good = StandIn::new(vec![schema()]).at("/schemas/ids/8", vec![schema()]);
    let urls = vec![closed, slow.start().await, good.start().await];
    let (mut registry, outcomes) = registry(settings(urls));
    assert!(matches!(answer_of(&mut registry, SEVEN).await, Lookup::Known(_)));
    assert!(matches!(answer_of(&mut registry, SchemaId(8).into()).await, Lookup::Known(_)));
    let expected = [Outcome::Failed, Outcome::Failed, Outcome::Found, Outcome::Found];
    assert_eq!(*outcomes.lock(), expected);
    assert_eq!((slow.requests(), good.requests()), (1, 2));
}

#[tokio::test]
async fn credentials_go_into_the_header_and_a_path_stays_in_the_address() {
    let basic = Credentials::Basic { username: "ann".to_owned(), password: SecretString::from("hunter2") };
    let bearer = Credentials::Bearer(SecretString::from("t0ken"));
    for (credentials, expected) in [(basic, "Basic YW5uOmh1bnRlcjI="), (bearer, "Bearer t0ken")] {
        let stand_in = StandIn::default().at("/apis/ccompat/v7/schemas/ids/7", vec![schema()]);
        let url = stand_in.start().await.join("/apis/ccompat/v7/").unwrap();
        let (mut registry, _) = registry(Settings { credentials, ..settings(vec![url]) });
        assert!(matches!(answer_of(&mut registry, SEVEN).await, Lookup::Known(_)));
        let seen = stand_in.seen.lock()[0].clone();
        assert_eq!(seen.authorization.as_deref(), Some(expected), "{}", seen.path);
        assert!(seen.accept.starts_with("application/vnd.schemaregistry.v1+json"));
    }
}

#[tokio::test]
async fn fetches_end_with_the_last_handle() {
    let stand_in = StandIn::new(vec![status(500)]);
    let (registry, _) = registry(settings(vec![stand_in.start().await]));
    let shared = Arc::downgrade(&registry.shared);
    registry.lookup(&SEVEN);
    drop(registry);
    let ended = async {
        while shared.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), ended).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_asked_is_told_at_the_start() {
    let fault = |settings| Registry::new(settings, Handle::current(), Box::new(|_| ())).err();
    assert!(matches!(fault(settings(Vec::new())), Some(RegistryFault::NoAddress)));
    let url = Url::parse("http://127.0.0.1:1").unwrap();
    let credentials = Credentials::Bearer(SecretString::from("two\nlines"));
    assert!(matches!(fault(Settings { credentials, ..settings(vec![url]) }), Some(RegistryFault::Token)));
}

#[test]
fn backoff_grows_up_to_its_bound() {
    let pace = Pace::DEFAULT;
    for (attempt, whole) in [(0, 100), (1, 200), (3, 800), (4, 1500), (u32::MAX, 1500)] {
        let whole = Duration::from_millis(whole);
        let backoff = pace.backoff(attempt);
        assert!(backoff >= whole / 2 && backoff <= whole, "{attempt}: {backoff:?}");
    }
}

/// What a registry answers to a reference, as a word.
async fn word_of(stand_in: &StandIn, path: &str, reference: SchemaReference) -> String {
    let url = stand_in.start().await.join(path).unwrap();
    let (mut registry, _) = registry(settings(vec![url]));
    match answer_of(&mut registry, reference).await {
        Lookup::Known(schema) => schema.full_name().to_owned(),
        Lookup::Bad(poison) => poison.label().to_owned(),
        Lookup::Unknown | Lookup::Waiting => "unknown".to_owned(),
    }
}

fn types() -> Vec<Reply> {
    vec![found(&json!(["AVRO", "JSON"]))]
}

#[tokio::test]
async fn a_guid_is_asked_for_by_its_own_path() {
    let guid = uuid::uuid!("8f0e0001-0203-0405-0607-08090a0b0c0d");
    let stand_in =
        StandIn::default().at("/schemas/guids/8f0e0001-0203-0405-0607-08090a0b0c0d", vec![schema()]);
    assert_eq!(word_of(&stand_in, "/", SchemaReference::Guid(guid)).await, "Pizza");
}

#[tokio::test]
async fn what_a_registry_never_answers_is_unknown_and_does_not_wait_for_ever() {
    let guid = SchemaReference::Guid(uuid::Uuid::nil());
    let without_guids = StandIn::default().at("/schemas/types", types());
    assert_eq!(word_of(&without_guids, "/", guid).await, "unknown");
    // And an address that is not Apicurio's has no global ids.
    assert_eq!(word_of(&StandIn::default(), "/", SchemaReference::GlobalId(7)).await, "unknown");
}

#[tokio::test]
async fn a_global_id_is_asked_for_at_apicurio_s_own_api() {
    let path = |id: u32| format!("/apis/registry/v3/ids/globalIds/{id}?references=DEREFERENCE");
    let not_found = json!({"status": 404, "name": "VersionNotFoundException"});
    let stand_in = StandIn::default()
        .at("/apis/ccompat/v7/schemas/types", types())
        .at(&path(7), vec![Reply(200, None, RECORD.to_owned())])
        .at(&path(8), vec![Reply(404, None, not_found.to_string())]);
    for (id, expected) in [(7, "Pizza"), (8, "unknown")] {
        let reference = SchemaReference::GlobalId(id);
        assert_eq!(word_of(&stand_in, "/apis/ccompat/v7/", reference).await, expected);
    }
}

fn named(name: &str) -> Reply {
    found(&json!({"schema": RECORD.replace("Pizza", name)}))
}

fn fingerprint(name: &str) -> SchemaReference {
    let fingerprint = WriterSchema::parse(&RECORD.replace("Pizza", name), &[]).unwrap().fingerprint();
    SchemaReference::Fingerprint { fingerprint, topic: "pizza.created".into() }
}

const HISTORY: &str = "/subjects/pizza.created-value/versions";

fn history(versions: &[(u32, Reply)]) -> StandIn {
    let numbers: Vec<u32> = versions.iter().map(|(number, _)| *number).collect();
    let stand_in = StandIn::default().at(&format!("{HISTORY}?deleted=true"), vec![found(&json!(numbers))]);
    versions.iter().fold(stand_in, |stand_in, (number, reply)| {
        stand_in.at(&format!("{HISTORY}/{number}?deleted=true"), vec![reply.clone()])
    })
}

#[tokio::test]
async fn a_fingerprint_is_looked_for_in_the_history_of_its_topic() {
    let unusable = found(&json!({"schema": "{}", "schemaType": "JSON"}));
    let stand_in = history(&[(1, named("One")), (2, unusable), (5, named("Five"))]);
    assert_eq!(word_of(&stand_in, "/", fingerprint("One")).await, "One");
    assert_eq!(word_of(&stand_in, "/", fingerprint("Five")).await, "Five");
    assert_eq!(word_of(&stand_in, "/", fingerprint("Six")).await, "unknown");
    let no_subject = json!({"error_code": 40401, "message": "Subject not found"});
    let empty = StandIn::default()
        .at(&format!("{HISTORY}?deleted=true"), vec![Reply(404, None, no_subject.to_string())]);
    assert_eq!(word_of(&empty, "/", fingerprint("One")).await, "unknown");
}

#[tokio::test]
async fn the_history_is_read_once_for_many_fingerprints() {
    let stand_in = history(&[(1, named("One")), (2, named("Two"))]);
    let (mut registry, _) = registry(settings(vec![stand_in.start().await]));
    for name in ["One", "Two", "Three", "Four"] {
        let found = matches!(answer_of(&mut registry, fingerprint(name)).await, Lookup::Known(_));
        assert_eq!(found, matches!(name, "One" | "Two"), "{name}");
    }
    let asked = stand_in.seen.lock();
    let of = |path: &str| asked.iter().filter(|seen| seen.path.starts_with(path)).count();
    // The second version is read for "One", and once more because it is wanted for "Two".
    assert_eq!((of(&format!("{HISTORY}/1")), of(&format!("{HISTORY}/2"))), (1, 2));
}

#[tokio::test]
async fn an_outage_in_the_middle_of_a_history_is_waited_for() {
    let stand_in = history(&[(1, named("One")), (2, named("Two"))])
        .at(&format!("{HISTORY}/2?deleted=true"), vec![status(503), status(503), named("Two")]);
    assert_eq!(word_of(&stand_in, "/", fingerprint("One")).await, "One");
}
