//! The client protocols, without sockets, tasks or clocks: bytes and `now` in, [`Action`]s out.
//!
//! ```text
//! bytes ──> websocket ──> messages ──> plain
//!                                 └──> engineio ──> socketio ──> actions
//! ```
//!
//! A [`Session`] is one connection after its upgrade: it answers pings, keeps deadlines and sees to an orderly
//! end. Events do not pass through it. They are encoded once, by [`event_frame`], and the caller writes the
//! same bytes to every connection that takes them. A new client protocol is one more file with its
//! [`Dialect`], one variant of [`Protocol`] and one arm in each `match` of this file.

pub mod close;
pub mod engineio;
pub mod handshake;

#[cfg(feature = "conformance")]
mod echo;
mod frames;
mod heartbeat;
mod meter;
mod plain;
mod socketio;
mod status;
mod websocket;

pub use close::{ComeBack, Ending};
pub use frames::Frames;
pub use status::{Gap, Status, status_frame};

use bytes::Bytes;
#[cfg(feature = "conformance")]
use echo::Echo as Plain;
use heartbeat::Pongs;
use meter::Meter;
#[cfg(not(feature = "conformance"))]
use plain::Plain;
use secrecy::SecretString;
use socketio::SocketIo;
use std::fmt;
use std::time::Instant;
use uuid::Uuid;
use websocket::{Message, Opcode};

/// What a client speaks over its WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// JSON text messages, `plain-websocket.md`.
    Plain,
    /// Socket.IO 4 over WebSocket only, `socket-io.md`.
    SocketIo,
}

impl Protocol {
    /// Every protocol, each at the place of its discriminant.
    pub const ALL: [Self; 2] = [Self::Plain, Self::SocketIo];

    /// The name in the catalog, metrics, logs and settings.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::SocketIo => "socketio",
        }
    }
}

/// The finished frame of an event, header and all, for every connection of this protocol. `payload` is JSON.
pub fn event_frame(protocol: Protocol, event_name: &str, payload: &[u8]) -> Bytes {
    let name = serde_json::Value::from(event_name).to_string();
    match protocol {
        Protocol::Plain => plain::event_frame(&name, payload),
        Protocol::SocketIo => socketio::event_frame(&name, payload),
    }
}

/// The text in a frame of an event, as it comes out at a client.
pub fn frame_text(frame: &Bytes) -> &str {
    str::from_utf8(websocket::server_payload(frame)).unwrap_or_default()
}

/// The same frame for a connection that asked for cursors: one more field, or one more argument.
pub fn cursor_frame(protocol: Protocol, frame: &Bytes, cursor: &str) -> Bytes {
    let payload = websocket::server_payload(frame);
    match protocol {
        Protocol::Plain => plain::cursor_frame(payload, cursor),
        Protocol::SocketIo => socketio::cursor_frame(payload, cursor),
    }
}

/// The same frame, with a cursor or without, for a connection that asked for traces: one more field where the event has
/// one, or one more argument before the cursor, an empty object where it has none.
pub fn traced_frame(protocol: Protocol, frame: &Bytes, traceparent: Option<&str>) -> Bytes {
    let payload = websocket::server_payload(frame);
    match (protocol, traceparent) {
        (Protocol::Plain, None) => frame.clone(),
        (Protocol::Plain, Some(traceparent)) => plain::traced_frame(payload, traceparent),
        (Protocol::SocketIo, traceparent) => socketio::traced_frame(payload, traceparent),
    }
}

/// Where a Socket.IO client that comes back says that it was: `pid` and `offset` of its CONNECT, as its library
/// keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    pub pid: Option<String>,
    pub offset: Option<String>,
}

/// What the caller has to do for a session, in the order given.
#[derive(Clone)]
pub enum Action {
    /// Write these frames, after what is queued already and before events that come later.
    Send(Bytes),
    /// Find out who the client is, from this token or else from its request, then call
    /// [`Session::authorized`] or [`Session::refused`].
    Authenticate {
        /// The `auth.token` of a Socket.IO client, if it gave one.
        token: Option<SecretString>,
        recovery: Recovery,
    },
    /// No more events for this client. Write what is queued, shut down the write side, and go on reading (into
    /// [`Session::receive`]) until the client ends the stream or the session says `Close`.
    Finish(Ending),
    /// Close the socket now and drop the session.
    Close(Ending),
}

