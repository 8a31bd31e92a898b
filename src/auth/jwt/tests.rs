//! Good tokens of every algorithm, and every way in which one can be bad.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey};
use serde_json::{Value, json};

use crate::auth::{ALGORITHMS, Claims, Jwks, JwksSettings, Refusal, Rules, Settings, Verifier, VerifyingKey};
use crate::limits;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/test-only-keys/", $name, ".pem"))
    };
}

const SECRET: &str = "a secret of more than 64 bytes, which are what HS512 needs, for tests only";
const RSA_PUBLIC: &str = pem!("rsa-public");
const NOW: u64 = 1_700_000_000;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
}

fn rules() -> Rules {
    Rules { required_claims: vec!["sub".to_owned()], ..Rules::default() }
}

/// The key that verifies what [`signing_key`] has signed.
fn verifying_key(algorithm: Algorithm) -> VerifyingKey {
    let key = match (algorithm.family(), algorithm) {
        (AlgorithmFamily::Hmac, _) => VerifyingKey::from_secret(algorithm, SECRET),
        (AlgorithmFamily::Rsa, _) => VerifyingKey::from_pem(algorithm, RSA_PUBLIC),
        (_, Algorithm::ES256) => VerifyingKey::from_pem(algorithm, pem!("p256-public")),
        (AlgorithmFamily::Ec, _) => VerifyingKey::from_pem(algorithm, pem!("p384-public")),
        (AlgorithmFamily::Ed, _) => VerifyingKey::from_pem(algorithm, pem!("ed25519-public")),
    };
    key.unwrap()
}

fn signing_key(algorithm: Algorithm) -> EncodingKey {
    let key = match (algorithm.family(), algorithm) {
        (AlgorithmFamily::Hmac, _) => Ok(EncodingKey::from_secret(SECRET.as_bytes())),
        (AlgorithmFamily::Rsa, _) => EncodingKey::from_rsa_pem(pem!("rsa-private").as_bytes()),
        (_, Algorithm::ES256) => EncodingKey::from_ec_pem(pem!("p256-private").as_bytes()),
        (AlgorithmFamily::Ec, _) => EncodingKey::from_ec_pem(pem!("p384-private").as_bytes()),
        (AlgorithmFamily::Ed, _) => EncodingKey::from_ed_pem(pem!("ed25519-private").as_bytes()),
    };
    key.unwrap()
}

fn named(kid: &str, key: VerifyingKey) -> VerifyingKey {
    key.with_kid(Some(kid.to_owned()))
}

fn encode(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

fn sign(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key, algorithm).unwrap();
    format!("{signed}.{signature}")
}

fn signed_with(algorithm: Algorithm, header: &Value) -> String {
    let claims = json!({"sub": "ann", "exp": NOW + 60, "role": ["ADMIN"], "store_id": 7});
    sign(header, &claims, &signing_key(algorithm), algorithm)
}

fn hs256(claims: &Value) -> String {
    sign(&json!({"alg": "HS256", "typ": "JWT"}), claims, &signing_key(Algorithm::HS256), Algorithm::HS256)
}

fn verifier(keys: Vec<VerifyingKey>, rules: Rules) -> Verifier {
    Verifier::new(&Settings { keys, rules, ..Settings::default() })
}

fn verify(keys: Vec<VerifyingKey>, token: &str) -> Result<Claims, Refusal> {
    verifier(keys, rules()).verify(token, now())
}

fn check_refused(keys: &[VerifyingKey], token: &str, expected: Refusal) {
    assert_eq!(verify(keys.to_vec(), token).map(drop), Err(expected), "{token}");
}

fn check(rules: Rules, claims: Value, expected: Result<(), Refusal>) {
    let verifier = verifier(vec![verifying_key(Algorithm::HS256)], rules);
    assert_eq!(verifier.verify(&hs256(&claims), now()).map(drop), expected, "{claims}");
}

// Keys and algorithms

#[test]
fn a_good_token_of_each_algorithm_gives_its_claims() {
    for (name, algorithm) in ALGORITHMS {
        let token = signed_with(algorithm, &json!({"alg": name, "kid": "any"}));
        let verified = verify(vec![verifying_key(algorithm)], &token).unwrap();
        assert_eq!(verified.subject(), Some("ann"), "{name}");
        assert_eq!(verified.get("store_id"), Some(&json!(7)));
        assert_eq!(verified.expires_at(), now() + Duration::from_secs(60));
        assert!(!format!("{verified:?}").contains("ann"));
    }
}

