//! An instance in the test's own process, records put in by hand, and clients on real sockets.

use apache_avro::Schema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};

use axum::{Json, Router};
use dumbwaiter::app::{App, AppFault, Parts};
use dumbwaiter::consume::{ControlSource, MemoryPast, OwnedRecord, Past, Source, memory};
use dumbwaiter::dead_letter::DeadLetters;
use dumbwaiter::decode::{self, Registry, RegistrySettings, SchemaId, Writers, framing};
use dumbwaiter::event::{Catalog, OrderSettings};
use dumbwaiter::metrics::Metrics;
use dumbwaiter::produce::Encoder;
use dumbwaiter::settings::Document;
use dumbwaiter::shutdown::{self, Stop};
use dumbwaiter::{auth, backfill, board, journal, shard, web};
use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value as Json_, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Far beyond what any of this takes; a test that meets it has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

const SECRET: &str = "a secret of this test, long enough for HS256";

/// The writers' schemas of the tests, by id: those of the documents.
const SCHEMAS: [&str; 3] = [
    include_str!("../../schemas/pizza.avsc"),
    include_str!("../../schemas/populated_order.avsc"),
    include_str!("../../schemas/order_condition.avsc"),
];

pub struct Instance {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    records: mpsc::Sender<OwnedRecord>,
    control: mpsc::Sender<OwnedRecord>,
    /// What Kafka would still have when the window does not.
    pub past: MemoryPast,
    /// What was sent to the dead-letter topic.
    pub dead_letters: mpsc::Receiver<OwnedRecord>,
    next_offset: i64,
    /// Whether the registry answers.
    pub registry_up: Arc<AtomicBool>,
    stop: Stop,
    running: JoinHandle<Result<(), AppFault>>,
}

impl Instance {
    pub async fn start() -> Instance {
        Instance::start_with(&[]).await
    }

    /// `settings` are lines of `section.key=value`.
    pub async fn start_with(settings: &[&str]) -> Instance {
        Instance::start_in(settings, Vec::new(), false).await
    }

    /// With records that are in the control topic from the start.
    pub async fn start_revoking(settings: &[&str], revocations: Vec<OwnedRecord>) -> Instance {
        Instance::start_in(settings, revocations, false).await
    }

    /// One that can read what has left the window, from `past`.
    pub async fn start_with_past(settings: &[&str]) -> Instance {
        Instance::start_in(settings, Vec::new(), true).await
    }

    /// One that runs as soon as the test waits for anything: what is put in before is there at its start.
    pub async fn begin() -> Instance {
        Instance::begin_in(&[], Vec::new(), false).await
    }

    async fn start_in(settings: &[&str], revocations: Vec<OwnedRecord>, has_past: bool) -> Instance {
        let instance = Instance::begin_in(settings, revocations, has_past).await;
        instance.wait_until_ready().await;
        instance
    }

    async fn begin_in(settings: &[&str], revocations: Vec<OwnedRecord>, has_past: bool) -> Instance {
        let (control, control_records) = mpsc::channel();
        revocations.into_iter().for_each(|record| control.send(record).unwrap());
        let registry_up = Arc::new(AtomicBool::new(true));
        let registry = start_registry(Arc::clone(&registry_up)).await;
        let secret = [("DUMBWAITER_AUTH__SECRET".to_owned(), SECRET.to_owned())].into();
        let mut overrides = vec![
            format!("registry.urls=http://{registry}"),
            "web.listen=127.0.0.1:0".to_owned(),
            "web.admin_listen=127.0.0.1:0".to_owned(),
            "shutdown.grace=0s".to_owned(),
            "shutdown.drain=0s".to_owned(),
        ];
        overrides.extend(settings.iter().map(|&line| line.to_owned()));
        let mut document = Document::empty().with_environment(&secret).with_overrides(&overrides);
        let (records, source) = memory();
        let past = MemoryPast::default();
        let metrics = Metrics::new();
        let registry_settings = RegistrySettings::read(&mut document);
        let registry = Registry::new(registry_settings, tokio::runtime::Handle::current(), Box::new(|_| {}));
        let catalog = Catalog::built_in();
        let named = catalog.events().iter().map(|event| Arc::clone(&event.writer));
        let registry = Some(registry.expect("the address is good"));
        let writers = Writers::open(&decode::Settings::default(), named, registry);
        let writers = writers.expect("there is no folder to read");
        let (letters, dead_letters) = mpsc::channel();
        let parts = Parts {
            source: Source::Memory(source),
            control: ControlSource::memory(control_records),
            past: has_past.then(|| Past::Memory(past.clone())),
            dead_letters: DeadLetters::Memory(letters),
            writers,
            catalog: Arc::new(catalog),
            orders: OrderSettings::read(&mut document),
            auth: auth::Settings::read(&mut document),
            journal: journal::Settings::read(&mut document),
            backfill: backfill::Settings::read(&mut document),
            shard: shard::Settings::read(&mut document),
            web: web::Settings::read(&mut document),
            board: board::Settings::read(&mut document),
            shutdown: shutdown::Settings::read(&mut document),
            pages: Router::new(),
            metrics,
        };
        document.finish().expect("the settings of this test are good");
        let app = App::bind(parts).expect("ports are free");
        let (address, admin) = (app.address(), app.admin_address());
        let stop = Stop::default();
        let running = tokio::spawn(app.run(stop.clone()));
        Instance {
            address,
            admin,
            records,
            past,
            control,
            dead_letters,
            next_offset: 0,
            registry_up,
            stop,
            running,
        }
    }

