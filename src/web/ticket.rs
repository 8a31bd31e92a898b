//! `GET /api/v1/ws/ticket`: a one-off token for the plain WebSocket handshake (plain-websocket.md, "Get ticket").

use super::rates::Kind;
use super::{Web, refuse_body, try_later};
use crate::admission::NoTicket;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
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

/// The contract's words for whoever gets no ticket.
const WRONG_DATA: &str = "Wrong authorization data";

pub(super) async fn issue(State(web): State<Web>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    if let Some(refusal) = refuse_body(&request.headers) {
        web.metrics.connection_refused("bad_request");
        return refusal;
    }
    let page = web.origins.page(&request.headers);
    let mut response = if web.origins.hear(page) {
        answer(&web, &request).await
    } else {
        web.metrics.connection_refused("origin");
        (StatusCode::FORBIDDEN, refused(WRONG_DATA)).into_response()
    };
    web.origins.allow_reading(page, response.headers_mut());
    response
}

/// A browser asks first, because the request will have an `Authorization` header.
pub(super) async fn preflight(State(web): State<Web>, headers: HeaderMap) -> Response {
    web.origins.preflight(web.origins.page(&headers))
}

async fn answer(web: &Web, request: &Parts) -> Response {
    if let Some(refusal) = web.refuse_if_unready() {
        return none_for_now(refusal);
    }
    let visitor = web.visitor_of_parts(request);
    if let Some(refusal) = web.refuse_if_too_often(Kind::Ticket, visitor) {
        return none_for_now(refusal);
    }
    let credentials = web.admission.look_up(web.presented(&request.headers, None)).await;
    match web.admission.issue_ticket(&credentials).await {
        Ok(ticket) => {
            let info = "Your ws connection token is valid for 60s";
            let body = Json(Issued { success: true, info, token: ticket.as_str() });
            ([(CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err(NoTicket::TryLater) => none_for_now(try_later()),
        Err(NoTicket::Refused { is_bad_key }) => {
            if is_bad_key {
                web.bad_key(visitor);
            }
            (StatusCode::UNAUTHORIZED, refused(WRONG_DATA)).into_response()
        }
    }
}

/// With a body of the documented form: clients of the contract read one whatever the code is.
fn none_for_now(refusal: Response) -> Response {
    let (head, _) = refusal.into_parts();
    (head, refused("No ticket for now, try again later")).into_response()
}

fn refused(error: &'static str) -> Json<Refused> {
    Json(Refused { success: false, error })
}
