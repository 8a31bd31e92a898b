//! Fetching from a stand-in for the issuer on the loopback address, which answers as told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::auth::Verifier;

/// Far beyond what any of this takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct Issuer {
    answer: Arc<Mutex<(u16, String)>>,
    requests: Arc<AtomicUsize>,
    delay: Duration,
}

impl Issuer {
    fn says(&self, status: u16, body: impl ToString) {
        *self.answer.lock() = (status, body.to_string());
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// The issuer, and who asks it, with what was observed.
    async fn start(delay: Duration) -> (Issuer, Arc<Jwks>, Arc<Mutex<Vec<Fetched>>>) {
        let issuer = Issuer { answer: Arc::default(), requests: Arc::default(), delay };
        issuer.says(200, set(&["a"]));
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(answer).with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let observed = Arc::new(Mutex::new(Vec::new()));
        let observer = Arc::clone(&observed);
        let settings = Settings { url, refresh: Duration::from_secs(3_600) };
        let jwks = Jwks::new(settings, Box::new(move |fetched| observer.lock().push(fetched))).unwrap();
        (issuer, Arc::new(jwks), observed)
    }
}

async fn answer(State(issuer): State<Issuer>) -> Response {
    issuer.requests.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(issuer.delay).await;
    let (status, body) = issuer.answer.lock().clone();
    // A redirect leads to this very place, where it would be answered the same way.
    (StatusCode::from_u16(status).unwrap(), [(LOCATION, "/keys")], body).into_response()
}

fn set(kids: &[&str]) -> Value {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key = |kid: &&str| json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x});
    json!({"keys": kids.iter().map(key).collect::<Vec<_>>()})
}

fn has(jwks: &Jwks, kid: &str) -> bool {
    jwks.keys().is_some_and(|set| set.has(kid))
}

async fn eventually(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, met).await.expect("it becomes so");
}

#[tokio::test]
async fn the_last_good_set_counts_whatever_comes_after() {
    let (issuer, jwks, _) = Issuer::start(Duration::ZERO).await;
    assert_eq!(jwks.fetch().await, Fetched::Keys { used: 1, passed_over: 0 });
    let unusable = json!({"keys": [{"kty": "oct", "k": "AAAA"}]});
    let long = format!("{}{}", set(&["b"]), " ".repeat(limits::JWKS_ANSWER_MAX_BYTES));
    let table = [
        (500, set(&["b"]).to_string(), Fetched::NoAnswer),
        (404, String::new(), Fetched::NoAnswer),
        (302, set(&["b"]).to_string(), Fetched::NoAnswer),
        (200, "<html>".to_owned(), Fetched::Unusable),
        (200, "[".repeat(100_000), Fetched::Unusable),
        (200, json!({"keys": []}).to_string(), Fetched::Unusable),
        (200, unusable.to_string(), Fetched::Unusable),
        (200, long, Fetched::Unusable),
    ];
    for (number, (status, body, expected)) in table.into_iter().enumerate() {
        issuer.says(status, &body);
        assert_eq!(jwks.fetch().await, expected, "{status} {}", &body[..body.len().min(60)]);
        assert!(has(&jwks, "a"));
        assert_eq!(issuer.requests(), number + 2, "nothing is followed");
    }
    issuer.says(200, set(&["b", "c"]));
    assert_eq!(jwks.fetch().await, Fetched::Keys { used: 2, passed_over: 0 });
    assert!(has(&jwks, "b") && has(&jwks, "c") && !has(&jwks, "a"));
}

#[tokio::test]
async fn an_issuer_that_is_down_is_a_failure() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings =
        Settings { url: format!("http://{free}/keys").parse().unwrap(), refresh: limits::JWKS_REFRESH };
    let jwks = Jwks::new(settings, Box::new(|_| {})).unwrap();
    assert_eq!(jwks.fetch().await, Fetched::NoAnswer);
    assert!(jwks.keys().is_none());
    assert_eq!(jwks.pause(1), limits::JWKS_RETRY_FIRST);
    assert_eq!(jwks.pause(100), limits::JWKS_INTERVAL_MIN);
}