#[test]
fn a_key_verifies_no_other_algorithm_than_its_own() {
    for (signed_as, signing) in ALGORITHMS {
        let token = signed_with(signing, &json!({"alg": signed_as}));
        for (_, verifying) in ALGORITHMS.into_iter().filter(|(_, algorithm)| *algorithm != signing) {
            check_refused(&[verifying_key(verifying)], &token, Refusal::UnsupportedAlgorithm);
        }
    }
}

#[test]
fn a_token_that_lies_about_its_algorithm_is_refused() {
    let keys: Vec<_> = ALGORITHMS.map(|(_, algorithm)| verifying_key(algorithm)).into();
    for (claimed, _) in ALGORITHMS {
        for (real, algorithm) in ALGORITHMS.into_iter().filter(|(real, _)| *real != claimed) {
            let token = signed_with(algorithm, &json!({"alg": claimed}));
            let refusal = verify(keys.clone(), &token).unwrap_err();
            assert_eq!(refusal, Refusal::BadSignature, "{real} signed, {claimed} claimed");
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let pems = [RSA_PUBLIC, pem!("p256-public"), pem!("p384-public"), pem!("ed25519-public")];
    let keys: Vec<_> = ALGORITHMS.map(|(_, algorithm)| verifying_key(algorithm)).into();
    let has_public_half = |key: &&VerifyingKey| key.algorithm().family() != AlgorithmFamily::Hmac;
    let asymmetric: Vec<_> = keys.iter().filter(has_public_half).cloned().collect();
    for (algorithm, pem) in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512].into_iter().zip(pems) {
        let everybody_has_it = EncodingKey::from_secret(pem.as_bytes());
        let header = json!({"alg": format!("{algorithm:?}")});
        let token = sign(&header, &json!({"sub": "a", "exp": NOW + 9}), &everybody_has_it, algorithm);
        check_refused(&keys, &token, Refusal::BadSignature);
        check_refused(&asymmetric, &token, Refusal::UnsupportedAlgorithm);
    }
}

#[test]
fn an_algorithm_that_is_none_is_refused() {
    let keys: Vec<_> = ALGORITHMS.map(|(_, algorithm)| verifying_key(algorithm)).into();
    for algorithm in ["none", "None", "NONE", "ES512", "ES256K", "hs256", "RSA-OAEP", "", "x"] {
        let unsigned =
            format!("{}.{}.", encode(&json!({"alg": algorithm})), encode(&json!({"exp": NOW + 9})));
        check_refused(&keys, &unsigned, Refusal::UnsupportedAlgorithm);
    }
}

#[test]
fn a_token_is_verified_with_the_key_that_it_names() {
    let other = VerifyingKey::from_secret(Algorithm::HS256, &SECRET.to_uppercase()).unwrap();
    let keys = [
        named("a", verifying_key(Algorithm::HS256)),
        named("b", other.clone()),
        named("c", verifying_key(Algorithm::ES256)),
    ];
    let token = |kid: Value| signed_with(Algorithm::HS256, &json!({"alg": "HS256", "kid": kid}));
    assert!(verify(keys.to_vec(), &token(json!("a"))).is_ok());
    check_refused(&keys, &token(json!("b")), Refusal::BadSignature);
    check_refused(&keys, &token(json!("c")), Refusal::UnsupportedAlgorithm);
    check_refused(&keys, &token(json!("A")), Refusal::UnknownKey);
    check_refused(&keys, &token(json!("")), Refusal::UnknownKey);
    check_refused(&keys, &token(json!(null)), Refusal::UnknownKey);
    check_refused(&keys, &token(json!(1)), Refusal::Malformed);
    check_refused(&keys, &signed_with(Algorithm::HS256, &json!({"alg": "HS256"})), Refusal::UnknownKey);
    check_refused(&[], &token(json!("a")), Refusal::UnknownKey);
}

#[test]
fn a_key_without_a_name_takes_tokens_whatever_they_name() {
    let other = VerifyingKey::from_secret(Algorithm::HS256, &SECRET.to_uppercase()).unwrap();
    // The second of two without a name is found as well.
    let keys = vec![named("b", other.clone()), other, verifying_key(Algorithm::HS256)];
    for header in
        [json!({"alg": "HS256"}), json!({"alg": "HS256", "kid": "x"}), json!({"alg": "HS256", "kid": "b"})]
    {
        assert!(verify(keys.clone(), &signed_with(Algorithm::HS256, &header)).is_ok(), "{header}");
    }
}

#[test]
fn a_token_cannot_bring_its_own_key() {
    let own = EncodingKey::from_secret(b"the key of whoever made this token, of 32 bytes and more");
    let claims = json!({"sub": "a", "exp": NOW + 9});
    let jwk = json!({"kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode("the key of whoever made this token")});
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/certificate")),
        ("x5c", json!(["MIIB"])),
    ] {
        let header = json!({"alg": "HS256", name: value});
        let keys = [verifying_key(Algorithm::HS256)];
        check_refused(&keys, &sign(&header, &claims, &own, Algorithm::HS256), Refusal::BadSignature);
        assert!(
            verify(keys.to_vec(), &signed_with(Algorithm::HS256, &header)).is_ok(),
            "{name} is not looked at"
        );
    }
}

/// An issuer whose key set has not come yet.
fn silent_issuer() -> Option<Arc<Jwks>> {
    let url = "http://127.0.0.1:1/keys".parse().unwrap();
    let settings = JwksSettings { url, refresh: Duration::from_secs(60) };
    Some(Arc::new(Jwks::new(settings, Box::new(|_| {})).unwrap()))
}

#[test]
fn a_token_that_may_be_of_a_published_key_is_to_come_back() {
    let fixed = vec![verifying_key(Algorithm::HS256), verifying_key(Algorithm::ES256)];
    let verifier = verifier(fixed, rules()).with_jwks(silent_issuer());
    let check = |algorithm, header: Value, expected: Option<Refusal>| {
        let verdict = verifier.verify(&signed_with(algorithm, &header), now());
        assert_eq!(verdict.err(), expected, "{header}");
    };
    check(Algorithm::HS256, json!({"alg": "HS256", "kid": "a"}), None);
    check(Algorithm::ES256, json!({"alg": "ES256", "kid": "a"}), None);
    check(Algorithm::RS256, json!({"alg": "RS256", "kid": "a"}), Some(Refusal::KeysAwaited));
    check(Algorithm::RS256, json!({"alg": "RS256"}), Some(Refusal::KeysAwaited));
    // Of a key without a name the fixed one was tried; the issuer may have another.
    check(Algorithm::RS256, json!({"alg": "ES256", "kid": "a"}), Some(Refusal::KeysAwaited));
    // No shared secret is ever published.
    check(Algorithm::RS256, json!({"alg": "HS256", "kid": "a"}), Some(Refusal::BadSignature));
    check(Algorithm::HS384, json!({"alg": "HS384", "kid": "a"}), Some(Refusal::UnsupportedAlgorithm));
}

#[test]
fn what_the_other_half_of_a_key_signs_is_good() {
    let claims = json!({"sub": "ann", "exp": NOW + 60});
    let claims = claims.as_object().unwrap();
    let check = |algorithm, private: &str, signs: bool| {
        let key = named("k", verifying_key(algorithm));
        let token = key.sign_with(private, claims);
        assert_eq!(token.is_some_and(|token| verify(vec![key], &token).is_ok()), signs, "{algorithm:?}");
    };
    check(Algorithm::PS256, pem!("rsa-private"), true);
    check(Algorithm::ES256, pem!("p256-private"), true);
    check(Algorithm::EdDSA, pem!("ed25519-private"), true);
    check(Algorithm::ES256, pem!("rsa-private"), false);
    check(Algorithm::HS256, SECRET, false);
    let secret = named("k", verifying_key(Algorithm::HS256));
    let token = secret.sign(claims).unwrap();
    assert!(verify(vec![secret], &token).is_ok());
}

#[test]
fn critical_extensions_are_refused() {
    let header = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    let token = signed_with(Algorithm::HS256, &header);
    check_refused(&[verifying_key(Algorithm::HS256)], &token, Refusal::UnsupportedExtension);
}

#[test]
fn what_is_not_a_token_is_refused() {
    let keys = [verifying_key(Algorithm::HS256)];
    let good = hs256(&json!({"sub": "a", "exp": NOW + 9}));
    let signature_start = good.rfind('.').unwrap();
    let other = hs256(&json!({"sub": "b", "exp": NOW + 9}));
    let swapped = format!("{}{}", &other[..other.rfind('.').unwrap()], &good[signature_start..]);
    check_refused(&keys, &swapped, Refusal::BadSignature);
    for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d.e", &format!("{good}=")] {
        check_refused(&keys, token, Refusal::Malformed);
    }
    check_refused(&keys, &"a".repeat(limits::TOKEN_MAX_BYTES), Refusal::Malformed);
    check_refused(&keys, &"a".repeat(limits::TOKEN_MAX_BYTES + 1), Refusal::TooLarge);
    let encrypted = format!("{}.a.b.c.d", encode(&json!({"alg": "dir", "enc": "A256GCM"})));
    check_refused(&keys, &encrypted, Refusal::UnsupportedAlgorithm);
}

#[test]
fn a_token_with_a_byte_changed_is_refused() {
    for (name, algorithm) in ALGORITHMS {
        let token = signed_with(algorithm, &json!({"alg": name}));
        let keys = [verifying_key(algorithm)];
        let step = token.len() / 40;
        // The last character of a base64 text may hold bits that do not count; all others do.
        for place in (0..token.len() - 1).step_by(step) {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(keys.to_vec(), &changed).is_err(), "{name} at {place}");
        }
    }
}

