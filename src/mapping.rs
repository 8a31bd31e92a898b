//! What a record is to clients: record → writer's schema → event, payload and audience.
//!
//! The pipeline asks for every record, `explain` for the one that somebody wonders about; both get the answer here.
//! It remembers compiled plans and the open orders. Waiting for a schema that the registry has not given yet is
//! for the caller, and so is what becomes of a record that is no event.

use crate::consume::Record;
use crate::decode::{Captured, Lookup, Plan, Poison, Registry, SchemaId, WriterSchema, framing};
use crate::event::{Audience, Catalog, Event, EventId, OpenOrders};
use crate::limits::{OPEN_ORDERS_MAX, PLANS_MAX};
use std::collections::HashMap;
use std::sync::Arc;

pub struct Mapping {
    catalog: Arc<Catalog>,
    registry: Registry,
    orders: OpenOrders,
    /// Compiled once per event and writer's schema; none is a pair that does not resolve.
    plans: HashMap<(EventId, SchemaId), Option<Arc<Plan>>>,
    json: Vec<u8>,
    captured: Vec<Captured>,
}

/// A record's value, as its writer meant it.
#[derive(Debug)]
pub struct Written<'r> {
    pub schema_id: SchemaId,
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
    pub fn new(catalog: Arc<Catalog>, registry: Registry) -> Mapping {
        Mapping {
            catalog,
            registry,
            orders: OpenOrders::new(OPEN_ORDERS_MAX),
            plans: HashMap::new(),
            json: Vec::new(),
            captured: Vec::new(),
        }
    }

    /// The event that a record is. Whose order it is about is learnt on the way.
    pub fn map(&mut self, record: Record<'_>) -> Result<Mapped<'_>, Passed> {
        let catalog = Arc::clone(&self.catalog);
        if !catalog.names_topic(record.topic) {
            return Err(Passed::Unmapped);
        }
        let Written { schema_id, schema, body } = self.written(record)?;
        let event = catalog.event_of(record.topic, schema.record_name()).ok_or(Passed::Unmapped)?;
        let plan = self.plan(event, schema_id, &schema)?;
        self.json.clear();
        plan.run(body, &mut self.json, &mut self.captured)?;
        let audience = Audience::of(event, &self.captured, catalog.order_rules(), &mut self.orders);
        Ok(Mapped { event: self.catalog.event(event.id), payload: &self.json, audience })
    }

    /// Which schema a record was written with, and its body.
    pub fn written<'r>(&self, record: Record<'r>) -> Result<Written<'r>, Passed> {
        let (schema_id, body) = framing::split(record.value.ok_or(Passed::Tombstone)?)?;
        Ok(Written { schema_id, schema: self.schema(schema_id)?, body })
    }

    pub fn open_orders(&self) -> usize {
        self.orders.len()
    }

    fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Passed> {
        match self.registry.lookup(id) {
            Lookup::Known(schema) => Ok(schema),
            Lookup::Waiting => Err(Passed::NotYet),
            Lookup::Unknown => Err(Poison::UnknownSchema.into()),
            Lookup::Bad(poison) => Err(poison.into()),
        }
    }

    fn plan(&mut self, event: &Event, id: SchemaId, schema: &WriterSchema) -> Result<Arc<Plan>, Passed> {
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
        }
        let plan = self.plans.entry((event.id, id)).or_insert_with(|| {
            Plan::compile(schema, &event.schema, &event.capture_names())
                .inspect_err(|why| {
                    tracing::warn!(event = &*event.name, schema_id = id.0, %why, "a writer's schema does not resolve");
                })
                .ok()
                .map(Arc::new)
        });
        plan.clone().ok_or(Passed::Poison(Poison::IncompatibleSchema))
    }
}
