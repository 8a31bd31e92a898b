//! One client, without its socket: what it says, and what it makes of what it hears.
//!
//! ```text
//! plain      ticket ──> upgrade ──────────────────────────────────────────> ready, events
//! socketio              upgrade ──> `0{..}`: `40{"token"}` ──> authorization:ok ──> ready, events
//! websocket             upgrade ──────────────────────────────────────────> ready, events
//! ```
//!
//! In: bytes as a read gave them, and a listener for what comes of them. Bytes of a frame that is not whole yet
//! stay with the caller. A client at rest, and one that receives events, allocates nothing.

use super::http::{self, Response};
use super::wire::{self, Frame};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A ticket over HTTP, then plain messages.
    Plain,
    /// Socket.IO over WebSocket.
    SocketIo,
    /// Upgrades, without a token, and listens: for servers to compare with that authorize nobody.
    WebSocket,
}

/// Who the client is.
pub struct Visit<'c> {
    pub dialect: Dialect,
    /// Value of the header `Host`.
    pub host: &'c str,
    /// Of all clients, counted from 0.
    pub number: usize,
    /// Absent only where the dialect has none.
    pub token: Option<&'c SecretString>,
}

/// How far a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The ticket is asked for.
    Ticket,
    /// The upgrade is asked for.
    Upgrade,
    /// Not let in yet.
    Opening,
    Ready,
}

/// Whoever drives the client.
pub trait Listener {
    /// These bytes are to be written.
    fn send(&mut self, bytes: &[u8]);
    /// The client has been let in.
    fn ready(&mut self);
    /// A message with this payload has come.
    fn message(&mut self, payload: &[u8]);
}

/// Why a client's connection is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The service does not take its token.
    Refused,
    /// A status that is neither the wanted one nor a refusal.
    Status(u16),
    /// It speaks something else.
    Strange(String),
    Closed(Option<u16>),
    Dropped(String),
    /// TLS has something against the service.
    Untrusted(String),
    /// It was not let in within the time for that.
    Late,
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Refused => formatter.write_str("refused"),
            End::Status(status) => write!(formatter, "status {status}"),
            End::Strange(what) => write!(formatter, "strange: {what}"),
            End::Closed(None) => formatter.write_str("closed"),
            End::Closed(Some(code)) => write!(formatter, "closed with {code}"),
            End::Dropped(reason) => write!(formatter, "dropped: {reason}"),
            End::Untrusted(objection) => formatter.write_str(objection),
            End::Late => formatter.write_str("too late"),
        }
    }
}

pub struct Client {
    phase: Phase,
}

impl Client {
    /// The client and what it says first.
    pub fn start(visit: &Visit<'_>) -> (Client, Vec<u8>) {
        match visit.dialect {
            Dialect::Plain => {
                (Client { phase: Phase::Ticket }, http::ticket_request(visit.host, visit.token_text()))
            }
            Dialect::SocketIo => visit.upgrade("/ws/?EIO=4&transport=websocket"),
            Dialect::WebSocket => visit.upgrade(&format!("/ws?client={}", visit.number)),
        }
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Takes all that is whole off `input`.
    pub fn receive(
        &mut self,
        input: &mut &[u8],
        visit: &Visit<'_>,
        listener: &mut impl Listener,
    ) -> Result<(), End> {
        loop {
            match self.phase {
                Phase::Ticket | Phase::Upgrade => {
                    let response =
                        http::take_response(input).map_err(|fault| End::Strange(fault.to_string()))?;
                    let Some(response) = response else { return Ok(()) };
                    self.handle_response(&response, visit, listener)?;
                }
                Phase::Opening | Phase::Ready => {
                    let frame = wire::take_frame(input).map_err(|fault| End::Strange(fault.to_string()))?;
                    let Some(frame) = frame else { return Ok(()) };
                    self.handle_frame(&frame, visit, listener)?;
                }
            }
        }
    }

    fn handle_response(
        &mut self,
        response: &Response<'_>,
        visit: &Visit<'_>,
        listener: &mut impl Listener,
    ) -> Result<(), End> {
        if self.phase == Phase::Ticket {
            let ticket = match response.status {
                200 => {
                    ticket(response.body).ok_or_else(|| End::Strange("no ticket in the answer".to_owned()))?
                }
                401 => return Err(End::Refused),
                status => return Err(End::Status(status)),
            };
            listener.send(&http::upgrade_request(visit.host, &format!("/ws?key={ticket}")));
            self.phase = Phase::Upgrade;
            return Ok(());
        }
        match response.status {
            101 if response.upgraded => {}
            101 => return Err(End::Strange("a wrong Sec-WebSocket-Accept".to_owned())),
            401 | 403 => return Err(End::Refused),
            status => return Err(End::Status(status)),
        }
        match visit.dialect {
            Dialect::SocketIo => self.phase = Phase::Opening,
            Dialect::Plain | Dialect::WebSocket => self.become_ready(listener),
        }
        Ok(())
    }

    fn handle_frame(
        &mut self,
        frame: &Frame<'_>,
        visit: &Visit<'_>,
        listener: &mut impl Listener,
    ) -> Result<(), End> {
        match frame.opcode {
            wire::TEXT if visit.dialect == Dialect::SocketIo => {
                self.handle_packet(frame.payload, visit, listener)?;
            }
            wire::TEXT => listener.message(frame.payload),
            wire::PING => listener.send(&wire::client_frame(wire::PONG, frame.payload)),
            wire::CLOSE => {
                let code = frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                // The contract's code of a ticket that is none.
                return Err(if code == Some(4001) { End::Refused } else { End::Closed(code) });
            }
            wire::PONG => {}
            opcode => return Err(End::Strange(format!("a frame of opcode {opcode}"))),
        }
        Ok(())
    }

    /// Packets of Engine.IO, and in those of Socket.IO.
    fn handle_packet(
        &mut self,
        packet: &[u8],
        visit: &Visit<'_>,
        listener: &mut impl Listener,
    ) -> Result<(), End> {
        match packet {
            [b'4', b'2', ..] if self.is_ready() => listener.message(packet),
            [b'2'] => listener.send(&wire::client_frame(wire::TEXT, b"3")),
            [b'0', ..] => {
                let connect = format!("40{}", serde_json::json!({"token": visit.token_text()}));
                listener.send(&wire::client_frame(wire::TEXT, connect.as_bytes()));
            }
            [b'4', b'0', ..] => {}
            packet if packet.starts_with(br#"42["authorization:ok""#) => self.become_ready(listener),
            packet if packet.starts_with(br#"42["authorization:error""#) => return Err(End::Refused),
            // Something may be sent before the client is told that it is in; it counts all the same.
            [b'4', b'2', ..] => listener.message(packet),
            [b'4', b'1' | b'4', ..] => return Err(End::Refused),
            _ => return Err(End::Strange("a packet that Socket.IO does not have".to_owned())),
        }
        Ok(())
    }

    fn become_ready(&mut self, listener: &mut impl Listener) {
        self.phase = Phase::Ready;
        listener.ready();
    }
}

impl Visit<'_> {
    fn upgrade(&self, target: &str) -> (Client, Vec<u8>) {
        (Client { phase: Phase::Upgrade }, http::upgrade_request(self.host, target))
    }

    fn token_text(&self) -> &str {
        self.token.map(SecretString::expose_secret).unwrap_or_default()
    }
}

fn ticket(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Granted {
        token: String,
    }
    serde_json::from_slice::<Granted>(body).ok().map(|granted| granted.token)
}

#[cfg(test)]
mod tests;
