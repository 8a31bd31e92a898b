//! Who may come in, and with which keys: token, session or redeemed ticket → identity.
//!
//! The one place where authentication (`auth`) and entitlement (the catalog's grants) meet. The web side has
//! a request's session looked up before it answers, which is all that takes time, and asks for tickets; the
//! shards then judge Socket.IO clients at once. What a refused client is told is decided by the protocols;
//! here the outcome is counted, without saying whose it was.

use crate::auth::{
    Claims, CurrentVerifier, Refusal, Revocations, SessionValue, Sessions, TicketFault, TicketKey, Tickets,
    Unredeemed,
};
use crate::event::{CurrentCatalog, Identity, Key};
use crate::metrics::Metrics;
use crate::protocol::{Ending, Protocol};
use crate::seats::{Seat, Seats};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub struct Admission {
    pub verifier: CurrentVerifier,
    /// None where cookies are no login.
    pub sessions: Option<Sessions>,
    pub tickets: Tickets,
    pub revocations: Arc<Revocations>,
    pub catalog: CurrentCatalog,
    pub metrics: Metrics,
    /// Socket.IO clients may put their token into the query, where proxies log it.
    pub query_token: bool,
    /// Open connections, by user.
    pub users: Seats,
}

/// Who may come in, with a user's place for as long as the connection lasts; none without a `sub` to count by.
pub struct Entrant {
    pub identity: Identity,
    pub seat: Option<Seat>,
}

/// What a request shows of its sender: the first of these that it has, in the order token, session.
pub enum Presented {
    Nothing,
    Token(SecretString),
    Session(SessionValue),
    /// A session that a page of another host made the browser send.
    ForeignSession,
}

/// The same once the session has been looked up.
pub enum Credentials {
    Nothing,
    Token(SecretString),
    Session(Result<Arc<Claims>, Refusal>),
}

/// Why somebody does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barred {
    pub ending: Ending,
    /// What was brought was never good, or is so no longer by its own terms: whoever tries keys brings such. A login
    /// that was revoked is none of these, for those of a whole shop can be revoked at once.
    pub is_bad_key: bool,
}

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTicket {
    /// Whoever asks is not entitled to one.
    Refused { is_bad_key: bool },
    /// Not now: there are too many, nobody knows who asks, or they cannot be kept.
    TryLater,
}

impl Admission {
    /// For tests of what comes behind it.
    #[cfg(test)]
    pub fn of_nobody() -> Admission {
        let settings = crate::auth::Settings::default();
        Admission {
            verifier: CurrentVerifier::new(crate::auth::Verifier::new(&settings)),
            revocations: Arc::new(Revocations::new(&settings)),
            sessions: None,
            tickets: Tickets::open(crate::auth::TicketSettings::Memory, Box::new(|_, _, _| {})),
            catalog: CurrentCatalog::new(Arc::new(crate::event::Catalog::built_in())),
            metrics: Metrics::new(),
            query_token: false,
            users: Seats::new(usize::MAX, usize::MAX),
        }
    }

    /// The name of the cookie that has a session; none where cookies are no login.
    pub fn session_cookie(&self) -> Option<&str> {
        self.sessions.as_ref().map(Sessions::cookie)
    }

    /// Looks up the session, if that is what the request shows; for a token, waits for its key where that may
    /// come at once.
    pub async fn look_up(&self, presented: Presented) -> Credentials {
        match (presented, &self.sessions) {
            (Presented::Token(token), _) => {
                self.verifier.get().settle(token.expose_secret()).await;
                Credentials::Token(token)
            }
            (Presented::Session(session), Some(sessions)) => {
                Credentials::Session(sessions.look_up(&session).await)
            }
            (Presented::ForeignSession, Some(_)) => Credentials::Session(Err(Refusal::ForeignOrigin)),
            (Presented::Nothing | Presented::Session(_) | Presented::ForeignSession, _) => {
                Credentials::Nothing
            }
        }
    }

    /// Judges a Socket.IO client by the token of its CONNECT packet, or else by its request. The first that
    /// is there decides: a bad token is not made good by a session.
    pub fn admit(
        &self,
        connect_token: Option<SecretString>,
        request: Credentials,
        now: SystemTime,
    ) -> Result<Entrant, Barred> {
        let credentials = connect_token.map_or(request, Credentials::Token);
        match self.verify(Protocol::SocketIo, &credentials, now) {
            Ok(claims) => self.entrant(&claims, now),
            Err(refusal) if refusal.is_passing() => Err(Ending::Unavailable.into()),
            Err(refusal) => Err(Barred { ending: Ending::Unauthorized, is_bad_key: refusal.is_bad_key() }),
        }
    }

