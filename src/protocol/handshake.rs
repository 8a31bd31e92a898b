//! The upgrade request of RFC 6455, section 4.2: is it one, and what is the answer to its key?
//!
//! ```text
//! Connection: .., Upgrade, ..      Upgrade: websocket      Sec-WebSocket-Version: 13
//! Sec-WebSocket-Key: 16 bytes in base64    ->    Sec-WebSocket-Accept: base64(SHA-1(key + GUID))
//! ```
//!
//! In: the headers of a GET request. Out: the value of `Sec-WebSocket-Accept`, or what is wrong. Subprotocols
//! and extensions are never agreed on. The method, the path, the `Origin` and the answer are the caller's.

use super::engineio::RequestError;
use axum::http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The one version there is; also the value of the header that goes with status 426.
pub const VERSION: &str = "13";

/// Why a request is not an upgrade to WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// `Connection` or `Upgrade` does not ask for WebSocket.
    #[error("not a request for an upgrade to websocket")]
    NotAnUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("sec-websocket-version is not {VERSION}")]
    UnsupportedVersion,
    /// `Sec-WebSocket-Key` is absent, not 16 bytes in base64, or there twice.
    #[error("sec-websocket-key is not one value of 16 bytes in base64")]
    BadKey,
}

impl UpgradeError {
    /// The status to answer with. 426 goes with the header `Sec-WebSocket-Version: 13` (section 4.4).
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnsupportedVersion => StatusCode::UPGRADE_REQUIRED,
            Self::NotAnUpgrade | Self::BadKey => StatusCode::BAD_REQUEST,
        }
    }
}

impl From<UpgradeError> for RequestError {
    fn from(_: UpgradeError) -> Self {
        Self::BadRequest
    }
}

/// Checks the headers of an upgrade request and gives the value of `Sec-WebSocket-Accept`.
pub fn check_upgrade(headers: &HeaderMap) -> Result<String, UpgradeError> {
    if !has_token(headers, &CONNECTION, "upgrade") || !has_token(headers, &UPGRADE, "websocket") {
        return Err(UpgradeError::NotAnUpgrade);
    }
    if sole_value(headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
        return Err(UpgradeError::UnsupportedVersion);
    }
    let key = sole_value(headers, &SEC_WEBSOCKET_KEY).ok_or(UpgradeError::BadKey)?;
    match STANDARD.decode(key) {
        Ok(nonce) if nonce.len() == 16 => Ok(accept_value(key)),
        _ => Err(UpgradeError::BadKey),
    }
}

fn accept_value(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// Whether the comma-separated lists of all headers of this name have the token, in any case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lists = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lists.flat_map(|list| list.split(|&byte| byte == b',')).any(|item| {
        let item = item.trim_ascii();
        item.eq_ignore_ascii_case(token.as_bytes())
    })
}

fn sole_value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(check_upgrade(&headers(&GOOD)).as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn headers_replaced() {
        let check = |name, value, expected: Result<(), UpgradeError>| {
            let mut headers = headers(&GOOD);
            headers.insert(name, HeaderValue::from_static(value));
            assert_eq!(check_upgrade(&headers).map(drop), expected, "{name}: {value}");
        };
        check("connection", "keep-alive, upgrade", Ok(()));
        check("connection", "keep-alive ,\tUPGRADE ", Ok(()));
        check("upgrade", "WebSocket", Ok(()));
        check("connection", "keep-alive", Err(UpgradeError::NotAnUpgrade));
        check("connection", "not-upgrade", Err(UpgradeError::NotAnUpgrade));
        check("upgrade", "h2c", Err(UpgradeError::NotAnUpgrade));
        check("sec-websocket-version", "8", Err(UpgradeError::UnsupportedVersion));
        check("sec-websocket-key", "", Err(UpgradeError::BadKey));
        check("sec-websocket-key", "dGhlIHNhbXBsZQ==", Err(UpgradeError::BadKey));
        check("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", Err(UpgradeError::BadKey));
        check("sec-websocket-key", "********************==", Err(UpgradeError::BadKey));
    }

    #[test]
    fn headers_missing_or_there_twice() {
        let check = |name, expected: [Result<(), UpgradeError>; 2]| {
            let mut without = headers(&GOOD);
            let value = without.remove(name).unwrap();
            let mut twice = headers(&GOOD);
            twice.append(name, value);
            let answers = [without, twice].map(|headers| check_upgrade(&headers).map(drop));
            assert_eq!(answers, expected, "{name}");
        };
        check("connection", [Err(UpgradeError::NotAnUpgrade), Ok(())]);
        check("upgrade", [Err(UpgradeError::NotAnUpgrade), Ok(())]);
        check("sec-websocket-version", [Err(UpgradeError::UnsupportedVersion); 2]);
        check("sec-websocket-key", [Err(UpgradeError::BadKey); 2]);
    }

    #[test]
    fn answers() {
        assert_eq!(UpgradeError::UnsupportedVersion.status(), 426);
        assert_eq!(UpgradeError::BadKey.status(), 400);
        assert_eq!(RequestError::from(UpgradeError::NotAnUpgrade), RequestError::BadRequest);
    }
}
