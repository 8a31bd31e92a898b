//! Says back what it hears, for conformance suites: `make conformance`. Anybody gets in; never serve with it.
//!
//! ```text
//! client ── GET / ──> a ticket is put into the address ──> GET /ws?key=.. ──> the service's own way
//! ```
//!
//! Accept loop, handshake, ticket, shard, frames and close codes are those of the service. Built with the feature
//! `conformance`, plain connections answer each message with itself, and the bounds on messages are higher.

use anyhow::Context;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use dumbwaiter::admission::Admission;
use dumbwaiter::auth::{self, Claims, CurrentVerifier, Revocations, TicketSettings, Tickets, Verifier};
use dumbwaiter::clock::Clock;
use dumbwaiter::event::{Catalog, CurrentCatalog};
use dumbwaiter::health::Health;
use dumbwaiter::metrics::Metrics;
use dumbwaiter::seats::Seats;
use dumbwaiter::settings::Document;
use dumbwaiter::shard::{self, Shards};
use dumbwaiter::web::{self, Listener, Web};
use dumbwaiter::{journal, limits};
use serde_json::Map;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).context("say where to listen: 127.0.0.1:9001")?;
    let mut document = Document::empty().with_overrides(&[format!("web.listen={address}")]);
    let (web, shard) = (web::Settings::read(&mut document), shard::Settings::read(&mut document));
    let journal = journal::Settings::read(&mut document);
    document.finish()?;

    let (metrics, admission) = (Metrics::new(), Arc::new(anybody()));
    let health = Health::new(metrics.clone());
    health.caught_up();
    health.revocations_read();
    let (_writer, journal) = journal::open(&journal);
    let (shards, _threads) = Shards::start(&shard, &journal, &admission, &metrics, &Clock::default(), None)?;
    let listener = Listener::bind(web.listen)?;
    let web = Web::new(&web, limits::TICKET_TTL, Arc::clone(&admission), shards, health, metrics.clone());
    let router = web.public();
    let router = axum::Router::new().fallback_service(router).layer(from_fn_with_state(admission, let_in));
    web::serve(listener, router, metrics, web::sockets_max(), CancellationToken::new()).await;
    Ok(())
}

fn anybody() -> Admission {
    let settings = auth::Settings::default();
    Admission {
        verifier: CurrentVerifier::new(Verifier::new(&settings)),
        revocations: Arc::new(Revocations::new(&settings)),
        sessions: None,
        tickets: Tickets::open(TicketSettings::Memory, Box::new(|_, _, _| {})),
        catalog: CurrentCatalog::new(Arc::new(Catalog::built_in())),
        metrics: Metrics::new(),
        query_token: false,
        users: Seats::new(usize::MAX, usize::MAX),
    }
}

/// Everybody gets a ticket and goes on to where it is redeemed.
async fn let_in(State(admission): State<Arc<Admission>>, mut request: Request, next: Next) -> Response {
    let claims = Arc::new(Claims::new(Map::new(), SystemTime::now() + limits::JWKS_REFRESH_MAX));
    let ticket = admission.tickets.issue(claims, Instant::now()).await.expect("there is room");
    let address = format!("/ws?key={}", ticket.as_str());
    *request.uri_mut() = address.parse::<Uri>().expect("a ticket is letters and digits");
    next.run(request).await
}
