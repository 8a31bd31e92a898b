//! The admin listener: `/metrics` for Prometheus, `/livez` and `/readyz` for whoever starts and stops instances.

use super::Web;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

pub(super) async fn metrics(State(web): State<Web>) -> Response {
    ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], web.metrics.render()).into_response()
}

/// The process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 once clients may come; the body says what is missing.
pub(super) async fn ready(State(web): State<Web>) -> Response {
    let status = if web.health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, web.health.describe()).into_response()
}
