//! The five people of the page, and `GET /demo/people`, which gives each a token; `GET /demo/token?of=store` one.
//!
//! The tokens are real ones, signed with a secret that is random per start and verified as any other; handing
//! them out to whoever asks is what only a demo on loopback may do. They live for an hour: when one expires the
//! connection ends, and the page asks for the next, as a real client would.

use super::menu::{EVDOKIM, MARFA, STORE};
use crate::auth::{KeyFault, Verifier, VerifyingKey};
use crate::event::Catalog;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a token is valid.
pub(super) const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);

/// Signs tokens with a secret of its own.
#[derive(Clone)]
pub(super) struct Issuer {
    signing_key: EncodingKey,
}

impl Issuer {
    /// An issuer, and the key by which its tokens are verified.
    pub fn new() -> Result<(Issuer, VerifyingKey), KeyFault> {
        let secret = uuid::Uuid::new_v4().simple().to_string() + &uuid::Uuid::new_v4().simple().to_string();
        let issuer = Issuer { signing_key: EncodingKey::from_secret(secret.as_bytes()) };
        Ok((issuer, VerifyingKey::from_secret(Algorithm::HS256, &secret)?))
    }

    fn sign(&self, mut claims: Map<String, Value>, now: SystemTime) -> Option<String> {
        let issued_at = now.duration_since(UNIX_EPOCH).ok()?;
        claims.insert("iat".to_owned(), issued_at.as_secs().into());
        claims.insert("exp".to_owned(), (issued_at + TOKEN_LIFETIME).as_secs().into());
        jsonwebtoken::encode(&Header::default(), &claims, &self.signing_key).ok()
    }
}

/// What the handler needs; cheap to clone.
#[derive(Clone)]
pub(super) struct Desk {
    issuer: Issuer,
    verifier: Arc<Verifier>,
    catalog: Arc<Catalog>,
}

impl Desk {
    pub fn new(issuer: Issuer, verifier: Verifier, catalog: Arc<Catalog>) -> Desk {
        Desk { issuer, verifier: Arc::new(verifier), catalog }
    }

    /// The keys that the service grants to whoever brings this token.
    fn keys(&self, token: &str, now: SystemTime) -> Option<Vec<String>> {
        let claims = self.verifier.verify(token, now).ok()?;
        let keys = self.catalog.grants().keys_of(&claims);
        Some(keys.iter().map(|key| key.as_str().to_owned()).collect())
    }
}

/// Whose logins a person's are.
pub(super) fn subject(id: &str) -> Option<String> {
    let claims = PEOPLE.iter().find(|person| person.id == id).map(|person| (person.claims)())?;
    claims["sub"].as_str().map(str::to_owned)
}

pub(super) async fn people(State(desk): State<Desk>) -> Response {
    let now = SystemTime::now();
    let passes: Vec<Pass> = PEOPLE.iter().filter_map(|person| person.pass(&desk, now)).collect();
    ([(CACHE_CONTROL, "no-store")], Json(passes)).into_response()
}

#[derive(Deserialize)]
pub(super) struct Whose {
    of: String,
}

pub(super) async fn token(State(desk): State<Desk>, Query(whose): Query<Whose>) -> Response {
    let person = PEOPLE.iter().find(|person| person.id == whose.of);
    let Some(pass) = person.and_then(|person| person.pass(&desk, SystemTime::now())) else {
        let names = PEOPLE.map(|person| person.id).join(", ");
        return (StatusCode::NOT_FOUND, format!("of={} is none of {names}\n", whose.of)).into_response();
    };
    ([(CACHE_CONTROL, "no-store")], pass.token).into_response()
}

struct Person {
    id: &'static str,
    name: &'static str,
    /// What they are in the pizzeria.
    is: &'static str,
    /// The client protocols by which the page connects for them.
    clients: &'static [&'static str],
    claims: fn() -> Value,
}

const PEOPLE: [Person; 5] = [
    Person {
        id: "admin",
        name: "Антонина",
        is: "admin",
        clients: &["socketio", "plain"],
        claims: || json!({"sub": "antonina", "role": "ADMIN"}),
    },
    Person {
        id: "watcher",
        name: "Пётр",
        is: "watcher",
        clients: &["socketio"],
        claims: || json!({"sub": "petr", "role": "WATCHER"}),
    },
    Person {
        id: "customer",
        name: EVDOKIM.name,
        is: "customer",
        clients: &["socketio"],
        claims: || json!({"sub": EVDOKIM.id, "role": "CUSTOMER"}),
    },
    Person {
        id: "other-customer",
        name: MARFA.name,
        is: "another customer",
        clients: &["socketio"],
        claims: || json!({"sub": MARFA.id, "role": "CUSTOMER"}),
    },
    Person {
        id: "store",
        name: "Экран на кухне",
        is: "store 7’s screen",
        clients: &["plain"],
        claims: || json!({"sub": "screen-7", "store_id": STORE}),
    },
];

/// One element of the answer.
#[derive(Serialize)]
struct Pass {
    id: &'static str,
    name: &'static str,
    is: &'static str,
    clients: &'static [&'static str],
    /// What decides which events arrive.
    keys: Vec<String>,
    token: String,
}

impl Person {
    fn pass(&self, desk: &Desk, now: SystemTime) -> Option<Pass> {
        let Value::Object(claims) = (self.claims)() else { return None };
        let token = desk.issuer.sign(claims, now)?;
        let keys = desk.keys(&token, now)?;
        Some(Pass { id: self.id, name: self.name, is: self.is, clients: self.clients, keys, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Settings;

    #[test]
    fn everybody_gets_a_token_that_the_service_takes() {
        let (issuer, key) = Issuer::new().unwrap();
        let settings = Settings { keys: vec![key], ..Settings::default() };
        let desk = Desk::new(issuer, Verifier::new(&settings), Arc::new(Catalog::built_in()));
        let pass = |person: &Person| person.pass(&desk, SystemTime::now()).map(|pass| pass.keys);
        let keys: Vec<_> = PEOPLE.iter().map(|person| pass(person).unwrap()).collect();
        assert_eq!(keys[0], ["role:ADMIN", "user:antonina"]);
        assert_eq!(keys[2], ["role:CUSTOMER", "user:4920737570657261646d696e"]);
        assert_eq!(keys[4], ["store:7", "user:screen-7"]);
    }
}
