//! The plain protocol: JSON events in text messages, to any WebSocket client.
//!
//! ```text
//! server -> client   {"event_name":NAME,"data":PAYLOAD}
//!                    {"event_name":NAME,"data":PAYLOAD,"cursor":CURSOR}    where the client asked for cursors
//!                    {"event_name":NAME,"data":PAYLOAD[,"cursor":CURSOR],"traceparent":TRACE}   for traces, where there is one
//! client -> server   nothing documented; messages are read and passed over
//! ```
//!
//! The ticket is redeemed before the upgrade, so a connection is authorized from the start; one with a bad
//! ticket is opened only to be closed with 4001. Pings and pongs are WebSocket's own, and whatever the client
//! sends is a sign of life.

use super::close::Ending;
use super::heartbeat::{Beat, Heartbeat, Pongs, Rhythm};
use super::websocket::{close_frame, text_frame};
use super::{Action, Dialect};
use crate::limits::{PLAIN_PING_INTERVAL, PLAIN_PING_TIMEOUT};
use bytes::Bytes;
use std::time::Instant;

const RHYTHM: Rhythm = Rhythm { interval: PLAIN_PING_INTERVAL, timeout: PLAIN_PING_TIMEOUT };

/// A Ping without payload.
const PING: &[u8] = &[0x89, 0];

/// The finished frame of an event. `name` is JSON text, quotes included.
pub(super) fn event_frame(name: &str, payload: &[u8]) -> Bytes {
    text_frame(&[b"{\"event_name\":", name.as_bytes(), b",\"data\":", payload, b"}"])
}

/// The same message with one more field.
pub(super) fn cursor_frame(payload: &[u8], cursor: &str) -> Bytes {
    let open = payload.strip_suffix(b"}").expect("a message is an object");
    text_frame(&[open, b",\"cursor\":\"", cursor.as_bytes(), b"\"}"])
}

/// The same message, with or without a cursor, with one more field.
pub(super) fn traced_frame(payload: &[u8], traceparent: &str) -> Bytes {
    let open = payload.strip_suffix(b"}").expect("a message is an object");
    text_frame(&[open, b",\"traceparent\":\"", traceparent.as_bytes(), b"\"}"])
}

/// The state of a plain connection.
pub(super) struct Plain {
    heartbeat: Heartbeat,
}

impl Plain {
    pub fn new(now: Instant) -> Self {
        Self { heartbeat: Heartbeat::new(now, &RHYTHM) }
    }
}

impl Dialect for Plain {
    fn handle_bytes(&mut self) {
        self.heartbeat.answered(&RHYTHM);
    }

    fn handle_text(&mut self, _: &str, _: &mut Pongs, _: &mut Vec<Action>) -> Result<(), Ending> {
        Ok(())
    }

    fn handle_binary(&mut self, _: &[u8], _: &mut Pongs, _: &mut Vec<Action>) -> Result<(), Ending> {
        Ok(())
    }

    fn deadline(&self) -> Instant {
        self.heartbeat.deadline()
    }

    fn handle_deadline(&mut self, now: Instant, actions: &mut Vec<Action>) -> Result<(), Ending> {
        match self.heartbeat.handle_deadline(now, &RHYTHM) {
            Beat::Ping => actions.push(Action::Send(Bytes::from_static(PING))),
            Beat::Gone => return Err(Ending::Unresponsive),
        }
        Ok(())
    }

    fn farewell(&self, ending: Ending) -> Option<Bytes> {
        let row = ending.row();
        row.code.map(|code| close_frame(Some(code), row.reason))
    }
}
