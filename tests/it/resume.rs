//! A client that comes back with its cursor gets what it missed, once, in order, from whichever instance.
//!
//! The instances of a test share nothing but the records, which each may read in an order of its own.

use crate::support::{Client, Instance, token};
use serde_json::{Value, json};

fn admin() -> Value {
    json!({"role": "ADMIN"})
}

/// The next pizza's uuid, and the cursor that came with it.
async fn next_pizza(client: &mut Client) -> (String, String) {
    let message = client.json().await;
    assert_eq!(message["event_name"], "CREATE_PIZZA", "{message}");
    let cursor = message["cursor"].as_str().expect("every event has a cursor").to_owned();
    (message["data"]["uuid"].as_str().unwrap().to_owned(), cursor)
}

async fn expect_pizzas(client: &mut Client, uuids: &[&str]) -> String {
    let mut newest = String::new();
    for expected in uuids {
        let (uuid, cursor) = next_pizza(client).await;
        assert_eq!(uuid, *expected);
        newest = cursor;
    }
    newest
}

fn cursor_of(message: &Value) -> String {
    message["cursor"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_missed_comes_once_and_then_what_is_new() {
    let mut instance = Instance::start().await;
    let (mut client, status) = instance.resuming(admin(), "").await;
    assert_eq!(status["data"], json!({"resumed": false, "gap": null, "stale_since": null}));
    instance.pizza("p0", 7, "u1");
    let cursor = expect_pizzas(&mut client, &["p0"]).await;
    drop(client);
    instance.pizza("p1", 7, "u1");
    instance.pizza("p2", 7, "u1");
    let (mut client, status) = instance.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": true, "gap": null, "stale_since": null}));
    expect_pizzas(&mut client, &["p1", "p2"]).await;
    instance.pizza("p3", 7, "u1");
    expect_pizzas(&mut client, &["p3"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_client_that_saw_no_event_goes_on_from_where_it_connected() {
    let mut instance = Instance::start().await;
    instance.pizza("before", 7, "u1");
    let mut seen = instance.plain(admin()).await;
    instance.pizza("marker", 7, "u1");
    while !seen.text().await.contains("marker") {}
    let (client, status) = instance.resuming(admin(), "").await;
    drop(client);
    instance.pizza("missed", 7, "u1");
    let (mut client, _) = instance.resuming(admin(), &cursor_of(&status)).await;
    expect_pizzas(&mut client, &["missed"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_resume_shows_only_what_the_keys_of_now_may_see() {
    let mut instance = Instance::start().await;
    let (client, status) = instance.resuming(admin(), "").await;
    drop(client);
    instance.pizza("p0", 7, "u1");
    instance.pizza("p1", 8, "u2");
    let (mut client, _) = instance.resuming(json!({"store_id": 8}), &cursor_of(&status)).await;
    expect_pizzas(&mut client, &["p1"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn garbage_is_no_cursor_and_ends_nothing() {
    let mut instance = Instance::start().await;
    let (mut client, status) = instance.resuming(admin(), "nonsense").await;
    assert_eq!(status["data"], json!({"resumed": false, "gap": "unreadable", "stale_since": null}));
    instance.pizza("p0", 7, "u1");
    expect_pizzas(&mut client, &["p0"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn a_cursor_older_than_the_window_is_told_as_a_gap() {
    let mut instance = Instance::start_with(&["journal.max_bytes=1MiB"]).await;
    let (mut client, _) = instance.resuming(admin(), "").await;
    instance.pizza("first", 7, "u1");
    let cursor = expect_pizzas(&mut client, &["first"]).await;
    for number in 0..5_000 {
        instance.pizza(&format!("p{number}"), 7, "u1");
        next_pizza(&mut client).await;
    }
    let (mut late, status) = instance.resuming(admin(), &cursor).await;
    assert_eq!(status["data"], json!({"resumed": false, "gap": "too_old", "stale_since": null}));
    instance.pizza("last", 7, "u1");
    expect_pizzas(&mut late, &["last"]).await;
    instance.stop().await;
}

#[tokio::test]
async fn two_instances_that_read_partitions_in_another_order_lose_and_double_nothing() {
    let (mut one, mut two) = (Instance::start().await, Instance::start().await);
    let (mut client, _) = one.resuming(admin(), "").await;
    for instance in [&mut one, &mut two] {
        instance.pizza_at(0, 0, "a0");
    }
    let cursor = expect_pizzas(&mut client, &["a0"]).await;
    // The other instance meets partition 2 before 1, and reads them the other way round.
    for (partition, uuid) in [(1, "b0"), (2, "c0")] {
        one.pizza_at(partition, 0, uuid);
    }
    for (partition, uuid) in [(2, "c0"), (1, "b0")] {
        two.pizza_at(partition, 0, uuid);
    }
    let first = expect_pizzas(&mut client, &["b0"]).await;
    assert_ne!(first, cursor);
    let (mut client, status) = two.resuming(admin(), &first).await;
    assert_eq!(status["data"]["resumed"], true);
    let cursor = expect_pizzas(&mut client, &["c0"]).await;
    for instance in [&mut one, &mut two] {
        instance.pizza_at(0, 1, "a1");
    }
    let (mut client, _) = one.resuming(admin(), &cursor).await;
    expect_pizzas(&mut client, &["a1"]).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn an_instance_behind_its_client_skips_what_the_client_has() {
    let (mut ahead, mut behind) = (Instance::start().await, Instance::start().await);
    let (mut client, _) = ahead.resuming(admin(), "").await;
    for (offset, uuid) in ["a0", "a1", "a2"].iter().enumerate() {
        ahead.pizza_at(0, offset as i64, uuid);
    }
    let cursor = expect_pizzas(&mut client, &["a0", "a1", "a2"]).await;
    let (mut client, status) = behind.resuming(admin(), &cursor).await;
    assert_eq!(status["data"]["resumed"], true);
    // Another partition comes first: its event carries a cursor that is not older in the one that is behind.
    behind.pizza_at(1, 0, "b0");
    let newer = expect_pizzas(&mut client, &["b0"]).await;
    for (offset, uuid) in ["a0", "a1", "a2", "a3"].iter().enumerate() {
        behind.pizza_at(0, offset as i64, uuid);
    }
    expect_pizzas(&mut client, &["a3"]).await;
    let (mut again, _) = behind.resuming(admin(), &newer).await;
    expect_pizzas(&mut again, &["a3"]).await;
    ahead.stop().await;
    behind.stop().await;
}

#[tokio::test]
async fn contract_clients_see_no_cursor() {
    let mut instance = Instance::start().await;
    let (_with, _) = instance.resuming(admin(), "").await;
    let mut without = instance.plain(admin()).await;
    instance.pizza("p0", 7, "u1");
    assert_eq!(without.text().await, crate::support::pizza_message("p0", 7, "u1"));
    instance.stop().await;
}

/// The packets of connection state recovery, as the official client sends them.
async fn recovering(instance: &Instance, recovery: Value) -> (Client, Value, Value) {
    let mut client = instance.connect("/ws/?EIO=4&transport=websocket&recovery=1").await;
    assert!(client.text().await.starts_with("0{"));
    let mut auth = json!({"token": token(admin())});
    auth.as_object_mut().unwrap().extend(recovery.as_object().unwrap().clone());
    client.send(&format!("40{auth}")).await;
    let connected = serde_json::from_str(client.text().await.strip_prefix("40").unwrap()).unwrap();
    let ok: Value = serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap();
    assert_eq!((ok[0].as_str(), ok.as_array().unwrap().len()), (Some("authorization:ok"), 2));
    (client, connected, ok[1].clone())
}

async fn next_condition(client: &mut Client) -> (String, Value) {
    let event: Value = serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap();
    assert_eq!(event[0], "order:condition");
    (event[1]["_id"].as_str().unwrap().to_owned(), event[2].clone())
}

#[tokio::test]
async fn socket_io_recovery_repeats_the_pid_and_sends_what_was_missed() {
    let mut instance = Instance::start().await;
    let (mut client, connected, _) = recovering(&instance, json!({})).await;
    instance.condition("o0", "DONE");
    let (_, offset) = next_condition(&mut client).await;
    drop(client);
    instance.condition("o1", "DONE");
    let again = json!({"pid": connected["pid"], "offset": offset});
    let (mut client, recovered, position) = recovering(&instance, again).await;
    assert_eq!(recovered["pid"], connected["pid"]);
    // The client keeps the newest string argument: it must not fall behind by being authorized again.
    assert_eq!(position, offset);
    assert_eq!(next_condition(&mut client).await.0, "o1");
    instance.stop().await;
}

#[tokio::test]
async fn a_socket_io_client_without_a_readable_offset_recovers_by_its_pid() {
    let mut instance = Instance::start().await;
    let (client, connected, _) = recovering(&instance, json!({})).await;
    drop(client);
    instance.condition("missed", "DONE");
    for recovery in
        [json!({"pid": connected["pid"]}), json!({"pid": connected["pid"], "offset": "authorization:ok"})]
    {
        let (mut client, recovered, _) = recovering(&instance, recovery).await;
        assert_eq!(recovered["pid"], connected["pid"]);
        assert_eq!(next_condition(&mut client).await.0, "missed");
    }
    instance.stop().await;
}

#[tokio::test]
async fn an_unknown_pid_just_gets_a_new_one() {
    let instance = Instance::start().await;
    let (mut client, connected, _) = recovering(&instance, json!({"pid": "x", "offset": "y"})).await;
    assert_ne!(connected["pid"], "x");
    let status: Value = serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap();
    assert_eq!(status[0], "STATUS");
    assert_eq!(status[1], json!({"resumed": false, "gap": "unreadable", "stale_since": null}));
    instance.stop().await;
}
