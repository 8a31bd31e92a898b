//! What a record is to clients: record → writer's schema → event, payload and audience.
//!
//! The pipeline asks for every record, `explain` for the one that somebody wonders about; both get the answer here.
//! It remembers compiled plans; the open orders, among which owners are looked up, are the caller's. Waiting for a schema that the registry has not given yet is
//! for the caller, and so is what becomes of a record that is no event.

use crate::consume::Record;
use crate::decode::{
    Captured, Incompatible, Lookup, Plan, Poison, SchemaReference, WriterSchema, Writers, framing,
};
use crate::event::{Audience, Catalog, CurrentCatalog, Event, EventId, OrderChange, Owners};
use crate::limits::PLANS_MAX;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub struct Mapping {
    catalog: Arc<Catalog>,
    writers: Writers,
    /// Compiled once per event and writer's schema, as a record names it or as the catalog does; none is a pair
    /// that does not resolve.
    plans: HashMap<(EventId, Option<SchemaReference>), Option<Arc<Plan>>>,
    json: Vec<u8>,
    captured: Vec<Captured>,
}

/// A record's value, as its writer meant it.
#[derive(Debug)]
pub struct Written<'r> {
    /// None where records say nothing, and the catalog names their schema.
    pub reference: Option<SchemaReference>,
    pub schema: Arc<WriterSchema>,
    pub body: &'r [u8],
}

/// A record that is an event.
#[derive(Debug)]
pub struct Mapped<'m> {
    pub event: &'m Event,
    /// The documented JSON.
    pub payload: &'m [u8],
    pub audience: Audience,
    /// What it does to an order.
    pub order: Option<OrderChange>,
}

/// Why a record is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The catalog does not name it.
    Unmapped,
    Tombstone,
    Poison(Poison),
    /// The registry has not answered yet.
    NotYet,
}

impl From<Poison> for Passed {
    fn from(poison: Poison) -> Passed {
        Passed::Poison(poison)
    }
}

impl Mapping {
    pub fn new(catalog: Arc<Catalog>, writers: Writers) -> Mapping {
        Mapping { catalog, writers, plans: HashMap::new(), json: Vec::new(), captured: Vec::new() }
    }

    /// Maps by the catalog of now from here on. Plans are kept by an event's place in it.
    pub fn follow(&mut self, catalog: &CurrentCatalog) {
        if let Some(catalog) = catalog.other_than(&self.catalog) {
            self.plans.clear();
            self.catalog = catalog;
        }
    }

    /// The event that a record is. A panic over it costs this record only; the log's panic hook tells where it
    /// happened, without what it says, which may quote the record.
    pub fn map(&mut self, record: Record<'_>, owners: &dyn Owners) -> Result<Mapped<'_>, Passed> {
        // What is kept between records is only added to.
        let event = catch_unwind(AssertUnwindSafe(|| self.map_unguarded(record, owners)));
        let (event, audience, order) = event.unwrap_or(Err(Passed::Poison(Poison::Panic)))?;
        Ok(Mapped { event: self.catalog.event(event), payload: &self.json, audience, order })
    }

    /// Leaves the payload in `json`.
    fn map_unguarded(
        &mut self,
        record: Record<'_>,
        owners: &dyn Owners,
    ) -> Result<(EventId, Audience, Option<OrderChange>), Passed> {
        #[cfg(test)]
        assert_ne!(record.key, Some(tests::PANICS), "as wanted");
        let catalog = Arc::clone(&self.catalog);
        if !catalog.names_topic(record.topic) {
            return Err(Passed::Unmapped);
        }
        let written = self.written(record)?;
        let event = event(&catalog, record.topic, &written).ok_or(Passed::Unmapped)?;
        let plan = self.plan(event, written.reference, &written.schema)?;
        self.json.clear();
        plan.run(written.body, &mut self.json, &mut self.captured)?;
        let rules = catalog.order_rules();
        let audience = Audience::of(event, &self.captured, rules, owners);
        let order = rules.and_then(|rules| OrderChange::of(event, &self.captured, rules));
        Ok((event.id, audience, order))
    }

    /// Which schema a record was written with, and its body.
    pub fn written<'r>(&self, record: Record<'r>) -> Result<Written<'r>, Passed> {
        let value = record.value.ok_or(Passed::Tombstone)?;
        if let Some(event) = self.catalog.raw_event_of(record.topic) {
            return Ok(Written { reference: None, schema: Arc::clone(&event.writer), body: value });
        }
        let (reference, body) = split(record, value)?;
        Ok(Written { schema: self.schema(&reference)?, reference: Some(reference), body })
    }

    /// What a record names its writer's schema by, as far as it does.
    pub fn reference(&self, record: Record<'_>) -> Option<SchemaReference> {
        let is_raw = self.catalog.raw_event_of(record.topic).is_some();
        let value = record.value.filter(|_| !is_raw)?;
        split(record, value).ok().map(|(reference, _)| reference)
    }

    /// The event that a record of `topic` is, if it can be decoded.
    pub fn event<'c>(&'c self, topic: &'c str, written: &Written<'_>) -> Option<&'c Event> {
        event(&self.catalog, topic, written)
    }

    fn schema(&self, reference: &SchemaReference) -> Result<Arc<WriterSchema>, Passed> {
        match self.writers.lookup(reference) {
            Lookup::Known(schema) => Ok(schema),
            Lookup::Waiting => Err(Passed::NotYet),
            Lookup::Unknown => Err(Poison::UnknownSchema.into()),
            Lookup::Bad(poison) => Err(poison.into()),
        }
    }

    fn plan(
        &mut self,
        event: &Event,
        reference: Option<SchemaReference>,
        schema: &WriterSchema,
    ) -> Result<Arc<Plan>, Passed> {
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
        }
        let plan = self.plans.entry((event.id, reference)).or_insert_with_key(|(_, reference)| {
            Plan::compile(schema, &event.schema, &event.captures)
                .inspect_err(|why| note_unresolved(event, reference.as_ref(), why))
                .ok()
                .map(Arc::new)
        });
        plan.clone().ok_or(Passed::Poison(Poison::IncompatibleSchema))
    }
}

