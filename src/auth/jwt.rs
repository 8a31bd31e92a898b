//! Verifies JSON Web Tokens (RFC 7519) in the compact form of RFC 7515.
//!
//! ```text
//! base64url(header) "." base64url(claims) "." base64url(signature)
//! header  {"alg": "HS256", ...}        claims  {"exp": 1790000000, "sub": "...", ...}
//! ```
//!
//! In come a token and the time; out come claims or the reason for refusal. Only the signature is left to
//! the library: its own check of claims lets pass a token without the claims that were configured, allows a
//! minute of leeway, and does not look at `nbf`. What the claims must say is for `rules`.
//!
//! Of the header, `alg` and `kid` select among the configured keys, and that is all it can do. `crit` is
//! refused; `jwk`, `jku`, `x5c` and `x5u`, by which a token would bring its own key, are never read.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::identity::Claims;
use super::{Refusal, Rules, Settings, VerifyingKey};
use crate::limits;

/// Knows the keys and what a token must say.
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    rules: Rules,
}

impl Verifier {
    pub fn new(settings: &Settings) -> Verifier {
        Verifier { keys: settings.keys.clone(), rules: settings.rules.clone() }
    }

    /// The claims of a token that is good at `now`.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, Refusal> {
        if token.len() > limits::TOKEN_MAX_BYTES {
            return Err(Refusal::TooLarge);
        }
        let parts = Parts::split(token)?;
        self.verify_signature(&parts)?;
        // Nothing in the claims is looked at before the signature has been found good.
        let claims: Map<String, Value> = decode_part(parts.claims)?;
        self.rules.accept_token(claims, now)
    }

    fn verify_signature(&self, parts: &Parts<'_>) -> Result<(), Refusal> {
        let header: Header = decode_part(parts.header)?;
        if header.crit.is_some() {
            return Err(Refusal::UnsupportedExtension);
        }
        for key in self.candidates(&header)? {
            if key.verify(parts.signed, parts.signature).map_err(|_| Refusal::Malformed)? {
                return Ok(());
            }
        }
        Err(Refusal::BadSignature)
    }

    /// The keys that the token may be of. A key with a name takes only tokens that bear it; one without,
    /// tokens of its algorithm whatever they bear, since many an issuer names its only key.
    fn candidates(&self, header: &Header) -> Result<Vec<&VerifyingKey>, Refusal> {
        let kid = header.kid.as_deref();
        let mut candidates: Vec<_> = self.keys.iter().filter(|key| key.is_meant_by(kid)).collect();
        if candidates.is_empty() {
            return Err(Refusal::UnknownKey);
        }
        let algorithm: Algorithm = header.alg.parse().map_err(|_| Refusal::UnsupportedAlgorithm)?;
        candidates.retain(|key| key.algorithm() == algorithm);
        if candidates.is_empty() { Err(Refusal::UnsupportedAlgorithm) } else { Ok(candidates) }
    }
}

/// A token cut into its parts, all still encoded.
struct Parts<'t> {
    header: &'t str,
    claims: &'t str,
    /// Header and claims with the dot between them: what the signature is over.
    signed: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn split(token: &'t str) -> Result<Parts<'t>, Refusal> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        Ok(Parts { header, claims, signed, signature })
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

fn decode_part<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests;
