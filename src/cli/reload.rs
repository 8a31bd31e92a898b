//! SIGHUP: reads the settings anew, and takes over the keys of `[auth]` if all is well with them.
//!
//! Nothing else is taken over while the service runs. Settings with a fault anywhere change nothing.

use super::ConfigArgs;
use crate::auth::CurrentVerifier;
use crate::metrics::Metrics;
use crate::settings::Environment;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) struct Reload {
    pub args: ConfigArgs,
    pub environment: Environment,
    pub verifier: CurrentVerifier,
    pub metrics: Metrics,
}

/// Until this is called, SIGHUP ends the process.
pub(super) fn hang_up() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

impl Reload {
    pub async fn run(self, mut signal: Signal) {
        while signal.recv().await.is_some() {
            self.reload();
        }
    }

    /// Small files, read in a moment.
    fn reload(&self) {
        match self.args.load(&self.environment) {
            Ok(config) => {
                self.verifier.replace_keys(&config.auth.keys);
                self.metrics.reload("taken");
                tracing::info!(algorithms = ?config.auth.algorithms(), "keys are read anew");
            }
            Err(faults) => {
                self.metrics.reload("refused");
                tracing::error!(%faults, "settings are not good, nothing is changed: put them right and send SIGHUP again");
            }
        }
    }
}
