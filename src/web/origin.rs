//! Which page is behind a request, and which pages are heard (RFC 6455, section 10.2; the Fetch standard's CORS).
//!
//! ```text
//! no Origin                                 not a browser: passes, since whoever is no browser can say anything
//! Origin: https://shop.example              a page of the host that is asked (`Host`): passes. One of http:// does not
//!                                           where clients speak TLS: what anybody on the way can write is not ours
//! Origin: https://admin.shop.example        another page: passes if `web.origins` has exactly this
//! Origin: null; two of them                 anything else: 403
//! ```
//!
//! A WebSocket may be opened by any page to any host, and no preflight asks before. What a browser sends along by
//! itself, a cookie, counts for pages of this very host only, whatever the list says.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, HOST, HeaderName, ORIGIN,
    RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The pages that are heard.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Those of other hosts, each as a browser writes its origin.
    listed: Arc<[String]>,
    /// Our own pages come over TLS only, by this service or by the proxies in front.
    over_tls: bool,
}

/// What is behind a request. In doubt it is a foreign page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page<'h> {
    /// No page, as far as the request says.
    None,
    /// One of the host that the request is for.
    Own,
    Other(&'h str),
    /// One that does not say whose it is, or says it twice.
    Unclear,
}

impl Origins {
    /// The first that is no origin is the error.
    pub fn new(origins: Vec<String>) -> Result<Origins, String> {
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(wrong) => Err(wrong.clone()),
            None => Ok(Origins { listed: origins.into(), over_tls: false }),
        }
    }

    /// The same, where clients speak TLS or not.
    #[must_use]
    pub fn over_tls(self, over_tls: bool) -> Origins {
        Origins { over_tls, ..self }
    }

    /// Whether no page is behind a request, or one of the very host that is asked: for what no other page has a use for.
    pub fn is_own_page(&self, headers: &HeaderMap) -> bool {
        matches!(self.page(headers), Page::None | Page::Own)
    }

    /// The page behind a request.
    pub(super) fn page<'h>(&self, headers: &'h HeaderMap) -> Page<'h> {
        if !headers.contains_key(ORIGIN) {
            return Page::None;
        }
        match (sole_text(headers, ORIGIN), sole_text(headers, HOST)) {
            (Some("null") | None, _) => Page::Unclear,
            (Some(origin), Some(host)) if self.is_own(origin, host) => Page::Own,
            (Some(origin), _) => Page::Other(origin),
        }
    }

    /// Where nothing says that there is TLS, a proxy may do it all the same, so a page may be of either scheme.
    fn is_own(&self, origin: &str, host: &str) -> bool {
        (!self.over_tls || origin.starts_with("https://")) && is_same_host(origin, host)
    }

    /// Whether a request of this page is answered.
    pub(super) fn hear(&self, page: Page<'_>) -> bool {
        match page {
            Page::None | Page::Own => true,
            Page::Other(origin) => self.listed.iter().any(|listed| listed == origin),
            Page::Unclear => false,
        }
    }

    /// Lets the page read the answer, if it is heard. Caches must not give one page's answer to another.
    pub(super) fn allow_reading(&self, page: Page<'_>, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
        if let Page::Other(origin) = page
            && self.hear(page)
            && let Ok(origin) = HeaderValue::from_str(origin)
        {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_name(RETRY_AFTER));
        }
    }

    /// The answer to a browser that asks whether the page may send its token. Credentials are not allowed: a
    /// cookie would not count anyway.
    pub(super) fn preflight(&self, page: Page<'_>) -> Response {
        if !self.hear(page) {
            return StatusCode::FORBIDDEN.into_response();
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        self.allow_reading(page, headers);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_name(AUTHORIZATION));
        // Ten minutes, so that a page of an origin that was taken off the list is not heard for much longer.
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    }
}

impl Page<'_> {
    /// A browser sends cookies along with requests that any page makes.
    pub fn may_use_cookies(self) -> bool {
        matches!(self, Page::None | Page::Own)
    }
}

/// `scheme://host`, with a port where it is not the scheme's own, in small letters: what browsers send, letter
/// by letter. Any scheme, for the pages that apps have inside.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let is_host_byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    let own_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let has_own_port = !own_port.is_empty() && host.ends_with(own_port);
    is_scheme && !host.is_empty() && host.bytes().all(is_host_byte) && !has_own_port
}

