//! What the versions of a subject give: for each, the event, or the field that breaks; and since when.
//!
//! In: the schemas of one subject, in their order. Out: one verdict for people, and all of them for programs.
//! A schema is resolved by the very code that the pipeline uses, so what is told here is what records would meet. The newest
//! version is what producers write by: if it does not fit, that fails. Older ones are a warning, since records
//! written by them may still be in the topic, and nobody can change them.

use super::report::{Report, Status};
use crate::decode::{Plan, WriterSchema};
use crate::event::Catalog;
use serde::Serialize;

/// What one version gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct VersionLine {
    pub version: u32,
    pub id: u32,
    pub status: Status,
    /// None if it is no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The payload's field that does not come out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The version from which on that field has been broken without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
}

/// What a writer's schema gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub status: Status,
    pub event: Option<String>,
    pub field: Option<String>,
    pub detail: Option<String>,
}

impl Verdict {
    /// Of records of that topic.
    pub fn of(catalog: &Catalog, topic: &str, writer: &WriterSchema) -> Verdict {
        let verdict = |status, event, field, detail| Verdict { status, event, field, detail };
        let Some(event) = catalog.event_of(topic, writer.record_name()) else {
            let detail = format!("{} is no event, passed over", writer.full_name());
            return verdict(Status::Ok, None, None, Some(detail));
        };
        let name = Some(event.name.to_string());
        match Plan::compile(writer, &event.schema, &event.captures) {
            Err(why) => verdict(Status::Fail, name, Some(why.path.clone()), Some(why.to_string())),
            Ok(plan) => match plan.unresolved().first() {
                Some(why) => verdict(Status::Warn, name, Some(why.path.clone()), Some(why.to_string())),
                None => verdict(Status::Ok, name, None, None),
            },
        }
    }

    /// The schema cannot be used at all.
    pub fn unusable(reason: String) -> Verdict {
        Verdict { status: Status::Fail, event: None, field: None, detail: Some(reason) }
    }

    /// In words: `gives order:new`, `does not resolve into order:new: field ..`.
    fn text(&self) -> String {
        let detail = self.detail.as_deref().unwrap_or_default();
        match (self.status, &self.event) {
            (Status::Ok, Some(event)) => format!("gives {event}"),
            (Status::Warn, Some(event)) => format!("gives {event}, but {detail}"),
            (_, Some(event)) => format!("does not resolve into {event}: {detail}"),
            (_, None) => detail.to_owned(),
        }
    }

    /// A line of the report about a schema that is in no registry.
    pub fn tell(&self, subject: String, report: &mut Report) {
        tell(self.status, subject, self.text(), report);
    }
}

fn tell(status: Status, subject: String, detail: String, report: &mut Report) {
    match status {
        Status::Ok => report.ok(subject, detail),
        Status::Warn => report.warn(subject, detail, "records with that branch are passed over as poison"),
        Status::Fail | Status::WrongSettings => report.fail(
            subject,
            detail,
            "its records are passed over as poison: change the writer's schema, or the event's payload schema",
        ),
    }
}

/// Versions in their order, with what each gives.
pub(super) struct History(Vec<VersionLine>);

impl History {
    pub fn new(verdicts: impl IntoIterator<Item = (u32, u32, Verdict)>) -> History {
        let mut lines: Vec<VersionLine> = Vec::new();
        for (version, id, Verdict { status, event, field, detail }) in verdicts {
            let before = lines.last().filter(|before| before.status == status && before.field == field);
            let since =
                (status != Status::Ok).then(|| before.and_then(|before| before.since).unwrap_or(version));
            lines.push(VersionLine { version, id, status, event, field, detail, since });
        }
        History(lines)
    }

