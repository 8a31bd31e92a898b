//! Clients that asked for cursors are told when records stand still, and when they move again.

use crate::support::{Client, Instance, token};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

fn admin() -> Value {
    json!({"role": "ADMIN"})
}

fn status(stale_since: &Value) -> Value {
    json!({"resumed": true, "gap": null, "stale_since": stale_since})
}

/// The next message must be `STATUS`: its data and its cursor.
async fn next_status(client: &mut Client) -> (Value, String) {
    let message = client.json().await;
    assert_eq!(message["event_name"], "STATUS", "{message}");
    (message["data"].clone(), message["cursor"].as_str().unwrap().to_owned())
}

async fn next_event(client: &mut Client) -> Value {
    serde_json::from_str(client.text().await.strip_prefix("42").expect("an event")).unwrap()
}

async fn recovering(instance: &Instance) -> Client {
    let mut client = instance.connect("/ws/?EIO=4&transport=websocket&recovery=1").await;
    client.text().await;
    client.send(&format!("40{}", json!({"token": token(admin())}))).await;
    client.text().await;
    assert_eq!(next_event(&mut client).await[0], "authorization:ok");
    client
}

#[tokio::test]
async fn a_partition_that_waits_for_the_registry_makes_the_picture_stale_until_it_goes_on() {
    let mut instance = Instance::start().await;
    let (mut plain, first) = instance.resuming(admin(), "").await;
    assert_eq!(first["data"]["stale_since"], Value::Null);
    let mut socket_io = recovering(&instance).await;
    let mut contract = instance.plain(admin()).await;
    instance.condition("o0", "DONE");
    assert_eq!(next_event(&mut socket_io).await[0], "order:condition");

    instance.registry_up.store(false, Ordering::Relaxed);
    let before = SystemTime::now() - Duration::from_secs(2);
    instance.pizza("p0", 7, "u1");
    let (stale, cursor) = next_status(&mut plain).await;
    let since = stale["stale_since"].as_str().expect("a time");
    let since_time = humantime::parse_rfc3339(since).unwrap();
    assert!(since_time > before - Duration::from_secs(1) && since_time <= SystemTime::now(), "{since}");
    assert_eq!(stale, status(&stale["stale_since"]));
    let told = next_event(&mut socket_io).await;
    assert_eq!((&told[0], &told[1]), (&json!("STATUS"), &stale));
    assert!(told[2].is_string(), "the library keeps the last argument as its offset");
    assert_eq!(instance.metric("dumbwaiter_partitions_stalled").await, 1.0);
    assert!(instance.metric("dumbwaiter_stale_seconds").await >= 5.0);

    // The other topics flow, and whoever comes now is told at once.
    instance.condition("o1", "DONE");
    assert_eq!(next_event(&mut socket_io).await[1]["_id"], "o1");
    let (_newcomer, first) = instance.resuming(admin(), "").await;
    assert_eq!(first["data"], json!({"resumed": false, "gap": null, "stale_since": since}));
    let mut newcomer = recovering(&instance).await;
    let told = next_event(&mut newcomer).await;
    assert_eq!((&told[0], &told[1]["stale_since"]), (&json!("STATUS"), &stale["stale_since"]));

    instance.registry_up.store(true, Ordering::Relaxed);
    assert_eq!(plain.json().await["data"]["uuid"], "p0");
    assert_eq!(next_status(&mut plain).await.0, status(&Value::Null));
    assert_eq!(next_event(&mut socket_io).await[1], status(&Value::Null));
    assert_eq!(instance.metric("dumbwaiter_partitions_stalled").await, 0.0);
    assert_eq!(instance.metric("dumbwaiter_stale_seconds").await, 0.0);

    // A STATUS has the cursor of where its connection stands.
    let (mut again, first) = instance.resuming(admin(), &cursor).await;
    assert_eq!(first["data"], status(&Value::Null));
    assert_eq!(again.json().await["data"]["uuid"], "p0");
    // Who did not ask for cursors sees the contract.
    assert_eq!(contract.text().await, crate::support::pizza_message("p0", 7, "u1"));
    instance.pizza("p1", 7, "u1");
    assert_eq!(contract.text().await, crate::support::pizza_message("p1", 7, "u1"));
    instance.stop().await;
}

#[tokio::test]
async fn a_status_between_events_neither_loses_nor_doubles_any() {
    let mut instance = Instance::start().await;
    let (mut client, _) = instance.resuming(admin(), "").await;
    instance.pizza("p0", 7, "u1");
    client.text().await;
    instance.registry_up.store(false, Ordering::Relaxed);
    instance.condition("o0", "DONE");
    // Pizzas flow all the while, a status comes in between.
    let mut seen: Vec<String> = vec!["p0".to_owned()];
    let cursor = loop {
        let uuid = format!("p{}", seen.len());
        instance.pizza(&uuid, 7, "u1");
        let message = client.json().await;
        if message["event_name"] == "STATUS" {
            break message["cursor"].as_str().unwrap().to_owned();
        }
        seen.push(message["data"]["uuid"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let (mut again, status) = instance.resuming(admin(), &cursor).await;
    assert_eq!(status["data"]["resumed"], true);
    assert_eq!(again.json().await["data"]["uuid"], format!("p{}", seen.len()));
    let expected: Vec<String> = (0..seen.len()).map(|number| format!("p{number}")).collect();
    assert_eq!(seen, expected);
    instance.stop().await;
}

#[tokio::test]
async fn what_stood_still_before_it_was_ready_is_no_news_to_the_first_client() {
    let mut instance = Instance::begin().await;
    instance.registry_up.store(false, Ordering::Relaxed);
    instance.pizza("p0", 7, "u1");
    while instance.metric("dumbwaiter_partitions_stalled").await < 1.0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    instance.registry_up.store(true, Ordering::Relaxed);
    instance.wait_until_ready().await;
    let (_, first) = instance.resuming(admin(), "").await;
    assert_eq!(first["data"]["stale_since"], Value::Null);
    instance.stop().await;
}
