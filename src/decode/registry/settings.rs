//! The settings of section `[registry]`: where the schema registry is, and as whom to ask.

use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

use crate::limits;
use crate::settings::{Document, Section};

/// How to reach the registry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Addresses of one registry, without credentials; asked in turn when one fails. None at all: there
    /// is no registry.
    pub urls: Vec<Url>,
    pub credentials: Credentials,
    /// How long one request may take.
    pub timeout: Duration,
    /// How many schemas are remembered; the least recently used goes.
    pub cache_max: usize,
}

/// As whom to ask.
#[derive(Clone, Debug)]
pub enum Credentials {
    None,
    Basic { username: String, password: SecretString },
    Bearer(SecretString),
}

impl Settings {
    /// Reads the section; faults are the document's.
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("registry", "The schema registry (Confluent's API).");
        Settings {
            urls: section
                .key("urls", "Addresses of the registry, asked in turn when one fails; none: no registry.")
                .urls(),
            credentials: read_credentials(&mut section),
            timeout: section
                .key("timeout", "How long one request to the registry may take.")
                .duration(limits::REGISTRY_TIMEOUT, Duration::from_millis(100)..=Duration::from_secs(60)),
            cache_max: section
                .key("cache_max", "How many schemas are remembered; the least recently used goes.")
                .integer(limits::REGISTRY_CACHE_MAX, 16..=1_000_000),
        }
    }
}

fn read_credentials(section: &mut Section<'_>) -> Credentials {
    let username = section.key("username", "User name for basic authentication.").text_if_set();
    let password = section.key("password", "Password for basic authentication.").secret();
    let token = section.key("token", "Bearer token, instead of user name and password.").secret();
    let [has_username, has_password, has_token] =
        ["username", "password", "token"].map(|key| section.is_written(key));
    if has_token && (has_username || has_password) {
        section.fault("token", "is written together with a user name or password; keep one of the two ways");
    }
    if has_username != has_password {
        let (written, missing) =
            if has_username { ("username", "password") } else { ("password", "username") };
        section.fault(written, format!("is written without registry.{missing}"));
    }
    match (username, password, token) {
        (Some(username), Some(password), None) => Credentials::Basic { username, password },
        (None, None, Some(token)) => Credentials::Bearer(token),
        _ => Credentials::None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Settings};
    use crate::settings::read_text;

    fn read(text: &str) -> Result<Settings, String> {
        read_text(&format!("[registry]\n{text}"), Settings::read)
    }

    #[test]
    fn credentials_are_a_pair_or_a_token() {
        assert!(matches!(read("").unwrap().credentials, Credentials::None));
        let basic = read("username = \"ann\"\npassword = \"hunter2\"").unwrap().credentials;
        assert!(matches!(&basic, Credentials::Basic { username, .. } if username == "ann"));
        assert!(!format!("{basic:?}").contains("hunter2"));
        assert!(matches!(read("token = \"hunter2\"").unwrap().credentials, Credentials::Bearer(_)));
        let fault = |text: &str| read(text).unwrap_err();
        assert_eq!(
            fault("username = \"ann\""),
            "dumbwaiter.toml:2:12: in registry.username: is written without registry.password"
        );
        assert!(
            fault("token = \"t\"\nusername = \"a\"\npassword = \"p\"").contains("keep one of the two ways")
        );
    }
}
