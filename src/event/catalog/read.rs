//! A catalog's text → the catalog, or all that is wrong with it, each fault with its line.
//!
//! Everything that could only fail later is checked here: templates, regular expressions, schemas, and that
//! every field which an audience asks for is in the payload or declared as routing.

use super::table::{File, Table, Text};
use super::{BUNDLED_SCHEMAS, Catalog, Encoding, Event, EventId, TopicPattern};
use crate::decode::{CaptureField, Plan, ReaderSchema, SchemaFault, WriterSchema};
use crate::event::{Grants, OrderRules, Template};
use crate::protocol::Protocol;
use crate::settings::{Faults, did_you_mean, regex_fault};
use regex::Regex;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use toml::de::DeTable;

/// `name` is how faults call the file. Schemas are looked for in `folder`, then among the bundled ones.
pub(super) fn read(name: &str, text: &str, folder: Option<&Path>) -> Result<Catalog, Faults> {
    let file = File::new(name, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        file.fault(error.span().map_or(0, |span| span.start), "", error.message());
    }
    // What follows from broken syntax would mislead.
    if let Some(faults) = file.faults() {
        return Err(faults);
    }
    let top = Table::new(&file, table.get_ref(), 0, String::new());
    let catalog = read_catalog(&top, folder);
    match file.faults() {
        Some(faults) => Err(faults),
        None => Ok(catalog.expect("what is missing was recorded as a fault")),
    }
}

fn read_catalog(top: &Table<'_>, folder: Option<&Path>) -> Option<Catalog> {
    top.allow(&["event", "orders", "grants"]);
    let tables = top.tables("event");
    if tables.is_empty() {
        top.fault("event", 0, "the catalog names no event ([[event]])");
    }
    check_names(&tables);
    let orders = top.table("orders");
    let order_rules = orders.as_ref().and_then(|orders| read_orders(orders, &tables));
    let read = |(table, id)| read_event(table, EventId(id), order_rules.as_ref(), folder);
    // Gathered before it is judged, so that the faults of every event are told.
    let events: Vec<Option<Event>> = tables.iter().zip(0..).map(read).collect();
    check_raw_topics(&tables, &events);
    let grants = read_grants(top);
    let events: Vec<Event> = events.into_iter().collect::<Option<_>>()?;
    Some(Catalog { events, order_rules, grants: grants? })
}

fn check_names(tables: &[Table<'_>]) {
    for (place, table) in tables.iter().enumerate() {
        if tables.iter().take(place).any(|earlier| earlier.name == table.name) {
            table.fault_here("is the name of two events");
        }
    }
}

/// A raw record has no name to tell it by, so its topic can have but one event.
fn check_raw_topics(tables: &[Table<'_>], events: &[Option<Event>]) {
    let read = || tables.iter().zip(events).filter_map(|(table, event)| Some((table, event.as_ref()?)));
    for (place, (table, event)) in read().enumerate() {
        let clash = |other: &Event| {
            other.topic.text() == event.topic.text()
                && [other, event].iter().any(|e| e.encoding == Encoding::Raw)
        };
        let other = read().take(place).find(|(_, other)| clash(other));
        if let (Some((other, _)), Some(topic)) = (other, table.text_if_set("topic")) {
            let fault = format!("is shared with {}, but raw records cannot be told apart", other.name);
            table.fault("topic", topic.place, fault);
        }
    }
}

fn read_event(
    table: &Table<'_>,
    id: EventId,
    rules: Option<&OrderRules>,
    folder: Option<&Path>,
) -> Option<Event> {
    table.allow(&[
        "name", "clients", "topic", "record", "schema", "encoding", "writer", "audience", "routing",
    ]);
    let name = table.text("name");
    let clients = table.texts("clients").and_then(|texts| read_clients(table, &texts));
    let topic = table.text("topic").and_then(|text| read_topic(table, text));
    let record = table.text_if_set("record");
    let schema_text = table.text("schema");
    let schema = schema_text.and_then(|text| read_schema(table, "schema", text, folder, ReaderSchema::parse));
    let encoding = read_encoding(table, record);
    let writer = read_writer(table, schema_text, encoding, folder);
    let texts = table.texts_if_set("audience").unwrap_or_default();
    let audience = read_templates(table, "audience", &texts);
    let routing = table.texts_if_set("routing").unwrap_or_default();
    let routing: Vec<CaptureField> = routing.iter().map(|text| text.text.into()).collect();
    let (name, schema, writer, audience) = (name?, schema?, writer?, audience?);
    check_writer(table, &writer, &schema);
    check_fields(table, &texts, &audience, &schema, &routing);
    let captures = captures(name.text, &audience, rules, &routing);
    Some(Event {
        id,
        clients: clients?,
        topic: topic?,
        record: record.map(|record| record.text.into()),
        schema,
        encoding: encoding?,
        writer: Arc::new(writer),
        audience: audience.into(),
        captures,
        name: name.text.into(),
    })
}

fn read_clients(table: &Table<'_>, texts: &[Text<'_>]) -> Option<Box<[Protocol]>> {
    if texts.is_empty() {
        table.fault_here("has no client protocol in clients: nobody could receive it");
    }
    let labels = Protocol::ALL.map(Protocol::label);
    let protocol = |text: &Text<'_>| {
        let found = Protocol::ALL.into_iter().find(|protocol| protocol.label() == text.text);
        if found.is_none() {
            let hint = did_you_mean(text.text, &labels);
            let expected = labels.join(", ");
            let fault = format!("{:?} is not a client protocol{hint} (expected {expected})", text.text);
            table.fault("clients", text.place, fault);
        }
        found
    };
    texts.iter().map(protocol).collect()
}