    /// One line of the report, and the versions for programs. `unread`: so many older ones were not looked at.
    pub fn tell(self, subject: String, unread: usize, report: &mut Report) {
        let Some((newest, older)) = self.0.split_last() else { return };
        let worse = older.iter().rev().find(|line| line.status > newest.status);
        let newest_text =
            format!("version {} (id {}): {}", newest.version, newest.id, newest.verdict().text());
        let unread =
            if unread > 0 { format!("; {unread} older ones were not looked at") } else { String::new() };
        match (newest.status, worse) {
            (Status::Ok, None) => report.ok(subject, format!("{}{unread}", self.fits(newest, older))),
            (Status::Ok, Some(worse)) => {
                let bad: Vec<String> = older
                    .iter()
                    .filter(|line| line.status != Status::Ok)
                    .map(|line| line.version.to_string())
                    .collect();
                let detail = format!(
                    "{newest_text}; but version {} (id {}) {}; all such versions: {}{unread}",
                    worse.version,
                    worse.id,
                    worse.verdict().text(),
                    bad.join(", ")
                );
                report.warn(
                    subject,
                    detail,
                    "records of those versions are passed over as poison, if any are left",
                );
            }
            (status, _) => {
                tell(status, subject, format!("{newest_text}{}{unread}", since(newest, older)), report);
            }
        }
        report.with_versions(self.0);
    }

    fn fits(&self, newest: &VersionLine, older: &[VersionLine]) -> String {
        let text = newest.verdict().text();
        let alike = older.iter().all(|line| line.verdict() == newest.verdict());
        match older.first().filter(|_| alike) {
            Some(first) => format!(
                "versions {} to {} (newest id {}): each {text}",
                first.version, newest.version, newest.id
            ),
            None => format!("version {} (id {}) {text}", newest.version, newest.id),
        }
    }
}

/// Since when it is so.
fn since(newest: &VersionLine, older: &[VersionLine]) -> String {
    let since = newest.since.unwrap_or(newest.version);
    match older.iter().rev().find(|line| line.version < since) {
        None if since == newest.version => String::new(),
        None => format!("; so from the first version on, {since}"),
        Some(before) => {
            format!("; so since version {since}, version {} {}", before.version, before.verdict().text())
        }
    }
}

impl VersionLine {
    fn verdict(&self) -> Verdict {
        let VersionLine { status, event, field, detail, .. } = self.clone();
        Verdict { status, event, field, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: Status, field: Option<&str>) -> Verdict {
        let field = field.map(str::to_owned);
        let detail =
            field.as_ref().map(|field| format!("field {field}: writer has string, reader wants long"));
        Verdict { status, event: Some("order:new".to_owned()), field, detail }
    }

    /// Versions by letters: `o` fits, `c` and `w` break in fields cost and weight.
    fn check(versions: &str, expected: &str, since: &[Option<u32>]) {
        let verdicts = versions.chars().zip(1..).map(|(letter, version)| {
            let verdict = match letter {
                'o' => verdict(Status::Ok, None),
                'c' => verdict(Status::Fail, Some("cost")),
                _ => verdict(Status::Fail, Some("weight")),
            };
            (version, 10 + version, verdict)
        });
        let history = History::new(verdicts);
        assert_eq!(history.0.iter().map(|line| line.since).collect::<Vec<_>>(), since, "{versions}");
        let mut report = Report::default();
        history.tell("subject s".to_owned(), 0, &mut report);
        let text = report.text(crate::cli::output::Paint::PLAIN);
        assert_eq!(text.lines().next().unwrap(), expected, "{versions}");
    }

    #[test]
    fn which_field_breaks_and_since_when() {
        let cost = "does not resolve into order:new: field cost: writer has string, reader wants long";
        let weight = cost.replace("cost", "weight");
        check("o", "ok    subject s  version 1 (id 11) gives order:new", &[None]);
        check("ooo", "ok    subject s  versions 1 to 3 (newest id 13): each gives order:new", &[None; 3]);
        check("c", &format!("fail  subject s  version 1 (id 11): {cost}"), &[Some(1)]);
        check(
            "occ",
            &format!(
                "fail  subject s  version 3 (id 13): {cost}; so since version 2, version 1 gives order:new"
            ),
            &[None, Some(2), Some(2)],
        );
        check(
            "cc",
            &format!("fail  subject s  version 2 (id 12): {cost}; so from the first version on, 1"),
            &[Some(1), Some(1)],
        );
        check(
            "cow",
            &format!(
                "fail  subject s  version 3 (id 13): {weight}; so since version 3, version 2 gives order:new"
            ),
            &[Some(1), None, Some(3)],
        );
        check(
            "wco",
            &format!(
                "warn  subject s  version 3 (id 13): gives order:new; but version 2 (id 12) {cost}; all such versions: 1, 2"
            ),
            &[Some(1), Some(2), None],
        );
    }
}
