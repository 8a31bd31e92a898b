//! What the page's buttons do beyond the contracts. Only a demo has them, and only for its own page.
//!
//! ```text
//! GET  /demo/people                    everybody's token
//! GET  /demo/token?of=PERSON           one person's, as text for a shell
//! POST /demo/order?for=PERSON          a new order; `guest` has no account, and of `store` it is a pizza
//! POST /demo/advance[?order=ID]        that order's next condition, or the oldest one's
//! POST /demo/revoke?person=PERSON      ends that person's logins
//! POST /demo/outage                    stops the broker for 5 s
//! ```
//!
//! A demo is on loopback, where any page that a browser has open can send requests: so these ask that the page
//! behind a request is this very host's, and that the host is asked for as this machine (a name that somebody has
//! pointed here is not).

use super::kitchen::Kitchen;
use super::people::{self, Desk};
use super::pizzeria::{Occurrence, Wish};
use super::producer::ProducerFault;
use crate::consume::EmbeddedBroker;
use crate::limits::DEMO_OUTAGE;
use crate::web::Origins;
use axum::extract::{Query, Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What the handlers need; cheap to clone.
#[derive(Clone)]
pub(super) struct Buttons {
    pub desk: Desk,
    pub broker: Arc<EmbeddedBroker>,
    /// There once the schemas are registered.
    pub kitchen: Arc<OnceLock<Kitchen>>,
    pub is_away: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Whose {
    #[serde(rename = "for")]
    person: Option<String>,
}

#[derive(Deserialize)]
struct Which {
    order: Option<String>,
}

#[derive(Deserialize)]
struct Whom {
    person: String,
}

/// Why a button did nothing: what the page says.
enum Idle {
    Later(&'static str),
    Wrong(&'static str),
    Fault(ProducerFault),
}

impl From<ProducerFault> for Idle {
    fn from(fault: ProducerFault) -> Idle {
        Idle::Fault(fault)
    }
}

impl IntoResponse for Idle {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Idle::Later(text) => (StatusCode::CONFLICT, text.to_owned()),
            Idle::Wrong(text) => (StatusCode::BAD_REQUEST, text.to_owned()),
            Idle::Fault(fault) => (StatusCode::INTERNAL_SERVER_ERROR, fault.to_string()),
        };
        (status, Json(json!({"error": text}))).into_response()
    }
}

pub(super) fn router(buttons: Buttons) -> Router {
    Router::new()
        .route("/demo/people", get(people::people).with_state(buttons.desk.clone()))
        .route("/demo/token", get(people::token).with_state(buttons.desk.clone()))
        .route("/demo/order", post(order))
        .route("/demo/advance", post(advance))
        .route("/demo/revoke", post(revoke))
        .route("/demo/outage", post(outage))
        .with_state(buttons)
        .layer(middleware::from_fn(refuse_strangers))
}

async fn refuse_strangers(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if Origins::default().is_own_page(headers) && is_this_machine(headers) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "a demo is for its own page, on its own machine\n").into_response()
}

fn is_this_machine(headers: &HeaderMap) -> bool {
    let host =
        headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Uri>().ok());
    let Some(host) = host.as_ref().and_then(Uri::host) else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

impl Buttons {
    fn kitchen(&self) -> Result<&Kitchen, Idle> {
        self.kitchen.get().ok_or(Idle::Later("the pizzeria opens in a moment"))
    }
}

async fn order(State(buttons): State<Buttons>, Query(whose): Query<Whose>) -> Result<Response, Idle> {
    let wish = match whose.person.as_deref() {
        Some("customer") => Wish::OrderOfEvdokim,
        Some("other-customer") => Wish::OrderOfMarfa,
        Some("guest") | None => Wish::OrderOfGuest,
        Some("store") => Wish::PizzaOfStore,
        Some(_) => return Err(Idle::Wrong("nobody of this name orders anything")),
    };
    let made = buttons.kitchen()?.grant(wish)?;
    made.map(told).ok_or(Idle::Later("the kitchen is full: advance some orders first"))
}

async fn advance(State(buttons): State<Buttons>, Query(which): Query<Which>) -> Result<Response, Idle> {
    let made = buttons.kitchen()?.advance(which.order.as_deref())?;
    made.map(told).ok_or(Idle::Later("this order is not open any more"))
}

async fn revoke(State(buttons): State<Buttons>, Query(whom): Query<Whom>) -> Result<Response, Idle> {
    let user = people::subject(&whom.person).ok_or(Idle::Wrong("nobody of this name is on the page"))?;
    buttons.kitchen()?.revoke(&user).await?;
    Ok(Json(json!({"revoked": user})).into_response())
}

async fn outage(State(buttons): State<Buttons>) -> Result<Response, Idle> {
    if buttons.is_away.swap(true, Ordering::SeqCst) {
        return Err(Idle::Later("the broker is stopped already"));
    }
    buttons.broker.set_away(true).map_err(ProducerFault::from)?;
    tokio::spawn(async move {
        tokio::time::sleep(DEMO_OUTAGE).await;
        if let Err(error) = buttons.broker.set_away(false) {
            tracing::error!(%error, "the embedded broker does not come back");
        }
        buttons.is_away.store(false, Ordering::SeqCst);
    });
    Ok(Json(json!({"seconds": DEMO_OUTAGE.as_secs()})).into_response())
}

fn told(occurrence: Occurrence) -> Response {
    let Occurrence { key, fields, .. } = occurrence;
    let answer = json!({"id": key, "number": fields.get("number"), "condition": fields.get("condition")});
    Json(answer).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn this_machine_is_asked_for_by_its_own_names_only() {
        let check = |host: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_this_machine(&headers), expected, "{host}");
        };
        for own in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.7"] {
            check(own, true);
        }
        for other in ["evil.example:8080", "localhost.evil.example", "192.0.2.7", "[2001:db8::1]:80", ""] {
            check(other, false);
        }
        assert!(!is_this_machine(&HeaderMap::new()));
    }
}
