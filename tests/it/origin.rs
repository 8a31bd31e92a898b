//! Pages and what a browser says of them: who is heard at `/ws` and at the ticket endpoint, and what it may read.

use crate::support::{Instance, token};
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

const LISTED: &str = "https://admin.example";
const FOREIGN: &str = "https://evil.example";
const SOCKET_IO: &str = "/ws/?EIO=4&transport=websocket";

async fn start() -> Instance {
    Instance::start_with(&["web.origins=https://admin.example,capacitor://localhost"]).await
}

/// Status, headers and body of a request from a page, or from no page.
async fn ask(
    instance: &Instance,
    method: Method,
    path: &str,
    origin: Option<&str>,
) -> (StatusCode, HeaderMap, String) {
    let bearer = token(json!({"role": "ADMIN"}));
    let request = reqwest::Client::new().request(method, format!("http://{}{path}", instance.address));
    let request = request.bearer_auth(bearer).header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13");
    let request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let is_answer = status != StatusCode::SWITCHING_PROTOCOLS;
    let body = if is_answer { response.text().await.unwrap() } else { String::new() };
    (status, headers, body)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn only_listed_pages_and_those_of_this_host_are_heard() {
    let instance = start().await;
    let own = format!("http://{}", instance.address);
    for path in ["/ws?key=x", SOCKET_IO] {
        for origin in [None, Some(&*own), Some(LISTED), Some("capacitor://localhost")] {
            let (status, ..) = ask(&instance, Method::GET, path, origin).await;
            assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS, "{path} {origin:?}");
        }
        for origin in [FOREIGN, "null", "http://admin.example", "https://admin.example:444", ""] {
            let (status, _, body) = ask(&instance, Method::GET, path, Some(origin)).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} {origin:?}");
            assert_eq!(body == r#"{"code":4,"message":"Forbidden"}"#, path == SOCKET_IO);
        }
    }
    assert_eq!(instance.metric(r#"dumbwaiter_connections_refused_total{reason="origin"}"#).await, 10.0);
    instance.stop().await;
}

#[tokio::test]
async fn a_page_of_another_host_reads_its_ticket_only_if_it_is_listed() {
    let instance = start().await;
    let ticket = "/api/v1/ws/ticket";
    let (status, headers, _) = ask(&instance, Method::GET, ticket, Some(LISTED)).await;
    assert_eq!((status, header(&headers, "access-control-allow-origin")), (StatusCode::OK, Some(LISTED)));
    assert_eq!(header(&headers, "vary"), Some("origin"));
    assert_eq!(header(&headers, "access-control-allow-credentials"), None);

    let (status, headers, body) = ask(&instance, Method::GET, ticket, Some(FOREIGN)).await;
    assert_eq!((status, header(&headers, "access-control-allow-origin")), (StatusCode::FORBIDDEN, None));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({"success": false, "error": "Wrong authorization data"}));

    let (status, headers, _) = ask(&instance, Method::GET, ticket, None).await;
    assert_eq!((status, header(&headers, "access-control-allow-origin")), (StatusCode::OK, None));
    instance.stop().await;
}

#[tokio::test]
async fn a_browser_is_told_beforehand_whether_a_page_may_send_its_token() {
    let instance = start().await;
    let ticket = "/api/v1/ws/ticket";
    let (status, headers, _) = ask(&instance, Method::OPTIONS, ticket, Some(LISTED)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(header(&headers, "access-control-allow-origin"), Some(LISTED));
    assert_eq!(header(&headers, "access-control-allow-methods"), Some("GET"));
    assert_eq!(header(&headers, "access-control-allow-headers"), Some("authorization"));
    assert_eq!(header(&headers, "access-control-max-age"), Some("600"));
    assert_eq!(header(&headers, "access-control-allow-credentials"), None);

    let (status, headers, _) = ask(&instance, Method::OPTIONS, ticket, Some(FOREIGN)).await;
    assert_eq!((status, header(&headers, "access-control-allow-origin")), (StatusCode::FORBIDDEN, None));
    instance.stop().await;
}
