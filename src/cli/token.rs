//! `dumbwaiter token`: a JWT to try things with, signed by the secret that the service verifies with.
//!
//! Only the token goes to standard output, so that it can be put where a token belongs: `$(dumbwaiter token ...)`.
//! In production tokens come from the login service; whoever has the secret can be anybody.

use super::output::{put, say};
use super::{ConfigArgs, Outcome};
use crate::auth::{Settings, Verifier};
use crate::settings::Environment;
use clap::Args;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter token --config dumbwaiter.toml --role ADMIN
  dumbwaiter token --secret-file secret.txt --sub 4920737570657261646d696e --role CUSTOMER
  dumbwaiter token --config dumbwaiter.toml --sub screen-7 --store-id 7 --ttl 12h
  curl -H \"Authorization: Bearer $(dumbwaiter token --config dumbwaiter.toml --role ADMIN)\" \\
      http://127.0.0.1:8080/api/v1/ws/ticket

iss and aud are those of the configuration. A claim's value is JSON where it reads as JSON, else a text.")]
pub(super) struct TokenArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// File of the shared secret, instead of auth.secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
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
            say(&"for development only: whoever has the secret can be anybody");
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
    sign(&claims, settings, now)
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

/// A token of these claims, unless the service would refuse it.
pub(super) fn sign(
    claims: &Map<String, Value>,
    settings: &Settings,
    now: SystemTime,
) -> Result<String, String> {
    let token = settings.keys.iter().find_map(|key| key.sign(claims)).ok_or(
        "no shared secret is configured (auth.secret): tokens of a public key come from its issuer only",
    )?;
    // What the service would refuse is no use to anybody.
    let verdict = Verifier::new(settings).verify(&token, now);
    verdict.map(|_| token).map_err(|refusal| format!("the service would refuse such a token: {refusal}"))
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
