//! The page of the demo, on the listener where clients connect, so that its WebSockets are of its own origin.
//!
//! Plain files, compiled in, with no build step and nothing from elsewhere. `socket.io.min.js` is the official
//! client, as published (`page/socket.io.md`); everything a payload holds is shown as text, and the content
//! security policy would stop anything else.

use super::people::{Desk, people};
use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::routing::{MethodRouter, get};

/// Scripts, styles and connections of the page's own origin only; no inline code, no frames, no forms.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SOCKET_IO_CLIENT: &str = include_str!("page/socket.io.min.js");

pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/demo/style.css", file("text/css; charset=utf-8", include_str!("page/style.css")))
        .route("/demo/page.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/demo/clients.js", file("text/javascript; charset=utf-8", include_str!("page/clients.js")))
        .route("/demo/column.js", file("text/javascript; charset=utf-8", include_str!("page/column.js")))
        .route("/demo/icon.svg", file("image/svg+xml", include_str!("page/icon.svg")))
        .route("/demo/socket.io.min.js", file("text/javascript; charset=utf-8", SOCKET_IO_CLIENT))
        .route(
            "/demo/socket.io.LICENSE",
            file("text/plain; charset=utf-8", include_str!("page/socket.io.LICENSE")),
        )
        .route("/demo/people", get(people))
        .with_state(desk)
}

fn file(content_type: &'static str, body: &'static str) -> MethodRouter<Desk> {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    get(move || async move { (headers, body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte for byte: version and digest are those of `page/socket.io.md`.
    #[test]
    fn the_vendored_client_is_the_published_one() {
        use sha2::{Digest, Sha256};
        let notes = include_str!("page/socket.io.md");
        let digest: String =
            Sha256::digest(SOCKET_IO_CLIENT).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(notes.contains(&digest), "{digest} is not the digest in page/socket.io.md");
        assert!(
            notes.contains("version 4.8.4") && SOCKET_IO_CLIENT.starts_with("/*!\n * Socket.IO v4.8.4\n")
        );
    }
}
