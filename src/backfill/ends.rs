//! Is a client ahead of this instance, or of Kafka? A cursor that names an offset which Kafka does not have yet was
//! made before a topic was deleted and made anew.
//!
//! Offsets alone tell that only until the new topic has as many records as the old one had.

use super::gap;
use crate::consume::{PastFault, PastReader};
use crate::journal::{Guard, Journal, Partitions, Positions};
use crate::limits::PAST_ENDS_REMEMBERED;
use crate::protocol::Gap;
use crate::shard::Found;
use std::collections::HashMap;
use std::time::Instant;

/// Where Kafka's partitions ended of late: a crowd that changes from one instance to another asks the same.
#[derive(Default)]
pub(super) struct Ends {
    asked: Option<Instant>,
    partitions: Vec<(String, i32)>,
    ends: HashMap<(String, i32), i64>,
}

impl Ends {
    pub fn check(&mut self, reader: &mut PastReader, journal: &Journal, guard: &Guard) -> Result<Found, Gap> {
        let view = journal.view();
        let is_ahead = self.is_ahead(reader, guard, &journal.partitions(), view.handled()).map_err(gap)?;
        if is_ahead {
            return Err(Gap::Recreated);
        }
        let then = journal.view().resume(&guard.positions).ok_or(Gap::TooOld)?;
        Ok(Found { prelude: None, from: guard.clone(), to: guard.clone(), then })
    }

    /// Whether the cursor names an offset that Kafka does not have.
    pub fn is_ahead(
        &mut self,
        reader: &mut PastReader,
        guard: &Guard,
        partitions: &Partitions,
        handled: &Positions,
    ) -> Result<bool, PastFault> {
        if self.asked.is_none_or(|asked| asked.elapsed() > PAST_ENDS_REMEMBERED) {
            self.partitions = reader.partitions()?;
            self.ends.clear();
            self.asked = Some(Instant::now());
        }
        for place in &self.partitions {
            let at = guard.get(partitions, &place.0, place.1);
            let handled = partitions.find(&place.0, place.1).map_or(Positions::NONE, |id| handled.get(id));
            if at <= handled || self.ends.get(place).is_some_and(|end| at < *end) {
                continue;
            }
            let (_, end) = reader.bounds(&place.0, place.1)?;
            self.ends.insert(place.clone(), end);
            if at >= end {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