#[tokio::test]
async fn many_unknown_names_are_one_fetch_and_not_before_the_interval_is_over() {
    let (issuer, jwks, observed) = Issuer::start(Duration::ZERO).await;
    let running = Arc::clone(&jwks);
    tokio::spawn(async move { running.run().await });
    eventually(|| observed.lock().len() == 1).await;
    let ended = Instant::now();
    for number in 0..1_000 {
        assert!(jwks.may_bring(Some(&number.to_string()), ended));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(issuer.requests(), 1);
    // What has been asked waits for the interval alone, not for the hour of the refresh.
    let due =
        jwks.until_due(ended.checked_sub(limits::JWKS_INTERVAL_MIN).unwrap(), Duration::from_secs(3_600));
    jwks.may_bring(Some("new"), Instant::now());
    tokio::time::timeout(PATIENCE, due).await.expect("it is due at once");
}

#[tokio::test]
async fn who_can_wait_is_spared_to_come_back() {
    let (issuer, jwks, _) = Issuer::start(Duration::from_millis(100)).await;
    let running = Arc::clone(&jwks);
    tokio::spawn(async move { running.run().await });
    jwks.settle(Some("a")).await;
    assert!(has(&jwks, "a"), "the first fetch was waited for");
    let before = Instant::now();
    jwks.settle(Some("b")).await;
    assert!(before.elapsed() < limits::JWKS_PATIENCE, "the next fetch is 30 s away");
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn an_issuer_that_fails_at_first_is_asked_again_soon() {
    let (issuer, jwks, observed) = Issuer::start(Duration::ZERO).await;
    issuer.says(500, "");
    let running = Arc::clone(&jwks);
    tokio::spawn(async move { running.run().await });
    eventually(|| !observed.lock().is_empty()).await;
    issuer.says(200, set(&["a"]));
    eventually(|| has(&jwks, "a")).await;
}

#[tokio::test]
async fn a_name_that_the_issuer_has_not_makes_nobody_ask() {
    let (_, jwks, _) = Issuer::start(Duration::ZERO).await;
    let start = Instant::now();
    let second = |second| start + Duration::from_secs(second);
    jwks.misses.lock().fetch_ends(start, true);
    assert!(jwks.may_bring(Some("b"), second(1)));
    assert!(jwks.asked.notified().now_or_never().is_some());
    jwks.misses.lock().fetch_ends(second(2), true);
    assert!(!jwks.may_bring(Some("b"), second(3)) && !jwks.may_bring(None, second(3)));
    assert!(jwks.asked.notified().now_or_never().is_none());
}

#[tokio::test]
async fn a_verifier_waits_for_keys_that_may_be_published_and_for_no_secret() {
    let (_, jwks, _) = Issuer::start(Duration::from_millis(100)).await;
    let running = Arc::clone(&jwks);
    tokio::spawn(async move { running.run().await });
    let verifier = Verifier::new(&crate::auth::Settings::default()).with_jwks(Some(Arc::clone(&jwks)));
    let token = |algorithm: &str| {
        let header = json!({"alg": algorithm, "kid": "a"}).to_string();
        format!("{}.e30.c2ln", BASE64_URL_SAFE_NO_PAD.encode(header))
    };
    verifier.settle(&token("HS256")).await;
    assert!(!has(&jwks, "a"));
    verifier.settle(&token("EdDSA")).await;
    assert!(has(&jwks, "a"));
}

#[test]
fn every_outcome_has_its_label() {
    let outcomes = [Fetched::Keys { used: 1, passed_over: 0 }, Fetched::NoAnswer, Fetched::Unusable];
    assert_eq!(outcomes.map(Fetched::label), Fetched::LABELS);
}
