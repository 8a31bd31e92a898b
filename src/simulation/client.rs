//! Clients with a screen. They speak the bytes of both protocols as the official libraries do, with and without
//! asking for cursors, and know nothing of the service but its documents.

use super::dice::Dice;
use super::instance::{COMMON, Instance};
use super::kafka::Moment;
use super::screen::{Comeback, Run, Told};
use super::wire::{ClientEnd, Received, Shared, connect};
use crate::admission::Credentials;
use crate::auth::{Claims, Login};
use crate::protocol::{Ending, Protocol};
use crate::shard::{AddressClass, Admitted, Arrival, Shown};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Ends the head of the answer to an upgrade.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Who a client is.
#[derive(Debug, Clone)]
pub struct Person {
    pub role: &'static str,
    pub user: String,
    pub store: Option<i64>,
    /// Has no right to be here at all.
    pub is_refused: bool,
}

pub struct Client {
    pub person: Person,
    pub protocol: Protocol,
    pub resumes: bool,
    pub screen: Vec<Run>,
    /// Times that it went on where it was.
    pub resumed: usize,
    link: Option<Link>,
    pub back_at: Duration,
    /// Plain: the newest cursor. Socket.IO: what its library calls the offset.
    cursor: Option<String>,
    pid: Option<String>,
}

struct Link {
    wire: Shared,
    /// What has come and is not a whole frame yet.
    bytes: Vec<u8>,
    /// The answer to its upgrade has come.
    is_open: bool,
    ended: bool,
    /// If it has been here before, and no run has begun with it yet.
    comeback: Option<Comeback>,
    /// It knows where it stands: what it is told from now on is new.
    is_told: bool,
    /// A run has begun with it.
    begins: bool,
}

