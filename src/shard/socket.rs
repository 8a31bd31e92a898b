//! What a shard needs of sockets, and of whoever tells which of them are ready: the kernel, or the simulation.

use super::WAKER;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// A non-blocking stream.
pub(crate) trait Socket: Read + Write {
    /// Ends the writing half; the peer may still be talking.
    fn shut_down_write(&self) -> io::Result<()>;
}

/// Tells which sockets are ready. It tells of a change, once: whoever is told reads and writes until the socket
/// would block.
pub(crate) trait Watch {
    type Socket: Socket;

    fn watch(&mut self, socket: &mut Self::Socket, slot: usize) -> io::Result<()>;

    fn forget(&mut self, socket: &mut Self::Socket);

    /// Waits for changes, at most for `timeout`, and puts them into `ready` in place of what was there.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()>;
}

/// What has become of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub slot: usize,
    /// There are bytes, or there is nothing more to come.
    pub readable: bool,
    pub writable: bool,
}

impl Socket for TcpStream {
    fn shut_down_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// The kernel's poll set.
pub(super) struct Kernel {
    poll: Poll,
    events: Events,
}

impl Kernel {
    pub fn new(poll: Poll) -> Kernel {
        Kernel { poll, events: Events::with_capacity(1_024) }
    }
}

impl Watch for Kernel {
    type Socket = TcpStream;

    fn watch(&mut self, socket: &mut TcpStream, slot: usize) -> io::Result<()> {
        self.poll.registry().register(socket, Token(slot), Interest::READABLE | Interest::WRITABLE)
    }

    fn forget(&mut self, socket: &mut TcpStream) {
        // A socket that is not in the poll set any more needs no deregistration.
        let _ = self.poll.registry().deregister(socket);
    }

    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        self.poll.poll(&mut self.events, timeout)?;
        let of_sockets = self.events.iter().filter(|event| event.token() != WAKER);
        ready.extend(of_sockets.map(|event| Ready {
            slot: event.token().0,
            readable: event.is_readable() || event.is_read_closed() || event.is_error(),
            writable: event.is_writable(),
        }));
        Ok(())
    }
}
