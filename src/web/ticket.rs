//! `GET /api/v1/ws/ticket`: a one-off token for the plain WebSocket handshake (plain-websocket.md, "Get ticket").

use super::{Web, retry_after};
use crate::admission::NoTicket;
use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The documented body of a success, field by field in the document's order.
#[derive(Serialize)]
struct Issued<'a> {
    success: bool,
    info: &'static str,
    token: &'a str,
}

/// The documented body of a failure.
#[derive(Serialize)]
struct Refused {
    success: bool,
    error: &'static str,
}

pub(super) async fn issue(State(web): State<Web>, headers: HeaderMap) -> Response {
    if let Some(refusal) = web.refuse_if_unready() {
        return refusal;
    }
    let credentials = web.admission.look_up(web.presented(&headers, None)).await;
    match web.admission.issue_ticket(&credentials).await {
        Ok(ticket) => {
            let info = "Your ws connection token is valid for 60s";
            let body = Json(Issued { success: true, info, token: ticket.as_str() });
            ([(CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(NoTicket::TryLater) => {
            let body = Json(Refused { success: false, error: "No ticket for now, try again later" });
            (StatusCode::SERVICE_UNAVAILABLE, retry_after(), body).into_response()
        }
        Err(NoTicket::Refused) => {
            let body = Json(Refused { success: false, error: "Wrong authorization data" });
            (StatusCode::UNAUTHORIZED, body).into_response()
        }
    }
}
