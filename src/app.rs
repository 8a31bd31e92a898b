//! Builds the parts, starts them in the order in which they need each other, and stops them in reverse.
//!
//! The library's one door: it is handed everything (settings, a record source, a stop signal), so that tests
//! come in by the same way as the program.

mod live;

pub use live::{Live, NeedsRestart};

use crate::admission::Admission;
use crate::auth::{
    self, CurrentVerifier, Jwks, JwksFault, JwksFetched, RedisCommand, Revocations, Sessions, SessionsFault,
    Tickets, Verifier,
};
use crate::backfill;
use crate::board;
use crate::clock::Clock;
use crate::consume::{ControlSource, Past, Source, SourceFault};
use crate::control::Control;
use crate::dead_letter::DeadLetters;
use crate::decode::Writers;
use crate::event::{Catalog, CurrentCatalog, OrderSettings};
use crate::health::Health;
use crate::journal;
use crate::limits::{JWKS_HOLDS_READINESS_MAX, STOP_MAX};
use crate::metrics::Metrics;
use crate::pipeline::Pipeline;
use crate::seats::Seats;
use crate::shard::{self, Shards};
use crate::shutdown::{self, Stop};
use crate::web::{self, CurrentCertificate, Entrance, Listener, Web};
use axum::Router;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// All that an instance is made of.
pub struct Parts {
    pub source: Source,
    /// Where revocations come from.
    pub control: ControlSource,
    /// Where the records before the window are, if they can be read.
    pub past: Option<Past>,
    pub dead_letters: DeadLetters,
    pub writers: Writers,
    pub catalog: Arc<Catalog>,
    pub orders: OrderSettings,
    pub auth: auth::Settings,
    pub journal: journal::Settings,
    pub backfill: backfill::Settings,
    pub shard: shard::Settings,
    pub web: web::Settings,
    pub board: board::Settings,
    pub shutdown: shutdown::Settings,
    /// Further routes beside those of the client protocols and the board: the demo's.
    pub pages: Router,
    pub metrics: Metrics,
}

