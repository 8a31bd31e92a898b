//! What one address may cost: connections at a time, and requests by kind. Each refusal is counted, and comes before
//! the upgrade.

use super::rates::Kind;
use super::visitor::Visitor;
use super::{Web, retry_after};
use crate::seats::{Full, Seat};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

/// The other end of the connection that a request came by; the accept loop puts it there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

impl Web {
    pub(super) fn visitor(&self, request: &Request) -> Visitor {
        self.visitor_of(request.extensions(), request.headers())
    }

    pub(super) fn visitor_of_parts(&self, request: &Parts) -> Visitor {
        self.visitor_of(&request.extensions, &request.headers)
    }

    fn visitor_of(&self, extensions: &Extensions, headers: &HeaderMap) -> Visitor {
        let peer = extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        self.proxies.visitor(peer, headers)
    }

    /// The answer to an address that asks too often, or has brought too many bad keys.
    pub(super) fn refuse_if_too_often(&self, kind: Kind, visitor: Visitor) -> Option<Response> {
        let now = Instant::now();
        let reason = if self.rates.is_used_up(Kind::BadKey, visitor, now) {
            "bad_key_rate"
        } else if !self.rates.take(kind, visitor, now) {
            if kind == Kind::Ticket { "ticket_rate" } else { "handshake_rate" }
        } else {
            return None;
        };
        self.refuse_address(reason);
        Some((StatusCode::TOO_MANY_REQUESTS, retry_after()).into_response())
    }

    /// A key that is none, or a token that entitles to nothing.
    pub(super) fn bad_key(&self, visitor: Visitor) {
        self.rates.take(Kind::BadKey, visitor, Instant::now());
    }

    /// The same for who finds out later: Socket.IO clients show their token behind the upgrade, to a shard.
    pub(super) fn bad_key_later(&self, visitor: Visitor) -> Box<dyn FnOnce() + Send> {
        let rates = Arc::clone(&self.rates);
        Box::new(move || {
            rates.take(Kind::BadKey, visitor, Instant::now());
        })
    }

    /// A place for a connection, if there is one.
    pub(super) fn take_seat(&self, visitor: Visitor) -> Option<Seat> {
        let holder = visitor.is_limited().then(|| visitor.text());
        let taken = self.seats.take(holder.as_deref());
        let full = |full| match full {
            Full::InAll => self.metrics.connection_refused("full"),
            Full::ForOne => self.refuse_address("address_full"),
        };
        taken.map_err(full).ok()
    }

    /// The address itself is not told: it is a person's.
    fn refuse_address(&self, reason: &'static str) {
        self.metrics.connection_refused(reason);
        if let Some(unsaid) = self.complaints.admit() {
            tracing::warn!(
                reason,
                unsaid,
                "an address is at its bound; a proxy belongs in web.trusted_proxies"
            );
        }
    }
}
