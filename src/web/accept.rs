//! The accept loop: HTTP/1.1 by hyper, with the deadlines and bounds that `axum::serve` does not set.

use super::CurrentCertificate;
use super::hand_over::{HandOver, Held, Leaves};
use super::limited::Peer;
use super::visitor::Proxies;
use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_ERROR_PAUSE, ACCEPT_WARN_INTERVAL, ADDRESS_WARN_INTERVAL, HANDSHAKES_MAX,
    HEAD_DEADLINE, HEAD_MAX_BYTES, HEADERS_MAX, SOCKET_SEND_BUFFER_BYTES, STALLED_MAX,
};
use crate::metrics::Metrics;
use crate::throttle::Throttle;
use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// A bound address, before anything is served there.
pub struct Listener {
    listener: TcpListener,
    pub address: SocketAddr,
    entrance: Entrance,
}

/// How clients come to a listener.
#[derive(Clone)]
pub enum Entrance {
    /// As they like.
    Open,
    /// In TLS, which ends here.
    Tls(CurrentCertificate),
    /// By proxies, where TLS has ended.
    Proxies(Proxies),
}

impl Listener {
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        set_for_accepted(&SockRef::from(&socket))?;
        socket.bind(address)?;
        let listener = socket.listen(ACCEPT_BACKLOG)?;
        let address = listener.local_addr()?;
        Ok(Listener { listener, address, entrance: Entrance::Open })
    }

    pub fn with(self, entrance: Entrance) -> Listener {
        Listener { entrance, ..self }
    }

    /// One that somebody else has bound.
    pub fn of(listener: std::net::TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        set_for_accepted(&SockRef::from(&listener))?;
        let address = listener.local_addr()?;
        Ok(Listener { listener: TcpListener::from_std(listener)?, address, entrance: Entrance::Open })
    }
}

/// What the sockets of a listener inherit.
fn set_for_accepted(listener: &SockRef<'_>) -> io::Result<()> {
    // An event must not wait for an acknowledgement.
    listener.set_tcp_nodelay(true)?;
    // What the kernel keeps for a client that does not read, and for how long.
    listener.set_send_buffer_size(SOCKET_SEND_BUFFER_BYTES)?;
    listener.set_tcp_user_timeout(Some(STALLED_MAX))
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
    let handshakes = Handshakes::default();
    let trouble = Throttle::new(1, ACCEPT_WARN_INTERVAL);
    let strangers = Throttle::new(1, ADDRESS_WARN_INTERVAL);
    loop {
        let accepted = tokio::select! {
            accepted = listener.listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            // Dropping the socket is the cheapest answer there is.
            Ok(_) if metrics.open_connections() + handshakes.under_way() >= sockets_max => {
                metrics.connection_refused("descriptors");
            }
            Ok((_, peer)) if !listener.entrance.admits(peer) => {
                metrics.connection_refused("not_by_proxy");
                if let Some(unsaid) = strangers.admit() {
                    tracing::warn!(
                        unsaid,
                        "somebody who is not among web.trusted_proxies has connected, and was dropped"
                    );
                }
            }
            Ok((stream, peer)) => {
                if handshakes.begin(serve_one(stream, peer, router.clone(), listener.entrance.clone())) {
                    metrics.connection_refused("handshakes");
                }
            }
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

/// The connections that are not closed and no WebSocket yet, in the order of their arrival. A mutex, since each
/// section is one step in a map; clones are one.
#[derive(Clone, Default)]
struct Handshakes {
    under_way: Arc<Mutex<UnderWay>>,
}

#[derive(Default)]
struct UnderWay {
    by_age: BTreeMap<u64, AbortHandle>,
    arrivals: u64,
}

impl Handshakes {
    /// Starts one. Where there are too many, the oldest gives way, and it is true: who is good takes milliseconds,
    /// so the oldest of a thousand is somebody who drips.
    fn begin(&self, handshake: impl Future<Output = ()> + Send + 'static) -> bool {
        let mut under_way = self.under_way.lock();
        let number = under_way.arrivals;
        under_way.arrivals += 1;
        let all = self.clone();
        let task = tokio::spawn(async move {
            handshake.await;
            all.under_way.lock().by_age.remove(&number);
        });
        under_way.by_age.insert(number, task.abort_handle());
        let is_over = under_way.by_age.len() > HANDSHAKES_MAX;
        if is_over && let Some((_, oldest)) = under_way.by_age.pop_first() {
            oldest.abort();
        }
        is_over
    }

    fn under_way(&self) -> usize {
        self.under_way.lock().by_age.len()
    }
}

impl Entrance {
    fn admits(&self, peer: SocketAddr) -> bool {
        match self {
            Entrance::Open | Entrance::Tls(_) => true,
            Entrance::Proxies(proxies) => proxies.trust(peer.ip()),
        }
    }
}

/// One connection, until it is closed or has become a WebSocket.
async fn serve_one(stream: TcpStream, peer: SocketAddr, router: Router, entrance: Entrance) {
    // Boxed, since what TLS takes would be taken, and moved about, without it as well.
    if let Entrance::Tls(certificate) = entrance {
        return Box::pin(serve_tls(stream, peer, router, certificate)).await;
    }
    serve_http(stream, peer, router).await;
}

async fn serve_tls(stream: TcpStream, peer: SocketAddr, router: Router, certificate: CurrentCertificate) {
    if let Some(stream) = certificate.shake_hands(stream).await {
        serve_http(stream, peer, router).await;
    }
}

async fn serve_http(stream: impl Leaves, peer: SocketAddr, router: Router) {
    let router = TowerToHyperService::new(router);
    let hand_over = HandOver::default();
    let stream = Held { stream, hand_over: hand_over.clone() };
    let of_requests = hand_over.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        request.extensions_mut().insert(of_requests.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match connection.without_shutdown().await {
        Ok(parts) => {
            let stays = hand_over.carry_out(parts.io.into_inner().stream, &parts.read_buf);
            if let Some(mut stream) = stays {
                let _ = stream.shutdown().await;
            }
        }
        Err(error) => tracing::debug!(%error, "http connection ended"),
    }
}
