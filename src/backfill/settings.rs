//! The `[backfill]` section: how much of the past is read from Kafka for clients that come back late.

use crate::limits::{
    BACKFILL_MAX_BYTES, BACKFILL_MAX_RECORDS, BACKFILL_READERS, BACKFILL_READERS_MAX, BACKFILL_TIMEOUT,
    BACKFILL_TIMEOUT_MAX, SINCE_MAX,
};
use crate::settings::Document;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    pub readers: usize,
    pub max_records: usize,
    pub max_bytes: usize,
    pub timeout: Duration,
    /// How far back a replay may reach.
    pub since_max: Duration,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section =
            document.section("backfill", "What has left the window is read from Kafka, client by client.");
        Settings {
            readers: section
                .key(
                    "readers",
                    "Clients that are read for at once; others wait. 0 leaves the window as all there is.",
                )
                .integer(BACKFILL_READERS, 0..=BACKFILL_READERS_MAX),
            max_records: section
                .key("max_records", "Records read for one client; more is told as a gap.")
                .integer(BACKFILL_MAX_RECORDS, 1..=100 * BACKFILL_MAX_RECORDS),
            max_bytes: section
                .key("max_bytes", "The same in bytes of their values.")
                .bytes(BACKFILL_MAX_BYTES, 1 << 10..=100 * BACKFILL_MAX_BYTES),
            timeout: section
                .key(
                    "timeout",
                    "How long a client waits for its past, others' turns included; then it is told as a gap.",
                )
                .duration(BACKFILL_TIMEOUT, Duration::from_secs(1)..=BACKFILL_TIMEOUT_MAX),
            since_max: section
                .key("since_max", "How far back a replay (since) reaches; what is older is left out.")
                .duration(SINCE_MAX, Duration::ZERO..=Duration::from_secs(366 * 86_400)),
        }
    }
}
