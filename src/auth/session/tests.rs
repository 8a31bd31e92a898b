//! Lookups against a stand-in for the login on the loopback address, which answers as told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{COOKIE, LOCATION};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::json;

use super::*;

/// The answers by the `Cookie` header, and what was seen meanwhile.
#[derive(Clone, Default)]
struct StandIn {
    script: Arc<Mutex<HashMap<String, (u16, String)>>>,
    seen: Arc<Mutex<Seen>>,
    delay: Duration,
}

#[derive(Default)]
struct Seen {
    cookies: Vec<String>,
    under_way: usize,
    most_under_way: usize,
}

impl StandIn {
    fn says(&self, session: &str, status: u16, body: impl ToString) {
        self.script.lock().insert(format!("sessionId={session}"), (status, body.to_string()));
    }

    async fn start(&self, change: impl FnOnce(&mut Settings)) -> (Arc<Sessions>, Arc<Mutex<Vec<Outcome>>>) {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}/session", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        sessions(&url, change)
    }

    fn requests(&self) -> usize {
        self.seen.lock().cookies.len()
    }
}

async fn answer(State(stand_in): State<StandIn>, request: Request) -> Response {
    let cookie = request.headers().get(COOKIE).map_or("", |cookie| cookie.to_str().unwrap()).to_owned();
    {
        let mut seen = stand_in.seen.lock();
        seen.cookies.push(cookie.clone());
        seen.under_way += 1;
        seen.most_under_way = seen.most_under_way.max(seen.under_way);
    }
    tokio::time::sleep(stand_in.delay).await;
    stand_in.seen.lock().under_way -= 1;
    let (status, body) = stand_in.script.lock().get(&cookie).cloned().unwrap_or((404, String::new()));
    // A redirect leads to this very place, where it would be answered the same way.
    (StatusCode::from_u16(status).unwrap(), [(LOCATION, "/session")], body).into_response()
}

fn sessions(url: &str, change: impl FnOnce(&mut Settings)) -> (Arc<Sessions>, Arc<Mutex<Vec<Outcome>>>) {
    let mut settings = Settings {
        url: url.parse().unwrap(),
        cookie: "sessionId".to_owned(),
        timeout: Duration::from_secs(10),
        cache_ttl: Duration::from_secs(60),
        lifetime: None,
    };
    change(&mut settings);
    let rules = Rules { required_claims: vec!["sub".to_owned()], ..Rules::default() };
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let observed = Arc::clone(&outcomes);
    let observer = Box::new(move |outcome| observed.lock().push(outcome));
    (Arc::new(Sessions::new(settings, rules, observer).unwrap()), outcomes)
}

fn in_an_hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3_600
}

fn ann() -> serde_json::Value {
    json!({"sub": "ann", "role": "ADMIN", "exp": in_an_hour()})
}

/// The subject of a session's claims, or why there are none.
async fn subject(sessions: &Sessions, session: &str) -> Result<String, Refusal> {
    let session = SessionValue::parse(session).unwrap();
    sessions.look_up(&session).await.map(|claims| claims.subject().unwrap_or_default().to_owned())
}

fn unknown() -> Result<String, Refusal> {
    Err(Refusal::UnknownSession)
}

fn failed() -> Result<String, Refusal> {
    Err(Refusal::LookupFailed)
}

#[tokio::test]
async fn each_answer_is_told_by_what_it_means() {
    let stand_in = StandIn::default();
    let (sessions, outcomes) = stand_in.start(|_| {}).await;
    let long = json!({"sub": "x".repeat(limits::SESSION_ANSWER_MAX_BYTES), "exp": in_an_hour()});
    let table = [
        (200, ann().to_string(), Ok("ann".to_owned()), Outcome::Known),
        (401, String::new(), unknown(), Outcome::Unknown),
        (404, ann().to_string(), unknown(), Outcome::Unknown),
        (200, json!({"sub": "a", "exp": 1}).to_string(), Err(Refusal::Expired), Outcome::Refused),
        (200, json!({"exp": in_an_hour()}).to_string(), Err(Refusal::missing("sub")), Outcome::Refused),
        (200, json!({"sub": "a"}).to_string(), failed(), Outcome::Failed),
        (200, json!({"sub": "a", "exp": "x"}).to_string(), failed(), Outcome::Failed),
        (200, json!(["sub"]).to_string(), failed(), Outcome::Failed),
        (200, "<html>".to_owned(), failed(), Outcome::Failed),
        (200, String::new(), failed(), Outcome::Failed),
        (200, long.to_string(), failed(), Outcome::Failed),
        (204, String::new(), failed(), Outcome::Failed),
        (302, ann().to_string(), failed(), Outcome::Failed),
        (403, String::new(), failed(), Outcome::Failed),
        (429, String::new(), failed(), Outcome::Failed),
        (500, String::new(), failed(), Outcome::Failed),
        (503, ann().to_string(), failed(), Outcome::Failed),
    ];
    for (number, (status, body, expected, outcome)) in table.into_iter().enumerate() {
        let session = format!("session-{number}");
        stand_in.says(&session, status, &body);
        assert_eq!(subject(&sessions, &session).await, expected, "{status} {body}");
        assert_eq!(outcomes.lock().last(), Some(&outcome), "{status} {body}");
        // Nothing is followed, and nothing but the session is sent.
        assert_eq!(stand_in.requests(), number + 1);
        assert_eq!(stand_in.seen.lock().cookies[number], format!("{}={session}", sessions.cookie()));
    }
}

