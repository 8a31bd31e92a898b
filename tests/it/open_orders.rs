//! `open=1`: each open order that one may see, as its order:new and newest condition, then live, nothing missing and
//! nothing twice.

use crate::support::{Client, Instance, token};
use serde_json::{Value, json};
use std::collections::HashMap;

const OPEN: &str = "/ws/?EIO=4&transport=websocket&open=1";

fn staff() -> Value {
    json!({"role": "ADMIN"})
}

fn customer(id: &str) -> Value {
    json!({"role": "CUSTOMER", "sub": id})
}

/// Name, order and what else is said of it: the condition, or none, and the cursor, or none.
#[derive(Debug, PartialEq)]
struct Told(String, String, Option<String>, Option<String>);

async fn next(client: &mut Client) -> Told {
    let event: Value = serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (name, id) = (text(&event[0]).unwrap(), text(&event[1]["_id"]).expect("an event about an order"));
    let condition = text(&event[1]["condition"]).filter(|_| name == "order:condition");
    Told(name, id, condition, event.get(2).and_then(text))
}

fn new(id: &str) -> Told {
    Told("order:new".to_owned(), id.to_owned(), None, None)
}

fn condition(id: &str, condition: &str) -> Told {
    Told("order:condition".to_owned(), id.to_owned(), Some(condition.to_owned()), None)
}

async fn expect(client: &mut Client, expected: &[Told]) {
    for expected in expected {
        assert_eq!(next(client).await, *expected);
    }
}

/// All that was put in so far has been handled.
async fn settle(instance: &mut Instance, number: usize) {
    let mut watcher = instance.socket_io(staff()).await;
    let id = format!("fence{number}");
    instance.order(&id, None);
    while next(&mut watcher).await != new(&id) {}
    instance.condition(&id, "DONE");
    while next(&mut watcher).await != condition(&id, "DONE") {}
}

#[tokio::test]
async fn each_sees_the_open_orders_that_are_theirs_and_their_newest_condition() {
    let mut instance = Instance::start().await;
    instance.order("o1", Some("u1"));
    instance.order("o2", Some("u2"));
    instance.order("o3", None);
    instance.order("o4", Some("u1"));
    instance.condition("o1", "IN_PROGRESS");
    instance.condition("o1", "COLLECTED");
    instance.condition("o4", "DONE");
    settle(&mut instance, 0).await;
    let mut screen = instance.socket_io_at(OPEN, staff()).await;
    let mut owner = instance.socket_io_at(OPEN, customer("u1")).await;
    let mut stranger = instance.socket_io_at(OPEN, customer("u9")).await;
    let mut unasked = instance.socket_io(staff()).await;
    instance.order("o5", Some("u9"));
    instance.condition("o1", "DONE");
    expect(&mut screen, &[new("o1"), condition("o1", "COLLECTED"), new("o2"), new("o3")]).await;
    expect(&mut screen, &[new("o5"), condition("o1", "DONE")]).await;
    expect(&mut owner, &[new("o1"), condition("o1", "COLLECTED"), condition("o1", "DONE")]).await;
    expect(&mut stranger, &[new("o5")]).await;
    expect(&mut unasked, &[new("o5"), condition("o1", "DONE")]).await;
    assert_eq!(instance.metric("dumbwaiter_open_orders").await, 3.0);
    instance.stop().await;
}

#[tokio::test]
async fn many_open_orders_come_in_the_order_of_opening() {
    let mut instance = Instance::start().await;
    let ids: Vec<String> = (0..1_000).map(|number| format!("o{number}")).collect();
    for id in &ids {
        instance.order(id, Some("u1"));
    }
    settle(&mut instance, 0).await;
    for claims in [staff(), customer("u1")] {
        let mut client = instance.socket_io_at(OPEN, claims).await;
        for id in &ids {
            assert_eq!(next(&mut client).await, new(id));
        }
    }
    instance.stop().await;
}

#[tokio::test]
async fn nothing_is_missing_or_twice_while_events_flow() {
    const ORDERS: usize = 300;
    const CONDITIONS: usize = 6;
    let mut instance = Instance::start().await;
    let mut screens = Vec::new();
    for step in 0..ORDERS * (CONDITIONS + 1) {
        let id = format!("o{}", step % ORDERS);
        match step / ORDERS {
            0 => instance.order(&id, Some("u1")),
            number => instance.condition(&id, &number.to_string()),
        }
        if step % 60 == 0 {
            let claims = if step % 120 == 0 { staff() } else { customer("u1") };
            screens.push(instance.socket_io_at(OPEN, claims).await);
        }
    }
    for screen in &mut screens {
        let mut seen: HashMap<String, Option<usize>> = HashMap::new();
        let mut finished = 0;
        while finished < ORDERS {
            let Told(name, id, condition, _) = next(screen).await;
            if name == "order:new" {
                assert!(seen.insert(id, None).is_none(), "an order twice");
                continue;
            }
            let number: usize = condition.unwrap().parse().unwrap();
            let before = seen.get_mut(&id).expect("an order before its conditions");
            // The first may be any: it is the newest. From there on none is left out.
            assert!(before.is_none_or(|before| number == before + 1), "{id}: {before:?}, {number}");
            *before = Some(number);
            finished += usize::from(number == CONDITIONS);
        }
    }
    instance.stop().await;
}

