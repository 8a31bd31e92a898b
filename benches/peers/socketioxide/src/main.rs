//! The service that one would write with socketioxide and rdkafka after the document: a room for each role and user, records
//! decoded by the fastest Avro crate there is. Settings come by environment: PORT, BROKERS, TOPIC, SCHEMA (the
//! writer's, a file), SECRET, BUFFER (packets that may wait for a client; what comes above is lost).

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::{ClientConfig, Message};
use serde::{Deserialize, Serialize};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use std::time::Duration;

mod order;
use order::Order;

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: String,
}

#[derive(Serialize)]
struct UserAuthorizationError {
    message: &'static str,
    code: u32,
    error: &'static str,
}

#[tokio::main]
async fn main() {
    let (layer, io) = SocketIo::builder()
        .req_path("/ws")
        .transports([socketioxide::TransportType::Websocket])
        .max_buffer_size(setting("BUFFER").parse().expect("BUFFER is a number"))
        .build_layer();
    let key = DecodingKey::from_secret(setting("SECRET").as_bytes());
    io.ns("/", async move |socket: SocketRef, Data(credentials): Data<Credentials>| {
        match jsonwebtoken::decode::<Claims>(&credentials.token, &key, &Validation::new(Algorithm::HS256)) {
            Ok(token) => {
                socket.join([format!("role:{}", token.claims.role), format!("user:{}", token.claims.sub)]);
                let _ = socket.emit("authorization:ok", &());
            }
            Err(_) => refuse(&socket),
        }
    });
    let listener = listen(setting("PORT").parse().expect("PORT is a number"));
    tokio::spawn(async move { deliver(&io).await });
    axum::serve(listener, axum::Router::new().layer(layer)).await.expect("the listener stays");
}

fn refuse(socket: &SocketRef) {
    let error = UserAuthorizationError { message: "Вы не авторизованы", code: 2000, error: "UserAuthorizationError" };
    let _ = socket.emit("authorization:error", &error);
    let _ = socket.clone().disconnect();
}

/// With the same backlog, and without delay, as every server here.
fn listen(port: u16) -> impl axum::serve::Listener<Io = tokio::net::TcpStream, Addr = std::net::SocketAddr> {
    use axum::serve::ListenerExt;
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an address to reuse");
    socket.bind(([127, 0, 0, 1], port).into()).expect("a free port");
    socket.listen(4_096).expect("a listener").tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    })
}

async fn deliver(io: &SocketIo) {
    let schema = std::fs::read_to_string(setting("SCHEMA")).expect("SCHEMA can be read");
    let schema: serde_avro_fast::Schema = schema.parse().expect("SCHEMA is a schema");
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", setting("BROKERS"))
        .set("group.id", format!("bench-socketioxide-{}", std::process::id()))
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[&setting("TOPIC")]).expect("a subscription");
    let mut is_ready = false;
    loop {
        if let Ok(received) = tokio::time::timeout(Duration::from_millis(100), consumer.recv()).await {
            let message = received.expect("a record");
            // Behind the magic byte and the schema's id.
            let Some(body) = message.payload().and_then(|payload| payload.get(5..)) else { continue };
            let order: Order<'_> = serde_avro_fast::from_datum_slice(body, &schema).expect("an order");
            let mut rooms = vec!["role:ADMIN".to_owned(), "role:WATCHER".to_owned()];
            rooms.extend(order.client_id.map(|owner| format!("user:{owner}")));
            let _ = io.to(rooms).emit("order:new", &order).await;
        }
        if !is_ready && consumer.assignment().is_ok_and(|partitions| partitions.count() > 0) {
            is_ready = true;
            println!("READY");
        }
    }
}

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}
