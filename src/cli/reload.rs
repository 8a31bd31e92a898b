//! SIGHUP: reads the settings anew, and takes over the keys of `[auth]` and the certificate of `[web]` if
//! all is well with them.
//!
//! Nothing else is taken over while the service runs. Settings with a fault anywhere change nothing.

use super::ConfigArgs;
use crate::auth::CurrentVerifier;
use crate::metrics::Metrics;
use crate::settings::Environment;
use crate::web::CurrentCertificate;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) struct Reload {
    pub args: ConfigArgs,
    pub environment: Environment,
    pub verifier: CurrentVerifier,
    /// None where clients do not speak TLS.
    pub certificate: Option<CurrentCertificate>,
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
                match (&self.certificate, config.web.certificate) {
                    (Some(current), Some(certificate)) => current.replace(certificate),
                    (None, None) => {}
                    _ => tracing::warn!("TLS is switched on and off by a restart only"),
                }
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