/// With cursors: the client, its pid, and what `authorization:ok` carried.
async fn recovering(instance: &Instance, recovery: Value) -> (Client, Value, Value) {
    let mut client = instance.connect(&format!("{OPEN}&recovery=1")).await;
    assert!(client.text().await.starts_with("0{"));
    let mut auth = json!({"token": token(staff())});
    auth.as_object_mut().unwrap().extend(recovery.as_object().unwrap().clone());
    client.send(&format!("40{auth}")).await;
    let connected: Value = serde_json::from_str(client.text().await.strip_prefix("40").unwrap()).unwrap();
    let ok: Value = serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap();
    (client, connected["pid"].clone(), ok[1].clone())
}

#[tokio::test]
async fn only_the_last_open_order_carries_a_cursor_and_whoever_has_it_resumes_behind() {
    let mut instance = Instance::start().await;
    instance.order("o1", Some("u1"));
    instance.order("o2", Some("u1"));
    instance.condition("o2", "COLLECTED");
    settle(&mut instance, 0).await;
    let (mut client, pid, cursor) = recovering(&instance, json!({})).await;
    assert!(pid.as_str().unwrap().starts_with('-'));
    assert_eq!(cursor, "-");
    expect(&mut client, &[new("o1"), new("o2")]).await;
    let Told(_, id, _, cursor) = next(&mut client).await;
    assert_eq!(id, "o2");
    let cursor = cursor.expect("the last one has a cursor");
    drop(client);

    // One that broke off before has none: it gets the open orders again, and no word of a gap.
    let (mut again, another, _) = recovering(&instance, json!({"pid": pid, "offset": "-"})).await;
    assert_ne!(another, pid, "it was not recovered");
    expect(&mut again, &[new("o1")]).await;

    instance.condition("o1", "IN_PROGRESS");
    settle(&mut instance, 1).await;
    let (mut resumed, same, _) = recovering(&instance, json!({"pid": pid, "offset": cursor})).await;
    assert_eq!(same, pid, "it was recovered");
    let Told(name, id, text, _) = next(&mut resumed).await;
    assert_eq!((name.as_str(), id.as_str(), text.as_deref()), ("order:condition", "o1", Some("IN_PROGRESS")));
    instance.stop().await;
}

#[tokio::test]
async fn after_a_gap_the_open_orders_come() {
    let mut instance = Instance::start().await;
    instance.order("o1", Some("u1"));
    settle(&mut instance, 0).await;
    let (client, pid, _) = recovering(&instance, json!({})).await;
    drop(client);
    let old = "of another cluster";
    for shown in [json!({"pid": old}), json!({"pid": pid, "offset": old}), json!({"pid": old, "offset": "-"})]
    {
        let (mut client, another, _) = recovering(&instance, shown.clone()).await;
        assert_ne!(another, shown["pid"], "the library would call it recovered");
        let status: Value = serde_json::from_str(client.text().await.strip_prefix("42").unwrap()).unwrap();
        assert_eq!((status[0].as_str(), status[1]["gap"].as_str()), (Some("STATUS"), Some("unreadable")));
        let Told(name, id, _, cursor) = next(&mut client).await;
        assert_eq!((name.as_str(), id.as_str(), cursor.is_some()), ("order:new", "o1", true));
    }
    instance.stop().await;
}

#[tokio::test]
async fn a_plain_client_whose_events_are_no_orders_is_just_live() {
    let mut instance = Instance::start().await;
    instance.order("o1", Some("u1"));
    settle(&mut instance, 0).await;
    let (_, body) = instance.ticket(&token(staff())).await;
    let ticket = body["token"].as_str().unwrap();
    let mut client = instance.connect(&format!("/ws?key={ticket}&cursor=&open=1")).await;
    let status = client.json().await;
    assert_ne!(status["cursor"], "-");
    instance.pizza("p0", 7, "u1");
    assert_eq!(client.json().await["data"]["uuid"], "p0");
    instance.stop().await;
}
