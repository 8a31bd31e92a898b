//! Going down: unready at once, a grace, then connections are ended spread out over the drain time, and until it ends
//! each one gets its events.

use crate::support::{Client, Instance, get, pizza_message, token};
use reqwest::StatusCode;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

async fn plain_clients(instance: &Instance, count: usize) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(instance.plain(json!({"role": "ADMIN"})).await);
    }
    clients
}

async fn wait_until_unready(instance: &Instance) -> String {
    loop {
        let (status, body) = get(&format!("http://{}/readyz", instance.admin)).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return body;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn in_the_grace_new_clients_are_sent_elsewhere_and_old_ones_served() {
    let mut instance = Instance::start_with(&["shutdown.grace=10m"]).await;
    let mut client = instance.plain(json!({"role": "ADMIN"})).await;
    instance.ask_to_stop();
    let body = wait_until_unready(&instance).await;
    assert!(body.contains("shutdown: stopping"), "{body}");

    let request = reqwest::Client::new().get(format!("http://{}/api/v1/ws/ticket", instance.address));
    let no_ticket = request.bearer_auth(token(json!({}))).send().await.unwrap();
    let no_upgrade =
        reqwest::get(format!("http://{}/ws?EIO=4&transport=websocket", instance.address)).await.unwrap();
    for answer in [no_ticket, no_upgrade] {
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds), "{seconds}");
    }
    instance.pizza("p1", 7, "u1");
    assert_eq!(client.text().await, pizza_message("p1", 7, "u1"));
    assert_eq!(get(&format!("http://{}/livez", instance.admin)).await.0, StatusCode::OK);

    instance.stop().await;
    assert_eq!(client.close().await, (1012, "Service restart".to_owned()), "the second time is at once");
}

#[tokio::test]
async fn connections_end_one_after_the_other_and_get_their_events_until_then() {
    const CLIENTS: usize = 40;
    let mut instance = Instance::start_with(&["shutdown.drain=4s"]).await;
    let clients = plain_clients(&instance, CLIENTS).await;
    let begun = Instant::now();
    instance.ask_to_stop();
    let watching: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut events = 0;
                loop {
                    match client.next().await {
                        Some(Message::Text(_)) => events += 1,
                        Some(Message::Close(frame)) => {
                            return (events, begun.elapsed(), frame.map(|frame| u16::from(frame.code)));
                        }
                        other => panic!("unexpected: {other:?}"),
                    }
                }
            })
        })
        .collect();
    for number in 0..20 {
        instance.pizza(&format!("p{number}"), 7, "u1");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut ends = Vec::new();
    for (place, watched) in watching.into_iter().enumerate() {
        let (events, after, code) = watched.await.unwrap();
        assert_eq!(code, Some(1012));
        ends.push((after, place, events));
    }
    ends.sort_unstable();
    // With slack for a busy machine: an even share of half the time is 20.
    let early = ends.iter().filter(|(after, ..)| *after < Duration::from_secs(2)).count();
    assert!((10..=30).contains(&early), "{ends:?}");
    assert!(!ends.iter().map(|(_, place, _)| *place).is_sorted(), "in random order");
    let (first, last) = (ends[0], ends[CLIENTS - 1]);
    assert!(first.2 < last.2 && last.2 == 20, "who stays longer gets more: {ends:?}");
    instance.ended().await;
}
