//! Engine.IO, protocol version 4, the part that a server for WebSocket clients only needs.
//!
//! ```text
//! packet = "0" json   open      server -> client   first of all, see `open_packet`
//!        | "1"        close     client -> server
//!        | "2" data   ping      server -> client   (one from the client is answered all the same)
//!        | "3" data   pong      client -> server
//!        | "4" text   message   both ways          a Socket.IO packet, see `socketio`
//!        | "6"        noop      passed over
//! ```
//!
//! A packet is one text message. Other transports, upgrades ("5") and binary messages are refused; the request
//! of a client that wants them fails in [`check_request`] with the errors the official server has.

use crate::limits::{MESSAGE_MAX_BYTES, SOCKET_IO_PING_INTERVAL, SOCKET_IO_PING_TIMEOUT};
use axum::http::{Method, StatusCode};
use uuid::Uuid;

/// The packet by which the server pings.
pub(super) const PING: &str = "2";

/// What a client may send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'t> {
    Close,
    /// `probe` asks whether a transport works; nothing else is ever in a ping.
    Ping {
        probe: &'t str,
    },
    Pong,
    Message(&'t str),
    Noop,
}

impl<'t> Packet<'t> {
    /// `None`: not a packet that a client may send.
    pub fn parse(text: &'t str) -> Option<Self> {
        let mut rest = text.chars();
        match (rest.next()?, rest.as_str()) {
            ('1', "") => Some(Self::Close),
            ('2', probe @ ("" | "probe")) => Some(Self::Ping { probe }),
            ('3', _) => Some(Self::Pong),
            ('4', message) => Some(Self::Message(message)),
            ('6', "") => Some(Self::Noop),
            _ => None,
        }
    }
}

/// The open packet. Its five keys, no more and no fewer, are what clients expect.
pub(super) fn open_packet(sid: Uuid) -> String {
    let interval = SOCKET_IO_PING_INTERVAL.as_millis();
    let timeout = SOCKET_IO_PING_TIMEOUT.as_millis();
    format!(
        r#"0{{"sid":"{sid}","upgrades":[],"pingInterval":{interval},"pingTimeout":{timeout},"maxPayload":{MESSAGE_MAX_BYTES}}}"#
    )
}

/// Why a request is refused before the upgrade, with the official server's codes and texts. It is answered by
/// [`RequestError::status`] and [`RequestError::body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// `transport` is not `websocket`.
    #[error("Transport unknown")]
    UnknownTransport,
    /// There is a `sid`: it asks for a session of polling, which this server has none of.
    #[error("Session ID unknown")]
    UnknownSession,
    /// Not a GET request.
    #[error("Bad handshake method")]
    BadHandshakeMethod,
    /// Not a WebSocket upgrade.
    #[error("Bad request")]
    BadRequest,
    /// It comes from a page that is not heard; status 403.
    #[error("Forbidden")]
    Forbidden,
    /// `EIO` is not `4`.
    #[error("Unsupported protocol version")]
    UnsupportedProtocolVersion,
}

impl RequestError {
    /// The code in the body.
    pub const fn code(self) -> u8 {
        match self {
            Self::UnknownTransport => 0,
            Self::UnknownSession => 1,
            Self::BadHandshakeMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedProtocolVersion => 5,
        }
    }

    pub const fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The JSON body of the answer.
    pub fn body(self) -> String {
        format!(r#"{{"code":{},"message":"{self}"}}"#, self.code())
    }
}

/// Checks a request that has an `EIO` parameter by its method and the decoded pairs of its query, in the
/// official server's order. Of a parameter that stands twice the first counts.
pub fn check_request<'q>(
    method: &Method,
    query: impl IntoIterator<Item = (&'q str, &'q str)>,
) -> Result<(), RequestError> {
    let (mut transport, mut sid, mut version) = (None, None, None);
    for (name, value) in query {
        let parameter = match name {
            "transport" => &mut transport,
            "sid" => &mut sid,
            "EIO" => &mut version,
            _ => continue,
        };
        parameter.get_or_insert(value);
    }
    if transport != Some("websocket") {
        return Err(RequestError::UnknownTransport);
    }
    if sid.is_some() {
        return Err(RequestError::UnknownSession);
    }
    if method != Method::GET {
        return Err(RequestError::BadHandshakeMethod);
    }
    if version != Some("4") {
        return Err(RequestError::UnsupportedProtocolVersion);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets() {
        let check = |text, expected| assert_eq!(Packet::parse(text), expected, "{text:?}");
        check("1", Some(Packet::Close));
        check("2", Some(Packet::Ping { probe: "" }));
        check("2probe", Some(Packet::Ping { probe: "probe" }));
        check("3", Some(Packet::Pong));
        check("40", Some(Packet::Message("0")));
        check("4", Some(Packet::Message("")));
        check("6", Some(Packet::Noop));
        for text in ["", "0", "0{}", "1x", "2pr", "5", "7", "bAQID", "é1234", " 4"] {
            check(text, None);
        }
    }

    #[test]
    fn open_packet_has_the_five_documented_keys() {
        assert_eq!(
            open_packet(Uuid::nil()),
            r#"0{"sid":"00000000-0000-0000-0000-000000000000","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}"#
        );
    }

    #[test]
    fn requests() {
        let check = |method: Method, query: &[(&str, &str)], expected: Result<(), &str>| {
            let answer = check_request(&method, query.iter().copied()).map_err(RequestError::body);
            assert_eq!(answer, expected.map_err(str::to_owned), "{method} {query:?}");
        };
        let (eio, websocket) = (("EIO", "4"), ("transport", "websocket"));
        let transport_unknown = Err(r#"{"code":0,"message":"Transport unknown"}"#);
        let session_unknown = Err(r#"{"code":1,"message":"Session ID unknown"}"#);
        let bad_method = Err(r#"{"code":2,"message":"Bad handshake method"}"#);
        let bad_version = Err(r#"{"code":5,"message":"Unsupported protocol version"}"#);

        check(Method::GET, &[eio, websocket], Ok(()));
        check(Method::GET, &[websocket, eio, ("t", "x"), ("token", "y")], Ok(()));
        check(Method::GET, &[eio], transport_unknown);
        check(Method::GET, &[eio, ("transport", "polling")], transport_unknown);
        check(Method::GET, &[eio, ("transport", "constructor")], transport_unknown);
        check(Method::GET, &[eio, websocket, ("sid", "abc")], session_unknown);
        check(Method::POST, &[eio, websocket], bad_method);
        check(Method::GET, &[("EIO", "3"), websocket], bad_version);
        check(Method::GET, &[("EIO", "3"), websocket, eio], bad_version);
        assert_eq!(RequestError::BadRequest.body(), r#"{"code":3,"message":"Bad request"}"#);
        let statuses = [RequestError::Forbidden, RequestError::BadRequest].map(RequestError::status);
        assert_eq!(statuses.map(|status| status.as_u16()), [403, 400]);
    }
}
