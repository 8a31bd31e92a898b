//! The keys that an issuer publishes, for commands that judge a token as the service would.
//!
//! They are fetched from `auth.jwks_url` once, and only where no configured key has settled it; or read from a file, where
//! that address cannot be reached from here.

use crate::auth::{Jwks, JwksSettings, KeySet, Settings, VerifyingKey};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct KeySetArgs {
    /// The issuer's key set (JWKS) in a file, instead of asking auth.jwks_url
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
}

impl KeySetArgs {
    /// What the issuer publishes; nothing where no key set is named.
    pub fn published(&self, settings: &Settings) -> Result<Vec<VerifyingKey>, String> {
        match (&self.jwks_file, &settings.jwks) {
            (Some(file), _) => read(file),
            (None, Some(jwks)) => ask(jwks),
            (None, None) => Ok(Vec::new()),
        }
    }
}

fn read(file: &Path) -> Result<Vec<VerifyingKey>, String> {
    let text = std::fs::read(file).map_err(|error| format!("{file:?} cannot be read: {error}"))?;
    let set = KeySet::parse(&text).ok_or_else(|| format!("{file:?} holds no key set (JWKS)"))?;
    if set.keys.is_empty() {
        return Err(format!("{file:?}: no key can be used ({})", set.passed_over.join("; ")));
    }
    Ok(set.keys)
}

fn ask(settings: &JwksSettings) -> Result<Vec<VerifyingKey>, String> {
    let told = |reason: &dyn std::fmt::Display| format!("auth.jwks_url, {}: {reason}", settings.url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| told(&error))?;
    let jwks = Jwks::new(settings.clone(), Box::new(|_| {})).map_err(|fault| told(&fault))?;
    runtime.block_on(jwks.ask()).map(|set| set.keys).map_err(|reason| told(&reason))
}