// Claims

#[test]
fn the_time_must_be_right() {
    let strict = rules;
    let lenient = || Rules { leeway: Duration::from_secs(5), ..rules() };
    let good = Ok(());
    check(strict(), json!({"sub": "a", "exp": NOW + 1}), good.clone());
    check(strict(), json!({"sub": "a", "exp": NOW}), Err(Refusal::Expired));
    check(lenient(), json!({"sub": "a", "exp": NOW - 4}), good.clone());
    check(lenient(), json!({"sub": "a", "exp": NOW - 5}), Err(Refusal::Expired));
    check(strict(), json!({"sub": "a", "exp": 1_700_000_000.5}), good.clone());
    check(strict(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW}), good.clone());
    check(strict(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW + 1}), Err(Refusal::NotYetValid));
    check(lenient(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW + 5}), good);
    check(lenient(), json!({"sub": "a", "exp": NOW + 9, "nbf": NOW + 6}), Err(Refusal::NotYetValid));
}

#[test]
fn a_token_must_not_live_too_long() {
    let bounded = || Rules { max_lifetime: Some(Duration::from_secs(100)), ..rules() };
    let lives = |issued: u64, expires: u64| json!({"sub": "a", "iat": issued, "exp": expires});
    check(bounded(), lives(NOW, NOW + 100), Ok(()));
    check(bounded(), lives(NOW, NOW + 101), Err(Refusal::TooLongLived));
    check(bounded(), lives(NOW - 90, NOW + 10), Ok(()));
    check(bounded(), lives(NOW - 91, NOW + 10), Err(Refusal::TooLongLived));
    check(bounded(), lives(NOW + 60, NOW + 150), Err(Refusal::TooLongLived));
    check(bounded(), json!({"sub": "a", "exp": NOW + 1}), Err(Refusal::missing("iat")));
    check(bounded(), json!({"sub": "a", "exp": NOW + 1, "iat": "x"}), Err(Refusal::BadClaim("iat")));
    check(rules(), lives(0, NOW + 1_000_000_000), Ok(()));
}

