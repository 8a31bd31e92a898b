//! The settings of section `[auth]`: the keys that verify tokens, and what a token must say.
//!
//! ```text
//! secret = ".."             HS256, one secret          [[auth.keys]]           any number of keys,
//! public_key_file = ".."    RS256, one RSA key         kid = "2026-11"         each for one algorithm
//!                                                      algorithm = "ES256"
//!                                                      public_key_file = ".."
//! jwks_url = ".."           keys that the issuer publishes
//! ```
//!
//! Keys are parsed here, so that a bad one is a fault at its place in the file beside all others, and
//! the verifier starts from keys that are known to be good.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use secrecy::ExposeSecret;

use super::key::{ALGORITHMS, KeyFault, VerifyingKey, is_symmetric};
use super::{Authenticator, JwksSettings, Rules, SessionSettings, TicketSettings};
use crate::limits;
use crate::settings::{Document, Section};

/// How callers are identified.
#[derive(Clone, Default)]
pub struct Settings {
    pub keys: Vec<VerifyingKey>,
    /// Where the issuer publishes its keys; none: it does not.
    pub jwks: Option<JwksSettings>,
    /// What claims must say.
    pub rules: Rules,
    /// Whether Socket.IO clients may bring their token in the query, where proxies log it.
    pub query_token: bool,
    /// Where opaque sessions are looked up; none: they are not.
    pub session: Option<SessionSettings>,
    /// Where live tickets are kept.
    pub tickets: TicketSettings,
    /// How logins are revoked.
    pub revocation: RevocationSettings,
    /// Who judges tokens in place of keys and rules: of a program that has the service inside.
    pub authenticator: Option<Arc<dyn Authenticator>>,
}

/// Who is to judge tokens.
pub enum Judge {
    /// The keys of the settings, of which there must be one; or the login that sessions are looked up at.
    Keys,
    /// A program that has the service inside; beside it keys would count for nothing.
    Program(Arc<dyn Authenticator>),
    /// A command that lets nobody in, with or without keys.
    Nobody,
}

/// Where revocations come from, and whom they name.
#[derive(Clone, Debug)]
pub struct RevocationSettings {
    /// The control topic; none: nothing is ever revoked.
    pub topic: Option<String>,
    /// The claim that a revocation by user names.
    pub user_claim: String,
}

impl Default for RevocationSettings {
    /// Off, as for tests and the demo.
    fn default() -> RevocationSettings {
        RevocationSettings { topic: None, user_claim: USER_CLAIM.to_owned() }
    }
}

const CONTROL_TOPIC: &str = "dumbwaiter.control";
const USER_CLAIM: &str = "sub";

impl Settings {
    /// Reads the sections `[auth]`, `[session]`, `[tickets]`, `[redis]` and `[revocation]`; faults are the document's.
    pub fn read(document: &mut Document) -> Settings {
        Settings::read_with(document, Judge::Keys)
    }

    pub fn read_with(document: &mut Document, judge: Judge) -> Settings {
        let mut section = document.section("auth", "How callers are identified.");
        let keys = read_keys(&mut section);
        let jwks = JwksSettings::read(&mut section);
        let has_jwks = section.is_written("jwks_url");
        let rules = read_rules(&mut section);
        let query_token = section
            .key(
                "query_token",
                "Whether Socket.IO clients may bring the token in the query, where proxies log it.",
            )
            .flag(false);
        let session = SessionSettings::read(document);
        let tickets = TicketSettings::read(document);
        let revocation = read_revocation(document);
        let has_keys = keys.is_some() || has_jwks;
        let authenticator = match judge {
            Judge::Program(authenticator) => {
                if has_keys {
                    document.fault("auth", if has_jwks { "jwks_url" } else { "secret" }, OWN_AUTHENTICATOR);
                }
                Some(authenticator)
            }
            Judge::Keys => {
                if !has_keys && session.is_none() {
                    document.fault("auth", "secret", NOBODY);
                }
                None
            }
            Judge::Nobody => None,
        };
        let keys = keys.unwrap_or_default();
        Settings { keys, jwks, rules, query_token, session, tickets, revocation, authenticator }
    }
}

impl Settings {
    /// The algorithms of the configured keys, for people.
    pub fn algorithms(&self) -> Vec<String> {
        self.keys.iter().map(|key| format!("{:?}", key.algorithm())).collect()
    }
}

/// What is said where nobody could be let in.
const NOBODY: &str = "is not set, nor is another key: without one nobody can be let in; set auth.secret_file \
                      (HS256), auth.public_key_file (RS256), [[auth.keys]] or auth.jwks_url; or session.url";

/// What is said where keys would not be asked.
const OWN_AUTHENTICATOR: &str = "or another key is written, and this program judges tokens itself";