/// Shows neither tokens nor what is sent.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(frames) => write!(f, "Send({} bytes)", frames.len()),
            Self::Authenticate { token, .. } => {
                write!(f, "Authenticate {{ has_token: {} }}", token.is_some())
            }
            Self::Finish(ending) => write!(f, "Finish({ending:?})"),
            Self::Close(ending) => write!(f, "Close({ending:?})"),
        }
    }
}

/// One connection after its upgrade. At rest it owns nothing on the heap.
///
/// The caller that can't write for now should hold back reading too until the frames of [`Action::Send`] are
/// out: one read gives few of them (the newest pongs, refusals of namespaces), but many reads may give many.
pub struct Session {
    reader: websocket::Reader,
    meter: Meter,
    phase: Phase,
    speaker: Speaker,
}

enum Phase {
    Open,
    /// The end has been told. `listens`: the client's Close, which cuts the wait short, can still be read.
    Finishing {
        ending: Ending,
        until: Instant,
        listens: bool,
    },
}

enum Speaker {
    Plain(Plain),
    SocketIo(SocketIo),
}

/// What a protocol does with the messages of an open connection. An `Err` says that the connection ends.
trait Dialect {
    /// Something has come, if only a part of a frame.
    fn handle_bytes(&mut self) {}
    fn handle_text(&mut self, text: &str, pongs: &mut Pongs, actions: &mut Vec<Action>)
    -> Result<(), Ending>;
    fn handle_binary(
        &mut self,
        payload: &[u8],
        pongs: &mut Pongs,
        actions: &mut Vec<Action>,
    ) -> Result<(), Ending>;
    /// For protocols that authenticate after the upgrade: the answer takes until then.
    fn answers_by(&mut self, _: Instant) {}
    /// The same.
    fn authorized(&mut self, _pid: Option<&str>, _cursor: Option<&str>, _: &mut Vec<Action>) {}
    /// The same; the connection ends by a deadline that comes soon.
    fn refused(&mut self, _now: Instant, _: &mut Vec<Action>) {}
    fn deadline(&self) -> Instant;
    /// To be called when the deadline has come. An `Err` here closes the socket at once, since nobody seems to be
    /// there; only one who was refused is still told so.
    fn handle_deadline(&mut self, now: Instant, actions: &mut Vec<Action>) -> Result<(), Ending>;
    /// The frames that tell a client why its connection ends.
    fn farewell(&self, ending: Ending) -> Option<Bytes>;
}

impl Session {
    /// A plain connection, which is authorized from the start.
    pub fn plain(now: Instant) -> Self {
        Self::new(Speaker::Plain(Plain::new(now)), now)
    }

    /// A Socket.IO connection and the frame it opens with, to be written at once. `sid` must be random.
    pub fn socket_io(sid: Uuid, now: Instant) -> (Self, Bytes) {
        let (socket_io, opening) = SocketIo::open(sid, now);
        (Self::new(Speaker::SocketIo(socket_io), now), opening)
    }

    fn new(speaker: Speaker, now: Instant) -> Self {
        Self { reader: websocket::Reader::default(), meter: Meter::new(now), phase: Phase::Open, speaker }
    }

    /// What the client speaks.
    pub fn protocol(&self) -> Protocol {
        match self.speaker {
            Speaker::Plain(_) => Protocol::Plain,
            Speaker::SocketIo(_) => Protocol::SocketIo,
        }
    }

    /// Whether the connection has not begun to end.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether the client has sent more than it may: then nothing is to be read from it any more, which leaves the
    /// rest of its flood to its own side of the network.
    pub fn is_flooded(&self) -> bool {
        self.meter.is_flooded()
    }

    /// Takes what was read from the socket, cut anywhere; it is changed in place and not needed afterwards.
    pub fn receive(&mut self, mut bytes: &mut [u8], now: Instant, actions: &mut Vec<Action>) {
        if self.is_open() && !bytes.is_empty() {
            self.dialect_mut().handle_bytes();
        }
        let count = bytes.len();
        let mut pongs = Pongs::default();
        while self.listens() {
            let outcome = match self.reader.read(&mut bytes) {
                Ok(None) => break,
                Ok(Some(message)) => self.handle_message(message, &mut pongs, actions),
                Err(violation) => Err(violation.into()),
            };
            if let Err(ending) = outcome {
                actions.extend(pongs.take().map(Action::Send));
                self.end(ending, now, actions);
            }
        }
        actions.extend(pongs.take().map(Action::Send));
        self.meter.count(count, self.reader.take_count(), now);
        if self.meter.is_flooded() {
            self.end(Ending::Flood, now, actions);
        }
    }