fn read_topic(table: &Table<'_>, text: Text<'_>) -> Option<TopicPattern> {
    if !text.text.starts_with('^') {
        return Some(TopicPattern::Name(text.text.into()));
    }
    match Regex::new(text.text) {
        Ok(regex) => Some(TopicPattern::Regex(regex)),
        Err(error) => {
            table.fault("topic", text.place, regex_fault(text.text, &error));
            None
        }
    }
}

fn read_encoding(table: &Table<'_>, record: Option<Text<'_>>) -> Option<Encoding> {
    let Some(text) = table.text_if_set("encoding") else { return Some(Encoding::Auto) };
    match (text.text, record) {
        ("auto", _) => Some(Encoding::Auto),
        ("raw", None) => Some(Encoding::Raw),
        ("raw", Some(record)) => {
            table.fault("record", record.place, "raw records have no name to tell them by; leave it out");
            None
        }
        (other, _) => {
            let hint = did_you_mean(other, &["auto", "raw"]);
            let fault = format!("{other:?} is not an encoding{hint} (expected auto, raw)");
            table.fault("encoding", text.place, fault);
            None
        }
    }
}

/// What raw records are written with: the schema that is named, or else the payload's own, which has been read.
fn read_writer(
    table: &Table<'_>,
    payload: Option<Text<'_>>,
    encoding: Option<Encoding>,
    folder: Option<&Path>,
) -> Option<WriterSchema> {
    let parse = |text: &str| WriterSchema::parse(text, &[]);
    let Some(text) = table.text_if_set("writer") else {
        return parse(&schema_text(payload?.text, folder).ok()?).ok();
    };
    if encoding != Some(Encoding::Raw) {
        table.fault("writer", text.place, "goes only with encoding = \"raw\"");
    }
    read_schema(table, "writer", text, folder, parse)
}

fn check_writer(table: &Table<'_>, writer: &WriterSchema, payload: &ReaderSchema) {
    if let (Some(text), Err(fault)) = (table.text_if_set("writer"), Plan::compile(writer, payload, &[])) {
        table.fault("writer", text.place, format!("does not give the payload: {fault}"));
    }
}

fn read_schema<S>(
    table: &Table<'_>,
    key: &str,
    text: Text<'_>,
    folder: Option<&Path>,
    parse: impl Fn(&str) -> Result<S, SchemaFault>,
) -> Option<S> {
    let schema = schema_text(text.text, folder)
        .and_then(|schema| parse(&schema).map_err(|fault| format!("{:?}: {fault}", text.text)));
    schema.map_err(|fault| table.fault(key, text.place, fault)).ok()
}

