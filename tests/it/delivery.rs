//! From a record to the right screens: once to each who may see it, in order, and never to anybody else.

use crate::support::{Client, Instance, pizza_message};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_pizza_reaches_each_of_its_audience_once() {
    let mut instance = Instance::start().await;
    let mut admin = instance.plain(json!({"role": "ADMIN"})).await;
    let mut author_in_store = instance.plain(json!({"sub": "u1", "store_id": 7, "role": "ADMIN"})).await;
    let mut other_store = instance.plain(json!({"sub": "u2", "store_id": 8})).await;
    instance.pizza("p1", 7, "u1");
    instance.pizza("p2", 8, "u9");
    for client in [&mut admin, &mut author_in_store] {
        assert_eq!(client.text().await, pizza_message("p1", 7, "u1"));
        assert_eq!(client.text().await, pizza_message("p2", 8, "u9"));
    }
    assert_eq!(other_store.text().await, pizza_message("p2", 8, "u9"));
    assert_eq!(instance.metric("dumbwaiter_events_total{event=\"CREATE_PIZZA\"}").await, 2.0);
    instance.stop().await;
}

#[tokio::test]
async fn events_go_to_the_clients_of_their_protocol() {
    let mut instance = Instance::start().await;
    let mut plain = instance.plain(json!({"role": "ADMIN"})).await;
    let mut socket_io = instance.socket_io(json!({"role": "ADMIN"})).await;
    instance.condition("o1", "IN_PROGRESS");
    instance.pizza("p1", 7, "u1");
    instance.condition("o1", "DONE");
    assert_eq!(socket_io.text().await, r#"42["order:condition",{"_id":"o1","condition":"IN_PROGRESS"}]"#);
    assert_eq!(socket_io.text().await, r#"42["order:condition",{"_id":"o1","condition":"DONE"}]"#);
    assert_eq!(plain.text().await, pizza_message("p1", 7, "u1"));
    instance.stop().await;
}

#[tokio::test]
async fn poison_and_strangers_records_are_passed_over_and_counted() {
    let mut instance = Instance::start().await;
    let mut admin = instance.plain(json!({"role": "ADMIN"})).await;
    instance.put_bytes("pizza.created", Some(vec![7, 2, 3, 4, 5, 6]));
    instance.put_bytes("pizza.created", Some(vec![0, 0, 0, 0, 0, 200, 1]));
    instance.put_bytes("pizza.created", None);
    instance.put_bytes("order.archived", Some(vec![0, 0, 0, 0, 0]));
    instance.pizza("p1", 7, "u1");
    assert_eq!(admin.text().await, pizza_message("p1", 7, "u1"));
    for (metric, expected) in [
        ("dumbwaiter_records_poison_total{reason=\"wrong_magic\"}", 1.0),
        ("dumbwaiter_records_poison_total{reason=\"truncated\"}", 1.0),
        ("dumbwaiter_records_tombstone_total{topic=\"pizza.created\"}", 1.0),
        ("dumbwaiter_records_unmapped_total{topic=\"order.archived\"}", 1.0),
    ] {
        assert_eq!(instance.metric(metric).await, expected, "{metric}");
    }
    instance.stop().await;
}

/// More than the kernel takes for a client that does not read, so that it really lags.
const MANY: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_gets_everything_in_order_later_and_nobody_waits_for_it() {
    let mut instance = Instance::start().await;
    let mut slow = instance.plain(json!({"role": "ADMIN"})).await;
    let mut quick = instance.plain(json!({"role": "WATCHER"})).await;
    for number in 0..MANY {
        instance.pizza(&format!("p{number}"), 7, "u1");
    }
    expect_all(&mut quick).await;
    assert!(instance.metric("dumbwaiter_connections_lagged_total").await >= 1.0);
    expect_all(&mut slow).await;
    // Live again: the next event comes without another read from the journal being asked for.
    instance.pizza("last", 7, "u1");
    assert_eq!(slow.text().await, pizza_message("last", 7, "u1"));
    instance.stop().await;
}

async fn expect_all(client: &mut Client) {
    for number in 0..MANY {
        assert_eq!(client.text().await, pizza_message(&format!("p{number}"), 7, "u1"));
    }
}

#[tokio::test]
async fn a_client_that_falls_out_of_the_window_is_told_that_it_was_too_slow() {
    let mut instance = Instance::start_with(&["journal.max_bytes=1MiB"]).await;
    let mut slow = instance.plain(json!({"role": "ADMIN"})).await;
    let mut quick = instance.plain(json!({"role": "WATCHER"})).await;
    for number in 0..MANY {
        instance.pizza(&format!("p{number}"), 7, "u1");
        if number % 500 == 499 {
            for earlier in number - 499..=number {
                assert_eq!(quick.text().await, pizza_message(&format!("p{earlier}"), 7, "u1"));
            }
        }
    }
    let mut got = 0;
    let close = loop {
        match slow.next().await {
            Some(Message::Text(text)) => {
                assert_eq!(
                    text.as_str(),
                    pizza_message(&format!("p{got}"), 7, "u1"),
                    "in order, without a gap"
                );
                got += 1;
            }
            Some(Message::Close(Some(frame))) => break u16::from(frame.code),
            other => panic!("expected events, then a Close frame, got {other:?}"),
        }
    };
    assert!(got < MANY);
    assert_eq!(close, 4004);
    instance.stop().await;
}
