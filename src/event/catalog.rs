//! The catalog: which events there are, where they come from, who gets them. Data, not code.
//!
//! A TOML file (`catalog.toml` beside this file is the built-in one and explains the keys) is read once, in
//! `read`; faults are all told at once, each with its line. What is here has been checked.

mod current;
mod read;
mod table;

pub use current::CurrentCatalog;

use super::{Grants, Key, OrderRules, Template};
use crate::decode::{CaptureField, ReaderSchema, WriterSchema};
use crate::protocol::Protocol;
use crate::settings::Faults;
use regex::Regex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The documented events.
const BUILT_IN: &str = include_str!("catalog.toml");

/// The documented payloads, by the file name that a catalog uses.
const BUNDLED_SCHEMAS: [(&str, &str); 3] = [
    ("pizza.avsc", include_str!("../../schemas/pizza.avsc")),
    ("populated_order.avsc", include_str!("../../schemas/populated_order.avsc")),
    ("order_condition.avsc", include_str!("../../schemas/order_condition.avsc")),
];

/// An event's place in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(pub u16);

impl EventId {
    /// Of what is no event of the catalog.
    pub const NONE: EventId = EventId(u16::MAX);
}

/// All that is known before the first record arrives.
#[derive(Debug)]
pub struct Catalog {
    events: Vec<Event>,
    order_rules: Option<OrderRules>,
    grants: Grants,
}

/// One catalog entry.
#[derive(Debug)]
pub struct Event {
    pub id: EventId,
    pub name: Box<str>,
    pub clients: Box<[Protocol]>,
    topic: TopicPattern,
    record: Option<Box<str>>,
    pub schema: ReaderSchema,
    pub encoding: Encoding,
    /// What raw records are written with: `writer`, or else the payload's schema.
    pub writer: Arc<WriterSchema>,
    pub audience: Box<[Template]>,
    /// Fields that decoding picks out: for the audience, and for the open orders.
    pub captures: Box<[CaptureField]>,
}

/// How the records of an event's topic name the schema that wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Each record tells.
    Auto,
    /// They don't: a value is nothing but the Avro body, always of one schema.
    Raw,
}

#[derive(Debug)]
enum TopicPattern {
    Name(Box<str>),
    Regex(Regex),
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogFault {
    #[error("{path:?} cannot be read: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Content(#[from] Faults),
}

impl Catalog {
    pub fn built_in() -> Catalog {
        Catalog::parse(BUILT_IN, None).expect("the built-in catalog is tested")
    }

    /// Schemas are looked for in the catalog's folder, then among the bundled ones.
    pub fn read(path: &Path) -> Result<Catalog, CatalogFault> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CatalogFault::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(read::read(&path.display().to_string(), &text, Some(folder))?)
    }

    /// The same, of a text; without a folder only bundled schemas are there.
    pub fn parse(text: &str, folder: Option<&Path>) -> Result<Catalog, Faults> {
        read::read("catalog.toml", text, folder)
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub fn event(&self, id: EventId) -> &Event {
        &self.events[usize::from(id.0)]
    }

    pub fn order_rules(&self) -> Option<&OrderRules> {
        self.order_rules.as_ref()
    }

    /// The keys in the audience of every order that is opened: those that depend on no field.
    pub fn keys_of_every_order(&self) -> Arc<[Key]> {
        let opened_by = self.order_rules.iter().map(|rules| &rules.opened_by);
        let events = opened_by.flat_map(|name| self.events.iter().filter(move |event| event.name == *name));
        events.flat_map(|event| event.audience.iter().filter_map(Template::fixed)).cloned().collect()
    }

    /// Whether open orders are gathered in the same way by both: from the same records, for the same staff.
    pub fn gathers_orders_like(&self, other: &Catalog) -> bool {
        let rules = self.order_rules() == other.order_rules();
        let staff = self.keys_of_every_order() == other.keys_of_every_order();
        rules && staff && self.order_records().eq(other.order_records())
    }

    /// Where events that open or change an order come from.
    fn order_records(&self) -> impl Iterator<Item = (&str, Option<&str>, Encoding)> {
        let rules = self.order_rules.iter();
        let names = rules.flat_map(|rules| [&rules.opened_by, &rules.changed_by]);
        let events = names.flat_map(|name| self.events.iter().filter(move |event| event.name == *name));
        events.map(|event| (event.topic_pattern(), event.record_name(), event.encoding))
    }

    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether records of `topic` can become events at all.
    pub fn names_topic(&self, topic: &str) -> bool {
        self.events.iter().any(|event| event.topic.matches(topic))
    }

    /// The event of a topic whose records say nothing of their schema.
    pub fn raw_event_of(&self, topic: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.encoding == Encoding::Raw && event.topic.matches(topic))
    }

