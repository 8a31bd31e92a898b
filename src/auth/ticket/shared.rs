//! Tickets in Redis: what is stored under which key, and how it is read again at another instance.
//!
//! ```text
//! SET <key_prefix><sha-256 of the ticket, hex> {"v":1,"exp_ms":1790000000000,"claims":{..}} NX PX 60000
//! GETDEL <key_prefix><sha-256 of the ticket, hex>
//! ```
//!
//! Redis never holds what could be redeemed, and forgets by its own clock. GETDEL is atomic, so one ticket has one
//! winner at however many instances it is brought. What is stored is what was verified, not what it entitles
//! to: the catalog of the instance that redeems decides on the keys.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Cmd, FromRedisValue, ParsingError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::Claims;
use super::redis::{Client, Command, Observer, RedisFault};
use super::{RedisSettings, TicketKey, Unredeemed};
use crate::clock::since_epoch_ms;
use crate::limits;

const TTL_MS: u64 = limits::TICKET_TTL.as_secs() * 1_000;

/// A value of another version is of another release, and not guessed at.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Stored<'c> {
    v: u8,
    /// When the claims end to hold, in milliseconds since 1970.
    exp_ms: u64,
    claims: Cow<'c, Map<String, Value>>,
}

pub(super) struct Shared {
    client: Client,
    key_prefix: String,
}

impl Shared {
    pub fn new(settings: RedisSettings, observer: Observer) -> Shared {
        Shared { key_prefix: settings.key_prefix.clone(), client: Client::new(settings, observer) }
    }

    /// Stores it; none if that failed. What is there already is never overwritten, and counts as a failure: it is
    /// this very ticket, sent again when a connection broke, or a random source that repeats itself.
    pub async fn insert(&self, key: &TicketKey, claims: &Claims) -> Option<()> {
        let set = set(&self.stored_under(key), claims);
        self.client.request(Command::Set, &set).await.ok()?
    }

    pub async fn remove(&self, key: &TicketKey) -> Result<Arc<Claims>, Unredeemed> {
        let get = get_del(&self.stored_under(key));
        let stored: Result<Option<Claims>, _> = self.client.request(Command::GetDel, &get).await;
        stored.map_err(|_| Unredeemed::StoreFailed)?.map(Arc::new).ok_or(Unredeemed::Unknown)
    }

    fn stored_under(&self, key: &TicketKey) -> String {
        format!("{}{}", self.key_prefix, key.fingerprint())
    }
}

/// Asks Redis for a ticket that nobody has, by the very command that redeems; gives Redis' version, where the
/// user may ask for that.
pub async fn probe(settings: RedisSettings) -> Result<Option<String>, RedisFault> {
    let made_up = format!("{}{}", settings.key_prefix, "probe");
    let client = Client::new(settings, Box::new(|_, _, _| {}));
    let _: Option<Vec<u8>> = client.ask(&get_del(&made_up)).await?;
    let about: Result<String, _> = client.ask(redis::cmd("INFO").arg("server")).await;
    Ok(about.ok().and_then(|about| version(&about)))
}

fn set(key: &str, claims: &Claims) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(encode(claims)).arg("NX").arg("PX").arg(TTL_MS);
    command
}

fn get_del(key: &str) -> Cmd {
    let mut command = redis::cmd("GETDEL");
    command.arg(key);
    command
}

fn version(about: &str) -> Option<String> {
    about.lines().find_map(|line| line.strip_prefix("redis_version:")).map(|text| text.trim().to_owned())
}

fn encode(claims: &Claims) -> Vec<u8> {
    let exp_ms = since_epoch_ms(claims.expires_at());
    let stored = Stored { v: VERSION, exp_ms, claims: Cow::Borrowed(claims.values()) };
    serde_json::to_vec(&stored).expect("claims came from JSON")
}

/// So that a value which is no ticket counts as a failed request.
impl FromRedisValue for Claims {
    fn from_redis_value(value: redis::Value) -> Result<Claims, ParsingError> {
        let bytes = Vec::<u8>::from_redis_value(value)?;
        decode(&bytes).ok_or_else(|| "no ticket of this version".into())
    }
}

fn decode(bytes: &[u8]) -> Option<Claims> {
    let stored: Stored<'_> = serde_json::from_slice(bytes).ok()?;
    let expires_at: SystemTime = UNIX_EPOCH.checked_add(Duration::from_millis(stored.exp_ms))?;
    (stored.v == VERSION).then(|| Claims::new(stored.claims.into_owned(), expires_at))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use redis::{Arg, Cmd};
    use serde_json::{Map, json};

    use super::{decode, encode, get_del, set, version};
    use crate::auth::Claims;

    #[test]
    fn claims_are_the_same_at_the_other_instance() {
        let values = json!({"sub": "42", "role": ["ADMIN", "WATCHER"], "store_id": 7, "exp": 1790000000.5});
        let expires_at = UNIX_EPOCH + Duration::from_millis(1_790_000_000_500);
        let claims = Claims::new(values.as_object().unwrap().clone(), expires_at);
        let stored = encode(&claims);
        assert_eq!(
            String::from_utf8(stored.clone()).unwrap(),
            r#"{"v":1,"exp_ms":1790000000500,"claims":{"sub":"42","role":["ADMIN","WATCHER"],"store_id":7,"exp":1790000000.5}}"#
        );
        assert!(decode(&stored) == Some(claims));
    }

    #[test]
    fn what_is_not_a_ticket_of_this_version_is_not_guessed_at() {
        for bytes in [
            &b""[..],
            b"x",
            b"{}",
            br#"{"v":2,"exp_ms":1,"claims":{}}"#,
            br#"{"v":1,"exp_ms":-1,"claims":{}}"#,
            br#"{"v":1,"exp_ms":1,"claims":[]}"#,
            br#"{"v":1,"claims":{}}"#,
        ] {
            assert!(decode(bytes).is_none(), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(decode(br#"{"v":1,"exp_ms":1,"claims":{}}"#).is_some());
    }

    #[test]
    fn a_ticket_is_set_once_for_a_minute_and_taken_by_one() {
        let check = |command: &Cmd, expected: &[&str]| {
            let words = command.args_iter().map(|word| match word {
                Arg::Simple(bytes) => str::from_utf8(bytes).unwrap(),
                _ => panic!("a cursor"),
            });
            assert_eq!(words.collect::<Vec<_>>(), expected);
        };
        let claims = Claims::new(Map::new(), UNIX_EPOCH);
        check(&set("k", &claims), &["SET", "k", r#"{"v":1,"exp_ms":0,"claims":{}}"#, "NX", "PX", "60000"]);
        check(&get_del("k"), &["GETDEL", "k"]);
    }

    #[test]
    fn redis_says_its_version() {
        let about = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(version(about).as_deref(), Some("7.0.15"));
        assert_eq!(version(""), None);
    }
}
