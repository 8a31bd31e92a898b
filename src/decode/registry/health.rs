//! Whether the registry answers, and what the log says when it does not.
//!
//! Every waiting id asks again every second or so, so an outage is told at its start and then twice a
//! minute, always with the address and the way out, and its end is told once.

use std::time::Instant;

use reqwest::Url;

use super::reply::Outcome;
use crate::limits;

#[derive(Default)]
pub(super) struct Health {
    failing_since: Option<Instant>,
    told_at: Option<Instant>,
}

impl Health {
    pub(super) fn failing_since(&self) -> Option<Instant> {
        self.failing_since
    }

    pub(super) fn answered(&mut self, address: &Url) {
        if self.failing_since.take().is_some() && self.told_at.take().is_some() {
            tracing::info!(%address, "schema registry answers again");
        }
    }

    /// `address` is free of credentials: the settings take none within a URL.
    pub(super) fn failed(&mut self, address: &Url, outcome: Outcome, reason: &str, now: Instant) {
        self.failing_since.get_or_insert(now);
        if !self.may_tell(now) {
            return;
        }
        if outcome == Outcome::Refused {
            tracing::warn!(
                %address,
                reason,
                "schema registry refuses these credentials, records wait; \
                 set registry.username and registry.password, or registry.token"
            );
        } else {
            tracing::warn!(%address, reason, "schema registry gives no answer, records that need it wait");
        }
    }

    fn may_tell(&mut self, now: Instant) -> bool {
        let due = |told: Instant| now.saturating_duration_since(told) >= limits::REGISTRY_WARN_INTERVAL;
        let tell = self.told_at.is_none_or(due);
        if tell {
            self.told_at = Some(now);
        }
        tell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_its_start_and_then_now_and_then() {
        let (mut health, start) = (Health::default(), Instant::now());
        assert!(health.may_tell(start));
        assert!(!health.may_tell(start + limits::REGISTRY_WARN_INTERVAL / 2));
        assert!(health.may_tell(start + limits::REGISTRY_WARN_INTERVAL));
    }

    #[test]
    fn an_outage_lasts_from_its_first_failure_to_an_answer() {
        let (mut health, start) = (Health::default(), Instant::now());
        let address = Url::parse("http://registry").unwrap();
        health.failed(&address, Outcome::Failed, "", start);
        health.failed(&address, Outcome::Failed, "", start + limits::REGISTRY_WARN_INTERVAL);
        assert_eq!(health.failing_since(), Some(start));
        health.answered(&address);
        assert_eq!(health.failing_since(), None);
    }
}
