//! Sockets without a kernel: a connection is two byte queues, of which the one to the client is as short as a send
//! buffer, and the shard's end tells of changes once, as an edge-triggered poll set does.
//!
//! Between two system calls of a shard the pipeline may go on, since it is another thread: each call of the
//! shard's end may let it.

use super::dice::Dice;
use crate::shard::socket::{Ready, Socket, Watch};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::time::Duration;

/// What happens between two system calls.
pub type Meanwhile = Rc<dyn Fn()>;

/// Changes that a poll set has not told yet, by slot.
type Changes = Rc<RefCell<BTreeMap<usize, Ready>>>;

/// A connection, seen from both ends.
pub struct Wire {
    to_client: VecDeque<u8>,
    send_buffer_bytes: usize,
    to_server: VecDeque<u8>,
    /// The server was told that its send buffer is full, and waits to be told that there is room.
    starved: bool,
    server_shut: bool,
    server_gone: bool,
    client: ClientEnd,
    slot: Option<(usize, Changes)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ClientEnd {
    Open,
    /// Ended the stream in good order.
    Closed,
    Reset,
    /// Nothing comes from it any more, not even that.
    Vanished,
}

/// What a client reads.
pub enum Received {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

pub type Shared = Rc<RefCell<Wire>>;

/// Both ends of a new connection.
pub fn connect(send_buffer_bytes: usize, dice: &Dice, meanwhile: &Meanwhile) -> (Shared, ServerSocket) {
    let wire = Rc::new(RefCell::new(Wire {
        to_client: VecDeque::new(),
        send_buffer_bytes,
        to_server: VecDeque::new(),
        starved: false,
        server_shut: false,
        server_gone: false,
        client: ClientEnd::Open,
        slot: None,
    }));
    let socket = ServerSocket { wire: Rc::clone(&wire), dice: dice.clone(), meanwhile: Rc::clone(meanwhile) };
    (wire, socket)
}

impl Wire {
    pub fn send(&mut self, bytes: &[u8]) {
        self.to_server.extend(bytes);
        self.tell();
    }

    /// Up to `count` of the bytes that have come.
    pub fn receive(&mut self, count: usize) -> Received {
        let count = count.min(self.to_client.len());
        if count == 0 {
            return if self.server_shut || self.server_gone { Received::End } else { Received::Nothing };
        }
        let bytes = self.to_client.drain(..count).collect();
        if std::mem::take(&mut self.starved) {
            self.tell();
        }
        Received::Bytes(bytes)
    }

    pub fn leave(&mut self, how: ClientEnd) {
        self.client = how;
        if how != ClientEnd::Vanished {
            self.tell();
        }
    }

    /// A poll set tells of all that a socket is ready for as soon as something of it has changed.
    fn tell(&self) {
        if let Some((slot, changes)) = &self.slot {
            let ended = matches!(self.client, ClientEnd::Closed | ClientEnd::Reset);
            let readable = !self.to_server.is_empty() || ended;
            let writable = self.room() > 0 || ended;
            changes.borrow_mut().insert(*slot, Ready { slot: *slot, readable, writable });
        }
    }

    fn room(&self) -> usize {
        self.send_buffer_bytes.saturating_sub(self.to_client.len())
    }
}

/// The shard's end.
pub struct ServerSocket {
    wire: Shared,
    dice: Dice,
    meanwhile: Meanwhile,
}

impl ServerSocket {
    fn pause(&self) {
        if self.dice.one_in(4) {
            (self.meanwhile)();
        }
    }
}

impl Drop for ServerSocket {
    fn drop(&mut self) {
        self.wire.borrow_mut().server_gone = true;
    }
}

impl Read for ServerSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pause();
        let mut wire = self.wire.borrow_mut();
        if wire.client == ClientEnd::Reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.to_server.is_empty() {
            return if wire.client == ClientEnd::Closed {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        }
        // Cut anywhere.
        let available = wire.to_server.len().min(buffer.len());
        let count = if self.dice.one_in(4) { 1 + self.dice.below(available) } else { available };
        for (place, byte) in buffer.iter_mut().zip(wire.to_server.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }
}

impl Write for ServerSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.pause();
        let mut wire = self.wire.borrow_mut();
        if wire.server_shut || matches!(wire.client, ClientEnd::Closed | ClientEnd::Reset) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let count = offered.min(wire.room());
        wire.starved |= count < offered;
        if count == 0 && offered > 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter()).take(count);
        wire.to_client.extend(bytes);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for ServerSocket {
    fn shut_down_write(&mut self) -> io::Result<()> {
        self.wire.borrow_mut().server_shut = true;
        Ok(())
    }
}

/// A poll set of such sockets.
#[derive(Default)]
pub struct PollSet {
    changes: Changes,
}

impl Watch for PollSet {
    type Socket = ServerSocket;

    fn watch(&mut self, socket: &mut ServerSocket, slot: usize) -> io::Result<()> {
        let mut wire = socket.wire.borrow_mut();
        wire.slot = Some((slot, Rc::clone(&self.changes)));
        wire.tell();
        Ok(())
    }

    fn forget(&mut self, socket: &mut ServerSocket) {
        if let Some((slot, changes)) = socket.wire.borrow_mut().slot.take() {
            changes.borrow_mut().remove(&slot);
        }
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, _: Option<Duration>) -> io::Result<()> {
        ready.clear();
        ready.extend(std::mem::take(&mut *self.changes.borrow_mut()).into_values());
        Ok(())
    }
}
