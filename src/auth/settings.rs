//! The settings of section `[auth]`: the keys that verify tokens, and what a token must say.
//!
//! Keys are parsed here, so that a bad one is a fault at its place in the file beside all others, and
//! the verifier starts from keys that are known to be good.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::key::{KeyFault, VerifyingKey};
use crate::limits;
use crate::settings::{Document, Section};

/// How callers are identified.
#[derive(Clone, Default)]
pub struct Settings {
    pub keys: Vec<VerifyingKey>,
    /// What `iss` must be; unchecked when none.
    pub issuer: Option<String>,
    /// What `aud` must be or contain; unchecked when none.
    pub audience: Option<String>,
    /// How far the issuer's clock may be off, at `exp` and `nbf`.
    pub leeway: Duration,
    /// Tokens that live longer are refused; unbounded when none.
    pub max_lifetime: Option<Duration>,
    /// Whether a token must have `sub`.
    pub require_subject: bool,
    /// Whether Socket.IO clients may bring their token in the query, where proxies log it.
    pub query_token: bool,
}

impl Settings {
    /// Reads the section; faults are the document's.
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("auth", "How callers are identified.");
        let keys = read_keys(&mut section);
        Settings {
            keys,
            issuer: section
                .key("issuer", "What a token's iss must be; not checked when not set.")
                .text_if_set(),
            audience: section
                .key("audience", "What a token's aud must be or contain; not checked when not set.")
                .text_if_set(),
            leeway: section
                .key("leeway", "How far the issuer's clock may be off, at exp and nbf.")
                .duration(Duration::ZERO, Duration::ZERO..=limits::AUTH_LEEWAY_MAX),
            max_lifetime: section
                .key("max_lifetime", "Tokens that live longer, from iat or from now, are refused.")
                .duration_if_set(Duration::from_secs(1)..=limits::AUTH_LIFETIME_MAX),
            require_subject: section
                .key("require_subject", "Whether a token must have the claim sub.")
                .flag(true),
            query_token: section
                .key(
                    "query_token",
                    "Whether Socket.IO clients may bring the token in the query, where proxies log it.",
                )
                .flag(false),
        }
    }
}

impl Settings {
    /// The algorithms of the configured keys, for people.
    pub fn algorithms(&self) -> Vec<String> {
        self.keys.iter().map(|key| format!("{:?}", key.algorithm())).collect()
    }
}

fn read_keys(section: &mut Section<'_>) -> Vec<VerifyingKey> {
    let mut keys = Vec::new();
    let secret = section.key("secret", "The shared secret that signs tokens with HS256.").secret();
    if let Some(secret) = secret {
        add_key(section, "secret", VerifyingKey::hs256(secret.expose_secret()), &mut keys);
    }
    let pem = section
        .key("public_key_file", "The RSA public key (PEM) of an issuer that signs with RS256.")
        .file_content_if_set();
    if let Some(pem) = pem {
        add_key(section, "public_key_file", VerifyingKey::rs256(&pem), &mut keys);
    }
    if !section.is_written("secret") && !section.is_written("public_key_file") {
        let way_out = "is not set, nor is auth.public_key_file: without a key nobody can be let in; \
                       set auth.secret_file (HS256) or auth.public_key_file (RS256)";
        section.fault("secret", way_out);
    }
    keys
}

fn add_key(
    section: &mut Section<'_>,
    name: &str,
    key: Result<VerifyingKey, KeyFault>,
    keys: &mut Vec<VerifyingKey>,
) {
    match key {
        Ok(key) => keys.push(key),
        Err(fault) => section.fault(name, fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::settings::Document;

    fn check(text: &str, expected: Result<usize, &str>) {
        let mut document = Document::parse("dumbwaiter.toml", text);
        let settings = Settings::read(&mut document);
        let outcome = document.finish().map(|_| settings.keys.len()).map_err(|faults| faults.to_string());
        assert_eq!(outcome, expected.map_err(str::to_owned));
    }

    #[test]
    fn keys_are_checked_where_they_are_written() {
        let secret = "s".repeat(32);
        let public = "tests/fixtures/test-only-keys/rsa-public.pem";
        check(&format!("[auth]\nsecret = \"{secret}\""), Ok(1));
        check(&format!("[auth]\npublic_key_file = \"{public}\"\nsecret = \"{secret}\""), Ok(2));
        check(
            "[auth]\nsecret = \"short\"",
            Err("dumbwaiter.toml:2:10: in auth.secret: has 5 bytes, HS256 needs 32 at least \
                 (make one: openssl rand -base64 48)"),
        );
        check(
            "[auth]\npublic_key_file = \"tests/fixtures/test-only-keys/rsa-private.pem\"",
            Err(
                "dumbwaiter.toml:2:19: in auth.public_key_file: holds a private key, which does not belong here; \
                 take its public half (openssl pkey -pubout)",
            ),
        );
        check(
            "[auth]\nleeway = \"1m\"",
            Err("dumbwaiter.toml:2:10: in auth.leeway: \"1m\" is out of range (expected 0s to 5s)\n\
                 in auth.secret: is not set, nor is auth.public_key_file: without a key nobody can be let in; \
                 set auth.secret_file (HS256) or auth.public_key_file (RS256)"),
        );
    }
}
