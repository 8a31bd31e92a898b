//! The demo, whole and in this process, on ports of the system's choice: its page, its people, and that each of
//! them receives what is theirs, from a real broker by way of real Avro.

use crate::support::{Client, PATIENCE, get};
use axum::http::StatusCode;
use dumbwaiter::app::AppFault;
use dumbwaiter::demo::{Demo, DemoFault, Settings};
use dumbwaiter::event::Catalog;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_tungstenite::connect_async;
use tokio_util::sync::CancellationToken;

fn settings(listen: &str) -> Settings {
    let catalog = Arc::new(Catalog::built_in());
    Settings { listen: listen.parse().unwrap(), rate: 25.0, seed: 1, catalog }
}

#[tokio::test]
async fn each_of_the_five_receives_what_is_theirs() {
    let demo = Demo::bind(settings("127.0.0.1:0")).unwrap();
    let (address, admin_address) = (demo.address(), demo.admin_address());
    let stop = CancellationToken::new();
    let running = tokio::spawn(demo.run(stop.clone()));
    wait_until_ready(admin_address).await;

    let people = people(address).await;
    let mut admin = socket_io(address, &people["admin"]).await;
    let mut first = socket_io(address, &people["customer"]).await;
    let mut second = socket_io(address, &people["other-customer"]).await;
    let mut screen = plain(address, &people["store"]).await;
    let (admin, first, second, screen) = tokio::join!(
        events(&mut admin, 60),
        events(&mut first, 8),
        events(&mut second, 8),
        events(&mut screen, 5)
    );

    let names: HashSet<&str> = admin.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, HashSet::from(["order:new", "order:condition"]));
    assert!(screen.iter().all(|(name, pizza)| name == "CREATE_PIZZA" && pizza["store_id"] == 7));
    let owners: HashMap<&str, &Value> =
        admin.iter().filter_map(|(_, order)| Some((id(order), order.get("clientId")?))).collect();
    for (events, owner) in [(&first, "4920737570657261646d696e"), (&second, "5f1d7ab26c0e4a3b9d2e8f10")] {
        for (name, order) in events {
            assert!(name == "order:condition" || order["clientId"] == owner, "{name} {order}");
            assert!(owners.get(id(order)).is_none_or(|known| *known == owner), "{name} {order}");
        }
    }
    let ids = |events: &[(String, Value)]| -> HashSet<String> {
        events.iter().map(|(_, order)| id(order).to_owned()).collect()
    };
    assert!(ids(&first).is_disjoint(&ids(&second)));

    stop.cancel();
    tokio::time::timeout(PATIENCE, running).await.expect("the demo ends").unwrap().unwrap();
}

#[tokio::test]
async fn the_page_is_served_with_all_that_it_asks_for() {
    let demo = Demo::bind(settings("127.0.0.1:0")).unwrap();
    let address = demo.address();
    let stop = CancellationToken::new();
    let running = tokio::spawn(demo.run(stop.clone()));
    let response = reqwest::get(format!("http://{address}/")).await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let mut waiting = vec![response.text().await.unwrap()];
    let mut seen = HashSet::new();
    while let Some(text) = waiting.pop() {
        for path in local_references(&text) {
            if seen.insert(path.clone()) {
                let (status, body) = get(&format!("http://{address}{path}")).await;
                assert_eq!(status, StatusCode::OK, "{path}");
                let is_script = path.ends_with(".js") && !path.ends_with(".min.js");
                waiting.extend(is_script.then_some(body));
            }
        }
    }
    assert!(seen.len() >= 14, "{seen:?}");
    stop.cancel();
    tokio::time::timeout(PATIENCE, running).await.expect("the demo ends").unwrap().unwrap();
}

#[tokio::test]
async fn a_demo_stays_on_loopback_and_tells_of_a_taken_port() {
    assert!(matches!(Demo::bind(settings("0.0.0.0:0")).err(), Some(DemoFault::NotLoopback(_))));
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let fault = Demo::bind(settings(&holder.local_addr().unwrap().to_string())).err();
    assert!(matches!(fault, Some(DemoFault::App(AppFault::Listen { .. }))), "{fault:?}");
}

