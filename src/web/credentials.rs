//! What a request shows of its sender: a token in its header or, where that is switched on, its query; or
//! the cookie of a session.
//!
//! A browser sends cookies along with requests that any page makes, and a WebSocket may be opened by any
//! page to any host. So a session counts only if no page is behind the request, or one of the very host that
//! was asked; a token does not come by itself, and needs no such care.

use super::Web;
use crate::admission::Presented;
use crate::auth::{self, SessionValue};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use secrecy::SecretString;

impl Web {
    /// The first of: bearer token, `query_token`, session.
    pub(super) fn presented(&self, headers: &HeaderMap, query_token: Option<&str>) -> Presented {
        if let Some(token) = bearer_token(headers).or(query_token) {
            return Presented::Token(SecretString::from(token));
        }
        let session = self.admission.session_cookie().and_then(|name| session(headers, name));
        match session {
            None => Presented::Nothing,
            Some(session) if is_from_own_page(headers) => Presented::Session(session),
            Some(_) => Presented::ForeignSession,
        }
    }
}

/// The token of an `Authorization: Bearer` header (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    auth::bearer(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

fn session(headers: &HeaderMap, name: &str) -> Option<SessionValue> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
    SessionValue::in_cookies(cookies, name)
}

/// Whether no page is behind the request, or one of the host that it is for. In doubt it is not.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return true;
    }
    match (sole_text(headers, ORIGIN), sole_text(headers, HOST)) {
        (Some(origin), Some(host)) => is_same_host(origin, host),
        _ => false,
    }
}

/// Compares `https://shop.example` with `shop.example`, either with its port where it is not the scheme's own.
/// The scheme is not compared: behind a proxy that ends TLS this side does not know what the page's was.
fn is_same_host(origin: &str, host: &str) -> bool {
    let (default_port, origin_host) = match origin.split_once("://") {
        Some(("https", rest)) => (":443", rest),
        Some(("http", rest)) => (":80", rest),
        _ => return false,
    };
    let [origin_host, host] = [origin_host, host].map(|text| text.strip_suffix(default_port).unwrap_or(text));
    !host.is_empty() && origin_host.eq_ignore_ascii_case(host)
}

fn sole_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::to_str);
    let value = values.next()?.ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&'static str], hosts: &[&'static str], expected: bool) {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        for host in hosts {
            headers.append(HOST, HeaderValue::from_static(host));
        }
        assert_eq!(is_from_own_page(&headers), expected, "{origins:?} {hosts:?}");
    }

    #[test]
    fn a_session_counts_for_no_page_or_one_of_this_host() {
        check(&[], &["shop.example"], true);
        check(&["https://shop.example"], &["shop.example"], true);
        check(&["https://shop.example"], &["SHOP.example:443"], true);
        check(&["http://localhost:8080"], &["localhost:8080"], true);
        check(&["http://[::1]:8080"], &["[::1]:8080"], true);
    }

    #[test]
    fn a_session_does_not_count_for_other_pages() {
        check(&["https://evil.example"], &["shop.example"], false);
        check(&["https://shop.example.evil.example"], &["shop.example"], false);
        check(&["https://evilshop.example"], &["shop.example"], false);
        check(&["https://shop.example:8443"], &["shop.example"], false);
        check(&["http://shop.example:443"], &["shop.example"], false);
        check(&["null"], &["shop.example"], false);
        check(&["null"], &["null"], false);
        check(&["file://"], &[""], false);
        check(&["https://"], &[""], false);
        check(&["https://shop.example"], &[], false);
        check(&["https://shop.example"], &["shop.example", "evil.example"], false);
        check(&["https://shop.example", "https://evil.example"], &["shop.example"], false);
    }
}
