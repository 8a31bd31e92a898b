//! What a request shows of its sender: a token in its header or, where that is switched on, its query; or
//! the cookie of a session.
//!
//! A browser sends cookies along with requests that any page makes, and a WebSocket may be opened by any
//! page to any host. So a session counts only if no page is behind the request, or one of the very host that
//! was asked; a token does not come by itself, and needs no such care.

use super::Web;
use crate::admission::Presented;
use crate::auth::{self, SessionValue};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
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
            Some(session) if self.origins.page(headers).may_use_cookies() => Presented::Session(session),
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
