//! The page's own files, on the listener where clients connect, so that its WebSockets are of its own origin.
//!
//! Plain files, compiled in, with no build step and nothing from elsewhere; none of them holds a secret.
//! `socket.io.min.js` is the official client, as published (`page/NOTICE.md`). Everything a payload holds is shown as
//! text, and the content security policy would stop anything else.

use super::Scene;
use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::routing::get;

/// Scripts, styles and connections of the page's own origin only; no inline code, no frames, no forms.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

const SOCKET_IO_CLIENT: &str = include_str!("page/socket.io.min.js");

/// Each at `/board/NAME`.
const FILES: [(&str, &str, &str); 15] = [
    ("style.css", CSS, include_str!("page/style.css")),
    ("page.js", JAVASCRIPT, include_str!("page/page.js")),
    ("people.js", JAVASCRIPT, include_str!("page/people.js")),
    ("clients.js", JAVASCRIPT, include_str!("page/clients.js")),
    ("ledger.js", JAVASCRIPT, include_str!("page/ledger.js")),
    ("column.js", JAVASCRIPT, include_str!("page/column.js")),
    ("slips.js", JAVASCRIPT, include_str!("page/slips.js")),
    ("dom.js", JAVASCRIPT, include_str!("page/dom.js")),
    ("describe.js", JAVASCRIPT, include_str!("page/describe.js")),
    ("chart.js", JAVASCRIPT, include_str!("page/chart.js")),
    ("demo.js", JAVASCRIPT, include_str!("page/demo.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("socket.io.min.js", JAVASCRIPT, SOCKET_IO_CLIENT),
    ("socket.io.LICENSE", TEXT, include_str!("page/socket.io.LICENSE")),
    ("NOTICE", TEXT, include_str!("page/NOTICE.md")),
];

pub(super) fn router(scene: Scene) -> Router {
    let index = include_str!("page/index.html").replace("SCENE", scene.label());
    let page = Router::new().route("/", get(move || async move { (headers(HTML), index) }));
    FILES.into_iter().fold(page, |page, (name, kind, body)| {
        page.route(&format!("/board/{name}"), get(move || async move { (headers(kind), body) }))
    })
}

impl Scene {
    /// What the page reads in its own head.
    fn label(self) -> &'static str {
        match self {
            Scene::Staff => "staff",
            Scene::Demo => "demo",
        }
    }
}

fn headers(content_type: &'static str) -> [(HeaderName, &'static str); 6] {
    [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (CACHE_CONTROL, "no-cache"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte for byte: version and digest are those of `page/NOTICE.md`.
    #[test]
    fn the_vendored_client_is_the_published_one() {
        use sha2::{Digest, Sha256};
        let notice = include_str!("page/NOTICE.md");
        let digest: String =
            Sha256::digest(SOCKET_IO_CLIENT).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(notice.contains(&digest), "{digest} is not the digest in page/NOTICE.md");
        assert!(
            notice.contains("version 4.8.4") && SOCKET_IO_CLIENT.starts_with("/*!\n * Socket.IO v4.8.4\n")
        );
    }

    #[test]
    fn the_page_knows_its_scene() {
        let marks = include_str!("page/index.html").matches("SCENE").count();
        assert_eq!(marks, 1);
    }
}
