//! `dumbwaiter token`: a JWT to try things with, signed by the secret that the service verifies with, or by the private
//! half of a key that it knows.
//!
//! Only the token goes to standard output, so that it can be put where a token belongs: `$(dumbwaiter token ...)`.
//! In production tokens come from the login service; whoever has the secret can be anybody.

use super::key_set::KeySetArgs;
use super::output::{put, say};
use super::{ConfigArgs, Outcome};
use crate::auth::{Refusal, Settings, Verifier};
use crate::settings::Environment;
use clap::Args;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter token --config dumbwaiter.toml --role ADMIN
  dumbwaiter token --secret-file secret.txt --sub 4920737570657261646d696e --role CUSTOMER
  dumbwaiter token --config dumbwaiter.toml --sub screen-7 --store-id 7 --ttl 12h
  dumbwaiter token --config dumbwaiter.toml --private-key-file login.pem --role ADMIN
  curl -H \"Authorization: Bearer $(dumbwaiter token --config dumbwaiter.toml --role ADMIN)\" \\
      http://127.0.0.1:8080/api/v1/ws/ticket

iss and aud are those of the configuration. A claim's value is JSON where it reads as JSON, else a text.")]
pub(super) struct TokenArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// File of the shared secret, instead of auth.secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// File of an issuer's private key (PEM), whose public half is configured or in its key set
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    private_key_file: Option<PathBuf>,
    #[command(flatten)]
    key_set: KeySetArgs,
    /// Who it is (sub)
    #[arg(long, value_name = "ID", default_value = "developer")]
    sub: String,
    /// Role, such as ADMIN, WATCHER, CUSTOMER; several make a list
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Number of a store; several make a list
    #[arg(long, value_name = "NUMBER")]
    store_id: Vec<i64>,
    /// Any other claim; may be given several times
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

pub(super) fn run(args: &TokenArgs, environment: &Environment) -> Outcome {
    let config = match args.config.with_secret_file(args.secret_file.as_deref()).load_or_say(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    match token(args, &config.auth, SystemTime::now()) {
        Ok(token) => {
            say(&"for development only: whoever has the key can be anybody");
            let _ = put(&token);
            Outcome::Done
        }
        Err(reason) => {
            say(&reason);
            Outcome::Failed
        }
    }
}

fn token(args: &TokenArgs, settings: &Settings, now: SystemTime) -> Result<String, String> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), args.sub.clone().into());
    claims.extend(one_or_list("role", &args.role));
    claims.extend(one_or_list("store_id", &args.store_id));
    claims.extend(common_claims(settings, args.ttl, now));
    claims.extend(args.claims.iter().cloned());
    match &args.private_key_file {
        None => sign(&claims, settings, now),
        Some(file) => sign_with(file, &args.key_set, &claims, settings, now),
    }
}

/// What tokens of this configuration say beside whose they are.
pub(super) fn common_claims(settings: &Settings, ttl: Duration, now: SystemTime) -> Map<String, Value> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut claims = Map::new();
    claims.extend(settings.rules.issuer.clone().map(|issuer| ("iss".to_owned(), issuer.into())));
    claims.extend(settings.rules.audience.clone().map(|audience| ("aud".to_owned(), audience.into())));
    claims.insert("iat".to_owned(), now.as_secs().into());
    claims.insert("exp".to_owned(), (now + ttl).as_secs().into());
    claims
}

/// A token of these claims, unless the service would refuse it: that is no use to anybody.
pub(super) fn sign(
    claims: &Map<String, Value>,
    settings: &Settings,
    now: SystemTime,
) -> Result<String, String> {
    let token = settings.keys.iter().find_map(|key| key.sign(claims)).ok_or(
        "no shared secret is configured (auth.secret): tokens of a public key are signed with its private half \
         (--private-key-file), or come from the issuer",
    )?;
    let verdict = Verifier::new(settings).verify(&token, now);
    verdict.map(|_| token).map_err(|refusal| would_refuse(&refusal))
}

/// The same by the private half of a key that is configured or published: the one whose tokens can be verified.
fn sign_with(
    file: &Path,
    key_set: &KeySetArgs,
    claims: &Map<String, Value>,
    settings: &Settings,
    now: SystemTime,
) -> Result<String, String> {
    let private_key =
        std::fs::read_to_string(file).map_err(|error| format!("{file:?} cannot be read: {error}"))?;
    let mut keys = settings.keys.clone();
    keys.extend(key_set.published(settings)?);
    let verifier = Verifier::new(settings).with_keys(keys.clone());
    for token in keys.iter().filter_map(|key| key.sign_with(&private_key, claims)) {
        match verifier.verify(&token, now) {
            Ok(_) => return Ok(token),
            Err(Refusal::BadSignature) => {}
            Err(refusal) => return Err(would_refuse(&refusal)),
        }
    }
    Err(format!("{file:?} is the private half of no key that is configured or in the issuer's key set"))
}

