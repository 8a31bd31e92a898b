//! The answer of `explain`, put together step by step, as lines for people or as one JSON object.
//!
//! ```text
//! record     order.created-2-1041, 843 bytes, 2026-11-22T12:35:00.007Z
//! schema     id 7, shop.events.PopulatedOrder
//! fields     {"_id":"6263..","clientId":"4920..",...}
//! event      order:new, to socketio clients
//! payload    {"_id":"6263..",...}
//! audience   role:ADMIN  role:WATCHER  user:4920..
//! user       role:CUSTOMER  user:4920..
//! delivered  yes, by user:4920..
//! ```
//!
//! Instead of the last two, for several users and for everybody who is connected:
//!
//! ```text
//! gets it    2 socketio connections, role:CUSTOMER  user:4920..: by user:4920..
//! not        1 plain connection, store:7: holds none of the keys
//! ```

use super::everybody::{Identity, Who, why_not};
use super::texts;
use crate::cli::output::{Colour, Paint};
use crate::cli::users::User;
use crate::consume::OwnedRecord;
use crate::decode::{SchemaReference, WriterSchema};
use crate::event::{Audience, Event, Key, entitled, shared};
use crate::limits::EXPLAIN_LINES_MAX;
use crate::mapping::Passed;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// A record's place in Kafka.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

#[derive(Serialize)]
pub(super) struct Answer {
    record: RecordLine,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<SchemaLine>,
    /// Everything that the writer wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Box<RawValue>>,
    /// Why the writer's schema does not resolve into the event's payload, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incompatible: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
    /// The keys of those who may see it; none if it is no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<Vec<String>>,
    /// The record by which the owner is known that this one does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened_by: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserLine>,
    /// None if no user was asked about and nothing else decides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<bool>,
    /// The keys that both have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by: Vec<String>,
    /// Why it is not delivered, and whatever else is odd.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Of several users, and of all who are connected: who gets it, who does not, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    identities: Option<Vec<Identity>>,
    #[serde(skip)]
    asked: Vec<(String, User)>,
    #[serde(skip)]
    all: bool,
}

