//! Who may come in, and with which keys: verified token or redeemed ticket → identity.
//!
//! The one place where authentication (`auth`) and entitlement (the catalog's grants) meet; the web side asks
//! it for tickets, the shards ask it for Socket.IO tokens. What a refused client is told is decided by the
//! protocols; here the outcome is counted, without saying whose it was.

use crate::auth::{Claims, Refusal, TicketKey, Tickets, Verifier};
use crate::event::{Catalog, Identity};
use crate::metrics::Metrics;
use crate::protocol::{Ending, Protocol};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub struct Admission {
    verifier: Verifier,
    tickets: Tickets,
    catalog: Arc<Catalog>,
    metrics: Metrics,
    /// Socket.IO clients may put their token into the query, where proxies log it.
    pub query_token: bool,
}

impl Admission {
    pub fn new(
        verifier: Verifier,
        tickets: Tickets,
        catalog: Arc<Catalog>,
        metrics: Metrics,
        query_token: bool,
    ) -> Admission {
        Admission { verifier, tickets, catalog, metrics, query_token }
    }

    /// Judges a token.
    pub fn admit(
        &self,
        protocol: Protocol,
        token: Option<&SecretString>,
        now: SystemTime,
    ) -> Result<Identity, Refusal> {
        self.verify(protocol, token, now).map(|claims| self.catalog.grants().identity(&claims))
    }

    /// A ticket for the bearer of a token; none if the token is refused or no ticket can be had.
    pub async fn issue_ticket(&self, token: Option<&SecretString>) -> Option<TicketKey> {
        let claims = self.verify(Protocol::Plain, token, SystemTime::now()).ok()?;
        let ticket = self.tickets.issue(Arc::new(claims), Instant::now()).await;
        self.metrics.ticket(if ticket.is_ok() { "issued" } else { "full" });
        ticket.inspect_err(|error| tracing::warn!(%error, "no ticket issued")).ok()
    }

    /// The identity behind a ticket, which is used up by this.
    pub async fn redeem_ticket(&self, key: &str) -> Result<Identity, Ending> {
        if key.is_empty() {
            self.metrics.ticket("empty");
            return Err(Ending::EmptyKey);
        }
        let claims = self.tickets.redeem(key, Instant::now()).await;
        // The token behind a ticket may have expired in the ticket's own minute.
        let claims = claims.filter(|claims| claims.expires_at() > SystemTime::now());
        self.metrics.ticket(if claims.is_some() { "redeemed" } else { "wrong" });
        claims.map(|claims| self.catalog.grants().identity(&claims)).ok_or(Ending::WrongKey)
    }

    fn verify(
        &self,
        protocol: Protocol,
        token: Option<&SecretString>,
        now: SystemTime,
    ) -> Result<Claims, Refusal> {
        let verdict = match token {
            Some(token) => self.verifier.verify(token.expose_secret(), now),
            None => Err(Refusal::Missing),
        };
        let outcome = verdict.as_ref().map_or_else(Refusal::label, |_| "ok");
        self.metrics.authorization(protocol, outcome);
        verdict
    }
}