impl Client {
    pub fn new(person: Person, protocol: Protocol, resumes: bool) -> Client {
        Client {
            person,
            protocol,
            resumes,
            screen: Vec::new(),
            resumed: 0,
            link: None,
            back_at: Duration::ZERO,
            cursor: None,
            pid: None,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Its handshake, of which only the end is simulated.
    pub fn connect(&mut self, instance: &mut Instance, expires_at: SystemTime, dice: &Dice) {
        let send_buffer_bytes = *dice.pick(&[300, 1_000, 4_000, 64_000]);
        let (wire, socket) = connect(send_buffer_bytes, dice, &instance.meanwhile());
        let admitted = self.admitted(expires_at);
        let response = Bytes::from_static(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
        instance.adopt(
            Arrival {
                socket,
                received: Vec::new(),
                response,
                admitted,
                wants_open: false,
                traced: false,
                address: AddressClass::Loopback,
                seats: Vec::new(),
            },
            dice,
        );
        let shown = self.cursor.clone().or_else(|| self.pid.clone()).filter(|_| self.resumes);
        self.link = Some(Link {
            wire,
            bytes: Vec::new(),
            is_open: false,
            ended: false,
            comeback: shown.map(|cursor| Comeback { cursor, excuses: instance.excuses() }),
            is_told: false,
            begins: false,
        });
    }

    fn admitted(&self, expires_at: SystemTime) -> Admitted {
        let claims = (!self.person.is_refused).then(|| Arc::new(self.claims(expires_at)));
        match self.protocol {
            Protocol::Plain => Admitted::Plain {
                identity: claims
                    .map(|claims| COMMON.catalog.grants().identity(&claims, Login::default()))
                    .ok_or(Ending::WrongKey),
                cursor: self.resumes.then(|| self.cursor.clone().unwrap_or_default()),
                since_ms: None,
            },
            Protocol::SocketIo => Admitted::SocketIo {
                shown: Shown {
                    credentials: claims
                        .map_or(Credentials::Nothing, |claims| Credentials::Session(Ok(claims))),
                    bad_key: Box::new(|| ()),
                },
                recovers: self.resumes,
                since_ms: None,
            },
        }
    }

    fn claims(&self, expires_at: SystemTime) -> Claims {
        let mut values = Map::new();
        values.insert("role".to_owned(), self.person.role.into());
        values.insert("sub".to_owned(), self.person.user.clone().into());
        if let Some(store) = self.person.store {
            values.insert("store_id".to_owned(), store.into());
        }
        Claims::new(values, expires_at)
    }

    /// Takes up to `count` bytes off the wire; false if there was nothing.
    pub fn receive(&mut self, count: usize, moment: Moment, now: Duration) -> bool {
        let Some(link) = &mut self.link else { return false };
        let received = link.wire.borrow_mut().receive(count);
        match received {
            Received::Nothing => return false,
            Received::Bytes(bytes) => link.bytes.extend(bytes),
            Received::End => link.ended = true,
        }
        self.read_head(moment);
        while let Some((opcode, payload)) = self.next_frame() {
            self.handle_frame(opcode, &payload, moment);
        }
        if self.link.as_ref().is_some_and(|link| link.ended) {
            self.leave(ClientEnd::Closed, now);
        }
        true
    }

    pub fn leave(&mut self, how: ClientEnd, back_at: Duration) {
        if let Some(link) = self.link.take() {
            link.wire.borrow_mut().leave(how);
            self.back_at = back_at;
        }
    }

    fn read_head(&mut self, moment: Moment) {
        let Some(link) = self.link.as_mut().filter(|link| !link.is_open) else { return };
        let end = link.bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END);
        let Some(end) = end else { return };
        link.bytes.drain(..end + HEAD_END.len());
        link.is_open = true;
        // A contract client of the plain protocol is not told more than this.
        if self.protocol == Protocol::Plain && !self.resumes {
            self.begin_run(moment, None);
        }
    }

    fn begin_run(&mut self, begun: Moment, gap: Option<String>) {
        let link = self.link();
        link.begins = true;
        let comeback = link.comeback.take();
        self.screen.push(Run { begun, comeback, gap, is_silent: false, seen: Vec::new(), told: Vec::new() });
    }

    /// While it is connected.
    fn link(&mut self) -> &mut Link {
        self.link.as_mut().expect("it is connected")
    }

    /// Takes a server's frame off what has come.
    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let link = self.link.as_mut().filter(|link| link.is_open)?;
        let [first, length, rest @ ..] = &link.bytes[..] else { return None };
        let (header, length) = match length {
            126 => (4, usize::from(u16::from_be_bytes(rest.first_chunk().copied()?))),
            length => (2, usize::from(*length)),
        };
        let payload = link.bytes.get(header..header + length)?.to_vec();
        let opcode = first & 0x0F;
        link.bytes.drain(..header + length);
        Some((opcode, payload))
    }

    fn handle_frame(&mut self, opcode: u8, payload: &[u8], moment: Moment) {
        match (opcode, self.protocol) {
            (0x1, Protocol::Plain) => self.handle_message(payload, moment),
            (0x1, Protocol::SocketIo) => self.handle_packet(payload, moment),
            (0x9, _) => self.send(0xA, payload),
            (0x8, _) => self.link().ended = true,
            other => panic!("a server does not send {other:?}"),
        }
    }

    fn handle_message(&mut self, payload: &[u8], moment: Moment) {
        let message: Value = serde_json::from_slice(payload).expect("a message is JSON");
        if message["event_name"] == "STATUS" {
            self.handle_status(&message["data"], moment);
        } else {
            self.show(&message["data"], moment);
        }
        if let Some(cursor) = message["cursor"].as_str() {
            self.cursor = Some(cursor.to_owned());
        }
    }

    /// Where it stands, at first; then what is missing between events.
    fn handle_status(&mut self, status: &Value, moment: Moment) {
        assert!(self.resumes, "nobody asked for {status}");
        let gap = status["gap"].as_str().map(str::to_owned);
        let is_told = std::mem::replace(&mut self.link().is_told, true);
        match (is_told, self.protocol) {
            (true, _) => {
                // One without a gap only says where a quiet client is.
                let run = self.screen.last_mut().expect("it has begun");
                run.told.extend(gap.map(|gap| Told { place: run.seen.len(), at: moment, gap }));
            }
            (false, Protocol::SocketIo) => self.screen.last_mut().expect("it has begun").gap = gap,
            (false, Protocol::Plain) if status["resumed"] == true => self.resumed += 1,
            (false, Protocol::Plain) => self.begin_run(moment, gap),
        }
    }

    fn handle_packet(&mut self, payload: &[u8], moment: Moment) {
        let text = str::from_utf8(payload).expect("text is UTF-8");
        if text.starts_with('0') {
            let auth = match (&self.pid, &self.cursor) {
                (Some(pid), Some(offset)) if self.resumes => {
                    json!({"pid": pid, "offset": offset}).to_string()
                }
                (Some(pid), None) if self.resumes => json!({"pid": pid}).to_string(),
                _ => String::new(),
            };
            self.send(0x1, format!("40{auth}").as_bytes());
        } else if text == "2" {
            self.send(0x1, b"3");
        } else if let Some(connected) = text.strip_prefix("40") {
            self.handle_connected(&serde_json::from_str(connected).expect("it is JSON"), moment);
        } else if let Some(event) = text.strip_prefix("42") {
            self.handle_event(&serde_json::from_str::<Vec<Value>>(event).expect("an event is JSON"), moment);
        } else {
            self.link().ended = true;
        }
    }

    fn handle_connected(&mut self, connected: &Value, moment: Moment) {
        let Some(pid) = connected["pid"].as_str().filter(|_| self.resumes) else { return };
        if self.pid.as_deref() == Some(pid) {
            self.resumed += 1;
            self.link().is_told = true;
        } else {
            self.pid = Some(pid.to_owned());
            let link = self.link();
            link.is_told = link.comeback.is_none();
            self.begin_run(moment, None);
        }
    }

    fn handle_event(&mut self, event: &[Value], moment: Moment) {
        match event[0].as_str().expect("an event has a name") {
            "authorization:ok" if !self.resumes => self.begin_run(moment, None),
            "authorization:ok" | "authorization:error" => {}
            "STATUS" => self.handle_status(&event[1], moment),
            _ => self.show(&event[1], moment),
        }
        if let (Some(_), Some(offset)) = (&self.pid, event.last().and_then(Value::as_str)) {
            self.cursor = Some(offset.to_owned());
        }
    }

    fn show(&mut self, payload: &Value, moment: Moment) {
        let id = payload["id"].as_u64().and_then(|id| usize::try_from(id).ok()).expect("an event has an id");
        if self.screen.is_empty() {
            // Nobody has let it in; the judge will see.
            self.begin_run(moment, None);
        }
        let begins = self.link().begins;
        let run = self.screen.last_mut().expect("there is one");
        run.is_silent |= begins && run.comeback.is_some() && run.gap.is_none();
        run.seen.push(id);
    }

    /// A client's frame is masked; with zeros that is no work.
    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).expect("short").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        self.link.as_ref().expect("it is connected").wire.borrow_mut().send(&frame);
    }
}
