//! The settings of section `[session]`: where opaque sessions are looked up.

use std::time::Duration;

use super::cookie::is_cookie_name;
use crate::fetch::is_in_the_clear;
use crate::limits;
use crate::settings::{Document, Section, Url};

/// How sessions are looked up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address that is asked; over TLS, or on this machine.
    pub url: Url,
    /// The name of the cookie that has the session.
    pub cookie: String,
    /// How long one lookup may take.
    pub timeout: Duration,
    /// How long an answer counts, a refusal too.
    pub cache_ttl: Duration,
    /// How long a session's claims count, where the answer does not say it or says longer.
    pub lifetime: Option<Duration>,
}

/// As the second contract's own login calls it.
const COOKIE: &str = "sessionId";

impl Settings {
    /// Reads the section; faults are the document's. None where sessions are not looked up.
    pub fn read(document: &mut Document) -> Option<Settings> {
        let mut section = document.section("session", "Opaque session cookies, looked up at the login.");
        let url = section
            .key("url", "Address that answers a session cookie with claims; not set: cookies are no login.")
            .url_if_set();
        let cookie = section.key("cookie", "The name of the cookie that has the session.").text(COOKIE);
        let timeout = section
            .key("timeout", "How long one lookup may take; the client waits meanwhile.")
            .duration(limits::SESSION_TIMEOUT, Duration::from_millis(100)..=limits::SESSION_TIMEOUT_MAX);
        let cache_ttl = section
            .key("cache_ttl", "How long an answer counts before it is asked for again; 0s: not at all.")
            .duration(limits::SESSION_CACHE_TTL, Duration::ZERO..=limits::SESSION_CACHE_TTL_MAX);
        let lifetime = section
            .key("lifetime", "How long claims count at most; not set: until the exp that they must have.")
            .duration_if_set(Duration::from_secs(1)..=limits::AUTH_LIFETIME_MAX);
        if !is_cookie_name(&cookie) {
            section.fault("cookie", format!("{cookie:?} cannot be the name of a cookie"));
        }
        // A written default is no fault: `--print-config` writes them all.
        let in_vain = [
            ("cookie", cookie != COOKIE),
            ("timeout", timeout != limits::SESSION_TIMEOUT),
            ("cache_ttl", cache_ttl != limits::SESSION_CACHE_TTL),
            ("lifetime", lifetime.is_some()),
        ];
        check_url(&mut section, url.as_ref(), &in_vain);
        Some(Settings { url: url?, cookie, timeout, cache_ttl, lifetime })
    }
}

/// Who has a session's value is that user, so it does not go over a network in the clear.
fn check_url(section: &mut Section<'_>, url: Option<&Url>, in_vain: &[(&'static str, bool)]) {
    match url {
        Some(url) if is_in_the_clear(url) => {
            section
                .fault("url", "would send sessions in the clear (expected https, or http to this machine)");
        }
        Some(_) => {}
        None if section.is_written("url") => {}
        None => {
            if let Some((key, _)) = in_vain.iter().find(|(_, changed)| *changed) {
                section.fault(key, "is written without session.url");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read_text;

    fn read(text: &str) -> Result<Option<Settings>, String> {
        read_text(&format!("[session]\n{text}"), Settings::read)
    }

    #[test]
    fn sessions_are_off_without_an_address() {
        assert!(read("").unwrap().is_none());
        assert_eq!(
            read("cookie = \"sid\"").unwrap_err(),
            "dumbwaiter.toml:2:10: in session.cookie: is written without session.url"
        );
        assert!(!read("url = \"nowhere\"\ncookie = \"sid\"").unwrap_err().contains("without session.url"));
        let settings = read("url = \"https://login.example/session\"").unwrap().unwrap();
        assert_eq!((settings.cookie.as_str(), settings.lifetime), ("sessionId", None));
    }

    #[test]
    fn an_address_in_the_clear_is_for_this_machine_only() {
        for url in
            ["http://127.0.0.1:9/x", "http://127.1.2.3", "http://[::1]:9", "http://localhost", "https://x"]
        {
            assert!(read(&format!("url = {url:?}")).is_ok(), "{url}");
        }
        for url in ["http://login.example", "http://10.0.0.1", "http://0.0.0.0", "http://localhost.example"] {
            assert_eq!(
                read(&format!("url = {url:?}")).unwrap_err(),
                "dumbwaiter.toml:2:7: in session.url: would send sessions in the clear \
                 (expected https, or http to this machine)"
            );
        }
    }

    #[test]
    fn a_cookie_must_have_a_name() {
        let fault = |name: &str| read(&format!("url = \"https://x\"\ncookie = {name:?}")).unwrap_err();
        assert!(fault("a b").ends_with("\"a b\" cannot be the name of a cookie"));
        assert!(fault("").ends_with("\"\" cannot be the name of a cookie"));
    }
}
