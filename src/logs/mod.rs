//! The `[log]` section, and starting the log: structured lines on standard error, as text or JSON.
//!
//! Panics are told there too, by their place in the code alone: their text may quote what a client or a record said.

mod writer;

use crate::limits::PANICS_SAID_MAX;
use crate::settings::Document;
use crate::throttle::Throttle;
use crate::trace::EVENTS;
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use writer::Lines;

pub use writer::Dropped;

#[derive(Debug, Clone)]
pub struct Settings {
    pub format: Format,
    pub level: &'static str,
    /// A line for every event.
    pub events: bool,
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
            events: section
                .key("events", "A line for every event: its place in Kafka, and its trace (traceparent).")
                .flag(false),
        }
    }
}

/// The log of the process. Dropped at its end, it waits a moment for lines that are not written yet.
#[must_use = "the last lines are written when it is dropped"]
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts the log of the process; called once. `dropped` is called for each line that could not be written in time.
pub fn start(settings: &Settings, dropped: Dropped) -> std::io::Result<Log> {
    let lines = Lines::to(std::io::stderr(), dropped)?;
    // The libraries' own debug lines are about their insides, and some quote what they carry.
    // apache-avro warns of unions with one branch, which is how a writer's schema is parsed.
    let events = if settings.events { "info" } else { "off" };
    let filter = EnvFilter::new(format!(
        "warn,apache_avro=error,dumbwaiter={0},librdkafka={0},{EVENTS}={events}",
        settings.level
    ));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines.clone());
    // A terminal has colours, unless NO_COLOR is set; a file or a collector never.
    let builder = if std::io::stderr().is_terminal() { builder } else { builder.with_ansi(false) };
    match settings.format {
        Format::Text => builder.init(),
        Format::Json => builder.json().flatten_event(true).init(),
    }
    tell_panics();
    Ok(Log(lines))
}

fn tell_panics() {
    let throttle = Throttle::new(PANICS_SAID_MAX, Duration::from_secs(1));
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(unsaid) = throttle.admit() {
            let place = panic.location().map(tracing::field::display);
            let thread = std::thread::current();
            tracing::error!(
                place,
                thread = thread.name(),
                unsaid,
                "panicked: a fault in the service, please report it"
            );
        }
    }));
}
