//! Tickets shared by a stand-in for Redis on the loopback address, which hangs up when told; `tests/e2e` has a real one.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::SystemTime;

use redis::{Parser, parse_redis_value};
use serde_json::json;

use super::super::{TicketFault, TicketSettings, Tickets, Unredeemed, probe_redis};
use super::*;
use crate::auth::Claims;
use crate::settings::Document;

/// What instances share: the values, and every connection that there was.
#[derive(Clone)]
struct StandIn {
    address: SocketAddr,
    values: Arc<Mutex<HashMap<String, String>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
}

impl StandIn {
    fn start() -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stand_in = StandIn { address, values: Arc::default(), connections: Arc::default() };
        let serving = stand_in.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.connections.lock().push(stream.try_clone().unwrap());
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        stand_in
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut parser = Parser::new();
        while let Ok(command) = parser.parse_value(&stream) {
            let words = Vec::<String>::from_redis_value(command).unwrap();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = stream.write_all(self.answer(&words).as_bytes());
        }
    }

    fn answer(&self, words: &[&str]) -> String {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let none = "$-1\r\n".to_owned();
        let mut values = self.values.lock();
        match words {
            ["SET", key, _, ..] if values.contains_key(*key) => none,
            ["SET", key, value, "NX", "PX", "60000"] => {
                values.insert((*key).to_owned(), (*value).to_owned());
                "+OK\r\n".to_owned()
            }
            ["GETDEL", key] => values.remove(*key).map_or(none, |value| bulk(&value)),
            ["INFO", "server"] => bulk("redis_version:7.0.15\r\n"),
            _ => "-ERR no such thing here\r\n".to_owned(),
        }
    }

    fn settings(&self) -> RedisSettings {
        let text = format!("[tickets]\nstore = \"redis\"\n[redis]\nurl = \"redis://{}\"", self.address);
        match TicketSettings::read(&mut Document::parse("dumbwaiter.toml", &text)) {
            TicketSettings::Redis(settings) => *settings,
            TicketSettings::Memory => panic!("redis is written"),
        }
    }

    /// Those of one instance.
    fn tickets(&self) -> Tickets {
        Tickets::open(TicketSettings::Redis(Box::new(self.settings())), Box::new(|_, _, _| {}))
    }

    fn hang_up(&self) {
        for connection in self.connections.lock().iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn connections(&self) -> usize {
        self.connections.lock().len()
    }
}

fn ann() -> Arc<Claims> {
    let values = json!({"sub": "ann"});
    Arc::new(Claims::new(values.as_object().unwrap().clone(), SystemTime::UNIX_EPOCH))
}

#[tokio::test]
async fn a_ticket_of_one_instance_is_redeemed_at_another_once() {
    let (redis, now) = (StandIn::start(), Instant::now());
    let (here, there) = (redis.tickets(), redis.tickets());
    let ticket = here.issue(ann(), now).await.unwrap();
    let stored_under: Vec<String> = redis.values.lock().keys().cloned().collect();
    assert_eq!(stored_under, [format!("dumbwaiter:ticket:{}", ticket.fingerprint())]);
    assert_eq!(there.redeem(ticket.as_str(), now).await, Ok(ann()));
    assert_eq!(here.redeem(ticket.as_str(), now).await, Err(Unredeemed::Unknown));
    assert_eq!(redis.connections(), 2);
    assert_eq!(probe_redis(redis.settings()).await, Ok(Some("7.0.15".to_owned())));
}

#[tokio::test]
async fn a_connection_that_broke_is_opened_again() {
    let (redis, now) = (StandIn::start(), Instant::now());
    let tickets = redis.tickets();
    let ticket = tickets.issue(ann(), now).await.unwrap();
    redis.hang_up();
    assert_eq!(tickets.redeem(ticket.as_str(), now).await, Ok(ann()));
    assert!(tickets.issue(ann(), now).await.is_ok());
    assert_eq!(redis.connections(), 2);
}

#[tokio::test]
async fn who_finds_a_connection_broken_leaves_its_successor() {
    let redis = StandIn::start();
    let client = Client::new(redis.settings(), Box::new(|_, _, _| {}));
    let first = client.open().await.unwrap().number;
    client.forget(first);
    let second = client.open().await.unwrap().number;
    client.forget(first);
    assert_eq!((client.open().await.unwrap().number, redis.connections()), (second, 2));
}

#[tokio::test]
async fn a_connection_that_refuses_is_kept() {
    let redis = StandIn::start();
    let client = Client::new(redis.settings(), Box::new(|_, _, _| {}));
    for _ in 0..2 {
        let refused: Result<(), _> = client.ask(&redis::cmd("NONSENSE")).await;
        assert_eq!(refused, Err(RedisFault::Refused("ERR".to_owned())));
    }
    assert_eq!(redis.connections(), 1);
}

#[tokio::test]
async fn what_redis_does_not_take_is_no_ticket() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tickets = StandIn { address: nobody, ..StandIn::start() }.tickets();
    assert_eq!(tickets.issue(ann(), Instant::now()).await, Err(TicketFault::StoreFailed));
    let redeemed = tickets.redeem(&"a".repeat(32), Instant::now()).await;
    assert_eq!(redeemed, Err(Unredeemed::StoreFailed));
}

/// What is counted for an answer of Redis, by the kind of what was asked for.
fn check<T: FromRedisValue>(answer: &str, expected: &str) {
    let value = parse_redis_value(answer.as_bytes()).and_then(redis::Value::extract_error);
    let outcome = value.and_then(|value| Ok(T::from_redis_value(value)?)).map_err(RedisFault::from);
    assert_eq!(outcome.as_ref().map_or_else(RedisFault::label, |_| "ok"), expected, "{answer}");
}

#[test]
fn each_answer_is_counted_by_what_is_to_be_done() {
    check::<Option<()>>("+OK\r\n", "ok");
    check::<Option<()>>("$-1\r\n", "ok");
    check::<Option<Claims>>("$-1\r\n", "ok");
    check::<Option<Claims>>("$30\r\n{\"v\":1,\"exp_ms\":1,\"claims\":{}}\r\n", "ok");
    check::<Option<Claims>>("$2\r\n{}\r\n", "unreadable");
    check::<Option<Claims>>(":7\r\n", "unreadable");
    check::<()>("-NOAUTH Authentication required.\r\n", "unauthorized");
    check::<()>("-WRONGPASS invalid username-password pair\r\n", "unauthorized");
    check::<()>("-NOPERM this user has no permissions to run the 'getdel' command\r\n", "not_permitted");
    check::<()>("-ERR unknown command `GETDEL`, with args beginning with: `k`\r\n", "too_old");
    check::<()>("-ERR syntax error\r\n", "refused");
    check::<()>("-OOM command not allowed when used memory > 'maxmemory'.\r\n", "refused");
    check::<()>("-READONLY You can't write against a read only replica.\r\n", "refused");
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    assert_eq!(RedisFault::from(RedisError::from(broken)).label(), "unreachable");
    assert_eq!([Command::Set, Command::GetDel].map(Command::label), ["set", "getdel"]);
}
