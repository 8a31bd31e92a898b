//! The example programs that have the service inside them, `examples/embed` and `examples/screens`, as they stand there.

use futures_util::StreamExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

// Both have the ovens.
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../examples/embed/main.rs"]
mod example;

#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../examples/screens/main.rs"]
mod screens;

const PATIENCE: Duration = Duration::from_secs(30);
const READING: &str = r#"{"event_name":"oven:reading","data":{"oven":"stone","store_id":7,"degrees":3"#;

/// An example that runs, measuring often.
struct Running {
    clients: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), dumbwaiter::RunFault>>,
}

impl Running {
    async fn start<F>(
        example: impl FnOnce(dumbwaiter::Listeners, Duration, Box<dyn Future<Output = ()> + Send + Unpin>) -> F,
    ) -> Running
    where
        F: Future<Output = Result<(), dumbwaiter::RunFault>> + Send + 'static,
    {
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners = dumbwaiter::Listeners { clients: listen(), operators: listen() };
        let clients = listeners.clients.local_addr().unwrap();
        let operators = listeners.operators.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = Box::new(Box::pin(async {
            let _ = stopped.await;
        }));
        let running = tokio::spawn(example(listeners, Duration::from_millis(20), shutdown));
        let ready = async {
            while super::support::get(&format!("http://{operators}/readyz")).await.0 != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("it gets ready");
        Running { clients, stop, running }
    }

    /// The ticket for whoever brings this token, or the status of the refusal.
    async fn ticket(&self, token: &str) -> Result<String, u16> {
        let asked = reqwest::Client::new().get(format!("http://{}/api/v1/ws/ticket", self.clients));
        let answer = asked.bearer_auth(token).send().await.unwrap();
        if answer.status() != 200 {
            return Err(answer.status().as_u16());
        }
        let answer: Value = answer.json().await.unwrap();
        Ok(answer["token"].as_str().unwrap().to_owned())
    }

    async fn first_message(&self, token: &str) -> String {
        let ticket = self.ticket(token).await.unwrap();
        let url = format!("ws://{}/ws?key={ticket}", self.clients);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let first = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a reading in time");
        first.unwrap().unwrap().into_text().unwrap().to_string()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.running).await.expect("it ends when asked");
        ended.unwrap().unwrap();
    }
}

fn token(store_id: i64) -> String {
    let exp = super::support::now_ms() / 1_000 + 3_600;
    let claims = json!({"sub": "baker", "store_id": store_id, "exp": exp});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(example::SECRET.as_bytes())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_delivers_an_event_of_its_own() {
    let program = Running::start(example::watch_ovens).await;
    let first = program.first_message(&token(7)).await;
    assert!(first.starts_with(READING), "{first}");
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_judges_tokens_itself() {
    let paired = Arc::new(screens::Screens::default());
    let program = {
        let paired = Arc::clone(&paired);
        Running::start(|listeners, pause, shutdown| screens::show_ovens(paired, listeners, pause, shutdown))
            .await
    };
    let code = paired.pair("wall", 7);
    let first = program.first_message(&code).await;
    assert!(first.starts_with(READING), "{first}");
    assert_eq!(program.ticket(&token(7)).await, Err(401), "a JWT is nothing to it");
    paired.unpair(&code);
    assert_eq!(program.ticket(&code).await, Err(401));
    program.stop().await;
}

#[test]
fn beside_an_own_authenticator_keys_are_a_fault() {
    let paired = Arc::new(screens::Screens::default());
    let secret = [("DUMBWAITER_AUTH__SECRET".to_owned(), "x".repeat(32))].into();
    let fault = dumbwaiter::Config::load_with(paired, None, &secret, &[]).err().unwrap().to_string();
    assert!(fault.contains("in auth.secret: or another key is written"), "{fault}");
}
