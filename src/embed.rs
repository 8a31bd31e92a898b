//! The library's door: an instance inside another program, with a record source and listeners of that program's own.
//!
//! `examples/embed` is a whole program of this kind, with an event of its own; `examples/screens` judges tokens itself.

use crate::app::{App, AppFault, Parts};
use crate::config::Config;
use crate::consume::{ControlSource, Source};
use crate::dead_letter::DeadLetters;
use crate::decode::{Registry, RegistryOutcome, Writers};
use crate::metrics::Metrics;
use crate::shutdown::Stop;
use crate::web::Listener;
use axum::Router;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use tokio::runtime::Handle;

/// Bound already, so that the program knows its ports.
#[derive(Debug)]
pub struct Listeners {
    /// For the ticket endpoint and `/ws`.
    pub clients: TcpListener,
    /// For metrics and health, which clients must not reach.
    pub operators: TcpListener,
}

/// Why an instance did not start, or ended unasked.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    #[error("cannot serve on a listener: {0}")]
    Listen(#[from] io::Error),
    #[error("registry: {0}")]
    Registry(String),
    #[error("decode.schemas: {0}")]
    Schemas(String),
    #[error(transparent)]
    App(#[from] AppFault),
}

/// Delivers what `source` gives until `shutdown` resolves, then drains and returns.
///
/// Within a multi-threaded tokio runtime. The addresses of `config.web` are passed over, and so are its Kafka settings unless
/// `source` uses them. Revocations, dead letters and pasts from Kafka are off: [`App`] takes parts for those too.
pub async fn run(
    config: Config,
    source: Source,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunFault> {
    let clients = Listener::of(listeners.clients)?;
    let operators = Listener::of(listeners.operators)?;
    let stop = Stop::default();
    let asked = stop.clone();
    let waiting = tokio::spawn(async move {
        shutdown.await;
        asked.ask();
    });
    let ended = App::on(open_parts(config, source)?, clients, operators).run(stop).await;
    waiting.abort();
    Ok(ended?)
}

fn open_parts(config: Config, source: Source) -> Result<Parts, RunFault> {
    let metrics = Metrics::new();
    let counted = metrics.clone();
    let observer = Box::new(move |outcome: RegistryOutcome| {
        counted.registry_request(outcome.label());
    });
    let new_registry = |settings| Registry::new(settings, Handle::current(), observer);
    let registry = (!config.registry.urls.is_empty()).then(|| new_registry(config.registry.clone()));
    let registry = registry.transpose().map_err(|fault| RunFault::Registry(fault.to_string()))?;
    let writers = config.writers(registry).map_err(|fault| RunFault::Schemas(fault.to_string()))?;
    Ok(parts(config, source, writers, metrics))
}

/// An instance of these settings. Revocations, dead letters and pasts are for whoever has them.
pub(crate) fn parts(config: Config, source: Source, writers: Writers, metrics: Metrics) -> Parts {
    Parts {
        source,
        control: ControlSource::Off,
        past: None,
        dead_letters: DeadLetters::Off,
        writers,
        catalog: config.catalog,
        orders: config.orders,
        auth: config.auth,
        journal: config.journal,
        backfill: config.backfill,
        shard: config.shard,
        web: config.web,
        board: config.board,
        shutdown: config.shutdown,
        pages: Router::new(),
        metrics,
    }
}
