//! The accept loop: HTTP/1.1 by hyper, with the deadlines and bounds that `axum::serve` does not set.

use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_ERROR_PAUSE, ACCEPT_WARN_INTERVAL, HANDSHAKES_MAX, HEAD_DEADLINE, HEAD_MAX_BYTES,
    HEADERS_MAX,
};
use crate::metrics::Metrics;
use crate::throttle::Throttle;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// A bound address, before anything is served there.
pub struct Listener {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Listener {
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // Accepted sockets inherit it: an event must not wait for an acknowledgement.
        socket.set_nodelay(true)?;
        socket.bind(address)?;
        let listener = socket.listen(ACCEPT_BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Listener { listener, address })
    }
}

/// Serves until `stop`; requests under way then are let finish by their own deadlines. `sockets_max` bounds them
/// and the WebSocket connections together.
pub async fn serve(
    listener: Listener,
    router: Router,
    metrics: Metrics,
    sockets_max: usize,
    stop: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let trouble = Throttle::new(1, ACCEPT_WARN_INTERVAL);
    loop {
        let accepted = tokio::select! {
            accepted = listener.listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            // Dropping the socket is the cheapest answer there is.
            Ok(_) if metrics.open_connections() + under_way(&handshakes) >= sockets_max => {
                metrics.connection_refused("descriptors");
            }
            Ok((stream, _)) => match Arc::clone(&handshakes).try_acquire_owned() {
                Ok(permit) => drop(tokio::spawn(serve_one(stream, router.clone(), permit))),
                Err(_) => metrics.connection_refused("handshakes"),
            },
            Err(error) => {
                // Out of file descriptors, most likely: the queue stays, and accepting again at once would spin.
                metrics.connection_refused("accept_error");
                if let Some(unsaid) = trouble.admit() {
                    tracing::warn!(%error, unsaid, "cannot accept connections");
                }
                tokio::time::sleep(ACCEPT_ERROR_PAUSE).await;
            }
        }
    }
}

fn under_way(handshakes: &Semaphore) -> usize {
    HANDSHAKES_MAX.saturating_sub(handshakes.available_permits())
}

/// One connection, until it is closed or has become a WebSocket.
async fn serve_one(stream: TcpStream, router: Router, _handshake: OwnedSemaphorePermit) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "http connection ended");
    }
}
