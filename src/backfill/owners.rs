//! Records of the past → events, with the owners that are known: the one place where a backfill looks up whose
//! order a record is about.
//!
//! Order topics are read first, so an order that was opened within what is read has its owner. Of an order that was
//! opened before that and is not known otherwise nobody knows it: staff see its events, and a customer, who may be
//! its owner, is told that there may be a gap.

use super::Parts;
use crate::consume::Record;
use crate::event::{Catalog, Event, Key};
use crate::mapping::{Mapped, Mapping, Passed};
use std::sync::Arc;

pub(super) struct OwnedMapping {
    catalog: Arc<Catalog>,
    mapping: Mapping,
}

impl OwnedMapping {
    pub fn new(parts: &Parts) -> OwnedMapping {
        let mapping = Mapping::new(Arc::clone(&parts.catalog), parts.writers.clone());
        OwnedMapping { catalog: Arc::clone(&parts.catalog), mapping }
    }

    pub fn map(&mut self, record: Record<'_>) -> Result<Mapped<'_>, Passed> {
        self.mapping.map(record)
    }

    /// Whether the registry has not answered yet.
    pub fn waits_for_schema(&self, record: Record<'_>) -> bool {
        matches!(self.mapping.written(record), Err(Passed::NotYet))
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
