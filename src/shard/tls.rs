//! TLS on the way to a client: another socket, and what rustls needs to read and write through it.
//!
//! ```text
//! shard ──plaintext──> Tls ──records──> socket          held: records that the socket has not taken
//! ```
//!
//! The handshake is over when a socket comes here. What was written is encrypted and cannot be taken back, so it is the one
//! thing that a lagging connection holds beside its position. Plaintext is taken only while nothing is held, one
//! record at a time, so it is one record at most.

use super::socket::Socket;
use crate::limits::TLS_RECORD_BYTES;
use rustls::ServerConnection;
use std::io::{self, ErrorKind, IoSlice, Read, Write};

pub struct Tls<S> {
    socket: S,
    connection: ServerConnection,
}

impl<S: Socket> Tls<S> {
    /// Plaintext that was received before must have been read from `connection`: no socket tells of that.
    pub fn new(socket: S, mut connection: ServerConnection) -> Tls<S> {
        connection.set_buffer_limit(Some(TLS_RECORD_BYTES));
        Tls { socket, connection }
    }

    pub fn socket(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Tries to make it so.
    fn is_all_sent(&mut self) -> io::Result<bool> {
        match self.send_held() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            outcome => outcome.map(|_| !self.holds_data()),
        }
    }

    /// The end of the stream is one whether or not it was announced: who cuts messages off is found out by the
    /// frames inside.
    fn read_plaintext(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.connection.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
            outcome => outcome,
        }
    }
}

/// `Interrupted` says that a part of a record has come, or a record that has nothing for us.
impl<S: Socket> Read for Tls<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.read_plaintext(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
        self.connection.read_tls(&mut self.socket)?;
        let processed = self.connection.process_new_packets();
        // An alert, or new keys. If the socket takes none now, it is held, and goes out like anything held.
        let _ = self.send_held();
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        match self.read_plaintext(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::Interrupted.into()),
            outcome => outcome,
        }
    }
}

impl<S: Socket> Write for Tls<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    /// Takes until something is held: the socket is full then, and will tell when it is not.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut slices = slices.to_vec();
        let mut left = &mut slices[..];
        let mut taken = 0;
        // That of nothing drops what is empty.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() && self.is_all_sent()? {
            let count = self.connection.writer().write_vectored(left)?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            taken += count;
            IoSlice::advance_slices(&mut left, count);
        }
        self.is_all_sent()?;
        if taken == 0 && !left.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Socket> Socket for Tls<S> {
    fn holds_data(&self) -> bool {
        self.connection.wants_write()
    }

    fn send_held(&mut self) -> io::Result<usize> {
        let mut sent = 0;
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Says so in a record of its own first (RFC 8446, section 6.1), if there is room for one. Nothing is held before
    /// that, so there nearly always is.
    fn shut_down_write(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        let _ = self.send_held();
        self.socket.shut_down_write()
    }
}

#[cfg(test)]
mod tests;
