//! The issuer's keys by their address, fetched anew from time to time, so that it can change them without us.
//!
//! ```text
//! start ── fetch ──ok──> every `refresh` ──────────────┐       a token names a key that is not in the set:
//!            │                                         v       "come back", and at the next fetch, 30 s after
//!            └─fails─> 1 s, 2 s, .. 30 s ──> fetch <── asked   the one before at the soonest, it is settled
//! ```
//!
//! One task fetches, so there is one question at a time. The last good set counts until there is a better
//! one: an address that is down, or answers something else, takes nobody's key away. Who verifies a token never
//! waits: a key that is not there is unknown only when the set was fetched after somebody first
//! named it; until then its owner is to come back.

mod misses;
mod set;
mod settings;

#[cfg(test)]
mod tests;

pub use set::KeySet;
pub use settings::Settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use reqwest::header::ACCEPT;
use reqwest::{StatusCode, Url};
use tokio::sync::{Notify, watch};
use tokio::time::sleep_until;

use crate::throttle::Throttle;
use crate::{causes, fetch, limits};
use misses::{Misses, Standing};

/// How one fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A set, which counts from now on.
    Keys { used: usize, passed_over: usize },
    /// No connection, no answer in time, or another status than 200.
    NoAnswer,
    /// What came is too long, no key set, or has no key that can be used.
    Unusable,
}

impl Fetched {
    pub const LABELS: [&str; 3] = ["fetched", "no_answer", "unusable"];

    /// The outcome as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Fetched::Keys { .. } => "fetched",
            Fetched::NoAnswer => "no_answer",
            Fetched::Unusable => "unusable",
        }
    }
}

/// Told of every fetch's outcome, for metrics.
pub type Observer = Box<dyn Fn(Fetched) + Send + Sync>;

/// Why the issuer's keys cannot be asked for at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare fetching auth.jwks_url: {0}")]
pub struct JwksFault(#[from] reqwest::Error);

/// Knows the address and the last good set. Read by everybody who verifies tokens, written by [`Jwks::run`].
pub struct Jwks {
    http: reqwest::Client,
    settings: Settings,
    keys: ArcSwapOption<KeySet>,
    /// Never held while anything is awaited.
    misses: Mutex<Misses>,
    asked: Notify,
    /// Tells of each fetch that has ended.
    ended: watch::Sender<()>,
    observer: Observer,
    complaints: Throttle,
}

impl Jwks {
    pub fn new(settings: Settings, observer: Observer) -> Result<Jwks, JwksFault> {
        let http = fetch::client([&settings.url]).timeout(limits::JWKS_TIMEOUT);
        let http = if settings.url.scheme() == "http" { http.no_proxy() } else { http };
        Ok(Jwks {
            http: http.build()?,
            settings,
            keys: ArcSwapOption::empty(),
            misses: Mutex::default(),
            asked: Notify::new(),
            ended: watch::Sender::new(()),
            observer,
            complaints: Throttle::new(1, limits::JWKS_WARN_INTERVAL),
        })
    }

    pub fn url(&self) -> &Url {
        &self.settings.url
    }

    /// Fetches at once and then for ever; to be dropped at the end.
    pub async fn run(&self) {
        let mut failures = 0;
        loop {
            let started = Instant::now();
            self.misses.lock().fetch_begins(started);
            let fetched = self.fetch().await;
            let is_good = matches!(fetched, Fetched::Keys { .. });
            self.misses.lock().fetch_ends(started, is_good);
            self.ended.send_replace(());
            (self.observer)(fetched);
            failures = if is_good { 0 } else { failures + 1 };
            self.until_due(started, self.pause(failures)).await;
        }
    }

    /// Asks once, and says in words what is wrong: for commands.
    pub async fn ask(&self) -> Result<KeySet, String> {
        self.request().await.map_err(|(_, reason)| reason)
    }

    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// A token names a key, or none, that is not in the set. Whether that may be otherwise soon, in which case
    /// the set is fetched as soon as it may be.
    pub(super) fn may_bring(&self, kid: Option<&str>, now: Instant) -> bool {
        let standing = self.misses.lock().standing(kid, now);
        if standing == Standing::Open && kid.is_some() {
            self.asked.notify_one();
        }
        standing == Standing::Open
    }

    /// Where a fetch can settle at once whether there is a key of that name, waits for it, though not for long.
    /// Dropping the future is safe.
    pub(super) async fn settle(&self, kid: Option<&str>) {
        let mut ended = self.ended.subscribe();
        if !self.may_bring(kid, Instant::now()) || !self.misses.lock().is_fetch_near(Instant::now()) {
            return;
        }
        let _ = tokio::time::timeout(limits::JWKS_PATIENCE, ended.changed()).await;
    }

    /// Until the pause since `started` is over, or somebody has asked and the least interval is.
    async fn until_due(&self, started: Instant, pause: Duration) {
        let asked = async {
            self.asked.notified().await;
            sleep_until((started + limits::JWKS_INTERVAL_MIN).into()).await;
        };
        tokio::select! {
            () = sleep_until((started + pause).into()) => {}
            () = asked => {}
        }
    }

    /// Between two fetches; short only as long as there is no key at all.
    fn pause(&self, failures: u32) -> Duration {
        match (failures, self.keys.load().is_some()) {
            (0, _) => self.settings.refresh,
            (_, true) => limits::JWKS_INTERVAL_MIN,
            (_, false) => {
                (limits::JWKS_RETRY_FIRST * 2_u32.saturating_pow(failures - 1)).min(limits::JWKS_INTERVAL_MIN)
            }
        }
    }

    async fn fetch(&self) -> Fetched {
        match self.request().await {
            Ok(set) => self.take(set),
            Err((outcome, reason)) => {
                if let Some(unsaid) = self.complaints.admit() {
                    let has_keys = self.keys.load().is_some();
                    tracing::warn!(%reason, unsaid, has_keys, "cannot fetch the key set; the last one counts");
                }
                outcome
            }
        }
    }

    fn take(&self, set: KeySet) -> Fetched {
        let (used, passed_over) = (set.keys.len(), set.passed_over.len());
        let is_news = self.keys.load().as_ref().is_none_or(|old| !old.is_same_as(&set));
        if is_news {
            tracing::info!(used, passed_over, reasons = %set.passed_over.join("; "), "new key set");
            self.keys.store(Some(Arc::new(set)));
        }
        Fetched::Keys { used, passed_over }
    }

    async fn request(&self) -> Result<KeySet, (Fetched, String)> {
        let no_answer =
            |error: reqwest::Error| (Fetched::NoAnswer, causes::on_one_line(&error.without_url()));
        let unusable = |reason: String| (Fetched::Unusable, reason);
        let request = self.http.get(self.settings.url.clone());
        let accept = "application/jwk-set+json, application/json";
        let response = request.header(ACCEPT, accept).send().await.map_err(no_answer)?;
        if response.status() != StatusCode::OK {
            return Err((Fetched::NoAnswer, format!("status {}", response.status())));
        }
        let most = limits::JWKS_ANSWER_MAX_BYTES;
        let body = fetch::body(response, most).await.map_err(no_answer)?;
        let body = body.ok_or_else(|| unusable(format!("answer is longer than {most} bytes")))?;
        let set = KeySet::parse(&body).ok_or_else(|| unusable("status 200 without a key set".to_owned()))?;
        if set.keys.is_empty() {
            return Err(unusable(format!("no key can be used ({})", set.passed_over.join("; "))));
        }
        Ok(set)
    }
}
