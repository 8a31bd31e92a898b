//! What has left the window is read for the one client that wants it: entitled events, once, in order, then the
//! journal, then live; and what can't be had is told.
//!
//! A list of records stands for Kafka here; tests/e2e has the real one.

use crate::support::{Client, Instance, now_ms, pizza_body, token};
use dumbwaiter::consume::{OwnedHeader, OwnedRecord};
use dumbwaiter::decode::{SchemaId, framing};
use serde_json::{Value, json};

/// Enough that the first of them have left a window of 1 MiB.
const FLOOD: usize = 5_000;
const SMALL: &str = "journal.max_bytes=1MiB";

fn admin() -> Value {
    json!({"role": "ADMIN"})
}

fn store_8() -> Value {
    json!({"store_id": 8})
}

/// Pizzas of store 7, until what was there before has left the window.
async fn flood(instance: &mut Instance) {
    let mut witness = instance.plain(admin()).await;
    for number in 0..FLOOD {
        instance.pizza(&format!("flood-{number}"), 7, "u1");
        // Piece by piece, so that the witness itself stays within the window.
        if number % 250 == 249 {
            while !witness.text().await.contains(&format!("flood-{number}\"")) {}
        }
    }
}

/// (uuid, cursor) of the next pizza.
async fn next_pizza(client: &mut Client) -> (String, Option<String>) {
    let message = client.json().await;
    assert_eq!(message["event_name"], "CREATE_PIZZA", "{message}");
    let cursor = message.get("cursor").map(|cursor| cursor.as_str().unwrap().to_owned());
    (message["data"]["uuid"].as_str().unwrap().to_owned(), cursor)
}

async fn expect_pizzas(client: &mut Client, uuids: &[&str]) -> Option<String> {
    let mut newest = None;
    for expected in uuids {
        let (uuid, cursor) = next_pizza(client).await;
        assert_eq!(uuid, *expected);
        newest = cursor;
    }
    newest
}

