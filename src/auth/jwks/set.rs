//! A key set's text (RFC 7517, section 5) → the keys that verify tokens here.
//!
//! ```text
//! {"keys": [{"kty": "RSA", "kid": "2026-11", "alg": "RS256", "use": "sig", "n": "..", "e": "AQAB"},
//!           {"kty": "EC", "crv": "P-256", "x": "..", "y": ".."}, {"kty": "OKP", "crv": "Ed25519", "x": ".."}]}
//! ```
//!
//! A key without `alg` is for the one algorithm of its curve, an RSA key for RS256, as such sets mean it. What
//! cannot be used is passed over, since an issuer's set serves others too: other algorithms and purposes,
//! keys that are too short, and shared secrets, which nobody gives out at an address. Certificates in a key
//! (`x5c`) are not read.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::super::key::{ALGORITHMS, KeyFault, VerifyingKey};
use super::super::public_key::PublicKey;
use crate::limits;

/// The usable keys of one answer.
pub struct KeySet {
    pub keys: Vec<VerifyingKey>,
    /// Why the others are passed over, one text each; they name no key material.
    pub passed_over: Vec<String>,
}

impl KeySet {
    /// None if it is no key set.
    pub fn parse(text: &[u8]) -> Option<KeySet> {
        let written: WrittenSet = serde_json::from_slice(text).ok()?;
        let mut set = KeySet { keys: Vec::new(), passed_over: Vec::new() };
        for (place, jwk) in written.keys.into_iter().enumerate() {
            match set.checked(jwk) {
                Ok(key) => set.keys.push(key),
                Err(fault) => set.passed_over.push(format!("keys[{place}]: {fault}")),
            }
        }
        Some(set)
    }

    pub fn is_same_as(&self, other: &KeySet) -> bool {
        let is_same = |one: &VerifyingKey, two: &VerifyingKey| {
            one.is_same_as(two) && one.kid() == two.kid() && one.algorithm() == two.algorithm()
        };
        self.passed_over == other.passed_over
            && self.keys.len() == other.keys.len()
            && self.keys.iter().zip(&other.keys).all(|(one, two)| is_same(one, two))
    }

    /// Whether a key is called so.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    fn checked(&self, jwk: Value) -> Result<VerifyingKey, Unusable> {
        if self.keys.len() >= limits::JWKS_KEYS_MAX {
            return Err(Unusable::TooMany);
        }
        let jwk: Jwk = serde_json::from_value(jwk).map_err(|_| Unusable::NotAKey)?;
        let key = jwk.verifying_key()?;
        // A key is for one algorithm (RFC 8725, section 3.1); the first that is written counts.
        let is_other_use =
            |other: &VerifyingKey| other.is_same_as(&key) && other.algorithm() != key.algorithm();
        if self.keys.iter().any(is_other_use) { Err(Unusable::TwoAlgorithms) } else { Ok(key) }
    }
}

/// Why a key of a set is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    #[error("is no key")]
    NotAKey,
    #[error("is not for signatures")]
    OtherPurpose,
    #[error("is for an algorithm that is not used here")]
    OtherAlgorithm,
    #[error("is of a kind that is not used here")]
    OtherKind,
    #[error("is an earlier key under another algorithm")]
    TwoAlgorithms,
    #[error("comes after {} usable keys", limits::JWKS_KEYS_MAX)]
    TooMany,
    #[error(transparent)]
    Key(#[from] KeyFault),
}

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<Value>,
}

/// The members that count, by their names in RFC 7517 and RFC 7518, section 6; all others are ignored.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn verifying_key(self) -> Result<VerifyingKey, Unusable> {
        let verifies = |operations: &Vec<String>| operations.iter().any(|operation| operation == "verify");
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig")
            || !self.key_ops.as_ref().is_none_or(verifies)
        {
            return Err(Unusable::OtherPurpose);
        }
        let (public_key, usual) = self.public_key()?;
        let algorithm = match self.alg.as_deref() {
            None => usual,
            Some(name) => algorithm(name).ok_or(Unusable::OtherAlgorithm)?,
        };
        Ok(VerifyingKey::from_public_key(algorithm, public_key)?.with_kid(self.kid))
    }

    /// The key, and the algorithm that it is for where the set does not say.
    fn public_key(&self) -> Result<(PublicKey, Algorithm), Unusable> {
        let crv = self.crv.as_deref().unwrap_or_default();
        let key = match (self.kty.as_str(), crv) {
            ("RSA", _) => (PublicKey::from_rsa_parts(&bytes(&self.n)?, &bytes(&self.e)?), Algorithm::RS256),
            ("EC", "P-256") => {
                (PublicKey::from_p256_point(&bytes(&self.x)?, &bytes(&self.y)?), Algorithm::ES256)
            }
            ("EC", "P-384") => {
                (PublicKey::from_p384_point(&bytes(&self.x)?, &bytes(&self.y)?), Algorithm::ES384)
            }
            ("OKP", "Ed25519") => (PublicKey::from_ed25519(&bytes(&self.x)?), Algorithm::EdDSA),
            _ => return Err(Unusable::OtherKind),
        };
        Ok((key.0.ok_or(Unusable::NotAKey)?, key.1))
    }
}

fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