    pub async fn wait_until_ready(&self) {
        let ready = async {
            while get(&format!("http://{}/readyz", self.admin)).await.0 != StatusCode::OK {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("the instance gets ready");
    }

    /// As the first SIGTERM does.
    pub fn ask_to_stop(&self) {
        self.stop.ask();
    }

    /// Ends the instance, at once if it was asked to stop before.
    pub async fn stop(self) {
        self.stop.ask();
        self.ended().await;
    }

    /// After it was asked to stop.
    pub async fn ended(self) {
        let ended = tokio::time::timeout(PATIENCE, self.running).await.expect("the instance ends");
        ended.expect("no panic").expect("no fault");
    }

    pub fn pizza(&mut self, uuid: &str, store_id: i64, user: &str) {
        self.put_bytes("pizza.created", Some(avro(0, pizza(uuid, store_id, user))));
    }

    /// The documented example under another id, of a client or of a guest.
    pub fn order(&mut self, id: &str, client: Option<&str>) {
        let value = framing::join(SchemaId(1), &order_body(id, client));
        self.put_bytes("order.created", Some(value));
    }

    /// One with a Kafka timestamp of the test's choice.
    pub fn pizza_of(&mut self, uuid: &str, store_id: i64, timestamp_ms: i64) {
        let value = Some(avro(0, pizza(uuid, store_id, "u1")));
        let (topic, timestamp_ms) = ("pizza.created".to_owned(), Some(timestamp_ms));
        self.put_record(OwnedRecord { topic, timestamp_ms, value, ..OwnedRecord::default() });
    }

    pub fn condition(&mut self, id: &str, condition: &str) {
        let fields = [("_id", id), ("condition", condition)];
        let value = Value::Record(fields.map(|(name, text)| (name.to_owned(), text.into())).to_vec());
        self.put_bytes("order.condition", Some(avro(2, value)));
    }

    /// A pizza at a place in Kafka of the test's choice, so that instances can share a cluster.
    pub fn pizza_at(&mut self, partition: i32, offset: i64, uuid: &str) {
        let (topic, value) = ("pizza.created".to_owned(), Some(avro(0, pizza(uuid, 7, "u1"))));
        self.send(OwnedRecord { topic, partition, offset, value, ..OwnedRecord::default() });
    }

    pub fn put_bytes(&mut self, topic: &str, value: Option<Vec<u8>>) {
        self.put_record(OwnedRecord { topic: topic.to_owned(), value, ..OwnedRecord::default() });
    }

    /// A record of the control topic.
    pub fn revoke(&self, record: OwnedRecord) {
        self.control.send(record).unwrap();
    }

    /// A record at the next offset.
    pub fn put_record(&mut self, record: OwnedRecord) {
        self.send(OwnedRecord { offset: self.next_offset, ..record });
        self.next_offset += 1;
    }

    fn send(&self, record: OwnedRecord) {
        let timestamp_ms = Some(record.timestamp_ms.unwrap_or_else(now_ms));
        let record = OwnedRecord { timestamp_ms, ..record };
        self.past.push(record.clone());
        self.records.send(record).unwrap();
    }

    /// The value of a metric, its labels written as on the page.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, page) = get(&format!("http://{}/metrics", self.admin)).await;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    pub async fn ticket(&self, token: &str) -> (StatusCode, Json_) {
        let request = reqwest::Client::new().get(format!("http://{}/api/v1/ws/ticket", self.address));
        let response = request.bearer_auth(token).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// A plain client with a ticket of its own.
    pub async fn plain(&self, claims: Json_) -> Client {
        let (_, body) = self.ticket(&token(claims)).await;
        let mut client =
            self.connect(&format!("/ws?key={}", body["token"].as_str().expect("a ticket"))).await;
        // The 101 comes before the shard has the socket; only the shard answers a ping.
        client.0.send(Message::Ping(Vec::new().into())).await.unwrap();
        while !matches!(client.next().await, Some(Message::Pong(_))) {}
        client
    }

    /// A Socket.IO client, authorized.
    pub async fn socket_io(&self, claims: Json_) -> Client {
        self.socket_io_at("/ws/?EIO=4&transport=websocket", claims).await
    }

    pub async fn socket_io_at(&self, path: &str, claims: Json_) -> Client {
        let mut client = self.connect(path).await;
        assert!(client.text().await.starts_with("0{"));
        client.send(&format!("40{}", json!({"token": token(claims)}))).await;
        assert!(client.text().await.starts_with("40{"));
        assert_eq!(client.text().await, r#"42["authorization:ok"]"#);
        client
    }

    /// A plain client that asks for cursors, from `cursor` on if that is not empty; and what `STATUS` told it.
    pub async fn resuming(&self, claims: Json_, cursor: &str) -> (Client, Json_) {
        let (_, body) = self.ticket(&token(claims)).await;
        let ticket = body["token"].as_str().expect("a ticket");
        let mut client = self.connect(&format!("/ws?key={ticket}&cursor={cursor}")).await;
        let status = client.json().await;
        assert_eq!(status["event_name"], "STATUS");
        (client, status)
    }

    pub async fn connect(&self, path: &str) -> Client {
        self.connect_with(path, &[]).await
    }

    pub async fn connect_with(&self, path: &str, headers: &[(&str, &str)]) -> Client {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        Client(connect_async(request).await.expect("the upgrade is answered by 101").0)
    }
}

pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next message of any kind but pings; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time")? {
                Ok(Message::Ping(_)) => {}
                Ok(message) => return Some(message),
                Err(_) => return None,
            }
        }
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected a text message, got {other:?}"),
        }
    }

    pub async fn json(&mut self) -> Json_ {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Code and reason of the Close frame that must come next.
    pub async fn close(&mut self) -> (u16, String) {
        match self.next().await {
            Some(Message::Close(Some(frame))) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("expected a Close frame, got {other:?}"),
        }
    }
}

