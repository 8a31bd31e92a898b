//! Records of the past → events, with the owners that are known: the one place where a backfill looks up whose
//! order a record is about.
//!
//! The journal knows the owners of the look-back. Order topics are read first, so an order that was opened within what
//! is read has its owner, too. Of any other order nobody knows it: staff see its events, and a customer, who may be
//! its owner, is told that there may be a gap.

use super::Parts;
use crate::consume::Record;
use crate::event::{Catalog, Event, Key, OpenOrders, OrderBook, Owner, Owners, Shown};
use crate::mapping::{Mapped, Mapping, Passed};
use crate::protocol::Frames;
use std::sync::Arc;

pub(super) struct OwnedMapping {
    catalog: Arc<Catalog>,
    mapping: Mapping,
    /// Orders that this reading has read, for their owners.
    read: OrderBook,
}

struct Known<'k> {
    now: &'k OpenOrders,
    read: &'k OpenOrders,
}

impl Owners for Known<'_> {
    fn owner(&self, id: &str) -> Option<&Owner> {
        self.now.owner(id).or_else(|| self.read.owner(id))
    }
}

impl OwnedMapping {
    pub fn new(parts: &Parts) -> OwnedMapping {
        OwnedMapping::with(parts.catalog.get(), parts)
    }

    fn with(catalog: Arc<Catalog>, parts: &Parts) -> OwnedMapping {
        let mapping = Mapping::new(Arc::clone(&catalog), parts.writers.clone());
        let read = OrderBook::new(&parts.orders, [].into());
        OwnedMapping { catalog, mapping, read }
    }

    /// For another reading: by the catalog of now, and with no orders but those that it will read.
    pub fn begin(&mut self, parts: &Parts) {
        match parts.catalog.other_than(&self.catalog) {
            Some(catalog) => *self = OwnedMapping::with(catalog, parts),
            None => self.read = OrderBook::new(&parts.orders, [].into()),
        }
    }

    /// `now` are the owners whom the journal knows by now.
    pub fn map(&mut self, record: Record<'_>, now: &OpenOrders) -> Result<Mapped<'_>, Passed> {
        let OwnedMapping { mapping, read, .. } = self;
        let mapped = mapping.map(record, &Known { now, read: read.orders() })?;
        if let Some(order) = &mapped.order {
            let shown = Shown { audience: [].into(), frames: Frames::default() };
            read.apply(order, shown, record.timestamp_ms.unwrap_or(0));
        }
        Ok(mapped)
    }

    /// Whether the registry has not answered yet.
    pub fn waits_for_schema(&self, record: Record<'_>) -> bool {
        matches!(self.mapping.written(record), Err(Passed::NotYet))
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    /// Whether records of the topic open orders.
    pub fn opens_orders(&self, topic: &str) -> bool {
        let Some(rules) = self.catalog.order_rules() else { return false };
        self.catalog.events_of(topic).any(|event| event.name == rules.opened_by)
    }
}

/// Whether whoever holds `keys` may be the owner that an event of this kind has.
pub(super) fn may_own(catalog: &Catalog, event: &Event, keys: &[Key]) -> bool {
    let Some(rules) = catalog.order_rules() else { return false };
    let mut owners = event.audience.iter().filter(|template| template.field() == Some(&rules.owner_field));
    owners.any(|template| keys.iter().any(|key| template.may_give(key)))
}
