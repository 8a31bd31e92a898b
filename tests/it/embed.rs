//! The example program that has the service inside it, `examples/embed`, as it stands there.

use futures_util::StreamExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;
use tokio::sync::oneshot;

#[allow(dead_code)]
#[path = "../../examples/embed/main.rs"]
mod example;

fn token(store_id: i64) -> String {
    let exp = super::support::now_ms() / 1_000 + 3_600;
    let claims = json!({"sub": "baker", "store_id": store_id, "exp": exp});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(example::SECRET.as_bytes())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_delivers_an_event_of_its_own() {
    let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
    let listeners = dumbwaiter::Listeners { clients: listen(), operators: listen() };
    let clients = listeners.clients.local_addr().unwrap();
    let operators = listeners.operators.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(example::watch_ovens(listeners, Duration::from_millis(20), shutdown));

    let first = async {
        while super::support::get(&format!("http://{operators}/readyz")).await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let asked = reqwest::Client::new().get(format!("http://{clients}/api/v1/ws/ticket"));
        let ticket: Value = asked.bearer_auth(token(7)).send().await.unwrap().json().await.unwrap();
        let url = format!("ws://{clients}/ws?key={}", ticket["token"].as_str().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    };
    let first = tokio::time::timeout(Duration::from_secs(30), first).await.expect("a reading in time");

    assert!(
        first.starts_with(r#"{"event_name":"oven:reading","data":{"oven":"stone","store_id":7,"degrees":3"#),
        "{first}"
    );
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), running).await.expect("it ends when asked");
    ended.unwrap().unwrap();
}
