//! What a shard needs of sockets, and of whoever tells which of them are ready: the kernel, or the simulation.

use super::WAKER;
use super::tls::Tls;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::ServerConnection;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// A non-blocking stream. A read may be `Interrupted`: something has come, and is not yet anything to be read.
pub trait Socket: Read + Write {
    /// Whether it has taken what it has not sent yet. What is offered to it meanwhile it does not take.
    fn holds_data(&self) -> bool {
        false
    }

    /// Sends of that what it can, and says how much.
    fn send_held(&mut self) -> io::Result<usize> {
        Ok(0)
    }

    /// Ends the writing half; the peer may still be talking.
    fn shut_down_write(&mut self) -> io::Result<()>;
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
    fn shut_down_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// The way to a client.
pub enum ClientSocket {
    Plain(TcpStream),
    /// Boxed, since it is many times larger.
    Tls(Box<Tls<TcpStream>>),
}

impl ClientSocket {
    pub fn tls(stream: TcpStream, connection: ServerConnection) -> ClientSocket {
        ClientSocket::Tls(Box::new(Tls::new(stream, connection)))
    }

    fn stream(&mut self) -> &mut TcpStream {
        match self {
            ClientSocket::Plain(stream) => stream,
            ClientSocket::Tls(tls) => tls.socket(),
        }
    }
}

impl Read for ClientSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientSocket::Plain(stream) => stream.read(buffer),
            ClientSocket::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for ClientSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ClientSocket::Plain(stream) => stream.write(bytes),
            ClientSocket::Tls(tls) => tls.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            ClientSocket::Plain(stream) => stream.write_vectored(slices),
            ClientSocket::Tls(tls) => tls.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for ClientSocket {
    fn holds_data(&self) -> bool {
        match self {
            ClientSocket::Plain(_) => false,
            ClientSocket::Tls(tls) => tls.holds_data(),
        }
    }

    fn send_held(&mut self) -> io::Result<usize> {
        match self {
            ClientSocket::Plain(_) => Ok(0),
            ClientSocket::Tls(tls) => tls.send_held(),
        }
    }

    fn shut_down_write(&mut self) -> io::Result<()> {
        match self {
            ClientSocket::Plain(stream) => stream.shut_down_write(),
            ClientSocket::Tls(tls) => tls.shut_down_write(),
        }
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
    type Socket = ClientSocket;

    fn watch(&mut self, socket: &mut ClientSocket, slot: usize) -> io::Result<()> {
        self.poll.registry().register(socket.stream(), Token(slot), Interest::READABLE | Interest::WRITABLE)
    }

    fn forget(&mut self, socket: &mut ClientSocket) {
        // A socket that is not in the poll set any more needs no deregistration.
        let _ = self.poll.registry().deregister(socket.stream());
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