/// Compares `https://shop.example` with `shop.example`, either with its port where it is not the scheme's own.
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

    fn check(origins: &[&'static str], hosts: &[&'static str], expected: Page<'_>) {
        check_over_tls(false, origins, hosts, expected);
    }

    fn check_over_tls(over_tls: bool, origins: &[&'static str], hosts: &[&'static str], expected: Page<'_>) {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(ORIGIN, HeaderValue::from_static(origin));
        }
        for host in hosts {
            headers.append(HOST, HeaderValue::from_static(host));
        }
        let origins_heard = Origins::default().over_tls(over_tls);
        assert_eq!(origins_heard.page(&headers), expected, "{origins:?} {hosts:?}");
    }

    #[test]
    fn a_page_of_the_host_that_is_asked_is_known() {
        check(&[], &["shop.example"], Page::None);
        check(&["https://shop.example"], &["shop.example"], Page::Own);
        check(&["https://shop.example"], &["SHOP.example:443"], Page::Own);
        check(&["http://localhost:8080"], &["localhost:8080"], Page::Own);
        check(&["http://[::1]:8080"], &["[::1]:8080"], Page::Own);
    }

    #[test]
    fn other_pages_are_told_from_it() {
        let other = |origin: &'static str, host| check(&[origin], &[host], Page::Other(origin));
        other("https://evil.example", "shop.example");
        other("https://shop.example.evil.example", "shop.example");
        other("https://evilshop.example", "shop.example");
        other("https://shop.example:8443", "shop.example");
        other("http://shop.example:443", "shop.example");
        other("file://", "");
        other("https://", "");
        check(&["null"], &["shop.example"], Page::Unclear);
        check(&["null"], &["null"], Page::Unclear);
        check(&["https://shop.example"], &[], Page::Other("https://shop.example"));
        check(&["https://shop.example"], &["shop.example", "x"], Page::Other("https://shop.example"));
        check(&["https://shop.example", "https://evil.example"], &["shop.example"], Page::Unclear);
    }

    #[test]
    fn where_clients_speak_tls_a_page_in_the_clear_is_another() {
        for origin in ["http://shop.example", "http://shop.example:443", "http://shop.example:8443"] {
            for host in ["shop.example", "shop.example:443", "shop.example:80", "shop.example:8443"] {
                check_over_tls(true, &[origin], &[host], Page::Other(origin));
            }
        }
        check_over_tls(true, &["https://shop.example"], &["shop.example"], Page::Own);
        check_over_tls(true, &["https://shop.example:8443"], &["shop.example:8443"], Page::Own);
        check_over_tls(false, &["http://shop.example"], &["shop.example"], Page::Own);
    }

    #[test]
    fn exactly_the_listed_pages_are_heard() {
        let origins =
            Origins::new(vec!["https://admin.example".to_owned(), "capacitor://localhost".to_owned()]);
        let origins = origins.unwrap();
        for page in [
            Page::None,
            Page::Own,
            Page::Other("https://admin.example"),
            Page::Other("capacitor://localhost"),
        ] {
            assert!(origins.hear(page), "{page:?}");
        }
        for foreign in [
            "http://admin.example",
            "https://admin.example:8443",
            "https://ADMIN.example",
            "https://admin.example.evil.example",
            "https://evil.example/https://admin.example",
            "https://x.admin.example",
        ] {
            assert!(!origins.hear(Page::Other(foreign)), "{foreign}");
        }
        assert!(!origins.hear(Page::Unclear));
    }

    #[test]
    fn what_no_browser_sends_is_not_taken_for_an_origin() {
        let check = |text: &str, expected| assert_eq!(is_origin(text), expected, "{text}");
        for good in
            ["https://a.example", "http://localhost:3000", "https://[::1]:8443", "capacitor://localhost"]
        {
            check(good, true);
        }
        for wrong in [
            "*",
            "null",
            "",
            "https://",
            "a.example",
            "https://*.example",
            "https://a.example/",
            "https://a.example:443",
            "http://a.example:80",
            "https://A.example",
            "https://user@a.example",
            "https://a.example https://b.example",
        ] {
            check(wrong, false);
        }
    }
}