fn read_rules(section: &mut Section<'_>) -> Rules {
    Rules {
        issuer: section.key("issuer", "What a token's iss must be; not checked when not set.").text_if_set(),
        audience: section
            .key("audience", "What a token's aud must be or contain; not checked when not set.")
            .text_if_set(),
        required_claims: section
            .key("required_claims", "Claims that must be there, and be neither null nor empty.")
            .list(&["sub"]),
        leeway: section
            .key("leeway", "How far the issuer's clock may be off, at exp and nbf.")
            .duration(Duration::ZERO, Duration::ZERO..=limits::AUTH_LEEWAY_MAX),
        max_lifetime: section
            .key("max_lifetime", "Tokens that live longer, or have no iat to count from, are refused.")
            .duration_if_set(Duration::from_secs(1)..=limits::AUTH_LIFETIME_MAX),
    }
}

fn read_revocation(document: &mut Document) -> RevocationSettings {
    let mut section = document.section("revocation", "Logins that hold no longer.");
    let topic = section
        .key(
            "topic",
            "Compacted topic of revocations; need not exist; an empty text switches revocation off.",
        )
        .text(CONTROL_TOPIC);
    let user_claim = section.key("user_claim", "The claim that a revocation by user names.").text(USER_CLAIM);
    RevocationSettings { topic: Some(topic).filter(|topic| !topic.is_empty()), user_claim }
}

/// The keys; none if none is written.
fn read_keys(section: &mut Section<'_>) -> Option<Vec<VerifyingKey>> {
    let mut keys = Vec::new();
    let secret = section.key("secret", "The shared secret that signs tokens with HS256.").secret();
    if let Some(secret) = secret {
        let key = VerifyingKey::from_secret(Algorithm::HS256, secret.expose_secret());
        keys.extend(checked(section, "secret", key));
    }
    let pem = section
        .key("public_key_file", "The RSA public key (PEM) of an issuer that signs with RS256.")
        .file_content_if_set();
    if let Some(pem) = pem {
        let key = VerifyingKey::from_pem(Algorithm::RS256, &pem);
        keys.extend(checked(section, "public_key_file", key));
    }
    let tables = section.key("keys", "Keys, each for one algorithm, chosen by a token's kid and alg.");
    let tables = tables.tables(|table| {
        if let Some(key) = read_key(table) {
            check_unlike(table, &key, &keys);
            keys.push(key);
        }
    });
    let is_written =
        !tables.is_empty() || section.is_written("secret") || section.is_written("public_key_file");
    is_written.then_some(keys)
}

/// One table of `[[auth.keys]]`.
fn read_key(table: &mut Section<'_>) -> Option<VerifyingKey> {
    let kid = table
        .key("kid", "What tokens call the key; a key without one is for tokens whatever they call theirs.")
        .text_if_set();
    let algorithm =
        table.key("algorithm", "The one algorithm that the key is for.").choice_if_set(&ALGORITHMS);
    let secret = table.key("secret", "The shared secret, for HS256, HS384 and HS512.").secret();
    let pem =
        table.key("public_key_file", "The public key (PEM), for all other algorithms.").file_content_if_set();
    if !table.is_written("algorithm") {
        table.fault("algorithm", format!("is not set (expected one of {})", algorithm_names()));
    }
    let algorithm = algorithm?;
    let (name, other) =
        if is_symmetric(algorithm) { ("secret", "public_key_file") } else { ("public_key_file", "secret") };
    if table.is_written(other) {
        table.fault(other, format!("is not for {algorithm:?}, which takes {name}"));
    }
    if !table.is_written(name) {
        table.fault(name, format!("is not set, and {algorithm:?} needs it"));
    }
    let key = if is_symmetric(algorithm) {
        VerifyingKey::from_secret(algorithm, secret?.expose_secret())
    } else {
        VerifyingKey::from_pem(algorithm, &pem?)
    };
    Some(checked(table, name, key)?.with_kid(kid))
}

/// A name is one key's, and a key is for one algorithm (RFC 8725, section 3.1).
fn check_unlike(table: &mut Section<'_>, key: &VerifyingKey, others: &[VerifyingKey]) {
    if key.kid().is_some() && others.iter().any(|other| other.kid() == key.kid()) {
        table.fault("kid", "is the kid of an earlier key as well");
    }
    let conflict = others.iter().find(|other| other.is_same_as(key) && other.algorithm() != key.algorithm());
    if let Some(other) = conflict {
        let text = format!("is for a key that is for {:?} already; a key is for one", other.algorithm());
        table.fault("algorithm", text);
    }
}

fn checked(
    section: &mut Section<'_>,
    name: &str,
    key: Result<VerifyingKey, KeyFault>,
) -> Option<VerifyingKey> {
    key.map_err(|fault| section.fault(name, fault.to_string())).ok()
}