    /// The events that records of `topic` can become.
    pub fn events_of<'c>(&'c self, topic: &'c str) -> impl Iterator<Item = &'c Event> {
        self.events.iter().filter(move |event| event.topic.matches(topic))
    }

    /// The event of a record, or none if the catalog does not name it. An entry with a record name is more
    /// specific than one without.
    pub fn event_of<'c>(&'c self, topic: &'c str, record_name: &str) -> Option<&'c Event> {
        let named = self.events_of(topic).find(|event| event.record.as_deref() == Some(record_name));
        named.or_else(|| self.events_of(topic).find(|event| event.record.is_none()))
    }
}

impl Event {
    /// The writer's record that it is, where several events share a topic.
    pub fn record_name(&self) -> Option<&str> {
        self.record.as_deref()
    }

    /// The topic that its records come from, or a regular expression that starts with `^`.
    pub fn topic_pattern(&self) -> &str {
        self.topic.text()
    }

    /// The one topic that its records come from; none where that is a pattern.
    pub fn topic_name(&self) -> Option<&str> {
        match &self.topic {
            TopicPattern::Name(name) => Some(name),
            TopicPattern::Regex(_) => None,
        }
    }
}

impl TopicPattern {
    fn text(&self) -> &str {
        match self {
            TopicPattern::Name(name) => name,
            TopicPattern::Regex(regex) => regex.as_str(),
        }
    }

