//! Good tokens, and every way in which one can be bad.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::auth::{Claims, Refusal, Settings, Verifier, VerifyingKey};

const SECRET: &str = "a secret of more than 32 bytes, for tests only";
const PUBLIC: &str = include_str!("../../../tests/fixtures/test-only-keys/rsa-public.pem");
const PRIVATE: &str = include_str!("../../../tests/fixtures/test-only-keys/rsa-private.pem");
const NOW: u64 = 1_700_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn settings() -> Settings {
    Settings {
        keys: vec![VerifyingKey::hs256(SECRET).unwrap(), VerifyingKey::rs256(PUBLIC).unwrap()],
        require_subject: true,
        ..Settings::default()
    }
}

fn encode(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

fn sign(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

fn hs256(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    sign(&json!({"alg": "HS256", "typ": "JWT"}), claims, &key, Algorithm::HS256)
}

fn verify(settings: Settings, token: &str) -> Result<Claims, Refusal> {
    Verifier::new(settings).verify(token, now())
}

fn check(settings: Settings, claims: Value, expected: Result<(), Refusal>) {
    assert_eq!(verify(settings, &hs256(&claims)).map(|_| ()), expected, "{claims}");
}

#[test]
fn a_good_token_gives_its_claims() {
    let claims = json!({"sub": "ann", "exp": NOW + 60, "role": ["ADMIN"], "store_id": 7});
    let rsa = EncodingKey::from_rsa_pem(PRIVATE.as_bytes()).unwrap();
    let rs256 = sign(&json!({"alg": "RS256", "kid": "1"}), &claims, &rsa, Algorithm::RS256);
    for token in [hs256(&claims), rs256] {
        let verified = verify(settings(), &token).unwrap();
        assert_eq!(verified.subject(), Some("ann"));
        assert_eq!(verified.get("store_id"), Some(&json!(7)));
        assert_eq!(verified.expires_at(), now() + Duration::from_secs(60));
        assert!(!format!("{verified:?}").contains("ann"));
    }
}

#[test]
fn the_time_must_be_right() {
    let strict = settings;
    let lenient = || Settings { leeway: Duration::from_secs(5), ..settings() };
    let good = Ok(());
    check(strict(), json!({"sub": "a", "exp": NOW + 1}), good);
    check(strict(), json!({"sub": "a", "exp": NOW}), Err(Refusal::Expired));
    check(lenient(), json!({"sub": "a", "exp": NOW - 4}), good);
    check(lenient(), json!({"sub": "a", "exp": NOW - 5}), Err(Refusal::Expired));
    check(strict(), json!({"sub": "a", "exp": 1_700_000_000.5}), good);
    check(strict(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW}), good);
    check(strict(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW + 1}), Err(Refusal::NotYetValid));
    check(lenient(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW + 5}), good);
    check(lenient(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW + 6}), Err(Refusal::NotYetValid));
}

#[test]
fn a_token_must_not_live_too_long() {
    let bounded = || Settings { max_lifetime: Some(Duration::from_secs(100)), ..settings() };
    check(bounded(), json!({"sub": "a", "exp": NOW + 100}), Ok(()));
    check(bounded(), json!({"sub": "a", "exp": NOW + 101}), Err(Refusal::TooLongLived));
    check(bounded(), json!({"sub": "a", "exp": NOW + 10, "iat": NOW - 90}), Ok(()));
    check(bounded(), json!({"sub": "a", "exp": NOW + 10, "iat": NOW - 91}), Err(Refusal::TooLongLived));
    check(bounded(), json!({"sub": "a", "exp": NOW + 150, "iat": NOW + 60}), Err(Refusal::TooLongLived));
}

