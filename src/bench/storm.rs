//! A storm of half-open handshakes: clients that begin a request and never end it.
//!
//! They come before the clients of a run and go when those are in, so that what the server keeps for the ones lies
//! between what it keeps for the others. What stays of them after that is what the run's memory at rest tells.

use super::crowd;
use crate::limits::BENCH_STORM_CONNECT_MAX;
use socket2::{SockAddr, Socket};
use std::io::{self, Write};
use std::net::SocketAddr;

/// Enough of a request to be read and kept, and no end of it.
const BEGINNING: &[u8] =
    b"GET /ws/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUser-Agent: half-open\r\n";

/// Over when it is dropped.
pub struct Storm {
    _sockets: Vec<Socket>,
}

impl Storm {
    /// A server that drops them has done what it should: only sockets that cannot be had at all are a fault.
    pub fn begin(address: SocketAddr, size: usize) -> io::Result<Storm> {
        let mut sockets = Vec::with_capacity(size);
        for number in 0..size {
            let mut socket = crowd::new_socket(address, number)?;
            if socket.connect_timeout(&SockAddr::from(address), BENCH_STORM_CONNECT_MAX).is_ok() {
                let _ = socket.write_all(BEGINNING);
                sockets.push(socket);
            }
        }
        Ok(Storm { _sockets: sockets })
    }
}
