//! How a socket leaves the HTTP side: the handler that answers 101 leaves word, and when hyper is done with the connection
//! its socket goes to a shard.
//!
//! The 101 itself is held back and goes along, so that it leaves in one write with what the protocol says first. So no
//! task waits for the upgrade, and none has to be woken for it.

use crate::seats::Seat;
use crate::shard::{AddressClass, Admitted, Arrival, ClientSocket, Shards};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Of one connection. A mutex since hyper wants its service to be `Send`; nobody ever waits for it. Clones are one.
#[derive(Clone, Default)]
pub(super) struct HandOver {
    slot: Arc<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    departure: Option<Departure>,
    /// What was answered since then.
    response: Vec<u8>,
}

/// Where the socket goes, and as what.
pub(super) struct Departure {
    pub shards: Shards,
    pub admitted: Admitted,
    pub wants_open: bool,
    pub traced: bool,
    pub address: AddressClass,
    pub seats: Vec<Seat>,
}

impl HandOver {
    /// The next answer is a 101, and the last.
    pub fn prepare(&self, departure: Departure) {
        self.slot.lock().departure = Some(departure);
    }

    /// Keeps an answer back; false if it is to be sent.
    fn hold(&self, bytes: &[u8]) -> bool {
        let mut slot = self.slot.lock();
        if slot.departure.is_some() {
            slot.response.extend_from_slice(bytes);
        }
        slot.departure.is_some()
    }

    /// With the socket, and what was already read from it. Gives the socket back if nobody has left word.
    pub fn carry_out<S: Leaves>(&self, stream: S, received: &[u8]) -> Option<S> {
        let Slot { departure, response } = std::mem::take(&mut *self.slot.lock());
        let Some(departure) = departure else { return Some(stream) };
        let Departure { shards, admitted, wants_open, traced, address, seats } = departure;
        match stream.leave(received.to_vec()) {
            Ok((socket, received)) => {
                let response = Bytes::from(response);
                shards.adopt(Arrival {
                    socket,
                    received,
                    response,
                    admitted,
                    wants_open,
                    traced,
                    address,
                    seats,
                });
            }
            Err(error) => tracing::debug!(%error, "cannot take a socket out of its runtime"),
        }
        None
    }
}

/// A stream that can go to a shard.
pub(super) trait Leaves: AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static {
    /// The socket, and what has been read from it: `received` by hyper, and more by TLS.
    fn leave(self, received: Vec<u8>) -> io::Result<(ClientSocket, Vec<u8>)>;
}

impl Leaves for TcpStream {
    fn leave(self, received: Vec<u8>) -> io::Result<(ClientSocket, Vec<u8>)> {
        let stream = mio::net::TcpStream::from_std(self.into_std()?);
        Ok((ClientSocket::Plain(stream), received))
    }
}

impl Leaves for TlsStream<TcpStream> {
    fn leave(self, mut received: Vec<u8>) -> io::Result<(ClientSocket, Vec<u8>)> {
        let (stream, mut connection) = self.into_inner();
        match connection.reader().read_to_end(&mut received) {
            // There is no more for now, or never again: the shard will read the same.
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::UnexpectedEof) => {
                Err(error)
            }
            _ => {
                let stream = mio::net::TcpStream::from_std(stream.into_std()?);
                Ok((ClientSocket::tls(stream, connection), received))
            }
        }
    }
}

/// A stream whose last answer may be held back.
pub(super) struct Held<S> {
    pub stream: S,
    pub hand_over: HandOver,
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.hand_over.hold(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(first) = first.filter(|first| self.hand_over.hold(first)) {
            return Poll::Ready(Ok(first.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
