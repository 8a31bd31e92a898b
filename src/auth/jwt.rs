//! Verifies JSON Web Tokens (RFC 7519) in the compact form of RFC 7515.
//!
//! ```text
//! base64url(header) "." base64url(claims) "." base64url(signature)
//! header  {"alg": "HS256", ...}        claims  {"exp": 1790000000, "sub": "...", ...}
//! ```
//!
//! In come a token and the time; out come claims or the reason for refusal, at once: keys that the issuer
//! publishes are those that are there by now (`jwks`). Only the signature is left to
//! the library: its own check of claims lets pass a token without the claims that were configured, allows a
//! minute of leeway, and does not look at `nbf`. What the claims must say is for `rules`.
//!
//! Of the header, `alg` and `kid` select among the configured keys, and that is all it can do. `crit` is
//! refused; `jwk`, `jku`, `x5c` and `x5u`, by which a token would bring its own key, are never read.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::authenticator::{self, Authenticator};
use super::identity::Claims;
use super::jwks::{Jwks, KeySet};
use super::key::is_symmetric;
use super::{Refusal, Rules, Settings, VerifyingKey};
use crate::limits;

/// Knows the keys and what a token must say.
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<VerifyingKey>,
    rules: Rules,
    /// None where the settings name all keys.
    jwks: Option<Arc<Jwks>>,
    /// Judges tokens in place of all that.
    authenticator: Option<Arc<dyn Authenticator>>,
}

impl Verifier {
    pub fn new(settings: &Settings) -> Verifier {
        let Settings { keys, rules, authenticator, .. } = settings.clone();
        Verifier { keys, rules, jwks: None, authenticator }
    }

    /// The same, with other keys of the settings.
    #[must_use]
    pub fn with_keys(self, keys: Vec<VerifyingKey>) -> Verifier {
        Verifier { keys, ..self }
    }

    /// The same, with the keys that an issuer publishes.
    #[must_use]
    pub fn with_jwks(self, jwks: Option<Arc<Jwks>>) -> Verifier {
        Verifier { jwks, ..self }
    }

    /// Waits, though not for long, for the issuer's new keys if the token may be of one: for callers that can,
    /// so that their client need not come back. Whether it was worth it, `verify` tells.
    pub async fn settle(&self, token: &str) {
        let Some(jwks) = &self.jwks else { return };
        let header = Some(token).filter(|token| token.len() <= limits::TOKEN_MAX_BYTES);
        let header = header.and_then(|token| decode_part::<Header>(token.split_once('.')?.0).ok());
        let Some(header) = header else { return };
        let Ok(algorithm) = header.algorithm() else { return };
        if self.candidates(&header, algorithm, &jwks.keys()).next().is_none() && !is_symmetric(algorithm) {
            jwks.settle(header.kid.as_deref()).await;
        }
    }

    /// The claims of a token that is good at `now`.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Claims, Refusal> {
        if token.len() > limits::TOKEN_MAX_BYTES {
            return Err(Refusal::TooLarge);
        }
        if let Some(authenticator) = &self.authenticator {
            return authenticator::ask(authenticator, token, now);
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
        let published = self.jwks.as_ref().and_then(|jwks| jwks.keys());
        let algorithm = header.algorithm()?;
        let mut refusal = None;
        for key in self.candidates(&header, algorithm, &published) {
            if key.verify(parts.signed, parts.signature).map_err(|_| Refusal::Malformed)? {
                return Ok(());
            }
            refusal = Some(Refusal::BadSignature);
        }
        if self.may_be_published(&header, algorithm, published.as_deref()) {
            return Err(Refusal::KeysAwaited);
        }
        Err(refusal.unwrap_or_else(|| self.misfit(&header, &published)))
    }

    /// The keys that the token may be of. A key with a name takes only tokens that bear it; one without,
    /// tokens of its algorithm whatever they bear, since many an issuer names its only key.
    fn candidates<'k>(
        &'k self,
        header: &'k Header,
        algorithm: Algorithm,
        published: &'k Option<Arc<KeySet>>,
    ) -> impl Iterator<Item = &'k VerifyingKey> {
        self.named(header, published).filter(move |key| key.algorithm() == algorithm)
    }

    fn named<'k>(
        &'k self,
        header: &'k Header,
        published: &'k Option<Arc<KeySet>>,
    ) -> impl Iterator<Item = &'k VerifyingKey> {
        let keys = self.keys.iter().chain(published.iter().flat_map(|set| &set.keys));
        keys.filter(|key| key.is_meant_by(header.kid.as_deref()))
    }

    /// Whether the issuer may have a key for the token that is not here yet.
    fn may_be_published(&self, header: &Header, algorithm: Algorithm, published: Option<&KeySet>) -> bool {
        let kid = header.kid.as_deref();
        let is_here = kid.is_some_and(|kid| published.is_some_and(|set| set.has(kid)));
        let Some(jwks) = self.jwks.as_ref().filter(|_| !is_here && !is_symmetric(algorithm)) else {
            return false;
        };
        jwks.may_bring(kid, Instant::now())
    }

    /// What is wrong with a token that no key is for.
    fn misfit(&self, header: &Header, published: &Option<Arc<KeySet>>) -> Refusal {
        match self.named(header, published).next() {
            Some(_) => Refusal::UnsupportedAlgorithm,
            None => Refusal::UnknownKey,
        }
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

impl Header {
    fn algorithm(&self) -> Result<Algorithm, Refusal> {
        self.alg.parse().map_err(|_| Refusal::UnsupportedAlgorithm)
    }
}

fn decode_part<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

#[cfg(test)]
mod tests;
