//! What `dumbwaiter check` found, line by line: fine, odd, or wrong, and then the way out.
//!
//! ```text
//! ok    settings             dumbwaiter.toml, 2 variables
//! fail  topic order.created  does not exist
//!                            create it, or take it out of kafka.topics
//! ```

use super::versions::VersionLine;
use crate::cli::Outcome;
use crate::cli::output::{Colour, Paint};
use serde::Serialize;
use std::fmt::Write;

/// All lines, in the order in which they were found.
#[derive(Default)]
pub(super) struct Report(Vec<Line>);

#[derive(Serialize)]
struct Line {
    status: Status,
    subject: String,
    /// Where it is written, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    way_out: Option<String>,
    /// Of a subject: what each version gives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    versions: Vec<VersionLine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    Warn,
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "only what --online asks can fail"))]
    Fail,
    /// The settings themselves are wrong.
    #[serde(rename = "fail")]
    WrongSettings,
}

impl Report {
    pub fn ok(&mut self, subject: impl Into<String>, detail: impl Into<String>) {
        self.add(Status::Ok, subject.into(), detail.into(), None);
    }

    pub fn warn(&mut self, subject: impl Into<String>, detail: impl Into<String>, way_out: &str) {
        self.add(Status::Warn, subject.into(), detail.into(), Some(way_out));
    }

    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "only what --online asks can fail"))]
    pub fn fail(&mut self, subject: impl Into<String>, detail: impl Into<String>, way_out: &str) {
        self.add(Status::Fail, subject.into(), detail.into(), Some(way_out));
    }

    /// Wrong whatever the world outside is like.
    pub fn wrong(&mut self, subject: impl Into<String>, detail: impl Into<String>) {
        self.add(Status::WrongSettings, subject.into(), detail.into(), None);
    }

    /// The same, at a place in a file or in the environment.
    pub fn wrong_at(&mut self, place: Option<String>, subject: &str, detail: &str) {
        self.add(Status::WrongSettings, subject.to_owned(), detail.to_owned(), None);
        if let Some(line) = self.0.last_mut() {
            line.place = place;
        }
    }

    /// What was found of the newest line's subject, version by version.
    #[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "only --online asks the registry"))]
    pub fn with_versions(&mut self, versions: Vec<VersionLine>) {
        if let Some(line) = self.0.last_mut() {
            line.versions = versions;
        }
    }

    /// As the exit code says it: odd is good enough to start, unless `strict`.
    pub fn outcome(&self, strict: bool) -> Outcome {
        match self.worst() {
            Status::Warn if strict => Outcome::Failed,
            Status::Ok | Status::Warn => Outcome::Done,
            Status::Fail => Outcome::Failed,
            Status::WrongSettings => Outcome::WrongSettings,
        }
    }

    /// For people; subjects in a column.
    pub fn text(&self, paint: Paint) -> String {
        let width = self.0.iter().map(|line| line.subject.chars().count()).max().unwrap_or(0);
        let mut text = String::new();
        for Line { status, subject, place, detail, way_out, .. } in &self.0 {
            let status = paint.paint(status.colour(), &format_args!("{:4}", status.word()));
            let way_out =
                way_out.as_ref().map(|way| format!("\n      {:width$}  {way}", "")).unwrap_or_default();
            let place = place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{status}  {subject:width$}  {place}{detail}{way_out}");
        }
        text.pop();
        text
    }

    pub fn json(&self) -> String {
        serde_json::json!({"outcome": self.worst(), "checks": self.0}).to_string()
    }

    fn add(&mut self, status: Status, subject: String, detail: String, way_out: Option<&str>) {
        let (place, way_out, versions) = (None, way_out.map(str::to_owned), Vec::new());
        self.0.push(Line { status, subject, place, detail, way_out, versions });
    }

    fn worst(&self) -> Status {
        self.0.iter().map(|line| line.status).max().unwrap_or(Status::Ok)
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail | Status::WrongSettings => "fail",
        }
    }

    fn colour(self) -> Colour {
        match self {
            Status::Ok => Colour::Green,
            Status::Warn => Colour::Yellow,
            Status::Fail | Status::WrongSettings => Colour::Red,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_line_decides() {
        let mut report = Report::default();
        assert!(matches!(report.outcome(true), Outcome::Done));
        report.ok("settings", "defaults");
        report.warn("topic a", "does not exist", "create it");
        assert!(matches!(report.outcome(false), Outcome::Done));
        assert!(matches!(report.outcome(true), Outcome::Failed));
        report.fail("brokers", "no answer", "start them");
        assert!(matches!(report.outcome(false), Outcome::Failed));
        report.wrong("web.listen", "is not an address");
        assert!(matches!(report.outcome(true), Outcome::WrongSettings));
    }

    #[test]
    fn text_and_json_say_the_same() {
        let mut report = Report::default();
        report.ok("settings", "defaults");
        report.warn("topic a", "does not exist", "create it");
        let text = "ok    settings  defaults\nwarn  topic a   does not exist\n                create it";
        assert_eq!(report.text(Paint::PLAIN), text);
        assert_eq!(
            report.json(),
            r#"{"outcome":"warn","checks":[{"status":"ok","subject":"settings","detail":"defaults"},{"status":"warn","subject":"topic a","detail":"does not exist","way_out":"create it"}]}"#
        );
    }
}