fn event<'c>(catalog: &'c Catalog, topic: &'c str, written: &Written<'_>) -> Option<&'c Event> {
    match written.reference {
        Some(_) => catalog.event_of(topic, written.schema.record_name()),
        None => catalog.raw_event_of(topic),
    }
}

fn split<'r>(record: Record<'r>, value: &'r [u8]) -> Result<(SchemaReference, &'r [u8]), Poison> {
    // A header without a value names nothing.
    let headers = record.headers.iter().filter_map(|header| Some((header.name, header.value?)));
    framing::split(record.topic, headers, value)
}

/// A schema that the record does not name is the catalog's.
fn note_unresolved(event: &Event, reference: Option<&SchemaReference>, why: &Incompatible) {
    let kind = reference.map(SchemaReference::kind);
    let schema = reference.map(tracing::field::display);
    tracing::warn!(event = &*event.name, kind, schema, %why, "a writer's schema does not resolve");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::consume::OwnedRecord;
    use crate::event::OpenOrders;

    /// The key of a record that the mapping panics over: in tests only, since no record is known that does.
    pub const PANICS: &[u8] = b"panics";

    /// The default catalog, for records that name no schema.
    pub fn raw_catalog() -> (Arc<Catalog>, Writers) {
        let text = include_str!("event/catalog.toml").replace("clients =", "encoding = \"raw\"\nclients =");
        let catalog = Arc::new(Catalog::parse(&text, None).unwrap());
        let writers = catalog.events().iter().map(|event| Arc::clone(&event.writer));
        let writers = Writers::open(&crate::decode::Settings::default(), writers, None).unwrap();
        (catalog, writers)
    }

    /// Order `o1` is `DONE`.
    pub fn raw_condition() -> OwnedRecord {
        OwnedRecord {
            topic: "order.condition".to_owned(),
            value: Some(b"\x04o1\x08DONE".to_vec()),
            ..Default::default()
        }
    }

    #[test]
    fn a_panic_over_a_record_is_a_reason_of_its_own_and_the_next_one_is_mapped() {
        let (catalog, writers) = raw_catalog();
        let mut mapping = Mapping::new(catalog, writers);
        let condition = raw_condition();
        let bad = OwnedRecord { key: Some(PANICS.to_vec()), ..condition.clone() };
        let none = OpenOrders::default();
        for _ in 0..2 {
            assert_eq!(mapping.map(bad.lend(), &none).unwrap_err(), Passed::Poison(Poison::Panic));
            let mapped = mapping.map(condition.lend(), &none).unwrap();
            assert_eq!(mapped.payload, br#"{"_id":"o1","condition":"DONE"}"#);
        }
    }
}
