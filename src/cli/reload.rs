//! SIGHUP: reads the settings anew, and takes over the keys of `[auth]`, the catalog and the certificate of `[web]`
//! if all is well with them.
//!
//! Settings with a fault anywhere change nothing. Of those that take a restart, which is all the others, the log
//! names the ones that differ from what is in force.

use super::ConfigArgs;
use crate::app::Live;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::settings::{DescribedSection, Environment};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is taken over: sections, or single keys of one.
const TAKEN: [&str; 6] = [
    "catalog",
    "auth.secret",
    "auth.public_key_file",
    "auth.keys",
    "web.tls_certificate_file",
    "web.tls_key_file",
];

pub(super) struct Reload {
    pub args: ConfigArgs,
    pub environment: Environment,
    /// The settings that the instance was started with.
    pub in_force: Vec<DescribedSection>,
    pub live: Live,
    pub metrics: Metrics,
}

/// Until this is called, SIGHUP ends the process.
pub(super) fn hang_up() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

impl Reload {
    pub async fn run(self, mut signal: Signal) {
        while signal.recv().await.is_some() {
            match self.reload() {
                Ok(()) => self.metrics.reload("taken"),
                Err(faults) => {
                    tracing::error!(%faults, "settings are not good, nothing is changed: put them right and send SIGHUP again");
                    self.metrics.reload("refused");
                }
            }
        }
    }

    /// Small files, read in a moment.
    fn reload(&self) -> Result<(), String> {
        let config = self.args.load(&self.environment).map_err(|faults| faults.to_string())?;
        let certificate = config.web.certificate.clone();
        self.live
            .replace(&config.auth.keys, &config.catalog, certificate)
            .map_err(|fault| fault.to_string())?;
        self.metrics.events_are(config.catalog.events().iter().map(|event| &*event.name));
        tracing::info!(
            algorithms = ?config.auth.algorithms(),
            events = config.catalog.events().len(),
            "keys, catalog and certificate are read anew"
        );
        warn_of_unsubscribed(&config);
        let waiting = changed(&self.in_force, &config.described);
        if !waiting.is_empty() {
            tracing::warn!(settings = waiting.join(", "), "these settings have changed and take a restart");
        }
        Ok(())
    }
}

/// Of events that no record can become.
pub(super) fn warn_of_unsubscribed(config: &Config) {
    for (event, topic) in crate::config::unsubscribed(config) {
        tracing::warn!(event, topic, "event will never occur: its topic is not among kafka.topics");
    }
}

/// The settings that are not taken over and differ. Values of secrets are not known here.
fn changed(in_force: &[DescribedSection], now: &[DescribedSection]) -> Vec<String> {
    let (in_force, mut now) = (shown(in_force), shown(now));
    now.retain(|setting| !in_force.contains(setting));
    now.into_iter().map(|(name, _)| name).collect()
}

/// Each setting that is not taken over, and its value in use.
fn shown(sections: &[DescribedSection]) -> Vec<(String, String)> {
    let keys = sections.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)));
    let named =
        keys.map(|(section, key)| (format!("{}.{}", section.name, key.name), format!("{:?}", key.value)));
    named.filter(|(name, _)| !TAKEN.iter().any(|taken| name.starts_with(taken))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "auth.public_key_file=tests/fixtures/test-only-keys/rsa-public.pem";

    fn check(overrides: &[&str], expected: &[&str]) {
        let described = |overrides: &[&str]| {
            let good = ["kafka.brokers=kafka:9092", "registry.urls=http://registry:8081"];
            let overrides: Vec<String> = good.iter().chain(overrides).map(ToString::to_string).collect();
            let config = Config::load(None, &Environment::new(), &overrides);
            config.unwrap_or_else(|fault| panic!("{fault}")).described
        };
        assert_eq!(changed(&described(&[KEY]), &described(overrides)), expected);
    }

    #[test]
    fn what_takes_a_restart_is_named_and_what_does_not_is_not() {
        check(&[KEY], &[]);
        check(
            &[KEY, "web.listen=127.0.0.1:1", "kafka.topics=pizza.created", "auth.issuer=somebody"],
            &["kafka.topics", "auth.issuer", "web.listen"],
        );
        check(&[KEY, "catalog.file=src/simulation/catalog.toml"], &[]);
    }
}
