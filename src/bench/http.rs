//! The two requests of a client, and their answers.
//!
//! ```text
//! GET /api/v1/ws/ticket   Authorization: Bearer <token>       200  {"success":true,"token":"<ticket>",..}
//! GET /ws?..              Upgrade: websocket                  101  Sec-WebSocket-Accept: ..
//! ```
//!
//! Both go over one connection. The key of the upgrade is the one of RFC 6455, 1.3, for every client: what a key is
//! good for are caches, and none are here.

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Response<'b> {
    pub status: u16,
    /// Whether it is a good answer to [`upgrade_request`].
    pub upgraded: bool,
    pub body: &'b [u8],
}

/// The answer is no HTTP/1.1, or says no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an answer that is not HTTP")]
pub struct ResponseFault;

pub fn ticket_request(host: &str, token: &str) -> Vec<u8> {
    format!("GET /api/v1/ws/ticket HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .into_bytes()
}

pub fn upgrade_request(host: &str, target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
    .into_bytes()
}

/// Takes an answer off `input`; none if it is not whole yet.
pub fn take_response<'b>(input: &mut &'b [u8]) -> Result<Option<Response<'b>>, ResponseFault> {
    let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = input.split_at(end + 4);
    let head = str::from_utf8(head).map_err(|_| ResponseFault)?;
    let (status_line, fields) = head.split_once("\r\n").ok_or(ResponseFault)?;
    let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3)).ok_or(ResponseFault)?;
    let status = status.parse().map_err(|_| ResponseFault)?;
    let length = match field(fields, "content-length") {
        _ if status == 101 => 0,
        Some(length) => length.parse().map_err(|_| ResponseFault)?,
        // What ends with the connection is only ever a refusal, of which the status says enough.
        None => 0,
    };
    let Some((body, rest)) = body.split_at_checked(length) else { return Ok(None) };
    *input = rest;
    let upgraded = status == 101 && field(fields, "sec-websocket-accept") == Some(ACCEPT);
    Ok(Some(Response { status, upgraded, body }))
}

fn field<'h>(fields: &'h str, wanted: &str) -> Option<&'h str> {
    let mut pairs = fields.split("\r\n").filter_map(|line| line.split_once(':'));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<(u16, bool, &str)>, ResponseFault>, rest: &str) {
        let mut input = text.as_bytes();
        let response = take_response(&mut input);
        let told = response.map(|response| {
            response
                .map(|response| (response.status, response.upgraded, str::from_utf8(response.body).unwrap()))
        });
        assert_eq!(told, expected, "{text}");
        assert_eq!(str::from_utf8(input), Ok(rest), "{text}");
    }

    #[test]
    fn answers_are_taken_whole() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        check(&format!("{ok}HTTP"), Ok(Some((200, false, "{}"))), "HTTP");
        check(&ok[..ok.len() - 1], Ok(None), &ok[..ok.len() - 1]);
        check("HTTP/1.1 200 OK\r\n", Ok(None), "HTTP/1.1 200 OK\r\n");
        let switching = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n");
        check(&format!("{switching}\u{1}"), Ok(Some((101, true, ""))), "\u{1}");
        check("HTTP/1.1 101 Switching Protocols\r\n\r\n", Ok(Some((101, false, ""))), "");
        check(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
            Ok(Some((503, false, ""))),
            "",
        );
    }

    #[test]
    fn what_is_not_http_is_a_fault() {
        for text in ["SSH-2.0\r\n\r\n", "HTTP/1.1 2\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
        {
            check(text, Err(ResponseFault), text);
        }
    }
}