#[derive(Serialize)]
struct RecordLine {
    #[serde(flatten)]
    place: Option<Place>,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

#[derive(Serialize)]
struct SchemaLine {
    /// What the record names it by, such as `id`; none if the catalog does.
    #[serde(flatten)]
    named: BTreeMap<&'static str, Value>,
    record: String,
}

#[derive(Serialize)]
struct EventLine {
    name: String,
    clients: Vec<&'static str>,
}

#[derive(Serialize)]
struct UserLine {
    keys: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl Answer {
    /// `all`: it is asked of everybody who is connected, too.
    pub fn new(record: &OwnedRecord, from_kafka: bool, asked: Vec<(String, User)>, all: bool) -> Answer {
        let OwnedRecord { topic, partition, offset, .. } = record;
        let place = Place { topic: topic.clone(), partition: *partition, offset: *offset };
        let only = (!all).then_some(asked.as_slice());
        let user = only.and_then(|asked| match asked {
            [(_, User::LetIn(keys))] => Some(UserLine { keys: texts(keys), refused: None }),
            [(_, User::Refused(refusal))] => {
                Some(UserLine { keys: Vec::new(), refused: Some(refusal.clone()) })
            }
            _ => None,
        });
        Answer {
            record: RecordLine {
                place: from_kafka.then_some(place),
                bytes: record.value.as_ref().map_or(0, Vec::len),
                timestamp: record.timestamp_ms.and_then(timestamp),
                traceparent: record.lend().trace().parent().map(|trace| trace.as_str().to_owned()),
            },
            schema: None,
            fields: None,
            incompatible: None,
            event: None,
            payload: None,
            audience: None,
            opened_by: None,
            user,
            delivered: None,
            by: Vec::new(),
            because: Vec::new(),
            identities: None,
            asked,
            all,
        }
    }

    pub fn written(
        &mut self,
        reference: Option<&SchemaReference>,
        schema: &WriterSchema,
        fields: Option<Box<RawValue>>,
    ) {
        let named = reference.map(named).into_iter().collect();
        self.schema = Some(SchemaLine { named, record: schema.full_name().to_owned() });
        self.fields = fields;
    }

    /// It is an event: whose?
    pub fn mapped(&mut self, event: &Event, payload: Box<RawValue>, audience: &Audience) {
        let clients = event.clients.iter().map(|protocol| protocol.label()).collect();
        self.event = Some(EventLine { name: event.name.to_string(), clients });
        self.payload = Some(payload);
        self.audience = Some(texts(&audience.keys));
        if audience.owner_unknown {
            self.because.push(
                "the record does not say whose order it is, and the open orders do not either: no record within \
                 orders.look_back opened it"
                    .to_owned(),
            );
        }
        self.decide(&audience.keys);
    }

    /// It is no event.
    pub fn passed(&mut self, passed: Passed) {
        self.delivered = Some(false);
        self.because.push(match passed {
            Passed::Unmapped => {
                "no event of the catalog is of this topic and record: it is passed over".to_owned()
            }
            Passed::Tombstone => "the record is a tombstone: it has no value".to_owned(),
            Passed::Poison(poison) => format!("the record is poison ({}): {poison}", poison.label()),
            Passed::NotYet => "the registry has not given the record's schema".to_owned(),
        });
        self.because.extend(self.incompatible.clone());
    }

    fn decide(&mut self, audience: &[Key]) {
        if self.user.is_none() {
            let given = self.asked.iter().map(|(name, user)| judge(name, user, audience)).collect();
            self.identities = Some(given).filter(|given: &Vec<_>| !given.is_empty());
            return;
        }
        let Some((_, user)) = self.asked.first() else { return };
        let reason = match user {
            User::Refused(refusal) => format!("the user is not let in: {refusal}"),
            User::LetIn(keys) => match entitled(audience, keys) {
                Ok(by) => {
                    self.by = by.into_iter().map(|key| key.as_str().to_owned()).collect();
                    self.delivered = Some(true);
                    return;
                }
                Err(withheld) => withheld.to_string(),
            },
        };
        self.delivered = Some(false);
        self.because.push(reason);
    }

    /// The audience, and the protocols of the clients that it is for, if that is to be asked of everybody.
    pub fn event_for_all(&self) -> Option<(Vec<String>, Vec<&'static str>)> {
        let event = self.event.as_ref().filter(|_| self.all)?;
        Some((self.audience.clone()?, event.clients.clone()))
    }

    pub fn connected(&mut self, connected: Vec<Identity>) {
        self.identities.get_or_insert_default().extend(connected);
    }

    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    pub fn text(&self, paint: Paint) -> String {
        let mut lines = vec![("record", self.record.text())];
        lines.extend(self.record.traceparent.clone().map(|trace| ("trace", trace)));
        lines.extend(self.schema.as_ref().map(|schema| ("schema", schema.text())));
        lines.extend(self.fields.as_ref().map(|fields| ("fields", fields.get().to_owned())));
        let event = self.event.as_ref();
        let event = event.map(|event| format!("{}, to {} clients", event.name, event.clients.join(" and ")));
        lines.extend(event.map(|event| ("event", event)));
        lines.extend(self.payload.as_ref().map(|payload| ("payload", payload.get().to_owned())));
        lines.extend(self.audience.as_ref().map(|keys| ("audience", listed(keys))));
        let opened_by = self.opened_by.as_ref();
        lines.extend(
            opened_by.map(|place| ("owner", format!("not named; {} opened the order", place.text()))),
        );
        lines.extend(self.user.as_ref().map(|user| ("user", user.text())));
        lines.extend(self.identities.iter().flat_map(|identities| shown(identities)));
        lines.extend(self.delivered.map(|delivered| ("delivered", self.verdict(delivered, paint))));
        lines.extend(self.because.iter().map(|reason| ("because", reason.clone())));
        let lines: Vec<String> = lines
            .into_iter()
            .map(|(name, text)| format!("{}{text}", paint.paint(Colour::Grey, &format_args!("{name:11}"))))
            .collect();
        lines.join("\n")
    }

    fn verdict(&self, delivered: bool, paint: Paint) -> String {
        if delivered {
            format!("{}, by {}", paint.paint(Colour::Green, &"yes"), listed(&self.by))
        } else {
            paint.paint(Colour::Red, &"no")
        }
    }
}

impl Place {
    fn text(&self) -> String {
        let Place { topic, partition, offset } = self;
        format!("{topic}-{partition}-{offset}")
    }
}

impl Identity {
    fn text(&self) -> String {
        let who = match &self.who {
            Who::Given(name) => name.clone(),
            Who::Protocol(protocol) => match self.connections {
                Some(1) | None => format!("1 {protocol} connection"),
                Some(count) => format!("{count} {protocol} connections"),
            },
        };
        let why = self.because.clone().unwrap_or_else(|| format!("by {}", listed(&self.by)));
        format!("{who}, {}: {why}", listed(&self.keys))
    }
}

impl RecordLine {
    fn text(&self) -> String {
        let place = match &self.place {
            Some(place) => format!("{}, ", place.text()),
            None => String::new(),
        };
        let timestamp = self.timestamp.as_ref().map(|time| format!(", {time}")).unwrap_or_default();
        format!("{place}{} bytes{timestamp}", self.bytes)
    }
}

impl SchemaLine {
    fn text(&self) -> String {
        let named = self.named.iter().next().map(|(kind, value)| match value.as_str() {
            Some(text) => format!("{kind} {text}"),
            None => format!("{kind} {value}"),
        });
        format!("{}, {}", named.unwrap_or_else(|| "named by the catalog".to_owned()), self.record)
    }
}

impl UserLine {
    fn text(&self) -> String {
        match &self.refused {
            Some(refusal) => format!("not let in: {refusal}"),
            None => listed(&self.keys),
        }
    }
}

/// Whether a user who was given gets it.
fn judge(name: &str, user: &User, audience: &[Key]) -> Identity {
    match user {
        User::Refused(refusal) => {
            let because = format!("is not let in: {refusal}");
            Identity::given(name.to_owned(), Vec::new(), Vec::new(), Some(because))
        }
        User::LetIn(keys) => {
            let by: Vec<String> = shared(audience, keys).map(|key| key.as_str().to_owned()).collect();
            let because = why_not(&by, &texts(audience));
            Identity::given(name.to_owned(), texts(keys), by, because)
        }
    }
}

/// Of those who get it, and of those who do not, a screenful each; `--json` has all.
fn shown(identities: &[Identity]) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for (name, delivered) in [("gets it", true), ("not", false)] {
        let of_them = || identities.iter().filter(|identity| identity.delivered == delivered);
        lines.extend(of_them().take(EXPLAIN_LINES_MAX).map(|identity| (name, identity.text())));
        let left = of_them().count().saturating_sub(EXPLAIN_LINES_MAX);
        lines.extend((left > 0).then(|| (name, format!("and {left} more such lines: --json has them all"))));
        lines.extend((delivered && of_them().next().is_none()).then(|| (name, "nobody".to_owned())));
    }
    lines
}

/// Without the word that the line begins with: `id` for `schema_id`. Numbers are numbers.
fn named(reference: &SchemaReference) -> (&'static str, Value) {
    let kind = reference.kind();
    let value = match reference {
        SchemaReference::Id(id) => id.0.into(),
        SchemaReference::GlobalId(id) => (*id).into(),
        SchemaReference::Guid(_) | SchemaReference::Fingerprint { .. } => reference.to_string().into(),
    };
    (kind.strip_prefix("schema_").unwrap_or(kind), value)
}

fn listed(keys: &[String]) -> String {
    if keys.is_empty() { "no key".to_owned() } else { keys.join("  ") }
}

/// RFC 3339, UTC.
pub(in crate::cli) fn timestamp(millis: i64) -> Option<String> {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(u64::try_from(millis).ok()?))?;
    // Beyond the year 9999 there is no such text.
    (millis < 253_402_300_800_000).then(|| humantime::format_rfc3339_millis(time).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Fingerprint, Poison, SchemaId};
    use crate::event::Catalog;

