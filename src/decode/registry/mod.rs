//! The schema registry's client: a writer's schema for what a record names it by.
//!
//! ```text
//! lookup(reference) ──> Known(schema) | Unknown | Bad       remembered
//!                  └──> Waiting ─> one task each: fetch, parse, retry ─> answered()
//! ```
//!
//! A lookup never blocks. An outage is not an answer: it is retried for ever, and the caller's partition
//! waits. "No such schema" is believed only after some seconds, because a registry's replicas lag behind
//! the producer that registered it, and forgotten after a minute; a schema that cannot be used likewise.
//! HTTP is in `client`, the search of a subject's versions in `history`, what is remembered in `answers`; pausing partitions is for the pipeline.

mod answers;
mod client;
mod health;
mod history;
mod questions;
mod reply;
mod settings;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::answers::{Answer, Answers, Found};
use self::client::Client;
use self::health::Health;
use self::reply::Fault;
use super::{Poison, SchemaReference, WriterSchema};
use crate::limits;

pub use self::client::Observer;
pub use self::questions::{Questions, RegistryAnswerFault, SchemaVersion};
pub use self::reply::Outcome;
pub use self::settings::{Credentials, Settings};

/// What is known about a schema at this moment.
#[derive(Clone, Debug)]
pub enum Lookup {
    Known(Arc<WriterSchema>),
    /// It is being asked for; [`Registry::answered`] tells when to look again.
    Waiting,
    /// There is no such schema.
    Unknown,
    /// It has one that cannot be used; the reason is that of every record written with it.
    Bad(Poison),
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum RegistryFault {
    #[error(
        "no address of a schema registry is configured: set registry.urls, or, where no record needs one, \
         decode.schemas or an event's encoding = \"raw\" in the catalog"
    )]
    NoAddress,
    #[error("registry.token has characters that cannot stand in an HTTP header")]
    Token,
    #[error("the schema registry's HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// A handle to what is known of schemas. Clones share it; each is told of answers by itself. With the
/// last one the fetches end.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
    runtime: Handle,
    answered: watch::Receiver<()>,
    _fetches_end_with: Arc<DropGuard>,
}

impl Registry {
    /// Fetches will run on `runtime`; `observer` is told the outcome of every request.
    pub fn new(settings: Settings, runtime: Handle, observer: Observer) -> Result<Registry, RegistryFault> {
        Registry::with_pace(settings, runtime, observer, Pace::DEFAULT)
    }

    /// What is known of a schema. If nothing is, this begins to ask for it.
    pub fn lookup(&self, schema: &SchemaReference) -> Lookup {
        let found = self.shared.answers.lock().find(schema, Instant::now());
        match found {
            Found::Answer(Answer::Known(schema)) => Lookup::Known(schema),
            Found::Answer(Answer::Unknown) => Lookup::Unknown,
            Found::Answer(Answer::Bad(poison)) => Lookup::Bad(poison),
            Found::Pending => Lookup::Waiting,
            Found::Started => {
                self.runtime.spawn(Arc::clone(&self.shared).run(schema.clone()));
                Lookup::Waiting
            }
        }
    }

    /// Resolves when any lookup got an answer since this handle was last told. An answer between a lookup
    /// and this call is not lost; a call that is dropped before it resolves loses nothing either.
    pub async fn answered(&mut self) {
        // It fails only without a sender, and `shared` holds that.
        let _ = self.answered.changed().await;
    }

    /// Since when the registry has given no answer, if the newest request was without one.
    pub fn failing_since(&self) -> Option<Instant> {
        self.shared.health.lock().failing_since()
    }

    fn with_pace(
        settings: Settings,
        runtime: Handle,
        observer: Observer,
        pace: Pace,
    ) -> Result<Registry, RegistryFault> {
        let (tell, answered) = watch::channel(());
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            answers: Mutex::new(Answers::new(settings.cache_max, pace.refusal_remembered)),
            client: Client::new(settings, observer)?,
            requests: Semaphore::new(limits::REGISTRY_REQUESTS_MAX),
            health: Mutex::new(Health::default()),
            tell,
            stop: stop.clone(),
            pace,
        });
        Ok(Registry { shared, runtime, answered, _fetches_end_with: Arc::new(stop.drop_guard()) })
    }
}