fn bytes(member: &Option<String>) -> Result<Vec<u8>, Unusable> {
    let text = member.as_ref().ok_or(Unusable::NotAKey)?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::NotAKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(keys: &Value) -> KeySet {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
    }

    fn check(jwk: Value, expected: Result<Algorithm, Unusable>) {
        let set = KeySet { keys: Vec::new(), passed_over: Vec::new() };
        assert_eq!(set.checked(jwk.clone()).map(|key| key.algorithm()), expected, "{jwk}");
    }

    fn encoded(length: usize) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(vec![0xab; length])
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn each_key_is_for_the_algorithm_it_says_or_that_of_its_kind() {
        let rsa = || json!({"kty": "RSA", "n": encoded(256), "e": "AQAB"});
        let curve =
            |crv: &str, length| json!({"kty": "EC", "crv": crv, "x": encoded(length), "y": encoded(length)});
        let ed25519 = || json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(32)});
        check(rsa(), Ok(Algorithm::RS256));
        check(with(rsa(), "alg", json!("PS384")), Ok(Algorithm::PS384));
        check(curve("P-256", 32), Ok(Algorithm::ES256));
        check(curve("P-384", 48), Ok(Algorithm::ES384));
        check(ed25519(), Ok(Algorithm::EdDSA));
        check(with(ed25519(), "use", json!("sig")), Ok(Algorithm::EdDSA));
        check(with(ed25519(), "key_ops", json!(["verify"])), Ok(Algorithm::EdDSA));
        check(with(ed25519(), "x5c", json!([{"not": "read"}])), Ok(Algorithm::EdDSA));
    }

    #[test]
    fn what_cannot_be_used_is_passed_over() {
        let rsa = |length| json!({"kty": "RSA", "n": encoded(length), "e": "AQAB"});
        let wrong = |algorithm, has, needs| Err(KeyFault::WrongKind { algorithm, has, needs }.into());
        check(with(rsa(256), "use", json!("enc")), Err(Unusable::OtherPurpose));
        check(with(rsa(256), "key_ops", json!(["encrypt"])), Err(Unusable::OtherPurpose));
        check(with(rsa(256), "alg", json!("RSA-OAEP")), Err(Unusable::OtherAlgorithm));
        check(with(rsa(256), "alg", json!("none")), Err(Unusable::OtherAlgorithm));
        check(with(rsa(256), "alg", json!("HS256")), wrong(Algorithm::HS256, "RSA", "secret"));
        check(with(rsa(256), "alg", json!("ES256")), wrong(Algorithm::ES256, "RSA", "P-256"));
        check(with(rsa(256), "kid", json!({"an": "object"})), Err(Unusable::NotAKey));
        check(with(rsa(256), "n", json!("not base64!")), Err(Unusable::NotAKey));
        check(with(rsa(256), "e", json!(65537)), Err(Unusable::NotAKey));
        check(with(rsa(256), "e", json!("")), Err(Unusable::NotAKey));
        check(rsa(128), Err(KeyFault::ModulusLength(1024).into()));
        check(rsa(2048), Err(KeyFault::ModulusLength(16384).into()));
        check(json!({"kty": "oct", "k": encoded(64), "alg": "HS256"}), Err(Unusable::OtherKind));
        check(
            json!({"kty": "EC", "crv": "secp256k1", "x": encoded(32), "y": encoded(32)}),
            Err(Unusable::OtherKind),
        );
        check(
            json!({"kty": "EC", "crv": "P-256", "x": encoded(31), "y": encoded(32)}),
            Err(Unusable::NotAKey),
        );
        check(json!({"kty": "EC", "crv": "P-256", "x": encoded(32)}), Err(Unusable::NotAKey));
        check(json!({"kty": "OKP", "crv": "X25519", "x": encoded(32)}), Err(Unusable::OtherKind));
        check(json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(33)}), Err(Unusable::NotAKey));
        check(json!("RSA"), Err(Unusable::NotAKey));
    }

    #[test]
    fn a_set_with_one_more_key_or_another_is_news() {
        let key = |kid: &str, byte: u8| {
            let x = BASE64_URL_SAFE_NO_PAD.encode([byte; 32]);
            json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
        };
        let check = |one: &[Value], other: &[Value], expected: bool| {
            let [one, other] = [one, other].map(|keys| parse(&json!(keys)));
            assert_eq!((one.is_same_as(&other), other.is_same_as(&one)), (expected, expected));
        };
        check(&[], &[], true);
        check(&[key("a", 1)], &[key("a", 1)], true);
        check(&[key("a", 1)], &[key("a", 1), key("b", 2)], false);
        check(&[key("a", 1)], &[key("b", 2)], false);
        check(&[key("a", 1)], &[key("b", 1)], false);
        check(&[key("a", 1)], &[key("a", 2)], false);
        check(&[key("a", 1)], &[key("a", 1), json!({"kty": "none"})], false);
    }

    #[test]
    fn a_key_under_two_algorithms_counts_once() {
        let rsa = |algorithm: &str| json!({"kty": "RSA", "n": encoded(256), "e": "AQAB", "alg": algorithm});
        let set = parse(&json!([rsa("RS256"), rsa("PS256"), rsa("RS256")]));
        assert!(set.keys.iter().all(|key| key.algorithm() == Algorithm::RS256));
        assert_eq!(set.passed_over, ["keys[1]: is an earlier key under another algorithm"]);
    }

    #[test]
    fn keys_of_a_set_are_bounded() {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(32)});
        let set = parse(&Value::Array(vec![key; limits::JWKS_KEYS_MAX + 2]));
        assert_eq!((set.keys.len(), set.passed_over.len()), (limits::JWKS_KEYS_MAX, 2));
    }

    #[test]
    fn what_is_no_key_set_is_none() {
        let deep = format!("{{\"keys\":{}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
        for text in ["", "{}", "[]", "<html>", "{\"keys\": {}}", "{\"keys\": 1}", deep.as_str()] {
            assert!(KeySet::parse(text.as_bytes()).is_none());
        }
    }
}
