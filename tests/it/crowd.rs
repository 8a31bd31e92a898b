//! What one address and one user may cost: connections at a time, and requests. Addresses are those that a trusted
//! proxy names, since this machine's own are not limited.

use crate::revocation::{of_everybody, wait_for_revocations};
use crate::support::{Instance, token};
use axum::http::StatusCode;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

const SOCKET_IO: &str = "/ws/?EIO=4&transport=websocket";
const HERE: &str = "192.0.2.7";
const ELSEWHERE: &str = "192.0.2.8";

async fn start(settings: &[&str]) -> Instance {
    let settings: Vec<&str> = settings.iter().copied().chain(["web.trusted_proxies=127.0.0.1"]).collect();
    Instance::start_with(&settings).await
}

/// Opens a connection that the proxy forwards for an address; or the status and `Retry-After` of the refusal.
async fn open(
    instance: &Instance,
    path: &str,
    address: Option<&str>,
) -> Result<Socket, (StatusCode, String)> {
    let mut request = format!("ws://{}{path}", instance.address).into_client_request().unwrap();
    if let Some(address) = address {
        request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let wait = answer.headers().get("retry-after").expect("it says when to come back");
            Err((answer.status(), wait.to_str().unwrap().to_owned()))
        }
        Err(error) => panic!("{error}"),
    }
}

async fn ticket_status(instance: &Instance, token: &str, address: &str) -> StatusCode {
    let request = reqwest::Client::new().get(format!("http://{}/api/v1/ws/ticket", instance.address));
    request.bearer_auth(token).header("x-forwarded-for", address).send().await.unwrap().status()
}

async fn refused(instance: &Instance, reason: &str) -> f64 {
    instance.metric(&format!("dumbwaiter_connections_refused_total{{reason=\"{reason}\"}}")).await
}

#[track_caller]
fn check_refusal(refusal: Result<Socket, (StatusCode, String)>, expected: StatusCode) {
    let (status, wait) = refusal.map(drop).unwrap_err();
    assert_eq!(status, expected);
    assert!((1..=5).contains(&wait.parse::<u32>().unwrap()), "{wait}");
}

/// A bucket refills once a second, and a busy machine may take as long for one request: what is to be refused is so at
/// one of the next tries.
async fn is_refused_soon(mut status: impl AsyncFnMut() -> StatusCode) {
    for _ in 0..100 {
        if status().await == StatusCode::TOO_MANY_REQUESTS {
            return;
        }
    }
    panic!("never refused");
}

