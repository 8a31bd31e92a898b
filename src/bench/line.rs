//! A client's way to the service: a socket, with or without TLS on it.
//!
//! Sockets do not block. The TLS is that of the service: rustls, with the same provider. It makes one buffer for each
//! record that comes, which is the one thing that a delivery allocates here.

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// How the service is spoken to over TLS, and as whom it has to show itself.
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

pub enum Line {
    Plain(TcpStream),
    /// Boxed, since it is many times larger.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Tls {
    /// Clients are so many people: none goes on with the session of another, and each handshake is a whole one.
    pub fn new(mut config: ClientConfig, name: ServerName<'static>) -> Tls {
        config.resumption = Resumption::disabled();
        Tls { config: Arc::new(config), name }
    }
}

impl Line {
    pub fn new(socket: TcpStream, tls: Option<&Tls>) -> io::Result<Line> {
        let Some(tls) = tls else { return Ok(Line::Plain(socket)) };
        let connection = ClientConnection::new(Arc::clone(&tls.config), tls.name.clone());
        Ok(Line::Tls(Box::new(StreamOwned::new(connection.map_err(io::Error::other)?, socket))))
    }

    /// A read gives less than there is room for although there may be more: a record at most.
    pub fn gives_parts(&self) -> bool {
        matches!(self, Line::Tls(_))
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.read(buffer),
            Line::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(socket) => socket.write(bytes),
            Line::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(socket) => socket.flush(),
            Line::Tls(stream) => stream.flush(),
        }
    }
}
