//! The request of an Engine.IO client: its upgrade headers and its query, and the first packets after it.
//!
//! ```text
//! input = method %x0A query %x0A *( header ":" value %x0A ) [ %xFF script ]       `script` as in the library
//! ```
//!
//! A request that passes has what the official client sends, and its key is answered as RFC 6455 wants.

#![no_main]

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use dumbwaiter::protocol::{engineio, handshake};
use fuzz::Watched;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |&byte| byte == 0xFF);
    let (request, script) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut lines = request.split(|&byte| byte == b'\n');
    let method = lines.next().and_then(|method| Method::from_bytes(method).ok());
    let query = lines.next().and_then(|query| str::from_utf8(query).ok());
    if let Some((method, query)) = method.zip(query) {
        check_query(&method, query);
    }
    check_headers(lines);
    Watched::socket_io().play(script);
});

fn check_query(method: &Method, query: &str) {
    let pairs: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    match engineio::check_request(method, pairs.iter().copied()) {
        Ok(()) => {
            assert_eq!(method, Method::GET);
            assert!(pairs.contains(&("EIO", "4")) && pairs.contains(&("transport", "websocket")));
            assert!(pairs.iter().all(|(name, _)| *name != "sid"));
        }
        Err(error) => {
            serde_json::from_str::<serde_json::Value>(&error.body()).expect("an error is told in JSON");
        }
    }
}

fn check_headers<'i>(lines: impl Iterator<Item = &'i [u8]>) {
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let mut fields = line.splitn(2, |&byte| byte == b':');
        let name = fields.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = fields.next().and_then(|value| HeaderValue::from_bytes(value).ok());
        if let Some((name, value)) = name.zip(value) {
            headers.append(name, value);
        }
    }
    if let Ok(accept) = handshake::check_upgrade(&headers) {
        assert_eq!(accept.len(), 28, "base64 of a SHA-1");
    }
}