    fn answer(user: Option<User>) -> Answer {
        let (topic, value) = ("order.created".to_owned(), Some(vec![0; 5]));
        let record = OwnedRecord {
            topic,
            partition: 2,
            offset: 9,
            timestamp_ms: Some(7),
            value,
            ..OwnedRecord::default()
        };
        let users = user.map(|user| ("claims 1".to_owned(), user)).into_iter().collect();
        Answer::new(&record, true, users, false)
    }

    fn check(user: Option<User>, audience: &[&str], expected: &str) {
        let catalog = Catalog::built_in();
        let event = catalog.events().iter().find(|event| &*event.name == "order:new").unwrap();
        let mut answer = answer(user);
        let keys = audience.iter().map(|key| Key::new(key)).collect();
        let payload = RawValue::from_string("{}".to_owned()).unwrap();
        answer.mapped(event, payload, &Audience { keys, owner_unknown: false });
        let text = answer.text(Paint::PLAIN);
        let verdict: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("audience")).collect();
        assert_eq!(verdict.join("\n"), expected);
    }

    fn keys(texts: &[&str]) -> Option<User> {
        Some(User::LetIn(texts.iter().map(|key| Key::new(key)).collect()))
    }

    #[test]
    fn it_is_delivered_where_the_keys_meet() {
        check(
            keys(&["role:CUSTOMER", "user:u1"]),
            &["role:ADMIN", "user:u1"],
            "audience   role:ADMIN  user:u1\nuser       role:CUSTOMER  user:u1\ndelivered  yes, by user:u1",
        );
        check(
            keys(&["user:u2"]),
            &["role:ADMIN"],
            "audience   role:ADMIN\nuser       user:u2\ndelivered  no\nbecause    the user holds none of the keys",
        );
        check(
            keys(&[]),
            &[],
            "audience   no key\nuser       no key\ndelivered  no\nbecause    the event has no audience",
        );
        check(None, &["role:ADMIN"], "audience   role:ADMIN");
        check(
            Some(User::Refused("token has expired".to_owned())),
            &["role:ADMIN"],
            "audience   role:ADMIN\nuser       not let in: token has expired\ndelivered  no\n\
             because    the user is not let in: token has expired",
        );
    }

    #[test]
    fn a_schema_is_shown_by_what_the_record_names_it_by() {
        let text = r#"{"type": "record", "name": "Pizza", "namespace": "shop", "fields": []}"#;
        let schema = WriterSchema::parse(text, &[]).unwrap();
        let fingerprint = SchemaReference::Fingerprint { fingerprint: Fingerprint(7), topic: "t".into() };
        for (reference, shown, json) in [
            (Some(SchemaId(7).into()), "schema     id 7, shop.Pizza", r#""schema":{"id":7,"record""#),
            (
                Some(fingerprint),
                "schema     fingerprint 0000000000000007, shop.Pizza",
                r#""schema":{"fingerprint":"0000000000000007","record""#,
            ),
            (None, "schema     named by the catalog, shop.Pizza", r#""schema":{"record""#),
        ] {
            let mut answer = answer(None);
            answer.written(reference.as_ref(), &schema, None);
            assert_eq!(answer.text(Paint::PLAIN).lines().nth(1), Some(shown));
            assert!(answer.json().contains(json), "{}", answer.json());
        }
    }

    #[test]
    fn what_is_no_event_is_delivered_to_nobody() {
        let mut answer = answer(keys(&["role:ADMIN"]));
        answer.passed(Passed::Poison(Poison::Truncated));
        assert_eq!(
            answer.json(),
            r#"{"record":{"topic":"order.created","partition":2,"offset":9,"bytes":5,"timestamp":"1970-01-01T00:00:00.007Z"},"user":{"keys":["role:ADMIN"]},"delivered":false,"because":["the record is poison (truncated): record ends early"]}"#
        );
    }
}
