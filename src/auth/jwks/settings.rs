//! The settings of a key set's address; they stand in `[auth]`, beside the keys in files.

use std::time::Duration;

use crate::fetch::is_in_the_clear;
use crate::limits;
use crate::settings::{Section, Url};

/// Where the issuer publishes its keys.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Over TLS, or on this machine.
    pub url: Url,
    /// How often the set is fetched when nothing else asks for it.
    pub refresh: Duration,
}

impl Settings {
    /// Reads `jwks_url` and `jwks_refresh`. None where there is no such address.
    pub fn read(section: &mut Section<'_>) -> Option<Settings> {
        let url = section
            .key("jwks_url", "Address of the issuer's key set (JWKS): https, or http to this machine.")
            .url_if_set();
        let refresh = section
            .key("jwks_refresh", "How often the key set is fetched; an unknown kid is asked for sooner.")
            .duration(limits::JWKS_REFRESH, limits::JWKS_INTERVAL_MIN..=limits::JWKS_REFRESH_MAX);
        if url.as_ref().is_some_and(is_in_the_clear) {
            section.fault(
                "jwks_url",
                "would take keys from anybody on the way (expected https, or http to this machine)",
            );
        }
        Some(Settings { url: url?, refresh })
    }
}
