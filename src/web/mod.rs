//! The HTTP side: accepts connections, gives tickets, does the WebSocket handshake and hands the socket to a
//! shard. The admin listener has metrics and health, on a port of its own.

mod accept;
mod admin;
mod credentials;
mod descriptors;
mod origin;
mod settings;
mod since;
mod ticket;
mod upgrade;

pub use accept::{Listener, serve};
pub use descriptors::{connections_max, sockets_max};
pub use origin::Origins;
pub use settings::Settings;

use crate::admission::Admission;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::shard::Shards;
use axum::Router;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;

/// What the handlers need; cheap to clone.
#[derive(Clone)]
pub struct Web {
    pub admission: Arc<Admission>,
    pub shards: Shards,
    pub health: Health,
    pub metrics: Metrics,
    pub connections_max: usize,
    /// Pages of other hosts that are heard.
    pub origins: Origins,
    /// How far back a replay may reach.
    pub since_max: Duration,
}

impl Web {
    /// What clients reach: the ticket endpoint and `/ws`, with and without the slash that Socket.IO clients add.
    /// A wrong method at `/ws` is answered as the protocol wants it.
    pub fn public(self) -> Router {
        Router::new()
            .route("/api/v1/ws/ticket", get(ticket::issue).options(ticket::preflight))
            .route("/ws", any(upgrade::connect))
            .route("/ws/", any(upgrade::connect))
            .with_state(self)
    }

    /// What operators reach.
    pub fn admin(self) -> Router {
        Router::new()
            .route("/metrics", get(admin::metrics))
            .route("/livez", get(admin::live))
            .route("/readyz", get(admin::ready))
            .with_state(self)
    }

    /// The answer while this instance cannot take a client. It costs nothing, and comes before the upgrade so
    /// that a load balancer can try another instance.
    fn refuse_if_unready(&self) -> Option<Response> {
        let reason = if !self.health.is_ready() {
            "not_ready"
        } else if self.metrics.open_connections() >= self.connections_max {
            "full"
        } else {
            return None;
        };
        self.metrics.connection_refused(reason);
        Some(try_later())
    }
}

/// The answer to a request that may well be granted in a few seconds.
fn try_later() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, retry_after()).into_response()
}

/// In some seconds; spread out, so that a crowd does not come back in the same one.
fn retry_after() -> [(HeaderName, HeaderValue); 1] {
    let seconds: u16 = rand::rng().random_range(1..=5);
    [(RETRY_AFTER, HeaderValue::from(seconds))]
}
