//! The session in a request's cookies (RFC 6265).
//!
//! ```text
//! Cookie: theme=dark; sessionId=0c3e7a52-5b0f-4d9e-8a35-52f1d0f0a1c7
//! ```
//!
//! Of several cookies of the name the first counts, as it does for the login itself: it is the one of the most
//! specific path. A value that no login gives out, too long or of other characters than section 4.1.1
//! allows, is no session. Whoever has the value is its owner, so `Debug` does not show it.

use std::fmt;

use crate::limits;

/// The value of a session cookie, as it will be sent on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionValue(String);

impl SessionValue {
    /// The session in the values of `Cookie` headers.
    pub fn in_cookies<'h>(headers: impl IntoIterator<Item = &'h str>, name: &str) -> Option<SessionValue> {
        let mut pairs = headers.into_iter().flat_map(|header| header.split(';')).filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            Some((name.trim(), value.trim()))
        });
        pairs.find(|(found, _)| *found == name).and_then(|(_, value)| SessionValue::parse(value))
    }

    pub fn parse(value: &str) -> Option<SessionValue> {
        let fits = (1..=limits::SESSION_VALUE_MAX_BYTES).contains(&value.len());
        (fits && value.bytes().all(is_cookie_octet)).then(|| SessionValue(value.to_owned()))
    }

    /// The value itself, for the one request that looks it up.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SessionValue(hidden)")
    }
}

/// Visible ASCII without quotes, comma, semicolon and backslash.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

/// Whether a cookie can be called so: a token of RFC 9110, section 5.6.2.
pub(super) fn is_cookie_name(name: &str) -> bool {
    let is_token_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let check = |headers: &[&str], expected: Option<&str>| {
            let found = SessionValue::in_cookies(headers.iter().copied(), "sessionId");
            assert_eq!(found.as_ref().map(SessionValue::as_str), expected, "{headers:?}");
        };
        check(&["sessionId=abc"], Some("abc"));
        check(&["a=b; sessionId=s%3Aabc.d==; c=d"], Some("s%3Aabc.d=="));
        check(&["a=b", "sessionId=abc"], Some("abc"));
        check(&["sessionId=first; sessionId=second"], Some("first"));
        check(&["sessionid=abc; xsessionId=abc; sessionId"], None);
        check(&["sessionId="], None);
        check(&["sessionId=\"abc\""], None);
        check(&["sessionId=a b"], None);
        check(&["sessionId=a\u{e9}"], None);
        check(&[], None);
        let longest = "x".repeat(limits::SESSION_VALUE_MAX_BYTES);
        check(&[&format!("sessionId={longest}")], Some(&longest));
        check(&[&format!("sessionId={longest}x")], None);
    }

    #[test]
    fn a_session_is_not_shown() {
        assert_eq!(format!("{:?}", SessionValue::parse("abc").unwrap()), "SessionValue(hidden)");
    }
}