/// What ends an instance that was not asked to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppFault {
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen { key: &'static str, address: SocketAddr, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("a shard has ended, and its connections with it: a fault in the service, please report it")]
    ShardEnded,
    #[error(transparent)]
    Sessions(#[from] SessionsFault),
    #[error(transparent)]
    Jwks(#[from] JwksFault),
    #[error(transparent)]
    Source(#[from] SourceFault),
}

/// An instance whose ports are bound.
pub struct App {
    parts: Parts,
    live: Live,
    public: Listener,
    admin: Listener,
}

impl App {
    /// Binds the ports; nothing is served and nothing is read yet.
    pub fn bind(parts: Parts) -> Result<App, AppFault> {
        let listen = |key, address| {
            Listener::bind(address).map_err(|source| AppFault::Listen { key, address, source })
        };
        let public = listen("web.listen", parts.web.listen)?;
        let admin = listen("web.admin_listen", parts.web.admin_listen)?;
        Ok(App::on(parts, public, admin))
    }

    /// On ports that are bound already, for clients and for operators.
    pub fn on(parts: Parts, public: Listener, admin: Listener) -> App {
        let metrics = parts.metrics.clone();
        let certificate = parts.web.certificate.clone();
        let live = Live {
            verifier: CurrentVerifier::new(Verifier::new(&parts.auth)),
            catalog: CurrentCatalog::new(Arc::clone(&parts.catalog)),
            writers: parts.writers.clone(),
            shards: Arc::default(),
            certificate: certificate.map(|certificate| CurrentCertificate::new(certificate, metrics)),
        };
        App { parts, live, public, admin }
    }

    pub fn address(&self) -> SocketAddr {
        self.public.address
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address
    }

    /// By which keys, catalog and certificate can be replaced while it serves.
    pub fn live(&self) -> Live {
        self.live.clone()
    }

    /// Serves until `stop`, then drains and returns; or until the record source gives up.
    pub async fn run(self, stop: Stop) -> Result<(), AppFault> {
        let App { parts, live, public, admin } = self;
        let metrics = parts.metrics;
        let health = Health::new(metrics.clone());
        let clock = Clock::default();
        let Live { verifier, catalog, certificate, .. } = live.clone();
        metrics.events_are(catalog.get().events().iter().map(|event| &*event.name));
        let jwks = jwks(&parts.auth, &health, &metrics)?;
        verifier.change(|verifier| verifier.with_jwks(jwks.clone()));
        // In all there are as many as the web side has let in.
        let users = Seats::new(usize::MAX, parts.web.connections_per_user);
        let admission = Arc::new(admission(parts.auth, verifier, users, &catalog, &metrics)?);
        let fetching = jwks.map(|jwks| tokio::spawn(fetch_keys(jwks, health.clone())));
        let (writer, journal) = journal::open(&parts.journal);
        let since_max = parts.backfill.since_max;
        let backfill = parts.past.map(|past| backfill::Parts {
            settings: parts.backfill,
            past: Arc::new(past),
            journal: journal.clone(),
            catalog: catalog.clone(),
            writers: parts.writers.clone(),
            orders: parts.orders.clone(),
            metrics: metrics.clone(),
        });
        let (past, backfill_threads) =
            backfill.as_ref().map(backfill::start).transpose().map_err(AppFault::Thread)?.unzip();
        let (shards, mut threads) =
            Shards::start(&parts.shard, &journal, &admission, &metrics, &clock, past.as_ref())
                .map_err(AppFault::Thread)?;
        let _ = live.shards.set(shards.clone());
        // They end with the last shard, which is the last who can ask them.
        threads.extend(backfill_threads.into_iter().flatten());
        drop(past);
        let revocations = Arc::clone(&admission.revocations);
        let web = Web::new(&parts.web, since_max, admission, shards.clone(), health.clone(), metrics.clone());
        let board = board::router(&parts.board, &web, &journal, &metrics);
        let watching = certificate.clone().map(|certificate| tokio::spawn(certificate.watch()));
        let public = public.with(entrance(&parts.web, certificate));
        tracing::info!(clients = %public.address, operators = %admin.address, "listening");
        if parts.web.is_in_the_clear() {
            tracing::warn!(
                "clients of other machines are heard without TLS: set web.tls_certificate_file, or web.tls_in_front behind proxies that do it"
            );
        }
        let accepting = CancellationToken::new();
        let public = tokio::spawn(web::serve(
            public,
            web.clone().public().merge(board).merge(parts.pages),
            metrics.clone(),
            web::sockets_max(),
            accepting.clone(),
        ));
        let admin_stop = CancellationToken::new();
        let admin = tokio::spawn(web::serve(
            admin,
            web.clone().admin(),
            metrics.clone(),
            usize::MAX,
            admin_stop.clone(),
        ));

        let control = Control {
            source: parts.control,
            revocations,
            shards: shards.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
        };
        let pipeline = Pipeline {
            catalog,
            writers: parts.writers,
            orders: parts.orders,
            dead_letters: parts.dead_letters,
            journal: writer,
            shards: shards.clone(),
            health: health.clone(),
            metrics,
            clock,
            keeps_traces: parts.web.traceparent,
        };
        let pipeline_stop = CancellationToken::new();
        // A runtime that goes down without asking us to stop would wait for this thread for ever.
        let _stops_with_us = pipeline_stop.clone().drop_guard();
        let pipeline_stopped = pipeline_stop.clone();
        let control_stopped = pipeline_stop.clone();
        let control = tokio::task::spawn_blocking(move || control.run(&control_stopped));
        let source = parts.source;
        let mut pipeline = tokio::task::spawn_blocking(move || pipeline.run(source, &pipeline_stopped));

        let drained = async {
            stop.asked().await;
            health.stopping();
            tokio::select! {
                () = drain(&parts.shutdown, &shards, &threads) => {}
                () = stop.asked_at_once() => tracing::info!("stopping at once"),
            }
        };
        let mut shard_ended = false;
        let outcome = tokio::select! {
            () = drained => None,
            () = one_ended(&threads, &stop) => {
                shard_ended = true;
                None
            }
            outcome = &mut pipeline => Some(outcome),
        };
        health.stopping();
        shards.stop();
        // A shard that does not end in spite of its connections' deadlines is left to the end of the process.
        let _ = tokio::time::timeout(STOP_MAX, all_ended(&threads)).await;
        accepting.cancel();
        let _ = public.await;
        pipeline_stop.cancel();
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => pipeline.await,
        };
        if let Some(fetching) = fetching {
            fetching.abort();
        }
        if let Some(watching) = watching {
            watching.abort();
        }
        let _ = control.await;
        admin_stop.cancel();
        let _ = admin.await;
        outcome.expect("the pipeline does not panic")?;
        if shard_ended { Err(AppFault::ShardEnded) } else { Ok(()) }
    }
}

fn entrance(settings: &web::Settings, certificate: Option<CurrentCertificate>) -> Entrance {
    match certificate {
        Some(certificate) => Entrance::Tls(certificate),
        None if settings.tls_in_front => Entrance::Proxies(settings.proxies.clone()),
        None => Entrance::Open,
    }
}

/// The issuer's key set, if there is one, not fetched yet. Its keys are waited for unless others are there.
fn jwks(auth: &auth::Settings, health: &Health, metrics: &Metrics) -> Result<Option<Arc<Jwks>>, JwksFault> {
    let Some(settings) = &auth.jwks else { return Ok(None) };
    health.keys_awaited(auth.keys.is_empty());
    let (health, metrics) = (health.clone(), metrics.clone());
    let observer = move |fetched: JwksFetched| {
        metrics.jwks_fetch(fetched.label());
        if let JwksFetched::Keys { used, passed_over } = fetched {
            metrics.jwks_keys(used, passed_over);
            health.keys_awaited(false);
        }
    };
    Ok(Some(Arc::new(Jwks::new(settings.clone(), Box::new(observer))?)))
}

/// For ever. An issuer that does not answer does not keep clients away for ever: they are told to come back.
async fn fetch_keys(jwks: Arc<Jwks>, health: Health) {
    let patience = async {
        tokio::time::sleep(JWKS_HOLDS_READINESS_MAX).await;
        health.keys_awaited(false);
    };
    tokio::join!(jwks.run(), patience);
}

fn admission(
    auth: auth::Settings,
    verifier: CurrentVerifier,
    users: Seats,
    catalog: &CurrentCatalog,
    metrics: &Metrics,
) -> Result<Admission, SessionsFault> {
    let new_sessions = |settings| {
        let counted = metrics.clone();
        Sessions::new(
            settings,
            auth.rules.clone(),
            Box::new(move |outcome| counted.session_lookup(outcome.label())),
        )
    };
    let counted = metrics.clone();
    let redis_observer =
        move |command: RedisCommand, outcome, time| counted.redis_request(command.label(), outcome, time);
    Ok(Admission {
        revocations: Arc::new(Revocations::new(&auth)),
        verifier,
        sessions: auth.session.map(new_sessions).transpose()?,
        tickets: Tickets::open(auth.tickets, Box::new(redis_observer)),
        catalog: catalog.clone(),
        metrics: metrics.clone(),
        query_token: auth.query_token,
        users,
    })
}

/// Goes down gently. Requests are still answered meanwhile, with the advice to try elsewhere, and events still reach
/// whoever is left.
async fn drain(settings: &shutdown::Settings, shards: &Shards, threads: &[JoinHandle<()>]) {
    let shutdown::Settings { grace, drain } = settings;
    tracing::info!(?grace, ?drain, "stopping: not ready any more; the same signal again stops at once");
    tokio::time::sleep(*grace).await;
    shards.drain(*drain);
    let _ = tokio::time::timeout(*drain + STOP_MAX, all_ended(threads)).await;
}

/// Resolves when a shard ends unasked. What it does for its connections together is not guarded, and no process is
/// better than one that gives clients to a shard that is not there.
async fn one_ended(threads: &[JoinHandle<()>], stop: &Stop) {
    while stop.is_asked() || !threads.iter().any(JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn all_ended(threads: &[JoinHandle<()>]) {
    while threads.iter().any(|thread| !thread.is_finished()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shard_that_ends_unasked_is_noticed() {
        let ends = |threads: Vec<JoinHandle<()>>, stop: Stop| async move {
            tokio::time::timeout(Duration::from_secs(1), one_ended(&threads, &stop)).await.is_ok()
        };
        let gone = || std::thread::spawn(|| {});
        let (_open, closed) = std::sync::mpsc::channel::<()>();
        let there = std::thread::spawn(move || {
            let _ = closed.recv();
        });
        assert!(ends(vec![there, gone()], Stop::default()).await);
        let asked = Stop::default();
        asked.ask();
        assert!(!ends(vec![gone()], asked).await);
    }
}