#[test]
fn configured_claims_must_be_there_and_right() {
    let strict = || Settings {
        issuer: Some("https://id".to_owned()),
        audience: Some("dumbwaiter".to_owned()),
        ..settings()
    };
    let claims =
        |issuer: Value, audience: Value| json!({"sub": "a", "exp": NOW + 9, "iss": issuer, "aud": audience});
    let without = |name: &str| {
        let mut claims = claims(json!("https://id"), json!("dumbwaiter"));
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    check(strict(), claims(json!("https://id"), json!("dumbwaiter")), Ok(()));
    check(strict(), claims(json!("https://id"), json!(["x", "dumbwaiter"])), Ok(()));
    check(strict(), claims(json!("https://id/"), json!("dumbwaiter")), Err(Refusal::WrongIssuer));
    check(strict(), claims(json!(1), json!("dumbwaiter")), Err(Refusal::BadClaim("iss")));
    check(strict(), claims(json!("https://id"), json!([])), Err(Refusal::WrongAudience));
    check(strict(), claims(json!("https://id"), json!("x")), Err(Refusal::WrongAudience));
    check(strict(), claims(json!("https://id"), json!(null)), Err(Refusal::BadClaim("aud")));
    for name in ["iss", "aud", "sub", "exp"] {
        check(strict(), without(name), Err(Refusal::MissingClaim(name)));
    }
    let anybody = Settings { require_subject: false, ..settings() };
    check(anybody, json!({"exp": NOW + 9, "uuid": "u"}), Ok(()));
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    for exp in [json!("1800000000"), json!(null), json!(-1), json!(1e300), json!(u64::MAX), json!([1])] {
        check(settings(), json!({"sub": "a", "exp": exp}), Err(Refusal::BadClaim("exp")));
    }
    check(settings(), json!({"sub": 7, "exp": NOW + 9}), Err(Refusal::BadClaim("sub")));
    check(settings(), json!({"sub": "", "exp": NOW + 9}), Err(Refusal::MissingClaim("sub")));
    check(settings(), json!({"sub": "a", "exp": NOW + 9, "nbf": "x"}), Err(Refusal::BadClaim("nbf")));
    check(settings(), json!(["sub"]), Err(Refusal::Malformed));
}

#[test]
fn a_token_is_bound_to_the_algorithm_of_a_key() {
    let claims = json!({"sub": "a", "exp": NOW + 9});
    let unsigned = |algorithm: &str| format!("{}.{}.", encode(&json!({"alg": algorithm})), encode(&claims));
    for algorithm in ["none", "None", "HS512", "ES256", "", "x"] {
        assert_eq!(
            verify(settings(), &unsigned(algorithm)),
            Err(Refusal::UnsupportedAlgorithm),
            "{algorithm}"
        );
    }
    // The public key, which everybody may have, used as if it were the shared secret.
    let public_as_secret = EncodingKey::from_secret(PUBLIC.as_bytes());
    let confused = sign(&json!({"alg": "HS256"}), &claims, &public_as_secret, Algorithm::HS256);
    assert_eq!(verify(settings(), &confused), Err(Refusal::BadSignature));
    let only_rsa = Settings { keys: vec![VerifyingKey::rs256(PUBLIC).unwrap()], ..settings() };
    assert_eq!(verify(only_rsa, &confused), Err(Refusal::UnsupportedAlgorithm));
}

#[test]
fn what_is_not_a_token_is_refused() {
    let good = hs256(&json!({"sub": "a", "exp": NOW + 9}));
    let tampered = format!("{}A", good.strip_suffix(|_: char| true).unwrap());
    let signature_start = good.rfind('.').unwrap();
    let other = hs256(&json!({"sub": "b", "exp": NOW + 9}));
    let swapped = format!("{}{}", &other[..other.rfind('.').unwrap()], &good[signature_start..]);
    assert_eq!(verify(settings(), &swapped), Err(Refusal::BadSignature));
    assert!(verify(settings(), &tampered).is_err());
    for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", &format!("{good}=")] {
        assert_eq!(verify(settings(), token), Err(Refusal::Malformed), "{token}");
    }
    assert_eq!(verify(settings(), &"a".repeat(8193)), Err(Refusal::TooLarge));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let critical = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let critical = sign(&critical, &json!({"sub": "a", "exp": NOW + 9}), &key, Algorithm::HS256);
    assert_eq!(verify(settings(), &critical), Err(Refusal::UnsupportedExtension));
}
