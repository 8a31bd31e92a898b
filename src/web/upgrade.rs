//! `/ws`: checks the request, says who it is as far as the request tells, answers 101, and hands the raw socket
//! to a shard. With an `EIO` parameter it is Socket.IO, otherwise a plain WebSocket with a ticket in `key`.

use super::origin::Page;
use super::rates::Kind;
use super::since::{self, BadSince};
use super::{Web, refuse_body, try_later};
use crate::admission::Barred;
use crate::limits::{SOCKET_SEND_BUFFER_BYTES, STALLED_MAX};
use crate::protocol::engineio::{self, RequestError};
use crate::protocol::handshake::{self, UpgradeError, VERSION};
use crate::seats::Seat;
use crate::shard::{Admitted, Arrival, ClientSocket, Shown};
use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::io::{self, ErrorKind, Read};
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Decoded pairs, in the order of the request.
type Pairs = Vec<(String, String)>;

pub(super) async fn connect(
    State(web): State<Web>,
    Query(query): Query<Pairs>,
    mut request: Request,
) -> Response {
    if let Some(refusal) = refuse_body(request.headers()) {
        web.metrics.connection_refused("bad_request");
        return refusal;
    }
    if let Some(refusal) = web.refuse_if_unready() {
        return refusal;
    }
    let is_socket_io = value(&query, "EIO").is_some();
    if !web.origins.hear(Page::of(request.headers())) {
        web.metrics.connection_refused("origin");
        return refuse_page(is_socket_io);
    }
    let visitor = web.visitor(&request);
    if let Some(refusal) = web.refuse_if_too_often(Kind::Handshake, visitor) {
        return refusal;
    }
    let checked = if is_socket_io {
        check_socket_io(&request, &query).map_err(refuse_socket_io)
    } else {
        check_plain(&request).map_err(refuse_plain)
    };
    let accept = match checked {
        Ok(accept) => accept,
        Err(refusal) => {
            web.metrics.connection_refused("bad_request");
            return refusal;
        }
    };
    let since = value(&query, "since").map(|since| since::parse(since, SystemTime::now(), web.since_max));
    let since_ms = match since.transpose() {
        Ok(since_ms) => since_ms,
        Err(fault) => {
            web.metrics.connection_refused("bad_request");
            return refuse_since(&fault, is_socket_io);
        }
    };
    let Some(seat) = web.take_seat(visitor) else { return try_later() };
    let mut seats = vec![seat];
    let admitted = if is_socket_io {
        let query_token = value(&query, "token").filter(|_| web.admission.query_token);
        let presented = web.presented(request.headers(), query_token);
        let recovers = value(&query, "recovery") == Some("1");
        let credentials = web.admission.look_up(presented).await;
        let shown = Shown { credentials, bad_key: web.bad_key_later(visitor) };
        Admitted::SocketIo { shown, recovers, since_ms }
    } else {
        let key = value(&query, "key").unwrap_or_default();
        let cursor = value(&query, "cursor").map(str::to_owned);
        let redeemed = web.admission.redeem_ticket(key).await;
        let identity = match redeemed {
            Ok(entrant) => {
                seats.extend(entrant.seat);
                Ok(entrant.identity)
            }
            Err(Barred { ending, is_bad_key }) => {
                if is_bad_key {
                    web.bad_key(visitor);
                }
                Err(ending)
            }
        };
        Admitted::Plain { identity, cursor, since_ms }
    };
    let wants_open = value(&query, "open") == Some("1");
    tokio::spawn(hand_over(web, hyper::upgrade::on(&mut request), admitted, wants_open, seats));
    let headers = [(UPGRADE, "websocket"), (CONNECTION, "Upgrade"), (SEC_WEBSOCKET_ACCEPT, accept.as_str())];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

fn check_socket_io(request: &Request, query: &Pairs) -> Result<String, RequestError> {
    let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    engineio::check_request(request.method(), pairs)?;
    Ok(handshake::check_upgrade(request.headers())?)
}

fn check_plain(request: &Request) -> Result<String, UpgradeError> {
    if request.method() != Method::GET {
        return Err(UpgradeError::NotAnUpgrade);
    }
    handshake::check_upgrade(request.headers())
}

/// The official server's answer, which its clients understand.
fn refuse_socket_io(error: RequestError) -> Response {
    (error.status(), [(CONTENT_TYPE, "application/json")], error.body()).into_response()
}

fn refuse_plain(error: UpgradeError) -> Response {
    (error.status(), [(SEC_WEBSOCKET_VERSION, VERSION)], format!("{error}\n")).into_response()
}

fn refuse_page(is_socket_io: bool) -> Response {
    if is_socket_io {
        return refuse_socket_io(RequestError::Forbidden);
    }
    (StatusCode::FORBIDDEN, "pages of this origin are not heard\n").into_response()
}

/// To Socket.IO clients in the form of the official server's own refusals.
fn refuse_since(fault: &BadSince, is_socket_io: bool) -> Response {
    if !is_socket_io {
        return (StatusCode::BAD_REQUEST, format!("{fault}\n")).into_response();
    }
    let body = json!({"code": RequestError::BadRequest.code(), "message": fault.to_string()});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn value<'q>(query: &'q Pairs, name: &str) -> Option<&'q str> {
    query.iter().find(|(pair, _)| pair == name).map(|(_, value)| value.as_str())
}

/// After the 101 is out: the socket, and what hyper had already read from it.
async fn hand_over(web: Web, upgrade: OnUpgrade, admitted: Admitted, wants_open: bool, seats: Vec<Seat>) {
    let Ok(upgraded) = upgrade.await else {
        tracing::debug!("client left during the handshake");
        return;
    };
    match take_socket(upgraded) {
        Ok((socket, received)) => {
            web.shards.adopt(Arrival {
                socket,
                received,
                response: Bytes::new(),
                admitted,
                wants_open,
                seats,
            });
        }
        Err(error) => tracing::debug!(%error, "cannot prepare a socket"),
    }
}

/// The socket, and what has been read from it: by hyper, and by TLS beyond that.
fn take_socket(upgraded: Upgraded) -> io::Result<(ClientSocket, Vec<u8>)> {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(plain) => {
            let socket = prepare(plain.io.into_inner())?;
            return Ok((ClientSocket::Plain(socket), plain.read_buf.to_vec()));
        }
        Err(upgraded) => upgraded,
    };
    let tls = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>().expect("the accept loop serves these two");
    let (stream, mut connection) = tls.io.into_inner().into_inner();
    let mut received = tls.read_buf.to_vec();
    match connection.reader().read_to_end(&mut received) {
        // There is no more for now, or never again: the shard will read the same.
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::UnexpectedEof) => Err(error),
        _ => Ok((ClientSocket::tls(prepare(stream)?, connection), received)),
    }
}

/// Bounds what the kernel keeps for a client that does not read, and for how long.
fn prepare(stream: TcpStream) -> io::Result<mio::net::TcpStream> {
    let stream = socket2::Socket::from(stream.into_std()?);
    stream.set_send_buffer_size(SOCKET_SEND_BUFFER_BYTES)?;
    stream.set_tcp_user_timeout(Some(STALLED_MAX))?;
    Ok(mio::net::TcpStream::from_std(stream.into()))
}
