//! A login that was revoked: nothing more is let in by it, and what it has open ends.

use crate::support::{Instance, token};
use axum::http::StatusCode;
use dumbwaiter::admission::Admission;
use dumbwaiter::auth::{
    self, Change, Claims, CurrentVerifier, Revocations, TicketSettings, Tickets, Verifier,
};
use dumbwaiter::clock::Clock;
use dumbwaiter::consume::OwnedRecord;
use dumbwaiter::event::{Catalog, CurrentCatalog};
use dumbwaiter::journal;
use dumbwaiter::metrics::Metrics;
use dumbwaiter::seats::Seats;
use dumbwaiter::settings::Document;
use dumbwaiter::shard::{self, AddressClass, Admitted, Arrival, ClientSocket, Shards};
use serde_json::{Map, Value, json};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const REVOKED: (u16, &str) = (4003, "Access revoked");
const REFUSAL: &str = r#"42["authorization:error",{"message":"Вы не авторизованы","code":2000,"error":"UserAuthorizationError"}]"#;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn record(key: &str, value: Option<Value>) -> OwnedRecord {
    let (key, value) = (Some(key.as_bytes().to_vec()), value.map(|value| value.to_string().into_bytes()));
    OwnedRecord { topic: "dumbwaiter.control".to_owned(), key, value, ..OwnedRecord::default() }
}

/// Of all logins until now.
fn of_user(id: &str) -> OwnedRecord {
    record(&format!("user:{id}"), Some(json!({"issued_before": now() + 1})))
}

fn admin(sub: &str) -> Value {
    json!({"sub": sub, "role": "ADMIN", "iat": now() - 10})
}

/// Of everybody's logins until some seconds ago.
pub fn of_everybody() -> OwnedRecord {
    record("everybody", Some(json!({"issued_before": now() - 5})))
}

/// Waits until so many records of the control topic are in force.
pub async fn wait_for_revocations(instance: &Instance, outcome: &str, count: f64) {
    let name = format!("dumbwaiter_revocation_records_total{{outcome=\"{outcome}\"}}");
    let waiting = async {
        while instance.metric(&name).await < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, waiting).await.expect("revocations in force");
}

#[tokio::test]
async fn connections_of_a_revoked_user_end_and_others_stay() {
    let mut instance = Instance::start().await;
    let mut plain = instance.plain(admin("gone")).await;
    let mut socket_io = instance.socket_io(admin("gone")).await;
    let (mut resuming, _) = instance.resuming(admin("gone"), "").await;
    let mut other = instance.plain(admin("stays")).await;
    instance.revoke(of_user("gone"));
    assert_eq!(plain.close().await, (REVOKED.0, REVOKED.1.to_owned()));
    assert_eq!(resuming.close().await, (REVOKED.0, REVOKED.1.to_owned()));
    assert_eq!(socket_io.text().await, REFUSAL);
    assert_eq!(socket_io.text().await, "41");
    assert!(socket_io.next().await.is_none());
    instance.pizza("p0", 7, "u1");
    assert_eq!(other.json().await["data"]["uuid"], "p0");
    let ended = "dumbwaiter_connections_ended_total{ending=\"revoked\",protocol=\"plain\"}";
    assert_eq!(instance.metric(ended).await, 2.0);
    instance.stop().await;
}

