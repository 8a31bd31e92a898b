//! The HTTP side: accepts connections, gives tickets, does the WebSocket handshake and hands the socket to a
//! shard. The admin listener has metrics and health, on a port of its own.

mod accept;
mod admin;
mod certificate;
mod connections;
mod credentials;
mod descriptors;
mod hand_over;
mod limited;
mod origin;
mod rates;
mod sender;
mod settings;
mod since;
mod ticket;
mod tls;
mod upgrade;
mod visitor;

pub use accept::{Entrance, Listener, serve};
pub use certificate::Certificate;
pub use descriptors::sockets_max;
pub use origin::Origins;
pub use rates::RateSettings;
pub use settings::Settings;
pub use tls::CurrentCertificate;
pub use visitor::{ForwardedBy, Proxies};

use crate::admission::Admission;
use crate::health::Health;
use crate::limits::ADDRESS_WARN_INTERVAL;
use crate::metrics::Metrics;
use crate::seats::Seats;
use crate::shard::Shards;
use crate::throttle::Throttle;
use axum::Router;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, RETRY_AFTER, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use rand::Rng;
use rates::Rates;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// What the handlers need. Cheap to clone: every request has one.
#[derive(Clone)]
pub struct Web(Arc<Shared>);

pub struct Shared {
    admission: Arc<Admission>,
    shards: Shards,
    health: Health,
    metrics: Metrics,
    /// Pages of other hosts that are heard.
    origins: Origins,
    proxies: Proxies,
    rates: Arc<Rates>,
    /// Open connections, in all and by address.
    seats: Seats,
    complaints: Arc<Throttle>,
    /// How far back a replay may reach.
    since_max: Duration,
    /// Clients may ask for the traces of events.
    traceparent: bool,
}

impl Deref for Web {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Web {
    pub fn new(
        settings: &Settings,
        since_max: Duration,
        admission: Arc<Admission>,
        shards: Shards,
        health: Health,
        metrics: Metrics,
    ) -> Web {
        Web(Arc::new(Shared {
            admission,
            shards,
            health,
            metrics,
            origins: settings.origins.clone(),
            proxies: settings.proxies.clone(),
            rates: Arc::new(Rates::new(settings.rates)),
            seats: Seats::new(
                descriptors::connections_max(settings.connections_max),
                settings.connections_per_address,
            ),
            complaints: Arc::new(Throttle::new(1, ADDRESS_WARN_INTERVAL)),
            since_max,
            traceparent: settings.traceparent,
        }))
    }

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
            .route("/connections", get(connections::list))
            .with_state(self)
    }

    /// The answer while this instance cannot take a client. It costs nothing, and comes before the upgrade so
    /// that a load balancer can try another instance.
    fn refuse_if_unready(&self) -> Option<Response> {
        let reason = if !self.health.is_ready() {
            "not_ready"
        } else if self.seats.are_taken() {
            "full"
        } else {
            return None;
        };
        self.metrics.connection_refused(reason);
        Some(try_later())
    }
}

/// The answer to a request with a body. None of ours has one, and where a proxy and we disagree about where it ends,
/// what follows is a request of somebody's choice (RFC 9112, section 11.2): so the connection ends with it.
fn refuse_body(headers: &HeaderMap) -> Option<Response> {
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length.as_bytes() != b"0");
    has_body.then(|| {
        (StatusCode::BAD_REQUEST, [(CONNECTION, "close")], "a body has no place here\n").into_response()
    })
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
