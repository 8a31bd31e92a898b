//! The catalog: which events there are, where they come from, who gets them. Data, not code.
//!
//! A TOML file (`catalog.toml` beside this file is the built-in one and explains the keys). Everything that
//! could only fail later is checked here: templates, regular expressions, schemas, and that every field which
//! an audience asks for is in the payload or declared as routing.

use super::{Grants, OrderRules, Template, TemplateFault};
use crate::decode::{ReaderSchema, SchemaFault};
use crate::protocol::Protocol;
use regex::Regex;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    pub audience: Box<[Template]>,
    /// Fields that decoding picks out: for the audience, and for the open orders.
    pub captures: Box<[Box<str>]>,
}

#[derive(Debug)]
enum TopicPattern {
    Name(Box<str>),
    Regex(Regex),
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogFault {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    #[error("event {event:?}: {source}")]
    Template { event: String, source: TemplateFault },
    #[error("grants: {0}")]
    Grant(TemplateFault),
    #[error("event {event:?}: topic {topic:?} is not a regular expression: {source}")]
    Topic { event: String, topic: String, source: Box<regex::Error> },
    #[error("event {event:?}: schema {schema:?}: {source}")]
    Schema { event: String, schema: String, source: SchemaFault },
    #[error("event {event:?}: client protocol {client:?} is not known (expected \"plain\" or \"socketio\")")]
    Client { event: String, client: String },
    #[error("event {event:?}: audience field {field:?} is neither in the payload schema nor in `routing`")]
    UnknownField { event: String, field: String },
    #[error("event {event:?} has no audience: nobody would ever receive it")]
    NoAudience { event: String },
    #[error("two events are named {event:?}")]
    Duplicate { event: String },
    #[error("orders.{key} names {value:?}, which is not an event of this catalog")]
    UnknownEvent { key: &'static str, value: String },
    #[error("the catalog names no event")]
    Empty,
}

impl Catalog {
    pub fn built_in() -> Catalog {
        Catalog::parse(BUILT_IN, None).expect("the built-in catalog is tested")
    }

    pub fn read(path: &Path) -> Result<Catalog, CatalogFault> {
        let text = read_file(path)?;
        Catalog::parse(&text, path.parent())
    }

    /// Schemas are looked for in `folder`, then among the bundled ones.
    fn parse(text: &str, folder: Option<&Path>) -> Result<Catalog, CatalogFault> {
        let raw: RawCatalog = toml::from_str(text)?;
        let order_rules = raw.orders.map(RawOrders::check);
        let mut events: Vec<Event> = Vec::new();
        for (place, raw_event) in raw.event.into_iter().enumerate() {
            if events.iter().any(|event| *event.name == *raw_event.name) {
                return Err(CatalogFault::Duplicate { event: raw_event.name });
            }
            let id = EventId(u16::try_from(place).expect("a catalog file of 65,536 events"));
            events.push(raw_event.check(id, order_rules.as_ref(), folder)?);
        }
        if events.is_empty() {
            return Err(CatalogFault::Empty);
        }
        if let Some(rules) = &order_rules {
            check_order_events(rules, &events)?;
        }
        let grants = templates(&raw.grants.keys).map_err(CatalogFault::Grant)?;
        Ok(Catalog { events, order_rules, grants: Grants::new(grants) })
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

    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether records of `topic` can become events at all.
    pub fn names_topic(&self, topic: &str) -> bool {
        self.events.iter().any(|event| event.topic.matches(topic))
    }

    /// The event of a record, or none if the catalog does not name it. An entry with a record name is more
    /// specific than one without.
    pub fn event_of(&self, topic: &str, record_name: &str) -> Option<&Event> {
        let of_topic = || self.events.iter().filter(|event| event.topic.matches(topic));
        let named = of_topic().find(|event| event.record.as_deref() == Some(record_name));
        named.or_else(|| of_topic().find(|event| event.record.is_none()))
    }
}

impl TopicPattern {
    fn matches(&self, topic: &str) -> bool {
        match self {
            TopicPattern::Name(name) => **name == *topic,
            TopicPattern::Regex(regex) => regex.is_match(topic),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalog {
    #[serde(default)]
    event: Vec<RawEvent>,
    orders: Option<RawOrders>,
    grants: RawGrants,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    name: String,
    clients: Vec<String>,
    topic: String,
    record: Option<String>,
    schema: String,
    audience: Vec<String>,
    #[serde(default)]
    routing: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrders {
    opened_by: String,
    changed_by: String,
    id: String,
    owner: String,
    condition: String,
    closed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrants {
    keys: Vec<String>,
}

impl RawEvent {
    fn check(
        self,
        id: EventId,
        rules: Option<&OrderRules>,
        folder: Option<&Path>,
    ) -> Result<Event, CatalogFault> {
        let event = || self.name.clone();
        let schema = read_schema(&self.schema, folder)?;
        let schema = ReaderSchema::parse(&schema).map_err(|source| CatalogFault::Schema {
            event: event(),
            schema: self.schema.clone(),
            source,
        })?;
        let audience =
            templates(&self.audience).map_err(|source| CatalogFault::Template { event: event(), source })?;
        if audience.is_empty() {
            return Err(CatalogFault::NoAudience { event: event() });
        }
        let asked = audience.iter().filter_map(Template::field);
        if let Some(field) =
            asked.clone().find(|f| !schema.has_field(f) && !self.routing.iter().any(|r| r == f))
        {
            return Err(CatalogFault::UnknownField { event: event(), field: field.to_owned() });
        }
        let of_orders =
            rules.filter(|rules| [&rules.opened_by, &rules.changed_by].iter().any(|n| ***n == *self.name));
        let order_fields = of_orders
            .iter()
            .flat_map(|rules| [&*rules.id_field, &*rules.owner_field, &*rules.condition_field]);
        let captures: BTreeSet<Box<str>> = asked.chain(order_fields).map(Into::into).collect();
        Ok(Event {
            id,
            clients: self.clients.iter().map(|client| self.protocol(client)).collect::<Result<_, _>>()?,
            topic: self.topic_pattern()?,
            record: self.record.as_deref().map(Into::into),
            schema,
            audience: audience.into(),
            captures: captures.into_iter().collect(),
            name: self.name.into(),
        })
    }

    fn protocol(&self, client: &str) -> Result<Protocol, CatalogFault> {
        Protocol::ALL
            .into_iter()
            .find(|protocol| protocol.label() == client)
            .ok_or_else(|| CatalogFault::Client { event: self.name.clone(), client: client.to_owned() })
    }

    fn topic_pattern(&self) -> Result<TopicPattern, CatalogFault> {
        if !self.topic.starts_with('^') {
            return Ok(TopicPattern::Name(self.topic.as_str().into()));
        }
        Regex::new(&self.topic).map(TopicPattern::Regex).map_err(|source| CatalogFault::Topic {
            event: self.name.clone(),
            topic: self.topic.clone(),
            source: Box::new(source),
        })
    }
}

impl RawOrders {
    fn check(self) -> OrderRules {
        OrderRules {
            opened_by: self.opened_by.into(),
            changed_by: self.changed_by.into(),
            id_field: self.id.into(),
            owner_field: self.owner.into(),
            condition_field: self.condition.into(),
            closed: self.closed.into_iter().map(Into::into).collect(),
        }
    }
}

fn check_order_events(rules: &OrderRules, events: &[Event]) -> Result<(), CatalogFault> {
    for (key, value) in [("opened_by", &rules.opened_by), ("changed_by", &rules.changed_by)] {
        if !events.iter().any(|event| event.name == *value) {
            return Err(CatalogFault::UnknownEvent { key, value: value.to_string() });
        }
    }
    Ok(())
}

fn templates(texts: &[String]) -> Result<Vec<Template>, TemplateFault> {
    texts.iter().map(|text| Template::parse(text)).collect()
}

fn read_schema(name: &str, folder: Option<&Path>) -> Result<String, CatalogFault> {
    let path = folder.unwrap_or(Path::new("")).join(name);
    if folder.is_some() && path.exists() {
        return read_file(&path);
    }
    match BUNDLED_SCHEMAS.iter().find(|(bundled, _)| *bundled == name) {
        Some((_, text)) => Ok((*text).to_owned()),
        None => read_file(&path),
    }
}

fn read_file(path: &Path) -> Result<String, CatalogFault> {
    std::fs::read_to_string(path).map_err(|source| CatalogFault::Read { path: path.to_owned(), source })
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
        assert!(!catalog.names_topic("order.archived"));
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
    }

    fn check_fault(from: &str, to: &str, expected: &str) {
        assert!(BUILT_IN.contains(from), "{from:?} is not in the built-in catalog");
        let fault = Catalog::parse(&BUILT_IN.replacen(from, to, 1), None).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault:?} does not say {expected:?}");
    }

    #[test]
    fn every_fault_names_the_event_and_the_value() {
        check_fault("user:{user_uuid}", "user:{owner}", "\"CREATE_PIZZA\": audience field \"owner\"");
        check_fault("user:{user_uuid}", "user", "\"user\" is not a key template");
        check_fault("\"pizza.avsc\"", "\"pasta.avsc\"", "pasta.avsc");
        check_fault("[\"plain\"]", "[\"sse\"]", "client protocol \"sse\"");
        check_fault("\"pizza.created\"", "\"^pizza(\"", "is not a regular expression");
        check_fault("name = \"order:new\"", "name = \"CREATE_PIZZA\"", "two events are named");
        check_fault(
            "opened_by = \"order:new\"",
            "opened_by = \"order:old\"",
            "orders.opened_by names \"order:old\"",
        );
        check_fault("topic = \"pizza.created\"", "topics = \"pizza.created\"", "unknown field `topics`");
    }
}
