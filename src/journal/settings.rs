//! The `[journal]` section: how much of the newest events is kept.

use crate::limits::{JOURNAL_MAX_BYTES, WINDOW_MAX_AGE, WINDOW_MAX_BYTES};
use crate::settings::Document;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Settings {
    pub max_bytes: usize,
    pub max_age: Duration,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section =
            document.section("journal", "The window of newest events that slow clients catch up from.");
        Settings {
            max_bytes: section
                .key("max_bytes", "Memory for the window; the oldest events leave first.")
                .bytes(WINDOW_MAX_BYTES, 1 << 20..=JOURNAL_MAX_BYTES),
            max_age: section
                .key("max_age", "Age at which events leave the window.")
                .duration(WINDOW_MAX_AGE, Duration::from_secs(1)..=Duration::from_secs(86_400)),
        }
    }
}
