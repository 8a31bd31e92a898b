//! Users on the command line: tokens, judged as the service would, or the claims that a token would have.

use super::key_set::KeySetArgs;
use crate::auth::{Claims, Settings, Verifier};
use crate::config::Config;
use crate::event::Key;
use clap::Args;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Args)]
pub(super) struct UserArgs {
    /// A user, by the token that they bring; may be given several times, as may the next two
    #[arg(long = "token", value_name = "TOKEN")]
    tokens: Vec<String>,
    /// File with the token, which on the command line every process can read
    #[arg(long = "token-file", value_name = "FILE")]
    token_files: Vec<PathBuf>,
    #[command(flatten)]
    key_set: KeySetArgs,
    /// A user, by the claims that their token would have
    #[arg(long, value_name = "JSON", value_parser = claims)]
    claims: Vec<Map<String, Value>>,
}

/// Who is asked about.
pub(super) enum User {
    LetIn(Vec<Key>),
    Refused(String),
}

impl User {
    /// Their keys, or why they have none.
    pub fn keys(self) -> Result<Vec<Key>, String> {
        match self {
            User::LetIn(keys) => Ok(keys),
            User::Refused(refusal) => Err(format!("the user is not let in: {refusal}")),
        }
    }
}

impl UserArgs {
    /// All of them, each with what they are called, such as `claims 1`.
    pub fn users(&self, config: &Config) -> Result<Vec<(String, User)>, String> {
        let keys = |claims: &Claims| config.catalog.grants().keys_of(claims).to_vec();
        let files: Vec<String> =
            self.token_files.iter().map(|file| read_token(file)).collect::<Result<_, _>>()?;
        let verifier = self.verifier(&config.auth, self.tokens.iter().chain(&files))?;
        let verify = |token: &String| match verifier.verify(token, SystemTime::now()) {
            Ok(claims) => User::LetIn(keys(&claims)),
            Err(refusal) => User::Refused(refusal.to_string()),
        };
        let granted =
            |claims: &Map<String, Value>| User::LetIn(keys(&Claims::new(claims.clone(), SystemTime::now())));
        let numbered = |kind: &'static str| (1..).map(move |number: u32| format!("{kind} {number}"));
        let of_tokens = numbered("token").zip(self.tokens.iter().map(verify));
        let of_files = numbered("token file").zip(files.iter().map(verify));
        let of_claims = numbered("claims").zip(self.claims.iter().map(granted));
        Ok(of_tokens.chain(of_files).chain(of_claims).collect())
    }

    /// As an instance has it. The issuer is asked for its keys only if the settings' own do not do for all these tokens.
    fn verifier<'t>(
        &self,
        settings: &Settings,
        mut tokens: impl Iterator<Item = &'t String>,
    ) -> Result<Verifier, String> {
        let (verifier, now) = (Verifier::new(settings), SystemTime::now());
        if tokens.all(|token| verifier.verify(token, now).is_ok()) {
            return Ok(verifier);
        }
        let keys = settings.keys.iter().cloned().chain(self.key_set.published(settings)?).collect();
        Ok(verifier.with_keys(keys))
    }
}

fn read_token(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file:?} cannot be read: {error}"))?;
    Ok(text.trim().to_owned())
}

fn claims(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|fault| format!("expected a JSON object: {fault}"))
}
