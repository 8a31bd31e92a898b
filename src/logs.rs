//! The `[log]` section, and starting the log: structured lines on standard error, as text or JSON.

use crate::settings::Document;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Clone)]
pub struct Settings {
    pub format: Format,
    pub level: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl Settings {
    pub fn read(document: &mut Document) -> Settings {
        let mut section = document.section("log", "The log, on standard error.");
        Settings {
            format: section
                .key("format", "text for people, json for collectors.")
                .choice(&[("text", Format::Text), ("json", Format::Json)], Format::Text),
            level: section.key("level", "The least important level that is written.").choice(
                &[
                    ("error", "error"),
                    ("warn", "warn"),
                    ("info", "info"),
                    ("debug", "debug"),
                    ("trace", "trace"),
                ],
                "info",
            ),
        }
    }
}

/// Starts the log of the process; called once.
pub fn start(settings: &Settings) {
    // The libraries' own debug lines are about their insides, and some quote what they carry.
    // apache-avro warns of unions with one branch, which is how a writer's schema is parsed.
    let filter =
        EnvFilter::new(format!("warn,apache_avro=error,dumbwaiter={0},librdkafka={0}", settings.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.format {
        Format::Text => builder.init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
}