/// A place that was given back is there a moment later.
async fn open_again(instance: &Instance, address: Option<&str>) -> Socket {
    for _ in 0..500 {
        if let Ok(socket) = open(instance, SOCKET_IO, address).await {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a connection that has ended is free again");
}

#[tokio::test]
async fn connections_of_one_address_are_bounded() {
    let instance = start(&["web.connections_per_address=2"]).await;
    let mut held = vec![];
    for path in ["/ws?key=none", SOCKET_IO] {
        held.push(open(&instance, path, Some(HERE)).await.unwrap());
    }
    // The plain one had no ticket, and has gone by itself or will soon; the other stays.
    held.push(open_again(&instance, Some(HERE)).await);
    check_refusal(open(&instance, SOCKET_IO, Some(HERE)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused(&instance, "address_full").await >= 1.0);
    let elsewhere = open(&instance, SOCKET_IO, Some(ELSEWHERE)).await;
    assert!(elsewhere.is_ok());
    for _ in 0..5 {
        held.push(open(&instance, SOCKET_IO, None).await.expect("this machine itself is not limited"));
    }
    drop(held);
    drop(open_again(&instance, Some(HERE)).await);
    instance.stop().await;
}

#[tokio::test]
async fn connections_in_all_are_bounded() {
    let instance = start(&["web.connections_max=3"]).await;
    let mut held = vec![];
    for _ in 0..3 {
        held.push(open(&instance, SOCKET_IO, None).await.unwrap());
    }
    check_refusal(open(&instance, SOCKET_IO, None).await, StatusCode::SERVICE_UNAVAILABLE);
    check_refusal(open(&instance, "/ws?key=x", Some(HERE)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused(&instance, "full").await, 2.0);
    held.pop();
    drop(open_again(&instance, None).await);
    instance.stop().await;
}

#[tokio::test]
async fn connections_of_one_user_are_bounded_over_all_shards_and_protocols() {
    let instance = start(&["web.connections_per_user=3", "shard.threads=2"]).await;
    let ann = || json!({"sub": "ann", "role": "ADMIN"});
    let mut held =
        vec![instance.plain(ann()).await, instance.socket_io(ann()).await, instance.plain(ann()).await];

    let (_, body) = instance.ticket(&token(ann())).await;
    let mut plain = instance.connect(&format!("/ws?key={}", body["token"].as_str().unwrap())).await;
    assert_eq!(plain.close().await, (1013, "Try again later".to_owned()));
    let mut socket_io = instance.connect(SOCKET_IO).await;
    socket_io.text().await;
    socket_io.send(&format!("40{}", json!({"token": token(ann())}))).await;
    // It drops without a word against its token, so its library comes back.
    while let Some(message) = socket_io.next().await {
        let text = message.into_text().unwrap();
        assert!(!text.contains("authorization") && text != "41", "{text}");
    }
    assert_eq!(refused(&instance, "user_full").await, 2.0);

    instance.plain(json!({"sub": "bob", "role": "ADMIN"})).await;
    held.pop();
    for attempt in 0.. {
        let (_, body) = instance.ticket(&token(ann())).await;
        let mut plain = instance.connect(&format!("/ws?key={}", body["token"].as_str().unwrap())).await;
        let end = tokio::time::timeout(Duration::from_millis(100), plain.next()).await;
        if end.is_err() {
            break;
        }
        assert!(attempt < 100, "the place of a connection that has ended is free again");
    }
    instance.stop().await;
}

#[tokio::test]
async fn requests_of_one_address_are_bounded_by_kind() {
    let settings = ["web.handshakes_per_address=1", "web.tickets_per_address=1"];
    let instance = start(&settings).await;
    let good = token(json!({"role": "ADMIN"}));
    let start = Instant::now();
    let mut tickets = 0;
    while ticket_status(&instance, &good, HERE).await == StatusCode::OK {
        tickets += 1;
    }
    // A hundred at once, and one for each second that this has taken.
    let with_refill = |start: Instant| 100..=101 + start.elapsed().as_secs();
    assert!(with_refill(start).contains(&tickets), "{tickets}");
    is_refused_soon(async || ticket_status(&instance, &good, HERE).await).await;
    assert_eq!(ticket_status(&instance, &good, ELSEWHERE).await, StatusCode::OK);

    let start = Instant::now();
    let mut handshakes = 0;
    while open(&instance, SOCKET_IO, Some(HERE)).await.is_ok() {
        handshakes += 1;
    }
    assert!(with_refill(start).contains(&handshakes), "{handshakes}");
    assert!(open(&instance, SOCKET_IO, Some(ELSEWHERE)).await.is_ok());
    assert!(
        refused(&instance, "ticket_rate").await >= 2.0 && refused(&instance, "handshake_rate").await >= 1.0
    );
    instance.stop().await;
}

#[tokio::test]
async fn an_address_with_too_many_bad_keys_is_not_heard_for_a_while() {
    let instance = start(&["web.bad_keys_per_address=1"]).await;
    let good = token(json!({"role": "ADMIN"}));
    let start = Instant::now();
    let (mut wrong, mut refusal) = (0, None);
    while refusal.is_none() {
        wrong += 1;
        refusal = open(&instance, "/ws?key=wrong", Some(HERE)).await.err();
        assert_ne!(ticket_status(&instance, "nonsense", HERE).await, StatusCode::OK);
    }
    assert!((50..=51 + start.elapsed().as_secs()).contains(&wrong), "{wrong}");
    assert_eq!(refusal.map(|(status, _)| status), Some(StatusCode::TOO_MANY_REQUESTS));
    is_refused_soon(async || {
        ticket_status(&instance, "nonsense", HERE).await;
        ticket_status(&instance, &good, HERE).await
    })
    .await;
    assert_eq!(ticket_status(&instance, &good, ELSEWHERE).await, StatusCode::OK);
    assert!(refused(&instance, "bad_key_rate").await >= 2.0);
    instance.stop().await;
}

#[tokio::test]
async fn bad_tokens_of_socket_io_clients_are_bad_keys_wherever_they_stand() {
    let instance = start(&["web.bad_keys_per_address=1", "auth.query_token=true"]).await;
    let in_query = format!("{SOCKET_IO}&token=nonsense");
    let mut ways =
        [(SOCKET_IO, r#"40{"token":"nonsense"}"#), (&in_query, "40"), (SOCKET_IO, "40")].into_iter().cycle();
    let (start, mut wrong) = (Instant::now(), 0);
    let refusal = loop {
        let (path, connect) = ways.next().unwrap();
        let mut socket = match open(&instance, path, Some(HERE)).await {
            Ok(socket) => socket,
            Err((status, _)) => break status,
        };
        wrong += 1;
        socket.send(connect.into()).await.unwrap();
        while !socket.next().await.unwrap().unwrap().into_text().unwrap().contains("authorization:error") {}
    };
    assert_eq!(refusal, StatusCode::TOO_MANY_REQUESTS);
    assert!((100..=101 + start.elapsed().as_secs()).contains(&wrong), "{wrong}");
    assert!(open(&instance, SOCKET_IO, Some(ELSEWHERE)).await.is_ok());
    instance.stop().await;
}

#[tokio::test]
async fn revoked_logins_are_no_bad_keys_of_their_address() {
    let instance = start(&["web.bad_keys_per_address=1"]).await;
    let of = |number: u32| json!({"sub": format!("u{number}"), "role": "ADMIN", "iat": 1_000});
    let mut tickets = Vec::new();
    for number in 0..110 {
        tickets.push(instance.ticket(&token(of(number))).await.1["token"].as_str().unwrap().to_owned());
    }
    instance.revoke(of_everybody());
    wait_for_revocations(&instance, "revoked", 1.0).await;
    for (number, ticket) in tickets.iter().enumerate() {
        let mut socket =
            open(&instance, &format!("/ws?key={ticket}"), Some(HERE)).await.expect("no bad key so far");
        assert!(socket.next().await.unwrap().unwrap().is_close());
        let old = token(of(u32::try_from(number).unwrap()));
        assert_eq!(ticket_status(&instance, &old, HERE).await, StatusCode::UNAUTHORIZED);
        let mut socket = open(&instance, SOCKET_IO, Some(HERE)).await.expect("no bad key so far");
        socket.send(format!("40{}", json!({"token": old})).into()).await.unwrap();
        while !socket.next().await.unwrap().unwrap().into_text().unwrap().contains("authorization:error") {}
    }
    let issued = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let new = token(json!({"sub": "u0", "role": "ADMIN", "iat": issued}));
    assert_eq!(ticket_status(&instance, &new, HERE).await, StatusCode::OK);
    instance.stop().await;
}

#[tokio::test]
async fn what_a_stranger_says_of_whom_it_forwards_for_is_not_believed() {
    let settings = ["web.trusted_proxies=10.0.0.0/8", "web.connections_per_address=1"];
    let instance = Instance::start_with(&settings).await;
    let mut held = vec![];
    for _ in 0..3 {
        held.push(open(&instance, SOCKET_IO, Some(HERE)).await.expect("it counts as this machine"));
    }
    instance.stop().await;
}
