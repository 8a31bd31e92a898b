//! `dumbwaiter serve`: the service, from Kafka to the screens, until SIGTERM or SIGINT.

use super::output::{put, say};
use super::reload::{Reload, hang_up, warn_of_unsubscribed};
use super::{ConfigArgs, Outcome, writers};
use crate::app::{App, AppFault, Live, Parts};
use crate::config::{Config, effective};
use crate::consume::{ControlSource, ControlTopic, KafkaSource, Past, Source};
use crate::dead_letter::{DeadLetters, KafkaDeadLetters};
use crate::decode::RegistryOutcome;
use crate::embed;
use crate::logs;
use crate::metrics::Metrics;
use crate::settings::Environment;
use crate::shutdown::Stop;
use clap::Args;
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dumbwaiter serve --config dumbwaiter.toml
  dumbwaiter serve --config dumbwaiter.toml --set web.listen=127.0.0.1:9000
  DUMBWAITER_KAFKA__BROKERS=kafka:9092 dumbwaiter serve --config dumbwaiter.toml --print-config

Signals: SIGTERM or SIGINT drains and stops; the same again stops at once. SIGHUP reads keys, catalog and
certificate anew.

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed while running, 2 wrong settings.")]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Prints the settings in use, and where each comes from, and does not start
    #[arg(long)]
    print_config: bool,
}

pub(super) fn run(args: &ServeArgs, environment: &Environment) -> Outcome {
    let config = match args.config.load_or_say(environment) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    if args.print_config {
        let _ = put(&effective(&config.described).trim_end());
        return Outcome::Done;
    }
    let metrics = Metrics::new();
    let counted = metrics.clone();
    let log = logs::start(&config.log, Arc::new(move || counted.log_line_dropped()));
    let _log = match log {
        Ok(log) => log,
        Err(error) => {
            say(&format_args!("cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    warn_of_unsubscribed(&config);
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&format_args!("cannot start: {error}"));
            return Outcome::Failed;
        }
    };
    let in_force = config.described.clone();
    let parts = match parts(config, metrics.clone(), &runtime) {
        Ok(parts) => parts,
        Err(fault) => {
            say(&fault);
            return Outcome::WrongSettings;
        }
    };
    let serving = serve(parts, |live| Reload {
        args: args.config.clone(),
        environment: environment.clone(),
        in_force,
        live,
        metrics,
    });
    match runtime.block_on(serving) {
        Ok(()) => Outcome::Done,
        Err(fault) => {
            tracing::error!(%fault, way_out = way_out(&fault), "stopped");
            Outcome::Failed
        }
    }
}

fn way_out(fault: &AppFault) -> Option<&'static str> {
    let AppFault::Listen { source, .. } = fault else { return None };
    match source.kind() {
        ErrorKind::AddrInUse => {
            Some("another program has this port, or an instance that still drains: end it, or set another")
        }
        ErrorKind::AddrNotAvailable => Some("this machine has no such address: 0.0.0.0 is all it has"),
        ErrorKind::PermissionDenied => Some("ports below 1024 take a right of their own: set another"),
        _ => None,
    }
}

/// All that can be wrong with the settings beyond their own form shows here, before a port opens.
fn parts(config: Config, metrics: Metrics, runtime: &Runtime) -> Result<Parts, String> {
    let counted = metrics.clone();
    let observer = move |outcome: RegistryOutcome| counted.registry_request(outcome.label());
    let registry = writers::registry(&config, runtime.handle().clone(), observer)?;
    let writers = writers::open(&config, registry)?;
    let dead_letters = match config.dead_letter.topic.clone() {
        Some(topic) => KafkaDeadLetters::new(&config.kafka, topic, metrics.clone()).map(DeadLetters::Kafka),
        None => Ok(DeadLetters::Off),
    };
    let control = control(&config, &metrics)?;
    let past = Past::Kafka(Box::new(config.kafka.clone()));
    let source =
        KafkaSource::new(config.kafka.clone(), metrics.clone()).map_err(|fault| fault.to_string())?;
    Ok(Parts {
        control,
        past: Some(past),
        dead_letters: dead_letters.map_err(|fault| fault.to_string())?,
        ..embed::parts(config, Source::Kafka(Box::new(source)), writers, metrics)
    })
}

/// Where revocations come from.
pub(super) fn control(config: &Config, metrics: &Metrics) -> Result<ControlSource, String> {
    let Some(topic) = config.auth.revocation.topic.clone() else { return Ok(ControlSource::Off) };
    let topic = ControlTopic::new(&config.kafka, topic, metrics.clone());
    topic.map(ControlSource::topic).map_err(|fault| fault.to_string())
}

async fn serve(parts: Parts, reload: impl FnOnce(Live) -> Reload) -> Result<(), AppFault> {
    let hang_up = hang_up().expect("SIGHUP can be handled");
    let app = App::bind(parts)?;
    tokio::spawn(reload(app.live()).run(hang_up));
    let stop = Stop::default();
    let signalled = stop.clone();
    tokio::spawn(async move {
        loop {
            stop_signal().await;
            signalled.ask();
        }
    });
    app.run(stop).await
}

pub(super) async fn stop_signal() {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