#[tokio::test]
async fn a_lifetime_does_for_answers_without_an_exp() {
    let stand_in = StandIn::default();
    let (sessions, _) = stand_in.start(|settings| settings.lifetime = Some(Duration::from_secs(60))).await;
    stand_in.says("s", 200, json!({"sub": "ann"}));
    let claims = sessions.look_up(&SessionValue::parse("s").unwrap()).await.unwrap();
    let left = claims.expires_at().duration_since(SystemTime::now()).unwrap();
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(50), "{left:?}");
}

#[tokio::test]
async fn answers_are_remembered_and_failures_are_not() {
    let stand_in = StandIn::default();
    let (sessions, outcomes) = stand_in.start(|_| {}).await;
    stand_in.says("good", 200, ann());
    stand_in.says("down", 503, "");
    for _ in 0..3 {
        assert!(subject(&sessions, "good").await.is_ok());
        assert_eq!(subject(&sessions, "bad").await, unknown());
        assert_eq!(subject(&sessions, "down").await, failed());
    }
    assert_eq!((stand_in.requests(), outcomes.lock().len()), (5, 5));
    stand_in.says("down", 200, ann());
    assert!(subject(&sessions, "down").await.is_ok());
}

#[tokio::test]
async fn without_a_ttl_each_question_is_a_lookup() {
    let stand_in = StandIn::default();
    let (sessions, _) = stand_in.start(|settings| settings.cache_ttl = Duration::ZERO).await;
    stand_in.says("good", 200, ann());
    for expected in 1..=3 {
        assert!(subject(&sessions, "good").await.is_ok());
        assert_eq!(stand_in.requests(), expected);
    }
}

#[tokio::test]
async fn a_session_is_asked_for_once_at_a_time() {
    let stand_in = StandIn { delay: Duration::from_millis(50), ..StandIn::default() };
    let (sessions, _) = stand_in.start(|settings| settings.cache_ttl = Duration::ZERO).await;
    stand_in.says("good", 200, ann());
    let crowd = (0..20).map(|_| subject(&sessions, "good"));
    assert!(futures_util::future::join_all(crowd).await.iter().all(Result::is_ok));
    assert_eq!(stand_in.requests(), 1);
}

#[tokio::test]
async fn whoever_waits_asks_on_when_the_first_has_left() {
    let stand_in = StandIn { delay: Duration::from_millis(100), ..StandIn::default() };
    let (sessions, _) = stand_in.start(|_| {}).await;
    stand_in.says("good", 200, ann());
    let asking = |sessions: &Arc<Sessions>| {
        let sessions = Arc::clone(sessions);
        tokio::spawn(async move { subject(&sessions, "good").await })
    };
    let first = asking(&sessions);
    while stand_in.requests() == 0 {
        tokio::task::yield_now().await;
    }
    let second = asking(&sessions);
    first.abort();
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test]
async fn lookups_under_way_are_bounded() {
    let stand_in = StandIn { delay: Duration::from_millis(20), ..StandIn::default() };
    let (sessions, _) = stand_in.start(|_| {}).await;
    let names: Vec<_> = (0..3 * limits::SESSION_LOOKUPS_MAX).map(|number| format!("s{number}")).collect();
    let crowd = names.iter().map(|name| subject(&sessions, name));
    assert!(futures_util::future::join_all(crowd).await.iter().all(|verdict| *verdict == unknown()));
    assert_eq!(stand_in.seen.lock().most_under_way, limits::SESSION_LOOKUPS_MAX);
}

#[tokio::test]
async fn a_login_that_does_not_answer_is_a_failure() {
    let stand_in = StandIn { delay: Duration::from_secs(60), ..StandIn::default() };
    let (sessions, outcomes) = stand_in.start(|settings| settings.timeout = Duration::from_millis(50)).await;
    assert_eq!(subject(&sessions, "slow").await, failed());
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let (nobody, _) = super::tests::sessions(&format!("http://{closed}/session"), |_| {});
    assert_eq!(subject(&nobody, "any").await, failed());
    assert_eq!(*outcomes.lock(), [Outcome::Failed]);
}