pub fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A token of the test's issuer; `exp` is an hour from now unless the claims have one.
pub fn token(mut claims: Json_) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let fields = claims.as_object_mut().unwrap();
    fields.entry("exp").or_insert(json!(now + 3_600));
    fields.entry("sub").or_insert(json!("somebody"));
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

pub async fn get(url: &str) -> (StatusCode, String) {
    let response = reqwest::get(url).await.unwrap();
    (response.status(), response.text().await.unwrap())
}

/// A record's value in the Confluent wire format.
fn avro(schema: usize, value: Value) -> Vec<u8> {
    framing::join(SchemaId(u32::try_from(schema).unwrap()), &body(schema, value))
}

/// The Avro body of a pizza, without anything that names its schema.
pub fn pizza_body(uuid: &str, store_id: i64, user: &str) -> Vec<u8> {
    body(0, pizza(uuid, store_id, user))
}

fn order_body(id: &str, client: Option<&str>) -> Vec<u8> {
    let document = include_str!("../../docs/contract/socket-io.md");
    let examples = document.split("```json").filter_map(|rest| rest.split("```").next());
    let example = examples.filter_map(|example| serde_json::from_str::<Json_>(example).ok());
    let mut order = example.into_iter().find(|example| example.get("products").is_some()).expect("an order");
    order["_id"] = json!(id);
    order["clientId"] = json!(client);
    Encoder::parse(SCHEMAS[1], &[]).unwrap().encode(&order).unwrap()
}

fn body(schema: usize, value: Value) -> Vec<u8> {
    let schema = Schema::parse_str(SCHEMAS[schema]).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

fn pizza(uuid: &str, store_id: i64, user: &str) -> Value {
    let time = Value::Union(0, Box::new(Value::TimestampMicros(1_521_744_995_176_577)));
    let fields = vec![
        ("uuid", uuid.into()),
        ("name", "Маргарита".into()),
        ("store_id", store_id.into()),
        ("user_uuid", user.into()),
        ("size", 30_i64.into()),
        ("accepted", false.into()),
        ("price", 149.5.into()),
        ("description", Value::Union(0, Box::new(Value::Null))),
        ("img_url", "/img/1.png".into()),
        ("created_date", time.clone()),
        ("time_prepared", time),
    ];
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The documented JSON of `pizza`.
pub fn pizza_message(uuid: &str, store_id: i64, user: &str) -> String {
    format!(
        r#"{{"event_name":"CREATE_PIZZA","data":{{"uuid":"{uuid}","name":"Маргарита","store_id":{store_id},"user_uuid":"{user}","size":30,"accepted":false,"price":149.5,"description":null,"img_url":"/img/1.png","created_date":"2018-03-22T18:56:35.176577Z","time_prepared":"2018-03-22T18:56:35.176577Z"}}}}"#
    )
}

async fn start_registry(is_up: Arc<AtomicBool>) -> SocketAddr {
    async fn schema(
        State(is_up): State<Arc<AtomicBool>>,
        Path(id): Path<usize>,
    ) -> (StatusCode, Json<Json_>) {
        if !is_up.load(Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
        }
        match SCHEMAS.get(id) {
            Some(schema) => (StatusCode::OK, Json(json!({"schema": schema}))),
            None => {
                (StatusCode::NOT_FOUND, Json(json!({"error_code": 40403, "message": "Schema not found"})))
            }
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/schemas/ids/{id}", axum::routing::get(schema)).with_state(is_up);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
