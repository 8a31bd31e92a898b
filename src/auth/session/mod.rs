//! Opaque sessions: a cookie that only the login understands, looked up at an address of the login's.
//!
//! ```text
//! GET <session.url>                    200 {"sub": "..", "exp": 1790000000, ..}   the session's claims
//! Cookie: sessionId=<value>            401, 404                                   no such session
//!                                      anything else, or nothing in time          nobody knows: come back
//! ```
//!
//! In comes the value of the cookie, out come claims or a [`Refusal`]. Answers, good and bad, count for
//! seconds (`cache`), a session is asked for once at a time, and requests under way are bounded. What a
//! failed lookup means for a client is decided by whoever asks; here it is told in the log.

mod cache;
mod client;
mod cookie;
mod settings;

#[cfg(test)]
mod tests;

pub use client::Outcome;
pub use cookie::SessionValue;
pub use settings::Settings;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Semaphore;

use super::{Claims, Refusal, Rules};
use crate::limits;
use crate::throttle::Throttle;
use cache::{Cache, Settled};
use client::{Client, NoClaims};

/// Told of every lookup's outcome, for metrics. Answers from the cache are no lookups.
pub type Observer = Box<dyn Fn(Outcome) + Send + Sync>;

/// Knows the login and its latest answers.
pub struct Sessions {
    client: Client,
    cache: Cache,
    /// Lookups that may be under way.
    permits: Semaphore,
    rules: Rules,
    lifetime: Option<Duration>,
    timeout: Duration,
    cookie: String,
    observer: Observer,
    complaints: Throttle,
}

/// Why sessions cannot be looked up at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare session lookups: {0}")]
pub struct SessionsFault(#[from] reqwest::Error);

impl Sessions {
    pub fn new(settings: Settings, rules: Rules, observer: Observer) -> Result<Sessions, SessionsFault> {
        Ok(Sessions {
            client: Client::new(settings.url, settings.cookie.clone())?,
            cache: Cache::new(limits::SESSION_CACHE_MAX, settings.cache_ttl, settings.timeout),
            permits: Semaphore::new(limits::SESSION_LOOKUPS_MAX),
            rules,
            lifetime: settings.lifetime,
            timeout: settings.timeout,
            cookie: settings.cookie,
            observer,
            complaints: Throttle::new(1, limits::SESSION_WARN_INTERVAL),
        })
    }

    /// The name of the cookie that has the session.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The claims of a session. They held when the login was asked; whether they still do is for the caller
    /// to check. Dropping the future is safe: whoever else waits for the same session asks in its place.
    pub async fn look_up(&self, session: &SessionValue) -> Result<Arc<Claims>, Refusal> {
        let cell = self.cache.find(session, Instant::now());
        cell.get_or_init(|| self.ask(session)).await.verdict.clone()
    }

    async fn ask(&self, session: &SessionValue) -> Settled {
        let answer = tokio::time::timeout(self.timeout, self.fetch(session)).await;
        let (outcome, verdict) = match answer.unwrap_or_else(|_| Err(NoClaims::late(self.timeout))) {
            Ok(claims) => (Outcome::Known, Ok(Arc::new(claims))),
            Err(NoClaims::Unknown) => (Outcome::Unknown, Err(Refusal::UnknownSession)),
            Err(NoClaims::Refused(refusal)) => (Outcome::Refused, Err(refusal)),
            Err(NoClaims::Failed(reason)) => {
                self.complain(&reason);
                (Outcome::Failed, Err(Refusal::LookupFailed))
            }
        };
        (self.observer)(outcome);
        let most = counts_for(&verdict, SystemTime::now());
        self.cache.settle(verdict, most, Instant::now())
    }

    /// Waits for its turn, then asks; the caller's timeout counts for both.
    async fn fetch(&self, session: &SessionValue) -> Result<Claims, NoClaims> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let claims = self.client.fetch(session).await?;
        self.rules.accept_session(claims, self.lifetime, SystemTime::now()).map_err(NoClaims::from)
    }

    fn complain(&self, reason: &str) {
        if let Some(unsaid) = self.complaints.admit() {
            tracing::warn!(reason, unsaid, "cannot look up a session; its client is to come back");
        }
    }
}

/// How long an answer may count at most. A session that has ended may have been prolonged meanwhile. A failure
/// is for those who waited for it, so that the login's return is noticed at once.
fn counts_for(verdict: &Result<Arc<Claims>, Refusal>, now: SystemTime) -> Duration {
    match verdict {
        Ok(claims) => claims.expires_at().duration_since(now).unwrap_or_default(),
        Err(refusal) if refusal.is_passing() => Duration::ZERO,
        Err(_) => Duration::MAX,
    }
}