#[test]
fn configured_claims_must_be_there_and_right() {
    let strict = || Rules {
        issuer: Some("https://id".to_owned()),
        audience: Some("dumbwaiter".to_owned()),
        ..rules()
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
    check(strict(), claims(json!("https://id"), json!(["dumbwaiter"])), Ok(()));
    check(strict(), claims(json!("https://id"), json!(["another"])), Err(Refusal::WrongAudience));
    for name in ["iss", "aud", "sub", "exp"] {
        check(strict(), without(name), Err(Refusal::missing(name)));
    }
}

#[test]
fn required_claims_must_be_there_and_say_something() {
    let requiring = |names: &[&str]| Rules {
        required_claims: names.iter().map(|&name| name.to_owned()).collect(),
        ..Rules::default()
    };
    let both = || requiring(&["role", "store_id"]);
    check(both(), json!({"exp": NOW + 9, "role": ["ADMIN"], "store_id": 0}), Ok(()));
    check(both(), json!({"exp": NOW + 9, "role": ["ADMIN"]}), Err(Refusal::missing("store_id")));
    check(both(), json!({"exp": NOW + 9, "role": "", "store_id": 7}), Err(Refusal::missing("role")));
    check(both(), json!({"exp": NOW + 9, "role": "x", "store_id": null}), Err(Refusal::missing("store_id")));
    check(requiring(&[]), json!({"exp": NOW + 9, "uuid": "u"}), Ok(()));
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    for exp in [json!("1800000000"), json!(null), json!(-1), json!(1e300), json!(u64::MAX), json!([1])] {
        check(rules(), json!({"sub": "a", "exp": exp}), Err(Refusal::BadClaim("exp")));
    }
    check(rules(), json!({"sub": 7, "exp": NOW + 9}), Err(Refusal::BadClaim("sub")));
    check(rules(), json!({"sub": "", "exp": NOW + 9}), Err(Refusal::missing("sub")));
    check(rules(), json!({"sub": "a", "exp": NOW + 9, "nbf": "x"}), Err(Refusal::BadClaim("nbf")));
    check(rules(), json!(["sub"]), Err(Refusal::Malformed));
}
