//! `/ws`: checks the request, says who it is as far as the request tells, answers 101, and hands the raw socket
//! to a shard. With an `EIO` parameter it is Socket.IO, otherwise a plain WebSocket with a ticket in `key`.

use super::hand_over::{Departure, HandOver};
use super::rates::Kind;
use super::since::{self, BadSince};
use super::{Web, refuse_body, try_later};
use crate::admission::Barred;
use crate::protocol::engineio::{self, RequestError};
use crate::protocol::handshake::{self, UpgradeError, VERSION};
use crate::shard::{Admitted, Shown};
use axum::extract::{Query, Request, State};
use axum::http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use std::time::SystemTime;

/// Decoded pairs, in the order of the request.
pub(super) type Pairs = Vec<(String, String)>;

pub(super) async fn connect(
    State(web): State<Web>,
    Query(query): Query<Pairs>,
    Extension(hand_over): Extension<HandOver>,
    request: Request,
) -> Response {
    if let Some(refusal) = refuse_body(request.headers()) {
        web.metrics.connection_refused("bad_request");
        return refusal;
    }
    if let Some(refusal) = web.refuse_if_unready() {
        return refusal;
    }
    let is_socket_io = value(&query, "EIO").is_some();
    if !web.origins.hear(web.origins.page(request.headers())) {
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
    // The address's and the user's.
    let mut seats = Vec::with_capacity(2);
    seats.extend([seat]);
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
    let traced = web.traceparent && value(&query, "traceparent") == Some("1");
    let address = visitor.class();
    hand_over.prepare(Departure { shards: web.shards.clone(), admitted, wants_open, traced, address, seats });
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

pub(super) fn value<'q>(query: &'q Pairs, name: &str) -> Option<&'q str> {
    query.iter().find(|(pair, _)| pair == name).map(|(_, value)| value.as_str())
}