    /// A ticket for whoever the request is from.
    pub async fn issue_ticket(&self, request: &Credentials) -> Result<TicketKey, NoTicket> {
        let claims =
            self.verify(Protocol::Plain, request, SystemTime::now()).map_err(|refusal| match refusal {
                refusal if refusal.is_passing() => NoTicket::TryLater,
                refusal => NoTicket::Refused { is_bad_key: refusal.is_bad_key() },
            })?;
        let ticket = self.tickets.issue(claims, Instant::now()).await;
        self.metrics.ticket(match &ticket {
            Ok(_) => "issued",
            Err(TicketFault::StoreFailed) => "not_stored",
            Err(TicketFault::TooManyOfUser) => "user_full",
            Err(TicketFault::TooMany | TicketFault::NoRandomness) => "full",
        });
        ticket.map_err(|error| {
            if error != TicketFault::StoreFailed {
                tracing::warn!(%error, "no ticket issued");
            }
            NoTicket::TryLater
        })
    }

    /// The identity behind a ticket, which is used up by this.
    pub async fn redeem_ticket(&self, key: &str) -> Result<Entrant, Barred> {
        if key.is_empty() {
            self.metrics.ticket("empty");
            return Err(Ending::EmptyKey.into());
        }
        let claims = self.tickets.redeem(key, Instant::now()).await;
        // What is behind a ticket may have expired in the ticket's own minute, or have been revoked.
        let now = SystemTime::now();
        let claims = claims
            .and_then(|claims| if claims.expires_at() > now { Ok(claims) } else { Err(Unredeemed::Unknown) });
        let (outcome, verdict) = match claims {
            Ok(claims) if self.is_revoked(&claims, now) => ("revoked", Err(Ending::WrongKey.into())),
            Ok(claims) => ("redeemed", self.entrant(&claims, now)),
            Err(Unredeemed::Unknown) => ("wrong", Err(Barred { ending: Ending::WrongKey, is_bad_key: true })),
            Err(Unredeemed::StoreFailed) => ("not_looked_up", Err(Ending::Unavailable.into())),
        };
        self.metrics.ticket(outcome);
        verdict
    }

    /// The keys of whoever shows this, for what is no connection. Not counted.
    pub fn keys_of(&self, request: &Credentials, now: SystemTime) -> Result<Arc<[Key]>, Refusal> {
        let claims = self.judge(request, now)?;
        Ok(self.catalog.get().grants().keys_of(&claims))
    }

    /// Once more for whoever was let in before the shard had heard of it: between the two a revocation may have
    /// come, or other grants, which the shard's own connections were then looked through for already.
    pub fn recheck(&self, identity: Identity) -> Result<Identity, Ending> {
        if self.revocations.revoke(&identity.login) {
            return Err(Ending::Revoked);
        }
        let withdrawn = identity.grants.withdrawn_by(self.catalog.get().grants());
        if withdrawn.concerns(&identity.keys) { Err(Ending::Regranted) } else { Ok(identity) }
    }

    fn entrant(&self, claims: &Claims, now: SystemTime) -> Result<Entrant, Barred> {
        let seat = claims.subject().map(|user| self.users.take(Some(user))).transpose();
        let seat = seat.map_err(|_| {
            self.metrics.connection_refused("user_full");
            Ending::Full
        })?;
        Ok(Entrant { identity: self.identity(claims, now), seat })
    }

    fn identity(&self, claims: &Claims, now: SystemTime) -> Identity {
        let identity = self.catalog.get().grants().identity(claims, self.revocations.login(claims, now));
        self.metrics.keys_left_out(identity.keys_left_out);
        identity
    }

    fn verify(
        &self,
        protocol: Protocol,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Arc<Claims>, Refusal> {
        let verdict = self.judge(credentials, now);
        let outcome = verdict.as_ref().map_or_else(Refusal::label, |_| "ok");
        self.metrics.authorization(protocol, outcome);
        verdict
    }

    fn judge(&self, credentials: &Credentials, now: SystemTime) -> Result<Arc<Claims>, Refusal> {
        let claims = match credentials {
            Credentials::Nothing => Err(Refusal::Missing),
            Credentials::Token(token) => self.verifier.get().verify(token.expose_secret(), now).map(Arc::new),
            Credentials::Session(verdict) => verdict.clone().and_then(|claims| still_good(claims, now)),
        }?;
        if self.is_revoked(&claims, now) { Err(Refusal::Revoked) } else { Ok(claims) }
    }

    fn is_revoked(&self, claims: &Claims, now: SystemTime) -> bool {
        self.revocations.revoke(&self.revocations.login(claims, now))
    }
}

/// An ending for which no key is to blame.
impl From<Ending> for Barred {
    fn from(ending: Ending) -> Barred {
        Barred { ending, is_bad_key: false }
    }
}

/// The claims of a session were good when it was looked up, which may be a while ago.
fn still_good(claims: Arc<Claims>, now: SystemTime) -> Result<Arc<Claims>, Refusal> {
    if claims.expires_at() > now { Ok(claims) } else { Err(Refusal::Expired) }
}