async fn cursor_now(instance: &Instance) -> String {
    let (_, status) = instance.resuming(admin(), "").await;
    status["cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cursor_older_than_the_window_misses_nothing_and_doubles_nothing() {
    let mut instance = Instance::start_with_past(&[SMALL]).await;
    let (mut client, _) = instance.resuming(admin(), "").await;
    instance.pizza("seen", 8, "u1");
    let cursor = expect_pizzas(&mut client, &["seen"]).await.unwrap();
    instance.pizza("missed", 8, "u1");
    flood(&mut instance).await;
    instance.pizza("in the window", 8, "u1");

    let (mut late, status) = instance.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": true, "gap": null, "stale_since": null}));
    assert_eq!(status["cursor"], cursor.as_str(), "it stands where it stood");
    assert_eq!(next_pizza(&mut late).await.0, "missed");
    for number in 0..FLOOD {
        assert_eq!(next_pizza(&mut late).await.0, format!("flood-{number}"));
    }
    expect_pizzas(&mut late, &["in the window"]).await;
    instance.pizza("live", 8, "u1");
    expect_pizzas(&mut late, &["live"]).await;

    let (mut entitled, _) = instance.resuming(store_8(), &cursor).await;
    expect_pizzas(&mut entitled, &["missed", "in the window", "live"]).await;
    assert_eq!(instance.metric(r#"dumbwaiter_backfills_total{outcome="found"}"#).await, 2.0);
    instance.stop().await;
}

#[tokio::test]
async fn what_the_client_has_from_another_instance_is_not_doubled_behind_its_past() {
    let (mut one, mut two) =
        (Instance::start_with_past(&[]).await, Instance::start_with_past(&[SMALL]).await);
    let (mut client, _) = one.resuming(admin(), "").await;
    for (offset, uuid) in [(0, "b0"), (1, "b1")] {
        one.pizza_at(1, offset, uuid);
    }
    let cursor = expect_pizzas(&mut client, &["b0", "b1"]).await.unwrap();
    // The other one has read them last: they are in its window, and what came before has left that.
    flood(&mut two).await;
    for (offset, uuid) in [(0, "b0"), (1, "b1"), (2, "b2")] {
        two.pizza_at(1, offset, uuid);
    }
    let (mut client, status) = two.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": true, "gap": null, "stale_since": null}));
    for number in 0..FLOOD {
        assert_eq!(next_pizza(&mut client).await.0, format!("flood-{number}"));
    }
    expect_pizzas(&mut client, &["b2"]).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn one_that_drops_in_the_middle_goes_on_from_there() {
    let mut instance = Instance::start_with_past(&[SMALL]).await;
    let mut cursor = cursor_now(&instance).await;
    flood(&mut instance).await;
    let mut got = Vec::new();
    while got.len() < FLOOD {
        let (mut client, status) = instance.resuming(admin(), &cursor).await;
        assert_eq!(status["data"]["resumed"], true);
        for _ in 0..1_000.min(FLOOD - got.len()) {
            let (uuid, newer) = next_pizza(&mut client).await;
            got.push(uuid);
            cursor = newer.unwrap();
        }
    }
    let expected: Vec<String> = (0..FLOOD).map(|number| format!("flood-{number}")).collect();
    assert_eq!(got, expected);
    instance.stop().await;
}

#[tokio::test]
async fn above_the_bound_a_gap_is_told_and_the_client_is_live() {
    for bound in ["backfill.max_records=500", "backfill.max_bytes=10KiB"] {
        let mut instance = Instance::start_with_past(&[SMALL, bound]).await;
        let cursor = cursor_now(&instance).await;
        flood(&mut instance).await;
        let (mut late, status) = instance.resuming(admin(), &cursor).await;
        assert_eq!(
            status["data"],
            json!({"resumed": false, "gap": "too_much", "stale_since": null}),
            "{bound}"
        );
        instance.pizza("live", 8, "u1");
        expect_pizzas(&mut late, &["live"]).await;
        instance.stop().await;
    }
}

#[tokio::test]
async fn without_readers_the_window_is_all_there_is() {
    let mut instance = Instance::start_with_past(&[SMALL, "backfill.readers=0"]).await;
    let cursor = cursor_now(&instance).await;
    flood(&mut instance).await;
    let (_, status) = instance.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": false, "gap": "too_old", "stale_since": null}));
    instance.stop().await;
}

#[tokio::test]
async fn what_kafka_has_dropped_is_a_gap() {
    let mut instance = Instance::start_with_past(&[SMALL]).await;
    let (mut client, _) = instance.resuming(admin(), "").await;
    instance.pizza("seen", 8, "u1");
    let cursor = expect_pizzas(&mut client, &["seen"]).await.unwrap();
    drop(client);
    flood(&mut instance).await;
    instance.past.retain(|record| record.offset > 2);
    let (_, status) = instance.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": false, "gap": "too_old", "stale_since": null}));
    instance.stop().await;
}

#[tokio::test]
async fn a_cursor_ahead_of_kafka_is_of_a_topic_that_was_made_anew() {
    let mut before = Instance::start_with_past(&[]).await;
    let (mut client, _) = before.resuming(admin(), "").await;
    for offset in 0..5 {
        before.pizza_at(0, offset, &format!("old-{offset}"));
    }
    let cursor = expect_pizzas(&mut client, &["old-0", "old-1", "old-2", "old-3", "old-4"]).await.unwrap();
    before.stop().await;

    let mut after = Instance::start_with_past(&[]).await;
    after.past.push(OwnedRecord { topic: "pizza.created".to_owned(), ..OwnedRecord::default() });
    let (mut client, status) = after.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": false, "gap": "recreated", "stale_since": null}));
    after.pizza_at(0, 1, "new-1");
    expect_pizzas(&mut client, &["new-1"]).await;
    after.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_only_behind_is_waited_for() {
    let mut ahead = Instance::start_with_past(&[]).await;
    let (mut client, _) = ahead.resuming(admin(), "").await;
    for offset in 0..3 {
        ahead.pizza_at(0, offset, &format!("a{offset}"));
    }
    let cursor = expect_pizzas(&mut client, &["a0", "a1", "a2"]).await.unwrap();
    let mut behind = Instance::start_with_past(&[]).await;
    behind.pizza_at(0, 0, "a0");
    for offset in 1..3 {
        let topic = "pizza.created".to_owned();
        behind.past.push(OwnedRecord { topic, offset, ..OwnedRecord::default() });
    }
    let (mut client, status) = behind.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": true, "gap": null, "stale_since": null}));
    for (offset, uuid) in [(1, "a1"), (2, "a2"), (3, "a3")] {
        behind.pizza_at(0, offset, uuid);
    }
    expect_pizzas(&mut client, &["a3"]).await;
    assert_eq!(behind.metric(r#"dumbwaiter_cursor_checks_total{outcome="found"}"#).await, 1.0);
    ahead.stop().await;
    behind.stop().await;
}

/// The packets of connection state recovery; gives the CONNECT answer and what follows.
async fn recovering(
    instance: &Instance,
    claims: Value,
    recovery: Value,
    query: &str,
) -> (Client, Value, Value) {
    let mut client = instance.connect(&format!("/ws/?EIO=4&transport=websocket{query}")).await;
    assert!(client.text().await.starts_with("0{"));
    let mut auth = json!({"token": token(claims)});
    auth.as_object_mut().unwrap().extend(recovery.as_object().unwrap().clone());
    client.send(&format!("40{auth}")).await;
    let connected = serde_json::from_str(client.text().await.strip_prefix("40").unwrap()).unwrap();
    let ok = packet(&mut client).await;
    assert_eq!(ok[0], "authorization:ok");
    (client, connected, ok)
}

async fn packet(client: &mut Client) -> Value {
    serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap()
}

#[tokio::test]
async fn a_socket_io_client_recovers_from_the_past() {
    let mut instance = Instance::start_with_past(&[SMALL]).await;
    let (client, connected, _) = recovering(&instance, admin(), json!({}), "&recovery=1").await;
    drop(client);
    instance.condition("missed", "DONE");
    flood(&mut instance).await;
    let again = json!({"pid": connected["pid"]});
    let (mut client, recovered, _) = recovering(&instance, admin(), again, "&recovery=1").await;
    assert_eq!(recovered["pid"], connected["pid"]);
    let missed = packet(&mut client).await;
    assert_eq!((&missed[0], &missed[1]["_id"]), (&json!("order:condition"), &json!("missed")));
    assert!(missed[2].is_string(), "its cursor");
    instance.stop().await;
}

#[tokio::test]
async fn a_customer_is_told_when_an_owner_is_not_known_and_staff_need_not_be() {
    let mut instance = Instance::start_with_past(&[SMALL]).await;
    let cursor = cursor_now(&instance).await;
    instance.condition("of nobody knows whom", "COLLECTED");
    flood(&mut instance).await;
    let customer = json!({"role": "CUSTOMER", "sub": "u9"});
    let again = || json!({"pid": cursor, "offset": cursor});
    let (mut client, connected, _) = recovering(&instance, customer, again(), "&recovery=1").await;
    assert_ne!(connected["pid"], cursor.as_str());
    let status = packet(&mut client).await;
    assert_eq!((&status[0], &status[1]["gap"]), (&json!("STATUS"), &json!("owner_unknown")));
    let (_, recovered, _) = recovering(&instance, admin(), again(), "&recovery=1").await;
    assert_eq!(recovered["pid"], cursor.as_str());
    instance.stop().await;
}

/// A plain client that asks for a replay, and what it was told.
async fn replaying(instance: &Instance, claims: Value, query: &str) -> (Client, Value) {
    let (_, body) = instance.ticket(&token(claims)).await;
    let mut client = instance.connect(&format!("/ws?key={}&{query}", body["token"].as_str().unwrap())).await;
    let status = client.json().await;
    assert_eq!(status["event_name"], "STATUS");
    (client, status)
}

/// A pizza that Kafka got so many seconds ago.
fn pizza_of_before(instance: &mut Instance, uuid: &str, store: i64, seconds: i64) {
    instance.pizza_of(uuid, store, now_ms() - seconds * 1_000);
}

fn ago(seconds: i64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis((now_ms() - seconds * 1_000) as u64);
    humantime::format_rfc3339_millis(time).to_string()
}

#[tokio::test]
async fn a_replay_has_what_is_as_new_and_may_be_seen_then_what_is_live() {
    let mut instance = Instance::start().await;
    for (uuid, store, seconds) in
        [("old", 8, 3_600), ("a", 8, 600), ("other", 7, 600), ("late", 8, 1_200), ("b", 8, 30)]
    {
        pizza_of_before(&mut instance, uuid, store, seconds);
    }
    let mut witness = instance.plain(admin()).await;
    instance.pizza("mark", 7, "u1");
    while !witness.text().await.contains("mark") {}
    for since in ["15m".to_owned(), ago(900)] {
        let (mut client, status) = replaying(&instance, store_8(), &format!("since={since}")).await;
        assert_eq!((&status["data"]["resumed"], &status["data"]["gap"]), (&json!(false), &Value::Null));
        assert!(status["data"]["since"].as_str().unwrap() >= ago(905).as_str(), "{status}");
        assert_eq!(status.get("cursor"), None, "not asked for");
        assert_eq!(expect_pizzas(&mut client, &["a", "b"]).await, None);
        // Live is what comes, however old it is.
        pizza_of_before(&mut instance, "c", 8, 3_600);
        expect_pizzas(&mut client, &["c"]).await;
    }
    let (mut client, status) = replaying(&instance, store_8(), "since=15m&cursor=").await;
    assert!(status["cursor"].is_string());
    let cursor = expect_pizzas(&mut client, &["a"]).await.unwrap();
    // A cursor that resumes says more than a time.
    let (mut client, status) = replaying(&instance, store_8(), &format!("since=1d&cursor={cursor}")).await;
    assert_eq!(status["data"], json!({"resumed": true, "gap": null, "stale_since": null}));
    expect_pizzas(&mut client, &["late", "b", "c", "c"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn the_cursor_of_a_replay_that_dropped_before_its_first_event_has_it_all() {
    let mut instance = Instance::start().await;
    pizza_of_before(&mut instance, "old", 8, 3_600);
    pizza_of_before(&mut instance, "a", 8, 600);
    let mut witness = instance.plain(admin()).await;
    instance.pizza("mark", 7, "u1");
    while !witness.text().await.contains("mark") {}
    let (client, status) = replaying(&instance, store_8(), "since=15m&cursor=").await;
    drop(client);
    let (mut client, _) = instance.resuming(store_8(), status["cursor"].as_str().unwrap()).await;
    expect_pizzas(&mut client, &["a"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_replay_older_than_the_window_comes_from_the_past() {
    for (has_past, gap) in [(true, Value::Null), (false, json!("too_old"))] {
        let mut instance = match has_past {
            true => Instance::start_with_past(&[SMALL]).await,
            false => Instance::start_with(&[SMALL]).await,
        };
        pizza_of_before(&mut instance, "old", 8, 3_600);
        pizza_of_before(&mut instance, "a", 8, 600);
        flood(&mut instance).await;
        instance.pizza("b", 8, "u1");
        let (mut client, status) = replaying(&instance, store_8(), "since=15m").await;
        assert_eq!(status["data"]["gap"], gap);
        let since = status["data"]["since"].as_str().unwrap();
        assert_eq!(since < ago(600).as_str(), has_past, "{since}");
        expect_pizzas(&mut client, if has_past { &["a", "b"] } else { &["b"] }).await;
        instance.stop().await;
    }
}

#[tokio::test]
async fn a_past_carries_its_traces_for_whoever_asks() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut instance = Instance::start_with_past(&[SMALL, "web.traceparent=true"]).await;
    let header = OwnedHeader { name: "traceparent".into(), value: Some(PARENT.as_bytes().into()) };
    let old = OwnedRecord {
        topic: "pizza.created".to_owned(),
        timestamp_ms: Some(now_ms() - 600_000),
        headers: vec![header],
        value: Some(framing::join(SchemaId(0), &pizza_body("old", 8, "u1"))),
        ..OwnedRecord::default()
    };
    instance.put_record(old);
    flood(&mut instance).await;
    for (query, trace, cursors) in [
        ("since=15m&traceparent=1", json!(PARENT), false),
        ("since=15m&traceparent=1&cursor=", json!(PARENT), true),
        ("since=15m", Value::Null, false),
    ] {
        let (mut client, _) = replaying(&instance, store_8(), query).await;
        let message = client.json().await;
        assert_eq!((&message["data"]["uuid"], &message["traceparent"]), (&json!("old"), &trace), "{query}");
        assert_eq!(message["cursor"].is_string(), cursors, "{query}");
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_replay_reaches_no_farther_than_it_may() {
    let mut instance = Instance::start_with(&["backfill.since_max=5m"]).await;
    pizza_of_before(&mut instance, "a", 8, 600);
    pizza_of_before(&mut instance, "b", 8, 60);
    let mut witness = instance.plain(admin()).await;
    instance.pizza("mark", 7, "u1");
    while !witness.text().await.contains("mark") {}
    let (mut client, status) = replaying(&instance, store_8(), "since=1d").await;
    assert!(status["data"]["since"].as_str().unwrap() >= ago(310).as_str(), "{status}");
    expect_pizzas(&mut client, &["b"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn socket_io_replays_too_and_tells_it_before_the_events() {
    let mut instance = Instance::start().await;
    instance.condition("missed", "DONE");
    let mut witness = instance.plain(admin()).await;
    instance.pizza("mark", 7, "u1");
    while !witness.text().await.contains("mark") {}
    let (mut client, connected, ok) = recovering(&instance, admin(), json!({}), "&since=15m").await;
    assert_eq!((connected.get("pid"), ok), (None, json!(["authorization:ok"])), "it did not ask for cursors");
    let status = packet(&mut client).await;
    assert_eq!((&status[0], &status[1]["gap"]), (&json!("STATUS"), &Value::Null));
    let missed = packet(&mut client).await;
    assert_eq!((&missed[1]["_id"], missed.as_array().unwrap().len()), (&json!("missed"), 2));
    instance.condition("live", "DONE");
    assert_eq!(packet(&mut client).await[1]["_id"], "live");
    instance.stop().await;
}

#[tokio::test]
async fn a_bad_since_is_refused_before_the_upgrade() {
    let instance = Instance::start().await;
    let ask = async |query: &str| {
        let request = reqwest::Client::new()
            .get(format!("http://{}/ws?{query}", instance.address))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (status, text) = ask("key=x&since=soon").await;
    assert_eq!(status, 400);
    assert!(text.starts_with(r#"since="soon" is neither a duration such as 15m"#), "{text}");
    let (status, text) = ask("EIO=4&transport=websocket&since=soon").await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &body["code"]), (400, &json!(3)));
    assert!(body["message"].as_str().unwrap().contains("2026-11-22T11:00:00Z"), "{body}");
    instance.stop().await;
}

#[tokio::test]
async fn a_customer_gets_what_became_of_an_order_that_was_opened_before_all_that_is_read() {
    let mut instance = Instance::start_with_past(&[SMALL]).await;
    let mut witness = instance.socket_io(admin()).await;
    instance.order("of u9", Some("u9"));
    assert_eq!(packet(&mut witness).await[1]["_id"], "of u9");
    let cursor = cursor_now(&instance).await;
    instance.condition("of u9", "DONE");
    drop(witness);
    flood(&mut instance).await;
    let again = json!({"pid": cursor, "offset": cursor});
    let customer = json!({"role": "CUSTOMER", "sub": "u9"});
    let (mut client, recovered, _) = recovering(&instance, customer, again, "&recovery=1").await;
    assert_eq!(recovered["pid"], cursor.as_str());
    let missed = packet(&mut client).await;
    assert_eq!((&missed[0], &missed[1]["_id"]), (&json!("order:condition"), &json!("of u9")));
    instance.stop().await;
}
