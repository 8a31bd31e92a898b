//! Tokens as they come, and claims that an issuer signed: what do they give?
//!
//! ```text
//! input = token                    anything, as a client brings it
//!       | "{" ...                  claims in JSON, signed by the key that the service knows
//! ```
//!
//! Nobody gets in without a signature, nor after the claims' time; a claim gives keys of its own grant only,
//! and none where it is not a plain value.

#![no_main]

use dumbwaiter::auth::{ALGORITHMS, Claims, Rules, Settings, Verifier, VerifyingKey, bearer};
use dumbwaiter::event::Catalog;
use dumbwaiter::limits::KEYS_PER_CONNECTION_MAX;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

static KEY: LazyLock<VerifyingKey> = LazyLock::new(|| {
    let (_, hs256) = ALGORITHMS[0];
    VerifyingKey::from_secret(hs256, &"k".repeat(32)).expect("long enough")
});

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::built_in);

fuzz_target!(|input: &[u8]| {
    let Ok(text) = str::from_utf8(input) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    if let Ok(values) = serde_json::from_str::<Map<String, Value>>(text) {
        let token = KEY.sign(&values).expect("JSON can be signed");
        assert_eq!(bearer(&format!("Bearer {token}")), Some(&*token));
        if let Ok(claims) = verifier(Rules::default()).verify(&token, now) {
            assert!(values.contains_key("exp") && claims.expires_at() > now);
            check_keys(&values, &claims);
        }
        let strict = Rules {
            issuer: Some("i".to_owned()),
            audience: Some("a".to_owned()),
            required_claims: vec!["sub".to_owned()],
            max_lifetime: Some(Duration::from_secs(3600)),
            ..Rules::default()
        };
        if verifier(strict).verify(&token, now).is_ok() {
            assert!(values["iss"] == "i" && values["sub"].is_string() && values.contains_key("iat"));
        }
    } else {
        let _ = bearer(text);
        assert!(verifier(Rules::default()).verify(text, now).is_err(), "nobody signed that");
    }
});

fn verifier(rules: Rules) -> Verifier {
    Verifier::new(&Settings { keys: vec![KEY.clone()], rules, ..Settings::default() })
}

/// Judged by the built-in grants: `role:{role}`, `user:{sub}`, `store:{store_id}`.
fn check_keys(values: &Map<String, Value>, claims: &Claims) {
    let keys = CATALOG.grants().keys_of(claims);
    assert!(keys.len() <= KEYS_PER_CONNECTION_MAX);
    for key in keys.iter() {
        let (kind, value) = key.as_str().split_once(':').expect("a key names its kind");
        let claim = match kind {
            "role" => &values["role"],
            "user" => &values["sub"],
            "store" => &values["store_id"],
            kind => panic!("nobody grants a {kind}"),
        };
        let is_given = |claim: &Value| match claim {
            Value::String(text) => text == value,
            Value::Number(number) => !number.is_f64() && number.to_string() == value,
            _ => false,
        };
        let elements = claim.as_array().map_or(std::slice::from_ref(claim), Vec::as_slice);
        assert!(!value.is_empty() && elements.iter().any(is_given), "{kind} was not claimed");
    }
}