fn would_refuse(refusal: &Refusal) -> String {
    format!("the service would refuse such a token: {refusal}")
}

fn one_or_list<T: Clone + Into<Value>>(name: &str, values: &[T]) -> Option<(String, Value)> {
    let value = match values {
        [] => return None,
        [one] => one.clone().into(),
        several => several.iter().cloned().map(Into::into).collect(),
    };
    Some((name.to_owned(), value))
}

pub(super) fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Rules, VerifyingKey};
    use clap::Parser;
    use jsonwebtoken::Algorithm;
    use serde_json::json;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: TokenArgs,
    }

    fn settings() -> Settings {
        let key = VerifyingKey::from_secret(Algorithm::HS256, "a secret of this test, long enough for HS256");
        let rules = Rules {
            issuer: Some("https://login.example".to_owned()),
            required_claims: vec!["sub".to_owned()],
            ..Rules::default()
        };
        Settings { keys: vec![key.unwrap()], rules, ..Settings::default() }
    }

    fn check(arguments: &[&str], expected: Result<Value, &str>) {
        let command = Command::parse_from(["token"].iter().chain(arguments));
        let now = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let claims = token(&command.args, &settings(), now).map(|token| {
            let claims = Verifier::new(&settings()).verify(&token, now).unwrap();
            let names = ["sub", "role", "store_id", "iss", "exp", "site"];
            let present =
                names.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(name)?.clone())));
            Value::Object(present.collect())
        });
        assert_eq!(claims, expected.map_err(str::to_owned));
    }

    #[test]
    fn a_token_has_the_claims_that_were_asked_for_and_is_taken_by_the_service() {
        let iss = "https://login.example";
        check(&[], Ok(json!({"sub": "developer", "iss": iss, "exp": 1_795_003_600})));
        check(
            &["--sub", "u1", "--role", "ADMIN", "--store-id", "7", "--ttl", "1m", "--claim", "site=north"],
            Ok(json!({"sub": "u1", "role": "ADMIN", "store_id": 7, "iss": iss, "exp": 1_795_000_060,
                      "site": "north"})),
        );
        check(
            &["--role", "ADMIN", "--role", "WATCHER", "--claim", "site=[1,2]"],
            Ok(json!({"sub": "developer", "role": ["ADMIN", "WATCHER"], "iss": iss, "exp": 1_795_003_600,
                      "site": [1, 2]})),
        );
    }

    #[test]
    fn a_private_key_signs_for_its_public_half() {
        let check = |private: &str, expected: Result<Option<&str>, &str>| {
            let file = format!("tests/fixtures/test-only-keys/{private}-private.pem");
            let command = Command::parse_from(["token", "--private-key-file", &file]);
            let token = token(&command.args, &two_public_keys(), SystemTime::now());
            let kid = token.map(|token| jsonwebtoken::decode_header(&token).unwrap().kid);
            assert_eq!(kid, expected.map(|kid| kid.map(str::to_owned)).map_err(str::to_owned), "{private}");
        };
        check("p256", Ok(Some("ours")));
        check("rsa", Ok(None));
        let stranger = "\"tests/fixtures/test-only-keys/ed25519-private.pem\" is the private half of no key that is \
                        configured or in the issuer's key set";
        check("ed25519", Err(stranger));
    }

    fn two_public_keys() -> Settings {
        let pem = |name: &str| {
            std::fs::read_to_string(format!("tests/fixtures/test-only-keys/{name}-public.pem")).unwrap()
        };
        let p256 = VerifyingKey::from_pem(Algorithm::ES256, &pem("p256")).unwrap();
        let rsa = VerifyingKey::from_pem(Algorithm::PS256, &pem("rsa")).unwrap();
        Settings { keys: vec![rsa, p256.with_kid(Some("ours".to_owned()))], ..Settings::default() }
    }

    #[test]
    fn what_the_service_would_refuse_is_not_made() {
        check(&["--ttl", "0s"], Err("the service would refuse such a token: token has expired"));
        check(
            &["--claim", "iss=x"],
            Err("the service would refuse such a token: token is from another issuer"),
        );
        check(
            &["--claim", "sub=5"],
            Err("the service would refuse such a token: claim sub is of the wrong type"),
        );
    }
}
