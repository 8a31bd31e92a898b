//! Sessions of the login: a cookie in, claims from the login's address. The login is simulated here: an HTTP
//! server on the loopback address that answers as told.

use crate::support::{Client, Instance, pizza_message, token};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

const REFUSAL: &str = r#"42["authorization:error",{"message":"Вы не авторизованы","code":2000,"error":"UserAuthorizationError"}]"#;
const OK: &str = r#"42["authorization:ok"]"#;
const SOCKET_IO: &str = "/ws/?EIO=4&transport=websocket";

/// The simulated login.
#[derive(Clone, Default)]
struct Login {
    state: Arc<Mutex<LoginState>>,
}

#[derive(Default)]
struct LoginState {
    claims: HashMap<String, Value>,
    is_down: bool,
    requests: usize,
}

impl Login {
    /// The login, and an instance that asks it.
    async fn start() -> (Login, Instance) {
        Login::start_with(&[]).await
    }

    async fn start_with(settings: &[&str]) -> (Login, Instance) {
        let login = Login::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("session.url=http://{}/session", listener.local_addr().unwrap());
        let router = Router::new().fallback(Login::answer).with_state(login.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings: Vec<&str> = settings.iter().copied().chain([&*url]).collect();
        (login, Instance::start_with(&settings).await)
    }

    async fn answer(State(login): State<Login>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
        let mut state = login.state.lock().unwrap();
        state.requests += 1;
        let session = headers["cookie"].to_str().unwrap().strip_prefix("sessionId=").unwrap();
        match state.claims.get(session) {
            _ if state.is_down => (StatusCode::SERVICE_UNAVAILABLE, Json(json!(null))),
            Some(claims) => (StatusCode::OK, Json(claims.clone())),
            None => (StatusCode::UNAUTHORIZED, Json(json!(null))),
        }
    }

    /// Logs somebody in.
    fn knows(&self, session: &str, claims: Value) {
        self.state.lock().unwrap().claims.insert(session.to_owned(), claims);
    }

    fn is_down(&self, is_down: bool) {
        self.state.lock().unwrap().is_down = is_down;
    }

    fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }
}

fn seconds_from_now(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

fn staff() -> Value {
    json!({"sub": "ann", "role": "ADMIN", "exp": seconds_from_now(3_600)})
}

fn cookie(session: &str) -> String {
    format!("theme=dark; sessionId={session}")
}

/// A Socket.IO client after its CONNECT.
async fn connect(instance: &Instance, headers: &[(&str, &str)], connect: &str) -> Client {
    let mut client = instance.connect_with(SOCKET_IO, headers).await;
    assert!(client.text().await.starts_with("0{"));
    client.send(connect).await;
    client
}

async fn check(instance: &Instance, headers: &[(&str, &str)], packet: &str, expected: &str) {
    let mut client = connect(instance, headers, packet).await;
    assert!(client.text().await.starts_with("40{"));
    assert_eq!(client.text().await, expected, "{headers:?} {packet}");
    if expected == REFUSAL {
        assert_eq!(client.text().await, "41");
        assert!(client.next().await.is_none());
    }
}

/// Status, `Retry-After` and body of a ticket request.
async fn request_ticket(instance: &Instance, headers: &[(&str, &str)]) -> (StatusCode, Option<u64>, String) {
    let request = reqwest::Client::new().get(format!("http://{}/api/v1/ws/ticket", instance.address));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.send().await.unwrap();
    let retry_after =
        response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status(), retry_after, response.text().await.unwrap())
}

#[tokio::test]
async fn a_session_opens_both_protocols_with_one_lookup() {
    let (login, mut instance) = Login::start().await;
    login.knows("s1", staff());
    let headers = [("cookie", &*cookie("s1"))];
    check(&instance, &headers, "40", OK).await;
    let (status, _, body) = request_ticket(&instance, &headers).await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut plain = instance.connect(&format!("/ws?key={}", body["token"].as_str().unwrap())).await;
    instance.pizza("p1", 7, "somebody");
    assert_eq!(plain.text().await, pizza_message("p1", 7, "somebody"));
    assert_eq!(login.requests(), 1);
    assert_eq!(instance.metric("dumbwaiter_session_lookups_total{outcome=\"known\"}").await, 1.0);
    instance.stop().await;
}

#[tokio::test]
async fn an_unknown_session_is_refused_for_good() {
    let (login, instance) = Login::start().await;
    let headers = [("cookie", &*cookie("nobody"))];
    check(&instance, &headers, "40", REFUSAL).await;
    let refused = (
        StatusCode::UNAUTHORIZED,
        None,
        r#"{"success":false,"error":"Wrong authorization data"}"#.to_owned(),
    );
    assert_eq!(request_ticket(&instance, &headers).await, refused);
    assert_eq!(login.requests(), 1);
    instance.stop().await;
}