/// How long things take; shorter in tests.
#[derive(Clone, Copy)]
struct Pace {
    backoff_first: Duration,
    backoff_max: Duration,
    /// How long "no such schema" may be the lag of a replica.
    lag_max: Duration,
    refusal_remembered: Duration,
}

impl Pace {
    const DEFAULT: Pace = Pace {
        backoff_first: limits::REGISTRY_BACKOFF_FIRST,
        backoff_max: limits::REGISTRY_BACKOFF_MAX,
        lag_max: limits::REGISTRY_LAG_MAX,
        refusal_remembered: limits::REGISTRY_REFUSAL_REMEMBERED,
    };

    /// Doubles with each attempt; a random half of it keeps many instances from asking in step.
    fn backoff(&self, attempt: u32) -> Duration {
        let factor = 1_u32 << attempt.min(16);
        let whole = self.backoff_first.saturating_mul(factor).min(self.backoff_max);
        whole / 2 + whole.mul_f64(rand::random_range(0.0..=0.5))
    }
}

struct Shared {
    /// Held for a lookup or the entry of an answer, never across an await: the pipeline looks up each
    /// record's schema and must not wait for a fetch.
    answers: Mutex<Answers>,
    client: Client,
    /// Bounds the requests under way in all. A fetch that backs off holds none.
    requests: Semaphore,
    health: Mutex<Health>,
    tell: watch::Sender<()>,
    stop: CancellationToken,
    pace: Pace,
}

impl Shared {
    /// Asks for one schema until there is an answer, or nobody is left to hear it.
    async fn run(self: Arc<Shared>, schema: SchemaReference) {
        let fetch = self.fetch_until_answered(&schema);
        let Some(answer) = self.stop.run_until_cancelled(fetch).await else { return };
        self.answers.lock().settle(schema, answer, Instant::now());
        self.tell.send_replace(());
    }

    async fn fetch_until_answered(&self, schema: &SchemaReference) -> Answer {
        let mut missing_since = None;
        let mut attempt = 0;
        loop {
            let fault = match self.fetch(schema).await {
                Ok(found) => return Answer::Known(Arc::new(found)),
                Err(fault) => fault,
            };
            let backoff = self.pace.backoff(attempt);
            let wait = match fault {
                Fault::Unusable { poison, reason } => {
                    tracing::warn!(kind = schema.kind(), %schema, reason, "schema in the registry cannot be used");
                    return Answer::Bad(poison);
                }
                Fault::Missing => {
                    if missing_since.get_or_insert_with(Instant::now).elapsed() >= self.pace.lag_max {
                        tracing::warn!(kind = schema.kind(), %schema, "schema is not in the registry");
                        return Answer::Unknown;
                    }
                    backoff
                }
                Fault::Outage { retry_after, .. } => retry_after.map_or(backoff, |wait| wait.max(backoff)),
            };
            tokio::time::sleep(wait).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// One try at one address, heeding the bound on requests.
    async fn fetch(&self, schema: &SchemaReference) -> Result<WriterSchema, Fault> {
        // The semaphore is never closed; if it were, an unbounded request would do no harm.
        let _permit = self.requests.acquire().await;
        let address = self.client.address();
        let outcome = self.client.fetch(address, schema).await;
        match &outcome {
            Err(Fault::Outage { outcome, reason, .. }) => {
                self.health.lock().failed(address, *outcome, reason, Instant::now());
                self.client.turn_from(address);
            }
            Err(Fault::Missing) => {
                self.health.lock().answered(address);
                self.client.turn_from(address);
            }
            Ok(_) | Err(Fault::Unusable { .. }) => self.health.lock().answered(address),
        }
        outcome
    }
}
