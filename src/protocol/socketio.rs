//! Socket.IO, protocol version 5, on the main namespace: connect, be authorized, receive events.
//!
//! ```text
//! server  0{"sid":..}                      the Engine.IO open packet
//! client  40 or 40{"token":..}             CONNECT          -> Action::Authenticate
//! server  40{"sid":..}                     then either
//!         42["authorization:ok"]           and the events   42["order:new",{..}]
//!         42["authorization:error",{..}]   and, a moment later, 41, after which the client stays away
//! ```
//!
//! In: the text messages of a connection. Out: packets to send, and the ending where a client breaks the
//! protocol or leaves. Events and acknowledgements from the client are checked and passed over. Who the token
//! belongs to is the caller's business.

mod packet;

use super::close::Ending;
use super::heartbeat::{Beat, Heartbeat, Pongs, Rhythm};
use super::websocket::{Opcode, append_frame, close_frame, text_frame};
use super::{Action, Dialect, engineio};
use crate::limits::{
    NAMESPACE_MAX_BYTES, NAMESPACE_REFUSALS_MAX, SOCKET_IO_PING_INTERVAL, SOCKET_IO_PING_TIMEOUT,
    SOCKET_IO_REFUSAL_PAUSE, UNAUTHENTICATED_MAX,
};
use bytes::Bytes;
use packet::{MAIN_NAMESPACE, Packet};
use std::borrow::Cow;
use std::time::Instant;
use uuid::Uuid;

const RHYTHM: Rhythm = Rhythm { interval: SOCKET_IO_PING_INTERVAL, timeout: SOCKET_IO_PING_TIMEOUT };

/// It carries no payload: an array of one element, not a `null` argument.
const AUTHORIZATION_OK: &str = r#"42["authorization:ok"]"#;

/// The documented `UserAuthorizationError`.
const AUTHORIZATION_ERROR: &str = r#"42["authorization:error",{"message":"Вы не авторизованы","code":2000,"error":"UserAuthorizationError"}]"#;

/// Without it a refused client would connect again for ever.
const DISCONNECT: &str = "41";

/// The finished frame of an event. `name` is JSON text, quotes included.
pub(super) fn event_frame(name: &str, payload: &[u8]) -> Bytes {
    text_frame(&[b"42[", name.as_bytes(), b",", payload, b"]"])
}

/// The same event with one more argument, which the client's library keeps as its offset.
pub(super) fn cursor_frame(payload: &[u8], cursor: &str) -> Bytes {
    let open = payload.strip_suffix(b"]").expect("an event is an array");
    text_frame(&[open, b",\"", cursor.as_bytes(), b"\"]"])
}

/// The same event with one more argument, an object. A cursor stays the last one, since the client's library keeps that
/// if it is a text.
pub(super) fn traced_frame(payload: &[u8], traceparent: Option<&str>) -> Bytes {
    // A payload is an object, so what ends in a text has a cursor, and a cursor has neither quotes nor commas.
    let cursor = payload.ends_with(b"\"]").then(|| payload.windows(2).rposition(|pair| pair == b",\""));
    let split = cursor.flatten().unwrap_or(payload.len() - 1);
    let (event, rest) = payload.split_at(split);
    match traceparent {
        None => text_frame(&[event, b",{}", rest]),
        Some(trace) => text_frame(&[event, b",{\"traceparent\":\"", trace.as_bytes(), b"\"}", rest]),
    }
}

/// The state of a Socket.IO connection.
pub(super) struct SocketIo {
    /// The one id of this connection, in Engine.IO and in Socket.IO: without polling nobody can use the first
    /// to speak for another, so there is no need to keep it apart from the second, which is public.
    sid: Uuid,
    stage: Stage,
    heartbeat: Heartbeat,
    namespaces_refused: u8,
}

/// How far a connection has come.
enum Stage {
    AwaitsConnect {
        until: Instant,
    },
    Authenticating {
        until: Instant,
    },
    /// Has been told so, and is to be sent away. Not in the same breath: python-socketio passes over a `41` that
    /// comes before its `connect` has returned, and would then connect again for ever.
    Refused {
        until: Instant,
    },
    Joined,
}

impl SocketIo {
    /// A connection and the frame it opens with.
    pub fn open(sid: Uuid, now: Instant) -> (Self, Bytes) {
        let socket_io = Self {
            sid,
            stage: Stage::AwaitsConnect { until: now + UNAUTHENTICATED_MAX },
            heartbeat: Heartbeat::new(now, &RHYTHM),
            namespaces_refused: 0,
        };
        (socket_io, packet_frames(&[&engineio::open_packet(sid)]))
    }

    fn handle_packet(&mut self, text: &str, actions: &mut Vec<Action>) -> Result<(), Ending> {
        match Packet::parse(text).ok_or(Ending::BadPacket)? {
            Packet::Connect { namespace: MAIN_NAMESPACE, auth } => self.connect(auth, actions),
            Packet::Connect { namespace, .. } => self.refuse_namespace(namespace, actions),
            Packet::Disconnect => Err(Ending::ClientClosed),
            Packet::Event | Packet::Ack if matches!(self.stage, Stage::Joined | Stage::Refused { .. }) => {
                Ok(())
            }
            Packet::Event | Packet::Ack => Err(Ending::BadPacket),
        }
    }