fn schema_text(name: &str, folder: Option<&Path>) -> Result<String, String> {
    let path = folder.unwrap_or(Path::new("")).join(name);
    let bundled = BUNDLED_SCHEMAS.iter().find(|(bundled, _)| *bundled == name);
    match bundled {
        Some((_, text)) if folder.is_none() || !path.exists() => Ok((*text).to_owned()),
        _ => std::fs::read_to_string(&path).map_err(|error| format!("{path:?} cannot be read: {error}")),
    }
}

/// `[grants]` must be there: without it no connection would hold a key.
fn read_grants(top: &Table<'_>) -> Option<Grants> {
    let Some(grants) = top.table("grants") else {
        top.fault("grants", 0, "is missing: without it no connection holds a key ([grants] keys = [...])");
        return None;
    };
    grants.allow(&["keys"]);
    let texts = grants.texts_if_set("keys").unwrap_or_default();
    read_templates(&grants, "keys", &texts).map(Grants::new)
}

fn read_templates(table: &Table<'_>, key: &str, texts: &[Text<'_>]) -> Option<Vec<Template>> {
    if texts.is_empty() {
        table.fault_here(format!("has no {key}: nobody would ever receive anything"));
        return None;
    }
    let templates: Vec<_> = texts.iter().map(|text| (text, Template::parse(text.text))).collect();
    for (text, template) in &templates {
        if let Err(fault) = template {
            table.fault(key, text.place, fault.to_string());
        }
    }
    templates.into_iter().map(|(_, template)| template.ok()).collect()
}

/// Every field that the audience asks for must be one that a record can have.
fn check_fields(
    table: &Table<'_>,
    texts: &[Text<'_>],
    audience: &[Template],
    schema: &ReaderSchema,
    routing: &[CaptureField],
) {
    for (text, template) in texts.iter().zip(audience) {
        let Some(field) = template.field() else { continue };
        if !schema.has_field(field) && !routing.iter().any(|routing| *routing.name == *field) {
            let fault = format!("field {field:?} is neither in the payload schema nor in routing");
            table.fault("audience", text.place, fault);
        }
    }
}

/// The fields that decoding picks out: those of the audience, and those of the open orders.
fn captures(
    name: &str,
    audience: &[Template],
    rules: Option<&OrderRules>,
    routing: &[CaptureField],
) -> Box<[CaptureField]> {
    let of_orders = rules.filter(|rules| [&rules.opened_by, &rules.changed_by].iter().any(|n| ***n == *name));
    let order_fields =
        of_orders.iter().flat_map(|rules| [&*rules.id_field, &*rules.owner_field, &*rules.condition_field]);
    let names: BTreeSet<&str> = audience.iter().filter_map(Template::field).chain(order_fields).collect();
    let field = |name: &str| {
        let routed = routing.iter().find(|routed| *routed.name == *name).cloned();
        routed.unwrap_or_else(|| name.into())
    };
    names.into_iter().map(field).collect()
}

fn read_orders(table: &Table<'_>, events: &[Table<'_>]) -> Option<OrderRules> {
    table.allow(&["opened_by", "changed_by", "id", "owner", "condition", "closed"]);
    let event = |key| {
        let text = table.text(key)?;
        let names = events.iter().filter_map(|event| event.text_if_set("name")).map(|name| name.text);
        let names: Vec<&str> = names.collect();
        if !names.contains(&text.text) {
            let hint = did_you_mean(text.text, &names);
            let fault = format!("{:?} is not an event of this catalog{hint}", text.text);
            table.fault(key, text.place, fault);
        }
        Some(text)
    };
    let (opened_by, changed_by) = (event("opened_by"), event("changed_by"));
    let [id, owner, condition] = ["id", "owner", "condition"].map(|key| table.text(key));
    let closed = table.texts("closed");
    Some(OrderRules {
        opened_by: opened_by?.text.into(),
        changed_by: changed_by?.text.into(),
        id_field: id?.text.into(),
        owner_field: owner?.text.into(),
        condition_field: condition?.text.into(),
        closed: closed?.into_iter().map(|text| text.text.into()).collect(),
    })
}
