//! How an instance goes down: the `[shutdown]` section, and the wish to stop itself, which may be said twice.
//!
//! Asked once, it tells load balancers, waits, and ends connections spread out over a while, so that the clients of a
//! rolling update do not all come back in the same second. Asked again, it ends at once.

use crate::limits::{SHUTDOWN_DRAIN, SHUTDOWN_GRACE, SHUTDOWN_MAX};
use crate::settings::Document;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// By default no time at all is given.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub grace: Duration,
    pub drain: Duration,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("shutdown", "What happens between SIGTERM and the end.");
        let range = Duration::ZERO..=SHUTDOWN_MAX;
        Settings {
            grace: section
                .key(
                    "grace",
                    "From SIGTERM, when /readyz turns to 503, to the first connection that is ended.",
                )
                .duration(SHUTDOWN_GRACE, range.clone()),
            drain: section
                .key("drain", "How long connections are ended over, evenly and in random order.")
                .duration(SHUTDOWN_DRAIN, range),
        }
    }
}

/// The wish to stop; cheap to clone, and all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// Asked for by a token of somebody else.
    pub fn by(asked: CancellationToken) -> Stop {
        Stop { asked, at_once: CancellationToken::new() }
    }

    /// The first time gently, the second time at once.
    pub fn ask(&self) {
        if self.asked.is_cancelled() {
            self.at_once.cancel();
        }
        self.asked.cancel();
    }

    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Resolves when it has been asked for, in either way.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Resolves when there is no time left.
    pub async fn asked_at_once(&self) {
        self.at_once.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_time_is_at_once() {
        let stop = Stop::default();
        stop.clone().ask();
        assert!(stop.asked.is_cancelled() && !stop.at_once.is_cancelled());
        stop.ask();
        assert!(stop.at_once.is_cancelled());
    }
}