    fn connect(&mut self, auth: &str, actions: &mut Vec<Action>) -> Result<(), Ending> {
        let Stage::AwaitsConnect { until } = self.stage else {
            return Err(Ending::BadPacket);
        };
        let (token, recovery) = packet::parse_auth(auth).ok_or(Ending::BadPacket)?;
        self.stage = Stage::Authenticating { until };
        actions.push(Action::Authenticate { token, recovery });
        Ok(())
    }

    /// The connection itself stays: the official server lets a client try another namespace, too.
    fn refuse_namespace(&mut self, namespace: &str, actions: &mut Vec<Action>) -> Result<(), Ending> {
        if namespace.len() > NAMESPACE_MAX_BYTES || self.namespaces_refused == NAMESPACE_REFUSALS_MAX {
            return Err(Ending::BadPacket);
        }
        self.namespaces_refused += 1;
        let refusal = format!(r#"44{namespace},{{"message":"Invalid namespace"}}"#);
        actions.push(Action::Send(packet_frames(&[&refusal])));
        Ok(())
    }

    fn connected_packet(&self, pid: Option<&str>) -> String {
        let pid = pid.map_or_else(String::new, |pid| format!(r#","pid":"{pid}""#));
        format!(r#"40{{"sid":"{}"{pid}}}"#, self.sid)
    }
}

impl Dialect for SocketIo {
    fn handle_text(
        &mut self,
        text: &str,
        pongs: &mut Pongs,
        actions: &mut Vec<Action>,
    ) -> Result<(), Ending> {
        match engineio::Packet::parse(text).ok_or(Ending::BadPacket)? {
            engineio::Packet::Message(packet) => self.handle_packet(packet, actions)?,
            engineio::Packet::Pong => self.heartbeat.answered(&RHYTHM),
            engineio::Packet::Ping { probe } => pongs.owe(Opcode::Text, &[b"3", probe.as_bytes()]),
            engineio::Packet::Noop => {}
            engineio::Packet::Close => return Err(Ending::ClientClosed),
        }
        Ok(())
    }

    fn handle_binary(&mut self, _: &[u8], _: &mut Pongs, _: &mut Vec<Action>) -> Result<(), Ending> {
        Err(Ending::BadPacket)
    }

    fn answers_by(&mut self, until: Instant) {
        if matches!(self.stage, Stage::Authenticating { .. }) {
            self.stage = Stage::Authenticating { until };
        }
    }

    fn authorized(&mut self, pid: Option<&str>, cursor: Option<&str>, actions: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Authenticating { .. }) {
            self.stage = Stage::Joined;
            let packets = packet_frames(&[&self.connected_packet(pid), &authorization_ok(cursor)]);
            actions.push(Action::Send(packets));
        }
    }

    fn refused(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Authenticating { .. }) {
            self.stage = Stage::Refused { until: now + SOCKET_IO_REFUSAL_PAUSE };
            let packets = packet_frames(&[&self.connected_packet(None), AUTHORIZATION_ERROR]);
            actions.push(Action::Send(packets));
        }
    }

    fn deadline(&self) -> Instant {
        match self.stage {
            Stage::AwaitsConnect { until } | Stage::Authenticating { until } | Stage::Refused { until } => {
                until
            }
            Stage::Joined => self.heartbeat.deadline(),
        }
    }

    fn handle_deadline(&mut self, now: Instant, actions: &mut Vec<Action>) -> Result<(), Ending> {
        match self.stage {
            Stage::AwaitsConnect { .. } | Stage::Authenticating { .. } => {
                return Err(Ending::Unauthenticated);
            }
            Stage::Refused { .. } => return Err(Ending::Unauthorized),
            Stage::Joined => {}
        }
        match self.heartbeat.handle_deadline(now, &RHYTHM) {
            Beat::Ping => actions.push(Action::Send(packet_frames(&[engineio::PING]))),
            Beat::Gone => return Err(Ending::Unresponsive),
        }
        Ok(())
    }

    /// A client must be told to stay away only where coming back is of no use. In every other case the
    /// connection just drops, and the client's library connects again.
    fn farewell(&self, ending: Ending) -> Option<Bytes> {
        match (ending, &self.stage) {
            (Ending::Unauthorized, Stage::Refused { .. }) => Some(packet_frames(&[DISCONNECT])),
            (Ending::Revoked, Stage::Joined) => Some(packet_frames(&[AUTHORIZATION_ERROR, DISCONNECT])),
            _ if ending.is_violation() => {
                let row = ending.row();
                Some(close_frame(row.code, row.reason))
            }
            _ => None,
        }
    }
}

/// The library of a client keeps the last argument of any event as its offset, the event's own name if there is
/// no other. So for a client that recovers the cursor is an argument here, too.
fn authorization_ok(cursor: Option<&str>) -> Cow<'static, str> {
    match cursor {
        None => AUTHORIZATION_OK.into(),
        Some(cursor) => format!(r#"42["authorization:ok","{cursor}"]"#).into(),
    }
}

fn packet_frames(packets: &[&str]) -> Bytes {
    let mut frames = Vec::new();
    for packet in packets {
        append_frame(&mut frames, Opcode::Text, &[packet.as_bytes()]);
    }
    frames.into()
}

#[cfg(test)]
mod tests;