#[tokio::test]
async fn a_revoked_token_gets_no_ticket_and_no_connection_until_that_is_lifted() {
    let instance = Instance::start().await;
    let bad = token(json!({"role": "ADMIN", "jti": "t1"}));
    instance.revoke(record("token:t1", Some(json!({}))));
    wait_for_revocations(&instance, "revoked", 1.0).await;
    let (status, body) = instance.ticket(&bad).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(body.to_string(), r#"{"success":false,"error":"Wrong authorization data"}"#);
    let mut client = instance.connect("/ws/?EIO=4&transport=websocket&recovery=1").await;
    client.text().await;
    client.send(&format!("40{}", json!({"token": bad, "pid": "any"}))).await;
    assert!(client.text().await.starts_with("40{"));
    assert_eq!(client.text().await, REFUSAL);
    assert_eq!(client.text().await, "41");
    for protocol in ["plain", "socketio"] {
        let refused =
            format!("dumbwaiter_authorizations_total{{outcome=\"revoked\",protocol=\"{protocol}\"}}");
        assert_eq!(instance.metric(&refused).await, 1.0, "{protocol}");
    }
    instance.revoke(record("token:t1", None));
    wait_for_revocations(&instance, "lifted", 1.0).await;
    assert_eq!(instance.ticket(&bad).await.0, StatusCode::OK);
    instance.stop().await;
}

#[tokio::test]
async fn a_ticket_from_before_a_revocation_opens_nothing() {
    let instance = Instance::start().await;
    let (_, body) = instance.ticket(&token(admin("gone"))).await;
    let ticket = body["token"].as_str().unwrap();
    instance.revoke(record("everybody", Some(json!({"issued_before": now() + 1}))));
    wait_for_revocations(&instance, "revoked", 1.0).await;
    let mut client = instance.connect(&format!("/ws?key={ticket}&cursor=")).await;
    assert_eq!(client.close().await, (4001, "Wrong connection key.".to_owned()));
    assert_eq!(instance.metric("dumbwaiter_tickets_total{outcome=\"revoked\"}").await, 1.0);
    instance.stop().await;
}

#[tokio::test]
async fn a_login_after_the_revocation_is_good_whatever_the_cursor_is_from() {
    let mut instance = Instance::start().await;
    let (mut client, _) = instance.resuming(admin("u1"), "").await;
    instance.pizza("p0", 7, "u1");
    let cursor = client.json().await["cursor"].as_str().unwrap().to_owned();
    instance.revoke(record("user:u1", Some(json!({"issued_before": now() - 5}))));
    assert_eq!(client.close().await.0, 4003);
    instance.pizza("p1", 7, "u1");
    let again = json!({"sub": "u1", "role": "ADMIN", "iat": now()});
    let (mut client, status) = instance.resuming(again, &cursor).await;
    assert_eq!(status["data"]["resumed"], true);
    assert_eq!(client.json().await["data"]["uuid"], "p1");
    instance.stop().await;
}

#[tokio::test]
async fn revocations_from_before_the_start_are_in_force_when_the_instance_is_ready() {
    let before = (0..30_000).map(|number| record(&format!("token:t{number}"), Some(json!({}))));
    let instance = Instance::start_revoking(&[], before.collect()).await;
    assert_eq!(instance.metric("dumbwaiter_revocations_in_force").await, 30_000.0);
    let (status, _) = instance.ticket(&token(json!({"jti": "t29999"}))).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    instance.stop().await;
}

#[tokio::test]
async fn records_that_say_nothing_are_counted_and_passed_over() {
    let instance = Instance::start().await;
    let mut client = instance.plain(admin("u1")).await;
    instance.revoke(record("u1", Some(json!({"issued_before": now() + 1}))));
    instance.revoke(record("user:u1", Some(json!({"issued_before": "now"}))));
    instance.revoke(OwnedRecord { key: None, ..of_user("u1") });
    wait_for_revocations(&instance, "bad", 3.0).await;
    assert_eq!(instance.ticket(&token(admin("u1"))).await.0, StatusCode::OK);
    instance.revoke(of_user("u1"));
    assert_eq!(client.close().await.0, 4003);
    instance.stop().await;
}

#[tokio::test]
async fn another_claim_may_name_the_user() {
    let instance = Instance::start_with(&["revocation.user_claim=uuid"]).await;
    let mut client = instance.plain(json!({"uuid": "u1", "sub": "x", "role": "ADMIN"})).await;
    instance.revoke(of_user("x"));
    instance.revoke(of_user("u1"));
    assert_eq!(client.close().await.0, 4003);
    assert_eq!(
        instance.ticket(&token(json!({"uuid": "u2", "sub": "x", "iat": now()}))).await.0,
        StatusCode::OK
    );
    instance.stop().await;
}

/// More than a turn's share: they end over several turns, all of them.
#[tokio::test]
async fn a_crowd_is_revoked_to_the_last() {
    let instance = Instance::start().await;
    let mut clients = Vec::new();
    for _ in 0..1_100 {
        clients.push(instance.socket_io(admin("crowd")).await);
    }
    instance.revoke(record("everybody", Some(json!({"issued_before": now() + 1}))));
    for client in &mut clients {
        let mut said = client.text().await;
        // On a busy machine the first of them is pinged before the last has come.
        while said == "2" {
            said = client.text().await;
        }
        assert_eq!(said, REFUSAL);
    }
    instance.stop().await;
}

/// Between a ticket's redemption and the shard, a revocation may come that the shard has looked through its
/// connections for already.
#[test]
fn who_is_revoked_on_the_way_to_the_shard_is_ended_by_it() {
    let settings = auth::Settings::default();
    let admission = Arc::new(Admission {
        verifier: CurrentVerifier::new(Verifier::new(&settings)),
        sessions: None,
        tickets: Tickets::open(TicketSettings::Memory, Box::new(|_, _, _| {})),
        revocations: Arc::new(Revocations::new(&settings)),
        catalog: CurrentCatalog::new(Arc::new(Catalog::built_in())),
        metrics: Metrics::new(),
        query_token: false,
        users: Seats::new(usize::MAX, usize::MAX),
    });
    let mut defaults = Document::empty();
    let (_writer, journal) = journal::open(&journal::Settings::read(&mut defaults));
    let shard_settings = shard::Settings::read(&mut defaults);
    let (shards, threads) =
        Shards::start(&shard_settings, &journal, &admission, &admission.metrics, &Clock::default(), None)
            .unwrap();

    let (claims, time) =
        (Claims::new(Map::new(), SystemTime::now() + Duration::from_secs(60)), SystemTime::now());
    let login = admission.revocations.login(&claims, time);
    let identity = admission.catalog.get().grants().identity(&claims, login);
    let value = json!({"issued_before": now()}).to_string();
    let change = Change::parse(Some(b"everybody"), Some(value.as_bytes()), None).unwrap();
    admission.revocations.apply(&[change], time, |_| {});

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let admitted = Admitted::Plain { identity: Ok(identity), cursor: None, since_ms: None };
    let socket = mio::net::TcpStream::from_std(stream);
    shards.adopt(Arrival {
        socket: ClientSocket::Plain(socket),
        received: Vec::new(),
        response: Default::default(),
        admitted,
        wants_open: false,
        traced: false,
        address: AddressClass::Loopback,
        seats: Vec::new(),
    });
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    // A Close frame: opcode 8, its length, 4003, the reason.
    assert_eq!(received, [&[0x88, 16, 0x0f, 0xa3], b"Access revoked".as_slice()].concat());
    drop(client);
    shards.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