/// A browser would let any page send these, and a name that points here read the answers.
#[tokio::test]
async fn only_the_demos_own_page_on_its_own_machine_has_its_buttons() {
    let demo = Demo::bind(settings("127.0.0.1:0")).unwrap();
    let address = demo.address();
    let stop = CancellationToken::new();
    let running = tokio::spawn(demo.run(stop.clone()));
    let press = async |method: &str, path: &str, headers: &[(&'static str, String)]| {
        let method = method.parse().unwrap();
        let request = reqwest::Client::new().request(method, format!("http://{address}{path}"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        request.send().await.unwrap().status()
    };
    let own = ("origin", format!("http://{address}"));
    let foreign = ("origin", "https://evil.example".to_owned());
    let rebound =
        [("host", "evil.example:8080".to_owned()), ("origin", "http://evil.example:8080".to_owned())];
    for path in ["/demo/order", "/demo/advance", "/demo/revoke?person=admin", "/demo/outage"] {
        assert_eq!(
            press("POST", path, std::slice::from_ref(&foreign)).await,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(press("POST", path, &rebound).await, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(press("GET", path, &[]).await, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(press("GET", "/demo/people", &rebound).await, StatusCode::FORBIDDEN);
    assert_eq!(press("GET", "/demo/people", &[]).await, StatusCode::OK);
    let opened = async {
        while press("POST", "/demo/order?for=customer", std::slice::from_ref(&own)).await != StatusCode::OK {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("the pizzeria opens");
    assert_eq!(press("POST", "/demo/order?for=nobody", &[]).await, StatusCode::BAD_REQUEST);
    assert_eq!(press("POST", "/demo/advance?order=none", &[]).await, StatusCode::CONFLICT);
    stop.cancel();
    tokio::time::timeout(PATIENCE, running).await.expect("the demo ends").unwrap().unwrap();
}

/// Paths of the page's own files: in the page's attributes, and in a script's imports. What a script asks for as it
/// runs is none.
fn local_references(text: &str) -> Vec<String> {
    let quoted = text.split('"').filter_map(|part| match part.strip_prefix("./") {
        Some(module) => Some(format!("/board/{module}")),
        None => (part.starts_with("/board/") && part != "/board/explained").then(|| part.to_owned()),
    });
    quoted.collect()
}

async fn wait_until_ready(admin: SocketAddr) {
    let ready = async {
        while get(&format!("http://{admin}/readyz")).await.0 != StatusCode::OK {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("the demo gets ready");
}

/// Everybody's token.
async fn people(address: SocketAddr) -> HashMap<String, String> {
    let people: Vec<Value> =
        reqwest::get(format!("http://{address}/demo/people")).await.unwrap().json().await.unwrap();
    let text = |person: &Value, name: &str| person[name].as_str().unwrap().to_owned();
    let tokens: HashMap<_, _> =
        people.iter().map(|person| (text(person, "id"), text(person, "token"))).collect();
    assert_eq!(tokens.len(), 5);
    tokens
}

async fn plain(address: SocketAddr, token: &str) -> Client {
    let request = reqwest::Client::new().get(format!("http://{address}/api/v1/ws/ticket")).bearer_auth(token);
    let body: Value = request.send().await.unwrap().json().await.unwrap();
    connect(&format!("ws://{address}/ws?key={}", body["token"].as_str().unwrap())).await
}

async fn socket_io(address: SocketAddr, token: &str) -> Client {
    let mut client = connect(&format!("ws://{address}/ws/?EIO=4&transport=websocket")).await;
    assert!(client.text().await.starts_with("0{"));
    client.send(&format!("40{}", json!({"token": token}))).await;
    assert!(client.text().await.starts_with("40{"));
    assert_eq!(client.text().await, r#"42["authorization:ok"]"#);
    client
}

async fn connect(url: &str) -> Client {
    Client(connect_async(url).await.expect("the upgrade is answered by 101").0)
}

/// Name and payload of the next so many events, of either protocol.
async fn events(client: &mut Client, count: usize) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while events.len() < count {
        let text = client.text().await;
        let event: Value = match text.strip_prefix("42") {
            Some(packet) => serde_json::from_str(packet).unwrap(),
            None if text == "2" => continue,
            None => {
                let message: Value = serde_json::from_str(&text).unwrap();
                json!([message["event_name"], message["data"]])
            }
        };
        events.push((event[0].as_str().unwrap().to_owned(), event[1].clone()));
    }
    events
}

fn id(order: &Value) -> &str {
    order["_id"].as_str().unwrap()
}