fn algorithm_names() -> String {
    ALGORITHMS.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::settings::{Document, read_text};

    /// Of good settings, what their keys are for.
    fn check(text: &str, expected: Result<&[&str], &str>) {
        let outcome = read_text(text, Settings::read).map(|settings| settings.algorithms());
        let expected = expected.map(|names| names.iter().map(ToString::to_string).collect());
        assert_eq!(outcome, expected.map_err(str::to_owned));
    }

    #[test]
    fn keys_are_checked_where_they_are_written() {
        let secret = "s".repeat(32);
        let public = "tests/fixtures/test-only-keys/rsa-public.pem";
        check(&format!("[auth]\nsecret = \"{secret}\""), Ok(&["HS256"]));
        check(
            &format!("[auth]\npublic_key_file = \"{public}\"\nsecret = \"{secret}\""),
            Ok(&["HS256", "RS256"]),
        );
        check(
            "[auth]\nsecret = \"short\"",
            Err("dumbwaiter.toml:2:10: in auth.secret: has 5 bytes, HS256 needs 32 at least \
                 (make one: openssl rand -hex 32)"),
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
                 in auth.secret: is not set, nor is another key: without one nobody can be let in; \
                 set auth.secret_file (HS256), auth.public_key_file (RS256), [[auth.keys]] or auth.jwks_url; \
                 or session.url"),
        );
        check("[session]\nurl = \"https://login.example/session\"", Ok(&[]));
        check("[auth]\njwks_url = \"https://login.example/keys\"", Ok(&[]));
        check("[auth]\njwks_url = \"http://[::1]:9/keys\"", Ok(&[]));
        check(
            "[auth]\njwks_url = \"http://login.example/keys\"\njwks_refresh = \"29s\"",
            Err("dumbwaiter.toml:2:12: in auth.jwks_url: would take keys from anybody on the way \
                 (expected https, or http to this machine)\n\
                 dumbwaiter.toml:3:16: in auth.jwks_refresh: \"29s\" is out of range (expected 30s to 1day)"),
        );
    }

    #[test]
    fn keys_by_name_are_checked_one_by_one() {
        let key = |lines: &str| format!("[[auth.keys]]\n{lines}\n");
        let file =
            |name: &str| format!("public_key_file = \"tests/fixtures/test-only-keys/{name}-public.pem\"");
        let rsa = file("rsa");
        let secret = format!("secret = \"{}\"", "s".repeat(64));
        let good = [
            key(&format!("kid = \"a\"\nalgorithm = \"HS512\"\n{secret}")),
            key(&format!("kid = \"b\"\nalgorithm = \"PS256\"\n{rsa}")),
            key(&format!("algorithm = \"EdDSA\"\n{}", file("ed25519"))),
        ];
        check(&good.concat(), Ok(&["HS512", "PS256", "EdDSA"]));
        check(
            &key(&format!("algorithm = \"ES256\"\n{rsa}")),
            Err("dumbwaiter.toml:3:19: in auth.keys[0].public_key_file: \
                 holds a public key of kind RSA, ES256 needs one of kind P-256"),
        );
        check(
            &key(&secret),
            Err(
                "dumbwaiter.toml:1:1: in auth.keys[0].algorithm: is not set (expected one of HS256, HS384, HS512, \
                 RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA)",
            ),
        );
        check(
            &key(&format!("algorithm = \"RS256\"\n{secret}")),
            Err("dumbwaiter.toml:1:1: in auth.keys[0].public_key_file: is not set, and RS256 needs it\n\
                 dumbwaiter.toml:3:10: in auth.keys[0].secret: is not for RS256, which takes public_key_file"),
        );
        check(
            &key("algorithm = \"none\""),
            Err(
                "dumbwaiter.toml:2:13: in auth.keys[0].algorithm: \"none\" is not one of HS256, HS384, HS512, \
                 RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
            ),
        );
    }

    #[test]
    fn revocations_are_read_unless_their_topic_is_empty() {
        let check = |text: &str, expected: Option<&str>| {
            let settings = Settings::read(&mut Document::parse("dumbwaiter.toml", text));
            assert_eq!(settings.revocation.topic.as_deref(), expected, "{text}");
        };
        check("", Some("dumbwaiter.control"));
        check("[revocation]\ntopic = \"logins\"", Some("logins"));
        check("[revocation]\ntopic = \"\"", None);
    }

    #[test]
    fn a_name_is_one_keys_and_a_key_is_for_one_algorithm() {
        let key = |kid: &str, algorithm: &str| {
            format!(
                "[[auth.keys]]\nkid = \"{kid}\"\nalgorithm = \"{algorithm}\"\n\
                 public_key_file = \"tests/fixtures/test-only-keys/rsa-public.pem\"\n"
            )
        };
        check(&(key("a", "RS256") + &key("b", "RS256")), Ok(&["RS256", "RS256"]));
        check(
            &(key("a", "RS256") + &key("a", "RS256")),
            Err("dumbwaiter.toml:6:7: in auth.keys[1].kid: is the kid of an earlier key as well"),
        );
        check(
            &(key("a", "RS256") + &key("b", "PS256")),
            Err("dumbwaiter.toml:7:13: in auth.keys[1].algorithm: \
                 is for a key that is for RS256 already; a key is for one"),
        );
    }
}
