//! Verifies JSON Web Tokens (RFC 7519) in the compact form of RFC 7515.
//!
//! ```text
//! base64url(header) "." base64url(claims) "." base64url(signature)
//! header  {"alg": "HS256", ...}        claims  {"exp": 1790000000, "sub": "...", ...}
//! ```
//!
//! In come a token and the time; out come claims or the reason for refusal. Only the signature is left
//! to the library: its own check of claims lets pass a token without the claims that were configured,
//! allows a minute of leeway, and does not look at `nbf`. Further algorithms and keys that are chosen by
//! `kid` are a matter of [`super::VerifyingKey`] and of `Verifier::verify_signature`.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::identity::Claims;
use super::{Refusal, Settings};
use crate::limits;

/// Knows the keys and what a token must say.
pub struct Verifier {
    settings: Settings,
}

impl Verifier {
    pub fn new(settings: Settings) -> Verifier {
        Verifier { settings }
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
        self.check_claims(claims, now)
    }

    fn verify_signature(&self, parts: &Parts<'_>) -> Result<(), Refusal> {
        let header: Header = decode_part(parts.header)?;
        if header.crit.is_some() {
            return Err(Refusal::UnsupportedExtension);
        }
        let algorithm: Algorithm = header.alg.parse().map_err(|_| Refusal::UnsupportedAlgorithm)?;
        let mut keys = self.settings.keys.iter().filter(|key| key.algorithm() == algorithm).peekable();
        if keys.peek().is_none() {
            return Err(Refusal::UnsupportedAlgorithm);
        }
        for key in keys {
            if key.verify(parts.signed, parts.signature).map_err(|_| Refusal::Malformed)? {
                return Ok(());
            }
        }
        Err(Refusal::BadSignature)
    }

    fn check_claims(&self, claims: Map<String, Value>, now: SystemTime) -> Result<Claims, Refusal> {
        let settings = &self.settings;
        let expires = date(&claims, "exp")?.ok_or(Refusal::MissingClaim("exp"))?;
        let expires_at = expires.checked_add(settings.leeway).ok_or(Refusal::BadClaim("exp"))?;
        // RFC 7519, section 4.1.4: on or after `exp` the token must not be accepted.
        if now >= expires_at {
            return Err(Refusal::Expired);
        }
        let not_before = date(&claims, "nbf")?.unwrap_or(SystemTime::UNIX_EPOCH);
        if not_before.duration_since(now).is_ok_and(|early| early > settings.leeway) {
            return Err(Refusal::NotYetValid);
        }
        self.check_lifetime(&claims, expires, now)?;
        self.check_issuer(&claims)?;
        self.check_audience(&claims)?;
        self.check_subject(&claims)?;
        Ok(Claims::new(claims, expires_at))
    }

    /// Counted from `iat`, or from now where there is none or it lies ahead, so that it cannot be used
    /// to stretch what is left.
    fn check_lifetime(
        &self,
        claims: &Map<String, Value>,
        expires: SystemTime,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let issued = date(claims, "iat")?.unwrap_or(now).min(now);
        let lifetime = expires.duration_since(issued).unwrap_or_default();
        match self.settings.max_lifetime {
            Some(most) if lifetime > most => Err(Refusal::TooLongLived),
            _ => Ok(()),
        }
    }

    fn check_issuer(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(expected) = &self.settings.issuer else {
            return Ok(());
        };
        let issuer = text(claims, "iss")?.ok_or(Refusal::MissingClaim("iss"))?;
        if issuer == expected { Ok(()) } else { Err(Refusal::WrongIssuer) }
    }

    /// RFC 7519, section 4.1.3: one text, or a list of them.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(expected) = &self.settings.audience else {
            return Ok(());
        };
        let named = match claims.get("aud") {
            None => return Err(Refusal::MissingClaim("aud")),
            Some(Value::String(audience)) => audience == expected,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == expected),
            Some(_) => return Err(Refusal::BadClaim("aud")),
        };
        if named { Ok(()) } else { Err(Refusal::WrongAudience) }
    }

    fn check_subject(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        match text(claims, "sub")? {
            None | Some("") if self.settings.require_subject => Err(Refusal::MissingClaim("sub")),
            _ => Ok(()),
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
    crit: Option<Value>,
}

fn decode_part<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<Option<&'c str>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::BadClaim(name)),
    }
}

/// A NumericDate (RFC 7519, section 2): seconds since 1970, possibly with a fraction.
fn date(claims: &Map<String, Value>, name: &'static str) -> Result<Option<SystemTime>, Refusal> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let whole = value.as_u64().map(Duration::from_secs);
    let since_epoch = whole.or_else(|| Duration::try_from_secs_f64(value.as_f64()?).ok());
    let date = since_epoch.and_then(|duration| SystemTime::UNIX_EPOCH.checked_add(duration));
    date.map(Some).ok_or(Refusal::BadClaim(name))
}

#[cfg(test)]
mod tests;