    /// When [`Session::handle_deadline`] wants to be called. Any other call may move it.
    pub fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Open => self.dialect().deadline(),
            Phase::Finishing { until, .. } => until,
        }
    }

    /// Pings, or gives up a client that is not there; before the deadline it does nothing.
    pub fn handle_deadline(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if now < self.deadline() {
            return;
        }
        let outcome = match self.phase {
            Phase::Open => self.dialect_mut().handle_deadline(now, actions),
            Phase::Finishing { ending, .. } => Err(ending),
        };
        match outcome {
            Ok(()) => {}
            Err(ending @ Ending::Unauthorized) if self.is_open() => self.end(ending, now, actions),
            Err(ending) => self.close(ending, now, actions),
        }
    }

    /// Who the client of [`Action::Authenticate`] is, is known, but not yet where it goes on: that takes until
    /// `until` at most, and then [`Session::authorized`] is called.
    pub fn answers_by(&mut self, until: Instant) {
        if self.is_open() {
            self.dialect_mut().answers_by(until);
        }
    }

    /// The client of [`Action::Authenticate`] is known and has joined: it gets events from now on. One that
    /// asked for recovery gets a `pid`, the same again if it goes on where it was, and its `cursor`.
    pub fn authorized(&mut self, pid: Option<&str>, cursor: Option<&str>, actions: &mut Vec<Action>) {
        if self.is_open() {
            self.dialect_mut().authorized(pid, cursor, actions);
        }
    }

    /// The client of [`Action::Authenticate`] has no right to be here, and is sent away at the next deadline.
    pub fn refused(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.is_open() {
            self.dialect_mut().refused(now, actions);
        }
    }

    /// Ends the connection in the way of its protocol. What comes after the first ending changes nothing,
    /// except that a client that breaks the framing now is no longer listened to.
    pub fn end(&mut self, ending: Ending, now: Instant, actions: &mut Vec<Action>) {
        if let Phase::Finishing { listens, .. } = &mut self.phase {
            *listens &= !ending.is_violation();
            return;
        }
        actions.extend(self.dialect().farewell(ending).map(Action::Send));
        actions.push(Action::Finish(ending));
        self.finish(ending, now + ending.linger(), !ending.is_violation());
    }

    fn close(&mut self, ending: Ending, now: Instant, actions: &mut Vec<Action>) {
        actions.push(Action::Close(ending));
        self.finish(ending, now, false);
    }

    fn finish(&mut self, ending: Ending, until: Instant, listens: bool) {
        self.phase = Phase::Finishing { ending, until, listens };
    }

    fn listens(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Finishing { listens: true, .. })
    }

    fn handle_message(
        &mut self,
        message: Message<'_>,
        pongs: &mut Pongs,
        actions: &mut Vec<Action>,
    ) -> Result<(), Ending> {
        if let Phase::Finishing { ending, until, .. } = self.phase {
            if let Message::Close(_) = message {
                self.close(ending, until, actions);
            }
            return Ok(());
        }
        match message {
            Message::Text(text) => self.dialect_mut().handle_text(&text, pongs, actions),
            Message::Binary(payload) => self.dialect_mut().handle_binary(&payload, pongs, actions),
            Message::Ping(payload) => {
                pongs.owe(Opcode::Pong, &[&payload]);
                Ok(())
            }
            Message::Pong => Ok(()),
            Message::Close(code) => {
                // Nothing may follow a Close, so what is owed goes first.
                actions.extend(pongs.take().map(Action::Send));
                actions.push(Action::Send(websocket::close_frame(code, "")));
                Err(Ending::ClientClosed)
            }
        }
    }

    fn dialect(&self) -> &dyn Dialect {
        match &self.speaker {
            Speaker::Plain(plain) => plain,
            Speaker::SocketIo(socket_io) => socket_io,
        }
    }

    fn dialect_mut(&mut self) -> &mut dyn Dialect {
        match &mut self.speaker {
            Speaker::Plain(plain) => plain,
            Speaker::SocketIo(socket_io) => socket_io,
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