    fn matches(&self, topic: &str) -> bool {
        match self {
            TopicPattern::Name(name) => **name == *topic,
            TopicPattern::Regex(regex) => regex.is_match(topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalog_names_the_documented_events() {
        let catalog = Catalog::built_in();
        let names: Vec<_> = catalog.events().iter().map(|event| &*event.name).collect();
        assert_eq!(names, ["CREATE_PIZZA", "order:new", "order:condition"]);
        assert_eq!(&*catalog.event_of("pizza.created", "Anything").unwrap().name, "CREATE_PIZZA");
        assert!(catalog.event_of("order.archived", "Order").is_none());
        assert!(!catalog.names_topic("order.archived") && catalog.names_topic("pizza.created"));
        let topics: Vec<_> = catalog.events().iter().filter_map(Event::topic_name).collect();
        assert_eq!(topics, ["pizza.created", "order.created", "order.condition"]);
    }

    #[test]
    fn what_is_picked_out_of_a_record_is_what_audience_and_open_orders_need() {
        let catalog = Catalog::built_in();
        let check = |event: usize, expected: &[&str]| {
            let expected: Vec<CaptureField> = expected.iter().map(|text| (*text).into()).collect();
            assert_eq!(*catalog.events()[event].captures, expected);
        };
        check(0, &["store_id", "user_uuid"]);
        check(1, &["_id", "clientId", "condition"]);
        check(2, &["_id", "clientId|client_id", "condition"]);
    }

    #[test]
    fn what_orders_are_gathered_by_is_told_from_all_else() {
        let check = |from: &str, to: &str, expected: bool| {
            assert!(BUILT_IN.contains(from), "{from:?} is not in the catalog");
            let other = Catalog::parse(&BUILT_IN.replacen(from, to, 1), None).unwrap();
            assert_eq!(Catalog::built_in().gathers_orders_like(&other), expected, "{from} -> {to}");
        };
        check("pizza.created", "pizza.baked", true);
        check("store:{store_id}", "store:{name}", true);
        check("\"DONE\", ", "", false);
        check("topic = \"order.created\"", "topic = \"order.new\"", false);
        check(
            "topic = \"order.condition\"",
            "topic = \"order.condition\"\nrecord = \"OrderCondition\"",
            false,
        );
        let opening = "audience = [\"role:ADMIN\", \"role:WATCHER\", \"user:{clientId}\"]";
        check(opening, "audience = [\"role:ADMIN\", \"user:{clientId}\"]", false);
    }

    #[test]
    fn events_of_one_topic_are_told_apart_by_record_name() {
        let shared = BUILT_IN
            .replace("topic = \"order.created\"", "topic = \"^order[.]\"\nrecord = \"PopulatedOrder\"")
            .replace("topic = \"order.condition\"", "topic = \"^order[.]\"\nrecord = \"OrderCondition\"");
        let catalog = Catalog::parse(&shared, None).unwrap();
        assert_eq!(&*catalog.event_of("order.events", "PopulatedOrder").unwrap().name, "order:new");
        assert_eq!(&*catalog.event_of("order.events", "OrderCondition").unwrap().name, "order:condition");
        assert!(catalog.event_of("order.events", "Courier").is_none());
        let topics: Vec<_> = catalog.events().iter().map(Event::topic_name).collect();
        assert_eq!(topics, [Some("pizza.created"), None, None], "a pattern is no name");
    }

    #[test]
    fn a_schema_beside_the_catalog_comes_before_a_bundled_one() {
        let folder = tempfile::tempdir().unwrap();
        let check = |expected: &str| {
            let catalog = Catalog::parse(BUILT_IN, Some(folder.path())).unwrap();
            assert_eq!(catalog.events()[0].writer.record_name(), expected);
        };
        check("Pizza");
        let other = include_str!("../../schemas/pizza.avsc").replacen("\"Pizza\"", "\"Pie\"", 1);
        std::fs::write(folder.path().join("pizza.avsc"), other).unwrap();
        check("Pie");
    }

    #[test]
    fn a_raw_event_is_found_by_its_topic_alone() {
        let text = BUILT_IN.replace(
            "topic = \"order.condition\"",
            "topic = \"order.condition\"\nencoding = \"raw\"\nwriter = \"populated_order.avsc\"",
        );
        let catalog = Catalog::parse(&text, None).unwrap();
        let event = catalog.raw_event_of("order.condition").unwrap();
        assert_eq!((&*event.name, event.writer.record_name()), ("order:condition", "PopulatedOrder"));
        assert!(catalog.raw_event_of("order.created").is_none());
        assert_eq!(catalog.events()[0].writer.record_name(), "Pizza");
    }

    /// The built-in catalog with changes, and all that is then wrong with it.
    fn check_faults(changes: &[(&str, &str)], expected: &[&str]) {
        let mut text = BUILT_IN.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from:?} is not in the catalog");
            text = text.replacen(from, to, 1);
        }
        let faults = Catalog::parse(&text, None).unwrap_err().to_string();
        assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_fault_names_its_line_the_event_the_value_and_what_is_allowed() {
        check_faults(
            &[("user:{user_uuid}", "user:{owner}")],
            &[
                "catalog.toml:14:63: in audience of event \"CREATE_PIZZA\": field \"owner\" is neither in the \
               payload schema nor in routing",
            ],
        );
        check_faults(
            &[("[\"plain\"]", "[\"plane\"]")],
            &[
                "catalog.toml:11:12: in clients of event \"CREATE_PIZZA\": \"plane\" is not a client protocol; \
               did you mean plain? (expected plain, socketio)",
            ],
        );
        check_faults(
            &[("\"pizza.created\"", "\"^pizza(\"")],
            &[
                "catalog.toml:12:9: in topic of event \"CREATE_PIZZA\": \"^pizza(\" is not a regular expression: \
               unclosed group",
            ],
        );
        check_faults(
            &[("topic = \"pizza.created\"", "topics = \"pizza.created\"")],
            &[
                "catalog.toml:9:1: in event \"CREATE_PIZZA\": has no topic",
                "catalog.toml:12:1: in topics of event \"CREATE_PIZZA\": unknown key; did you mean topic? \
                 (keys: name, clients, topic, record, schema, encoding, writer, audience, routing)",
            ],
        );
        check_faults(
            &[("opened_by = \"order:new\"", "opened_by = \"order:now\"")],
            &[
                "catalog.toml:33:13: in opened_by of orders: \"order:now\" is not an event of this catalog; did you \
               mean order:new?",
            ],
        );
        check_faults(&[("[grants]", "[grants")], &["catalog.toml:41:8: unclosed table, expected `]`"]);
    }

    #[test]
    fn what_cannot_be_said_of_raw_records_is_a_fault() {
        let topic = "topic = \"pizza.created\"";
        check_faults(
            &[(topic, "topic = \"pizza.created\"\nencoding = \"row\"\nwriter = \"pizza.avsc\"")],
            &[
                "catalog.toml:13:12: in encoding of event \"CREATE_PIZZA\": \"row\" is not an encoding; did you \
                 mean raw? (expected auto, raw)",
                "catalog.toml:14:10: in writer of event \"CREATE_PIZZA\": goes only with encoding = \"raw\"",
            ],
        );
        check_faults(
            &[(topic, "topic = \"pizza.created\"\nencoding = \"raw\"\nrecord = \"Pizza\"")],
            &[
                "catalog.toml:14:10: in record of event \"CREATE_PIZZA\": raw records have no name to tell them \
                 by; leave it out",
            ],
        );
        check_faults(
            &[(topic, "topic = \"pizza.created\"\nencoding = \"raw\"\nwriter = \"order_condition.avsc\"")],
            &[
                "catalog.toml:14:10: in writer of event \"CREATE_PIZZA\": does not give the payload: field uuid: \
                 writer has no such field, reader wants string without a default",
            ],
        );
        check_faults(
            &[("topic = \"order.created\"", "topic = \"pizza.created\"\nencoding = \"raw\"")],
            &[
                "catalog.toml:19:9: in topic of event \"order:new\": is shared with event \"CREATE_PIZZA\", but raw \
                 records cannot be told apart",
            ],
        );
    }

    #[test]
    fn all_faults_are_told_at_once() {
        check_faults(
            &[
                ("user:{user_uuid}", "user"),
                ("\"pizza.avsc\"", "\"pasta.avsc\""),
                ("name = \"order:condition\"", "name = \"CREATE_PIZZA\""),
                ("closed = [", "closed = 1 # ["),
                ("store:{store_id}\"]", "store\"]"),
            ],
            &[
                "catalog.toml:13:10: in schema of event \"CREATE_PIZZA\": \"pasta.avsc\" cannot be read: No such \
                 file or directory (os error 2)",
                "catalog.toml:14:63: in audience of event \"CREATE_PIZZA\": \"user\" is not a key template \
                 (expected `kind:text` or `kind:{field}`)",
                "catalog.toml:23:1: in event \"CREATE_PIZZA\": is the name of two events",
                "catalog.toml:34:14: in changed_by of orders: \"order:condition\" is not an event of this catalog",
                "catalog.toml:38:10: in closed of orders: is an integer, not a list of texts",
                "catalog.toml:42:38: in keys of grants: \"store\" is not a key template \
                 (expected `kind:text` or `kind:{field}`)",
            ],
        );
    }
}