#[tokio::test]
async fn while_the_login_is_down_clients_are_to_come_back() {
    let (login, instance) = Login::start().await;
    login.knows("s1", staff());
    login.is_down(true);
    let headers = [("cookie", &*cookie("s1"))];
    for packet in ["40", "40{}"] {
        let mut client = connect(&instance, &headers, packet).await;
        // No 41, no error event and no Close frame: the client's library takes it for a broken connection.
        assert!(client.next().await.is_none());
    }
    let (status, retry_after, body) = request_ticket(&instance, &headers).await;
    let no_ticket = r#"{"success":false,"error":"No ticket for now, try again later"}"#;
    assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, no_ticket));
    assert!(retry_after.is_some_and(|seconds| (1..=5).contains(&seconds)), "{retry_after:?}");
    let ended = "dumbwaiter_connections_ended_total{ending=\"unavailable\",protocol=\"socketio\"}";
    assert_eq!(instance.metric(ended).await, 2.0);

    login.is_down(false);
    check(&instance, &headers, "40", OK).await;
    assert_eq!(request_ticket(&instance, &headers).await.0, StatusCode::OK);
    instance.stop().await;
}

#[tokio::test]
async fn the_first_that_is_shown_decides() {
    let (login, instance) = Login::start().await;
    login.knows("good", staff());
    let (good, bad) = (token(json!({"role": "ADMIN"})), token(json!({"exp": 1})));
    let connect_with = |token: &str| format!("40{}", json!({"token": token}));
    let header = |token: &str| format!("Bearer {token}");
    for (session, expected_alone) in [("good", OK), ("bad", REFUSAL)] {
        let cookie = ("cookie", &*cookie(session));
        check(&instance, &[cookie], "40", expected_alone).await;
        check(&instance, &[cookie], &connect_with(&good), OK).await;
        check(&instance, &[cookie], &connect_with(&bad), REFUSAL).await;
        check(&instance, &[cookie, ("authorization", &header(&good))], "40", OK).await;
        check(&instance, &[cookie, ("authorization", &header(&bad))], "40", REFUSAL).await;
        check(&instance, &[cookie, ("authorization", &header(&good))], &connect_with(&bad), REFUSAL).await;
    }
    login.is_down(true);
    check(&instance, &[("cookie", "sessionId=other")], &connect_with(&good), OK).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_page_of_another_host_cannot_use_a_session() {
    let (login, instance) = Login::start_with(&["web.origins=https://other.example"]).await;
    login.knows("s1", staff());
    let cookie = ("cookie", &*cookie("s1"));
    let other = ("origin", "https://other.example");
    check(&instance, &[cookie, other], "40", REFUSAL).await;
    let (status, ..) = request_ticket(&instance, &[cookie, other]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(login.requests(), 0);
    let own = format!("http://{}", instance.address);
    check(&instance, &[cookie, ("origin", &own)], "40", OK).await;
    let bearer = format!("Bearer {}", token(json!({"role": "ADMIN"})));
    check(&instance, &[other, ("authorization", &bearer)], "40", OK).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_connection_ends_when_its_session_does() {
    let (login, instance) = Login::start().await;
    login.knows("s1", json!({"sub": "ann", "role": "ADMIN", "exp": seconds_from_now(2)}));
    let headers = [("cookie", &*cookie("s1"))];
    let mut client = connect(&instance, &headers, "40").await;
    let mut late = instance.connect_with(SOCKET_IO, &headers).await;
    assert!(client.text().await.starts_with("40{"));
    assert_eq!(client.text().await, OK);
    assert!(client.next().await.is_none());

    // Looked up while it held, and shown when it does no more.
    assert!(late.text().await.starts_with("0{"));
    late.send("40").await;
    assert!(late.text().await.starts_with("40{"));
    assert_eq!(late.text().await, REFUSAL);

    // Prolonged at the login, it is good again, and is asked for though the answer is in the cache.
    login.knows("s1", staff());
    check(&instance, &headers, "40", OK).await;
    assert_eq!(login.requests(), 2);
    instance.stop().await;
}

#[tokio::test]
async fn a_cookie_is_nothing_where_sessions_are_not_looked_up() {
    let instance = Instance::start().await;
    check(&instance, &[("cookie", &cookie("s1"))], "40", REFUSAL).await;
    assert_eq!(
        instance.metric("dumbwaiter_authorizations_total{outcome=\"missing\",protocol=\"socketio\"}").await,
        1.0
    );
    instance.stop().await;
}
